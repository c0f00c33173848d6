"""Refuse a converted model that is not full int8."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import UnsupportedModelError
from pipeline.quantize.tflite_file import TfliteFile

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
    file = TfliteFile(tflite)
    return tuple(
        OperatorTypes(
            kind=operator.kind,
            layer=file.layer(position),
            types=tuple(
                sorted(
                    {
                        file.type_name(tensor)
                        for tensor in (*operator.inputs, *operator.outputs)
                        if tensor >= 0
                    }
                )
            ),
        )
        for position, operator in enumerate(file.operators)
    )


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
    file = TfliteFile(tflite)
    for position, operator in enumerate(file.operators):
        scales = file.scales(operator.outputs[0])
        if len(scales) and scales[0] <= _SMALLEST_SCALE:
            raise UnsupportedModelError(
                f"layer {file.layer(position)!r}: expected activations that differ "
                f"between calibration samples. Received: a range of {255 * scales[0]:.1e}. The "
                "model is untrained, or the calibration samples are all alike: train it, or "
                "choose other data with --data."
            )
