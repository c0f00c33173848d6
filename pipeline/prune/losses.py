"""The loss of a classifier from its outputs and labels, whatever its last layer makes of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pipeline.errors import ConfigError
from pipeline.keras_graph import last_call
from pipeline.prune.gradients import Loss
from pipeline.prune.trace import Trace
from pipeline.records import InputSet

# Keeps the logarithm of a probability finite, and its gradient alive.
_TINY = 1e-7


def labels_of(data: InputSet, place: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Class indices of samples, int64 [samples].

    Args:
        data: samples.
        place: that needs the labels.
    Raises:
        ConfigError: there are none, or no samples at all.
    """
    if data.y is None or not len(data.y):
        raise ConfigError(
            f"{place}: needs labelled samples. Received: {data.spec!r} "
            f"{'without labels' if data.y is None else 'with no samples'}. Give a folder with "
            "one folder per class, or an .npz with x and y."
        )
    return np.asarray(data.y, np.int64)


def classification_loss(trace: Trace, data: InputSet) -> Loss:
    """Cross-entropy of each sample; binary where the model has a single output unit.

    Softmax and sigmoid at the end are recognised; anything else is taken for logits.

    Args:
        trace: of the model.
        data: whose labels the loss will see.
    Raises:
        ConfigError: the model has several outputs, or a label has no score among them.
    """
    if len(trace.graph.outputs) != 1:
        raise ConfigError(
            f"model {trace.model.name!r}: expected one output with a score for each class. "
            f"Received: {len(trace.graph.outputs)} outputs. Give a loss of your own."
        )
    shape = trace.graph.outputs[0].shape
    classes = max(2, math.prod(size or 1 for size in shape[1:]))
    if data.y is not None and len(data.y) and not 0 <= data.y.min() <= data.y.max() < classes:
        raise ConfigError(
            f"data {data.spec!r}: expected classes 0 to {classes - 1}, for which the model has "
            f"scores. Received: {data.y.min()} to {data.y.max()}. Give the data it was trained on."
        )
    kind = _last_activation(trace)

    def loss(outputs: list[Any], y: Any) -> Any:
        from keras import ops

        scores = ops.cast(ops.reshape(outputs[0], (len(outputs[0]), -1)), "float32")
        if scores.shape[1] == 1:
            # Two classes, of which the unit says how much of the second.
            if kind == "sigmoid":
                scores = ops.concatenate([1 - scores, scores], axis=1)
                return -ops.log(_of_label(scores, y) + _TINY)
            scores = ops.concatenate([ops.zeros_like(scores), scores], axis=1)
        elif kind == "softmax":
            return -ops.log(_of_label(scores, y) + _TINY)
        return ops.logsumexp(scores, axis=1) - _of_label(scores, y)

    return loss


def _of_label(scores: Any, y: Any) -> Any:
    from keras import ops

    one_hot = ops.one_hot(ops.cast(y, "int32"), scores.shape[1])
    return ops.sum(scores * one_hot, axis=1)


def _last_activation(trace: Trace) -> str:
    """Name of the function that the output went through last, "" for none that matters."""
    call = last_call(trace.graph, trace.graph.outputs[0])
    if call is None:
        return ""
    kind = type(call.layer).__name__
    if kind in ("Softmax", "Sigmoid"):
        return kind.lower()
    return str(getattr(getattr(call.layer, "activation", None), "__name__", ""))
