"""What follows a plan in methods that prune once: surgery, proof, fine-tuning, result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pipeline.prune.facts import model_facts
from pipeline.prune.proof import prove
from pipeline.prune.records import Evaluate, FineTune, Lock, MethodResult, PrunePlan, Step
from pipeline.prune.surgery import materialise
from pipeline.prune.trace import Trace

if TYPE_CHECKING:
    import keras


def carry_out(
    model: keras.Model,
    trace: Trace,
    plan: PrunePlan,
    *,
    method: str,
    locks: tuple[Lock, ...],
    start: Mapping[str, float],
    epochs: int,
    fine_tune: FineTune | None,
    evaluate: Evaluate | None,
    tolerance: float | None,
    log: Callable[[str], None],
    notes: tuple[str, ...] = (),
) -> MethodResult:
    """Carry out a plan on a model and tell of it as the only step of a method.

    Args:
        model: as traced; not changed.
        trace, plan: of the model.
        method: name of the method and of its step.
        locks: layers that the method left alone.
        start: metrics of the model; empty where nobody evaluated it.
        epochs: of fine-tuning, where `fine_tune` is given.
        fine_tune, evaluate: of the pruned model.
        tolerance: of the proof, see `prove`.
        log: told of the proof.
        notes: of the result.
    Raises:
        MismatchError: the proof failed.
    """
    pruned = materialise(trace, plan)
    difference = prove(trace, plan, pruned, tolerance=tolerance)
    log(f"proved: largest difference {difference:g}")
    if fine_tune is not None and epochs:
        pruned = fine_tune(pruned, epochs)
    metrics = dict(evaluate(pruned)) if evaluate is not None else {}
    after = model_facts(pruned, metrics.get("accuracy"))
    step = Step(
        name=method,
        removed=plan.num_removed,
        params=after.params,
        macs=after.macs,
        metrics=metrics,
        max_abs_difference=difference,
    )
    return MethodResult(
        model=pruned,
        method=method,
        steps=(step,),
        plan=plan,
        before=model_facts(model, start.get("accuracy")),
        after=after,
        locked=locks,
        max_abs_difference=difference,
        seed=plan.seed,
        notes=notes,
    )
