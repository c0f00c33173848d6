"""Removal of constant and unread channels: outputs stay the same, bit for bit, and how many go."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UnsupportedModelError
from pipeline.ops.convolution import attrs_of
from pipeline.plan.constant_channels.intervals import reaches_of
from pipeline.plan.constant_channels.remove import SlimModel, remove_constant_channels
from pipeline.plan.graph import parse_graph
from pipeline.records import Graph, OpKind
from tests import one_op
from tests.compiled import HostCompiler
from tests.exact import ReferenceTensors, assert_exact, samples
from tests.shared import REFERENCE_MODELS, shared_path
from tests.small_models import branching_network, image, residual_network
from tests.tflite_models import ModelBuilder

# Biases that no accumulator of these small layers outweighs: a ReLU at its end, a saturated sum.
LOW, HIGH = -2_000_000, 2_000_000

# A ReLU whose zero point is its lower end, and an output whose upper end is far from it.
RELU: one_op.Quant = (0.05, -128)


def parse(tflite: bytes) -> Graph:
    return parse_graph(tflite, "model", "model.tflite")


def slim(tflite: bytes, *, inputs: int = 3) -> SlimModel:
    """The model without constant channels, after checks that hold for every model."""
    graph = parse(tflite)
    made = remove_constant_channels(graph, tflite)
    before, after = ReferenceTensors(tflite), ReferenceTensors(made.tflite)
    after_graph = parse(made.tflite)
    for x in samples(graph, count=inputs):
        before.run(graph, x)
        after.run(after_graph, x)
        for expected, received in zip(graph.outputs, after_graph.outputs, strict=True):
            np.testing.assert_array_equal(after.read(received), before.read(expected))
    again = remove_constant_channels(after_graph, made.tflite)
    assert [layer.removed for layer in again.channels] == [0] * len(again.channels)
    assert len(again.graph.ops) == len(after_graph.ops)
    assert (made.graph.name, made.graph.sha256) == (graph.name, graph.sha256)
    return made


def removed(made: SlimModel) -> list[int]:
    return [layer.removed for layer in made.channels]


class Network:
    """A builder with an image, whose methods add layers of few channels.

    Args:
        size: height and width of the image.
    """

    def __init__(self, size: int = 5, channels: int = 3) -> None:
        self.builder = ModelBuilder()
        self.rng = np.random.default_rng(3)
        self.x = image(self.builder, (1, size, size, channels))

    def conv(self, x: int, bias: Sequence[int], **options: object) -> int:
        """A convolution with a ReLU; LOW and HIGH are biases of constant channels."""
        settings = {"activation": "RELU", "output": RELU, "kernel": (1, 1), **options}
        return one_op.conv_2d(
            self.builder, self.rng, x, channels=len(bias), bias=list(bias), **settings
        )

    def end(self, x: int, **options: object) -> bytes:
        """The model, after a last layer that reads every channel of x."""
        settings = {"channels": 2, "kernel": (1, 1), **options}
        return self.finish(one_op.conv_2d(self.builder, self.rng, x, **settings))

    def finish(self, *outputs: int) -> bytes:
        """The model with these outputs."""
        return self.builder.build([self.x], list(outputs))


def change_weights(
    builder: ModelBuilder, y: int, change: Callable[[npt.NDArray[np.int8]], None]
) -> None:
    """Let `change` alter the filter of the layer that computes y."""
    operator = next(o for o in builder.subgraph.operators if o.outputs[0] == y)
    tensor = builder.subgraph.tensors[operator.inputs[1]]
    buffer = builder.model.buffers[tensor.buffer]
    weights = buffer.data.view(np.int8).reshape(tensor.shape).copy()
    change(weights)
    buffer.data = weights.ravel().view(np.uint8)


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


def test_absurd_scales_are_refused() -> None:
    net = Network()
    with pytest.raises(UnsupportedModelError, match="scaled results must stay below"):
        slim(net.end(net.x, filter_scale=1e9, output=(1e-9, 0)))


def random_network(seed: int, operators: int = 8) -> bytes:
    """Layers in a row with side branches, many of their channels dead, saturated or unread."""
    builder = ModelBuilder()
    rng = np.random.default_rng(seed)
    size, channels = int(rng.integers(3, 7)), int(rng.integers(1, 5))
    x = tensor = image(builder, (1, size, size, channels))
    shapes = {tensor: one_op.shape_of(builder, tensor)}
    for _ in range(operators):
        tensor = _random_layer(builder, rng, tensor, list(shapes))
        shapes[tensor] = one_op.shape_of(builder, tensor)
    read = {index for operator in builder.subgraph.operators for index in operator.inputs}
    last = one_op.fully_connected(
        builder, rng, tensor, outputs=3, inputs=int(np.prod(shapes[tensor])), filter_scale=0.002
    )
    ends = [index for index in shapes if index not in read and index not in (tensor, x)]
    return builder.build([x], [last, *ends[: int(rng.integers(2))]])


def _random_layer(
    builder: ModelBuilder, rng: np.random.Generator, x: int, earlier: Sequence[int]
) -> int:
    shape = one_op.shape_of(builder, x)
    output = (float(rng.uniform(0.03, 0.1)), int(rng.choice([-128, -128, 0, 127, -20])))
    padding, kernel = str(rng.choice(["SAME", "VALID"])), (int(rng.integers(1, 4)),) * 2
    if min(shape[1:3]) < kernel[0]:
        padding = "SAME"
    layer = {
        "kernel": kernel,
        "padding": padding,
        "activation": str(rng.choice(["NONE", "RELU", "RELU6"])),
        "output": output,
        "per_channel": bool(rng.integers(2)),
    }
    alike = [index for index in earlier if one_op.shape_of(builder, index) == shape]
    kind = int(rng.integers(15))
    if kind <= 2:
        groups = int(rng.choice([g for g in (1, 1, 2) if shape[3] % g == 0]))
        channels = groups * int(rng.integers(1, 6 // groups))
        y = one_op.conv_2d(
            builder, rng, x, channels=channels, groups=groups, bias=_biases(rng, channels), **layer
        )
        _clear_some_weights(builder, rng, y)
        return y
    if kind <= 4:
        multiplier = int(rng.integers(1, 3))
        bias = _biases(rng, shape[3] * multiplier)
        return one_op.depthwise_conv_2d(builder, rng, x, multiplier=multiplier, bias=bias, **layer)
    if kind == 5:
        return one_op.add(builder, rng, x, other=int(rng.choice(alike)), output=output)
    if kind == 6:
        pool = str(rng.choice(["MAX_POOL_2D", "AVERAGE_POOL_2D"]))
        return one_op.pool_2d(builder, rng, x, kind=pool, padding="SAME", stride=(1, 1))
    if kind == 7:
        return one_op.pad(builder, rng, x, amounts=[(0, 0), (1, 0), (0, 1), (0, 0)])
    if kind == 8:
        flat = one_op.reshape(builder, rng, x, target=(1, int(np.prod(shape))))
        return one_op.reshape(builder, rng, flat, target=shape)
    if kind == 9:
        function = str(rng.choice(["LOGISTIC", "TANH", "HARD_SWISH", "RELU6"]))
        return one_op.function(builder, rng, x, kind=function)
    if kind == 10:
        gate = (1, 1, 1, int(rng.choice([1, shape[3]])))
        return one_op.binary(
            builder,
            rng,
            x,
            kind=str(rng.choice(["MUL", "SUB", "MAXIMUM", "PRELU"])),
            constant_shape=gate,
            other_quant=one_op.quant_of(builder, x),
            output=one_op.quant_of(builder, x),
        )
    if kind == 11:
        quant = one_op.quant_of(builder, x)
        others = [index for index in alike if one_op.quant_of(builder, index) == quant]
        axis = int(rng.integers(2, 4)) if shape[3] < 6 else 2
        return one_op.concatenation(builder, rng, [x, int(rng.choice(others))], axis=axis)
    if kind == 12:
        size = tuple(int(length) for length in rng.integers(1, 8, size=2))
        resize = str(rng.choice(["RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"]))
        return one_op.resize(builder, rng, x, kind=resize, size=size)
    if kind == 13:
        size = (2 * shape[1], shape[2])
        return one_op.transpose_conv(builder, rng, x, channels=2, size=size, stride=(2, 1))
    return _moved(builder, rng, x)


def _moved(builder: ModelBuilder, rng: np.random.Generator, x: int) -> int:
    """A transposition, or a part."""
    shape = one_op.shape_of(builder, x)
    if rng.integers(2):
        order = (0, *(int(axis) + 1 for axis in rng.permutation(3)))
        return one_op.transpose(builder, rng, x, order=order)
    if shape[3] % 2 == 0 and rng.integers(2):
        return one_op.split(builder, rng, x, kind="SPLIT", axis=3, sizes=[shape[3] // 2] * 2)[0]
    if shape[1] % 2 == shape[2] % 2 == 0 and shape[3] < 3 and rng.integers(2):
        return one_op.blocks(builder, rng, x, kind="SPACE_TO_DEPTH", block=2)
    if shape[1] < 4 and rng.integers(2):
        return one_op.tile(builder, rng, x, multiples=(1, 2, 1, int(rng.integers(1, 3))))
    begin = [0, int(rng.integers(shape[1])), 0, int(rng.integers(shape[3]))]
    return one_op.slice_(builder, rng, x, begin=begin, size=[-1] * 4)


def _biases(rng: np.random.Generator, channels: int) -> list[int]:
    values = rng.integers(-1000, 1000, size=channels)
    return np.where(
        rng.random(channels) < 0.5, rng.choice([LOW, HIGH], size=channels), values
    ).tolist()


def _clear_some_weights(builder: ModelBuilder, rng: np.random.Generator, y: int) -> None:
    def clear(weights: npt.NDArray[np.int8]) -> None:
        cleared = rng.random((len(weights), weights.shape[3])) < 0.2
        weights[np.broadcast_to(cleared[:, np.newaxis, np.newaxis], weights.shape)] = 0

    change_weights(builder, y, clear)


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_random_networks(seed: int, operators: int) -> None:
    slim(random_network(seed, operators), inputs=2)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_random_graphs_of_several_inputs_and_outputs(seed: int) -> None:
    slim(branching_network(seed), inputs=1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_no_value_leaves_its_bounds(seed: int) -> None:
    tflite = random_network(seed)
    graph = parse(tflite)
    reaches = reaches_of(graph)
    reference = ReferenceTensors(tflite)
    for x in samples(graph, seed, count=2):
        reference.run(graph, x)
        for op in graph.ops:
            values, reach = reference.read(op.outputs[0]), reaches[op.outputs[0]]
            assert (values >= reach.low).all(), op.kind
            assert (values <= reach.high).all(), op.kind


def test_random_networks_lose_channels_and_run(compiler: HostCompiler) -> None:
    """The random networks above would prove nothing if nothing in them went."""
    made = [slim(random_network(seed), inputs=1) for seed in range(20)]
    assert sum(any(removed(model)) for model in made) >= 5
    for model in made[:4]:
        assert_exact(model.tflite, compiler)


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
