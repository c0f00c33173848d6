"""Facts of a pruned model without building it, for searches that try many plans."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.errors import ConfigError
from pipeline.prune.facts import KERNELS, peak_bytes
from pipeline.prune.graph import Call, TensorRef
from pipeline.prune.records import ChannelGroup, ModelFacts
from pipeline.prune.select import Limits, check_ratio, select
from pipeline.prune.surgery import Bools, count_params, kept_ids
from pipeline.prune.trace import Trace


def estimate_facts(trace: Trace, kept: Bools) -> ModelFacts:
    """What `model_facts` says of the model that `materialise` builds; exact, in milliseconds.

    Args:
        trace: of the model before.
        kept: bool [ids], see `kept_ids`.
    """
    refs: dict[int, TensorRef] = {}

    def shrunk(ref: TensorRef) -> TensorRef:
        if ref.index not in refs:
            refs[ref.index] = ref
            if ref.index in trace.channels:
                axis, ids = trace.channels[ref.index]
                shape = list(ref.shape)
                shape[axis] = int(kept[ids].sum())
                refs[ref.index] = replace(ref, shape=tuple(shape))
        return refs[ref.index]

    calls = tuple(
        replace(
            call,
            inputs=tuple(shrunk(ref) for ref in call.inputs),
            outputs=tuple(shrunk(ref) for ref in call.outputs),
        )
        for call in trace.graph.calls
    )
    graph = replace(trace.graph, calls=calls)
    return ModelFacts(
        params=count_params(trace, kept),
        macs=_macs(trace, calls, kept),
        peak_activation_bytes=peak_bytes(graph),
    )


def _macs(trace: Trace, calls: tuple[Call, ...], kept: Bools) -> int | None:
    counts: dict[tuple[int, str], dict[int, int]] = {}
    for axis in trace.axes:
        along = counts.setdefault((id(axis.layer), axis.weight), {})
        along[axis.axis] = int(kept[axis.ids].sum())
    total = 0
    for call in calls:
        kind = type(call.layer).__name__
        if kind != "Dense" and "Conv" not in kind:
            continue
        per_position = 0
        for weight in getattr(call.layer, "weights", ()):
            if weight.name in KERNELS:
                shape = list(weight.shape)
                for position, count in counts.get((id(call.layer), weight.name), {}).items():
                    shape[position] = count
                per_position += math.prod(shape)
        if not per_position:
            continue
        tensor = call.inputs[0] if kind.endswith("Transpose") else call.outputs[0]
        positions = tensor.shape[1:-1]
        if None in positions:
            return None
        total += math.prod(size or 0 for size in positions) * per_position
    return total


def local_ratio(
    trace: Trace,
    groups: Sequence[ChannelGroup],
    limits: Limits,
    *,
    ratio: float | None,
    keep_params: float | None,
) -> float:
    """The ratio that is given, or the smallest that leaves at most a share of the parameters.

    In local scope the widths follow from the ratio alone, whatever the channels' importance.

    Args:
        trace: of the model.
        groups: that are pruned.
        limits: of the selection.
        ratio: share of each group's channels that goes; or
        keep_params: share of all parameters that stays, in (0, 1).
    Raises:
        ConfigError: both or none are given, or keep_params is below what limits allow.
    """
    if (ratio is None) == (keep_params is None):
        raise ConfigError(
            "prune: expected either ratio or keep_params. Received: "
            f"{'neither' if ratio is None else 'both'}. Leave one out."
        )
    if ratio is not None:
        check_ratio(ratio)
        return ratio
    if keep_params is None or not 0 < keep_params < 1:
        raise ConfigError(
            f"keep_params: expected the share of parameters that stays, in (0, 1). Received: "
            f"{keep_params}. Use for example 0.5."
        )
    zeros = [np.zeros(group.channels) for group in groups]

    def params(at: float) -> int:
        return count_params(trace, kept_ids(trace, select(groups, zeros, at, limits=limits)))

    whole, low, high = params(0.0), 0.0, 1 - 1e-6
    allowed, least = int(keep_params * whole), params(high)
    if least > allowed:
        raise ConfigError(
            f"keep_params: {keep_params:g} of {whole} parameters are {allowed}. Received: a model "
            f"of which at least {least} ({least / whole:.3f}) stay. Lower min_channels, raise "
            "max_ratio, ignore fewer layers, or keep more."
        )
    # Ratios closer than this differ by less than one channel of any group.
    while high - low > 1e-5:
        middle = (low + high) / 2
        low, high = (low, middle) if params(middle) <= allowed else (middle, high)
    return high
