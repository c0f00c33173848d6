"""Many models at once: generated code under sanitizers against BUILTIN_REF, for `make fuzz`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.device.board import load_board
from pipeline.errors import UnsupportedModelError
from pipeline.plan.graph import parse_graph
from pipeline.records import Array, DeployPlan
from pipeline.reference import ReferenceModel
from pipeline.stages import plan_model
from tests.compiled import HostCompiler, SanitizedModel
from tests.exact import samples, targets_of
from tests.random_draw import SeededDraw
from tests.random_models import random_graph, random_operator

# A board for each kind of kernels; None is any core.
_BOARDS = (None, "mps2_an386")

_SAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one model.

    Attributes:
        kind: "equal", "failed", or "refused" by the engine or by the reference.
        message: why, where it is not equal.
        variants: in how many ways the model was compiled and run.
        operators: of the model.
    """

    kind: str
    message: str = ""
    variants: int = 0
    operators: tuple[str, ...] = ()


def seeded_model(seed: int, number: int) -> bytes:
    """Model `number` of a seed: two of three are one operator, every third one is a graph."""
    draw = SeededDraw(np.random.default_rng([seed, number]))
    return random_graph(draw) if number % 3 == 0 else random_operator(draw)


def check_models(compiler: HostCompiler, models: Mapping[int, bytes]) -> dict[int, Verdict]:
    """Run models in every variant, all in one program, and compare outputs with the reference's.

    Args:
        compiler: with sanitizers.
        models: .tflite files by number; an odd one keeps its constant channels.
    """
    verdicts: dict[int, Verdict] = {}
    plans: dict[int, list[DeployPlan]] = {}
    for number, model in models.items():
        try:
            plans[number] = _plans(model, keep_constant_channels=number % 2 == 1)
        except UnsupportedModelError as error:
            verdicts[number] = Verdict(kind="refused", message=str(error))
        except Exception as error:
            # Whatever it is, it belongs to this model, and the others go on.
            verdicts[number] = Verdict(kind="failed", message=f"{type(error).__name__}: {error}")
    with tempfile.TemporaryDirectory() as folder:
        for number, variants in _compile(compiler, plans, Path(folder)).items():
            if isinstance(variants, str):
                verdicts[number] = Verdict(kind="failed", message=variants)
            else:
                verdicts[number] = _compare(models[number], variants)
    return verdicts


def _plans(model: bytes, *, keep_constant_channels: bool) -> list[DeployPlan]:
    """The plans of a model for each kind of kernels, as `espalier deploy` makes them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(model)
        kinds = len(targets_of(parse_graph(model, "model", "model")))
        return [
            plan_model(
                path,
                None if board is None else load_board(board),
                keep_constant_channels=keep_constant_channels,
            )
            for board in _BOARDS[:kinds]
        ]


def _compile(
    compiler: HostCompiler, plans: Mapping[int, Sequence[DeployPlan]], folder: Path
) -> dict[int, list[SanitizedModel] | str]:
    """All variants of all models in one program; a model that does not compile has a message."""
    try:
        every = [plan for some in plans.values() for plan in some]
        done = iter(compiler.sanitize_plans(every, folder / "all"))
        return {number: [next(done) for _ in some] for number, some in plans.items()}
    except AssertionError as error:
        if len(plans) == 1:
            return dict.fromkeys(plans, f"does not compile: {error}")
    return {
        key: value
        for number, some in plans.items()
        for key, value in _compile(compiler, {number: some}, folder / f"only_{number}").items()
    }


def _compare(model: bytes, variants: Sequence[SanitizedModel]) -> Verdict:
    graph = parse_graph(model, "model", "model")
    operators = tuple(op.kind.value for op in graph.ops)
    chosen = list(samples(graph, count=_SAMPLES))
    try:
        stacks = tuple(np.stack(arrays) for arrays in zip(*chosen, strict=True))
        expected = ReferenceModel(model).run(stacks)
    except UnsupportedModelError as error:
        return Verdict(kind="refused", message=str(error), operators=operators)
    for variant in variants:
        try:
            received = variant.run(chosen)
        except AssertionError as error:
            return Verdict(kind="failed", message=str(error), operators=operators)
        difference = _difference(received, expected)
        if difference:
            message = f"{variant.plan.target.value} kernels: {difference}"
            return Verdict(kind="failed", message=message, operators=operators)
    return Verdict(kind="equal", variants=len(variants), operators=operators)


def _difference(received: Sequence[Sequence[Array]], expected: Sequence[Array]) -> str:
    """The first difference in words, or nothing."""
    for sample, outputs in enumerate(received):
        for place, (output, reference) in enumerate(zip(outputs, expected, strict=True)):
            got, want = output.ravel(), reference[sample].ravel()
            # By their bits: 0.0 is not -0.0.
            bits = f"u{got.dtype.itemsize}"
            wrong = np.flatnonzero(got.view(bits) != want.view(bits))
            if len(wrong):
                at = int(wrong[0])
                return (
                    f"output {place} of sample {sample} differs in {len(wrong)} of {len(got)} "
                    f"values, first at {at}: {got[at]} instead of {want[at]}"
                )
    return ""
