"""What int8 costs: the float model against the quantized one on held-out samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.quiet import import_tensorflow
from pipeline.records import Array
from pipeline.reference import ReferenceModel
from pipeline.samples import DEFAULT_SCALING, InputScaling, balanced_accuracy, to_model_input

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """How a classifier did.

    Attributes:
        samples: how many it was tried on.
        plain: share that is right.
        balanced: mean of the classes' shares.
        confusion: samples by true class (rows) and predicted class (columns).
    """

    samples: int
    plain: float
    balanced: float
    confusion: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """A sample on which float and int8 differ much.

    Attributes:
        sample: its id.
        true: its class.
        float_class, int8_class: predictions.
        moved: largest change of one class's score, scores in [0, 1].
    """

    sample: str
    true: str
    float_class: str
    int8_class: str
    moved: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Float against int8 on the same samples.

    Attributes:
        float_accuracy, int8_accuracy: of each.
        flipped: samples that the two put into different classes.
        mean_moved: mean over samples of the largest change of one class's score.
        sqnr_db: power of the float outputs over that of their change.
        worst: the samples that moved most, flipped ones first.
    """

    float_accuracy: Accuracy
    int8_accuracy: Accuracy
    flipped: int
    mean_moved: float
    sqnr_db: float
    worst: tuple[Disagreement, ...]

    @property
    def balanced_drop(self) -> float:
        """Balanced accuracy lost to int8, in [-1, 1]; negative where int8 does better."""
        return self.float_accuracy.balanced - self.int8_accuracy.balanced


def measure_accuracy(
    predicted: npt.NDArray[np.int64], y: npt.NDArray[np.int64], num_classes: int
) -> Accuracy:
    """Accuracies and confusion of predicted class indices.

    Raises:
        ValueError: no samples, or an index out of range.
    """
    if len(y) == 0 or max(y.max(), predicted.max()) >= num_classes:
        raise ValueError(f"expected samples with indices below {num_classes}")
    confusion = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(confusion, (y, predicted), 1)
    return Accuracy(
        samples=len(y),
        plain=float((predicted == y).mean()),
        balanced=balanced_accuracy(predicted, y),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def predict_float(
    model: keras.Model,
    x: Array,
    *,
    scaling: InputScaling = DEFAULT_SCALING,
    batch_size: int = 128,
) -> npt.NDArray[np.float32]:
    """Outputs of a Keras model, float32 [samples, classes].

    Args:
        model: one input, one output.
        x: samples as a dataset holds them; see `to_model_input`.
        scaling: what the model sees of a pixel.
        batch_size: samples at a time.
    """
    import_tensorflow()
    outputs = [
        np.asarray(model(to_model_input(x[start : start + batch_size], scaling), training=False))
        for start in range(0, len(x), batch_size)
    ]
    return np.concatenate(outputs)


def predict_quantized(
    tflite: bytes,
    x: Array,
    *,
    scaling: InputScaling = DEFAULT_SCALING,
    on_progress: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.float32]:
    """Real values of a quantized model's outputs by TFLite's reference kernels.

    Args:
        tflite: the model.
        x: samples as a dataset holds them.
        scaling: what the model sees of a pixel.
        on_progress: called with (samples done, samples in all).
    """
    reference = ReferenceModel(tflite)
    raw = reference.run((quantize_samples(tflite, x, scaling),), on_progress)[0]
    scale, zero_point = reference.output_quantization
    real: npt.NDArray[np.float32] = (raw.astype(np.float32) - zero_point) * np.float32(scale)
    return real


def predicted_classes(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Class indices of scores [samples, classes]; a single score above a half is class 1."""
    if scores.shape[1] == 1:
        return np.asarray(scores[:, 0] > 0.5, dtype=np.int64)
    return np.asarray(scores.argmax(axis=1), dtype=np.int64)


def sqnr_db(expected: npt.NDArray[np.float32], received: npt.NDArray[np.float32]) -> float:
    """Signal to quantization noise; 120 dB where there is no noise to speak of."""
    signal = float((expected.astype(np.float64) ** 2).sum())
    noise = float(((expected.astype(np.float64) - received) ** 2).sum())
    return min(120.0, 10 * math.log10(signal / noise)) if noise and signal else 120.0


def quantize_samples(tflite: bytes, x: Array, scaling: InputScaling = DEFAULT_SCALING) -> Array:
    """Samples as the quantized model takes them.

    uint8 pictures and int8 tensors become pixel - 128 bits, or pixels where the input is uint8;
    floats are quantized with the model's own input parameters, rounded half to even.
    """
    reference = ReferenceModel(tflite)
    dtype = reference.input_dtype
    if x.dtype in (np.uint8, np.int8):
        return x if x.dtype == dtype else (x.view(np.uint8) ^ np.uint8(128)).view(dtype)
    scale, zero_point = reference.input_quantization
    quantized = np.round(to_model_input(x, scaling) / scale) + zero_point
    limits = np.iinfo(dtype)
    return quantized.clip(limits.min, limits.max).astype(dtype)


def compare(
    model: keras.Model,
    tflite: bytes,
    x: Array,
    y: npt.NDArray[np.int64],
    *,
    ids: Sequence[str],
    class_names: Sequence[str],
    scaling: InputScaling = DEFAULT_SCALING,
    num_worst: int = 10,
    float_scores: npt.NDArray[np.float32] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Compare the float model with its quantized form, run by TFLite's reference kernels.

    Args:
        model: the float classifier.
        tflite: its int8 form.
        x, y: held-out samples as a dataset holds them, and labels.
        ids, class_names: names for the report.
        scaling: what the model sees of a pixel.
        num_worst: disagreements to list.
        float_scores: what `predict_float` gave for these samples, where that is known.
        on_progress: called with (samples done, samples in all).
    """
    if float_scores is None:
        float_scores = predict_float(model, x, scaling=scaling)
    int8_scores = predict_quantized(tflite, x, scaling=scaling, on_progress=on_progress)
    float_classes, int8_classes = predicted_classes(float_scores), predicted_classes(int8_scores)
    moved = np.abs(float_scores - int8_scores).max(axis=1)
    flipped = float_classes != int8_classes
    order = np.lexsort((-moved, ~flipped))[:num_worst]
    # A model may have outputs for classes that the data lacks.
    unnamed = range(len(class_names), max(2, float_scores.shape[1]))
    names = (*class_names, *(f"class {index}" for index in unnamed))
    return Comparison(
        float_accuracy=measure_accuracy(float_classes, y, len(names)),
        int8_accuracy=measure_accuracy(int8_classes, y, len(names)),
        flipped=int(flipped.sum()),
        mean_moved=float(moved.mean()),
        sqnr_db=sqnr_db(float_scores, int8_scores),
        worst=tuple(
            Disagreement(
                sample=ids[index],
                true=names[y[index]],
                float_class=names[float_classes[index]],
                int8_class=names[int8_classes[index]],
                moved=float(moved[index]),
            )
            for index in order.tolist()
        ),
    )
