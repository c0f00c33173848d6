"""The emulated peripherals on their own, register by register."""

from __future__ import annotations

import pytest

from pipeline.device.cortex_m import CycleCounter, SystemControl
from pipeline.device.machines import MACHINES
from pipeline.device.nrf52 import ClockAndPower, Uarte
from pipeline.device.virtual import VirtualClock, VirtualLine
from pipeline.errors import DeviceError

RAM = 0x20000000


class Ram:
    """A little RAM at its usual address."""

    def __init__(self) -> None:
        self.content = bytearray(64)

    def read(self, address: int, size: int) -> bytes | None:
        offset = address - RAM
        return bytes(self.content[offset : offset + size]) if self._has(offset, size) else None

    def write(self, address: int, data: bytes) -> bool:
        offset = address - RAM
        if self._has(offset, len(data)):
            self.content[offset : offset + len(data)] = data
        return self._has(offset, len(data))

    def _has(self, offset: int, size: int) -> bool:
        return 0 <= offset <= len(self.content) - size


class Idle:
    """Counts how often the firmware was found idle."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def make_uarte(*, enabled: bool = True) -> tuple[Uarte, VirtualLine, Ram]:
    line, ram = VirtualLine(Idle()), Ram()
    uarte = Uarte(line, ram.read, ram.write)
    uarte.write(0x500, 8 if enabled else 0)
    return uarte, line, ram


def send(uarte: Uarte, address: int, size: int) -> None:
    uarte.write(0x120, 0)
    uarte.write(0x544, address)
    uarte.write(0x548, size)
    uarte.write(0x008, 1)


class TestUarte:
    def test_sends_from_ram(self) -> None:
        uarte, line, ram = make_uarte()
        ram.content[8:13] = b"hello"
        send(uarte, RAM + 8, 5)
        assert line.sent == b"hello"
        assert uarte.read(0x120) == 1
        uarte.write(0x120, 0)
        assert uarte.read(0x120) == 0

    def test_does_nothing_until_it_is_enabled(self) -> None:
        uarte, line, _ = make_uarte(enabled=False)
        send(uarte, RAM, 5)
        assert (bytes(line.sent), uarte.read(0x120)) == (b"", 0)

    @pytest.mark.parametrize("address", [0x100, RAM + 60], ids=["flash", "beyond RAM"])
    def test_reads_nothing_but_ram(self, address: int) -> None:
        uarte, _, _ = make_uarte()
        with pytest.raises(DeviceError, match=f"given RAM. Received: 5 bytes at 0x{address:08x}"):
            send(uarte, address, 5)

    def test_receives_as_much_as_there_is_room_for(self) -> None:
        uarte, line, ram = make_uarte()
        uarte.write(0x534, RAM + 4)
        uarte.write(0x538, 3)
        line.feed(b"ab")
        assert uarte.read(0x110) == 0  # not yet started
        uarte.write(0x000, 1)
        assert uarte.read(0x110) == 0
        line.feed(b"cd")
        assert uarte.read(0x110) == 1
        assert ram.content[4:8] == b"abc\0"
        uarte.write(0x110, 0)
        uarte.write(0x000, 1)
        assert uarte.read(0x110) == 0
        assert ram.content[4:8] == b"dbc\0"

    def test_writes_nothing_but_ram(self) -> None:
        uarte, line, _ = make_uarte()
        uarte.write(0x534, 0x100)
        uarte.write(0x538, 1)
        uarte.write(0x000, 1)
        line.feed(b"a")
        with pytest.raises(DeviceError, match="given RAM. Received: 1 bytes at 0x00000100"):
            uarte.read(0x110)


@pytest.mark.parametrize(("cause", "reasons"), [("power-on", 0), ("pin", 1), ("software", 4)])
def test_reset_reasons_stay_until_they_are_cleared_by_ones(cause: str, reasons: int) -> None:
    power = ClockAndPower(cause)
    assert power.read(0x400) == reasons
    power.write(0x400, 0)
    assert power.read(0x400) == reasons
    power.write(0x400, 0xFFFFFFFF)
    assert power.read(0x400) == 0


def test_crystal_starts() -> None:
    clock = ClockAndPower("power-on")
    assert clock.read(0x100) == 0
    clock.write(0x000, 1)
    assert clock.read(0x100) == 1


class TestCycleCounter:
    def make(self, *, trace: bool = True) -> tuple[CycleCounter, list[int]]:
        now = [0]
        system = SystemControl(lambda: None)
        counter = CycleCounter(VirtualClock(64_000_000, lambda: now[0]), system)
        system.write(0xDFC, 1 << 24 if trace else 0)
        return counter, now

    def test_counts_from_when_it_is_enabled(self) -> None:
        counter, now = self.make()
        now[0] = 100
        assert counter.read(4) == 0
        counter.write(0, 1)
        now[0] = 150
        assert counter.read(4) == 50
        counter.write(0, 0)
        now[0] = 400
        assert counter.read(4) == 50
        counter.write(0, 1)
        now[0] = 401
        assert counter.read(4) == 51

    def test_wraps_after_32_bits(self) -> None:
        counter, now = self.make()
        counter.write(0, 1)
        counter.write(4, 0xFFFFFFF0)
        now[0] = 32
        assert counter.read(4) == 16

    def test_stands_still_without_trace(self) -> None:
        counter, now = self.make(trace=False)
        counter.write(0, 1)
        now[0] = 100
        assert counter.read(4) == 0


def test_only_the_right_key_resets() -> None:
    resets = Idle()
    system = SystemControl(resets)
    for value in (0x00000004, 0x05FA0000, 0x12340004):
        system.write(0xD0C, value)
    assert resets.times == 0
    system.write(0xD0C, 0x05FA0004)
    assert resets.times == 1


def test_a_line_is_idle_at_the_third_empty_look_in_a_row() -> None:
    idle = Idle()
    line = VirtualLine(idle)
    line.poll()
    line.poll()
    line.send(b"x")
    line.poll()
    line.poll()
    assert idle.times == 0
    line.poll()
    assert idle.times == 1
    line.feed(b"a")
    assert line.poll()
    assert line.take() == ord("a")
    assert line.take() == 0


def test_an_idle_clock_jumps_but_not_beyond_what_the_host_waits() -> None:
    clock = VirtualClock(1000, lambda: 7)
    assert clock.pass_idle(100) == 5
    assert clock.pass_idle(3) == 3
    assert clock.pass_idle(-1) == 0
    assert clock.now() == 15


@pytest.mark.parametrize("name", MACHINES)
def test_machines_have_vectors_at_zero_and_ram_at_its_place(name: str) -> None:
    machine = MACHINES[name]
    assert (machine.memories[0].base, machine.memories[0].writable) == (0, False)
    assert RAM in {memory.base for memory in machine.memories if memory.writable}
