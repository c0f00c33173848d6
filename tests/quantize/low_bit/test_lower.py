"""The choice of layers under a budget."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import DoesNotFitError
from pipeline.plan.graph import parse_graph
from pipeline.quantize.low_bit import LowBitResult, divergence, lower_weights
from pipeline.records import INT4
from pipeline.reference import ReferenceModel
from tests import one_op
from tests.compiled import HostCompiler
from tests.exact import assert_exact
from tests.quantize.low_bit.images import PlannedImages, network_graph, samples
from tests.tflite_models import ModelBuilder


def lowered(budget: int | None, kernel_bytes: int = 0) -> LowBitResult:
    graph, data = network_graph()
    return lower_weights(graph, samples(), budget, PlannedImages(data, kernel_bytes))


def bounds() -> tuple[int, int]:
    """Flash with four bits wherever they save anything, and with eight throughout."""
    result = lowered(None)
    return result.flash_bytes, result.flash_bytes_before


def test_all_layers_that_gain_are_lowered_without_a_budget(compiler: HostCompiler) -> None:
    result = lowered(None)
    assert [layer.kind for layer in result.layers] == ["CONV_2D"] * 3 + ["FULLY_CONNECTED"]
    assert {layer.bits for layer in result.layers} == {4}
    assert all(layer.bytes_after < layer.bytes_before for layer in result.layers)
    assert result.flash_bytes < result.flash_bytes_before
    assert_exact(result.tflite, compiler)


def test_budgets_are_met_and_smaller_ones_never_take_more() -> None:
    smallest, largest = bounds()
    sizes, sums = [], []
    for budget in np.linspace(smallest, largest - 1, 9).astype(int).tolist():
        result = lowered(budget)
        assert smallest <= result.flash_bytes <= budget
        graph = parse_graph(result.tflite, "m", "m")
        assert PlannedImages(result.tflite).flash_bytes(graph) == result.flash_bytes
        sizes.append(result.flash_bytes)
        sums.append(sum(each.sensitivity or 0.0 for each in result.layers if each.bits == 4))
    assert sizes == sorted(sizes)
    # And more flash never costs more.
    assert sums == sorted(sums, reverse=True)


def test_a_model_within_the_budget_stays_as_it_is() -> None:
    _, largest = bounds()
    result = lowered(largest)
    assert result.layers == ()
    assert result.divergence == 0.0
    graph = parse_graph(result.tflite, "m", "m")
    assert INT4 not in {tensor.dtype for tensor in graph.tensors}


def test_a_budget_out_of_reach_says_what_is_reachable() -> None:
    smallest, largest = bounds()
    with pytest.raises(DoesNotFitError, match=rf"at most {smallest - 1:,} B of flash. Rec") as info:
        lowered(smallest - 1)
    assert f"{smallest:,} B is the smallest" in str(info.value)
    assert f"{largest:,} B" in str(info.value)


def test_a_kernel_of_four_bits_has_to_save_more_than_it_takes() -> None:
    # The classifier's saves 72 bytes, those of the convolutions 304 and 1,728.
    result = lowered(None, kernel_bytes=100)
    assert {layer.kind for layer in result.layers} == {"CONV_2D"}
    assert result.flash_bytes == bounds()[0] + 72 + 2 * 100
    # So much is in reach, then, with a budget.
    assert lowered(result.flash_bytes, kernel_bytes=100).flash_bytes == result.flash_bytes


def test_a_model_that_gains_nothing_stays_and_is_said() -> None:
    assert lowered(None, kernel_bytes=2_000).layers == ()
    with pytest.raises(DoesNotFitError, match="Received: 10,280 B, of which four bits save noth"):
        lowered(9_000, kernel_bytes=2_000)


def test_outputs_change_little() -> None:
    assert 0 < lowered(None).divergence < 0.05


def test_divergence_is_a_share_of_the_variance() -> None:
    graph, data = network_graph()
    result = lowered(None)
    (before,), (after,) = (ReferenceModel(each).run(samples()) for each in (data, result.tflite))
    change = ((before.astype(float) - after) ** 2).mean() / before.astype(float).var()
    again = parse_graph(result.tflite, "m", "m")
    assert divergence(graph, samples(), again, PlannedImages(data)) == pytest.approx(change)


def test_filters_that_layers_share_are_left_alone() -> None:
    builder, rng = ModelBuilder(), np.random.default_rng(0)
    x = builder.tensor("x", (1, 4, 4, 8), scale=0.05)
    y = one_op.conv_2d(builder, rng, x, channels=8, output=(0.05, 0))
    z = one_op.conv_2d(builder, rng, y, channels=8, output=(0.05, 0))
    first, second = builder.subgraph.operators
    second.inputs = [second.inputs[0], first.inputs[1], second.inputs[2]]
    data = builder.build([x], [z])
    graph = parse_graph(data, "m", "m")
    x_values = (np.zeros((2, 4, 4, 8), dtype=np.int8),)
    assert lower_weights(graph, x_values, None, PlannedImages(data)).layers == ()


def test_a_layer_without_bias_gets_one() -> None:
    data = one_op.single(one_op.fully_connected, (1, 64), (0.05, 3), outputs=16, bias=None)
    graph = parse_graph(data, "m", "m")
    x = (np.random.default_rng(0).integers(-128, 128, size=(8, 1, 64)).astype(np.int8),)
    result = lower_weights(graph, x, None, PlannedImages(data))
    again = parse_graph(result.tflite, "m", "m")
    assert [layer.bits for layer in result.layers] == [4]
    assert again.tensors[again.ops[0].inputs[2]].dtype == "int32"
