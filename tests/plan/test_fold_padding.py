"""PADs that become part of their readers: which ones do, and that every output stays the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.codegen.render import generate
from pipeline.plan.deploy import make_plan
from pipeline.plan.fold_padding import fold_padding
from pipeline.plan.graph import parse_graph
from pipeline.records import DeployPlan, FoldedPadding, KernelTarget, OpKind
from tests import one_op
from tests.compiled import CompiledModel, HostCompiler, SanitizedModel
from tests.exact import ReferenceTensors, samples
from tests.small_models import image
from tests.streams import streamed
from tests.tflite_models import ModelBuilder

NONE: one_op.Pair = (0, 0)
STRIDE_2: dict[str, Any] = {"stride": (2, 2), "padding": "VALID"}


@dataclass(frozen=True)
class Case:
    """A PAD of an image, and one operator that reads it."""

    add: Callable[..., int]
    shape: tuple[int, ...]
    rows: one_op.Pair
    columns: one_op.Pair
    options: dict[str, Any] = field(default_factory=dict)
    zero_point: int = 3

    def tflite(self) -> bytes:
        builder, rng = ModelBuilder(), np.random.default_rng(1)
        x = builder.tensor("image", self.shape, scale=0.05, zero_point=self.zero_point)
        padded = one_op.pad(builder, rng, x, amounts=(NONE, self.rows, self.columns, NONE))
        return builder.build([x], [self.add(builder, rng, padded, **self.options)])


def conv(shape: tuple[int, ...], rows: one_op.Pair, columns: one_op.Pair, **options: Any) -> Case:
    return Case(one_op.conv_2d, shape, rows, columns, {"channels": 5, **options})


def depthwise(
    shape: tuple[int, ...], rows: one_op.Pair, columns: one_op.Pair, **options: Any
) -> Case:
    relu = {"activation": "RELU", "output": (0.05, -128)}
    return Case(one_op.depthwise_conv_2d, shape, rows, columns, {**relu, **options})


def pool(
    shape: tuple[int, ...], rows: one_op.Pair, columns: one_op.Pair, zero_point: int, **options: Any
) -> Case:
    return Case(one_op.pool_2d, shape, rows, columns, options, zero_point)


FOLDED: dict[str, Case] = {
    "conv_keras_even": conv((1, 8, 8, 3), (0, 1), (0, 1), **STRIDE_2),
    "conv_torch": conv((1, 8, 8, 3), (1, 1), (1, 1), **STRIDE_2),
    "conv_top_left_only": conv((1, 7, 9, 4), (2, 0), (1, 0), padding="VALID"),
    "conv_uneven": conv((1, 6, 7, 8), (0, 2), (2, 1), padding="VALID"),
    "conv_more_by_same": conv((1, 6, 7, 8), (1, 0), (0, 1), padding="SAME"),
    "conv_same_stride_2": conv((1, 7, 7, 4), (1, 1), (0, 1), stride=(2, 2), padding="SAME"),
    "conv_7x7": conv((1, 9, 9, 3), (3, 3), (3, 3), kernel=(7, 7), **STRIDE_2),
    "conv_small_image": conv((1, 1, 2, 4), (2, 2), (2, 1), kernel=(3, 3), padding="VALID"),
    "conv_dilated": conv((1, 6, 6, 4), (2, 2), (3, 1), dilation=(2, 2), padding="VALID"),
    "conv_in_groups": conv((1, 6, 6, 4), (1, 2), (0, 1), channels=6, groups=2, **STRIDE_2),
    "conv_rows_alone": conv((1, 6, 6, 4), (1, 1), (0, 0), kernel=(3, 1), padding="VALID"),
    "conv_unread_padding": conv((1, 4, 4, 4), (0, 9), (0, 0), stride=(11, 1), padding="VALID"),
    "depthwise_keras_even": depthwise((1, 8, 8, 8), (0, 1), (0, 1), **STRIDE_2),
    "depthwise_torch": depthwise((1, 8, 8, 8), (1, 1), (1, 1), **STRIDE_2),
    "depthwise_stride_1": depthwise((1, 6, 5, 6), (1, 1), (1, 1), padding="VALID"),
    "depthwise_below_only": depthwise((1, 6, 5, 6), (0, 1), (0, 0), padding="VALID"),
    "depthwise_left_only": depthwise((1, 6, 5, 6), (0, 0), (1, 0), padding="VALID"),
    "depthwise_5x5_keras": depthwise((1, 8, 8, 8), (1, 2), (1, 2), kernel=(5, 5), **STRIDE_2),
    "depthwise_5x5_uneven": depthwise((1, 7, 9, 4), (4, 0), (3, 4), kernel=(5, 5), padding="VALID"),
    "depthwise_multiplier": depthwise((1, 6, 6, 3), (1, 1), (0, 1), multiplier=2, **STRIDE_2),
    "depthwise_one_channel": depthwise((1, 8, 7, 1), (2, 1), (1, 2), **STRIDE_2),
    "depthwise_linear": depthwise(
        (1, 6, 6, 6), (1, 0), (0, 1), activation="NONE", output=(0.05, 3), **STRIDE_2
    ),
    "max_pool_resnet": pool((1, 8, 8, 4), (1, 1), (1, 1), -128, kind="MAX_POOL_2D", kernel=(3, 3)),
    "max_pool_uneven": pool(
        (1, 6, 7, 3), (0, 1), (1, 0), -128, kind="MAX_POOL_2D", activation="RELU6"
    ),
}

KEPT: dict[str, Case] = {
    # A pixel of the output that sees nothing but padding.
    "wider_than_the_window": conv((1, 6, 6, 4), (3, 0), (0, 0), padding="VALID"),
    "wider_behind": conv((1, 6, 6, 4), (0, 3), (0, 0), padding="VALID"),
    "wider_with_same": conv((1, 6, 6, 4), (0, 0), (2, 0), padding="SAME"),
    "pointwise": conv((1, 6, 6, 4), (1, 1), (1, 1), kernel=(1, 1)),
    "average_counts_padding": pool((1, 6, 6, 4), (1, 1), (1, 1), -128, kind="AVERAGE_POOL_2D"),
    "maximum_sees_padding": pool((1, 6, 6, 4), (1, 1), (1, 1), -127, kind="MAX_POOL_2D"),
    "maximum_of_padding": pool((1, 6, 6, 4), (2, 0), (0, 0), -128, kind="MAX_POOL_2D"),
    "another_operator": Case(one_op.softmax, (1, 4, 4, 3), (1, 1), (1, 1)),
}


def folded_plan(
    tflite: bytes, target: KernelTarget, *, rows: int | None = None
) -> tuple[DeployPlan, tuple[FoldedPadding, ...]]:
    """The plan after folding; streamed so many rows at a time if any."""
    graph, folded = fold_padding(parse_graph(tflite, "model", "model"), target)
    plan = make_plan(graph, target)
    return (plan if rows is None else streamed(graph, target, rows=rows, spare=0)), folded


def assert_same(
    tflite: bytes, compiler: HostCompiler, *, rows: int | None = None, sane: bool = False
) -> list[tuple[FoldedPadding, ...]]:
    """Compare the outputs after folding with the reference's; what each target has folded."""
    graph = parse_graph(tflite, "model", "model")
    reference = ReferenceTensors(tflite)
    chosen = list(samples(graph))
    all_folded = []
    for target in KernelTarget:
        plan, folded = folded_plan(tflite, target, rows=rows)
        all_folded.append(folded)
        model: CompiledModel | SanitizedModel
        if sane:
            model = compiler.load_sanitized(plan)
            results = model.run(chosen)
        else:
            model = compiler.load(plan)
            results = [model.run(x) for x in chosen]
        for x, outputs in zip(chosen, results, strict=True):
            reference.run(graph, x)
            for index, received in zip(graph.outputs, outputs, strict=True):
                np.testing.assert_array_equal(received, reference.read(index), str(target))
    return all_folded


@pytest.mark.parametrize("case", FOLDED)
def test_readers_pad(case: str, compiler: HostCompiler) -> None:
    for folded in assert_same(FOLDED[case].tflite(), compiler):
        assert [pad.name for pad in folded] == ["pad_0"]
        assert (folded[0].before, folded[0].after) == tuple(
            zip(FOLDED[case].rows, FOLDED[case].columns, strict=True)
        )


@pytest.mark.parametrize("case", FOLDED)
def test_readers_pad_rows_of_rings(case: str, compiler: HostCompiler) -> None:
    assert_same(FOLDED[case].tflite(), compiler, rows=1)


@pytest.mark.slow
@pytest.mark.parametrize("case", FOLDED)
def test_readers_stay_in_their_tensors(case: str, compiler: HostCompiler) -> None:
    assert_same(FOLDED[case].tflite(), compiler, sane=True)


@pytest.mark.parametrize("case", KEPT)
def test_some_padding_stays(case: str, compiler: HostCompiler) -> None:
    assert assert_same(KEPT[case].tflite(), compiler) == [(), ()]


def test_padding_stays_where_only_a_slower_kernel_takes_it() -> None:
    # With two columns of padding the sliding window of 3x3 is not taken, but it is behind a PAD.
    tflite = depthwise((1, 6, 6, 8), (1, 1), (1, 1), padding="SAME").tflite()
    assert folded_plan(tflite, KernelTarget.DSP)[1] == ()
    assert len(folded_plan(tflite, KernelTarget.PORTABLE)[1]) == 1


def test_padding_of_channels_and_batches_stays() -> None:
    for amounts in ((NONE, (1, 1), NONE, (0, 1)), ((0, 0), (1, 1), NONE, (1, 0))):
        builder, rng = ModelBuilder(), np.random.default_rng(1)
        x = image(builder)
        padded = one_op.pad(builder, rng, x, amounts=amounts)
        tflite = builder.build([x], [one_op.conv_2d(builder, rng, padded, channels=4)])
        assert folded_plan(tflite, KernelTarget.DSP)[1] == ()


def two_readers(*, second: str, output: bool = False) -> bytes:
    builder, rng = ModelBuilder(), np.random.default_rng(1)
    x = image(builder)
    padded = one_op.pad(builder, rng, x, amounts=(NONE, (1, 1), (1, 1), NONE))
    first = one_op.conv_2d(builder, rng, padded, channels=4, padding="VALID")
    if second == "conv_2d":
        other = one_op.conv_2d(builder, rng, padded, channels=3, **STRIDE_2)
    else:
        other = one_op.add(builder, rng, padded)
    return builder.build([x], [first, other, *([padded] if output else [])])


def test_all_readers_pad_or_none(compiler: HostCompiler) -> None:
    both = assert_same(two_readers(second="conv_2d"), compiler)
    assert [pad.layers for (pad,) in both] == [("conv_2d_1", "conv_2d_2")] * 2
    assert assert_same(two_readers(second="add"), compiler) == [(), ()]
    assert assert_same(two_readers(second="conv_2d", output=True), compiler) == [(), ()]


def test_two_pads_in_a_row_become_one(compiler: HostCompiler) -> None:
    builder, rng = ModelBuilder(), np.random.default_rng(1)
    x = image(builder)
    once = one_op.pad(builder, rng, x, amounts=(NONE, (1, 0), (0, 2), NONE))
    twice = one_op.pad(builder, rng, once, amounts=(NONE, (1, 2), (1, 0), NONE))
    tflite = builder.build([x], [one_op.conv_2d(builder, rng, twice, channels=4, padding="VALID")])
    for folded in assert_same(tflite, compiler):
        assert [pad.name for pad in folded] == ["pad_0", "pad_1"]
        assert [pad.before for pad in folded] == [(1, 0), (1, 1)]


def test_generated_code_says_whose_padding_it_does(tmp_path: Path) -> None:
    plan, folded = folded_plan(FOLDED["conv_torch"].tflite(), KernelTarget.PORTABLE)
    assert [op.kind for op in plan.graph.ops] == [OpKind.CONV_2D]
    generate(dataclasses.replace(plan, folded_padding=folded), tmp_path, command="test")
    text = (tmp_path / "model.c").read_text(encoding="ascii")
    assert "MACs, with the padding of pad_0\n" in text


@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_padding_before_a_convolution(data: st.DataObject, compiler: HostCompiler) -> None:
    small, taps = st.integers(0, 3), st.integers(1, 5)
    height, width = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 7))
    rows, columns = (data.draw(small), data.draw(small)), (data.draw(small), data.draw(small))
    kernel = (data.draw(taps), data.draw(taps))
    fits = kernel[0] <= height + sum(rows) and kernel[1] <= width + sum(columns)
    options = {
        "kernel": kernel,
        "stride": (data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))),
        "padding": data.draw(st.sampled_from(("SAME", "VALID") if fits else ("SAME",))),
    }
    shape = (1, height, width, data.draw(st.integers(1, 9)))
    make = data.draw(st.sampled_from((conv, depthwise)))
    assert_same(make(shape, rows, columns, **options).tflite(), compiler)
