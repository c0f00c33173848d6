"""TFLM itself, on this computer: is the predicted arena enough and tight, and does it agree?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.device.tflm_host import run_on_host
from pipeline.fixed_point import multiply_by_quantized_multiplier, quantize_multiplier
from pipeline.ops.fully_connected import FullyConnectedAttrs
from pipeline.plan.graph import parse_file_model, parse_graph
from pipeline.plan.tflm.arena import predict_arena
from pipeline.plan.tflm.plan import check_supported
from pipeline.plan.tflm.runtimes import find_runtime
from pipeline.records import Array, Graph, OpKind
from tests.compiled import HostCompiler
from tests.exact import samples, smooth_samples
from tests.random_draw import SeededDraw
from tests.random_models import has_int4, random_graph, random_operator
from tests.random_operators import OPERATORS
from tests.shared import REFERENCE_MODELS, shared_path
from tests.small_models import SMALL_MODELS
from tests.tflite_models import ACTIVATIONS
from tests.tflm_host import smallest_arena

pytestmark = pytest.mark.needs("tflite_micro")

RUNTIME = find_runtime("tflite-micro-wheel")
# The most by which an arena may be too large.
SLACK = 1.05
# Nothing in the table of a snapshot holds for these.
UNKNOWN = ("tile",)


def assert_tight(data: bytes, folder: Path) -> None:
    model = parse_file_model(data, "model", "model.tflite", "tflm")
    check_supported(model, RUNTIME)
    path = folder / "model.tflite"
    path.write_bytes(data)
    predicted = predict_arena(model, RUNTIME).arena_bytes
    smallest = smallest_arena(path, predicted)
    assert smallest <= predicted <= SLACK * smallest


@pytest.mark.parametrize("name", REFERENCE_MODELS)
def test_arena_of_reference_models(name: str, tmp_path: Path) -> None:
    assert_tight(shared_path(f"models/{name}.tflite").read_bytes(), tmp_path)


@pytest.mark.parametrize("build", SMALL_MODELS.values(), ids=SMALL_MODELS)
def test_arena_of_small_models(build: Callable[[], bytes], tmp_path: Path) -> None:
    assert_tight(build(), tmp_path)


@pytest.mark.parametrize("name", [name for name in OPERATORS if name not in UNKNOWN])
def test_arena_of_one_operator(name: str, tmp_path: Path) -> None:
    data = random_operator(SeededDraw(np.random.default_rng(3)), name)
    if has_int4(data):
        pytest.skip("weights of four bits")
    assert_tight(data, tmp_path)


@pytest.mark.parametrize("seed", range(12))
def test_arena_of_random_graphs(seed: int, tmp_path: Path) -> None:
    data = random_graph(SeededDraw(np.random.default_rng(5000 + seed)))
    model = parse_file_model(data, "model", "model.tflite", "tflm")
    if RUNTIME.missing & {raw.kind for raw in model.ops}:
        pytest.skip("an operator that TFLM does not have")
    if has_int4(data):
        pytest.skip("weights of four bits")
    assert_tight(data, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ds_cnn", "resnet8", "branches"])
def test_arena_of_converted_keras_models(kind: str, tmp_path: Path) -> None:
    assert_tight(converted(kind), tmp_path)


def converted(kind: str) -> bytes:
    """A freshly made and converted model of Keras."""
    from pipeline.model.build import build_model
    from pipeline.quantize.convert import quantize_model

    shape = (24, 24, 3)
    model = branches(shape) if kind == "branches" else build_model(kind, shape, 3)
    x = np.random.default_rng(0).uniform(-1, 1, (8, *shape)).astype(np.float32)
    return quantize_model(model, x)


def branches(shape: tuple[int, ...]) -> Any:
    """Layers that the built-in models do not have."""
    import keras

    x = keras.Input(shape)
    y = keras.layers.Conv2D(12, 3, strides=2, padding="same", activation="hard_swish")(x)
    up = keras.layers.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu")(y)
    wide = keras.layers.UpSampling2D(2, interpolation="bilinear")(keras.layers.MaxPooling2D(2)(up))
    both = keras.layers.Concatenate()([up, wide])
    deep = keras.layers.DepthwiseConv2D(5, padding="same", depth_multiplier=2)(both)
    gate = keras.layers.GlobalAveragePooling2D(keepdims=True)(deep)
    gate = keras.layers.Conv2D(24, 1, activation="sigmoid")(gate)
    scaled = keras.layers.Multiply()([deep, gate])
    flat = keras.layers.Flatten()(keras.layers.AveragePooling2D(6)(scaled))
    return keras.Model(x, keras.layers.Dense(3, activation="softmax")(flat))


def inputs_of(graph: Graph) -> list[tuple[Array, ...]]:
    return [*samples(graph, seed=1), *smooth_samples(graph, 3)]


@pytest.mark.parametrize("name", REFERENCE_MODELS)
def test_same_outputs_as_aot(name: str, compiler: HostCompiler) -> None:
    path = shared_path(f"models/{name}.tflite")
    graph = parse_graph(path.read_bytes(), name, str(path))
    chosen = inputs_of(graph)
    columns = [np.stack(column) for column in zip(*chosen, strict=True)]
    received = run_on_host(path.read_bytes(), columns).outputs
    if {op.kind for op in graph.ops} == {OpKind.FULLY_CONNECTED}:
        # Nothing but layers that TFLM rounds in its own way.
        expected = [rounded_twice(graph, x) for (x,) in chosen]
        np.testing.assert_array_equal(received[0].reshape(len(chosen), -1), np.stack(expected))
        return
    model = compiler.compile(graph)
    for place, x in enumerate(chosen):
        for output, wanted in zip(received, model.run(x), strict=True):
            np.testing.assert_array_equal(output[place].reshape(wanted.shape), wanted)


def rounded_twice(graph: Graph, x: Array) -> Array:
    """A chain of FULLY_CONNECTED as TFLM computes it, flat.

    The factor of a layer has a product of scales in float32, and MultiplyByQuantizedMultiplier
    rounds twice; TFLite's reference multiplies by a double and rounds once.
    """
    values = x.reshape(-1).astype(np.int64)
    for op in graph.ops:
        source, weights, bias = (graph.tensors[index] for index in op.inputs)
        output = graph.tensors[op.outputs[0]]
        assert source.quant is not None
        assert weights.quant is not None
        assert output.quant is not None
        assert weights.constant is not None
        assert bias.constant is not None
        product = np.float32(source.quant.scale[0]) * np.float32(weights.quant.scale[0])
        factor = float(product) / float(np.float32(output.quant.scale[0]))
        sums = weights.constant.astype(np.int64) @ (values - source.quant.zero_point[0])
        sums = sums + bias.constant
        scaled = multiply_by_quantized_multiplier(sums, quantize_multiplier(factor))
        assert isinstance(op.attrs, FullyConnectedAttrs)
        low = output.quant.zero_point[0] if op.attrs.activation == ACTIVATIONS["RELU"] else -128
        values = np.clip(scaled + output.quant.zero_point[0], max(low, -128), 127)
    return values.astype(np.int8)
