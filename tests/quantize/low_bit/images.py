"""What graphs cost without an image: constants, kernels of four bits, 5,000 bytes for the rest."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipeline.ops.base import CONSTANT_TYPES
from pipeline.ops.table import kernel_call
from pipeline.plan.graph import parse_graph
from pipeline.plan.write import write_tflite
from pipeline.records import Graph, KernelTarget
from tests import one_op
from tests.tflite_models import ModelBuilder

RUNTIME_BYTES = 5_000


class PlannedImages:
    """See `low_bit.Deployed`.

    Args:
        tflite: the file that graphs come from.
        kernel_bytes: of each kernel for weights of four bits.
    """

    def __init__(self, tflite: bytes, kernel_bytes: int = 0) -> None:
        self._tflite, self._kernel_bytes = tflite, kernel_bytes

    def write(self, graph: Graph) -> bytes:
        return write_tflite(graph, self._tflite)

    def weights_bytes(self, graph: Graph) -> Mapping[int, int]:
        calls = {op.index: kernel_call(op, graph, KernelTarget.DSP) for op in graph.ops}
        return {
            index: sum(
                constant.values.size * np.dtype(CONSTANT_TYPES[constant.c_type]).itemsize
                for constant in call.constants
            )
            for index, call in calls.items()
            if call is not None
        }

    def kernels(self, graph: Graph) -> Mapping[int, str]:
        calls = {op.index: kernel_call(op, graph, KernelTarget.DSP) for op in graph.ops}
        return {index: call.function for index, call in calls.items() if call is not None}

    def flash_bytes(self, graph: Graph) -> int:
        kernels = {name for name in self.kernels(graph).values() if "nibbles" in name}
        weights = sum(self.weights_bytes(graph).values())
        return RUNTIME_BYTES + weights + self._kernel_bytes * len(kernels)


def network(seed: int = 0) -> bytes:
    """Convolutions, a depthwise one among them, and a classifier."""
    builder, rng = ModelBuilder(), np.random.default_rng(seed)
    x = builder.tensor("x", (1, 8, 8, 3), scale=1 / 64)
    y = one_op.conv_2d(builder, rng, x, channels=8, activation="RELU", output=(0.2, -128))
    y = one_op.depthwise_conv_2d(builder, rng, y, output=(0.5, 3))
    y = one_op.conv_2d(
        builder, rng, y, channels=16, kernel=(1, 1), activation="RELU", output=(1.0, -128)
    )
    y = one_op.conv_2d(builder, rng, y, channels=24, stride=(2, 2), output=(9.0, 0))
    y = one_op.mean(builder, rng, y, axes=(1, 2))
    y = one_op.fully_connected(builder, rng, y, outputs=10, output=(4.0, 0))
    return builder.build([x], [y])


def network_graph(seed: int = 0) -> tuple[Graph, bytes]:
    """The network and its file."""
    data = network(seed)
    return parse_graph(data, "net", "net"), data


def samples(count: int = 12) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.int8]]]:
    """Inputs of the network."""
    rng = np.random.default_rng(5)
    return (rng.integers(-128, 128, size=(count, 8, 8, 3)).astype(np.int8),)
