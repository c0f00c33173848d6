"""What QUANTIZE of floats and DEQUANTIZE share: checks, and the parameters of their kernels."""

from __future__ import annotations

from pipeline.ops.base import KernelCall, RawOp, fields_of, label_of
from pipeline.ops.checks import quant_of, require
from pipeline.records import Graph, Op, Tensor

_SIGN = 0x80


def require_real_values(raw: RawOp, real: Tensor, quantized: Tensor) -> None:
    """Check a float32 tensor beside one of 8 bits with one scale, of the same shape."""
    require(
        real.dtype == "float32",
        raw,
        f"tensor '{real.name}' must be float32",
        real.dtype,
        "Quantize the model to full int8: espalier deploy MODEL.keras --data SPEC.",
    )
    require_quantized(raw, quantized)
    require(
        real.shape == quantized.shape,
        raw,
        "input and output must have the same shape",
        f"{real.shape} and {quantized.shape}",
        "The file is damaged; convert the model again.",
    )


def require_quantized(raw: RawOp, tensor: Tensor) -> None:
    """Check a tensor of 8-bit values with one scale."""
    require(
        tensor.dtype in ("int8", "uint8"),
        raw,
        f"tensor '{tensor.name}' must be int8 or uint8",
        tensor.dtype,
        "Convert the model with inference_input_type and inference_output_type int8.",
    )
    require(
        tensor.quant is not None and len(tensor.quant.scale) == 1,
        raw,
        f"tensor '{tensor.name}' must have one scale",
        tensor.quant,
        "Quantize the model to full int8: espalier deploy MODEL.keras --data SPEC.",
    )


def real_values_call(op: Op, graph: Graph, function: str, quantized: int) -> KernelCall:
    """The call of quantize_f32 or dequantize_8.

    Args:
        op: the operator.
        graph: its graph.
        function: of the two.
        quantized: index of its 8-bit tensor.
    """
    tensor = graph.tensors[quantized]
    quant = quant_of(tensor)
    flip = _SIGN if tensor.dtype == "uint8" else 0
    return KernelCall(
        function=function,
        header="real_values.h",
        params_type="real_values_params",
        fields=fields_of(
            label_of(op),
            size=("uint32_t", tensor.num_elements),
            scale=("float", quant.scale[0]),
            zero_point=("int32_t", quant.zero_point[0] - flip),
            flip=("uint8_t", flip),
        ),
        constants=(),
        tensors=(op.inputs[0], op.outputs[0]),
    )
