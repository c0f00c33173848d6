"""The stages from a .tflite to a firmware, in one folder."""

from __future__ import annotations

import dataclasses
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.artifacts import (
    MANIFEST,
    RunFolder,
    StageKey,
    hash_value,
    read_json,
    write_json,
)
from pipeline.records import AnyPlan, Board, Firmware, FirmwareSize, SourceTree, TflmPlan
from pipeline.report.progress import Reporter
from pipeline.stages.benchmarks import benchmark_name
from pipeline.stages.fitting import check_fits
from pipeline.stages.keys import stage_key
from pipeline.stages.planning import kernel_guards, layer_macs, plan_model, plan_tflm


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
    """The stages that turn a .tflite into a firmware, in one folder.

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
        """Run one stage unless its folder is up to date; returns the folder.

        Args:
            name: of the stage's folder, below the run's.
            key: all that its outputs depend on.
            write: fills an empty folder, which then takes the place of the old one.
            title: what the reporter calls the stage; "" is the name.
        """
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

    def build(self, source: SourceTree, plan: AnyPlan | None) -> Firmware:
        """Compile and link the firmware.

        Args:
            source: the generated model.
            plan: that it was generated from; None for an engine that needs no model.
        Raises:
            BuildError: the compiler refuses.
            DoesNotFitError: the image is larger than the board.
            MissingToolError: no compiler.
        """
        from pipeline.build.platformio import ELF, LOG, SIZE, build_firmware, tflm_sources
        from pipeline.build.toolchain import find_toolchain

        board, engine = self.target.board, self.target.engine
        compiler = find_toolchain(board, self.target.toolchain, engine)
        # Without a model, the engine is what the firmware has to call itself after.
        name_on_line = plain_name(engine if plan is None else plan.graph.name)
        guards = () if plan is None else kernel_guards(plan)
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
    """A model's name as firmware has it: it travels in a C string and on a line of ASCII.

    One of MLPerf Tiny's models goes by its benchmark's name.
    """
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
