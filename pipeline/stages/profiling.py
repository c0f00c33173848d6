"""What a model would cost, before anybody has trained or built it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigError
from pipeline.records import Board, DeployPlan
from pipeline.report.profile import Basis, Origin, profile_report
from pipeline.report.progress import Reporter
from pipeline.stages.planning import layer_macs, plan_model
from pipeline.suggest import did_you_mean

if TYPE_CHECKING:
    from pipeline.model.load import KerasModel

_KERAS_SUFFIXES = (".keras", ".h5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a builder is to build; None for what is usual for it.

    Attributes:
        size: (height, width) of the input, or features of an autoencoder as (features,).
        channels: of the input.
        classes: outputs.
        alpha: width multiplier.
    """

    size: tuple[int, ...] | None = None
    channels: int | None = None
    classes: int | None = None
    alpha: float | None = None

    @property
    def is_usual(self) -> bool:
        """Whether nothing is given."""
        return (self.size, self.channels, self.classes, self.alpha) == (None,) * 4


def profile(
    model: str,
    shape: Shape,
    board: Board,
    reporter: Reporter,
    *,
    keep_constant_channels: bool = False,
) -> dict[str, Any]:
    """Work out what a model costs on a board; docs/profile.md describes every key.

    Args:
        model: a .tflite, .keras or .h5, trained or not, or the name of a builder.
        shape: of what a builder builds.
        board: where it would run.
        reporter: told what takes seconds.
        keep_constant_channels: of a .tflite; a Keras model keeps its channels.
    Raises:
        ConfigError: there is no such file or builder, or options that do not go together.
        UnsupportedModelError: it cannot be converted or planned.
    """
    from pipeline.model.build import ARCHITECTURES

    path = Path(model)
    if model in ARCHITECTURES and not path.is_file():
        return _profile_keras(_built(model, shape, reporter), "builder", board, reporter)
    if not shape.is_usual:
        raise ConfigError(
            f"--size, --channels, --classes and --alpha: expected a builder "
            f"({', '.join(ARCHITECTURES)}). Received: {model}, whose shape is its own."
        )
    if path.suffix in _KERAS_SUFFIXES:
        from pipeline.model.load import load_model

        reporter.headline(f"loading {path.name}")
        return _profile_keras(load_model(path).model, "keras", board, reporter)
    if path.suffix != ".tflite":
        raise ConfigError(
            "MODEL: expected a .tflite, a .keras or .h5, or a builder "
            f"({', '.join(ARCHITECTURES)}). Received: '{model}'."
            f"{did_you_mean(model, ARCHITECTURES)}"
        )
    plan = plan_model(path, board, keep_constant_channels=keep_constant_channels)
    return _report(plan, board, Origin(kind="tflite", name=path.stem))


def _built(name: str, shape: Shape, reporter: Reporter) -> KerasModel:
    """What a builder builds."""
    from pipeline.model.build import build_model
    from pipeline.model.zoo import USUAL

    usual = USUAL[name]
    size = shape.size or usual.input_shape[: 1 if name == "autoencoder" else 2]
    if name == "autoencoder":
        if shape.channels is not None or shape.classes is not None:
            raise ConfigError(
                f"{name}: --channels and --classes mean nothing to it; its outputs are its inputs. "
                "Give --size FEATURES alone."
            )
        input_shape = size
    else:
        height_width = size * 2 if len(size) == 1 else size
        input_shape = (*height_width, shape.channels or usual.input_shape[2])
    reporter.headline(f"building {name}")
    return build_model(name, input_shape, shape.classes or usual.classes, alpha=shape.alpha)


def _profile_keras(
    model: KerasModel, kind: str, board: Board, reporter: Reporter
) -> dict[str, Any]:
    """Convert a model of these shapes, and profile that."""
    from pipeline.model.facts import model_facts
    from pipeline.stages.costs import convert_stand_in

    facts = model_facts(model)
    reporter.headline("converting a stand-in with random weights")
    with tempfile.TemporaryDirectory(prefix="espalier-") as folder:
        path = Path(folder) / f"{model.name}.tflite"
        path.write_bytes(convert_stand_in(model))
        # Which channels are constant depends on weights, and these are none of the model's.
        plan = plan_model(path, board, keep_constant_channels=True)
    return _report(plan, board, Origin(kind=kind, name=model.name, params=facts.params))


def _report(plan: DeployPlan, board: Board, origin: Origin) -> dict[str, Any]:
    from pipeline.device.cycles import CORES
    from pipeline.estimate.costs import read_costs
    from pipeline.estimate.plan import estimate_plan

    costs = read_costs()
    # Costs were fitted on this kind of core, with this many wait states.
    known = board.core in CORES and board.flash_wait_states == costs.flash_wait_states
    estimate = estimate_plan(plan, costs)
    basis = Basis(core=costs.core, toolchain=costs.toolchain, errors=costs.errors, holds=known)
    return profile_report(plan, layer_macs(plan), estimate, board, origin, basis)
