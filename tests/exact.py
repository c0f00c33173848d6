"""Comparison of generated code with TFLite's reference kernels, tensor by tensor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pipeline.plan.graph import parse_graph
from pipeline.records import Array, Graph, Tensor
from tests.compiled import HostCompiler


class ReferenceTensors:
    """BUILTIN_REF with every intermediate tensor kept."""

    def __init__(self, tflite: bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        self._interpreter: Any = Interpreter(
            model_content=tflite,
            experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
            experimental_preserve_all_tensors=True,
            num_threads=1,
        )
        self._interpreter.allocate_tensors()

    def run(self, graph: Graph, x: Sequence[Array]) -> None:
        """Run one sample, given one array per input."""
        for index, values in zip(graph.inputs, x, strict=True):
            self._interpreter.set_tensor(index, values.reshape(graph.tensors[index].shape))
        self._interpreter.invoke()

    def read(self, index: int) -> Array:
        """A tensor's value after the last run."""
        value: Array = self._interpreter.get_tensor(index)
        return value


def samples(graph: Graph, seed: int = 0, count: int = 3) -> Iterator[tuple[Array, ...]]:
    """Inputs that are random, and inputs at the ends of their ranges."""
    rng = np.random.default_rng(seed)
    inputs = [graph.tensors[index] for index in graph.inputs]
    for _ in range(count):
        yield tuple(_random(rng, tensor) for tensor in inputs)
    # Only extremes, in random order and all alike: the largest accumulators of either sign.
    yield tuple(rng.choice(_ends(tensor), size=tensor.shape) for tensor in inputs)
    for end in (0, 1):
        yield tuple(np.full(tensor.shape, _ends(tensor)[end]) for tensor in inputs)
    # One input low and the next high, and a step: what a constant input would hide.
    yield tuple(np.full(t.shape, _ends(t)[place % 2]) for place, t in enumerate(inputs))
    yield tuple(np.sort(_random(rng, t), axis=None).reshape(t.shape) for t in inputs)


def _random(rng: np.random.Generator, tensor: Tensor) -> Array:
    info = np.iinfo(tensor.dtype)
    values: Array = rng.integers(
        info.min, info.max, size=tensor.shape, dtype=tensor.dtype, endpoint=True
    )
    return values


def _ends(tensor: Tensor) -> Array:
    info = np.iinfo(tensor.dtype)
    return np.array([info.min, info.max], dtype=tensor.dtype)


def assert_exact(
    tflite: bytes,
    compiler: HostCompiler,
    *,
    inputs: Sequence[Sequence[Array]] | None = None,
    seed: int = 0,
) -> Graph:
    """Check every tensor of the generated code against the reference, when written and when read.

    Args:
        tflite: the model.
        compiler: for the generated code.
        inputs: samples, one array per input each; by default those of `samples`.
        seed: of the default samples.
    """
    graph = parse_graph(tflite, "test", "test.tflite")
    model = compiler.compile(graph)
    reference = ReferenceTensors(tflite)
    for sample in inputs if inputs is not None else samples(graph, seed):
        reference.run(graph, sample)
        model.load(sample)
        for op in graph.ops:
            for index in op.inputs:
                if index >= 0 and graph.tensors[index].constant is None:
                    _assert_same(model.read(index), reference.read(index), f"{op.kind} reads")
            model.run_layer(op.index)
            for index in op.outputs:
                _assert_same(model.read(index), reference.read(index), f"{op.kind} writes")
        for index in graph.outputs:
            _assert_same(model.read(index), reference.read(index), "after the last layer")
    return graph


def assert_sane(tflite: bytes, compiler: HostCompiler, *, seed: int = 0) -> None:
    """Run a model under the sanitizers and compare its outputs with the reference's."""
    graph = parse_graph(tflite, "test", "test.tflite")
    inputs = list(samples(graph, seed, count=1))
    reference = ReferenceTensors(tflite)
    for sample, outputs in zip(inputs, compiler.sanitize(graph).run(inputs), strict=True):
        reference.run(graph, sample)
        for index, output in zip(graph.outputs, outputs, strict=True):
            _assert_same(output, reference.read(index), "sanitized")


def _assert_same(received: Array, expected: Array, what: str) -> None:
    np.testing.assert_array_equal(received, expected.reshape(received.shape), err_msg=what)
