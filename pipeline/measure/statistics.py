"""Statistics of a measurement, and what two clocks say about each other: pure functions."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.records import ClockCheck, Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """One look at a device's clock, and when the host looked.

    Attributes:
        asked_s, answered_s: host's monotonic clock before the question and after the answer; the
            device read its clock in between.
        device_us: what it read, microseconds since its start.
    """

    asked_s: float
    answered_s: float
    device_us: int


def spread(values: Sequence[int]) -> Spread:
    """Describe observations, of which there is at least one."""
    ordered = sorted(values)
    return Spread(
        count=len(ordered),
        median=_nearest_rank(ordered, 50),
        p95=_nearest_rank(ordered, 95),
        mean=statistics.fmean(ordered),
        stdev=statistics.stdev(ordered) if len(ordered) > 1 else 0.0,
        min=ordered[0],
        max=ordered[-1],
    )


def _nearest_rank(ordered: Sequence[int], percent: int) -> int:
    """The smallest value that is not exceeded by at least `percent` of the ordered values."""
    return ordered[math.ceil(len(ordered) * percent / 100) - 1]


def narrowest(readings: Sequence[ClockReading]) -> ClockReading:
    """The reading that says most: the one that was answered fastest."""
    return min(readings, key=lambda reading: reading.answered_s - reading.asked_s)


def compare_clocks(first: ClockReading, last: ClockReading) -> ClockCheck:
    """Compare the clocks over the interval between two readings.

    The interval on the host is at least from the first answer to the last question, and at most
    from the first question to the last answer.

    Raises:
        ValueError: the last question was not asked after the first answer.
    """
    shortest = last.asked_s - first.answered_s
    longest = last.answered_s - first.asked_s
    if shortest <= 0:
        raise ValueError(f"no time passed between two readings: {first}, {last}")
    host_s = (shortest + longest) / 2
    device_s = (last.device_us - first.device_us) / 1e6
    # Drift is largest against the shortest interval, by more than it is smallest against the
    # longest; a microsecond is what a reading is rounded down to.
    drift = device_s / host_s - 1
    most = (device_s + 1e-6) / shortest - 1
    return ClockCheck(
        host_s=host_s,
        device_s=device_s,
        drift_percent=100 * drift,
        uncertainty_percent=100 * (most - drift),
    )
