"""Single weights with the smallest magnitude (Han et al. 2015, https://arxiv.org/abs/1506.02626).

A reference curve: zeros are stored and multiplied on a microcontroller like any other weight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import ConfigError, UnsupportedModelError
from pipeline.prune.facts import KERNELS, model_facts
from pipeline.prune.masks import MaskedModel, copy_model
from pipeline.prune.methods.l1_filter import prune_l1_filter
from pipeline.prune.records import (
    Evaluate,
    FineTune,
    FloatArray,
    MethodResult,
    Step,
)
from pipeline.prune.schedules import stage_ratios
from pipeline.prune.select import Limits, check_ratio
from pipeline.prune.surgery import Bools
from pipeline.suggest import did_you_mean

if TYPE_CHECKING:
    import keras

SCOPES = ("global", "layer")
KINDS = ("all", "dense", "convolution")

NO_GAIN = (
    "Unstructured: zeros are single weights, so flash, RAM and latency on a microcontroller stay "
    "as they were; the result is a reference for accuracy only."
)


def kernels_of(model: keras.Model, kinds: str = "all") -> list[Any]:
    """Kernel variables of the layers that are pruned, in the order of the graph.

    Args:
        model: nested models are opened.
        kinds: "all", "dense" or "convolution" layers.
    Raises:
        ConfigError: other kinds.
        UnsupportedModelError: there are none.
    """
    if kinds not in KINDS:
        raise ConfigError(
            f"kinds: expected one of {', '.join(KINDS)}. Received: {kinds!r}."
            f"{did_you_mean(kinds, KINDS)} Use all in case of doubt."
        )
    found = []
    for layer in model._flatten_layers():
        name = type(layer).__name__
        wanted = {"all": name == "Dense" or "Conv" in name, "dense": name == "Dense"}
        if wanted.get(kinds, "Conv" in name):
            found += [w for w in layer.weights if w.name in KERNELS]
    if not found:
        raise UnsupportedModelError(
            f"unstructured: expected layers with kernels of kind {kinds!r}. Received: model "
            f"{model.name!r} without any. Choose other kinds."
        )
    return found


def smallest(
    values: Sequence[FloatArray],
    sparsity: float,
    scope: str = "global",
    held: Sequence[Bools] | None = None,
) -> list[Bools]:
    """Masks that are False for exactly round(sparsity * entries) of the smallest magnitudes.

    Of equal magnitudes, the entry with the lower index (and the earlier array) stays.

    Args:
        values: kernels.
        sparsity: share that goes, in [0, 1).
        scope: "global", one threshold for all; "layer", the same share of each.
        held: masks from before; what is False there goes first.
    Raises:
        ConfigError: an option that makes no sense.
    """
    check_ratio(sparsity, "sparsity")
    if scope not in SCOPES:
        raise ConfigError(
            f"scope: expected one of {', '.join(SCOPES)}. Received: {scope!r}."
            f"{did_you_mean(scope, SCOPES)} Use global for one threshold."
        )
    if scope == "layer":
        if held is None:
            held = [np.ones(value.shape, bool) for value in values]
        parts = zip(values, held, strict=True)
        return [smallest([value], sparsity, held=[mask])[0] for value, mask in parts]
    scores = np.concatenate([np.abs(value).ravel() for value in values])
    if held is not None:
        scores = np.where(np.concatenate([mask.ravel() for mask in held]), scores, -1.0)
    order = np.lexsort((-np.arange(len(scores)), scores))
    kept = np.ones(len(scores), bool)
    kept[order[: round(sparsity * len(scores))]] = False
    ends = np.cumsum([value.size for value in values])[:-1]
    pieces = np.split(kept, ends)
    return [piece.reshape(value.shape) for piece, value in zip(pieces, values, strict=True)]


def prune_unstructured(
    model: keras.Model,
    *,
    sparsity: float,
    steps: int = 1,
    scope: str = "global",
    kinds: str = "all",
    epochs: int = 0,
    fine_tune: FineTune | None = None,
    evaluate: Evaluate | None = None,
    seed: int = 0,
    log: Callable[[str], None] | None = None,
) -> MethodResult:
    """Set the smallest weights to zero, step by step, with fine-tuning that keeps them there.

    Args:
        model: Functional or Sequential; not changed.
        sparsity: share of the kernels' weights that is zero at the end, exact up to rounding
            to whole weights; biases and normalizations stay.
        steps: equally large ones; each starts from the weights that the one before retrained.
        scope: "global", one threshold for all kernels; "layer", the same share of each.
        kinds: "all", "dense" or "convolution" layers.
        epochs: of fine-tuning in all, spread over the steps, the remainder to the last.
        fine_tune: None for none.
        evaluate: None for no metrics.
        seed: goes into the result.
        log: told of each step.
    Returns:
        A model with the shapes of the original. `Step.params` counts weights that are not
        zeroed, `after` all of them.
    Raises:
        ConfigError: an option that makes no sense, or a `fine_tune` that loses the masks.
        UnsupportedModelError: no such layers.
    """
    log = log or (lambda _: None)
    masked = MaskedModel(copy_model(model))
    variables = kernels_of(masked.model, kinds)
    before = model_facts(model)
    targets = stage_ratios(sparsity, steps)
    held: list[Bools] | None = None
    gone = 0
    facts = []
    for number, target in enumerate(targets, 1):
        values = [np.asarray(variable.numpy()) for variable in variables]
        held = smallest(values, target, scope, held)
        masked.mask(list(zip(variables, held, strict=True)))
        share = epochs // steps + (epochs % steps if number == steps else 0)
        if fine_tune is not None and share:
            masked.fine_tune(fine_tune, share)
        zeros = sum(int((~mask).sum()) for mask in held)
        step = Step(
            name=f"step {number}",
            removed=zeros - gone,
            params=before.params - zeros,
            macs=before.macs,
            metrics=dict(evaluate(masked.model)) if evaluate is not None else {},
        )
        gone = zeros
        facts.append(step)
        log(f"step {number}: {target:.1%} of the weights are zero {dict(step.metrics)}")
    start = dict(evaluate(model)) if evaluate is not None else {}
    pruned = masked.release()
    return MethodResult(
        model=pruned,
        method="magnitude-unstructured",
        steps=tuple(facts),
        plan=None,
        before=model_facts(model, start.get("accuracy")),
        after=model_facts(pruned, facts[-1].metrics.get("accuracy")),
        locked=(),
        max_abs_difference=0.0,
        seed=seed,
        notes=(NO_GAIN,),
    )


def prune_combined(
    model: keras.Model,
    *,
    ratio: float,
    sparsity: float,
    epochs: int = 0,
    limits: Limits | None = None,
    ignore: Sequence[str] = (),
    fine_tune: FineTune | None = None,
    evaluate: Evaluate | None = None,
    seed: int = 0,
    tolerance: float | None = None,
    log: Callable[[str], None] | None = None,
) -> MethodResult:
    """Filters of convolutions by L1 norm, then single weights of dense layers by magnitude.

    Args:
        model: Functional or Sequential; not changed.
        ratio: share of each convolution's filters that goes.
        sparsity: share of the dense layers' weights that is zero at the end.
        epochs: of fine-tuning in all: half behind the filters, the rest behind the weights.
        limits, ignore, tolerance: see `prune_l1_filter`.
        fine_tune: None for none.
        evaluate: None for no metrics.
        seed: of the proof's inputs.
        log: told of each step.
    Raises:
        ConfigError: an option that makes no sense, or a `fine_tune` that loses the masks.
        UnsupportedModelError: no convolutions or no dense layers that could be pruned.
        MismatchError: the proof failed.
    """
    check_ratio(sparsity, "sparsity")
    kernels_of(model, "dense")
    filters = prune_l1_filter(
        model,
        ratio=ratio,
        limits=limits,
        ignore=ignore,
        epochs=epochs // 2,
        fine_tune=fine_tune,
        evaluate=evaluate,
        seed=seed,
        tolerance=tolerance,
        log=log,
    )
    weights = prune_unstructured(
        filters.model,
        sparsity=sparsity,
        kinds="dense",
        epochs=epochs - epochs // 2,
        fine_tune=fine_tune,
        evaluate=evaluate,
        seed=seed,
        log=log,
    )
    return MethodResult(
        model=weights.model,
        method="combined",
        steps=(*filters.steps, *weights.steps),
        plan=filters.plan,
        before=filters.before,
        after=weights.after,
        locked=filters.locked,
        max_abs_difference=filters.max_abs_difference,
        seed=seed,
        notes=("Of the dense layers: " + NO_GAIN,),
    )
