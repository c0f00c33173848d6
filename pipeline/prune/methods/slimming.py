"""Network slimming (Liu et al. 2017, https://arxiv.org/abs/1708.06519).

Train with lambda * sum |gamma| in the loss, remove the channels with the smallest |gamma| of the
whole network, fine-tune. Where several batch normalizations share channels, their mean |gamma|
counts; groups without any are locked. No group is emptied: `limits` hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigError, UnsupportedModelError
from pipeline.prune.facts import model_facts
from pipeline.prune.masks import copy_model
from pipeline.prune.prune import prune_once
from pipeline.prune.records import Evaluate, FineTune, MethodResult, Step
from pipeline.prune.select import Limits

if TYPE_CHECKING:
    import keras


def scales_of(model: keras.Model) -> list[Any]:
    """The gamma variables of all batch normalizations, nested models opened."""
    import keras

    return [
        layer.gamma
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization) and layer.scale
    ]


def train_sparse(
    model: keras.Model, fine_tune: FineTune, epochs: int, strength: float
) -> keras.Model:
    """Train with strength * sum |gamma| added to the loss; in place, on any backend.

    Args:
        model: to train.
        fine_tune: compiles and fits; Keras adds the penalty to its loss.
        epochs: of it.
        strength: lambda; 1e-4 for VGG, 1e-5 for ResNet and DenseNet in the paper.
    Raises:
        UnsupportedModelError: there is no batch normalization with a scale.
    """
    import keras

    scales = scales_of(model)
    if not scales:
        raise UnsupportedModelError(
            f"slimming: expected batch normalizations with a scale. Received: model "
            f"{model.name!r} without any. Use another method, for example l1-filter."
        )
    before = [scale.regularizer for scale in scales]
    for scale in scales:
        scale.regularizer = keras.regularizers.L1(strength)
    try:
        trained = fine_tune(model, epochs)
    finally:
        for scale, regularizer in zip(scales, before, strict=True):
            scale.regularizer = regularizer
    if trained is not model:
        model.set_weights(trained.get_weights())
    model.train_function = None
    return model


def prune_slimming(
    model: keras.Model,
    *,
    ratio: float | None = None,
    keep_params: float | None = None,
    strength: float = 1e-4,
    sparsity_epochs: int = 0,
    epochs: int = 0,
    limits: Limits | None = None,
    ignore: Sequence[str] = (),
    fine_tune: FineTune | None = None,
    evaluate: Evaluate | None = None,
    seed: int = 0,
    tolerance: float | None = None,
    log: Callable[[str], None] | None = None,
) -> MethodResult:
    """Sparsity training, one global threshold on |gamma|, surgery, fine-tuning.

    Args:
        model: Functional or Sequential; not changed.
        ratio: share of all channels that goes.
        keep_params: instead of a ratio the share of parameters that may stay.
        strength: lambda of the sparsity training.
        sparsity_epochs: of it; 0 where the model was trained so already.
        epochs: of fine-tuning at the end.
        limits: None for the defaults.
        ignore: layers whose output channels stay.
        fine_tune: needed for any epochs.
        evaluate: None for no metrics.
        seed: of the proof's inputs.
        tolerance: of the proof, see `prove`.
        log: told of each step.
    Raises:
        ConfigError: an option that makes no sense.
        UnsupportedModelError: no batch normalization with a scale, or see `prune_once`.
        MismatchError: the proof failed.
    """
    log = log or (lambda _: None)
    if fine_tune is None and (sparsity_epochs or epochs):
        raise ConfigError(
            f"slimming: {sparsity_epochs} + {epochs} epochs need labelled data. Received: none. "
            "Give data, or 0 epochs."
        )
    start = dict(evaluate(model)) if evaluate is not None else {}
    sparse = copy_model(model)
    steps = []
    if fine_tune is not None and sparsity_epochs:
        train_sparse(sparse, fine_tune, sparsity_epochs, strength)
        log(f"sparsity training: {sparsity_epochs} epochs with lambda {strength:g}")
        facts = model_facts(sparse)
        metrics = dict(evaluate(sparse)) if evaluate is not None else {}
        steps.append(
            Step(
                name="sparsity training",
                removed=0,
                params=facts.params,
                macs=facts.macs,
                metrics=metrics,
            )
        )
    result = prune_once(
        sparse,
        criterion="bn-scale",
        ratio=ratio,
        keep_params=keep_params,
        scope="global",
        reduction="mean",
        normalization="none",
        limits=limits,
        ignore=ignore,
        seed=seed,
        tolerance=tolerance,
        log=log,
    )
    pruned = result.model
    if fine_tune is not None and epochs:
        pruned = fine_tune(pruned, epochs)
    metrics = dict(evaluate(pruned)) if evaluate is not None else {}
    step = Step(
        name="slimming",
        removed=result.plan.num_removed,
        params=result.after.params,
        macs=result.after.macs,
        metrics=metrics,
        max_abs_difference=result.max_abs_difference,
    )
    return MethodResult(
        model=pruned,
        method="slimming",
        steps=(*steps, step),
        plan=result.plan,
        before=model_facts(model, start.get("accuracy")),
        after=replace(result.after, accuracy=metrics.get("accuracy")),
        locked=result.locked,
        max_abs_difference=result.max_abs_difference,
        seed=seed,
    )
