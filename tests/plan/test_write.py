"""write_tflite: files that TFLite's reference kernels run as they run the original."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pipeline.plan.graph import parse_graph
from pipeline.plan.write import write_tflite
from pipeline.records import Graph
from tests import one_op
from tests.exact import ReferenceTensors, samples
from tests.shared import REFERENCE_MODELS, shared_path
from tests.small_models import SMALL_MODELS, image
from tests.tflite_models import ModelBuilder, unpacked


def parse(tflite: bytes) -> Graph:
    return parse_graph(tflite, "model", "model.tflite")


def written(tflite: bytes) -> bytes:
    """The file written again, after checks that hold for every model."""
    graph = parse(tflite)
    again = write_tflite(graph, tflite)
    assert write_tflite(graph, tflite) == again
    after = parse(again)
    assert [(op.kind, op.name, op.attrs) for op in after.ops] == [
        (op.kind, op.name, op.attrs) for op in graph.ops
    ]
    before_run, after_run = ReferenceTensors(tflite), ReferenceTensors(again)
    for x in samples(graph, count=1):
        before_run.run(graph, x)
        after_run.run(after, x)
        for expected, received in zip(graph.outputs, after.outputs, strict=True):
            np.testing.assert_array_equal(after_run.read(received), before_run.read(expected))
    return again


@pytest.mark.parametrize("build", SMALL_MODELS.values(), ids=SMALL_MODELS)
def test_small_models(build: Callable[[], bytes]) -> None:
    written(build())


@pytest.mark.parametrize("name", REFERENCE_MODELS)
def test_reference_models(name: str) -> None:
    tflite = shared_path(f"models/{name}.tflite").read_bytes()
    assert len(written(tflite)) < len(tflite)


def test_only_what_is_used_is_written() -> None:
    builder = ModelBuilder()
    rng = np.random.default_rng(0)
    x = image(builder)
    y = one_op.conv_2d(builder, rng, x, channels=2)
    builder.subgraph.tensors[y].name = b"first;second"
    builder.tensor("unused", (9,), scale=0.1)
    equal = [builder.constant("other filter", np.ones((2, 3, 3, 2)), scale=0.1) for _ in range(2)]
    ends = []
    for filter_ in equal:
        ends.append(one_op.conv_2d(builder, rng, y, channels=2))
        operator = builder.subgraph.operators[-1]
        operator.inputs = [y, filter_, operator.inputs[2]]
    model = unpacked(written(builder.build([x], ends)))
    tensors = model.subgraphs[0].tensors
    assert [tensor.name for tensor in tensors if tensor.buffer == 0] == [
        b"image",
        b"first",
        b"conv_2d_1",
        b"conv_2d_2",
    ]
    assert not any(tensor.name for tensor in tensors if tensor.buffer)
    # The empty one, two filters and three biases.
    assert len(model.buffers) == 1 + 2 + 3
    assert len(model.operatorCodes) == 1
    assert not model.metadata


def test_constants_are_aligned() -> None:
    tflite = written(SMALL_MODELS["residual"]())
    for buffer in unpacked(tflite).buffers[1:]:
        address = tflite.index(buffer.data.tobytes())
        if len(buffer.data) > 32:
            assert address % 16 == 0


def test_signatures_keep_their_tensors() -> None:
    from ai_edge_litert import schema_py_generated as schema

    builder = ModelBuilder()
    builder.tensor("unused", (9,), scale=0.1)
    x = image(builder)
    y = one_op.conv_2d(builder, np.random.default_rng(0), x, channels=2)
    signature = schema.SignatureDefT()
    signature.signatureKey = b"serving_default"
    for names, index in (("inputs", x), ("outputs", y)):
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = names.encode(), index
        setattr(signature, names, [entry])
    builder.model.signatureDefs = [signature]
    model = unpacked(written(builder.build([x], [y])))
    (after,) = model.signatureDefs
    subgraph = model.subgraphs[0]
    assert [entry.tensorIndex for entry in after.inputs] == list(subgraph.inputs)
    assert [entry.tensorIndex for entry in after.outputs] == list(subgraph.outputs)
