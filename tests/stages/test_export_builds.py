"""Exports compiled and run as their users do, as far as this machine's compilers go."""

from __future__ import annotations

import configparser
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from pipeline.build.platformio import _write_core_folder
from pipeline.data.frames import frame_to_input, parse_camera
from pipeline.paths import firmware_path
from pipeline.reference import ReferenceModel
from tests.data.camera_frames import encode_frame, pictures
from tests.random_draw import SeededDraw
from tests.random_models import random_operator
from tests.random_operators import OPERATORS
from tests.shared import REFERENCE_MODELS, shared_path
from tests.small_models import residual_network
from tests.stages.exports import (
    MODELS,
    STANDINS,
    STRICT,
    c_sources,
    close_to,
    compiled,
    contents,
    export,
    host_c,
    printed_values,
    run,
)

AS_EXPECTED = "outputs: as TFLite's"
_ARM = ("-mcpu=cortex-m4", "-mthumb")


def build_c(folder: Path) -> Path:
    """The program of a C export."""
    program = folder / "program"
    sources = [folder / "main.c", *c_sources(folder)]
    run(*host_c(), "-std=c11", *STRICT, "-Wpedantic", f"-I{folder}/src", *sources, "-o", program)
    return program


@pytest.mark.slow
@pytest.mark.parametrize("board", ["", "host", "mps2_an386"])
@pytest.mark.parametrize("model", MODELS)
def test_c(model: str, board: str, tmp_path: Path) -> None:
    folder = export(tmp_path, "c", model=MODELS[model](), board=board)
    assert AS_EXPECTED in run(build_c(folder))


@pytest.mark.slow
@pytest.mark.parametrize("name", REFERENCE_MODELS)
def test_reference_models(name: str, tmp_path: Path) -> None:
    model = shared_path(f"models/{name}.tflite").read_bytes()
    assert AS_EXPECTED in run(build_c(export(tmp_path, "c", model=model)))


def test_the_example_notices_other_outputs(tmp_path: Path) -> None:
    folder = export(tmp_path, "c")
    main = folder / "main.c"
    main.write_text(main.read_text().replace("uint32_t state = 1;", "uint32_t state = 2;"))
    done = subprocess.run([build_c(folder)], capture_output=True, check=False)
    assert (done.returncode, b"outputs: WRONG" in done.stdout) == (1, True)


@pytest.mark.slow
@pytest.mark.needs("make", "cc")
def test_makefile(tmp_path: Path) -> None:
    folder = export(tmp_path, "c")
    assert AS_EXPECTED in run("make", "-C", folder, "run", "CFLAGS=-O1 -Wall -Wextra -Werror")
    run("make", "-C", folder, "clean")
    assert not (folder / "tiny").exists()


@pytest.mark.slow
@pytest.mark.needs("cmake", "cc")
def test_cmake(tmp_path: Path) -> None:
    folder = export(tmp_path, "c", camera="32x24:rgb565")
    run("cmake", "-S", folder, "-B", tmp_path / "build")
    run("cmake", "--build", tmp_path / "build")
    assert AS_EXPECTED in run(tmp_path / "build" / "one_inference")


def sketch_folder(folder: Path, example: str) -> Path:
    return folder / "examples" / example / f"{example}.ino"


@pytest.fixture
def build_sketch(tmp_path: Path) -> Callable[[Path, str], Path]:
    """Compiles sketches of an export as Arduino does: each file alone, only src included."""
    numbers = itertools.count()

    def build(folder: Path, example: str) -> Path:
        out = tmp_path / f"objects{next(numbers)}"
        flags = (*STRICT, f"-I{folder}/src", f"-I{STANDINS}/arduino", f"-I{STANDINS}/esp_camera")
        camera = STANDINS / "esp_camera" / "esp_camera.c"
        compiled([*host_c(), "-std=gnu11"], [*c_sources(folder), camera], out, *flags)
        cpp = ("-std=gnu++14", "-fno-exceptions", "-fno-rtti", *flags, "-x", "c++")
        for source in (sketch_folder(folder, example), STANDINS / "arduino" / "standins.cc"):
            run(*host_c(), *cpp, "-c", source, "-o", out / f"{source.stem}.o")
        run(*host_c(), *sorted(out.glob("*.o")), "-o", out / "program")
        return out / "program"

    return build


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_arduino(model: str, build_sketch: Callable[[Path, str], Path], tmp_path: Path) -> None:
    folder = export(tmp_path, "arduino", model=MODELS[model]())
    assert AS_EXPECTED in run(build_sketch(folder, "one_inference"))


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["160x120:rgb565", "176x144:grey"])
@pytest.mark.parametrize("example", ["camera_ov7675", "camera_esp32cam"])
def test_camera_sketches_print_what_the_reference_says(
    spec: str, example: str, build_sketch: Callable[[Path, str], Path], tmp_path: Path
) -> None:
    program = build_sketch(export(tmp_path, "arduino", camera=spec), example)
    check_camera(program, spec)


def check_camera(program: Path, spec: str) -> None:
    """Frames through a camera's example and through the reference give the same lines."""
    camera = parse_camera(spec)
    frames = [encode_frame(picture, camera) for picture in pictures()]
    lines = run(program, stdin=b"".join(frames)).splitlines()
    results = [printed_values(line) for line in lines if line.startswith("output 0:")]
    reference = ReferenceModel(residual_network())
    x = np.stack([frame_to_input(frame, camera, (6, 6, 3), "int8") for frame in frames])
    scale, zero_point = reference.output_quantization
    (y,) = reference.run((x,))
    assert len(results) == len(frames)
    for values, row in zip(results, scale * (y.astype(float) - zero_point), strict=True):
        assert close_to(values, row)


@pytest.mark.slow
@pytest.mark.needs("arm-none-eabi-g++")
@pytest.mark.parametrize("example", ["one_inference", "camera_ov7675"])
def test_sketches_compile_for_the_nano(example: str, tmp_path: Path) -> None:
    folder = export(tmp_path, "arduino", camera="160x120:rgb565")
    flags = (*STRICT, *_ARM, f"-I{folder}/src", f"-I{STANDINS}/arduino")
    compiled(["arm-none-eabi-gcc", "-std=gnu11"], c_sources(folder), tmp_path / "c", *flags)
    cpp = ("-std=gnu++14", "-fno-exceptions", "-fno-rtti", *flags, "-x", "c++")
    sketch = sketch_folder(folder, example)
    run("arm-none-eabi-g++", *cpp, "-c", sketch, "-o", tmp_path / "sketch.o")


@pytest.mark.slow
@pytest.mark.emulator
@pytest.mark.needs("arm-none-eabi-gcc", "qemu-system-arm")
@pytest.mark.parametrize("model", MODELS)
def test_c_on_an_emulated_core_takes_the_dsp_kernels(model: str, tmp_path: Path) -> None:
    folder = export(tmp_path, "c", model=MODELS[model]())
    core = STANDINS / "cortex_m4"
    gcc = ("arm-none-eabi-gcc", *_ARM)
    start = run(*gcc, "-print-file-name=rdimon-crt0.o").strip()
    program = folder / "program.elf"
    link = ("-nostartfiles", "--specs=rdimon.specs", "-T", core / "program.ld", start)
    sources = [core / "vectors.c", folder / "main.c", *c_sources(folder)]
    run(*gcc, "-std=gnu11", "-O2", f"-I{folder}/src", *sources, *link, "-o", program)
    qemu = ("qemu-system-arm", "-M", "mps2-an386", "-nographic", "-monitor", "none")
    qemu += ("-serial", "none", "-semihosting-config", "enable=on,target=native")
    assert AS_EXPECTED in run(*qemu, "-kernel", program)
    assert any(name.endswith("_dsp_s8") for name in run("arm-none-eabi-nm", program).split())


@pytest.mark.slow
@pytest.mark.parametrize(
    "compiler",
    [
        pytest.param((name, *flags), marks=pytest.mark.needs(name), id=name)
        for name, *flags in (
            ("riscv64-unknown-elf-gcc", "-march=rv32imc", "-mabi=ilp32"),
            ("xtensa-lx106-elf-gcc", "-mlongcalls", "-mtext-section-literals"),
        )
    ],
)
def test_sources_compile_for_the_cores_of_esp32s(compiler: tuple[str, ...], tmp_path: Path) -> None:
    folder = export(tmp_path, "esp-idf", camera="160x120:rgb565")
    bare = ("-ffreestanding", "-isystem", firmware_path() / "lib" / "freestanding" / "include")
    compiled([*compiler, "-std=gnu99"], c_sources(folder), tmp_path / "o", *STRICT, *bare)


@pytest.mark.slow
@pytest.mark.parametrize("example", ["one_inference", "camera_esp32cam"])
def test_esp_idf(example: str, tmp_path: Path) -> None:
    folder = export(tmp_path, "esp-idf", camera="160x120:rgb565")
    program = folder / "program"
    sources = [folder / "examples" / example / "main" / "main.c", *c_sources(folder)]
    sources += [STANDINS / "esp_idf" / "main.c", STANDINS / "esp_camera" / "esp_camera.c"]
    includes = [f"-I{STANDINS}/esp_idf", f"-I{STANDINS}/esp_camera", f"-I{folder}/src"]
    run(*host_c(), "-std=c11", *STRICT, *includes, *sources, "-o", program)
    if example == "one_inference":
        assert AS_EXPECTED in run(program)
    else:
        check_camera(program, "160x120:rgb565")


def test_esp_idf_lists_its_sources(tmp_path: Path) -> None:
    files = contents(export(tmp_path, "esp-idf", camera="32x24:grey"))
    text = files["CMakeLists.txt"].decode()
    for name in files:
        assert (f'"{name}"' in text) == (name.startswith("src/") and name.endswith(".c")), name


@pytest.mark.slow
def test_platformio_finds_and_builds_the_library(tmp_path: Path) -> None:
    """PlatformIO itself reads the manifest and compiles an example, on this computer."""
    library = export(tmp_path, "platformio", camera="160x120:rgb565")
    project = library / "examples" / "one_inference"
    for name in ("Arduino.h", "Arduino_OV767X.h", "standins.cc"):
        (project / "src" / name).write_bytes((STANDINS / "arduino" / name).read_bytes())
    ini = project / "platformio.ini"
    # What the example says of every board, with this computer for a board.
    common = ini.read_text().split("[env]")[1].split("[env:")[0].replace("framework = arduino", "")
    platform = firmware_path() / "platforms" / "host"
    ini.write_text(f"[env:host]\nplatform = symlink://{platform}\n{common}")
    _write_core_folder(tmp_path / "core")
    settings = {
        "PLATFORMIO_CORE_DIR": str(tmp_path / "core"),
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
        "PLATFORMIO_SETTING_CHECK_PLATFORMIO_INTERVAL": "36500",
        "PLATFORMIO_SETTING_CHECK_PRUNE_SYSTEM_THRESHOLD": "0",
        "PLATFORMIO_NO_ANSI": "true",
    }
    done = subprocess.run(
        [sys.executable, "-m", "platformio", "run", "-d", str(project)],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "|-- tiny @ " in done.stdout
    assert AS_EXPECTED in run(project / ".pio/build/host/firmware.elf")


def test_platformio_manifest(tmp_path: Path) -> None:
    """By PlatformIO's own schema, but for the licence, whose names it asks a server for."""
    from platformio.package.manifest.parser import ManifestParserFactory
    from platformio.package.manifest.schema import ManifestSchema

    library = export(tmp_path, "platformio", camera="160x120:rgb565")
    manifest = ManifestParserFactory.new_from_file(str(library / "library.json")).as_dict()
    assert manifest.pop("license") == "Apache-2.0"
    ManifestSchema().load_manifest(manifest)
    raw = json.loads((library / "library.json").read_text())
    files = contents(library)
    assert all(f"src/{header}" in files for header in raw["headers"])
    assert len(raw["examples"]) == 3
    for example in raw["examples"]:
        assert all(f"{example['base']}/{name}" in files for name in example["files"])
        project = configparser.ConfigParser(interpolation=None)
        project.read_string(files[f"{example['base']}/platformio.ini"].decode())
        assert project.has_section(f"env:{project['platformio']['default_envs']}")


def global_symbols(folder: Path) -> set[str]:
    """What the objects of a folder define for a linker."""
    found = set()
    for path in folder.glob("*.o"):
        with path.open("rb") as file:
            table = ELFFile(file).get_section_by_name(".symtab")
            found |= {
                symbol.name
                for symbol in table.iter_symbols()
                if symbol["st_info"]["bind"] != "STB_LOCAL" and symbol["st_shndx"] != "SHN_UNDEF"
            }
    return found


@pytest.mark.slow
@pytest.mark.needs("arm-none-eabi-gcc")
def test_every_name_begins_with_the_exports(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    names = ("-std=c11", *_ARM, "-O1")
    for place, operator in enumerate(OPERATORS):
        model = random_operator(SeededDraw(rng), operator)
        folder = export(tmp_path, "c", model=model, name=f"op{place}")
        objects = compiled(["arm-none-eabi-gcc"], c_sources(folder), folder / "o", *names)
        wrong = {name for name in global_symbols(objects) if not name.startswith(f"op{place}_")}
        assert not wrong, operator
        # All that is called is there.
        linked = folder / "linked.o"
        run("arm-none-eabi-gcc", *_ARM, "-r", "-nostdlib", *objects.glob("*.o"), "-o", linked)
        with linked.open("rb") as file:
            table = ELFFile(file).get_section_by_name(".symtab")
            missing = {s.name for s in table.iter_symbols() if s["st_shndx"] == "SHN_UNDEF"}
        allowed = {"", "memcpy", "memset", "memmove", "memcmp"}
        assert {name for name in missing - allowed if not name.startswith("__aeabi_")} == set()


@pytest.mark.slow
def test_two_exports_meet_in_one_program(tmp_path: Path) -> None:
    folders = [
        export(tmp_path, "c", model=MODELS["several outputs"](), name="one"),
        export(tmp_path, "c", name="two", camera="32x24:rgb565"),
    ]
    main = tmp_path / "main.c"
    main.write_text(
        '#include "one.h"\n#include "two.h"\n#include "two_camera.h"\n'
        "static uint8_t a[ONE_ARENA_BYTES + TWO_ARENA_BYTES]\n"
        "    __attribute__((aligned(ONE_ARENA_ALIGNMENT)));\n"
        "static uint8_t frame[TWO_CAMERA_FRAME_BYTES];\n"
        "int main(void) {\n  one_run(a);\n  two_camera_frame(a, frame);\n  two_run(a);\n"
        "  return 0;\n}\n"
    )
    sources = [main, *(path for folder in folders for path in c_sources(folder))]
    includes = [f"-I{folder}/src" for folder in folders]
    run(*host_c(), "-std=c11", *STRICT, *includes, *sources, "-o", tmp_path / "program")
    run(tmp_path / "program")
