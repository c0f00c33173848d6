"""The stages from a .tflite to a measurement, in one folder."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts import (
    MANIFEST,
    RunFolder,
    StageKey,
    hash_value,
    read_json,
    write_json,
)
from pipeline.records import (
    AnyPlan,
    Array,
    Board,
    CycleEstimate,
    Firmware,
    FirmwareSize,
    Graph,
    InputSet,
    KernelGuard,
    Measurement,
    OpKind,
    SourceTree,
    Tensor,
    TflmPlan,
)
from pipeline.report.progress import Reporter
from pipeline.stages.benchmarks import benchmark_name
from pipeline.stages.fitting import check_fits
from pipeline.stages.keys import stage_key
from pipeline.stages.planning import layer_macs, plan_model, plan_tflm

# Which inferences take part in the estimate of cycles; inputs hardly change it.
_ESTIMATED_INFERENCES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a model goes.

    Attributes:
        board: its facts.
        engine: "aot" or "tflm".
        toolchain: "auto", "gcc" or "zig".
        emulator: a kind of device, or "auto".
        warmup: inferences before the timed ones.
        keep_constant_channels: leave channels in that are the same whatever the input.
    """

    board: Board
    engine: str = "aot"
    toolchain: str = "auto"
    emulator: str = "auto"
    warmup: int = 1
    keep_constant_channels: bool = False


class Stages:
    """The stages that turn a .tflite into figures, in one folder.

    Args:
        folder: an open run folder.
        target: where the model goes.
        reporter: told about every stage.
        command: what the head of generated files says made them.
    """

    def __init__(
        self, folder: RunFolder, target: Target, reporter: Reporter, *, command: str
    ) -> None:
        self.folder = folder
        self.target = target
        self.reporter = reporter
        self.command = command

    def make(
        self, name: str, key: StageKey, write: Callable[[Path], None], *, title: str = ""
    ) -> Path:
        """Run one stage unless its folder is up to date; returns the folder."""
        title = title or name
        if self.folder.is_current(name, key):
            self.reporter.headline(f"{title}: up to date")
            return self.folder.stage_path(name)
        self.reporter.headline(title)
        start = time.monotonic()
        with self.reporter.steps(title):
            path = self.folder.write_stage(name, key, write)
        self.folder.drop_state(name)
        self.reporter.log(f"done in {time.monotonic() - start:.1f} s")
        return path

    def plan(self, tflite: Path, name: str = "") -> AnyPlan:
        """Plan the model and keep plan.json, and memory.svg of engine aot.

        Args:
            tflite: the model.
            name: what reports call it; "" is the file's name.
        Raises:
            UnsupportedModelError: it is no usable model.
            DoesNotFitError: it can never fit the board.
        """
        if self.target.engine == "tflm":
            return self._plan_tflm(tflite, name)
        from pipeline.report.memory import plan_report
        from pipeline.report.memory_picture import memory_picture

        keep = self.target.keep_constant_channels
        with self.reporter.steps("planning"):
            plan = plan_model(tflite, self.target.board, keep_constant_channels=keep)
        if name:
            plan = dataclasses.replace(plan, graph=dataclasses.replace(plan.graph, name=name))
        check_fits(plan, self.target.board)
        report = plan_report(plan, layer_macs(plan), self.target.board)
        key = stage_key(
            "plan",
            inputs={"model": plan.graph.sha256},
            config={
                "board": self.target.board.name,
                "kernels": plan.target.value,
                "keep_constant_channels": keep,
                "name": plan.graph.name,
            },
        )

        def write(out: Path) -> None:
            write_json(out / "plan.json", report)
            (out / "memory.svg").write_text(memory_picture(plan), encoding="utf-8")

        self.make("plan", key, write)
        return plan

    def _plan_tflm(self, tflite: Path, name: str) -> TflmPlan:
        from pipeline.report.tflm import tflm_plan_report

        with self.reporter.steps("planning"):
            plan = plan_tflm(tflite, self.target.board)
        if name:
            plan = dataclasses.replace(plan, graph=dataclasses.replace(plan.graph, name=name))
        check_fits(plan, self.target.board)
        report = tflm_plan_report(plan, self.target.board)
        key = stage_key(
            "plan",
            inputs={"model": plan.graph.sha256},
            config={
                "board": self.target.board.name,
                "runtime": plan.runtime,
                "name": plan.graph.name,
            },
        )
        self.make("plan", key, lambda out: write_json(out / "plan.json", report))
        return plan

    def generate(self, plan: AnyPlan) -> SourceTree:
        """Generate the sources of the model."""
        from pipeline.codegen.render import generate

        config = {
            "engine": self.target.engine,
            "kernels": plan.runtime if isinstance(plan, TflmPlan) else plan.target.value,
            "keep_constant_channels": self.target.keep_constant_channels,
            "command": self.command,
            "name": plan.graph.name,
        }
        key = stage_key("generate", inputs={"model": plan.graph.sha256}, config=config)

        def write(out: Path) -> None:
            generate(plan, out, command=self.command)

        return read_sources(self.make("generate", key, write))

    def build(
        self, source: SourceTree, model_name: str, guards: tuple[KernelGuard, ...] = ()
    ) -> Firmware:
        """Compile and link the firmware.

        Args:
            source: the generated model.
            model_name: what the firmware calls it on its serial line, unless it is one of
                MLPerf Tiny's: those go by their benchmarks' names.
            guards: kernels that have to be in it.
        Raises:
            BuildError: the compiler refuses.
            DoesNotFitError: the image is larger than the board.
            MissingToolError: no compiler.
        """
        from pipeline.build.platformio import ELF, LOG, SIZE, build_firmware, tflm_sources
        from pipeline.build.toolchain import find_toolchain

        board, engine = self.target.board, self.target.engine
        compiler = find_toolchain(board, self.target.toolchain, engine)
        name_on_line = plain_name(model_name)
        config = {
            "board": board.name,
            "engine": engine,
            "toolchain": str(compiler),
            "model_name": name_on_line,
            "tflm": tflm_sources(board, engine),
            "guards": [guard.symbol_prefix for guard in guards],
        }
        key = stage_key("build", inputs={"source": source.digest}, config=config)
        name = f"build/{board.name}-{engine}"

        def write(out: Path) -> None:
            # Where a failure leaves its log; the state of a finished stage is removed.
            work = self.folder.state_path(name, key)
            with self.reporter.steps(f"compiling {board.name}-{engine}") as step:
                build_firmware(
                    board,
                    engine,
                    source,
                    work,
                    model_name=name_on_line,
                    toolchain=compiler.kind,
                    guards=guards,
                    log=self.reporter.log,
                    on_progress=step,
                )
            for file in (ELF, SIZE, LOG):
                shutil.copy2(work / file, out / file)

        return read_firmware(self.make(name, key, write, title="build"), board.name, engine)


def plain_name(model_name: str) -> str:
    """A model's name as firmware has it: it travels in a C string and on a line of ASCII."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", benchmark_name(model_name))


def read_sources(folder: Path) -> SourceTree:
    """The sources in a generate folder, as its manifest lists them."""
    outputs: dict[str, str] = read_json(folder / MANIFEST)["outputs"]
    return SourceTree(root=folder, files=tuple(sorted(outputs)), digest=hash_value(outputs))


def read_firmware(folder: Path, board: str, engine: str) -> Firmware:
    """The firmware in a build folder."""
    from pipeline.build.platformio import ELF, SIZE

    facts = read_json(folder / SIZE)
    image = facts["size"]
    return Firmware(
        build_id=facts["build_id"],
        board=board,
        engine=engine,
        toolchain=facts["toolchain"],
        elf_path=folder / ELF,
        size=None if image is None else FirmwareSize(**image["firmware"]),
    )


def read_inputs(spec: str, plan: AnyPlan, reporter: Reporter, samples: int = 0) -> InputSet:
    """Load inputs for a planned model, and tell about what could not be read.

    Args:
        spec: as of `espalier deploy --inputs`.
        plan: of the model.
        reporter: told about unreadable files.
        samples: at most this many; 0 is all.
    Raises:
        ConfigError: the spec fits no form, or the data does not fit the model.
    """
    from pipeline.data.inputs import load_inputs

    inputs = load_inputs(spec, **input_facts(plan.graph), limit=samples or None)
    if inputs.skipped:
        name, reason = inputs.skipped[0]
        reporter.log(
            f"inputs: skipped {len(inputs.skipped)} unreadable, the first {name}: {reason}"
        )
    return inputs


def input_facts(graph: Graph) -> dict[str, Any]:
    """What `load_inputs` has to know of a graph's inputs."""
    tensors = [graph.tensors[index] for index in graph.inputs]
    return {
        "shapes": [t.shape[1:] if t.shape[:1] == (1,) else t.shape for t in tensors],
        "dtypes": [tensor.dtype for tensor in tensors],
        "ranges": [_range_of(graph, tensor) for tensor in tensors],
    }


def _range_of(graph: Graph, x: Tensor) -> tuple[float, float]:
    """What an input may hold: of real values, what the operator that quantizes them can tell apart.

    Half as much again lies beyond that range, so that values saturate, too.
    """
    quantized = [
        graph.tensors[op.outputs[0]]
        for op in graph.ops
        if op.kind is OpKind.QUANTIZE and op.inputs[0] == x.index
    ]
    tensor = quantized[0] if x.dtype == "float32" and quantized else x
    quant = tensor.quant
    if quant is None or tensor is x:
        return -1.0, 1.0
    info = np.iinfo(tensor.dtype)
    low, high = (
        quant.scale[0] * (end - quant.zero_point[0]) for end in (int(info.min), int(info.max))
    )
    margin = (high - low) / 4
    return low - margin, high + margin


def measure_firmware(
    tflite: Path,
    target: Target,
    firmware: Firmware,
    inputs: InputSet,
    reporter: Reporter,
) -> Measurement:
    """Run all inputs through the reference and through the device, and compare.

    Where the core has a model, the first inputs run once more for an estimate of its cycles.

    Args:
        tflite: what the firmware was made from.
        target: with the kind of device resolved.
        firmware, inputs: what to run on what.
        reporter: told about progress.
    Raises:
        DeviceError: the device does not start, or answers nonsense.
        MissingToolError: the emulator is not installed.
    """
    from pipeline.device.select import make_device
    from pipeline.measure.session import measure
    from pipeline.reference import ReferenceModel

    reporter.log(f"{len(inputs.x[0]):,} inputs on {target.emulator}")
    content = tflite.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    with reporter.steps("reference") as step:
        expected = ReferenceModel(content).run(inputs.x, step)
    with (
        make_device(target.emulator, target.board, firmware) as device,
        reporter.steps("inferences") as step,
    ):
        measurement = measure(
            device,
            target.board,
            firmware,
            inputs,
            expected,
            model_sha256=sha256,
            warmup=target.warmup,
            on_progress=step,
        )
    return _with_estimate(measurement, target.board, firmware, inputs, expected, reporter)


def _with_estimate(
    measurement: Measurement,
    board: Board,
    firmware: Firmware,
    inputs: InputSet,
    expected: Sequence[Array],
    reporter: Reporter,
) -> Measurement:
    """Run the first inputs once more, on a device whose ticks are estimated cycles, if any."""
    from pipeline.device.select import make_cycle_device
    from pipeline.measure.session import measure

    cycle_device = make_cycle_device(board, firmware)
    if cycle_device is None or board.flash_wait_states is None:
        return measurement
    some = slice(_ESTIMATED_INFERENCES)
    first_inputs = dataclasses.replace(
        inputs, names=inputs.names[some], x=tuple(x[some] for x in inputs.x), y=None
    )
    with cycle_device as device, reporter.steps("estimating cycles") as step:
        run = measure(
            device,
            board,
            firmware,
            first_inputs,
            [y[some] for y in expected],
            warmup=0,
            on_progress=step,
        )
    estimate = CycleEstimate(
        flash_wait_states=board.flash_wait_states, inferences=run.ticks, layers=run.layer_ticks
    )
    # This is one more emulator to agree with.
    mismatches = max(measurement.mismatches, run.mismatches)
    return dataclasses.replace(measurement, estimate=estimate, mismatches=mismatches)


def write_arrays(path: Path, x: tuple[Array, ...], y: tuple[Array, ...]) -> None:
    """Write inputs and outputs as `write_outputs` names them."""
    # An open file, because numpy adds a suffix to names that lack it.
    with path.open("wb") as stream:
        np.savez(stream, **_numbered("x", x), **_numbered("y", y))


def _numbered(letter: str, arrays: tuple[Array, ...]) -> dict[str, Any]:
    if len(arrays) == 1:
        return {letter: arrays[0]}
    return {f"{letter}{index}": array for index, array in enumerate(arrays)}
