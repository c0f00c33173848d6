"""Bias correction: rounding filters and activations shifts what channels give on average.

The mean of each channel before its activation is compared between the float and the int8 model on
calibration samples, layer after layer in the order of execution, each with the corrections before
it in place; the difference goes into the layer's int32 bias.

Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction"
(ICCV 2019), the empirical form of its appendix D. A convolution is linear, so that its mean output
is what it makes of its mean input: one mean picture per layer is enough.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.quantize.equalize import WEIGHTED
from pipeline.quantize.statistics import FloatArray, Progress, mean_values
from pipeline.quantize.tflite_file import Operator, TfliteFile
from pipeline.records import Array
from pipeline.reference import TensorProbe

_INT32 = np.iinfo(np.int32)


def correct_bias(
    calibrated: bytes,
    tflite: bytes,
    samples: npt.NDArray[np.float32],
    quantized_samples: Array,
    on_progress: Progress | None = None,
) -> bytes:
    """Take the mean error of every channel of every layer with weights out of its bias.

    Args:
        calibrated: the float model, with the operators and tensors of the int8 one.
        tflite: its int8 form.
        samples: float32 [samples, *input shape].
        quantized_samples: the same ones as the int8 model takes them.
        on_progress: called with (layers done, layers in all).
    """
    float_file, file = TfliteFile(calibrated), TfliteFile(tflite)
    names = {float_file.name(op.outputs[0]): op for op in float_file.operators}
    layers = [
        (names[file.name(op.outputs[0])], op)
        for op in file.operators
        if op.kind in WEIGHTED and file.name(op.outputs[0]) in names and _has_bias(file, op)
    ]
    inputs = tuple({op.inputs[0]: None for op, _ in layers})
    means = mean_values(TensorProbe(calibrated), inputs, samples)
    for done, (float_op, op) in enumerate(layers, 1):
        probe = TensorProbe(file.pack())
        raw = mean_values(probe, (op.inputs[0],), quantized_samples)[op.inputs[0]]
        scale = file.scales(op.inputs[0])[0]
        expected = _mean_sums(float_file, float_op, means[float_op.inputs[0]])
        received = _mean_sums(file, op, (raw - file.zero_point(op.inputs[0])) * scale)
        _add_to_bias(file, op, expected - received)
        if on_progress is not None:
            on_progress(done, len(layers))
    return file.pack()


def _has_bias(file: TfliteFile, operator: Operator) -> bool:
    return len(operator.inputs) > 2 and file.constant(operator.inputs[2]) is not None


def _add_to_bias(file: TfliteFile, operator: Operator, missing: FloatArray) -> None:
    index = operator.inputs[2]
    bias = file.constant(index)
    assert bias is not None
    changed = bias.astype(np.float64) + np.round(missing / file.scales(index))
    file.set_constant(index, changed.clip(_INT32.min, _INT32.max).astype(np.int32))


def _mean_sums(file: TfliteFile, operator: Operator, x: FloatArray) -> FloatArray:
    """Mean of each channel before the activation, for a mean input of real values."""
    weights, bias = (_real(file, index) for index in operator.inputs[1:3])
    if operator.kind == "FULLY_CONNECTED":
        sums = x.reshape(-1, weights.shape[-1]) @ weights.T
    else:
        sums = _convolve(operator, x, weights)
    return np.asarray(sums.reshape(-1, len(bias)).mean(axis=0) + bias)


def _real(file: TfliteFile, index: int) -> FloatArray:
    """Real values of weights: of int8 and int32, zero points are 0."""
    values = file.constant(index)
    assert values is not None
    scales = file.scales(index)
    if not len(scales):
        return values.astype(np.float64)
    axis = 0 if values.shape[0] == len(scales) else values.ndim - 1
    shape = [1] * values.ndim
    shape[axis] = len(scales)
    return np.asarray(values * scales.reshape(shape))


def _convolve(operator: Operator, x: FloatArray, weights: FloatArray) -> FloatArray:
    import tensorflow as tf

    options = operator.options
    # Of the schema's Padding: SAME is 0.
    padding = "VALID" if options.padding else "SAME"
    strides = (1, options.strideH, options.strideW, 1)
    dilations = (options.dilationHFactor, options.dilationWFactor)
    if operator.kind == "CONV_2D":
        hwio = weights.transpose(1, 2, 3, 0)
        return np.asarray(
            tf.nn.conv2d(x, hwio, strides, padding, dilations=dilations), dtype=np.float64
        )
    _, height, width, outputs = weights.shape
    hwim = weights.reshape(height, width, x.shape[-1], outputs // x.shape[-1])
    return np.asarray(
        tf.nn.depthwise_conv2d(x, hwim, strides, padding, dilations=dilations), dtype=np.float64
    )
