"""Peripherals of Nordic's nRF52840, for the Unicorn device (nRF52840 Product Specification)."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.device.virtual import VirtualLine
from pipeline.errors import DeviceError

_HFCLK_START, _HFCLK_STARTED = 0x000, 0x100
_RESET_REASONS = 0x400
# After a loss of power no reason is set.
_REASONS = {"power-on": 0, "pin": 1 << 0, "software": 1 << 2}

_START_RX, _START_TX = 0x000, 0x008
_RX_ENDED, _TX_ENDED = 0x110, 0x120
_ENABLE = 0x500
_ENABLED = 8
_RX_POINTER, _RX_CAPACITY = 0x534, 0x538
_TX_POINTER, _TX_SIZE = 0x544, 0x548


class Settings:
    """Registers that change nothing of what is emulated: what is written is read back."""

    def __init__(self) -> None:
        self._registers: dict[int, int] = {}

    def read(self, offset: int) -> int:
        """A register."""
        return self._registers.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        """Set a register."""
        self._registers[offset] = value


class ClockAndPower(Settings):
    """CLOCK and POWER: the crystal starts at once; reasons of resets stay until they are cleared.

    Args:
        reset_cause: "power-on", "pin" or "software".
    """

    def __init__(self, reset_cause: str) -> None:
        super().__init__()
        self._registers[_RESET_REASONS] = _REASONS[reset_cause]

    def write(self, offset: int, value: int) -> None:
        """Set a register."""
        if offset == _RESET_REASONS:
            value = self.read(offset) & ~value
        elif offset == _HFCLK_START:
            self._registers[_HFCLK_STARTED] = 1
        super().write(offset, value)


class Uarte(Settings):
    """UARTE: moves bytes between the line and RAM by EasyDMA.

    Args:
        line: what it is connected to.
        read_ram, write_ram: of the machine; they return None or False outside of its RAM.
    """

    def __init__(
        self,
        line: VirtualLine,
        read_ram: Callable[[int, int], bytes | None],
        write_ram: Callable[[int, bytes], bool],
    ) -> None:
        super().__init__()
        self._line = line
        self._read_ram = read_ram
        self._write_ram = write_ram
        # Where the next byte goes, and for how many there is room.
        self._next = self._room = 0

    def read(self, offset: int) -> int:
        """A register of the UARTE; bytes arrive when the firmware asks whether they have."""
        if offset == _RX_ENDED and not self._registers.get(_RX_ENDED):
            self._receive()
        return super().read(offset)

    def write(self, offset: int, value: int) -> None:
        """Set a register, or start a task."""
        super().write(offset, value)
        if not value or self.read(_ENABLE) != _ENABLED:
            return
        if offset == _START_RX:
            self._next, self._room = self.read(_RX_POINTER), self.read(_RX_CAPACITY)
        elif offset == _START_TX:
            address, size = self.read(_TX_POINTER), self.read(_TX_SIZE)
            data = self._read_ram(address, size)
            if data is None:
                raise _out_of_reach(address, size)
            self._line.send(data)
            self._registers[_TX_ENDED] = 1

    def _receive(self) -> None:
        while self._line.poll():
            if not self._room:
                return
            if not self._write_ram(self._next, bytes([self._line.take()])):
                raise _out_of_reach(self._next, self._room)
            self._next += 1
            self._room -= 1
            if not self._room:
                self._registers[_RX_ENDED] = 1
                return


def _out_of_reach(address: int, size: int) -> DeviceError:
    return DeviceError(
        f"unicorn: EasyDMA must be given RAM. Received: {size} bytes at 0x{address:08x}. The port "
        "of the board has to copy them."
    )
