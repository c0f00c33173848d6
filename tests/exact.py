"""Comparison of generated code with TFLite's reference kernels, tensor by tensor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.ops.rows import num_rows
from pipeline.ops.table import DSP_OPS, rows_read, rows_written
from pipeline.plan.graph import parse_graph
from pipeline.records import Array, Graph, KernelTarget, Tensor
from tests.compiled import CompiledModel, HostCompiler
from tests.streams import streamed

# Of real inputs: wide enough for the quantizations in these tests to saturate.
REAL_RANGE = (-40.0, 40.0)


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
    if tensor.dtype == "float32":
        return rng.uniform(*REAL_RANGE, size=tensor.shape).astype(np.float32)
    info = np.iinfo(tensor.dtype)
    values: Array = rng.integers(
        info.min, info.max, size=tensor.shape, dtype=tensor.dtype, endpoint=True
    )
    return values


def _ends(tensor: Tensor) -> Array:
    if tensor.dtype == "float32":
        return np.array(REAL_RANGE, dtype=np.float32)
    info = np.iinfo(tensor.dtype)
    return np.array([info.min, info.max], dtype=tensor.dtype)


def smooth_samples(graph: Graph, count: int) -> Iterator[tuple[Array, ...]]:
    """Inputs whose neighbours are alike, as in pictures and spectrograms."""
    rng = np.random.default_rng(7)
    for _ in range(count):
        yield tuple(_smooth(rng, graph.tensors[index]) for index in graph.inputs)


def _smooth(rng: np.random.Generator, tensor: Tensor) -> Array:
    info = np.iinfo(tensor.dtype)
    walk = rng.normal(0, 12, size=tensor.shape)
    for axis in range(1, len(tensor.shape)):
        walk = walk.cumsum(axis=axis)
    middle = (int(info.min) + int(info.max)) / 2
    return np.clip(walk + middle, info.min, info.max).astype(tensor.dtype)


def save_inputs(path: Path, chosen: Sequence[Sequence[Array]]) -> None:
    """Write samples, one array per input each, as an .npz for `espalier deploy --inputs`."""
    stacks = [np.concatenate(column) for column in zip(*chosen, strict=True)]
    names = ["x"] if len(stacks) == 1 else [f"x{place}" for place in range(len(stacks))]
    arrays: dict[str, Any] = dict(zip(names, stacks, strict=True))
    np.savez(path, **arrays)


def assert_exact(
    tflite: bytes,
    compiler: HostCompiler,
    *,
    inputs: Sequence[Sequence[Array]] | None = None,
    seed: int = 0,
) -> Graph:
    """Check every row of the generated code against the reference, when written and when read.

    Args:
        tflite: the model.
        compiler: for the generated code.
        inputs: samples, one array per input each; by default those of `samples`.
        seed: of the default samples.
    """
    graph = parse_graph(tflite, "test", "test.tflite")
    models = [compiler.compile(graph, target=target) for target in targets_of(graph)]
    reference = ReferenceTensors(tflite)
    for sample in inputs if inputs is not None else samples(graph, seed):
        reference.run(graph, sample)
        for model in models:
            _assert_exact_steps(model, reference, sample)
    return graph


def assert_exact_streamed(
    tflite: bytes, compiler: HostCompiler, *, rows: int, spare: int = 0, sane: bool = False
) -> None:
    """Check every row of the generated code where tensors are rings of rows.

    Args:
        tflite: the model.
        compiler: for the generated code.
        rows, spare: as in `streamed`.
        sane: whether to run under the sanitizers, too.
    """
    graph = parse_graph(tflite, "test", "test.tflite")
    reference = ReferenceTensors(tflite)
    inputs = list(samples(graph, count=1))
    for target in targets_of(graph):
        plan = streamed(graph, target, rows=rows, spare=spare)
        model = compiler.load(plan)
        for sample in inputs:
            reference.run(graph, sample)
            _assert_exact_steps(model, reference, sample)
        if sane:
            compiler.load_sanitized(plan).run(inputs)


def targets_of(graph: Graph) -> tuple[KernelTarget, ...]:
    """The targets whose kernels for a graph may differ."""
    if any(op.kind in DSP_OPS for op in graph.ops):
        return tuple(KernelTarget)
    return (KernelTarget.PORTABLE,)


def _assert_exact_steps(
    model: CompiledModel, reference: ReferenceTensors, sample: Sequence[Array]
) -> None:
    graph = model.plan.graph

    def compare(ranges: Mapping[int, range], what: str) -> None:
        for index, rows in ranges.items():
            value = reference.read(index)
            expected = value.reshape(num_rows(graph.tensors[index]), -1)[rows.start : rows.stop]
            _assert_same(model.read_rows(index, rows), expected, f"{what} {rows}")

    model.load(sample)
    for step in model.plan.steps:
        op = graph.ops[step.op]
        what = f"{model.plan.target.value} {op.kind.value}"
        compare(rows_read(op, graph, step.first_row, step.end_row), f"{what} reads")
        model.run_step(step)
        compare(rows_written(op, graph, step.first_row, step.end_row), f"{what} writes")
    for index in graph.outputs:
        _assert_same(model.read(index), reference.read(index), "after the last step")


def assert_sane(tflite: bytes, compiler: HostCompiler, *, seed: int = 0) -> None:
    """Run a model under the sanitizers and compare its outputs with the reference's."""
    graph = parse_graph(tflite, "test", "test.tflite")
    inputs = list(samples(graph, seed, count=1))
    reference = ReferenceTensors(tflite)
    for target in targets_of(graph):
        results = compiler.sanitize(graph, target).run(inputs)
        for sample, outputs in zip(inputs, results, strict=True):
            reference.run(graph, sample)
            for index, output in zip(graph.outputs, outputs, strict=True):
                _assert_same(output, reference.read(index), f"sanitized, {target.value}")


def _assert_same(received: Array, expected: Array, what: str) -> None:
    np.testing.assert_array_equal(received, expected.reshape(received.shape), err_msg=what)
