"""The file has the layout of post-training quantization, and its outputs are the trained ones."""

from __future__ import annotations

from collections import Counter
from typing import Any

import keras
import numpy as np
import pytest

from pipeline.plan.graph import parse_graph
from pipeline.quantize.check import list_operators
from pipeline.quantize.convert import pinned_calibration, quantize_model
from pipeline.quantize.qat.library import import_tfmot
from pipeline.quantize.qat.placement import FixedRange
from pipeline.quantize.qat.steps import make_steps
from pipeline.quantize.settings import EdgeTypes
from pipeline.reference import ReferenceModel
from pipeline.samples import DEFAULT_SCALING, to_int8_input, to_model_input
from tests.quantize.qat.models import BODIES, SHAPE, pixels, with_head

pytestmark = pytest.mark.needs("tf_keras", "tensorflow_model_optimization")

INPUT = FixedRange(-1.0, 127 / 128)


def convert_untrained(model: keras.Model, edges: EdgeTypes | None = None) -> tuple[Any, bytes]:
    """A model with calibrated ranges, as it is and as a file."""
    import_tfmot()
    from pipeline.quantize.qat.bridge import bridge
    from pipeline.quantize.qat.conversion import convert, observe

    bridged = bridge(make_steps(model), model.name, input_range=INPUT)
    samples = to_model_input(pixels())
    observe(bridged, samples)
    spanning = pinned_calibration(samples, SHAPE, DEFAULT_SCALING)
    return bridged, convert(bridged, spanning, edges or EdgeTypes())


def layout(tflite: bytes) -> Counter[tuple[str, tuple[int, ...], int]]:
    """Type, shape and number of scales of every tensor."""
    graph = parse_graph(tflite, "test", "test.tflite")
    return Counter(
        (tensor.dtype, tuple(tensor.shape), np.size(tensor.quant.scale) if tensor.quant else 0)
        for tensor in graph.tensors
    )


@pytest.mark.parametrize("name", BODIES)
def test_operators_and_scales_are_those_of_post_training_quantization(name: str) -> None:
    model = with_head(BODIES[name])
    bridged, tflite = convert_untrained(model)
    expected = quantize_model(model, to_model_input(pixels()))
    assert [op.kind for op in list_operators(tflite)] == [
        op.kind for op in list_operators(expected)
    ]
    assert layout(tflite) == layout(expected)
    reference = ReferenceModel(tflite)
    assert reference.input_quantization == (1 / 128, 0)
    (raw,) = reference.run((to_int8_input(pixels()),))
    scale, zero_point = reference.output_quantization
    from pipeline.quantize.qat.quantizers import QUANTIZED

    with bridged.mode.being(QUANTIZED):
        rounded = np.asarray(bridged.model(to_model_input(pixels()), training=False))
    received = (raw.astype(np.float64) - zero_point) * scale
    # What is trained is what is deployed, but for the rounding of sums in int32.
    assert np.abs(received - rounded).max() < 0.06
    keras.backend.clear_session()
