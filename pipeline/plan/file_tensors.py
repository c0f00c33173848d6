"""The tensors of a .tflite file as records: shapes, types, quantization and values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pipeline.errors import UnsupportedModelError
from pipeline.plan.int4 import unpack_int4
from pipeline.records import INT4, Array, QuantParams, Tensor

# Far more than any device holds; sizes and offsets of such tensors fit int32 in kernels.
_MOST_ELEMENTS = 1 << 28

# TFLite's TensorType codes whose values NumPy can hold, those of INT4 as int8.
DTYPES = {
    0: "float32",
    1: "float16",
    2: "int32",
    3: "uint8",
    4: "int64",
    6: "bool",
    7: "int16",
    9: "int8",
    10: "float64",
    17: INT4,
}


def dtype_of(tensor: Any) -> str:
    """The type of a flatbuffer's tensor; one that NumPy cannot hold by TFLite's number."""
    return DTYPES.get(tensor.Type(), f"TensorType {tensor.Type()}")


def read_tensor(model: Any, subgraph: Any, index: int) -> Tensor:
    """One tensor, its values included where the file holds them.

    Args:
        model, subgraph: flatbuffers of the package tflite.
        index: of the tensor in the subgraph.
    Raises:
        UnsupportedModelError: its shape, type or quantization is none that can be deployed.
    """
    raw = subgraph.Tensors(index)
    name = (raw.Name() or b"").decode("utf-8", "replace")
    dtype = dtype_of(raw)
    shape = tuple(raw.Shape(i) for i in range(raw.ShapeLength()))
    if any(size < 0 for size in shape):
        raise UnsupportedModelError(
            f"tensor '{name}': the shape must be known. Received: {shape}. "
            "Convert the model with a fixed input shape."
        )
    if math.prod(shape) >= _MOST_ELEMENTS:
        raise UnsupportedModelError(
            f"tensor '{name}': must have fewer than 2**28 elements. Received: {shape}. "
            "Use a smaller layer."
        )
    if raw.Sparsity() is not None:
        raise UnsupportedModelError(
            f"tensor '{name}': sparse weights cannot be deployed. "
            "Received: a sparse tensor. Convert the model without sparsity."
        )
    return Tensor(
        index=index,
        name=name,
        shape=shape,
        dtype=dtype,
        quant=_quant(raw, name, dtype),
        constant=_constant(model.Buffers(raw.Buffer()), name, shape, dtype),
    )


def _quant(raw: Any, name: str, dtype: str) -> QuantParams | None:
    quant = raw.Quantization()
    if quant is None or quant.ScaleLength() == 0:
        return None
    scales = tuple(float(quant.Scale(i)) for i in range(quant.ScaleLength()))
    zero_points = tuple(int(quant.ZeroPoint(i)) for i in range(quant.ZeroPointLength()))
    if not all(math.isfinite(scale) and scale > 0 for scale in scales):
        raise UnsupportedModelError(
            f"tensor '{name}': scales must be finite and positive. "
            f"Received: {min(scales)} to {max(scales)}. Quantize the model again."
        )
    if len(zero_points) not in (0, 1, len(scales)):
        raise UnsupportedModelError(
            f"tensor '{name}': there must be as many zero points as scales. "
            f"Received: {len(zero_points)} and {len(scales)}. Convert the model again."
        )
    if len(zero_points) != len(scales):
        zero_points = (zero_points or (0,)) * len(scales)
    limits = np.iinfo(dtype) if dtype in ("int8", "uint8") else None
    if limits and not all(limits.min <= zero <= limits.max for zero in zero_points):
        raise UnsupportedModelError(
            f"tensor '{name}': zero points of {dtype} must be in {limits.min} .. "
            f"{limits.max}. Received: {min(zero_points)} to {max(zero_points)}. "
            "Convert the model again."
        )
    axis = quant.QuantizedDimension() if len(scales) > 1 else None
    return QuantParams(scale=scales, zero_point=zero_points, axis=axis)


def _constant(buffer: Any, name: str, shape: tuple[int, ...], dtype: str) -> Array | None:
    if buffer is None or buffer.DataLength() == 0:
        return None
    if dtype not in DTYPES.values():
        raise UnsupportedModelError(
            f"tensor '{name}': weights must be int8 and biases int32. Received: {dtype}. "
            "Quantize the model to full int8: espalier deploy MODEL.keras --data SPEC."
        )
    data = buffer.DataAsNumpy().tobytes()
    if dtype == INT4:
        values = unpack_int4(data, math.prod(shape))
    else:
        values = np.frombuffer(data, dtype=dtype)
    if values.size != math.prod(shape):
        raise UnsupportedModelError(
            f"tensor '{name}': {math.prod(shape)} values are expected for shape {shape}. "
            f"Received: {values.size}. The file is damaged; convert the model again."
        )
    return values.reshape(shape)
