"""Unicorn: the firmware on an emulated Cortex-M4 inside this process.

Time is virtual: one instruction takes 1 ns, as in QEMU with -icount shift=0 (or one estimated cycle
does, where the device is asked for those), and each time the firmware polls its empty serial line
the clock jumps, up to the time that the host is willing to wait. So a silence of half a second
passes in a moment, and never counts as work.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.device.base import Deadline, Device
from pipeline.device.cmsdk import DualTimer, Uart
from pipeline.device.count import BlockCounter
from pipeline.device.cycles import block_cost
from pipeline.device.elf import entry_point, load_segments, symbol_at
from pipeline.errors import ConfigError, DeviceError, MissingToolError


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Memory of a machine; `writable` is False where only the host may write."""

    base: int
    size_bytes: int
    writable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the emulated board has: memories, CMSDK UART and timer, instructions per tick.

    Where the device estimates cycles, a tick is as many of those.
    """

    memories: tuple[Memory, ...]
    uart: int
    timer: int
    instructions_per_tick: int


MACHINES = {
    # Arm DAI 0386: SSRAM 1 at 0 (code), SSRAM 2 and 3, PSRAM; the timer counts at 25 MHz.
    "mps2_an386": Machine(
        memories=(
            Memory(base=0x00000000, size_bytes=4 << 20, writable=False),
            Memory(base=0x20000000, size_bytes=4 << 20, writable=True),
            Memory(base=0x21000000, size_bytes=16 << 20, writable=True),
        ),
        uart=0x40004000,
        timer=0x40002000,
        instructions_per_tick=40,
    ),
}

_PAGE_BYTES = 0x1000
_SYSTEM_CONTROL = 0xE000E000
_AIRCR = 0xD0C
_AIRCR_RESET = 0x05FA0004
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
        self._machine = MACHINES[board]
        self._elf_path = elf_path
        self._flash_wait_states = flash_wait_states
        self._use_native = use_native
        self._counting = True
        self._uc: Any = None
        self._uart = Uart(self._on_empty_poll)
        self._reset_requested = False

    def open(self) -> None:
        """Load the firmware; the core runs only while somebody reads."""
        try:
            import unicorn
        except ImportError as error:
            raise MissingToolError(
                "unicorn: expected the Python package 'unicorn'. Received: none. Install it "
                "(pip install unicorn), or use --emulator qemu."
            ) from error
        self.close()
        uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        uc.ctl_set_cpu_model(unicorn.arm_const.UC_CPU_ARM_CORTEX_M4)
        wait_states = self._flash_wait_states
        cost = None if wait_states is None else partial(block_cost, flash_wait_states=wait_states)
        self._counter = BlockCounter(cost, self._use_native)
        self._memories = []
        for memory in self._machine.memories:
            content = ctypes.create_string_buffer(memory.size_bytes)
            rights = unicorn.UC_PROT_ALL if memory.writable else unicorn.UC_PROT_ALL & ~2
            uc.mem_map_ptr(memory.base, memory.size_bytes, rights, ctypes.addressof(content))
            self._counter.add_region(content, memory.base, constant=not memory.writable)
            # Unicorn reads and writes this memory for as long as it lives.
            self._memories.append(content)
        for address, data in load_segments(self._elf_path):
            self._place(address, data)
        self._map_registers(uc)
        stack, self._pc = entry_point(ctypes.string_at(self._memories[0], 8))
        uc.reg_write(unicorn.arm_const.UC_ARM_REG_SP, stack)
        self._uc = uc
        if self._counting:
            self._counter.attach(uc)

    def close(self) -> None:
        """Drop the core."""
        if self._uc is not None:
            self._counter.detach()
        self._uc = None
        self._memories = []
        self._reset_requested = False
        self._uart.clear()

    def write(self, data: bytes) -> None:
        """Send bytes; the firmware takes them while somebody reads."""
        self._check_open()
        self._uart.received += data

    def read(self, deadline: Deadline) -> bytes:
        """Run the core until it has sent something, or has been idle up to the deadline."""
        self._check_open()
        self._idle_left = round(deadline.remaining_s * self._timer.ticks_per_second)
        self._idle = False
        while not self._uart.sent and not self._idle:
            self._run(deadline)
            if self._reset_requested:
                sent = bytes(self._uart.sent)
                self.open()
                return sent or self.read(deadline)
            if deadline.expired:
                break
        data = bytes(self._uart.sent)
        self._uart.sent.clear()
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
            raise self._crash(error) from error
        finally:
            watchdog.cancel()
            self._pc = uc.reg_read(unicorn.arm_const.UC_ARM_REG_PC)
        self._counter.check()

    def _on_empty_poll(self) -> None:
        """The firmware found nothing on its line: it is idle until the host sends or waits."""
        self._idle_left -= self._timer.pass_idle(self._idle_left)
        if self._uart.sent or self._idle_left <= 0:
            self._idle = True
            self._uc.emu_stop()

    def _map_registers(self, uc: Any) -> None:
        self._timer = DualTimer(self._ticks_of_work)
        self._uncounted_ticks = 0
        registers: dict[int, int] = {}

        def read_control(_uc: Any, offset: int, _size: int, _data: Any) -> int:
            return registers.get(offset, 0)

        def write_control(_uc: Any, offset: int, _size: int, value: int, _data: Any) -> None:
            if offset == _AIRCR and value & 0xFFFF0004 == _AIRCR_RESET:
                self._reset_requested = True
                uc.emu_stop()
            registers[offset] = value

        for base, read, write in (
            (self._machine.uart, self._uart.read, self._uart.write),
            (self._machine.timer, self._timer.read, self._timer.write),
            (_SYSTEM_CONTROL, read_control, write_control),
        ):
            uc.mmio_map(base, _PAGE_BYTES, read, None, write, None)

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

    def _crash(self, error: Exception) -> DeviceError:
        from unicorn.arm_const import UC_ARM_REG_LR, UC_ARM_REG_PC

        places = []
        for name, register in (("pc", UC_ARM_REG_PC), ("lr", UC_ARM_REG_LR)):
            address = self._uc.reg_read(register)
            symbol = symbol_at(self._elf_path, address)
            places.append(f"{name} 0x{address:08x}" + (f" in {symbol}" if symbol else ""))
        said = bytes(self._uart.sent[-200:])
        with contextlib.suppress(DeviceError):
            self.close()
        return DeviceError(
            f"unicorn: the firmware crashed at {', '.join(places)}: {error}. It had just sent "
            f"{said!r}. Look at its stack and RAM sizes; if it is not yours, report a bug."
        )

    def _check_open(self) -> None:
        if self._uc is None:
            raise DeviceError("unicorn: the device is not open. Use it in a with statement.")
