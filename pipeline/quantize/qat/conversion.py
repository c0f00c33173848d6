"""Convert a model that was trained with quantizers to a .tflite.

The activations' quantizers go along: the converter takes their ranges as they are. Filters go as
floats and are quantized as those of every other model, per channel, so that the file has the
same operators and layout as after post-training quantization. Ranges that no quantizer holds,
inside composed operations, are calibrated.

Imported only after `import_tfmot`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from pipeline.quantize.check import check_full_int8, check_ranges
from pipeline.quantize.convert import natively, refuse_control_flow
from pipeline.quantize.qat.bridge import Bridged
from pipeline.quantize.qat.quantizers import CONVERTING, OBSERVING
from pipeline.quantize.settings import EdgeTypes
from pipeline.quantize.tflite_file import TfliteFile

_BATCH = 64


def observe(bridged: Bridged, samples: npt.NDArray[np.float32]) -> None:
    """Let the ranges of all activations span the samples, in float.

    Args:
        bridged: its quantizers' ranges grow.
        samples: float32 [samples, *input shape], as the model takes them.
    """
    with bridged.mode.being(OBSERVING):
        for start in range(0, len(samples), _BATCH):
            bridged.model(samples[start : start + _BATCH], training=False)


def convert(bridged: Bridged, samples: npt.NDArray[np.float32], edges: EdgeTypes) -> bytes:
    """The .tflite of a model, with batch 1.

    Args:
        bridged: with the ranges to take.
        samples: for what has no range.
        edges: types of the input and the output.
    Raises:
        UnsupportedModelError: it cannot be converted, not to int8 alone, or an activation is
            the same for all samples; names the layers.
    """
    inputs = tf_keras.Input(samples.shape[1:], batch_size=1, name="input")
    name = bridged.model.name
    fixed = tf_keras.Model(inputs, bridged.model(inputs, training=False), name=name)

    def representative() -> Iterator[list[npt.NDArray[np.float32]]]:
        for sample in samples:
            yield [sample[None]]

    converter = refuse_control_flow(tf.lite.TFLiteConverter.from_keras_model(fixed))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = getattr(tf, edges.input)
    converter.inference_output_type = getattr(tf, edges.output)
    with bridged.mode.being(CONVERTING):
        tflite = natively(lambda: bytes(converter.convert()), f"model {name!r}")
    file = TfliteFile(tflite)
    if file.fuse_requantizing():
        # Where two ranges follow each other, or a constant shifts the input beyond its own.
        tflite = file.pack()
    check_full_int8(tflite)
    check_ranges(tflite)
    return tflite
