"""Quantization-aware training: a Keras 3 model in, a full-int8 .tflite out.

The model is rebuilt in tf_keras, layer by layer (`steps`, `bridge`), and proven equal in float
(`proof`). Quantizers of tensorflow-model-optimization round its weights and activations
(`quantizers`) where TensorFlow Lite will (`placement`); it is trained so (`training`), and
converted with the ranges that it was trained with (`conversion`).
"""

from pipeline.quantize.qat.options import QatOptions, QatResult
from pipeline.quantize.qat.train import train_quantized

__all__ = ["QatOptions", "QatResult", "train_quantized"]
