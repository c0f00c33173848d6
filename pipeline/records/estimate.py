"""What a plan is estimated to take: never measured, and called an estimate wherever it is shown."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerEstimate:
    """What one layer takes in one inference.

    Attributes:
        function: its kernel; "" for a layer that computes nothing.
        weights_bytes: constants of the layer in flash; a fact, not an estimate.
        instructions, cycles: of a Cortex-M4 without wait states; None where nobody has fitted the
            kernel's costs.
    """

    function: str
    weights_bytes: int
    instructions: int | None
    cycles: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanEstimate:
    """What one inference takes, and the code for it.

    Attributes:
        layers: of each operator of the plan.
        runtime_bytes: flash of engine, kernels and generated code on a Cortex-M4; None where a
            kernel's size is not known.
    """

    layers: tuple[LayerEstimate, ...]
    runtime_bytes: int | None

    @property
    def instructions(self) -> int | None:
        """Of all layers; None where one is not known."""
        return _total([layer.instructions for layer in self.layers])

    @property
    def cycles(self) -> int | None:
        """Of all layers; None where one is not known."""
        return _total([layer.cycles for layer in self.layers])

    @property
    def unknown(self) -> tuple[str, ...]:
        """Kernels without costs, sorted."""
        return tuple(sorted({one.function for one in self.layers if one.instructions is None}))


def _total(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
