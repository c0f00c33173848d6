"""What the kernels of TFLM ask of the arena in their Prepare functions, operator by operator.

Sources: TFLM, micro/kernels/<operator>.cc and its subfolders cmsis_nn and esp_nn; CMSIS-NN,
`arm_<kernel>_get_buffer_size`; ESP-NN, `esp_nn_get_<kernel>_scratch_size`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.ops.base import RawOp
from pipeline.plan.tflm.runtimes import Kernels, Runtime
from pipeline.records import OpKind, Tensor

_INT32_BYTES = 4
_INT16_BYTES = 2
# Types whose kernels sum up in a buffer of their own.
_QUANTIZED = ("int8", "int16")
# More input channels than this make CMSIS-NN turn a transposed convolution round.
_REVERSED_ABOVE_CHANNELS = 16


@dataclass(frozen=True, slots=True)
class KernelMemory:
    """What one operator asks for, beside the data that every operator of its kind keeps.

    Attributes:
        persistent: blocks that stay, in bytes, in order.
        scratch: buffers that are there during the operator, in bytes, in order.
    """

    persistent: tuple[int, ...] = ()
    scratch: tuple[int, ...] = ()


def kernel_memory(raw: RawOp, runtime: Runtime) -> KernelMemory:
    """What an operator asks of the arena when it is prepared.

    Args:
        raw: the operator as it stands in the file.
        runtime: the TFLM that prepares it.
    """
    rule = _RULES.get(raw.kind)
    return KernelMemory() if rule is None else rule(raw, runtime)


def described_tensors(raw: RawOp, runtime: Runtime) -> tuple[Tensor, ...]:
    """Tensors that the operator has described to it while it is prepared, repetitions included.

    A description lies in the arena until the operator is prepared, even where the kernel gives it
    back before. Of the older snapshots not every kernel was read: theirs are counted twice.
    """
    inputs, outputs = raw.inputs, raw.outputs
    everything: tuple[Tensor | None, ...] = (*inputs, *outputs)
    if runtime.year < 2026:
        described = everything * 2
    elif raw.kind in _UNPREPARED:
        described = ()
    elif raw.kind in _AXIS_PLACE:
        described = (inputs[_AXIS_PLACE[raw.kind]],)
    elif raw.kind is OpKind.RESHAPE:
        described = (inputs[0], *outputs)
    elif raw.kind in (OpKind.CONCATENATION, OpKind.TANH):
        described = (inputs[0], *everything)
    elif raw.kind in (OpKind.CONV_2D, OpKind.DEPTHWISE_CONV_2D):
        described = (*inputs[:2], *outputs, *everything)  # the bias once
    elif raw.kind is OpKind.TRANSPOSE_CONV:
        described = (*inputs[1:3], *outputs, *inputs[1:], *outputs)  # never the output's shape
    elif raw.kind in _TWICE or _averages_with_cmsis_nn(raw, runtime):
        described = everything * 2
    else:
        described = everything
    return tuple(tensor for tensor in described if tensor is not None)


# Operators whose kernels have nothing to prepare.
_UNPREPARED = (OpKind.ARG_MAX, OpKind.MAXIMUM, OpKind.MINIMUM, OpKind.PACK, OpKind.SHAPE)
# Operators that look at one input only, and which.
_AXIS_PLACE: Mapping[OpKind, int] = {OpKind.SPLIT: 0, OpKind.SPLIT_V: 2}
# Operators that look at everything twice.
_TWICE = (OpKind.MEAN, OpKind.REDUCE_MAX)


def _averages_with_cmsis_nn(raw: RawOp, runtime: Runtime) -> bool:
    return raw.kind is OpKind.AVERAGE_POOL_2D and runtime.kernels is Kernels.CMSIS_NN


def _conv_2d(raw: RawOp, runtime: Runtime) -> KernelMemory:
    import tflite

    x, weights = _tensor(raw, 0), _tensor(raw, 1)
    channels, taps_h, taps_w, depth = weights.shape
    arrays = (_INT32_BYTES * channels,) * 2
    if runtime.kernels is not Kernels.CMSIS_NN or x.dtype != "int8":
        return KernelMemory(persistent=arrays)
    options = raw.options_as(tflite.Conv2DOptions)
    window = _Window.of(raw, options, (taps_h, taps_w))
    pointwise = (taps_h, taps_w) == (1, 1) and window.pads == (0, 0) and window.dilations == (1, 1)
    if runtime.year >= 2026:
        pointwise = pointwise and x.shape[3] == depth
    else:
        pointwise = pointwise and window.strides == (1, 1)
    # Two columns of the image as int16.
    column = taps_h * taps_w * x.shape[3]
    if runtime.year >= 2026:
        column = _round_up(column, 4)
    scratch = () if pointwise else (2 * column * _INT16_BYTES,)
    return KernelMemory(persistent=arrays, scratch=scratch)


def _depthwise_conv_2d(raw: RawOp, runtime: Runtime) -> KernelMemory:
    import tflite

    x, weights, y = _tensor(raw, 0), _tensor(raw, 1), raw.outputs[0]
    _, taps_h, taps_w, channels = weights.shape
    arrays = (_INT32_BYTES * channels,) * 2
    if runtime.kernels is not Kernels.CMSIS_NN or x.dtype != "int8":
        return KernelMemory(persistent=arrays)
    window = _Window.of(raw, raw.options_as(tflite.DepthwiseConv2DOptions), (taps_h, taps_w))
    one_to_one = x.shape[3] == y.shape[3] and x.shape[0] == 1 and window.dilations == (1, 1)
    # The kernel for 3 x 3 does without; older CMSIS-NN reserved the memory all the same.
    small = runtime.year >= 2026 and (taps_h, taps_w) == (3, 3) and max(window.pads) <= 1
    scratch = (x.shape[3] * taps_h * taps_w * _INT16_BYTES,) if one_to_one and not small else ()
    return KernelMemory(persistent=arrays, scratch=scratch)


def _fully_connected(raw: RawOp, runtime: Runtime) -> KernelMemory:
    x, weights, y = _tensor(raw, 0), _tensor(raw, 1), raw.outputs[0]
    outputs, depth = weights.shape[0], weights.shape[-1]
    per_channel = weights.quant is not None and len(weights.quant.scale) > 1
    as_convolution = (
        runtime.kernels is Kernels.CMSIS_NN
        and x.dtype == "int8"
        and len(y.shape) > 2
        and depth % 4 == 0
    )
    arrays = (_INT32_BYTES * outputs,) * 2
    if runtime.year >= 2026:
        return KernelMemory(
            persistent=arrays if per_channel else (),
            scratch=(2 * _INT32_BYTES * outputs,) if as_convolution and not per_channel else (),
        )
    return KernelMemory(persistent=arrays if as_convolution else ())


def _transpose_conv(raw: RawOp, runtime: Runtime) -> KernelMemory:
    import tflite

    weights, x, y = _tensor(raw, 1), _tensor(raw, 2), raw.outputs[0]
    channels, taps_h, taps_w, depth = weights.shape
    arrays = (_INT32_BYTES * channels,) * 2
    if x.dtype not in _QUANTIZED:
        return KernelMemory(persistent=arrays)
    if runtime.kernels is not Kernels.CMSIS_NN or runtime.year < 2026:
        return KernelMemory(persistent=arrays, scratch=(_INT32_BYTES * y.num_elements,))
    options = raw.options_as(tflite.TransposeConvOptions)
    stride_h, stride_w = options.StrideH(), options.StrideW()
    if max(stride_h, stride_w) <= 2 and depth > _REVERSED_ABOVE_CHANNELS:
        column = _round_up(taps_h * taps_w * depth, 4)
        scratch = (2 * column * _INT16_BYTES, weights.num_elements)
    else:
        # As in the source, the horizontal extent takes the vertical stride into account.
        width = ((x.shape[2] - 1) * stride_w + max(taps_w, stride_h)) * y.shape[3]
        scratch = (width * max(taps_h, stride_h) * _INT32_BYTES, 0)
    return KernelMemory(persistent=arrays, scratch=scratch)


def _average_pool_2d(raw: RawOp, runtime: Runtime) -> KernelMemory:
    x = _tensor(raw, 0)
    needs = runtime.kernels is Kernels.CMSIS_NN and x.dtype == "int8"
    return KernelMemory(scratch=(_INT32_BYTES * x.shape[3],) if needs else ())


def _softmax(raw: RawOp, runtime: Runtime) -> KernelMemory:
    x = _tensor(raw, 0)
    needs = runtime.kernels is Kernels.ESP_NN and x.dtype == raw.outputs[0].dtype == "int8"
    return KernelMemory(scratch=(_INT32_BYTES * max(x.shape[1:2], default=1),) if needs else ())


def _mean(raw: RawOp, runtime: Runtime) -> KernelMemory:
    x, axes, y = _tensor(raw, 0), _tensor(raw, 1), raw.outputs[0]
    sums = (_INT32_BYTES * y.num_elements,) if x.dtype in _QUANTIZED else ()
    walk = (_INT32_BYTES * len(x.shape), _INT32_BYTES * axes.num_elements)
    return KernelMemory(scratch=sums + walk if runtime.year >= 2026 else sums)


def _reduce_max(raw: RawOp, runtime: Runtime) -> KernelMemory:
    x, axes = _tensor(raw, 0), _tensor(raw, 1)
    walk = (_INT32_BYTES * len(x.shape), _INT32_BYTES * axes.num_elements)
    return KernelMemory(scratch=walk)


def _block_moves(raw: RawOp, runtime: Runtime) -> KernelMemory:
    # A writable copy of the output's dimensions: their number, then they themselves.
    return KernelMemory(persistent=(_INT32_BYTES * (1 + len(raw.outputs[0].shape)),))


_RULES: Mapping[OpKind, Callable[[RawOp, Runtime], KernelMemory]] = {
    OpKind.AVERAGE_POOL_2D: _average_pool_2d,
    OpKind.CONV_2D: _conv_2d,
    OpKind.DEPTHWISE_CONV_2D: _depthwise_conv_2d,
    OpKind.DEPTH_TO_SPACE: _block_moves,
    OpKind.FULLY_CONNECTED: _fully_connected,
    OpKind.MEAN: _mean,
    OpKind.REDUCE_MAX: _reduce_max,
    OpKind.SOFTMAX: _softmax,
    OpKind.SPACE_TO_DEPTH: _block_moves,
    OpKind.TRANSPOSE_CONV: _transpose_conv,
}


@dataclass(frozen=True, slots=True)
class _Window:
    """Strides, dilations and padding at the start, each (vertical, horizontal)."""

    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[int, int]

    @classmethod
    def of(cls, raw: RawOp, options: Any, taps: tuple[int, int]) -> _Window:
        import tflite

        strides = (options.StrideH(), options.StrideW())
        dilations = (options.DilationHFactor(), options.DilationWFactor())
        pads = (0, 0)
        if options.Padding() == tflite.Padding.SAME:
            sizes = zip(
                _tensor(raw, 0).shape[1:3],
                raw.outputs[0].shape[1:3],
                taps,
                strides,
                dilations,
                strict=True,
            )
            pads = _same_padding(*sizes)
        return cls(strides, dilations, pads)


def _same_padding(
    vertical: tuple[int, int, int, int, int], horizontal: tuple[int, int, int, int, int]
) -> tuple[int, int]:
    """Padding before the first row and column, of (input, output, taps, stride, dilation)."""

    def before(size: int, output: int, taps: int, stride: int, dilation: int) -> int:
        return max(0, (output - 1) * stride + (taps - 1) * dilation + 1 - size) // 2

    return before(*vertical), before(*horizontal)


def _tensor(raw: RawOp, place: int) -> Tensor:
    tensor = raw.inputs[place]
    assert tensor is not None
    return tensor


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
