"""slim: smaller files whose outputs stay the same, with any operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.errors import UnsupportedModelError
from pipeline.plan.graph import parse_graph
from pipeline.plan.pack import pack
from pipeline.plan.slim.inputs import model_inputs
from pipeline.plan.slim.slim import SlimFile, SlimOptions, slim
from pipeline.plan.slim.source import kind_of
from pipeline.plan.tflm.offline import add_plan, read_offsets
from pipeline.reference import ReferenceModel
from pipeline.stages.proving import proof_inputs
from tests import one_op
from tests.plan.test_pack import unpacked
from tests.random_draw import SeededDraw
from tests.random_models import random_graph
from tests.shared import REFERENCE_MODELS, shared_path
from tests.small_models import SMALL_MODELS, image
from tests.tflite_models import ModelBuilder

ALL_OPTIONS = {
    "plain": SlimOptions(),
    "names": SlimOptions(keep_names=True, keep_bias_scales=True),
    "channels": SlimOptions(constant_channels=True),
}


def slimmed(tflite: bytes, options: SlimOptions | None = None) -> SlimFile:
    """The smaller file, after checks that hold for every model."""
    made = slim(tflite, "model", "model.tflite", options or SlimOptions())
    assert sum(saving.saved_bytes for saving in made.savings) == len(tflite) - len(made.tflite)
    x = proof_inputs(model_inputs(tflite))
    outputs = zip(ReferenceModel(tflite).run(x), ReferenceModel(made.tflite).run(x), strict=True)
    for expected, received in outputs:
        np.testing.assert_array_equal(received, expected)
    return made


def kinds(tflite: bytes) -> list[str]:
    model = unpacked(tflite)
    return [kind_of(model, operator) for operator in model.subgraphs[0].operators]


@pytest.mark.parametrize("options", ALL_OPTIONS.values(), ids=ALL_OPTIONS)
@pytest.mark.parametrize("build", SMALL_MODELS.values(), ids=SMALL_MODELS)
def test_small_models(build: Callable[[], bytes], options: SlimOptions) -> None:
    tflite = build()
    made = slimmed(tflite, options)
    assert len(made.tflite) < len(tflite)
    # A second time there is nothing left to take.
    assert slimmed(made.tflite, options).tflite == made.tflite


@pytest.mark.parametrize("seed", range(30))
def test_random_models(seed: int) -> None:
    slimmed(random_graph(SeededDraw(np.random.default_rng(seed))))


# Bytes of the smaller files; docs/slimming.md quotes them.
SIZES = {
    "ad01_int8": (273_520, 273_520),
    "hallaq_pruned_mnv2": (78_944, 78_944),
    "hello_world_int8": (1_488, 1_424),
    "kws_ref_model": (30_160, 30_160),
    "micro_speech_quantized": (17_952, 17_952),
    "resnet8_int8": (84_384, 84_384),
    "vww_96_int8": (240_944, 48_512),
    "wv_quality_k_8_c_5": (39_056, 39_056),
}


@pytest.mark.parametrize("name", REFERENCE_MODELS)
def test_reference_models(name: str) -> None:
    tflite = shared_path(f"models/{name}.tflite").read_bytes()
    made = slimmed(tflite), slimmed(tflite, SlimOptions(constant_channels=True))
    assert tuple(len(one.tflite) for one in made) == SIZES[name]


def test_half_the_macs_of_vww_are_constant() -> None:
    tflite = shared_path("models/vww_96_int8.tflite").read_bytes()
    made = slim(tflite, "vww", "vww", SlimOptions(constant_channels=True))
    assert made.macs is not None
    assert made.macs_before is not None
    assert made.macs < made.macs_before / 2


def with_size_arithmetic() -> bytes:
    """An open batch: RESHAPE to a shape that SHAPE, STRIDED_SLICE and PACK work out."""
    builder = ModelBuilder()
    x = image(builder, (1, 6, 6, 3))
    y = one_op.conv_2d(builder, np.random.default_rng(0), x, channels=2)
    shape = builder.tensor("shape", (4,), dtype="int32")
    builder.operator("SHAPE", [y], [shape], "ShapeOptions", outType=2)
    ends = [
        builder.constant(name, np.array([n]), dtype="int32")
        for name, n in zip("abc", (0, 1, 1), strict=True)
    ]
    batch = builder.tensor("batch", (), dtype="int32")
    builder.operator(
        "STRIDED_SLICE", [shape, *ends], [batch], "StridedSliceOptions", shrinkAxisMask=1
    )
    length = builder.constant("length", np.array(72), dtype="int32")
    packed = builder.tensor("packed", (2,), dtype="int32")
    builder.operator("PACK", [batch, length], [packed], "PackOptions", valuesCount=2)
    flat = builder.tensor("flat", (1, 72), scale=0.1, zero_point=-5)
    builder.operator("RESHAPE", [y, packed], [flat], "ReshapeOptions")
    model = unpacked(builder.build([x], [flat]))
    for index in (x, y, flat):
        tensor = model.subgraphs[0].tensors[index]
        tensor.shapeSignature = np.array([-1, *tensor.shape[1:]], np.int32)
    return pack(model)


def test_open_batch_becomes_1_and_its_arithmetic_goes() -> None:
    made = slimmed(with_size_arithmetic())
    assert kinds(made.tflite) == ["CONV_2D", "RESHAPE"]
    assert (made.operators_before, made.operators) == (5, 2)
    for tensor in unpacked(made.tflite).subgraphs[0].tensors:
        assert tensor.shapeSignature is None


def with_state_of_the_batch() -> bytes:
    """An open batch: FILL makes a recurrent layer's first state; shapes say 1 where 6 is meant."""
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 6), scale=0.1, signature=(-1, 6))
    shape = builder.tensor("shape", (2,), dtype="int32")
    builder.operator("SHAPE", [x], [shape], "ShapeOptions", outType=2)
    zero = builder.constant("zero", np.int8(3), scale=0.1, zero_point=3)
    state = builder.tensor("state", (1, 1), scale=0.1, zero_point=3, signature=(-1, -1))
    builder.operator("FILL", [shape, zero], [state], "FillOptions")
    total = builder.tensor("total", (1, 1), scale=0.2, signature=(-1, -1))
    builder.operator("ADD", [x, state], [total], "AddOptions")
    y = builder.tensor("y", (1, 6), scale=0.2, signature=(-1, 6))
    builder.operator("RESHAPE", [total, shape], [y], "ReshapeOptions")
    return builder.build([x], [y])


def test_shapes_are_those_of_batch_1() -> None:
    with pytest.raises(UnsupportedModelError, match="become constants by `espalier slim"):
        parse_graph(with_state_of_the_batch(), "m", "m")
    made = slimmed(with_state_of_the_batch())
    assert kinds(made.tflite) == ["ADD", "RESHAPE"]
    shapes = [list(tensor.shape) for tensor in unpacked(made.tflite).subgraphs[0].tensors]
    assert [1, 1] not in shapes
    # Espalier reads it now, as TFLM does.
    assert made.macs is not None


def with_custom_operator() -> bytes:
    model = unpacked(one_op.single(one_op.conv_2d, (1, 4, 4, 2), (0.1, 0), channels=2))
    code = model.operatorCodes[0]
    code.customCode, code.builtinCode, code.deprecatedBuiltinCode = b"Mystery", 32, 32
    operator = model.subgraphs[0].operators[0]
    operator.builtinOptionsType, operator.builtinOptions = 0, None
    operator.customOptions = np.arange(5, dtype=np.uint8)
    return pack(model)


def test_custom_operators_keep_what_is_theirs() -> None:
    tflite = with_custom_operator()
    made = slim(tflite, "model", "model.tflite", SlimOptions())
    assert len(made.tflite) < len(tflite)
    assert made.macs is None
    model = unpacked(made.tflite)
    (operator,) = model.subgraphs[0].operators
    assert kind_of(model, operator) == "Mystery"
    assert operator.customOptions.tolist() == [0, 1, 2, 3, 4]
    # Nothing is known of what the operator reads: no scale goes.
    before = unpacked(tflite)
    for old, new in zip(before.subgraphs[0].tensors, model.subgraphs[0].tensors, strict=True):
        assert (old.quantization is None) == (new.quantization is None)


def test_constant_channels_need_known_operators() -> None:
    options = SlimOptions(constant_channels=True)
    with pytest.raises(UnsupportedModelError, match="--constant-channels needs to know"):
        slim(with_custom_operator(), "model", "model.tflite", options)


def test_several_subgraphs_keep_their_numbers() -> None:
    model = unpacked(one_op.single(one_op.add, (1, 4, 4, 2), (0.1, 0)))
    other = unpacked(one_op.single(one_op.conv_2d, (1, 4, 4, 2), (0.1, 0), channels=2))
    first = len(model.buffers)
    for tensor in other.subgraphs[0].tensors:
        tensor.buffer += first
    for operator in other.subgraphs[0].operators:
        operator.opcodeIndex += len(model.operatorCodes)
    model.buffers += other.buffers
    model.operatorCodes += other.operatorCodes
    model.subgraphs += other.subgraphs
    made = slimmed(pack(model))
    after = unpacked(made.tflite)
    assert [len(subgraph.operators) for subgraph in after.subgraphs] == [1, 1]
    assert kind_of(after, after.subgraphs[1].operators[0]) == "CONV_2D"


def with_signature() -> bytes:
    from ai_edge_litert import schema_py_generated as schema

    model = unpacked(one_op.single(one_op.add, (1, 4, 4, 2), (0.1, 0)))
    signature = schema.SignatureDefT()
    signature.signatureKey = b"serve"
    subgraph = model.subgraphs[0]
    for name, index in (("inputs", subgraph.inputs[0]), ("outputs", subgraph.outputs[0])):
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name.encode(), int(index)
        setattr(signature, name, [entry])
    model.signatureDefs = [signature]
    return pack(model)


def test_signature_goes_or_stays_usable() -> None:
    from ai_edge_litert.interpreter import Interpreter

    tflite = with_signature()
    assert unpacked(slimmed(tflite).tflite).signatureDefs is None
    kept = slimmed(tflite, SlimOptions(keep_names=True)).tflite
    runner = Interpreter(model_content=kept).get_signature_runner("serve")
    assert runner(inputs=np.zeros((1, 4, 4, 2), np.int8))["outputs"].shape == (1, 4, 4, 2)


def test_offline_plan_moves_with_the_tensors() -> None:
    builder = ModelBuilder()
    builder.tensor("unused", (9,), scale=0.1)
    x = image(builder)
    y = one_op.conv_2d(builder, np.random.default_rng(0), x, channels=2)
    tflite = builder.build([x], [y])
    count = len(unpacked(tflite).subgraphs[0].tensors)
    offsets = [{x: 4096, y: 512}.get(index, -1) for index in range(count)]
    model: Any = unpacked(slimmed(add_plan(tflite, offsets)).tflite)
    moved = read_offsets(model)
    assert moved is not None
    subgraph = model.subgraphs[0]
    assert len(subgraph.tensors) == count - 1
    assert moved[0][subgraph.inputs[0]] == 4096
    assert moved[0][subgraph.outputs[0]] == 512


def test_offline_plan_for_operators_that_went_goes_and_is_said() -> None:
    tflite = with_size_arithmetic()
    count = len(unpacked(tflite).subgraphs[0].tensors)
    made = slimmed(add_plan(tflite, [-1] * count))
    assert read_offsets(unpacked(made.tflite)) is None
    assert "espalier plan --tflm-offline" in made.notes[0]
