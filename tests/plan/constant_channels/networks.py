"""Small networks with channels that are constant or unread, and what removing those may change."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from pipeline.plan.constant_channels.remove import SlimModel, remove_constant_channels
from pipeline.plan.graph import parse_graph
from pipeline.records import Graph
from tests import one_op
from tests.exact import ReferenceTensors, samples
from tests.small_models import image
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
