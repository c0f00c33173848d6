"""Checks and quantization facts that several operators share."""

from __future__ import annotations

import numpy as np

from pipeline.errors import UnsupportedModelError
from pipeline.ops.base import RawOp
from pipeline.records import Array, Graph, QuantParams, Tensor

_ACTIVATION_NAMES = {0: "NONE", 1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6", 4: "TANH", 5: "SIGN_BIT"}
# Real bounds of the fused activations that have one form for every kernel.
_ACTIVATION_BOUNDS: dict[int, tuple[float | None, float | None]] = {
    0: (None, None),
    1: (0.0, None),
    2: (-1.0, 1.0),
    3: (0.0, 6.0),
}


def require(condition: bool, raw: RawOp, expectation: str, received: object, way_out: str) -> None:
    """Raise UnsupportedModelError in the project's form unless the condition holds."""
    if not condition:
        raise UnsupportedModelError(f"{raw.label}: {expectation}. Received: {received}. {way_out}")


def require_counts(raw: RawOp, inputs: tuple[int, int], outputs: int = 1) -> None:
    """Check the number of inputs (lowest, highest) and outputs, and that the needed are there."""
    lowest, highest = inputs
    require(
        lowest <= len(raw.inputs) <= highest and len(raw.outputs) == outputs,
        raw,
        f"takes {lowest} to {highest} inputs and {outputs} output",
        f"{len(raw.inputs)} and {len(raw.outputs)}",
        "The file is damaged; convert the model again.",
    )
    require(
        all(tensor is not None for tensor in raw.inputs[:lowest]),
        raw,
        f"needs its first {lowest} inputs",
        "an absent one",
        "The file is damaged; convert the model again.",
    )


def input_of(raw: RawOp, position: int) -> Tensor:
    """An input that `require_counts` has found to be there."""
    tensor = raw.inputs[position]
    assert tensor is not None
    return tensor


def require_int8(raw: RawOp, *tensors: Tensor) -> None:
    """Check that tensors are int8 with one scale and one zero point each."""
    for tensor in tensors:
        require(
            tensor.dtype == "int8",
            raw,
            f"tensor '{tensor.name}' must be int8",
            tensor.dtype,
            "Quantize the model to full int8: espalier deploy MODEL.keras --data SPEC.",
        )
        require(
            tensor.quant is not None and len(tensor.quant.scale) == 1,
            raw,
            f"tensor '{tensor.name}' must have one scale",
            "none" if tensor.quant is None else f"{len(tensor.quant.scale)}",
            "Quantize the model to full int8: espalier deploy MODEL.keras --data SPEC.",
        )


def require_same_quant(raw: RawOp, a: Tensor, b: Tensor) -> None:
    """Check that an operator which only moves values has the same scale on both sides."""
    require(
        a.quant == b.quant,
        raw,
        "input and output must have the same scale and zero point",
        f"{a.quant} and {b.quant}",
        "Quantize the model with a current converter.",
    )


def require_rank(raw: RawOp, tensor: Tensor, rank: int) -> None:
    """Check a tensor's number of dimensions."""
    require(
        len(tensor.shape) == rank,
        raw,
        f"tensor '{tensor.name}' must have {rank} dimensions",
        tensor.shape,
        "Convert the model from a Keras layer that TFLite knows.",
    )


def require_batch_one(raw: RawOp, tensor: Tensor) -> None:
    """Check that the first dimension is 1."""
    require(
        len(tensor.shape) > 0 and tensor.shape[0] == 1,
        raw,
        f"tensor '{tensor.name}' must have batch 1",
        tensor.shape,
        "Convert the model with batch size 1.",
    )


def require_constant(raw: RawOp, tensor: Tensor, what: str) -> Array:
    """Return a tensor's constant value.

    Args:
        raw: the operator, for messages.
        tensor: one of its inputs.
        what: the input's part, for messages.
    Raises:
        UnsupportedModelError: it is computed.
    """
    if tensor.constant is None:
        raise UnsupportedModelError(
            f"{raw.label}: {what} must be constant. Received: a computed tensor "
            f"'{tensor.name}'. Build the model so that it is known at conversion."
        )
    return tensor.constant


def require_activation(raw: RawOp, activation: int) -> int:
    """Check that the fused activation is one that clamps."""
    require(
        activation in _ACTIVATION_BOUNDS,
        raw,
        "fused activation must be NONE, RELU, RELU6 or RELU_N1_TO_1",
        _ACTIVATION_NAMES.get(activation, activation),
        "Use one of those in the Keras model.",
    )
    return activation


def check_scaled_range(label: str, limit: int, real: float) -> None:
    """Check that neither scaled values nor their doubles can leave int32 in a kernel.

    Args:
        label: kind and name of the operator.
        limit: largest magnitude before scaling.
        real: factor.
    Raises:
        UnsupportedModelError: a scaled value could reach 2**30.
    """
    if limit * real >= 1 << 30:
        raise UnsupportedModelError(
            f"{label}: scaled results must stay below 2**30. Received: up to {limit * real:.3g}. "
            "The model's scales are absurd (an untrained network?); train and quantize it again."
        )


def activation_range(activation: int, output: Tensor) -> tuple[int, int]:
    """Lowest and highest quantized value after a fused activation."""
    return quantized_range(_ACTIVATION_BOUNDS[activation], output)


def quantized_range(bounds: tuple[float | None, float | None], output: Tensor) -> tuple[int, int]:
    """Lowest and highest quantized value between two real bounds, each of which may be none.

    Source: TFLite `CalculateActivationRangeQuantized`; the division is in float32.
    """
    quant = quant_of(output)
    info = np.iinfo(output.dtype)
    low_real, high_real = bounds
    lowest, highest = int(info.min), int(info.max)
    if low_real is not None:
        lowest = max(lowest, _quantize(low_real, quant))
    if high_real is not None:
        highest = min(highest, _quantize(high_real, quant))
    return lowest, highest


def _quantize(real: float, quant: QuantParams) -> int:
    with np.errstate(over="ignore"):
        ratio = np.float32(real) / np.float32(quant.scale[0])
    # A bound this far out clamps nothing; infinity has no integer.
    ratio = np.clip(ratio, np.float32(-(2.0**30)), np.float32(2.0**30))
    rounded = np.sign(ratio) * np.floor(np.abs(ratio) + np.float32(0.5))
    return quant.zero_point[0] + int(rounded)


def quant_of(tensor: Tensor) -> QuantParams:
    """Quantization of a tensor that a check has found to have one."""
    assert tensor.quant is not None, tensor.name
    return tensor.quant


def scale_of(tensor: Tensor) -> float:
    """Scale of a per-tensor quantized tensor, as the double of its float32."""
    return quant_of(tensor).scale[0]


def zero_point_of(tensor: Tensor) -> int:
    """Zero point of a per-tensor quantized tensor."""
    return quant_of(tensor).zero_point[0]


def constant_of(graph: Graph, index: int) -> Array:
    """Value of a tensor that parsing has found to be constant."""
    constant = graph.tensors[index].constant
    assert constant is not None, graph.tensors[index].name
    return constant
