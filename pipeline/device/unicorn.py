"""Unicorn: the firmware on an emulated Cortex-M4 inside this process.

Time is virtual: so many instructions make one tick of the machine's timer (or so many estimated
cycles, where the device is asked for those), and each time the firmware polls its empty serial line
the clock jumps, up to the time that the host is willing to wait. So a silence of half a second
passes in a moment, and never counts as work.

A fault takes the core to the firmware's own handler, as on a board. Only where there is none, or
the handler faults itself, is that the end.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.device.base import Deadline, Device
from pipeline.device.cortex_m import SystemControl, enter_fault
from pipeline.device.count import BlockCounter
from pipeline.device.cycles import block_cost
from pipeline.device.elf import entry_point, load_segments, symbol_at
from pipeline.device.machines import MACHINES, Machine, Registers, Surroundings
from pipeline.device.virtual import VirtualClock, VirtualLine
from pipeline.errors import ConfigError, DeviceError, MissingToolError

_PAGE_BYTES = 0x1000
# No address: the core runs until it is stopped.
_NOWHERE = 0xFFFFFFFE


class UnicornDevice(Device):
    """A board emulated by Unicorn.

    Args:
        board: name of the board.
        elf_path: the firmware.
        flash_wait_states: None for a timer that counts instructions; a number for one that
            counts estimated cycles of a Cortex-M4 (pipeline/device/cycles.py).
        use_native: None to count with compiled code where possible; False not to.
    """

    kind = "unicorn"
    clock = "instructions"

    def __init__(
        self,
        board: str,
        elf_path: Path,
        *,
        flash_wait_states: int | None = None,
        use_native: bool | None = None,
    ) -> None:
        if board not in MACHINES:
            raise ConfigError(
                f"unicorn: expected one of the boards {', '.join(MACHINES)}. Received: '{board}'."
            )
        self._machine: Machine = MACHINES[board]
        self._elf_path = elf_path
        self._flash_wait_states = flash_wait_states
        self._use_native = use_native
        self._counting = True
        self._uc: Any = None
        self._counter: BlockCounter
        self._memories: list[ctypes.Array[ctypes.c_char]] = []
        self._line = VirtualLine(self._on_idle)
        self._reset_requested = False

    def open(self) -> None:
        """Load the firmware; the core runs only while somebody reads."""
        self.close()
        self._memories = [
            ctypes.create_string_buffer(memory.size_bytes) for memory in self._machine.memories
        ]
        for address, data in load_segments(self._elf_path):
            self._place(address, data)
        self._start("power-on")

    def close(self) -> None:
        """Drop the core."""
        if self._uc is not None:
            self._counter.detach()
        self._uc = None
        self._memories = []
        self._reset_requested = False
        self._line.clear()

    def reset(self) -> None:
        """Restart the firmware; its RAM stays as it is, as behind a reset pin."""
        self._check_open()
        self._line.clear()
        self._start("pin")

    def write(self, data: bytes) -> None:
        """Send bytes; the firmware takes them while somebody reads."""
        self._check_open()
        self._line.feed(data)

    def read(self, deadline: Deadline) -> bytes:
        """Run the core until it has sent something, or has been idle up to the deadline."""
        self._check_open()
        self._idle_left = round(deadline.remaining_s * self._machine.ticks_per_second)
        self._idle = False
        while not self._line.sent and not self._idle:
            self._run(deadline)
            if self._reset_requested:
                # What it had said, and what it has not yet taken, goes on across its restart.
                self._start("software")
            if deadline.expired:
                break
        data = bytes(self._line.sent)
        self._line.sent.clear()
        return data

    def count_instructions(self, enabled: bool) -> None:
        """Turn exact counting on or off; off, the core runs at full speed."""
        if enabled == self._counting:
            return
        self._counting = enabled
        if self._uc is not None and enabled:
            self._counter.attach(self._uc)
        elif self._uc is not None:
            self._counter.detach()

    def _start(self, reset_cause: str) -> None:
        """Let a fresh core begin at the reset vector of the memories as they are."""
        try:
            import unicorn
        except ImportError as error:
            raise MissingToolError(
                "unicorn: expected the Python package 'unicorn'. Received: none. Install it "
                "(pip install unicorn), or use --emulator qemu."
            ) from error
        if self._uc is not None:
            self._counter.detach()
        uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        uc.ctl_set_cpu_model(unicorn.arm_const.UC_CPU_ARM_CORTEX_M4)
        wait_states = self._flash_wait_states
        cost = None if wait_states is None else partial(block_cost, flash_wait_states=wait_states)
        self._counter = BlockCounter(cost, self._use_native)
        for memory, content in zip(self._machine.memories, self._memories, strict=True):
            rights = unicorn.UC_PROT_ALL if memory.writable else unicorn.UC_PROT_ALL & ~2
            uc.mem_map_ptr(memory.base, memory.size_bytes, rights, ctypes.addressof(content))
            self._counter.add_region(content, memory.base, constant=not memory.writable)
        self._map_registers(uc, reset_cause)
        uc.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._note_address)
        stack, self._pc = entry_point(ctypes.string_at(self._memories[0], 8))
        uc.reg_write(unicorn.arm_const.UC_ARM_REG_SP, stack)
        self._uc = uc
        self._reset_requested = self._in_fault = False
        self._unreachable = 0
        if self._counting:
            self._counter.attach(uc)

    def _run(self, deadline: Deadline) -> None:
        """Run the core until it is idle with something to show, wants a reset or time is up."""
        import unicorn

        uc = self._uc
        # Unicorn's own timeout wakes up every few microseconds; a thread that sleeps costs nothing.
        watchdog = threading.Timer(deadline.remaining_s, uc.emu_stop)
        watchdog.daemon = True
        watchdog.start()
        try:
            uc.emu_start(self._pc | 1, _NOWHERE)
        except unicorn.UcError as error:
            if not self._enter_fault(error.errno):
                raise self._crash(error) from error
        finally:
            watchdog.cancel()
            self._pc = uc.reg_read(unicorn.arm_const.UC_ARM_REG_PC)
        self._counter.check()

    def _on_idle(self) -> None:
        """The firmware found nothing on its line: it is idle until the host sends or waits."""
        self._idle_left -= self._clock.pass_idle(self._idle_left)
        if self._line.sent or self._idle_left <= 0:
            self._idle = True
            self._uc.emu_stop()

    def _map_registers(self, uc: Any, reset_cause: str) -> None:
        def request_reset() -> None:
            self._reset_requested = True
            uc.emu_stop()

        self._clock = VirtualClock(self._machine.ticks_per_second, self._ticks_of_work)
        self._uncounted_ticks = 0
        self._system = SystemControl(request_reset)
        peripherals = self._machine.peripherals(
            Surroundings(
                clock=self._clock,
                line=self._line,
                system=self._system,
                reset_cause=reset_cause,
                read_ram=self._read_ram,
                write_ram=self._write_ram,
            )
        )
        _map_page(uc, SystemControl.base, self._system)
        for base, registers in peripherals.items():
            _map_page(uc, base, registers)

    def _ticks_of_work(self) -> int:
        """Ticks for the work so far; without counting, time only must not stand still."""
        if not self._counting:
            self._uncounted_ticks += 1
        counter = self._counter
        work = counter.instructions if self._flash_wait_states is None else counter.cycles
        return work // self._machine.instructions_per_tick + self._uncounted_ticks

    def _place(self, address: int, data: bytes) -> None:
        for memory, content in zip(self._machine.memories, self._memories, strict=True):
            offset = address - memory.base
            if offset >= 0 and offset + len(data) <= memory.size_bytes:
                ctypes.memmove(ctypes.addressof(content) + offset, data, len(data))
                return
        raise DeviceError(
            f"unicorn: {self._elf_path.name} has {len(data)} bytes at 0x{address:08x}, where the "
            "board has no memory. Build the firmware for this board."
        )

    def _ram_at(self, address: int, size: int) -> int | None:
        """Where bytes of RAM lie in this process, or None if there are no such bytes."""
        for memory, content in zip(self._machine.memories, self._memories, strict=True):
            offset = address - memory.base
            if memory.writable and offset >= 0 and offset + size <= memory.size_bytes:
                return ctypes.addressof(content) + offset
        return None

    def _read_ram(self, address: int, size: int) -> bytes | None:
        place = self._ram_at(address, size)
        return None if place is None else ctypes.string_at(place, size)

    def _write_ram(self, address: int, data: bytes) -> bool:
        place = self._ram_at(address, len(data))
        if place is not None:
            ctypes.memmove(place, data, len(data))
        return place is not None

    def _note_address(
        self, _uc: Any, _access: int, address: int, _size: int, _value: int, _data: Any
    ) -> bool:
        """Keep what the core could not reach: Unicorn's error does not say it."""
        self._unreachable = address
        return False

    def _enter_fault(self, error_number: int) -> bool:
        """Let the core go on in its fault handler; False where it has none, or is in it."""
        handler = int.from_bytes(ctypes.string_at(self._memories[0], 16)[12:], "little")
        if self._in_fault or not handler & 1:
            return False
        self._in_fault = enter_fault(
            self._uc, error_number, self._unreachable, self._system, handler, self._write_ram
        )
        return self._in_fault

    def _crash(self, error: Exception) -> DeviceError:
        from unicorn.arm_const import UC_ARM_REG_LR, UC_ARM_REG_PC

        places = []
        for name, register in (("pc", UC_ARM_REG_PC), ("lr", UC_ARM_REG_LR)):
            address = self._uc.reg_read(register)
            symbol = symbol_at(self._elf_path, address)
            places.append(f"{name} 0x{address:08x}" + (f" in {symbol}" if symbol else ""))
        said = bytes(self._line.sent[-200:])
        with contextlib.suppress(DeviceError):
            self.close()
        return DeviceError(
            f"unicorn: the firmware crashed at {', '.join(places)}: {error}. It had just sent "
            f"{said!r}. Look at its stack and RAM sizes; if it is not yours, report a bug."
        )

    def _check_open(self) -> None:
        if self._uc is None:
            raise DeviceError("unicorn: the device is not open. Use it in a with statement.")


def _map_page(uc: Any, base: int, registers: Registers) -> None:
    def read(_uc: Any, offset: int, _size: int, _data: Any) -> int:
        return registers.read(offset)

    def write(_uc: Any, offset: int, _size: int, value: int, _data: Any) -> None:
        registers.write(offset, value)

    uc.mmio_map(base, _PAGE_BYTES, read, None, write, None)
