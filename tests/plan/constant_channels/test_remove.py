"""Removal of constant and unread channels: outputs stay the same, bit for bit, and how many go."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.ops.convolution import attrs_of
from pipeline.records import OpKind
from tests import one_op
from tests.compiled import HostCompiler
from tests.exact import assert_exact
from tests.plan.constant_channels.networks import (
    HIGH,
    LOW,
    RELU,
    Network,
    change_weights,
    parse,
    removed,
    slim,
)
from tests.shared import REFERENCE_MODELS, shared_path
from tests.small_models import residual_network


def test_a_dead_relu_goes_also_before_padding() -> None:
    net = Network()
    dead = net.conv(net.x, [0, LOW, 5, LOW])
    made = slim(net.end(dead, kernel=(3, 3)))
    assert removed(made) == [2, 0]
    first, last = made.channels
    assert (first.constant, first.channels, first.weight_bytes) == (2, 4, 2 * 3 + 2 * 4)
    assert (last.macs, last.macs_before) == (25 * 2 * 9 * 2, 25 * 2 * 9 * 4)


@pytest.mark.parametrize(
    ("kernel", "padding", "goes"),
    [((1, 1), "SAME", 1), ((3, 3), "VALID", 1), ((3, 3), "SAME", 0), ((1, 3), "SAME", 0)],
)
def test_another_constant_goes_into_the_bias_unless_it_is_padded(
    kernel: one_op.Pair, padding: str, goes: int
) -> None:
    net = Network()
    full = net.conv(net.x, [0, HIGH, 5])
    assert removed(slim(net.end(full, kernel=kernel, padding=padding))) == [goes, 0]


def test_taps_that_padding_meets_may_be_zero() -> None:
    net = Network()
    full = net.conv(net.x, [0, HIGH, 5])
    y = one_op.conv_2d(net.builder, net.rng, full, channels=2)

    def only_the_middle(weights: npt.NDArray[np.int8]) -> None:
        middle = weights[:, 1, 1, 1].copy()
        weights[..., 1] = 0
        weights[:, 1, 1, 1] = middle

    change_weights(net.builder, y, only_the_middle)
    assert removed(slim(net.finish(y))) == [1, 0]


def test_a_layer_without_bias_gets_one() -> None:
    net = Network()
    mean = one_op.mean(net.builder, net.rng, net.conv(net.x, [0, HIGH, 5]))
    made = slim(
        net.finish(one_op.fully_connected(net.builder, net.rng, mean, outputs=2, bias=None))
    )
    assert removed(made) == [1, 0]
    bias = made.graph.tensors[made.graph.ops[-1].inputs[2]].constant
    assert bias is not None
    assert bias.any()


def test_a_depthwise_channel_goes_with_its_input() -> None:
    net = Network()
    dead = net.conv(net.x, [0, LOW, 5, LOW])
    deep = one_op.depthwise_conv_2d(
        net.builder, net.rng, dead, bias=[1, 2, 3, 4], multiplier=1, activation="RELU", output=RELU
    )
    made = slim(net.end(deep))
    assert removed(made) == [2, 2, 0]
    # Without padding nothing else would be exact: the border of channel 1 is another value.
    net = Network()
    full = net.conv(net.x, [0, HIGH, 5])
    assert removed(slim(net.end(one_op.depthwise_conv_2d(net.builder, net.rng, full)))) == [0, 0, 0]
    net = Network()
    full = net.conv(net.x, [0, HIGH, 5])
    deep = one_op.depthwise_conv_2d(net.builder, net.rng, full, padding="VALID")
    assert removed(slim(net.end(deep))) == [1, 1, 0]


def test_all_outputs_of_a_depthwise_input_go_together() -> None:
    for dead, goes in (([LOW, 0], 0), ([LOW, LOW], 2)):
        net = Network()
        first = net.conv(net.x, [0, 5])
        deep = one_op.depthwise_conv_2d(
            net.builder,
            net.rng,
            first,
            multiplier=2,
            bias=[*dead, 0, 0],
            activation="RELU",
            output=RELU,
        )
        assert removed(slim(net.end(deep))) == [goes // 2, goes, 0]


def test_a_depthwise_layer_of_one_channel_loses_any_output() -> None:
    net = Network(channels=1)
    deep = one_op.depthwise_conv_2d(
        net.builder,
        net.rng,
        net.x,
        multiplier=4,
        bias=[0, LOW, 0, 0],
        activation="RELU",
        output=RELU,
    )
    assert removed(slim(net.end(deep))) == [1, 0]


def test_moved_and_joined_channels_go_with_their_origin(compiler: HostCompiler) -> None:
    net = Network(4)
    a, b = net.conv(net.x, [0, LOW, 2]), net.conv(net.x, [LOW, 0, 1])
    joined = one_op.concatenation(net.builder, net.rng, [a, b], axis=3)
    turned = one_op.transpose(net.builder, net.rng, joined, order=(0, 2, 1, 3))
    gated = one_op.binary(
        net.builder, net.rng, turned, kind="MUL", constant_shape=(1, 1, 1, 6), output=(0.05, -100)
    )
    smooth = one_op.function(net.builder, net.rng, gated, kind="HARD_SWISH", output=(0.05, 0))
    made = slim(net.end(smooth, output=(1.0, 0)))
    assert removed(made) == [1, 1, 0]
    assert_exact(made.tflite, compiler)


def test_operands_joined_along_another_axis_share_their_channels() -> None:
    for dead, goes in (([0, LOW, 2], 1), ([LOW, 0, 2], 0)):
        net = Network()
        a, b = net.conv(net.x, [0, LOW, 2]), net.conv(net.x, dead)
        joined = one_op.concatenation(net.builder, net.rng, [a, b], axis=1)
        assert removed(slim(net.end(joined, output=(1.0, 0)))) == [goes, goes, 0]


def test_parts_of_channels_keep_them_all() -> None:
    net = Network()
    dead = net.conv(net.x, [0, LOW, 2, LOW])
    first, second = one_op.split(net.builder, net.rng, dead, kind="SPLIT", axis=3, sizes=[2, 2])
    made = slim(net.finish(first, second))
    assert removed(made) == [0]


def test_groups_go_as_a_whole() -> None:
    for biases, goes in (([LOW, 0, 0, 0], 0), ([LOW, LOW, 0, 0], 2)):
        net = Network()
        first = net.conv(net.x, [0, 1, 2, 3])
        grouped = net.conv(first, biases, groups=2, kernel=(3, 3))
        made = slim(net.end(grouped))
        assert removed(made) == [goes, goes, 0]
        assert attrs_of(made.graph.ops[1]).groups == (2 if goes == 0 else 1)


def test_channels_that_nobody_reads_go_and_what_only_they_read() -> None:
    net = Network()
    first = net.conv(net.x, [0, 1, 2, 3])
    second = net.conv(first, [0, 1, 2])
    last = one_op.conv_2d(net.builder, net.rng, second, channels=2, kernel=(3, 3))

    def unread(weights: npt.NDArray[np.int8]) -> None:
        weights[..., 1] = 0

    def read_by_the_unread(weights: npt.NDArray[np.int8]) -> None:
        weights[[0, 2], ..., 3] = 0

    change_weights(net.builder, last, unread)
    change_weights(net.builder, second, read_by_the_unread)
    made = slim(net.finish(last))
    assert removed(made) == [1, 1, 0]
    assert [layer.constant for layer in made.channels] == [0, 0, 0]


def test_add_loses_a_channel_only_if_both_operands_do() -> None:
    net = Network()
    a, b = net.conv(net.x, [0, LOW, LOW]), net.conv(net.x, [LOW, LOW, 0])
    total = one_op.add(net.builder, net.rng, a, other=b, output=(0.1, -128))
    assert removed(slim(net.end(total))) == [1, 1, 0]


def test_add_that_saturates_is_computed_where_its_value_is_needed() -> None:
    """Its output is constant, but padding keeps it, so that its operands have to stay right."""
    net = Network()
    a = net.conv(net.x, [0, HIGH], activation="NONE")
    b = net.conv(net.x, [0, HIGH], activation="NONE")
    total = one_op.add(net.builder, net.rng, a, other=b, output=(0.05, -128))
    y = one_op.conv_2d(net.builder, net.rng, total, channels=2)
    assert removed(slim(net.finish(y))) == [0, 0, 0]


@pytest.mark.parametrize("swap", [False, True])
def test_an_operand_that_is_constant_as_a_whole_becomes_a_constant(swap: bool) -> None:
    net = Network()
    a = net.conv(net.x, [0, 1, 2])
    b = net.conv(net.conv(net.x, [3, 4]), [LOW, HIGH, LOW])
    total = one_op.add(net.builder, net.rng, a, other=b, swap=swap, output=(0.1, -100))
    made = slim(net.end(total))
    assert [op.kind for op in made.graph.ops] == [OpKind.CONV_2D, OpKind.ADD, OpKind.CONV_2D]
    assert removed(made) == [0, 2, 3, 0]
    assert [layer.macs for layer in made.channels][1:3] == [0, 0]


def test_constant_operands_are_cut() -> None:
    net = Network()
    dead = net.conv(net.x, [0, LOW, 2])
    total = one_op.add(net.builder, net.rng, dead, constant_shape=(3,), output=(0.2, 0))
    one = one_op.add(net.builder, net.rng, total, constant_shape=(1,), output=(0.2, 0))
    assert removed(slim(net.end(one, output=(1.0, 0)))) == [1, 0]


def test_pools_means_reshapes_and_quantizes_pass_constants_on(compiler: HostCompiler) -> None:
    net = Network(6)
    dead = net.conv(net.x, [0, LOW, 2, HIGH])
    large = one_op.pool_2d(net.builder, net.rng, dead, kind="MAX_POOL_2D")
    other = one_op.quantize(net.builder, net.rng, large, output=(0.06, -100))
    mean = one_op.pool_2d(
        net.builder,
        net.rng,
        other,
        kind="AVERAGE_POOL_2D",
        padding="SAME",
        kernel=(3, 3),
        stride=(1, 1),
    )
    flat = one_op.reshape(net.builder, net.rng, mean, target=(1, 9 * 4))
    dense = one_op.fully_connected(net.builder, net.rng, flat, outputs=3)
    average = one_op.mean(net.builder, net.rng, mean, keep_dims=True)
    vector = one_op.fully_connected(net.builder, net.rng, average, outputs=2, keep_num_dims=True)
    made = slim(net.finish(dense, vector))
    assert removed(made) == [2, 0, 0]
    assert [layer.weight_bytes for layer in made.channels[1:]] == [3 * 18 + 12, 2 * 2 + 8]
    assert_exact(made.tflite, compiler)


def test_a_reshape_back_to_an_image() -> None:
    net = Network(4)
    dead = net.conv(net.x, [0, LOW, 2])
    flat = one_op.reshape(net.builder, net.rng, dead, target=(1, 48))
    back = one_op.reshape(net.builder, net.rng, flat, target=(1, 4, 4, 3))
    assert removed(slim(net.end(back))) == [1, 0]
    # Three channels and rows of eight values do not go together.
    net = Network(4)
    dead = net.conv(net.x, [0, LOW, 2])
    mixed = one_op.reshape(net.builder, net.rng, dead, target=(1, 6, 1, 8))
    assert removed(slim(net.end(mixed))) == [0, 0]


@pytest.mark.parametrize(
    ("bias", "amounts", "kernel", "goes"),
    [
        (LOW, [(0, 0), (1, 1), (1, 1), (0, 0)], (3, 3), 1),
        (HIGH, [(0, 0), (1, 1), (1, 1), (0, 0)], (1, 1), 0),
        (HIGH, [(0, 0), (0, 0), (0, 0), (0, 0)], (1, 1), 1),
        (LOW, [(0, 0), (0, 0), (0, 0), (1, 0)], (1, 1), 0),
    ],
)
def test_pad(bias: int, amounts: list[one_op.Pair], kernel: one_op.Pair, goes: int) -> None:
    net = Network()
    dead = net.conv(net.x, [0, bias, 2])
    padded = one_op.pad(net.builder, net.rng, dead, amounts=amounts)
    assert removed(slim(net.end(padded, kernel=kernel, padding="VALID"))) == [goes, 0]


def test_a_mean_over_channels_and_a_softmax_keep_them() -> None:
    net = Network()
    dead = net.conv(net.x, [0, LOW, 2])
    mean = one_op.mean(net.builder, net.rng, dead, axes=(3,), keep_dims=True)
    most = one_op.softmax(net.builder, net.rng, dead)
    assert removed(slim(net.finish(mean, most))) == [0]


def test_constant_outputs_stay_without_their_weights() -> None:
    net = Network()
    first = net.conv(net.x, [0, 1, 2])
    last = net.conv(first, [0, LOW])
    made = slim(net.finish(net.conv(first, [LOW, HIGH]), last))
    assert removed(made) == [0, 0, 0]
    # With both outputs constant nothing reads the first layer, of which one channel is left.
    net = Network()
    first = net.conv(net.x, [0, 1, 2])
    made = slim(net.finish(net.conv(first, [LOW, HIGH])))
    assert removed(made) == [2, 0]


def test_a_filter_that_two_layers_share_is_cut_for_each() -> None:
    net = Network()
    a, b = net.conv(net.x, [0, LOW, 2]), net.conv(net.x, [0, 1, LOW])
    y, z = (one_op.conv_2d(net.builder, net.rng, x, channels=2, kernel=(1, 1)) for x in (a, b))
    operators = net.builder.subgraph.operators
    operators[3].inputs = [operators[3].inputs[0], *operators[2].inputs[1:]]
    assert removed(slim(net.finish(y, z))) == [1, 1, 0, 0]


def test_operators_that_nobody_reads_go() -> None:
    net = Network()
    first = net.conv(net.x, [0, 1, 2])
    net.conv(first, [0, 1])
    made = slim(net.finish(first))
    assert len(made.graph.ops) == 1
    assert removed(made) == [0, 2]


def test_nothing_to_remove_leaves_the_file_alone() -> None:
    tflite = residual_network()
    made = slim(tflite)
    assert made.tflite is tflite
    assert made.graph == parse(tflite)


@pytest.mark.parametrize("name", REFERENCE_MODELS)
def test_reference_models(name: str) -> None:
    made = slim(shared_path(f"models/{name}.tflite").read_bytes(), inputs=1)
    expected = {"vww_96_int8": 1724, "hello_world_int8": 4}
    assert sum(removed(made)) == expected.get(name, 0)
    if name == "vww_96_int8":
        assert sum(layer.macs for layer in made.channels) == 3_727_313
        assert sum(layer.constant for layer in made.channels) == 1667
        assert (
            sum(
                layer.weight_bytes - 4 * (layer.channels - layer.removed) for layer in made.channels
            )
            == 29_066
        )
