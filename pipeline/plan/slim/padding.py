"""Let a convolution's own padding do what a PAD before it does, where TFLite can say so.

A file knows two paddings: none (VALID), and the one that TFLite splits so that as many windows fit
as the stride makes (SAME). A PAD goes where what it adds is just that; kernels take what lies
outside of the input as its zero point, which is what PAD writes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pipeline.plan.slim.source import indices, is_constant, kind_of

_PADS = ("PAD", "PADV2")
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
# Axes of an image [1, height, width, channels].
_RANK = 4


def fold_padding(model: Any) -> int:
    """Take out each PAD whose readers are all convolutions that can pad as it does.

    Args:
        model: a `ModelT`; its operators change.
    Returns:
        How many went.
    """
    folded = 0
    for subgraph in model.subgraphs:
        for pad in list(subgraph.operators or ()):
            if kind_of(model, pad) not in _PADS or pad.outputs[0] in indices(subgraph.outputs):
                continue
            readers = [op for op in subgraph.operators if pad.outputs[0] in indices(op.inputs)]
            if readers and all(_pads_alike(model, subgraph, pad, reader) for reader in readers):
                for reader in readers:
                    _take_over(reader, pad)
                subgraph.operators.remove(pad)
                folded += 1
    return folded


def _take_over(reader: Any, pad: Any) -> None:
    from ai_edge_litert import schema_py_generated as schema

    reader.inputs = [int(pad.inputs[0]), *indices(reader.inputs)[1:]]
    reader.builtinOptions.padding = schema.Padding.SAME


def _pads_alike(model: Any, subgraph: Any, pad: Any, reader: Any) -> bool:
    """Whether a convolution with SAME padding reads what it reads behind the PAD."""
    from ai_edge_litert import schema_py_generated as schema

    if kind_of(model, reader) not in _CONVOLUTIONS or reader.builtinOptions is None:
        return False
    if indices(reader.inputs).count(pad.outputs[0]) != 1 or reader.inputs[0] != pad.outputs[0]:
        return False
    options = reader.builtinOptions
    x, padded = (subgraph.tensors[index] for index in (pad.inputs[0], pad.outputs[0]))
    amounts = _amounts(model, subgraph, pad)
    if options.padding != schema.Padding.VALID or amounts is None or len(amounts) != _RANK:
        return False
    if not _writes_zero_points(model, subgraph, pad, x, padded) or amounts[[0, 3]].any():
        return False
    filter_shape = indices(subgraph.tensors[reader.inputs[1]].shape)
    output_shape = indices(subgraph.tensors[reader.outputs[0]].shape)
    sizes = zip(
        indices(x.shape)[1:3],
        filter_shape[1:3],
        (options.strideH, options.strideW),
        (options.dilationHFactor, options.dilationWFactor),
        output_shape[1:3],
        (int(before) for before in amounts[1:3, 0]),
        strict=True,
    )
    return all(_is_same(*axis) for axis in sizes)


def _is_same(size: int, taps: int, stride: int, dilation: int, outputs: int, before: int) -> bool:
    """Whether TFLite's SAME makes as many outputs with as much padding in front.

    Source: TFLite `ComputePaddingHeightWidth` (kernels/padding.h).
    """
    reach = (taps - 1) * dilation + 1
    total = max(0, (outputs - 1) * stride + reach - size)
    return outputs == -(-size // stride) and before == total // 2


def _amounts(model: Any, subgraph: Any, pad: Any) -> Any:
    """Rows before and after on each axis, or None where they are no constants."""
    from ai_edge_litert import schema_py_generated as schema

    tensor = subgraph.tensors[pad.inputs[1]]
    dtypes = {schema.TensorType.INT32: "<i4", schema.TensorType.INT64: "<i8"}
    if not is_constant(model, tensor) or tensor.type not in dtypes:
        return None
    values = np.frombuffer(bytes(model.buffers[tensor.buffer].data), dtypes[tensor.type])
    return values.reshape(-1, 2) if math.prod(indices(tensor.shape)) == values.size else None


def _writes_zero_points(model: Any, subgraph: Any, pad: Any, x: Any, padded: Any) -> bool:
    """Whether what a PAD writes means 0, in the scale of what it reads."""
    from ai_edge_litert import schema_py_generated as schema

    if x.type not in (schema.TensorType.INT8, schema.TensorType.UINT8) or padded.type != x.type:
        return False
    quants = [tensor.quantization for tensor in (x, padded)]
    if any(quant is None or len(indices(quant.zeroPoint)) != 1 for quant in quants):
        return False
    before, after = quants
    if before.zeroPoint[0] != after.zeroPoint[0] or before.scale[0] != after.scale[0]:
        return False
    if len(indices(pad.inputs)) < 3:
        return True
    value = subgraph.tensors[pad.inputs[2]]
    if not is_constant(model, value) or value.type != x.type:
        return False
    dtype = "i1" if x.type == schema.TensorType.INT8 else "u1"
    written = np.frombuffer(bytes(model.buffers[value.buffer].data), dtype)
    return bool(written.size == 1 and written[0] == before.zeroPoint[0])
