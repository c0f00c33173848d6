"""The reference models, tensor by tensor against BUILTIN_REF."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.plan.graph import read_graph
from tests.compiled import HostCompiler
from tests.exact import assert_exact, samples, smooth_samples
from tests.shared import REFERENCE_MODELS, shared_path


@pytest.mark.parametrize("name", REFERENCE_MODELS)
def test_every_tensor_equals_reference(name: str, compiler: HostCompiler) -> None:
    path = shared_path(f"models/{name}.tflite")
    graph = read_graph(path)
    inputs = [*samples(graph, seed=1, count=1), *smooth_samples(graph, 2)]
    assert_exact(path.read_bytes(), compiler, inputs=inputs)


@pytest.mark.slow
@pytest.mark.parametrize("name", REFERENCE_MODELS)
def test_stays_in_its_tensors(name: str, compiler: HostCompiler) -> None:
    graph = read_graph(shared_path(f"models/{name}.tflite"))
    inputs = list(smooth_samples(graph, 1))
    (outputs,) = compiler.sanitize(graph).run(inputs)
    for expected, received in zip(compiler.compile(graph).run(inputs[0]), outputs, strict=True):
        np.testing.assert_array_equal(received, expected)
