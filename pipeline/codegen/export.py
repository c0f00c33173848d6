"""A model as a library for other people's projects: sources, example, manifest, README, licence."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.codegen.render import environment
from pipeline.codegen.symbols import (
    called_sources,
    find_include,
    generated_symbols,
    linked_symbols,
    own_name,
    pasted_beginnings,
    renamed,
)
from pipeline.records import CameraFormat, DeployPlan, KernelTarget, PixelFormat

# Where every kind keeps its sources; public headers lie at its top.
SOURCES = "src/"
_CONDITIONS = {
    KernelTarget.DSP: "defined(__ARM_FEATURE_DSP)",
    KernelTarget.PORTABLE: "!defined(__ARM_FEATURE_DSP)",
}
_LIBRARY_FOLDER = "kernels/"

# Frames that the cameras of the examples deliver, as their libraries call them.
_OV7675_SIZES = {(320, 240): "QVGA", (176, 144): "QCIF", (160, 120): "QQVGA"}
_OV7675_FORMATS = {PixelFormat.RGB565: "RGB565", PixelFormat.GREY: "GRAYSCALE"}
_ESP_SIZES = {
    (96, 96): "FRAMESIZE_96X96",
    (160, 120): "FRAMESIZE_QQVGA",
    (176, 144): "FRAMESIZE_QCIF",
    (240, 176): "FRAMESIZE_HQVGA",
    (240, 240): "FRAMESIZE_240X240",
    (320, 240): "FRAMESIZE_QVGA",
    (640, 480): "FRAMESIZE_VGA",
}
# Beside a model and the driver's own buffers, in the memory of an ESP32's core.
_LARGEST_IN_DRAM = 64 * 1024
_ESP_FORMATS = {PixelFormat.RGB565: "PIXFORMAT_RGB565", PixelFormat.GREY: "PIXFORMAT_GRAYSCALE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A model's generated sources for one kind of kernels: texts by file name."""

    plan: DeployPlan
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportView:
    """What the templates of an export print.

    Attributes:
        kind: one of KINDS.
        name: of the library, and in front of its symbols.
        upper: the name in capitals, as constants begin.
        version, command: of the pipeline, and what the user ran.
        model, sha256: name and digest of the .tflite.
        sources: C files, relative to the library's folder, sorted.
        inputs, outputs: "int8 [1, 96, 96, 3], scale 0.0078125, zero point 0" of each.
        arena_bytes: of the largest variant.
        weights_bytes: of the largest variant.
        exponents: of each input, the power of two that values of floats are scaled with, or 0.
        crc32: of the reference kernels' outputs for the example's inputs.
        cores: whom it serves, in words.
        camera: whose frames it takes, or None.
        ov7675: (resolution, format) as the library of the OV7675 calls them; None where it cannot
            deliver such frames.
        esp_camera: (resolution, format, place of the frame) as the ESP32-CAM's driver calls them.
    """

    kind: str
    name: str
    upper: str
    version: str
    command: str
    model: str
    sha256: str
    sources: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    arena_bytes: int
    weights_bytes: int
    exponents: tuple[int, ...]
    crc32: int
    cores: str
    camera: CameraFormat | None
    ov7675: tuple[str, str] | None
    esp_camera: tuple[str, str, str] | None


def library_files(
    variants: Sequence[Variant], library: Mapping[str, str], prefix: str
) -> dict[str, str]:
    """The sources of a library, under names and with symbols of its own.

    Args:
        variants: the model for one or for each kind of kernels.
        library: kernels and camera: texts by the names that generated code includes.
        prefix: of all symbols.
    Returns:
        Texts by path below the folder of sources.
    """
    texts = {name: text for variant in variants for name, text in variant.texts.items()}
    every = {
        f"{place}/{name}": text
        for place, variant in enumerate(variants)
        for name, text in variant.texts.items()
    }
    needed = called_sources(every, library)
    symbols = {symbol for symbol, name in linked_symbols(library).items() if name in needed}
    symbols |= {begin for name in needed for begin in pasted_beginnings(library[name])}
    symbols |= {symbol for text in every.values() for symbol in generated_symbols(text)}
    names = {symbol: own_name(symbol, prefix) for symbol in sorted(symbols)}
    # Files that are called like what they define keep doing so, and includes find them.
    names |= {"model_camera": own_name("model_camera", prefix)}
    files = {
        _LIBRARY_FOLDER + renamed(name, names): renamed(library[name], names) for name in needed
    }
    for variant in variants:
        folder = variant.plan.target.value
        for name, text in variant.texts.items():
            own = renamed(_with_library_folder(text, library), names)
            if name.endswith(".c") and len(variants) > 1:
                own = _only_if(_CONDITIONS[variant.plan.target], own, prefix)
            files[f"{folder}/{renamed(name, names)}"] = own
    folders = [variant.plan.target.value for variant in variants]
    headers = {"model.h": f"{prefix}.h", "model_camera.h": f"{prefix}_camera.h"}
    for header, public in headers.items():
        if header in texts:
            files[public] = (
                environment()
                .get_template("export/public.h.jinja")
                .render(
                    guard=f"{prefix.upper()}_{'CAMERA_' if 'camera' in header else ''}LIBRARY_H_",
                    condition=_CONDITIONS[KernelTarget.DSP],
                    includes=[f"{folder}/{renamed(header, names)}" for folder in folders],
                )
            )
    return dict(sorted(files.items()))


def _with_library_folder(text: str, library: Mapping[str, str]) -> str:
    """Includes of the library lead to its folder, beside the model's."""

    def lead(match: re.Match[str]) -> str:
        found = find_include("", match[1], library)
        return f'#include "../{_LIBRARY_FOLDER}{found}"' if found else match[0]

    return re.sub(r'^#include "([^"]+)"', lead, text, flags=re.MULTILINE)


def _only_if(condition: str, text: str, prefix: str) -> str:
    """Source text for some cores only; C allows no file that is empty for the others."""
    # Below the comment that says what made the file.
    rest = re.sub(r"\A(//[^\n]*\n)*", "", text)
    head = text.removesuffix(rest)
    return (
        f"{head}#if {condition}\n{rest.rstrip()}\n"
        f"#else\ntypedef int {prefix}_is_compiled_for_other_cores;\n#endif\n"
    )


def ov7675_names(camera: CameraFormat) -> tuple[str, str] | None:
    """What the OV7675's library calls such frames; None where it cannot deliver them."""
    size = _OV7675_SIZES.get((camera.width, camera.height))
    kind = _OV7675_FORMATS.get(camera.pixels)
    return None if size is None or kind is None else (size, kind)


def esp_camera_names(camera: CameraFormat) -> tuple[str, str, str] | None:
    """What the ESP32-CAM's driver calls such frames, and where it is to keep one."""
    size = _ESP_SIZES.get((camera.width, camera.height))
    kind = _ESP_FORMATS.get(camera.pixels)
    place = "DRAM" if camera.frame_bytes <= _LARGEST_IN_DRAM else "PSRAM"
    return None if size is None or kind is None else (size, kind, f"CAMERA_FB_IN_{place}")


def render_export(view: ExportView) -> dict[str, str]:
    """All files of an export but the sources and the licence: texts by path."""
    files = {"README.md": _text("README.md", view), **_RENDER[view.kind](view)}
    return dict(sorted(files.items()))


def _text(template: str, view: ExportView, example: str = "") -> str:
    """A rendered template; `example` is the name of the one that it is for."""
    found = environment().get_template(f"export/{template}.jinja")
    return str(found.render(view=view, example=example))


def _sketches(view: ExportView) -> dict[str, str]:
    """Arduino sketches by their names."""
    names = ["one_inference"]
    names += ["camera_ov7675"] if view.ov7675 else []
    names += ["camera_esp32cam"] if view.esp_camera else []
    return {name: _text(f"{name}.ino", view) for name in names}


def _arduino(view: ExportView) -> dict[str, str]:
    files = {f"examples/{name}/{name}.ino": text for name, text in _sketches(view).items()}
    return {"library.properties": _text("library.properties", view), **files}


def _platformio(view: ExportView) -> dict[str, str]:
    sketches = _sketches(view)
    manifest = {
        "name": view.name,
        "version": view.version,
        "description": f"The model {view.model} as C11 without dependencies, made by Espalier",
        "keywords": ["tinyml", "int8", "neural network"],
        "license": "Apache-2.0",
        "frameworks": "*",
        "platforms": "*",
        "headers": [f"{view.name}.h", *([f"{view.name}_camera.h"] if view.camera else [])],
        "build": {"srcDir": "src", "includeDir": "src", "flags": ["-O2"]},
        "examples": [
            {"name": name, "base": f"examples/{name}", "files": ["platformio.ini", "src/main.cpp"]}
            for name in sketches
        ],
    }
    files = {"library.json": json.dumps(manifest, indent=2) + "\n"}
    for name, text in sketches.items():
        files[f"examples/{name}/src/main.cpp"] = text
        files[f"examples/{name}/platformio.ini"] = _text("platformio.ini", view, name)
    return files


def _esp_idf(view: ExportView) -> dict[str, str]:
    files = {
        "CMakeLists.txt": _text("component.CMakeLists.txt", view),
        "idf_component.yml": _text("idf_component.yml", view),
    }
    for example in ["one_inference", *(["camera_esp32cam"] if view.esp_camera else [])]:
        root = f"examples/{example}"
        files[f"{root}/CMakeLists.txt"] = _text("project.CMakeLists.txt", view, example)
        files[f"{root}/main/CMakeLists.txt"] = _text("main.CMakeLists.txt", view)
        if example == "camera_esp32cam":
            files[f"{root}/main/idf_component.yml"] = _text("main.idf_component.yml", view)
        files[f"{root}/main/main.c"] = _text(f"{example}.esp_idf.c", view)
    return files


def _c(view: ExportView) -> dict[str, str]:
    return {
        "CMakeLists.txt": _text("CMakeLists.txt", view),
        "Makefile": _text("Makefile", view),
        "main.c": _text("main.c", view),
    }


_RENDER: Mapping[str, Callable[[ExportView], dict[str, str]]] = {
    "arduino": _arduino,
    "platformio": _platformio,
    "esp-idf": _esp_idf,
    "c": _c,
}
KINDS = tuple(_RENDER)
