"""Filters of four bits: their scales, and what passing errors on is worth."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.plan.graph import parse_graph
from pipeline.quantize.low_bit.layers import (
    FloatArray,
    WeightedLayer,
    eligible_layers,
    input_rows,
)
from pipeline.quantize.low_bit.rewrite import with_filters
from pipeline.quantize.low_bit.rounding import RoundedFilter, round_filter
from pipeline.records import INT4
from tests import one_op

RNG = np.random.default_rng(2)


def layer_of(model: bytes) -> WeightedLayer:
    (layer,) = eligible_layers(parse_graph(model, "m", "m"))
    return layer


def dense(**options: object) -> WeightedLayer:
    return layer_of(one_op.single(one_op.fully_connected, (1, 24), (0.05, 3), outputs=6, **options))


def sums(layer: WeightedLayer, rows: FloatArray) -> FloatArray:
    result: FloatArray = rows @ layer.weights.T + layer.bias
    return result


def rounded_sums(rounded: RoundedFilter, rows: FloatArray) -> FloatArray:
    result: FloatArray = rows @ (rounded.values * rounded.scales[:, np.newaxis]).T + rounded.bias
    return result


def correlated_rows() -> FloatArray:
    """Inputs that go together, none of them about zero."""
    rows: FloatArray = RNG.normal(size=(400, 4)) @ RNG.normal(size=(4, 24)) + 2
    return rows + 0.1 * RNG.normal(size=rows.shape)


def test_values_are_symmetric_and_there_is_a_scale_for_each_channel() -> None:
    rounded = round_filter(dense(), correlated_rows())
    assert rounded.values.dtype == np.int8
    assert np.abs(rounded.values).max() == 7
    assert rounded.scales.shape == (6,)
    np.testing.assert_array_equal(rounded.scales, rounded.scales.astype(np.float32))


def test_sums_keep_their_mean() -> None:
    layer, rows = dense(), correlated_rows()
    difference = rounded_sums(round_filter(layer, rows), rows) - sums(layer, rows)
    np.testing.assert_allclose(difference.mean(axis=0), 0, atol=1e-9)


def test_looking_at_inputs_is_worth_it() -> None:
    layer, rows = dense(), correlated_rows()
    errors = [
        ((rounded_sums(round_filter(layer, known), rows) - sums(layer, rows)) ** 2).mean()
        for known in (rows, None)
    ]
    assert errors[0] < errors[1] / 4


def test_a_channel_of_zeros_stays_one() -> None:
    layer = dense(filter_limits=(0, 0))
    rounded = round_filter(layer, correlated_rows())
    assert not rounded.values.any()
    assert (rounded.scales > 0).all()


@pytest.mark.parametrize("stride", [(1, 1), (2, 1)])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_rows_are_what_convolutions_multiply(padding: str, stride: one_op.Pair) -> None:
    """Windows times weights, held against the quantized outputs of the layer."""
    model = one_op.single(
        one_op.conv_2d,
        (1, 7, 6, 3),
        (0.05, -10),
        channels=5,
        kernel=(3, 2),
        dilation=(1, 2),
        stride=stride,
        padding=padding,
        output=(0.2, 0),
    )
    from pipeline.reference import ReferenceModel

    x = RNG.integers(-128, 128, size=(2, 7, 6, 3)).astype(np.int8)
    (outputs,) = ReferenceModel(model).run((x,))
    layer = layer_of(model)
    received = sums(layer, input_rows(layer, x, 10_000)).reshape(outputs.shape)
    # To within the rounding of an output.
    assert np.abs(received.clip(-25.6, 25.4) - 0.2 * outputs).max() < 0.11


def test_the_graph_gets_packed_filters_and_biases_in_their_scale() -> None:
    model = one_op.single(one_op.fully_connected, (1, 24), (0.05, 3), outputs=6)
    graph, layer = parse_graph(model, "m", "m"), layer_of(model)
    rounded = round_filter(layer, correlated_rows())
    lowered = with_filters(graph, {0: (layer, rounded)})
    filter_, bias = (lowered.tensors[index] for index in lowered.ops[0].inputs[1:])
    assert filter_.dtype == INT4
    assert filter_.quant is not None
    assert bias.constant is not None
    assert filter_.quant.axis == 0
    np.testing.assert_allclose(
        bias.constant * rounded.scales * 0.05, rounded.bias, atol=0.03 * rounded.scales.max()
    )
