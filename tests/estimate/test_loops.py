"""Loops against what a layer's shape says, on single operators."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipeline.estimate.loops.memory import moved
from pipeline.estimate.loops.table import LOOPS
from pipeline.estimate.loops.windows import axis, taps_inside
from pipeline.estimate.runs import KernelRun, kernel_runs
from pipeline.paths import firmware_path
from pipeline.records import INT4, KernelTarget
from pipeline.stages import plan_model
from tests import one_op


def run_of(tmp_path: Path, model: bytes, target: KernelTarget) -> KernelRun:
    path = tmp_path / "one.tflite"
    path.write_bytes(model)
    (run,) = kernel_runs(plan_model(path, target=target, keep_constant_channels=True))
    assert run is not None
    return run


def test_every_kernel_has_its_loops() -> None:
    headers = (firmware_path() / "lib" / "kernels").rglob("*.h")
    text = "\n".join(path.read_text(encoding="utf-8") for path in headers)
    # Kernels are declared one by one, or several of a type that is named after their operator.
    declared = re.findall(r"^void (\w+)\(\s*const struct \w+_params \*", text, re.MULTILINE)
    for names in re.findall(r"^\w+ (\w+_s8(?:, \w+)*);", text, re.MULTILINE):
        declared += names.split(", ")
    assert len(declared) > 50
    assert not set(declared) - set(LOOPS)


def counts_of(run: KernelRun) -> Counter[str]:
    return LOOPS[run.call.function](run)


CONVOLUTIONS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "pointwise": ((1, 7, 9, 16), {"channels": 12, "kernel": (1, 1)}),
    "strided": ((1, 11, 8, 8), {"channels": 7, "kernel": (3, 3), "stride": (2, 2)}),
    "sliding": ((1, 9, 10, 8), {"channels": 8, "kernel": (3, 3)}),
    "valid": ((1, 12, 13, 3), {"channels": 8, "kernel": (5, 4), "padding": "VALID"}),
}


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_groups_of_a_convolution_hold_every_pixel(case: str, tmp_path: Path) -> None:
    shape, options = CONVOLUTIONS[case]
    model = one_op.single(one_op.conv_2d, shape, (0.05, 3), **options)
    run = run_of(tmp_path, model, KernelTarget.DSP)
    counts = counts_of(run)
    pixels = run.rows * run.params["output_w"]
    held = 3 * counts["groups_3"] + 2 * counts["groups_2"]
    # The last pixel of a strip may be computed twice.
    assert pixels <= held <= pixels + counts["strips"]
    groups = counts["groups_3"] + counts["groups_2"]
    assert counts["channels_3"] + counts["channels_2"] == groups * run.params["output_c"]


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_values_of_a_portable_convolution_are_its_macs_without_padding(
    padding: str, tmp_path: Path
) -> None:
    model = one_op.single(
        one_op.conv_2d, (1, 6, 5, 3), (0.05, 3), channels=5, kernel=(3, 3), padding=padding
    )
    counts = counts_of(run_of(tmp_path, model, KernelTarget.PORTABLE))
    inside = {"SAME": (3 * 6 - 2) * (3 * 5 - 2), "VALID": 9 * 4 * 3}[padding]
    # Four channels together, and one alone.
    assert counts["quad_values"] == counts["single_values"] == inside * 3
    assert counts["quads"] == counts["pixels"]


FOUR_BITS: dict[str, Any] = {"filter_dtype": INT4, "filter_limits": (-7, 7)}


@pytest.mark.parametrize(
    ("channels", "quads", "pairs"), [(8, 2, 0), (7, 2, 0), (6, 1, 1), (1, 0, 1)]
)
def test_filters_of_four_bits_are_taken_by_pairs(
    channels: int, quads: int, pairs: int, tmp_path: Path
) -> None:
    model = one_op.single(
        one_op.conv_2d, (1, 5, 5, 3), (0.05, 3), channels=channels, padding="VALID", **FOUR_BITS
    )
    counts = counts_of(run_of(tmp_path, model, KernelTarget.PORTABLE))
    assert counts["pixels"] == 9
    assert (counts["quads"], counts["pairs"]) == (9 * quads, 9 * pairs)
    assert counts["quad_values"] == 9 * quads * 27
    assert counts["channels"] == 9 * channels
    dense = one_op.single(one_op.fully_connected, (2, 11), (0.05, 3), outputs=channels, **FOUR_BITS)
    counts = counts_of(run_of(tmp_path, dense, KernelTarget.PORTABLE))
    assert (counts["quad_values"], counts["pair_values"]) == (2 * 11 * quads, 2 * 11 * pairs)


@pytest.mark.parametrize(("inputs", "outputs"), [(8, 128), (13, 20), (130, 3), (6, 5)])
def test_blocks_of_four_bits_hold_every_weight(inputs: int, outputs: int, tmp_path: Path) -> None:
    model = one_op.single(
        one_op.fully_connected, (1, inputs), (0.05, 3), outputs=outputs, **FOUR_BITS
    )
    run = run_of(tmp_path, model, KernelTarget.DSP)
    assert "nibbles" in run.call.function
    counts = counts_of(run)
    assert counts["blocks"] == -(-outputs // 4) * -(-inputs // 4)
    assert counts["blocks"] / 2 <= counts["turns"] <= counts["blocks"]
    assert counts["outputs"] == outputs


@pytest.mark.parametrize("stride", [1, 2])
def test_walks_of_a_depthwise_convolution_make_every_output(stride: int, tmp_path: Path) -> None:
    model = one_op.single(
        one_op.depthwise_conv_2d,
        (1, 9, 10, 6),
        (0.05, 3),
        kernel=(3, 3),
        stride=(stride, stride),
        output=(0.05, -128),
        activation="RELU",
    )
    run = run_of(tmp_path, model, KernelTarget.DSP)
    assert run.call.function.startswith("depthwise_conv_2d_3x3")
    counts = counts_of(run)
    outputs = run.rows * run.params["output_w"] * 6
    assert counts[f"pixels_{stride}"] + counts["right"] == outputs
    assert counts["grown"] == run.rows


def test_calls_are_steps_of_the_schedule(tmp_path: Path) -> None:
    model = one_op.single(one_op.softmax, (1, 9), (0.05, 3))
    run = run_of(tmp_path, model, KernelTarget.DSP)
    assert counts_of(run) == Counter(calls=1, rows=1, values=9)


@pytest.mark.parametrize(
    ("origin", "dilation", "inside"), [(-1, 1, 2), (0, 1, 3), (3, 1, 2), (-2, 2, 2), (9, 1, 0)]
)
def test_taps_inside_an_image_of_five(origin: int, dilation: int, inside: int) -> None:
    assert taps_inside(origin, 3, 5, dilation) == inside


def test_windows_along_an_axis() -> None:
    assert axis(range(5), 1, 1, 3, 5) == (5, 13, 2)


def test_moves_go_by_sixteen_bytes() -> None:
    counts: Counter[str] = Counter()
    moved(counts, "copies", 2, 37)
    assert counts == Counter(copies=2, copies_long=2, copies_blocks=4, copies_rest=10)
