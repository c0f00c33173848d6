"""What layers took on an emulated core, measured once and remembered in .cache/costs/.

The models of tests/cost_sheets.py, and reference models to check with, run on an emulated nRF52840,
whose cycle counter counts each instruction: the same core, kernels and compiler as on mps2_an386.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pipeline import __version__
from pipeline.artifacts import read_json, write_json
from pipeline.build.toolchain import find_toolchain
from pipeline.codegen.render import generate
from pipeline.codegen.symbols import called_sources
from pipeline.device.board import load_board
from pipeline.errors import MissingToolError, PipelineError
from pipeline.paths import cache_path, firmware_path
from pipeline.plan.graph import parse_graph
from pipeline.plan.write import write_tflite
from pipeline.quantize.low_bit.layers import eligible_layers
from pipeline.quantize.low_bit.rewrite import with_filters
from pipeline.quantize.low_bit.rounding import round_filter
from pipeline.records import Board, DeployPlan, KernelTarget
from pipeline.report.progress import Reporter
from pipeline.stages import Request, Target, deploy, plan_model
from tests.cost_sheets import sheets
from tests.shared import REFERENCE_MODELS, shared_root

BOARD = "nrf52840"
EMULATOR = "unicorn"
SAMPLES = cache_path() / "costs"


def models() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """All models by name; reference models where they are at hand."""
    yield from sheets()
    for name in REFERENCE_MODELS:
        path = shared_root() / "models" / f"{name}.tflite"
        if path.is_file():
            yield f"reference-{name}", path.read_bytes
            yield f"reference4-{name}", partial(in_four_bits, path)


def in_four_bits(path: Path) -> bytes:
    """A model with every filter that can take four bits rounded to the nearest of them."""
    tflite = path.read_bytes()
    graph = parse_graph(tflite, path.stem, path.name)
    filters = {
        layer.op.index: (layer, round_filter(layer, None)) for layer in eligible_layers(graph)
    }
    return write_tflite(with_filters(graph, filters), tflite)


def board_of(target: KernelTarget) -> Board:
    """The emulated board, with the kernels of a target."""
    return dataclasses.replace(load_board(BOARD), dsp=target is KernelTarget.DSP)


def plan_of(make: Callable[[], bytes], target: KernelTarget) -> DeployPlan:
    """The plan of what `measure` ran."""
    with tempfile.TemporaryDirectory(prefix="espalier-costs-") as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(make())
        return plan_model(path, target=target, keep_constant_channels=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A model, and what it took.

    Attributes:
        name: "name-target".
        target: whose kernels ran.
        make: makes the model.
        plan: what ran.
        fingerprint: of all that the measurement depends on.
        took: what `measure` gave.
    """

    name: str
    target: KernelTarget
    make: Callable[[], bytes]
    plan: DeployPlan
    fingerprint: str
    took: Mapping[str, Any]


def measured(reporter: Reporter, *, again: bool) -> list[Sample]:
    """What every model took with either kind of kernels; measured if need be.

    What was measured before stands for as long as the model's code, its kernels and the compiler
    are the same, so a run that was broken off goes on where it was.

    Args:
        reporter: told how far it is.
        again: forget what was measured before.
    """
    SAMPLES.mkdir(parents=True, exist_ok=True)
    wanted = [(target, *model) for target in KernelTarget for model in models()]
    samples: list[Sample] = []
    with reporter.steps("models measured") as step:
        for done, (target, name, make) in enumerate(wanted, start=1):
            key = f"{name}-{target.value}"
            plan = plan_of(make, target)
            path, found = SAMPLES / f"{key}.json", fingerprint(plan)
            took = {} if again else remembered(path, found)
            try:
                took = took or measure(make, board_of(target))
            except MissingToolError:
                raise
            except PipelineError as error:
                # Not remembered: the next run tries again.
                reporter.log(f"{key} left out: {error}")
                continue
            write_json(path, {"fingerprint": found, **took})
            samples.append(
                Sample(name=key, target=target, make=make, plan=plan, fingerprint=found, took=took)
            )
            step(done, len(wanted))
    return samples


def remembered(path: Path, wanted: str) -> dict[str, Any]:
    """What a file holds; nothing where it is of something else, or was not written to its end."""
    try:
        found: dict[str, Any] = read_json(path)
    except PipelineError:
        return {}
    return found if found.get("fingerprint") == wanted else {}


def fingerprint(plan: DeployPlan) -> str:
    """A digest of a model's generated code, the kernels that it needs, and the compiler."""
    with tempfile.TemporaryDirectory(prefix="espalier-costs-") as folder:
        sources = generate(plan, Path(folder), command="make costs")
        texts = {
            name: (sources.root / name).read_text(encoding="ascii").replace(__version__, "")
            for name in sources.files
        }
    library = _library()
    needed = {name: library[name] for name in called_sources(texts, library)}
    compiler = str(find_toolchain(board_of(plan.target)))
    text = json.dumps([texts, needed, compiler], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def _library() -> dict[str, str]:
    """The kernels' sources."""
    root = firmware_path() / "lib" / "kernels"
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(root.rglob("*.[ch]"))
    }


def measure(make: Callable[[], bytes], board: Board) -> dict[str, Any]:
    """One model on the emulator: its layers, and what its image holds."""
    with tempfile.TemporaryDirectory(prefix="espalier-costs-") as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(make())
        work = Path(folder) / "work"
        request = Request(model=path, inputs="random:1:1", work=work, command="make costs")
        target = Target(board=board, emulator=EMULATOR, keep_constant_channels=True)
        done = deploy(request, target, Reporter(quiet=True))
        took = done.measurement
        if took.mismatches:
            raise PipelineError("its outputs differ from the reference")
        assert took.estimate is not None
        assert done.firmware.size is not None
        return {
            "toolchain": done.firmware.toolchain,
            "instructions": took.ticks[0],
            "cycles": took.estimate.inferences[0],
            # With the clock read around each step.
            "layers": [
                list(pair) for pair in zip(took.layer_ticks, took.estimate.layers, strict=True)
            ],
            "runtime_bytes": done.firmware.size.runtime_bytes,
        }
