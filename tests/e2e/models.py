"""Small .tflite files for deployments, and what can be wrong with one."""

from __future__ import annotations

import struct

import numpy as np

from tests import one_op
from tests.tflite_models import ModelBuilder


def good(channels: int = 4) -> bytes:
    """A convolution with a few hundred MACs."""
    return one_op.single(one_op.conv_2d, (1, 8, 8, 3), (1 / 128, 0), channels=channels)


def between_floats() -> bytes:
    """Two inputs, one of floats; floats, a position and raw values as outputs."""
    builder = ModelBuilder()
    rng = np.random.default_rng(1)
    real = builder.tensor("real", (1, 6, 6, 2), dtype="float32")
    other = builder.tensor("other", (1, 6, 6, 2), scale=0.05, zero_point=3)
    x = one_op.quantize(builder, rng, real, output=(0.04, -5))
    total = one_op.add(builder, rng, x, other=other, output=(0.06, 1))
    scores = one_op.conv_2d(builder, rng, total, channels=5, kernel=(6, 6), padding="VALID")
    flat = one_op.reshape(builder, rng, scores, target=(1, 5))
    ends = [
        one_op.dequantize(builder, rng, flat),
        one_op.arg_max(builder, rng, flat, axis=1),
        one_op.function(builder, rng, flat, kind="LOGISTIC"),
    ]
    return builder.build([real, other], ends)


def larger_than_any_ram() -> bytes:
    """Activations of more than a megabyte under few weights."""
    return one_op.single(one_op.conv_2d, (1, 256, 256, 3), (1 / 128, 0), channels=16)


def larger_than_any_flash() -> bytes:
    """A megabyte of weights under few activations."""
    return one_op.single(one_op.fully_connected, (1, 1024), (1 / 128, 0), outputs=1024)


def unsupported_operator() -> bytes:
    """An operator that the engine does not know."""
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 8), scale=0.5)
    y = builder.tensor("y", (1, 8), scale=0.5)
    builder.operator("ELU", [x], [y])
    return builder.build([x], [y])


def float_model() -> bytes:
    """A model that was never quantized."""
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 8), dtype="float32")
    y = builder.tensor("y", (1, 8), dtype="float32")
    builder.operator("SOFTMAX", [x], [y], "SoftmaxOptions", beta=1.0)
    return builder.build([x], [y])


def truncated() -> bytes:
    """The first half of a model."""
    content = good(channels=64)
    return content[: len(content) // 2]


def corrupted() -> bytes:
    """A model whose root offset points far outside."""
    content = bytearray(good())
    struct.pack_into("<I", content, 0, 0x7FFFFFF0)
    return bytes(content)


def no_tflite() -> bytes:
    """Something else under the name of a model."""
    return b"\x89PNG\r\n\x1a\n" + bytes(range(256))
