"""A model as a library for other people's projects (`espalier export`)."""

from __future__ import annotations

import math
import os
import re
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline import __version__
from pipeline.errors import ConfigError
from pipeline.paths import licence_path
from pipeline.records import Array, Board, CameraFormat, DeployPlan, KernelTarget, Tensor
from pipeline.stages.inputs import input_facts
from pipeline.stages.planning import library_sources, plan_model
from pipeline.suggest import did_you_mean

if TYPE_CHECKING:
    from pipeline.codegen.export import ExportView, Variant

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
# Of files in a .zip: the earliest that it knows.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_ZIP_MODE = 0o644 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What is exported where.

    Attributes:
        model: a .tflite.
        kind: as users write it; one of `pipeline.codegen.export.KINDS`.
        out: a new folder, or a new file that ends in .zip.
        name: of the library and in front of its symbols; "" is made from the model's.
        board: the only one it is for; None is any.
        camera: whose frames it takes; None for none.
        keep_constant_channels: leave channels in that are the same whatever the input.
        command: what the heads of its files say made them.
    """

    model: Path
    kind: str
    out: Path
    name: str = ""
    board: Board | None = None
    camera: CameraFormat | None = None
    keep_constant_channels: bool = False
    command: str


def export_library(request: ExportRequest) -> tuple[str, ...]:
    """Write a library; two calls with equal arguments write equal bytes.

    Returns:
        Names of its files, sorted.
    Raises:
        ConfigError: the kind, the name or the place is wrong.
        UnsupportedModelError: it is no usable model, or takes no picture for a camera to fill.
    """
    from pipeline.codegen.export import KINDS

    if request.kind not in KINDS:
        raise ConfigError(
            f"--as: expected one of {', '.join(KINDS)}. Received: '{request.kind}'."
            f"{did_you_mean(request.kind, KINDS)}"
        )
    name = request.name or default_name(request.model)
    if not _NAME.fullmatch(name):
        raise ConfigError(
            "--name: expected a small letter, then up to 39 small letters, digits or underscores, "
            f"for it begins the names of C functions. Received: '{name}'."
        )
    if request.kind == "arduino" and name.startswith("arduino"):
        raise ConfigError(
            "--name: a library for Arduino must not begin with arduino: such names are kept for "
            f"official ones. Received: '{name}'."
        )
    if request.out.exists():
        raise ConfigError(
            f"--out {request.out}: expected a new folder, or a new file that ends in .zip. "
            "Received: something that exists. Remove it first, or choose another name."
        )
    files = _files(request, name)
    files["LICENSE"] = licence_path().read_bytes()
    try:
        _write(dict(sorted(files.items())), request.out, name)
    except OSError as error:
        raise ConfigError(f"--out {request.out}: cannot be written: {error}.") from error
    return tuple(sorted(files))


def default_name(model: Path) -> str:
    """A library's name after its model's file."""
    name = re.sub(r"[^a-z0-9]+", "_", model.stem.lower()).strip("_")
    return (name if name[:1].isalpha() else f"model_{name}".rstrip("_"))[:40].rstrip("_")


def _files(request: ExportRequest, name: str) -> dict[str, bytes]:
    """Contents by path."""
    from pipeline.codegen.export import SOURCES, library_files, render_export

    variants = [_variant(request, target) for target in _targets(request.board)]
    library = {
        file: path.read_text(encoding="ascii")
        for target in _targets(request.board)
        for file, path in library_sources(target, camera=request.camera is not None).items()
    }
    sources = library_files(variants, library, name)
    view = _view(request, name, [variant.plan for variant in variants], tuple(sources))
    texts = {f"{SOURCES}{path}": text for path, text in sources.items()}
    texts |= render_export(view)
    return {path: text.encode("ascii") for path, text in texts.items()}


def _targets(board: Board | None) -> tuple[KernelTarget, ...]:
    if board is None:
        return (KernelTarget.DSP, KernelTarget.PORTABLE)
    return (KernelTarget.DSP if board.dsp else KernelTarget.PORTABLE,)


def _variant(request: ExportRequest, target: KernelTarget) -> Variant:
    """The model for one kind of kernels."""
    from pipeline.codegen.camera import generate_camera
    from pipeline.codegen.export import Variant
    from pipeline.codegen.render import generate
    from pipeline.data.resampling import plan_frame

    keep = request.keep_constant_channels
    plan = plan_model(request.model, target=target, keep_constant_channels=keep)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        generate(plan, out, command=request.command)
        if request.camera is not None:
            frame = plan_frame(request.camera, plan.graph)
            generate_camera(frame, plan, out, command=request.command)
        texts = {path.name: path.read_text(encoding="ascii") for path in sorted(out.iterdir())}
    return Variant(plan=plan, texts=texts)


def _view(
    request: ExportRequest, name: str, plans: list[DeployPlan], sources: tuple[str, ...]
) -> ExportView:
    from pipeline.codegen.export import SOURCES, ExportView, esp_camera_names, ov7675_names
    from pipeline.codegen.views import comment_text

    graph = plans[0].graph
    inputs, exponents = example_inputs(plans[0])
    camera = request.camera
    cores = f"board {request.board.name} ({request.board.core})" if request.board else "any core"
    return ExportView(
        kind=request.kind,
        name=name,
        upper=name.upper(),
        version=__version__,
        command=comment_text(request.command),
        model=comment_text(graph.name),
        sha256=graph.sha256,
        sources=tuple(SOURCES + path for path in sources if path.endswith(".c")),
        inputs=tuple(_described(graph.tensors[index]) for index in graph.inputs),
        outputs=tuple(_described(graph.tensors[index]) for index in graph.outputs),
        arena_bytes=max(plan.arena_bytes for plan in plans),
        weights_bytes=max(plan.weights_bytes for plan in plans),
        exponents=exponents,
        crc32=_reference_crc32(request.model, inputs),
        cores=cores,
        camera=camera,
        ov7675=None if camera is None else ov7675_names(camera),
        esp_camera=None if camera is None else esp_camera_names(camera),
    )


def _described(tensor: Tensor) -> str:
    text = f"{tensor.dtype} {list(tensor.shape)}"
    if tensor.quant is None:
        return text
    return f"{text}, scale {tensor.quant.scale[0]:.7g}, zero point {tensor.quant.zero_point[0]}"


def example_inputs(plan: DeployPlan) -> tuple[tuple[Array, ...], tuple[int, ...]]:
    """What the example of an export fills the inputs with, as its C does.

    Bytes of a linear congruential generator (multiplier and increment of Numerical Recipes),
    the same on every machine. Floats are byte - 128 times a power of two: exact, however a
    compiler contracts.

    Returns:
        One sample, an array for each input; for each, the power of two's exponent, 0 if unused.
    """
    facts = input_facts(plan.graph)
    state = 1
    arrays: list[Array] = []
    exponents = []
    for index, (low, high) in zip(plan.graph.inputs, facts["ranges"], strict=True):
        tensor = plan.graph.tensors[index]
        is_float = tensor.dtype == "float32"
        count = tensor.num_elements if is_float else tensor.size_bytes
        values = np.empty(count, np.uint8)
        for place in range(count):
            state = (state * 1664525 + 1013904223) % (1 << 32)
            values[place] = state >> 24
        exponent = math.frexp(max(abs(low), abs(high)) / 128)[1] if is_float else 0
        exponents.append(exponent)
        filled = (
            np.ldexp(values.astype(np.float32) - 128, exponent).astype(np.float32)
            if is_float
            else values.view(tensor.dtype)
        )
        arrays.append(filled.reshape(tensor.shape))
    return tuple(arrays), tuple(exponents)


def _reference_crc32(tflite: Path, inputs: tuple[Array, ...]) -> int:
    """CRC-32 of what TFLite's reference kernels answer, output after output."""
    from pipeline.reference import ReferenceModel

    outputs = ReferenceModel(tflite.read_bytes()).run(inputs)
    return zlib.crc32(b"".join(np.ascontiguousarray(values).tobytes() for values in outputs))


def _write(files: dict[str, bytes], out: Path, name: str) -> None:
    """Write a folder or a .zip, whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as folder:
        made = Path(folder) / out.name
        if out.suffix == ".zip":
            with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
                for path, content in files.items():
                    entry = zipfile.ZipInfo(f"{name}/{path}", _ZIP_TIME)
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    entry.external_attr = _ZIP_MODE
                    archive.writestr(entry, content)
        else:
            for path, content in files.items():
                (made / path).parent.mkdir(parents=True, exist_ok=True)
                (made / path).write_bytes(content)
        os.replace(made, out)
