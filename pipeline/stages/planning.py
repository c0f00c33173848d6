"""From a .tflite to a plan and to sources, without a run folder."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from pipeline.errors import ConfigError, DoesNotFitError, UnsupportedModelError
from pipeline.paths import firmware_path
from pipeline.records import AnyPlan, Board, DeployPlan, KernelGuard, KernelTarget, TflmPlan


def plan_model(
    tflite: Path, board: Board | None = None, *, keep_constant_channels: bool = False
) -> DeployPlan:
    """Read and plan a .tflite.

    Args:
        tflite: the model.
        board: on whose core it is to run; None is any core.
        keep_constant_channels: leave channels in that are the same whatever the input.
    Raises:
        UnsupportedModelError: it is no usable model.
        ConfigError: there is no such file.
    """
    from pipeline.plan.constant_channels.remove import remove_constant_channels
    from pipeline.plan.deploy import make_plan
    from pipeline.plan.graph import read_graph

    kernels = _kernels_of(board)
    _require_file(tflite)
    try:
        graph = read_graph(tflite)
        if keep_constant_channels:
            return make_plan(graph, kernels)
        slim = remove_constant_channels(graph, tflite.read_bytes())
        return dataclasses.replace(make_plan(slim.graph, kernels), channels=slim.channels)
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


def check_fits(plan: AnyPlan, board: Board) -> None:
    """Refuse a model that cannot fit, before anything is compiled.

    Raises:
        DoesNotFitError: arena or weights alone exceed the board.
    """
    wants = (
        ("RAM", "tensor arena", plan.arena_bytes, board.ram_bytes),
        ("flash", "weights", plan.weights_bytes, board.flash_bytes),
    )
    for memory, what, needed, limit in wants:
        if limit is not None and needed > limit:
            raise DoesNotFitError(
                f"{plan.graph.name}: the {what} must fit into the {limit:,} bytes of {memory} of "
                f"board {board.name}. Received: {needed:,} bytes. Use a smaller input or fewer "
                "channels, or a larger board (`espalier boards`)."
            )


def export_sources(
    tflite: Path,
    out: Path,
    *,
    command: str,
    board: Board | None = None,
    engine: str = "aot",
    keep_constant_channels: bool = False,
) -> tuple[str, ...]:
    """Write a model's sources, for use in any other project: of engine aot with its kernels.

    Args:
        tflite: the model.
        out: a folder that is new or empty.
        command: what the head of the generated files says made them.
        board: on whose core it is to run; None is any core.
        engine: "aot" or "tflm", which needs a board.
        keep_constant_channels: as of `plan_model`.
    Returns:
        Names of the files in `out`, sorted.
    Raises:
        UnsupportedModelError: it is no usable model.
        ConfigError: `out` is in use or cannot be written.
    """
    from pipeline.codegen.render import generate

    plan: AnyPlan
    if engine == "tflm":
        if board is None:
            raise ConfigError(
                "--engine tflm: expected --board, whose TensorFlow Lite Micro decides about the "
                "arena. Received: none."
            )
        plan = plan_tflm(tflite, board)
    else:
        plan = plan_model(tflite, board, keep_constant_channels=keep_constant_channels)
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"--out {out}: expected a new or empty folder. Received: one with files.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot be made: {error}.") from error
    source = generate(plan, out, command=command)
    if isinstance(plan, TflmPlan):
        return source.files
    root = firmware_path() / "lib" / "kernels"
    folders = [root] if plan.target is KernelTarget.PORTABLE else [root, root / "dsp"]
    kernels = [path.relative_to(root) for folder in folders for path in folder.glob("*.[ch]")]
    for path in kernels:
        (out / path).parent.mkdir(exist_ok=True)
        shutil.copy2(root / path, out / path)
    return tuple(sorted([*source.files, *map(Path.as_posix, kernels)]))
