"""From a .tflite to a plan and to sources, without a run folder."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from pipeline.errors import ConfigError, UnsupportedModelError
from pipeline.paths import firmware_path
from pipeline.records import (
    AnyPlan,
    Board,
    CameraFormat,
    DeployPlan,
    KernelGuard,
    KernelTarget,
    TflmPlan,
)


def plan_model(
    tflite: Path,
    board: Board | None = None,
    *,
    target: KernelTarget | None = None,
    keep_constant_channels: bool = False,
) -> DeployPlan:
    """Read and plan a .tflite.

    Args:
        tflite: the model.
        board: on whose core it is to run; None is any core.
        target: whose kernels run it; None is the board's.
        keep_constant_channels: leave channels in that are the same whatever the input.
    Raises:
        UnsupportedModelError: it is no usable model.
        ConfigError: there is no such file.
    """
    from pipeline.plan.constant_channels.remove import remove_constant_channels
    from pipeline.plan.deploy import make_plan
    from pipeline.plan.fold_padding import fold_padding
    from pipeline.plan.graph import read_graph

    kernels = target or _kernels_of(board)
    _require_file(tflite)
    try:
        graph, channels = read_graph(tflite), None
        if not keep_constant_channels:
            slim = remove_constant_channels(graph, tflite.read_bytes())
            graph, channels = slim.graph, slim.channels
        graph, folded = fold_padding(graph, kernels)
        plan = make_plan(graph, kernels)
        return dataclasses.replace(plan, channels=channels, folded_padding=folded)
    except UnsupportedModelError as error:
        # Operators do not know in which file they stand.
        if str(tflite) in str(error):
            raise
        raise UnsupportedModelError(f"{tflite}: {error}") from error


def plan_tflm(tflite: Path, board: Board) -> TflmPlan:
    """Plan a .tflite for TensorFlow Lite Micro as a board's environment gets it.

    Args:
        tflite: the model; it runs as it is.
        board: where.
    Raises:
        UnsupportedModelError: it is no usable model, or needs an operator that is not there.
        ConfigError: there is no such file, or the board has no engine tflm.
    """
    from pipeline.build.platformio import tflm_runtime
    from pipeline.plan.tflm.plan import make_tflm_plan
    from pipeline.plan.tflm.runtimes import find_runtime

    runtime = find_runtime(tflm_runtime(board))
    _require_file(tflite)
    return make_tflm_plan(tflite, runtime)


def kernel_guards(plan: AnyPlan) -> tuple[KernelGuard, ...]:
    """Kernels that have to be in the image."""
    return plan.guards if isinstance(plan, TflmPlan) else ()


def _require_file(tflite: Path) -> None:
    if not tflite.is_file():
        received = "a folder" if tflite.is_dir() else "nothing of that name"
        raise ConfigError(f"{tflite}: expected a .tflite file. Received: {received}.")


def _kernels_of(board: Board | None) -> KernelTarget:
    return KernelTarget.DSP if board is not None and board.dsp else KernelTarget.PORTABLE


def layer_macs(plan: AnyPlan) -> tuple[int, ...]:
    """Multiply-accumulates of each operator of a plan."""
    from pipeline.ops.table import macs_of

    if isinstance(plan, TflmPlan):
        return plan.layer_macs
    return tuple(macs_of(op, plan.graph) for op in plan.graph.ops)


def export_sources(
    tflite: Path,
    out: Path,
    *,
    command: str,
    board: Board | None = None,
    engine: str = "aot",
    keep_constant_channels: bool = False,
    camera: CameraFormat | None = None,
) -> tuple[str, ...]:
    """Write a model's sources, for use in any other project: of engine aot with its kernels.

    Args:
        tflite: the model.
        out: a folder that is new or empty.
        command: what the head of the generated files says made them.
        board: on whose core it is to run; None is any core.
        engine: "aot" or "tflm", which needs a board.
        keep_constant_channels: as of `plan_model`.
        camera: whose frames the model is to take; None for none.
    Returns:
        Names of the files in `out`, sorted.
    Raises:
        UnsupportedModelError: it is no usable model, or takes no picture for a camera to fill.
        ConfigError: `out` is in use or cannot be written.
    """
    from pipeline.codegen.camera import CAMERA_FILES, generate_camera
    from pipeline.codegen.render import generate
    from pipeline.data.resampling import plan_frame

    plan: AnyPlan
    if engine == "tflm":
        if board is None:
            raise ConfigError(
                "--engine tflm: expected --board, whose TensorFlow Lite Micro decides about the "
                "arena. Received: none."
            )
        if camera is not None:
            raise ConfigError(
                "--camera: expected engine aot, whose input lies where a frame can be written. "
                "Received: engine tflm. Leave --camera or --engine out."
            )
        plan, frame = plan_tflm(tflite, board), None
    else:
        plan = plan_model(tflite, board, keep_constant_channels=keep_constant_channels)
        frame = None if camera is None else plan_frame(camera, plan.graph)
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"--out {out}: expected a new or empty folder. Received: one with files.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot be made: {error}.") from error
    files = generate(plan, out, command=command).files
    if isinstance(plan, TflmPlan):
        return files
    if frame is not None:
        generate_camera(frame, plan, out, command=command)
        files += CAMERA_FILES
    library = library_sources(plan.target, camera=frame is not None)
    for name, path in library.items():
        (out / name).parent.mkdir(exist_ok=True)
        shutil.copy2(path, out / name)
    return tuple(sorted([*files, *library]))


def library_sources(target: KernelTarget, *, camera: bool) -> dict[str, Path]:
    """The C that generated code may call: names as it includes them, and where they lie.

    Args:
        target: the kernels.
        camera: whether frames are taken, too.
    """
    root = firmware_path() / "lib"
    folders = {"": root / "kernels"}
    if target is KernelTarget.DSP:
        folders["dsp/"] = root / "kernels" / "dsp"
    if camera:
        folders["camera/"] = root / "camera"
    return {
        prefix + path.name: path
        for prefix, folder in folders.items()
        for path in sorted(folder.glob("*.[ch]"))
    }
