"""Generated sources: always the same bytes, and no name can break them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.codegen.render import generate
from pipeline.plan.deploy import make_plan
from pipeline.plan.graph import parse_graph
from pipeline.records import KernelTarget, SourceTree
from tests import one_op
from tests.compiled import HostCompiler
from tests.exact import ReferenceTensors, assert_exact, samples
from tests.shared import REPOSITORY
from tests.small_models import SMALL_MODELS, residual_network
from tests.tflite_models import ModelBuilder

GOLDEN = REPOSITORY / "tests" / "golden" / "residual"
FILES = ("model.c", "model.h", "weights.c", "weights.h")

# Ends of comments, of lines, of strings; characters outside ASCII; trigraphs.
ODD_TEXTS = [
    "a*/b",
    "/*a",
    "a/*/b",
    "ends in \\",
    "ends in \\ ",
    "ends in ??/",
    "ends in \u00e9\u00e9/",
    "two\nlines",
    "two\r\nlines\\\n",
    "tab\tand\x00nul\x1b",
    "größe/层;🙂",
    '"quoted" %s {{ model }} {% raw %}',
    "???/",
]


def generated(data: bytes, out: Path, *, name: str = "model", command: str = "test") -> SourceTree:
    return generate(
        make_plan(parse_graph(data, name, name), KernelTarget.PORTABLE), out, command=command
    )


@pytest.mark.parametrize("build", SMALL_MODELS.values(), ids=SMALL_MODELS)
def test_rendering_twice_gives_equal_bytes(build: Callable[[], bytes], tmp_path: Path) -> None:
    trees = [generated(build(), tmp_path / folder) for folder in ("a", "b")]
    assert trees[0].files == trees[1].files == FILES
    assert trees[0].digest == trees[1].digest
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_digest_tells_models_and_commands_apart(tmp_path: Path) -> None:
    data = residual_network()
    digests = {
        generated(data, tmp_path / "a").digest,
        generated(data, tmp_path / "b", command="another").digest,
        generated(SMALL_MODELS["pooling"](), tmp_path / "c").digest,
    }
    assert len(digests) == 3


@pytest.mark.parametrize("name", FILES)
def test_golden_sources(name: str, tmp_path: Path) -> None:
    """After a change that is meant: tools/make_golden.py, and read the difference."""
    data = (GOLDEN / "residual.tflite").read_bytes()
    generated(data, tmp_path, name="residual", command="tools/make_golden.py")
    received = (tmp_path / name).read_text(encoding="ascii")
    assert received == (GOLDEN / name).read_text(encoding="ascii")


def test_golden_model_is_still_exact(compiler: HostCompiler) -> None:
    assert_exact((GOLDEN / "residual.tflite").read_bytes(), compiler)


@pytest.mark.parametrize("name", FILES)
def test_no_time_and_no_path(name: str, tmp_path: Path) -> None:
    generated(residual_network(), tmp_path)
    text = (tmp_path / name).read_text(encoding="ascii")
    assert str(tmp_path) not in text
    assert str(REPOSITORY) not in text
    assert not re.search(r"\b20\d\d-\d\d|\d\d:\d\d:\d\d", text)


def odd_model(name: str) -> bytes:
    """Every place where a name of the file reaches the sources."""
    builder = ModelBuilder()
    rng = np.random.default_rng(0)
    x = builder.tensor(name, (1, 4, 5, 6), scale=0.1)
    total = one_op.add(builder, rng, x, constant_shape=(6,))
    y = one_op.mean(builder, rng, total)
    for tensor in builder.subgraph.tensors:
        tensor.name = name.encode()
    return builder.build([x], [y])


@pytest.mark.parametrize("text", ODD_TEXTS, ids=ascii)
def test_odd_names_cannot_break_the_code(text: str, compiler: HostCompiler) -> None:
    data = odd_model(text)
    graph = parse_graph(data, text, text)
    reference = ReferenceTensors(data)
    model = compiler.compile(graph, command=text)
    for sample in samples(graph, count=1):
        reference.run(graph, sample)
        (received,) = model.run(sample)
        np.testing.assert_array_equal(received, reference.read(graph.outputs[0]))


def test_name_that_is_no_utf8(compiler: HostCompiler) -> None:
    builder = ModelBuilder()
    x = builder.tensor(b"\xff\xfe*/", (1, 8), scale=0.1)
    y = one_op.fully_connected(builder, np.random.default_rng(0), x, outputs=2)
    data = builder.build([x], [y])
    compiler.compile(parse_graph(data, "m", "m"))


def test_several_inputs_and_outputs(compiler: HostCompiler) -> None:
    builder = ModelBuilder()
    rng = np.random.default_rng(0)
    a = builder.tensor("a", (1, 8), scale=0.1, zero_point=3)
    b = builder.tensor("b", (1, 5), dtype="uint8", scale=0.2, zero_point=9)
    c = builder.tensor("c", (1, 3), scale=0.3)
    quantized = one_op.quantize(builder, rng, b, output=(0.2, -119))
    dense = one_op.fully_connected(builder, rng, quantized, outputs=8)
    total = one_op.add(builder, rng, a, other=dense)
    scores = one_op.softmax(builder, rng, c)
    pixels = one_op.quantize(builder, rng, total, dtype="uint8", output=(0.1, 125))
    graph = assert_exact(builder.build([a, b, c], [pixels, scores, total]), compiler)
    assert [graph.tensors[i].name for i in graph.inputs] == ["a", "b", "c"]
    assert [graph.tensors[i].dtype for i in graph.outputs] == ["uint8", "int8", "int8"]


def test_interface_states_the_quantization(tmp_path: Path) -> None:
    generated(SMALL_MODELS["pooling"](), tmp_path)
    source = (tmp_path / "model.c").read_text(encoding="ascii")
    inputs, outputs = source.split("model_outputs[")[:2]
    assert "MODEL_UINT8, 0.00392156886f, 0}" in inputs
    assert "MODEL_UINT8, 0.100000001f, 120}" in outputs.split("};")[0]
