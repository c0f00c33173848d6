"""How much goes: a ratio of channels, or what leaves a share of the parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.errors import ConfigError
from pipeline.prune.records import ChannelGroup, FloatArray
from pipeline.prune.select import Limits, check_ratio, select
from pipeline.prune.surgery import count_params, kept_ids
from pipeline.prune.trace import Trace


def check_amount(ratio: object, keep_params: float | None) -> None:
    """Refuse both at once, neither, and a share of parameters that makes no sense.

    Raises:
        ConfigError: says which.
    """
    if (ratio is None) == (keep_params is None):
        raise ConfigError(
            "prune: expected either ratio or keep_params. Received: "
            f"{'neither' if ratio is None else 'both'}. Leave one out."
        )
    if keep_params is not None and not 0 < keep_params < 1:
        raise ConfigError(
            f"keep_params: expected the share of parameters that stays, in (0, 1). Received: "
            f"{keep_params}. Use for example 0.5."
        )


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
    check_amount(ratio, keep_params)
    if ratio is not None:
        check_ratio(ratio)
        return ratio
    assert keep_params is not None
    zeros = [np.zeros(group.channels) for group in groups]
    return fitting_ratio(trace, groups, zeros, keep_params, limits=limits)


def fitting_ratio(
    trace: Trace,
    groups: Sequence[ChannelGroup],
    importance: Sequence[FloatArray],
    keep_params: float,
    *,
    scope: str = "local",
    limits: Limits | None = None,
) -> float:
    """The smallest ratio that leaves at most a share of the parameters.

    Args:
        trace: of the model.
        groups, importance, scope, limits: see `select`.
        keep_params: in (0, 1).
    Raises:
        ConfigError: keep_params is below what limits allow.
    """

    def params(at: float) -> int:
        plan = select(groups, importance, at, scope=scope, limits=limits)
        return count_params(trace, kept_ids(trace, plan))

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
