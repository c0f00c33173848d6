"""The portable parts on the processors of ESP32 and ESP32-C3: strict warnings, equal outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.codegen.render import generate
from pipeline.data.inputs import load_inputs
from pipeline.paths import firmware_path
from pipeline.plan.deploy import make_plan
from pipeline.plan.graph import read_graph
from pipeline.records import Array, KernelTarget
from pipeline.reference import ReferenceModel
from tests.arduino import simulated
from tests.cross.machines import MACHINES, RISCV, Machine, compile_sources, run_model
from tests.random_draw import SeededDraw
from tests.random_models import random_graph
from tests.shared import shared_path
from tests.small_models import SMALL_MODELS

CORE = firmware_path() / "lib" / "core"
KERNELS = firmware_path() / "lib" / "kernels"
IDENTITY = [f'-DESPALIER_{key}="x"' for key in ("BUILD_ID", "MODEL_NAME", "BOARD")]

COMPILERS = [
    pytest.param(machine, id=machine.name, marks=pytest.mark.needs(f"{machine.compiler}gcc"))
    for machine in MACHINES
]
EMULATORS = [
    pytest.param(
        machine,
        id=machine.name,
        marks=pytest.mark.needs(f"{machine.compiler}gcc", machine.emulator[0]),
    )
    for machine in MACHINES
]


@pytest.mark.parametrize("machine", COMPILERS)
def test_firmware_compiles_without_a_warning(machine: Machine, tmp_path: Path) -> None:
    folders = [CORE, firmware_path() / "src"]
    sources = [path for folder in folders for path in sorted(folder.glob("*.cc"))]
    sources += [firmware_path() / "lib" / "engine_echo" / "engine_echo.c"]
    # PlatformIO compiles all of them, for boards with SMLAD and without.
    sources += sorted(KERNELS.rglob("*.c"))
    flags = ["-c", f"-I{CORE}", f"-I{KERNELS}", *IDENTITY]
    for source in sources:
        language = ["-fno-exceptions", "-fno-rtti"] if source.suffix == ".cc" else []
        compile_sources(machine, [source], tmp_path / "unit.o", *flags, *language)


@pytest.mark.needs("riscv64-unknown-elf-gcc")
def test_port_of_the_esp32c3_compiles_without_a_warning(tmp_path: Path) -> None:
    """On RISC-V only: the other compiler comes without a C library."""
    folders = [firmware_path() / "lib" / name for name in ("arduino", "arduino_esp32")]
    stand_in = Path(simulated.__file__).parent
    includes = [*folders, CORE, stand_in / "common", stand_in / "esp32"]
    flags = ["-c", *(f"-I{path}" for path in includes), "-fno-exceptions", "-fno-rtti"]
    sources = [path for folder in folders for path in folder.glob("*.cc")]
    assert len(sources) == 2
    for source in sources:
        compile_sources(RISCV, [source], tmp_path / "unit.o", *flags)


@pytest.mark.emulator
@pytest.mark.parametrize("machine", EMULATORS)
@pytest.mark.parametrize("name", sorted(SMALL_MODELS))
def test_small_models_are_bit_exact(name: str, machine: Machine, tmp_path: Path) -> None:
    assert_bit_exact(machine, SMALL_MODELS[name](), tmp_path, samples=8)


@pytest.mark.slow
@pytest.mark.emulator
@pytest.mark.needs("riscv64-unknown-elf-gcc", "qemu-system-riscv32")
@pytest.mark.parametrize("seed", range(6))
def test_random_graphs_are_bit_exact(seed: int, tmp_path: Path) -> None:
    """On RISC-V only: the other compiler's library lacks most of the float functions."""
    model = random_graph(SeededDraw(np.random.default_rng(seed)))
    assert_bit_exact(RISCV, model, tmp_path, samples=4)


@pytest.mark.slow
@pytest.mark.emulator
@pytest.mark.parametrize("machine", EMULATORS)
@pytest.mark.parametrize("name", ["kws_ref_model", "hallaq_pruned_mnv2"])
def test_real_models_are_bit_exact(name: str, machine: Machine, tmp_path: Path) -> None:
    assert_bit_exact(
        machine, shared_path(f"models/{name}.tflite").read_bytes(), tmp_path, samples=2
    )


def assert_bit_exact(machine: Machine, tflite: bytes, folder: Path, *, samples: int) -> None:
    """Run a model on the machine and by TFLite's reference kernels."""
    path = folder / "model.tflite"
    path.write_bytes(tflite)
    plan = make_plan(read_graph(path), KernelTarget.PORTABLE)
    generate(plan, folder / "generate", command="test")
    tensors = [plan.graph.tensors[index] for index in plan.graph.inputs]
    x = load_inputs(
        f"random:3:{samples}",
        shapes=[tensor.shape[1:] for tensor in tensors],
        dtypes=[tensor.dtype for tensor in tensors],
    ).x
    expected = ReferenceModel(tflite).run(x)
    outputs = run_model(machine, folder / "generate", _rows(x), folder)
    assert outputs == _rows(expected)


def _rows(arrays: tuple[Array, ...]) -> list[bytes]:
    """The bytes of all arrays, sample by sample."""
    return [b"".join(row.tobytes() for row in rows) for rows in zip(*arrays, strict=True)]
