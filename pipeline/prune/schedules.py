"""How much is pruned, and when."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class CubicRamp:
    """A ratio that rises fast at first and slowly towards its end.

    final + (initial - final) (1 - p)**power, with p = (t - begin) / (end - begin) clipped to
    [0, 1]; the values at both ends are exact.

    Source: Zhu & Gupta 2017, https://arxiv.org/abs/1710.01878, equation 1; `PolynomialDecay`
    of tensorflow-model-optimization.

    Attributes:
        initial, final: ratios, in [0, 1).
        begin, end: steps, whatever the caller counts; 0 <= begin <= end.
        frequency: steps between updates.
        power: 3 as published.
    """

    initial: float
    final: float
    begin: int
    end: int
    frequency: int = 1
    power: float = 3.0

    def __post_init__(self) -> None:
        if not 0 <= self.initial <= self.final < 1:
            raise ConfigError(
                f"schedule: expected 0 <= initial <= final < 1. Received: {self.initial} to "
                f"{self.final}. Ratios are shares of what goes, and 1 leaves nothing."
            )
        if not 0 <= self.begin <= self.end:
            raise ConfigError(
                f"schedule: expected 0 <= begin <= end. Received: {self.begin} to {self.end}. "
                "Let it end where the training still has time to recover."
            )
        if self.frequency < 1:
            raise ConfigError(
                f"schedule: expected a frequency of at least 1 step. Received: {self.frequency}. "
                "1 updates at each step."
            )

    def at(self, step: int) -> float:
        """The ratio that the ramp passes at a step."""
        if step >= self.end:
            return self.final
        if step <= self.begin:
            return self.initial
        left = 1 - (step - self.begin) / (self.end - self.begin)
        return self.final + (self.initial - self.final) * float(left**self.power)

    def updates(self, step: int) -> bool:
        """Whether masks change at a step: from `begin` to `end`, each `frequency`, and at `end`."""
        if not self.begin <= step <= self.end:
            return False
        return (step - self.begin) % self.frequency == 0 or step == self.end


def stage_ratios(ratio: float, stages: int) -> tuple[float, ...]:
    """Where each of some equally large stages ends; the last at `ratio`.

    Raises:
        ConfigError: no stages.
    Source: Tu et al. 2020: 7 stages to 0.875 in their "8stage", 15 to 0.9375 in "16stage".
    """
    if stages < 1:
        raise ConfigError(
            f"stages: expected at least 1. Received: {stages}. 1 prunes in a single ramp."
        )
    return (*(ratio * stage / stages for stage in range(1, stages)), ratio)
