"""Give a pruned model the batch statistics that its remaining channels really have.

Without them, what a model is worth before fine-tuning says little about what it will be worth
afterwards; with them it ranks candidates well. Source: Li et al. 2020, EagleEye,
https://arxiv.org/abs/2007.02491.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.prune.gradients import batches, losses_of, run_graph
from pipeline.prune.losses import classification_loss, labels_of
from pipeline.prune.trace import trace_model

if TYPE_CHECKING:
    import keras

    from pipeline.records import InputSet

_BATCH_SIZE = 64


def recalibrate(model: keras.Model, data: InputSet) -> None:
    """Set the moving statistics of every batch normalization to their means over samples.

    Whatever is random in training, as dropout is, stays off: what is normalized in inference has
    not been through it, and the same model gets the same statistics each time.

    Args:
        model: changed in place; nothing but these statistics.
        data: labelled samples as the model takes them.
    """
    import keras

    kind = keras.layers.BatchNormalization
    trace = trace_model(model)
    norms = {
        id(call.layer): call.layer for call in trace.graph.calls if isinstance(call.layer, kind)
    }
    if not norms:
        return
    momenta = {key: norm.momentum for key, norm in norms.items()}
    seen = 0
    try:
        for x, y in batches(data.x, labels_of(data, "recalibration"), _BATCH_SIZE):
            for norm in norms.values():
                # Makes the moving average the plain mean of the batches so far.
                norm.momentum = seen / (seen + len(y))
            run_graph(trace, x, in_training=(kind,))
            seen += len(y)
    finally:
        for key, norm in norms.items():
            norm.momentum = momenta[key]


def mean_loss(model: keras.Model, data: InputSet) -> float:
    """Mean cross-entropy of a classifier.

    Raises:
        ConfigError: the samples have no labels, or the model is no classifier.
    """
    trace = trace_model(model)
    loss = classification_loss(trace, data)
    parts = batches(data.x, labels_of(data, "loss"), _BATCH_SIZE)
    return float(np.concatenate([losses_of(run_graph(trace, x), y, loss) for x, y in parts]).mean())
