"""A model file through all stages onto a device."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.artifacts import RunFolder, cached_folder, hash_file
from pipeline.config import DataSection
from pipeline.errors import ConfigError
from pipeline.paths import cache_path
from pipeline.records import (
    AnyPlan,
    Firmware,
    InputSet,
    Measurement,
)
from pipeline.report.deployment import deployment_report
from pipeline.report.progress import Reporter
from pipeline.stages.emulating import measure_firmware
from pipeline.stages.firmware import Stages, Target
from pipeline.stages.inputs import read_inputs
from pipeline.stages.keys import stage_key
from pipeline.stages.learning import data_identity, load_samples
from pipeline.stages.outputs import write_arrays
from pipeline.stages.planning import layer_macs
from pipeline.stages.subjects import calibrating

# Training samples that calibrate a .keras.
_CALIBRATION_SAMPLES = 200

# Deployments whose work folders are kept for the next time.
_KEPT_DEPLOYMENTS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to deploy.

    Attributes:
        model: a .tflite, or a .keras with `data`.
        inputs: spec of the inputs, as the user wrote it; "" where nothing is measured.
        data: what calibrates a .keras.
        work: where everything is kept; None is a folder of the cache.
        command: what the heads of generated files say made them.
    """

    model: Path
    inputs: str
    data: str | None = None
    work: Path | None = None
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A model on a device.

    Attributes:
        plan, firmware, measurement, inputs: what the stages made.
        report: the JSON object of pipeline/report/deployment.py.
    """

    plan: AnyPlan
    firmware: Firmware
    measurement: Measurement
    inputs: InputSet
    report: Mapping[str, Any]


def deploy(request: Request, target: Target, reporter: Reporter) -> Deployment:
    """Bring a model onto a device and compare every output with the reference.

    Raises:
        PipelineError: any; see the stages.
    """
    from pipeline.device.select import resolve_emulator

    kind = resolve_emulator(target.emulator, target.board)
    target = dataclasses.replace(target, emulator=kind)
    folder = work_folder(request, target)
    stages = Stages(folder, target, reporter, command=request.command)
    # Others may measure the same firmware at the same time, but not make it.
    with folder.open(wait=True):
        tflite = quantized_model(request, stages)
        plan = stages.plan(tflite)
        with reporter.steps("reading the inputs"):
            inputs = read_inputs(request.inputs, plan, reporter)
        firmware = stages.build(stages.generate(plan), plan)
    reporter.headline("measure")
    measurement = measure_firmware(tflite, target, firmware, inputs, reporter)
    report = deployment_report(plan, firmware, measurement, inputs, layer_macs(plan))
    return Deployment(
        plan=plan, firmware=firmware, measurement=measurement, inputs=inputs, report=report
    )


def build_model(request: Request, target: Target, reporter: Reporter) -> Path:
    """Build the firmware of a model, and leave it at that.

    Returns:
        The folder with firmware.elf, size.json and build.log.
    Raises:
        PipelineError: any; see the stages.
    """
    folder = work_folder(request, target)
    stages = Stages(folder, target, reporter, command=request.command)
    with folder.open(wait=True):
        plan = stages.plan(quantized_model(request, stages))
        firmware = stages.build(stages.generate(plan), plan)
    return firmware.elf_path.parent


def work_folder(request: Request, target: Target) -> RunFolder:
    """The folder of a request, or one below the cache for this model on this target.

    Raises:
        ConfigError: there is no such model.
    """
    if request.work:
        return RunFolder(request.work)
    if not request.model.is_file():
        received = "a folder" if request.model.is_dir() else "nothing of that name"
        raise ConfigError(f"{request.model}: expected a model file. Received: {received}.")
    identity = {
        "model": hash_file(request.model),
        "name": request.model.name,
        "data": request.data,
        "board": target.board.name,
        "engine": target.engine,
        "toolchain": target.toolchain,
        "keep_constant_channels": target.keep_constant_channels,
    }
    return cached_folder(cache_path() / "deploy", identity, _KEPT_DEPLOYMENTS)


def write_outputs(path: Path, deployment: Deployment) -> None:
    """Write what the device was given and what it answered, raw, as an .npz.

    `x` and `y` are stacked over the inputs; several model inputs are x0, x1, ..., several
    outputs y0, y1, ...

    Raises:
        ConfigError: the file cannot be written.
    """
    try:
        write_arrays(path, deployment.inputs.x, deployment.measurement.outputs)
    except OSError as error:
        raise ConfigError(f"--outputs {path}: cannot be written: {error}.") from error


def quantized_model(request: Request, stages: Stages) -> Path:
    """The .tflite of a request: the file itself, or what a .keras becomes with `data`.

    Raises:
        ConfigError: a .keras without data, or data that does not fit it.
        UnsupportedModelError: it cannot become a full-integer model.
    """
    if request.model.suffix not in (".keras", ".h5"):
        return request.model
    data = calibrating(request.data, request.model)
    key = stage_key(
        "quantize",
        inputs={"model": hash_file(request.model), "data": data_identity(data)},
        config={"samples": _CALIBRATION_SAMPLES},
    )

    def write(out: Path) -> None:
        from pipeline.model.load import load_model
        from pipeline.quantize.convert import quantize_model, representative_indices
        from pipeline.samples import to_model_input

        loaded = load_model(request.model)
        for note in loaded.notes:
            stages.reporter.log(note)
        shape = tuple(loaded.model.input_shape[1:])
        settings = data_section(data, shape, request.model)
        dataset = load_samples(settings, 0, stages.reporter)
        chosen = representative_indices(dataset.y, _CALIBRATION_SAMPLES)
        calibration = to_model_input(dataset.x[chosen], loaded.scaling)
        tflite = quantize_model(
            loaded.model, calibration, stages.reporter.log, scaling=loaded.scaling
        )
        (out / f"{request.model.stem}.tflite").write_bytes(tflite)

    return stages.make("quantize", key, write) / f"{request.model.stem}.tflite"


def data_section(source: str, shape: tuple[int | None, ...], model: Path) -> DataSection:
    """How `source` has to be read for a model of this input shape."""
    if None in shape:
        raise ConfigError(
            f"{model}: expected an input of one fixed size. Received: {shape}. Save the model with "
            "a fixed input shape."
        )
    sizes = tuple(int(size) for size in shape if size is not None)
    if len(sizes) == 3 and sizes[2] in (1, 3):
        return DataSection(source=source, size=sizes[:2], channels=sizes[2], shape=sizes)
    return DataSection(source=source, shape=sizes)
