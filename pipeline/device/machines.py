"""The machines that Unicorn can be: memories, clock, and what lies at which address.

A new machine is one more entry of MACHINES and the function that it names; peripherals are small
classes with `read` and `write`, one file for each vendor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from pipeline.device import cmsdk, nrf52
from pipeline.device.cortex_m import CycleCounter, SystemControl
from pipeline.device.virtual import VirtualClock, VirtualLine


class Registers(Protocol):
    """A page of registers; offsets are in bytes from its base."""

    def read(self, offset: int) -> int:
        """Value of a register."""

    def write(self, offset: int, value: int) -> None:
        """Set a register."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Memory of a machine; `writable` is False where only the host may write."""

    base: int
    size_bytes: int
    writable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What peripherals get of the machine that they belong to.

    Attributes:
        clock, line, system: as their classes say.
        reset_cause: why the machine starts: "power-on", "pin" or "software".
        read_ram: (address, size in bytes) to the bytes; None where there is no RAM.
        write_ram: writes bytes at an address; False where there is no RAM.
    """

    clock: VirtualClock
    line: VirtualLine
    system: SystemControl
    reset_cause: str
    read_ram: Callable[[int, int], bytes | None]
    write_ram: Callable[[int, bytes], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What an emulated board has.

    Attributes:
        memories: the first one holds the vectors.
        ticks_per_second: of its timer.
        instructions_per_tick: where the device estimates cycles, a tick is as many of those.
        peripherals: makes them, by base address.
    """

    memories: tuple[Memory, ...]
    ticks_per_second: int
    instructions_per_tick: int
    peripherals: Callable[[Surroundings], Mapping[int, Registers]]


def _mps2_an386(around: Surroundings) -> Mapping[int, Registers]:
    return {
        0x40002000: cmsdk.DualTimer(around.clock),
        0x40004000: cmsdk.Uart(around.line),
    }


def _nrf52840(around: Surroundings) -> Mapping[int, Registers]:
    return {
        0x40000000: nrf52.ClockAndPower(around.reset_cause),
        0x40002000: nrf52.Uarte(around.line, around.read_ram, around.write_ram),
        0x4001E000: nrf52.Settings(),  # NVMC, for its instruction cache
        0x50000000: nrf52.Settings(),  # GPIO
        0xE0001000: CycleCounter(around.clock, around.system),
    }


MACHINES = {
    # Arm DAI 0386: SSRAM 1 at 0 (code), SSRAM 2 and 3, PSRAM; the timer counts at 25 MHz.
    "mps2_an386": Machine(
        memories=(
            Memory(base=0x00000000, size_bytes=4 << 20, writable=False),
            Memory(base=0x20000000, size_bytes=4 << 20, writable=True),
            Memory(base=0x21000000, size_bytes=16 << 20, writable=True),
        ),
        ticks_per_second=25_000_000,
        instructions_per_tick=40,
        peripherals=_mps2_an386,
    ),
    "nrf52840": Machine(
        memories=(
            Memory(base=0x00000000, size_bytes=1 << 20, writable=False),
            Memory(base=0x20000000, size_bytes=256 << 10, writable=True),
        ),
        ticks_per_second=64_000_000,
        instructions_per_tick=1,
        peripherals=_nrf52840,
    ),
}
