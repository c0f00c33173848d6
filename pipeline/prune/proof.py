"""Prove a materialised model: the original, with what was removed masked, gives the same.

Removed channels are masked where they are read: the rows of kernels that their consumers hold
for them are set to zero. That is exact for every activation, also where f(0) is not 0, and
whatever constants batch normalization adds. The channels themselves are still computed, so a
row that was paired with the wrong channel shows.

Where a softmax or sigmoid at the end saturates, outputs are the same whatever is wrong. So what
goes into the last activation is compared as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import MismatchError
from pipeline.keras_graph import Call, last_call
from pipeline.prune.gradients import invoke, run_graph
from pipeline.prune.records import FloatArray, PrunePlan, Role
from pipeline.prune.surgery import kept_ids, materialise, weight_named
from pipeline.prune.trace import Trace, trace_model
from pipeline.records import Array

if TYPE_CHECKING:
    import keras

TOLERANCE = 1e-4
"""Differences that are rounding, relative to the range of an output over samples and entries.

Sums of another length round differently; in float32 on a CPU about 1e-6 of the range is seen.
"""
HALF_TOLERANCE = 0.05
"""The same where a layer computes in float16 or bfloat16."""
OPEN_SIZE = 32
"""Used for input sizes that the model leaves open."""
SCALES = (1.0, 128.0)
"""Of random inputs: for models that take values around 1, and for those that take pixels."""
_MOVED = 1e-2
"""Scores that differ less between samples, relative to their magnitude, stand still."""


def random_inputs(
    model: keras.Model, seed: int, samples: int = 2, scale: float = 1.0
) -> list[Array]:
    """Normal inputs, 0 or 1 for whole-number inputs; one array [samples, ...] per model input.

    Args:
        model: whose inputs; open sizes become `OPEN_SIZE`.
        seed: of the values.
        samples: how many.
        scale: standard deviation of real values.
    """
    rng = np.random.default_rng(seed)
    arrays: list[Array] = []
    for tensor in model.inputs:
        shape = (samples, *(size or OPEN_SIZE for size in tensor.shape[1:]))
        if "int" in str(tensor.dtype):
            arrays.append(rng.integers(0, 2, shape).astype(str(tensor.dtype)))
        else:
            arrays.append((scale * rng.standard_normal(shape)).astype("float32"))
    return arrays


def telling_inputs(trace: Trace, seed: int) -> list[list[Array]]:
    """Normal inputs, and where these leave some score of a model in its place, larger ones too."""
    sets = [random_inputs(trace.model, seed, scale=scale) for scale in SCALES]
    scores = scores_of(trace, sets[0])
    moved = [np.ptp(s, axis=0).max(initial=0.0) > _MOVED * np.abs(s).max() for s in scores]
    return sets[:1] if all(moved) else sets


def masked_weights(trace: Trace, plan: PrunePlan, *roles: Role) -> list[tuple[Any, str, Array]]:
    """(layer, weight, mask) of every weight that the plan touches in these roles.

    Masks are float32 of the weight's shape: 0 where the entry belongs to a channel that goes.
    """
    kept = kept_ids(trace, plan)
    masks: dict[tuple[int, str], tuple[Any, str, Array]] = {}
    for axis in trace.axes:
        if axis.role not in roles or kept[axis.ids].all():
            continue
        key = (id(axis.layer), axis.weight)
        shape = tuple(weight_named(axis.layer, axis.weight).shape)
        if key not in masks:
            masks[key] = (axis.layer, axis.weight, np.ones(shape, np.float32))
        along = [1] * len(shape)
        along[axis.axis] = len(axis.ids)
        mask = masks[key][2] * kept[axis.ids].reshape(along)
        masks[key] = (axis.layer, axis.weight, mask.astype(np.float32))
    return list(masks.values())


def prove(
    trace: Trace,
    plan: PrunePlan,
    pruned: keras.Model,
    *,
    tolerance: float | None = None,
) -> float:
    """Compare the masked original with the pruned model.

    The original's weights are masked in place meanwhile, and restored.

    Args:
        trace: of the original.
        plan: what was removed.
        pruned: the materialised model.
        tolerance: relative to an output's range; None for what the layers' precision allows.
            GPUs that round to TF32 may need 1e-2.
    Returns:
        The largest absolute difference over all outputs, for normal inputs.
    Raises:
        MismatchError: the outputs differ by more than rounding; names the first group whose
            removal alone shows it.
    """
    sets = telling_inputs(trace, plan.seed)
    if tolerance is None:
        half = any(
            getattr(call.layer, "compute_dtype", None) in ("float16", "bfloat16")
            for call in trace.graph.calls
        )
        tolerance = HALF_TOLERANCE if half else TOLERANCE
    found = [_compare(trace, plan, pruned, inputs, tolerance) for inputs in sets]
    wrong = [index for index, difference in enumerate(found) if difference.wrong]
    if not wrong:
        return found[0].outputs
    worst = found[wrong[0]]
    where = _blame(trace, plan, sets[wrong[0]], tolerance)
    raise MismatchError(
        f"model {trace.model.name!r}: pruned and masked outputs should be the same. Received: a "
        f"largest difference of {worst.outputs:g}, before the last activation {worst.scores:g}, "
        f"{where}. Put the layers of that group into `ignore`, and report the model."
    )


def _blame(trace: Trace, plan: PrunePlan, inputs: list[Array], tolerance: float) -> str:
    """The first group that differs when it is pruned alone."""
    whole = tuple(tuple(range(group.channels)) for group in plan.groups)
    for index, group in enumerate(plan.groups):
        if len(plan.keep[index]) == group.channels:
            continue
        keep = (*whole[:index], plan.keep[index], *whole[index + 1 :])
        alone = replace(plan, keep=keep)
        if _compare(trace, alone, materialise(trace, alone), inputs, tolerance).wrong:
            return f"in group {group.name!r}"
    return "only with all groups pruned together"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Difference:
    """How far two models are apart.

    Attributes:
        outputs, scores: the largest absolute difference of these.
        wrong: whether either is more than rounding.
    """

    outputs: float
    scores: float
    wrong: bool


def _compare(
    trace: Trace, plan: PrunePlan, pruned: keras.Model, inputs: list[Array], tolerance: float
) -> _Difference:
    saved = []
    for layer, name, mask in masked_weights(trace, plan, Role.IN):
        variable = weight_named(layer, name)
        value = np.array(variable)
        saved.append((variable, value))
        variable.assign(value * mask)
    try:
        outputs, scores = outputs_of(trace.model, inputs), scores_of(trace, inputs)
    finally:
        for variable, value in saved:
            variable.assign(value)
    of_outputs, outputs_wrong = _apart(outputs, outputs_of(pruned, inputs), tolerance)
    of_scores, scores_wrong = _apart(scores, scores_of(trace_model(pruned), inputs), tolerance)
    return _Difference(outputs=of_outputs, scores=of_scores, wrong=outputs_wrong or scores_wrong)


def _apart(
    expected: list[FloatArray], received: list[FloatArray], tolerance: float
) -> tuple[float, bool]:
    """Largest absolute difference, and whether it is more than rounding."""
    largest, wrong = 0.0, False
    for one, other in zip(expected, received, strict=True):
        if one.shape != other.shape:
            return float("inf"), True
        difference = float(np.abs(one - other).max(initial=0.0))
        # A tenth of the magnitude's share covers outputs that hardly vary.
        allowed = tolerance * float(np.ptp(one)) if one.size else 0.0
        allowed += tolerance / 10 * float(np.abs(one).max(initial=0.0))
        # Written so that NaN is wrong.
        wrong = wrong or not difference <= allowed
        largest = max(largest, difference) if difference == difference else difference
    return largest, wrong


def outputs_of(model: keras.Model, inputs: list[Array]) -> list[FloatArray]:
    """Outputs in inference mode, flat, float64."""
    import keras

    structure = model.input if not isinstance(model, keras.Sequential) else model.inputs[0]
    packed = keras.tree.pack_sequence_as(structure, inputs)
    results = keras.tree.flatten(model(packed, training=False))
    return [np.asarray(keras.ops.convert_to_numpy(x), np.float64) for x in results]


def scores_of(trace: Trace, inputs: list[Array]) -> list[FloatArray]:
    """What goes into the activation that each output has gone through last, float64."""
    import keras

    known: dict[int, Any] = {}
    outputs = run_graph(trace, inputs, known=known)
    found = []
    for ref, output in zip(trace.graph.outputs, outputs, strict=True):
        call = last_call(trace.graph, ref)
        score = output if call is None else _before_activation(call, known, output)
        found.append(np.asarray(keras.ops.convert_to_numpy(score), np.float64))
    return found


def _before_activation(call: Call, known: dict[int, Any], output: Any) -> Any:
    """What a call makes without its activation; its output where it has none."""
    import keras

    read = [known[ref.index] for ref in call.inputs]
    if type(call.layer).__name__ in ("Softmax", "Sigmoid") and len(read) == 1:
        return read[0]
    # Past the layer's own bookkeeping of what it holds: the change does not outlive the call.
    held = vars(call.layer)
    activation = held.get("activation")
    if activation in (None, keras.activations.linear):
        return output
    held["activation"] = keras.activations.linear
    try:
        return keras.tree.flatten(invoke(call, read))[0]
    finally:
        held["activation"] = activation
