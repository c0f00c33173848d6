"""Prove a materialised model: the original, with what was removed masked, gives the same.

Removed channels are masked where they are read: the rows of kernels that their consumers hold
for them are set to zero. That is exact for every activation, also where f(0) is not 0, and
whatever constants batch normalization adds. The channels themselves are still computed, so a
row that was paired with the wrong channel shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import MismatchError
from pipeline.prune.records import FloatArray, PrunePlan, Role
from pipeline.prune.surgery import kept_ids, materialise, weight_named
from pipeline.prune.trace import Trace
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


def random_inputs(model: keras.Model, seed: int, samples: int = 2) -> list[Array]:
    """Standard normal inputs, 0 or 1 for whole-number inputs; one array per model input."""
    rng = np.random.default_rng(seed)
    arrays: list[Array] = []
    for tensor in model.inputs:
        shape = (samples, *(size or OPEN_SIZE for size in tensor.shape[1:]))
        if "int" in str(tensor.dtype):
            arrays.append(rng.integers(0, 2, shape).astype(str(tensor.dtype)))
        else:
            arrays.append(rng.standard_normal(shape).astype("float32"))
    return arrays


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
    inputs: Sequence[Array] | None = None,
    *,
    tolerance: float | None = None,
) -> float:
    """Compare the masked original with the pruned model.

    The original's weights are masked in place meanwhile, and restored.

    Args:
        trace: of the original.
        plan: what was removed.
        pruned: the materialised model.
        inputs: one array per model input; random ones from the plan's seed where None.
        tolerance: relative to an output's range; None for what the layers' precision allows.
            GPUs that round to TF32 may need 1e-2.
    Returns:
        The largest absolute difference over all outputs.
    Raises:
        MismatchError: the outputs differ by more than rounding; names the first group whose
            removal alone shows it.
    """
    inputs = list(inputs) if inputs is not None else random_inputs(trace.model, plan.seed)
    if tolerance is None:
        half = any(
            getattr(call.layer, "compute_dtype", None) in ("float16", "bfloat16")
            for call in trace.graph.calls
        )
        tolerance = HALF_TOLERANCE if half else TOLERANCE
    difference, wrong = _compare(trace, plan, pruned, inputs, tolerance)
    if not wrong:
        return difference
    where = _blame(trace, plan, inputs, tolerance)
    raise MismatchError(
        f"model {trace.model.name!r}: pruned and masked outputs should be the same. Received: a "
        f"largest difference of {difference:g} {where}. Put the layers of that group into "
        "`ignore`, and report the model."
    )


def _blame(trace: Trace, plan: PrunePlan, inputs: list[Array], tolerance: float) -> str:
    """The first group that differs when it is pruned alone."""
    whole = tuple(tuple(range(group.channels)) for group in plan.groups)
    for index, group in enumerate(plan.groups):
        if len(plan.keep[index]) == group.channels:
            continue
        keep = (*whole[:index], plan.keep[index], *whole[index + 1 :])
        alone = replace(plan, keep=keep)
        _, wrong = _compare(trace, alone, materialise(trace, alone), inputs, tolerance)
        if wrong:
            return f"in group {group.name!r}"
    return "only with all groups pruned together"


def _compare(
    trace: Trace, plan: PrunePlan, pruned: keras.Model, inputs: list[Array], tolerance: float
) -> tuple[float, bool]:
    """Largest absolute difference, and whether it is more than rounding."""
    saved = []
    for layer, name, mask in masked_weights(trace, plan, Role.IN):
        variable = weight_named(layer, name)
        value = np.array(variable)
        saved.append((variable, value))
        variable.assign(value * mask)
    try:
        expected = outputs_of(trace.model, inputs)
    finally:
        for variable, value in saved:
            variable.assign(value)
    received = outputs_of(pruned, inputs)
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
