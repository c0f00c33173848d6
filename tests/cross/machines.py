"""Machines that stand in for boards whose own compilers cannot be had from a distribution.

They check what a compiler makes of the portable code for that family of processors: code
generation, alignment, byte order. They say nothing about a board's speed.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from pipeline.paths import firmware_path

PROGRAMS = Path(__file__).parent / "programs"
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wvla", "-Wundef", "-Werror")

_FREESTANDING = firmware_path() / "lib" / "freestanding"
_TIMEOUT_S = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A compiler and an emulator.

    Attributes:
        name: of the family of processors.
        compiler: prefix of its programs.
        flags: for compiling and linking.
        link: for linking only.
        sources: start-up and output, beside tests/cross/programs/run_model.c.
        emulator: the command, without the program to run.
    """

    name: str
    compiler: str
    flags: tuple[str, ...]
    link: tuple[str, ...]
    sources: tuple[Path, ...]
    emulator: tuple[str, ...]


# QEMU's machine `sim` with the core of the ESP8266: Xtensa without register windows or FPU.
XTENSA = Machine(
    name="xtensa",
    compiler="xtensa-lx106-elf-",
    flags=(
        *("-ffreestanding", "-nostdlib", "-mlongcalls", "-mtext-section-literals"),
        *("-isystem", str(_FREESTANDING / "include")),
    ),
    link=(f"-T{PROGRAMS / 'xtensa.ld'}", "-Wl,--no-warn-rwx-segments", "-lgcc"),
    sources=(PROGRAMS / "xtensa.c", _FREESTANDING / "string.c"),
    emulator=("qemu-system-xtensa", "-M", "sim", "-cpu", "lx106", "-semihosting"),
)
# QEMU's machine `virt`, with the instructions of an ESP32-C3.
RISCV = Machine(
    name="riscv32",
    compiler="riscv64-unknown-elf-",
    flags=("--specs=picolibc.specs", "-march=rv32imc", "-mabi=ilp32"),
    link=(
        *("--crt0=semihost", "--oslib=semihost"),
        "-Wl,--defsym=__flash=0x80000000,--defsym=__flash_size=0x400000",
        "-Wl,--defsym=__ram=0x80400000,--defsym=__ram_size=0x400000",
    ),
    sources=(PROGRAMS / "riscv.c",),
    emulator=(
        *("qemu-system-riscv32", "-M", "virt", "-bios", "none"),
        *("-semihosting-config", "enable=on,target=native"),
    ),
)
MACHINES = (XTENSA, RISCV)


def compile_sources(machine: Machine, sources: list[Path], out: Path, *flags: str) -> None:
    """Compile C or C++ with strict warnings, or link, as the flags say; `out` is the result."""
    is_cxx = any(path.suffix == ".cc" for path in sources)
    command = [machine.compiler + ("g++" if is_cxx else "gcc")]
    command += ["-std=gnu++14" if is_cxx else "-std=c11", "-O2", "-funsigned-char", *WARNINGS]
    command += [*machine.flags, "-ffunction-sections", "-fdata-sections"]
    command += [str(path) for path in sources]
    answer = subprocess.run(
        [*command, *flags, "-o", str(out)], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr


def run_model(machine: Machine, generated: Path, inputs: list[bytes], folder: Path) -> list[bytes]:
    """Outputs of a generated model for raw inputs, computed on the machine.

    Args:
        machine: compiler and emulator.
        generated: folder with model.c and the other generated sources.
        inputs: all inputs of the model, one after the other, for each sample.
        folder: for what is compiled.
    """
    rows = ",\n".join("{" + ",".join(map(str, sample)) + "}" for sample in inputs)
    (folder / "samples.h").write_text(
        f"enum {{ NUM_SAMPLES = {len(inputs)} }};\n"
        f"static const uint8_t samples[NUM_SAMPLES][{len(inputs[0])}] = {{\n{rows}}};\n"
    )
    kernels = firmware_path() / "lib" / "kernels"
    sources = [PROGRAMS / "run_model.c", *machine.sources, *sorted(kernels.glob("*.c"))]
    sources += sorted(generated.glob("*.c"))
    program = folder / "model.elf"
    includes = [f"-I{path}" for path in (kernels, generated, folder)]
    compile_sources(machine, sources, program, *includes, "-Wl,--gc-sections", *machine.link)
    quiet = ("-display", "none", "-monitor", "none", "-serial", "none", "-no-reboot")
    answer = subprocess.run(
        [*machine.emulator, *quiet, "-kernel", str(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,  # where QEMU shows what semihosting writes
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout
    return [bytes.fromhex(line) for line in answer.stdout.split()]
