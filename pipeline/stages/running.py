"""The stages of a run.toml, from data to report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts import RunFolder, hash_file, read_json, write_json
from pipeline.config import TEST_SPLIT, RunConfig
from pipeline.device.board import load_board
from pipeline.device.select import resolve_emulator
from pipeline.errors import DoesNotFitError, MismatchError
from pipeline.model.build import check_architecture
from pipeline.paths import runs_path
from pipeline.records import AnyPlan, Firmware, InputSet
from pipeline.report.deployment import deployment_report
from pipeline.report.progress import Reporter
from pipeline.stages.emulating import measure_firmware
from pipeline.stages.firmware import Stages, Target
from pipeline.stages.inputs import read_inputs
from pipeline.stages.keys import stage_key
from pipeline.stages.learning import Learning, data_identity, prune_settings
from pipeline.stages.outputs import write_arrays
from pipeline.stages.planning import layer_macs
from pipeline.stages.prune_methods import check_settings
from pipeline.stages.reporting import Made, write_report


def run(config: RunConfig, last: str, runs: Path | None, reporter: Reporter) -> Any:
    """Run the stages up to `last`, each only where something has changed.

    Args:
        config: of the run.
        last: "train", "quantize", "build", "measure" or "report".
        runs: where the run folder lies; None is runs/ of the checkout.
        reporter: told about every stage.
    Returns:
        The folder of the last stage, or the report as a JSON object.
    Raises:
        PipelineError: any; see the stages.
    """
    target = check_run(config)
    folder = RunFolder((runs or runs_path()) / config.run.name)
    with folder.open():
        stages = Stages(folder, target, reporter, command=f"espalier run {config.run.name}")
        return _run_until(last, config, stages)


def check_run(config: RunConfig) -> Target:
    """Refuse what no stage would take, before the first one starts; gives where the model goes.

    Raises:
        ConfigError: an architecture, a method or a board that there is not, or that does not go
            with the rest.
    """
    check_architecture(config.model.architecture)
    if config.prune.method:
        check_settings(prune_settings(config), has_data=True)
    deploy = config.deploy
    board = load_board(deploy.board)
    return Target(
        board=board,
        engine=deploy.engine,
        toolchain=deploy.toolchain,
        emulator=resolve_emulator(deploy.emulator, board),
        warmup=deploy.warmup,
        keep_constant_channels=deploy.keep_constant_channels,
    )


def _run_until(last: str, config: RunConfig, stages: Stages) -> Any:
    """Make stages up to `last`; a run whose gate fails gets a report of what there is, too."""
    made = Made()
    try:
        path = _make(last, config, stages, made)
    except (MismatchError, DoesNotFitError) as error:
        if last == "report":
            write_report(config, stages, made, failure=str(error))
        raise
    if last != "report":
        return path
    report = write_report(config, stages, made)
    stages.reporter.log(f"everything is in {stages.folder.root}")
    return report


def _make(last: str, config: RunConfig, stages: Stages, made: Made) -> Path:
    """Make stages up to `last`, and remember each; returns the folder of the last."""
    learning = Learning(config, stages)
    made.train = learning.train()
    if last == "train":
        return made.train
    if config.prune.method:
        made.prune = learning.prune(made.train)
    made.quantize = learning.quantize(made.prune or made.train)
    _check_drop(config, made.quantize)
    if last == "quantize":
        return made.quantize
    tflite = made.quantize / "model.tflite"
    plan = stages.plan(tflite, name=config.run.name)
    made.plan = stages.folder.stage_path("plan")
    firmware = stages.build(stages.generate(plan), plan)
    made.build = firmware.elf_path.parent
    if last == "build":
        return made.build
    made.measure = _measure(config, stages, plan, firmware, tflite)
    return made.measure


def _check_drop(config: RunConfig, quantized: Path) -> None:
    """The gate on what int8 costs."""
    drop = 100 * read_json(quantized / "facts.json")["balanced_drop"]
    if drop > config.quantize.max_drop:
        raise MismatchError(
            f"quantize: int8 may lose at most {config.quantize.max_drop:g} points of balanced "
            f"accuracy (quantize.max_drop). Received: {drop:.2f}. Calibrate with more samples "
            "(quantize.samples), see which layer hurts (docs/quantization.md), or train it "
            'quantized (quantize.method = "qat").'
        )


def _measure(
    config: RunConfig, stages: Stages, plan: AnyPlan, firmware: Firmware, tflite: Path
) -> Path:
    """Measure on the test samples or on other inputs; returns the stage's folder."""
    deploy, target = config.deploy, stages.target
    golden = tflite.parent / "golden.npz"
    is_test = deploy.inputs == TEST_SPLIT
    key = stage_key(
        "measure",
        inputs={
            "firmware": hash_file(firmware.elf_path),
            "model": plan.graph.sha256,
            "inputs": hash_file(golden) if is_test else _identity_of_spec(deploy.inputs),
        },
        config={
            "emulator": target.emulator,
            "flash_wait_states": target.board.flash_wait_states,
            "samples": deploy.samples,
            "warmup": target.warmup,
        },
        seed=config.run.seed,
    )

    def write(out: Path) -> None:
        inputs = (
            _test_inputs(golden, deploy.samples)
            if is_test
            else read_inputs(deploy.inputs, plan, stages.reporter, deploy.samples)
        )
        measurement = measure_firmware(tflite, target, firmware, inputs, stages.reporter)
        report = deployment_report(plan, firmware, measurement, inputs, layer_macs(plan))
        write_json(out / "deployment.json", report)
        write_arrays(out / "outputs.npz", inputs.x, measurement.outputs)

    name = f"measure/{target.board.name}-{target.engine}"
    return stages.make(name, key, write, title="measure")


def _identity_of_spec(spec: str) -> str:
    return spec if spec.startswith("random:") else data_identity(spec)


def _test_inputs(golden: Path, samples: int) -> InputSet:
    """The test samples of the quantize stage; all of them for 0."""
    with np.load(golden, allow_pickle=False) as arrays:
        x, y, names = arrays["x"], arrays["y"], arrays["names"]
    limit = samples or len(x)
    return InputSet(
        spec=TEST_SPLIT, names=tuple(names[:limit].tolist()), x=(x[:limit],), y=y[:limit]
    )
