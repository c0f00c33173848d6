"""Full-integer post-training quantization, its check and its evaluation."""

from pipeline.quantize.check import check_full_int8, list_operators
from pipeline.quantize.convert import quantize_model, representative_indices
from pipeline.quantize.evaluate import (
    Accuracy,
    Comparison,
    Disagreement,
    compare,
    measure_accuracy,
    predict_float,
    quantize_samples,
)

__all__ = [
    "Accuracy",
    "Comparison",
    "Disagreement",
    "check_full_int8",
    "compare",
    "list_operators",
    "measure_accuracy",
    "predict_float",
    "quantize_model",
    "quantize_samples",
    "representative_indices",
]
