"""Refuse a converted model that is not full int8."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.errors import UnsupportedModelError
from pipeline.quantize.tflite_file import enum_names

# At or below this scale TFLite's SOFTMAX cannot express its multiplier and ends the process.
# Only ranges of less than 4e-6 come here: activations that are the same for every sample.
_SMALLEST_SCALE = 2.0**-26

# Biases are int32; reshape and pad carry int32 shapes.
_INTEGER_TYPES = frozenset({"INT8", "INT32", "INT64"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorTypes:
    """One operator of a .tflite file.

    Attributes:
        kind: TFLite's name, e.g. "CONV_2D".
        layer: name of its first output, in which Keras' layer name occurs.
        types: TFLite's names of the types of its inputs and outputs, sorted, each once.
    """

    kind: str
    layer: str
    types: tuple[str, ...]


def list_operators(tflite: bytes) -> tuple[OperatorTypes, ...]:
    """The operators of a .tflite file in execution order."""
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.Model.GetRootAsModel(tflite, 0)
    graph = model.Subgraphs(0)
    operators = []
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        code = model.OperatorCodes(operator.OpcodeIndex())
        builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        kind = enum_names(schema.BuiltinOperator).get(builtin, str(builtin))
        if kind == "CUSTOM":
            kind = f"CUSTOM {code.CustomCode().decode()}"
        tensors = [operator.Inputs(i) for i in range(operator.InputsLength())]
        tensors += [operator.Outputs(i) for i in range(operator.OutputsLength())]
        types = {
            enum_names(schema.TensorType)[graph.Tensors(tensor).Type()]
            for tensor in tensors
            if tensor >= 0
        }
        operators.append(
            OperatorTypes(
                kind=kind,
                layer=_layer_name(graph, operator),
                types=tuple(sorted(types)),
            )
        )
    return tuple(operators)


def check_full_int8(tflite: bytes) -> None:
    """Check that every operator computes on int8.

    Raises:
        UnsupportedModelError: names the operators and layers that do not.
    """
    offenders = [
        operator
        for operator in list_operators(tflite)
        if operator.kind.startswith(("CUSTOM", "DEQUANTIZE"))
        or not _allowed_types(operator.kind).issuperset(operator.types)
    ]
    if offenders:
        names = "; ".join(
            f"{operator.layer!r} ({operator.kind}: {', '.join(operator.types)})"
            for operator in offenders[:5]
        )
        more = f" and {len(offenders) - 5} more" if len(offenders) > 5 else ""
        raise UnsupportedModelError(
            "Expected every operator of the quantized model to be int8. "
            f"Received: {names}{more}. Replace these layers by ones that TFLite quantizes, "
            "or take them out of the model."
        )


def _allowed_types(kind: str) -> frozenset[str]:
    """uint8 comes in and goes out through a QUANTIZE of its own."""
    return _INTEGER_TYPES | {"UINT8"} if kind == "QUANTIZE" else _INTEGER_TYPES


def check_ranges(tflite: bytes) -> None:
    """Check that no activation was the same for every calibration sample.

    Raises:
        UnsupportedModelError: names the first layer whose range is empty.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.Model.GetRootAsModel(tflite, 0)
    graph = model.Subgraphs(0)
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        quantization = graph.Tensors(operator.Outputs(0)).Quantization()
        if quantization is None or quantization.ScaleLength() == 0:
            continue
        if quantization.Scale(0) <= _SMALLEST_SCALE:
            raise UnsupportedModelError(
                f"layer {_layer_name(graph, operator)!r}: expected activations that differ "
                "between calibration samples. Received: a range of "
                f"{255 * quantization.Scale(0):.1e}. The model is untrained, or the calibration "
                "samples are all alike: train it, or choose other data with --data."
            )


def _layer_name(graph: Any, operator: Any) -> str:
    """Name of the output, without the model's name in front and the operation's behind.

    The model's own outputs have lost theirs; there the weights' names say the layer.
    """
    tensors = [operator.Outputs(0), *(operator.Inputs(i) for i in range(operator.InputsLength()))]
    names = [graph.Tensors(tensor).Name().decode() for tensor in tensors if tensor >= 0]
    telling = [name for name in names if "/" in name and not name.startswith("Stateful")]
    first = (telling or names)[0].split(";")[0]
    parts = [part for part in first.split("/") if part]
    return "/".join(parts[1:-1]) if len(parts) > 2 else first
