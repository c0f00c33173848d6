"""Gradual pruning in stages of groups that hold depthwise and pointwise filters together.

Source: Tu et al., "Pruning Depthwise Separable Convolutions for MobileNet Compression", IJCNN
2020; https://github.com/ivclab/Multistage_Pruning. Where that prunes all channels with a score
at the threshold or below, ties included, this takes exactly as many as the ratio says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import ConfigError
from pipeline.prune.amount import local_ratio
from pipeline.prune.criteria.base import Scored, Scoring, importance
from pipeline.prune.criteria.table import criterion_named
from pipeline.prune.facts import model_facts
from pipeline.prune.groups import find_groups
from pipeline.prune.masks import MaskedModel, copy_model
from pipeline.prune.proof import masked_weights, prove
from pipeline.prune.records import Evaluate, FineTune, MethodResult, PrunePlan, Role, Step
from pipeline.prune.schedules import CubicRamp, stage_ratios
from pipeline.prune.select import Limits, select
from pipeline.prune.surgery import materialise, weight_named
from pipeline.prune.trace import Trace, trace_model

if TYPE_CHECKING:
    import keras


def prune_multistage(
    model: keras.Model,
    *,
    ratio: float | None = None,
    keep_params: float | None = None,
    stages: int = 2,
    epochs: int = 30,
    ramp_epochs: int | None = None,
    frequency: int = 1,
    use_bn: bool = False,
    limits: Limits | None = None,
    ignore: Sequence[str] = (),
    fine_tune: FineTune | None = None,
    evaluate: Evaluate | None = None,
    seed: int = 0,
    tolerance: float | None = None,
    log: Callable[[str], None] | None = None,
) -> MethodResult:
    """Prune by masks in stages, each a cubic ramp and a recovery; remove the channels at the end.

    A channel's score is the sum of |w| over all filters of its group, depthwise ones included.
    What is masked once stays so.

    Args:
        model: Functional or Sequential; not changed.
        ratio: share of each group's channels that goes by the end of the last stage.
        keep_params: instead of a ratio the share of parameters that may stay, in (0, 1).
        stages: equally large ones, see `stage_ratios`.
        epochs: of each stage.
        ramp_epochs: those of them in which the ratio rises; None for 4, or all if fewer.
        frequency: epochs between changes of the masks within the ramp.
        use_bn: multiply filters by the |gamma| of the batch normalization behind them.
        limits: None for the defaults.
        ignore: layers whose output channels stay.
        fine_tune: None to mask without any training.
        evaluate: None for no metrics; called after each stage's recovery.
        seed: of the proof's inputs.
        tolerance: of the proof, see `prove`.
        log: told of each step.
    Raises:
        ConfigError: an option that makes no sense, or a `fine_tune` that loses the masks.
        UnsupportedModelError: a model that cannot be followed or rebuilt.
        MismatchError: the proof failed.
    """
    log = log or (lambda _: None)
    if ramp_epochs is None:
        ramp_epochs = min(4, epochs)
    if not 0 <= ramp_epochs <= epochs:
        raise ConfigError(
            f"ramp_epochs: expected between 0 and the {epochs} epochs of a stage. Received: "
            f"{ramp_epochs}. The epochs behind the ramp are there to recover."
        )
    masked = MaskedModel(copy_model(model))
    masks = _Masks(masked, use_bn, limits or Limits(), ignore, seed)
    ratio = masks.ratio(ratio, keep_params)
    plan = masks.advance(0.0)
    steps: list[Step] = []
    before = 0.0
    for stage, target in enumerate(stage_ratios(ratio, stages), 1):
        gone = plan.num_removed
        ramp = CubicRamp(
            initial=before, final=target, begin=0, end=ramp_epochs, frequency=frequency
        )
        for epoch in range(min(1, ramp_epochs), ramp_epochs + 1):
            if ramp.updates(epoch):
                plan = masks.advance(ramp.at(epoch))
            if fine_tune is not None and ramp_epochs:
                masked.fine_tune(fine_tune, 1)
        if fine_tune is not None and epochs > ramp_epochs:
            masked.fine_tune(fine_tune, epochs - ramp_epochs)
        facts = model_facts(materialise(masks.trace, plan))
        step = Step(
            name=f"stage {stage}",
            removed=plan.num_removed - gone,
            params=facts.params,
            macs=facts.macs,
            metrics=dict(evaluate(masked.model)) if evaluate is not None else {},
        )
        steps.append(step)
        log(f"stage {stage}: ratio {target:g}, {step.removed} channels masked {dict(step.metrics)}")
        before = target
    masked.release()
    pruned = materialise(masks.trace, plan)
    difference = prove(masks.trace, plan, pruned, tolerance=tolerance)
    log(f"proved: largest difference {difference:g}")
    metrics = dict(evaluate(model)) if evaluate is not None else {}
    return MethodResult(
        model=pruned,
        method="multistage",
        steps=tuple(steps),
        plan=plan,
        before=model_facts(model, metrics.get("accuracy")),
        after=model_facts(pruned, steps[-1].metrics.get("accuracy")),
        locked=masks.locked,
        max_abs_difference=difference,
        seed=seed,
    )


class _Masks:
    """Plans that only ever remove more, and their masks on a model."""

    def __init__(
        self, masked: MaskedModel, use_bn: bool, limits: Limits, ignore: Sequence[str], seed: int
    ) -> None:
        self._masked = masked
        self._limits = limits
        self._seed = seed
        self._gone: list[list[int]] = []
        self._batch_norm = "gamma" if use_bn else "ignore"
        self.trace: Trace = trace_model(masked.model)
        self._grouping = find_groups(self.trace, ignore)
        self.locked = self._score().grouping.locks

    def ratio(self, ratio: float | None, keep_params: float | None) -> float:
        """The ratio at the end."""
        groups = self._score().grouping.groups
        return local_ratio(self.trace, groups, self._limits, ratio=ratio, keep_params=keep_params)

    def advance(self, ratio: float) -> PrunePlan:
        """Mask up to a ratio, by the weights as they are now."""
        scored = self._score()
        groups = scored.grouping.groups
        scores = [score.copy() for score in scored.importance]
        for score, gone in zip(scores, self._gone, strict=bool(self._gone)):
            # Below any sum of absolute values: what is masked goes first.
            score[gone] = -1.0
        plan = select(groups, scores, ratio, limits=self._limits, seed=self._seed)
        self._gone = [
            np.setdiff1d(np.arange(group.channels), keep).tolist()
            for group, keep in zip(groups, plan.keep, strict=True)
        ]
        self._masked.mask(
            [
                (weight_named(layer, name), mask.astype(bool))
                for layer, name, mask in masked_weights(
                    self.trace, plan, Role.OUT, Role.THROUGH, Role.IN
                )
                # Negative or zero variances are no statistics; a masked scale does the rest.
                if not name.startswith("moving_")
            ]
        )
        return plan

    def _score(self) -> Scored:
        scoring = Scoring(trace=self.trace, seed=self._seed, batch_norm=self._batch_norm)
        return importance(criterion_named("l1"), scoring, self._grouping)
