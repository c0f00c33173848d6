"""What a Keras model costs once it is deployed: converted, planned, and held against a real build.

A cost depends on a model's shapes, not on what its weights are. Conversions therefore run on a
copy with random weights whose activations stay alive through all layers: an untrained or
half-pruned network would have ranges that int8 cannot express.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import (
    BuildError,
    ConfigError,
    DoesNotFitError,
    MissingToolError,
    UnsupportedModelError,
)
from pipeline.records import Board, DeployPlan
from pipeline.report.progress import Reporter
from pipeline.stages.deployment import Request, deploy
from pipeline.stages.firmware import Target
from pipeline.stages.planning import plan_model

if TYPE_CHECKING:
    from pipeline.model.load import KerasModel

_CALIBRATION_SAMPLES = 2
_SEED = 0

# Where a board has no firmware yet, its overhead is taken from this one.
REFERENCE_BOARD = "mps2_an386"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """What a firmware needs besides arena and weights.

    Attributes:
        ram_bytes: static data and the deepest stack.
        flash_bytes: runtime and harness.
        board: on which it was measured.
    """

    ram_bytes: int
    flash_bytes: int
    board: str


class DeployedCost:
    """Costs of a model and of its pruned forms, each shape worked out once.

    Args:
        board: where it goes.
        toolchain: "auto", "gcc" or "zig".
        reporter: told of builds.
        measures: build and run one firmware for what it adds to RAM and flash; without, these
            two are not among the costs.
    """

    def __init__(
        self, board: Board, reporter: Reporter, *, toolchain: str = "auto", measures: bool = True
    ) -> None:
        self._board, self._reporter, self._toolchain = board, reporter, toolchain
        self._known: dict[tuple[tuple[int, ...], ...], dict[str, Any]] = {}
        self._measures = measures
        self.overhead: Overhead | None = None

    def __call__(self, model: KerasModel) -> Mapping[str, Any]:
        """params, macs, arena_bytes, live_bytes, weights_bytes, flash_bytes and ram_bytes.

        The first model asked for is built and run once, for what firmware adds to any model of
        these layers. Later ones are converted and planned.

        Raises:
            UnsupportedModelError: it cannot be converted or planned.
            DoesNotFitError: not even the first model fits the board.
        """
        shapes = tuple(tuple(weight.shape) for weight in model.weights)
        if shapes in self._known:
            return self._known[shapes]
        with tempfile.TemporaryDirectory(prefix="espalier-") as folder:
            path = Path(folder) / "candidate.tflite"
            path.write_bytes(convert_stand_in(model))
            # Which channels are constant depends on weights, and these are none of the model's.
            plan = plan_model(path, self._board, keep_constant_channels=True)
            if self._measures and self.overhead is None:
                self.overhead = self._measure(path, plan)
        found: dict[str, Any] = {
            "params": sum(int(np.prod(shape)) for shape in shapes),
            "macs": plan.macs,
            "arena_bytes": plan.arena_bytes,
            "live_bytes": _live_bytes(plan),
            "weights_bytes": plan.weights_bytes,
        }
        if self.overhead is not None:
            found["flash_bytes"] = plan.weights_bytes + self.overhead.flash_bytes
            found["ram_bytes"] = plan.arena_bytes + self.overhead.ram_bytes
        self._known[shapes] = found
        return found

    def verify(self, model: KerasModel) -> dict[str, Any]:
        """Build and run a model: the RAM and flash it really takes, as `espalier deploy` counts.

        A board without firmware gets the costs that are worked out, and `measured` is false.

        Raises:
            DoesNotFitError: the board's firmware cannot hold it.
        """
        with tempfile.TemporaryDirectory(prefix="espalier-") as folder:
            path = Path(folder) / "pruned.tflite"
            path.write_bytes(convert_stand_in(model))
            plan = plan_model(path, self._board)
            report = self._deploy(path, self._board)
            if report is None and self.overhead is None:
                self.overhead = self._of_reference(path, plan)
        sizes = {"arena_bytes": plan.arena_bytes, "weights_bytes": plan.weights_bytes}
        if report is None:
            assert self.overhead is not None
            return {
                "board": self._board.name,
                "measured": False,
                "overhead_of": self.overhead.board,
                "ram_bytes": plan.arena_bytes + self.overhead.ram_bytes,
                "flash_bytes": plan.weights_bytes + self.overhead.flash_bytes,
                **sizes,
            }
        return {
            "board": self._board.name,
            "measured": True,
            "ram_bytes": report["ram"]["total_bytes"],
            "flash_bytes": _own_flash_bytes(report),
            **sizes,
        }

    def fit(self, model: KerasModel) -> dict[str, Any]:
        """Whether a model fits the board, as `espalier deploy` would find.

        Returns:
            What `verify` does, with `fits` (None where it cannot be told) and a `reason` where
            that is not true; without any sizes where there are none to give.
        """
        board = self._board
        if board.ram_bytes is None and board.flash_bytes is None:
            return {"board": board.name, "measured": False, "fits": True, "reason": "no limits"}
        try:
            found = self.verify(model)
        except DoesNotFitError as error:
            return {"board": board.name, "measured": True, "fits": False, "reason": str(error)}
        except (MissingToolError, UnsupportedModelError) as error:
            # The model is pruned all the same, and not lost for this.
            return {"board": board.name, "measured": False, "fits": None, "reason": str(error)}
        over = [
            f"{needed:,} B of {name} are needed, of {limit:,} B"
            for name, needed, limit in (
                ("RAM", found["ram_bytes"], board.ram_bytes),
                ("flash", found["flash_bytes"], board.flash_bytes),
            )
            if limit is not None and needed > limit
        ]
        reason = f"board {board.name}: {' and '.join(over)}" if over else ""
        return {**found, "fits": not over, "reason": reason}

    def _measure(self, tflite: Path, plan: DeployPlan) -> Overhead:
        report = self._deploy(tflite, self._board)
        if report is None:
            return self._of_reference(tflite, plan)
        return _overhead(report, plan, self._board)

    def _of_reference(self, tflite: Path, plan: DeployPlan) -> Overhead:
        from pipeline.device.board import load_board

        board = load_board(REFERENCE_BOARD)
        self._reporter.log(
            f"board {self._board.name} has no firmware that could be measured here: what it "
            f"adds to a model is taken from {board.name}"
        )
        report = self._deploy(tflite, board)
        if report is None:
            raise MissingToolError(
                "budget: RAM and flash need one firmware that is built and run. Received: no "
                "compiler or no emulator. Run `make setup`, or give budgets of macs and params."
            )
        return _overhead(report, plan, board)

    def _deploy(self, tflite: Path, board: Board) -> Mapping[str, Any] | None:
        """The report of one inference on a board; None where its firmware cannot be run here."""
        if board.flash_bytes is None or board.ram_bytes is None:
            return None
        target = Target(board=board, toolchain=self._toolchain, keep_constant_channels=True)
        request = Request(model=tflite, inputs="random:1:1", command="espalier prune")
        try:
            # Its stages are none of the run's: one line that time goes by says enough.
            with self._reporter.steps(f"building and running a candidate on {board.name}"):
                return deploy(request, target, Reporter(quiet=True)).report
        except DoesNotFitError:
            raise
        except (BuildError, ConfigError, MissingToolError) as error:
            self._reporter.log(f"{board.name}: {error}")
            return None


def _overhead(report: Mapping[str, Any], plan: DeployPlan, board: Board) -> Overhead:
    return Overhead(
        ram_bytes=report["ram"]["total_bytes"] - plan.arena_bytes,
        flash_bytes=_own_flash_bytes(report) - plan.weights_bytes,
        board=board.name,
    )


def _own_flash_bytes(report: Mapping[str, Any]) -> int:
    """Flash without a framework's part: a board's limit is what its framework leaves."""
    flash = report["flash"]
    own: int = flash["total_bytes"] - flash["framework_bytes"]
    return own


def convert_stand_in(model: KerasModel) -> bytes:
    """The int8 .tflite of a model of these shapes, with weights that keep activations alive.

    Raises:
        UnsupportedModelError: it cannot be converted to int8.
    """
    from pipeline.model.load import prepare_model
    from pipeline.quantize.convert import quantize_model

    prepared = prepare_model(model, model.name)
    stand_in, scaling = prepared.model, prepared.scaling
    rng = np.random.default_rng(_SEED)
    weights = [_alive(weight, rng) for weight in stand_in.weights]
    shape = (_CALIBRATION_SAMPLES, *stand_in.input_shape[1:])
    samples = rng.uniform(scaling.low, scaling.high, shape).astype(np.float32)
    # Plain ranges, the fastest, though what users get has others: of two real models RAM was the
    # same under both, flash within 0.3 % and instructions within 1.3 %.
    try:
        stand_in.set_weights(weights)
        return quantize_model(stand_in, samples, scaling=scaling)
    except UnsupportedModelError:
        # Of few channels, all may die in one layer. Where nothing is negative, none can.
        pairs = zip(stand_in.weights, weights, strict=True)
        stand_in.set_weights([_lifted(weight, value) for weight, value in pairs])
        return quantize_model(stand_in, samples, scaling=scaling)


def _alive(weight: Any, rng: np.random.Generator) -> Any:
    """A value for a weight that keeps the variance of what flows through it (He et al. 2015)."""
    shape = tuple(weight.shape)
    if "kernel" in weight.name:
        # Depthwise filters see one channel, others all; the last axis is never summed over.
        inputs = shape[:-2] if "depthwise" in weight.path else shape[:-1]
        return rng.normal(0, np.sqrt(2 / max(1, np.prod(inputs))), shape)
    if weight.name in ("gamma", "moving_variance"):
        return np.ones(shape)
    return rng.normal(0, 0.1, shape)


def _lifted(weight: Any, value: Any) -> Any:
    """A value with which a layer's output is never negative; means are subtracted."""
    return -np.abs(value) if weight.name == "moving_mean" else np.abs(value)


def _live_bytes(plan: DeployPlan) -> tuple[int, ...]:
    """What each operator needs while it runs: of its steps the fullest."""
    from pipeline.report.memory import live_bytes

    needs = [0] * len(plan.graph.ops)
    for index, step in enumerate(plan.steps):
        needs[step.op] = max(needs[step.op], live_bytes(plan, index))
    return tuple(needs)


def estimated_cost(facts: Callable[[KerasModel], Any]) -> Callable[[KerasModel], dict[str, int]]:
    """A cost of params and MACs alone, which need no conversion.

    Args:
        facts: gives `params` and `macs` of a model.
    """

    def cost(model: KerasModel) -> dict[str, int]:
        found = facts(model)
        return {"params": found.params, "macs": found.macs or 0}

    return cost
