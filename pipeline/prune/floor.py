"""Prune step by step until the accuracy falls below a floor."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError, DoesNotFitError
from pipeline.prune.compose import composed
from pipeline.prune.facts import model_facts
from pipeline.prune.prune import prune_once
from pipeline.prune.records import Evaluate, FineTune, MethodResult, Step

if TYPE_CHECKING:
    import keras


def prune_to_floor(
    model: keras.Model,
    floor: float,
    *,
    evaluate: Evaluate,
    fine_tune: FineTune | None = None,
    epochs: int = 0,
    shrink: float = 0.85,
    seed: int = 0,
    log: Callable[[str], None] = lambda line: None,
    **options: object,
) -> MethodResult:
    """Prune step by step until the accuracy falls below a floor; keep the last that held.

    Args:
        model: as of `prune_once`; not changed.
        floor: accuracy, share in (0, 1].
        evaluate: measures it.
        fine_tune, epochs: after each step, None or 0 for none.
        shrink: share of the parameters that each step leaves.
        seed: of everything random; each step adds 1.
        log: told of each step.
        options: further ones of `prune_once`.
    Raises:
        DoesNotFitError: the model itself is below the floor.
        ConfigError: an option that makes no sense.
    """
    before = evaluate(model)
    if not before["accuracy"] >= floor:
        raise DoesNotFitError(
            f"accuracy floor {floor:g}: expected a model that is above it before pruning. "
            f"Received: {before['accuracy']:.4f}, {floor - before['accuracy']:.4f} too little. "
            "Train it longer, or lower the floor."
        )
    start = model_facts(model, before["accuracy"])
    held = prune_once(model, ratio=0.0, seed=seed, **options)  # type: ignore[arg-type]
    current, steps = held.model, list[Step]()
    last, metrics, plan, worst = current, before, held.plan, held.max_abs_difference
    while True:
        try:
            result = prune_once(
                current,
                keep_params=shrink,
                seed=seed + len(steps),
                **options,  # type: ignore[arg-type]
            )
        except ConfigError as error:
            if not str(error).startswith("keep_params"):
                raise
            log("no channels are left to remove")
            break
        current = result.model
        if fine_tune is not None and epochs:
            current = fine_tune(current, epochs)
        found = evaluate(current)
        log(f"{result.after.params:,} parameters: accuracy {found['accuracy']:.4f}")
        if not found["accuracy"] >= floor:
            break
        steps.append(
            Step(
                name=f"step {len(steps) + 1}",
                removed=result.plan.num_removed,
                params=result.after.params,
                macs=result.after.macs,
                metrics=found,
                max_abs_difference=result.max_abs_difference,
            )
        )
        last, metrics = current, found
        plan = composed(plan, result.plan)
        worst = max(worst, result.max_abs_difference)
    return MethodResult(
        model=last,
        method="accuracy-floor",
        steps=tuple(steps),
        plan=plan,
        before=start,
        after=model_facts(last, metrics["accuracy"]),
        locked=held.locked,
        max_abs_difference=worst,
        seed=seed,
    )
