"""The convention that every stage shares for what a model sees of a sample."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError
from pipeline.records import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class InputScaling:
    """What a model sees of a pixel: scale * pixel + offset.

    The int8 bits are always pixel - 128. The default is exact in int8: scale 1/128 and zero
    point 0. A model that began with a Rescaling layer keeps that layer's numbers instead.
    """

    scale: float = 1 / 128
    offset: float = -1.0

    @property
    def low(self) -> float:
        """What pixel 0 becomes."""
        return self.offset

    @property
    def high(self) -> float:
        """What pixel 255 becomes."""
        return self.scale * 255 + self.offset


DEFAULT_SCALING = InputScaling()


def to_model_input(x: Array, scaling: InputScaling = DEFAULT_SCALING) -> npt.NDArray[np.float32]:
    """Samples as a model sees them, float32 of the same shape.

    Pixels (uint8) become scale * pixel + offset, (pixel - 128) / 128 by default; int8
    tensors are taken for pixel - 128. Floats stay as they are.

    Raises:
        ConfigError: any other dtype.
    """
    if x.dtype == np.uint8:
        pixels = x.astype(np.float32)
    elif x.dtype == np.int8:
        pixels = x.astype(np.float32) + 128
    elif np.issubdtype(x.dtype, np.floating):
        return x.astype(np.float32)
    else:
        raise ConfigError(
            f"Samples must be uint8 pictures, int8 tensors or floats. Received: {x.dtype}. "
            "Store them in one of these types."
        )
    return pixels * np.float32(scaling.scale) + np.float32(scaling.offset)


def to_int8_input(x: Array) -> npt.NDArray[np.int8]:
    """What the int8 model takes for the same samples: scale 1/128, zero point 0.

    Raises:
        ConfigError: the samples are floats, whose quantization only the model knows.
    """
    if x.dtype == np.uint8:
        return (x.astype(np.int16) - 128).astype(np.int8)
    if x.dtype == np.int8:
        return x.astype(np.int8)
    raise ConfigError(f"Samples must be uint8 pictures or int8 tensors. Received: {x.dtype}.")


def balanced_accuracy(predicted: npt.NDArray[np.int64], y: npt.NDArray[np.int64]) -> float:
    """Mean over the classes that occur in y of the share of their samples that is right."""
    return float(np.mean([(predicted[y == label] == label).mean() for label in np.unique(y)]))


def average_precision(scores: npt.NDArray[np.floating], positive: npt.NDArray[np.bool_]) -> float:
    """Area under the precision-recall curve in steps: mean precision at each positive sample.

    Equal scores count together. 0 where nothing is positive.

    Args:
        scores: of the positive class, [samples].
        positive: bool [samples].
    """
    if not positive.any():
        return 0.0
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(positive[order])
    # The last sample of each run of equal scores.
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    precision, recall = hits[ends] / (ends + 1), hits[ends] / hits[-1]
    return float((precision * np.diff(recall, prepend=0.0)).sum())
