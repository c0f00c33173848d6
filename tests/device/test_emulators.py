"""QEMU and Unicorn beside each other: the same firmware, the same instructions."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.device import count, qemu
from pipeline.device.base import Deadline
from pipeline.device.count import count_thumb, load_native_hook
from pipeline.device.protocol import Client
from pipeline.device.qemu import QemuDevice
from pipeline.device.unicorn import UnicornDevice
from pipeline.errors import ConfigError, DeviceError, MissingToolError
from tests.device.conftest import ECHO_BYTES, FAULTING, Build, echo
from tests.shared import REPOSITORY

BOARD = "mps2_an386"
INPUT = bytes(range(ECHO_BYTES))

needs_qemu = [pytest.mark.emulator, pytest.mark.needs("qemu-system-arm")]
needs_unicorn = [pytest.mark.emulator, pytest.mark.needs("unicorn")]


@pytest.mark.emulator
@pytest.mark.needs("qemu-system-arm", "unicorn")
@pytest.mark.parametrize(
    "toolchain",
    [
        pytest.param("gcc", marks=pytest.mark.needs("arm-none-eabi-gcc")),
        pytest.param("zig", marks=pytest.mark.needs("ziglang")),
    ],
)
def test_both_count_the_same_instructions(build_echo: Build, toolchain: str) -> None:
    """To the tick: a tick begins every 40 instructions, wherever an inference begins."""
    elf = build_echo(BOARD, toolchain).elf_path
    counts = []
    for device in (QemuDevice(BOARD, elf), UnicornDevice(BOARD, elf)):
        with device:
            client = Client(device)
            client.connect()
            replies = [client.run(INPUT) for _ in range(20)]
            assert {reply.outputs for reply in replies} == {echo(INPUT)}
            counts.append({reply.ticks for reply in replies})
            assert len(counts[-1]) <= 2
    assert max(counts[0] | counts[1]) - min(counts[0] | counts[1]) <= 1


class TestQemu:
    pytestmark = needs_qemu

    def test_killed_qemu_is_a_clear_error_at_once(self, build_echo: Build) -> None:
        with QemuDevice(BOARD, build_echo(BOARD).elf_path) as device:
            client = Client(device)
            client.connect()
            assert device._process is not None
            device._process.popen.kill()
            device._process.popen.wait()
            begin = time.monotonic()
            with pytest.raises(DeviceError, match=r"ended by signal 9 \(SIGKILL\)"):
                client.run(INPUT)
            assert time.monotonic() - begin < 5

    def test_what_qemu_says_when_it_dies_is_shown(
        self, build_echo: Build, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(qemu.MACHINES, BOARD, "moon")
        with pytest.raises(DeviceError, match=r"(?s)ended with status 1.*stderr:.*unsupported"):
            QemuDevice(BOARD, build_echo(BOARD).elf_path).open()

    def test_many_run_side_by_side(self, build_echo: Build) -> None:
        devices = [QemuDevice(BOARD, build_echo(BOARD).elf_path) for _ in range(4)]
        try:
            for device in devices:
                device.open()
            for device in devices:
                client = Client(device)
                client.connect()
                assert client.run(INPUT).outputs == echo(INPUT)
        finally:
            for device in devices:
                device.close()

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a feature of Linux")
    def test_qemu_ends_when_python_is_killed(self, build_echo: Build) -> None:
        script = (
            "import time; from pathlib import Path; from pipeline.device.qemu import QemuDevice\n"
            f"device = QemuDevice({BOARD!r}, Path({str(build_echo(BOARD).elf_path)!r}))\n"
            "device.open(); print(device._process.popen.pid, flush=True); time.sleep(60)"
        )
        with subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=REPOSITORY
        ) as parent:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            parent.kill()
        for _ in range(200):
            if not is_running(pid):
                return
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)
        pytest.fail("QEMU outlived Python")


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_missing_qemu_names_the_package_and_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemu.shutil, "which", lambda _: None)
    with pytest.raises(MissingToolError, match="package 'qemu-system-arm', or .*--emulator unico"):
        QemuDevice(BOARD, Path("x")).open()


@pytest.mark.parametrize("device_class", [QemuDevice, UnicornDevice], ids=["qemu", "unicorn"])
def test_a_board_without_a_machine_is_refused(
    device_class: type[QemuDevice | UnicornDevice],
) -> None:
    with pytest.raises(ConfigError, match="expected one of the boards mps2_an386.*moon"):
        device_class("moon", Path("x"))


@pytest.mark.needs("qemu-system-arm")
def test_qemu_needs_a_firmware(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="expected a firmware at .*Build it first"):
        QemuDevice(BOARD, tmp_path / "none.elf").open()


class TestUnicorn:
    pytestmark = needs_unicorn

    def test_native_and_python_hook_count_the_same(self, build_echo: Build) -> None:
        ticks = []
        for use_native in (None, False):
            with UnicornDevice(BOARD, build_echo(BOARD).elf_path, use_native=use_native) as device:
                client = Client(device)
                client.connect()
                ticks.append([(client.run(INPUT).ticks, client.layers(INPUT)) for _ in range(5)])
                assert device._counter.is_native or use_native is False
        assert ticks[0] == ticks[1]

    def test_runs_are_reproducible(self, build_echo: Build) -> None:
        runs = []
        for _ in range(2):
            with UnicornDevice(BOARD, build_echo(BOARD).elf_path) as device:
                client = Client(device)
                client.connect()
                runs.append([client.run(INPUT).ticks for _ in range(10)])
        assert runs[0] == runs[1]

    @pytest.mark.parametrize("use_native", [None, False])
    def test_counting_can_be_turned_off_and_on(
        self, build_echo: Build, use_native: bool | None
    ) -> None:
        with UnicornDevice(BOARD, build_echo(BOARD).elf_path, use_native=use_native) as device:
            client = Client(device)
            client.connect()
            counted = client.run(INPUT)
            device.count_instructions(False)
            before = device._counter.instructions
            assert client.run(INPUT).outputs == counted.outputs
            assert device._counter.instructions == before
            device.count_instructions(True)
            assert abs(client.run(INPUT).ticks - counted.ticks) <= 1

    def test_a_reply_comes_in_one_piece(self, build_echo: Build) -> None:
        """Asking whether the line may take a byte is not taken for idleness."""
        with UnicornDevice(BOARD, build_echo(BOARD).elf_path) as device:
            assert device.read(Deadline(5.0)).endswith(b"m-init-done\r\nm-ready\r\n")
            device.write(b"name%name%")
            assert device.read(Deadline(5.0)) == b"m-name-dut-[espalier]\r\nm-ready\r\n" * 2

    @pytest.mark.parametrize("handler", [0, 0xDEADBEE1], ids=["none", "one that faults"])
    def test_a_fault_that_nobody_handles_names_the_place(
        self, build_echo: Build, tmp_path: Path, handler: int
    ) -> None:
        elf = bytearray(build_echo(BOARD).elf_path.read_bytes())
        table = int.from_bytes(elf[28:32], "little")  # e_phoff; the first segment has the vectors
        vectors = int.from_bytes(elf[table + 4 : table + 8], "little")
        elf[vectors + 12 : vectors + 16] = handler.to_bytes(4, "little")
        path = tmp_path / "firmware.elf"
        path.write_bytes(elf)
        where = "0x[0-9a-f]{8} in engine_invoke" if handler == 0 else "0xdeadbee"
        with UnicornDevice(BOARD, path) as device:
            client = Client(device)
            client.connect()
            with pytest.raises(DeviceError, match=f"crashed at pc {where}.*had just sent"):
                client.run(FAULTING)

    def test_ram_outlives_a_reset_but_not_a_loss_of_power(self, build_echo: Build) -> None:
        bottom = 0x20000000  # the deep end of the stack, which nothing has reached
        with UnicornDevice(BOARD, build_echo(BOARD).elf_path) as device:
            device.read(Deadline(5.0))
            assert device._write_ram(bottom, b"mark")
            device.reset()
            assert device.read(Deadline(5.0)).endswith(b"m-ready\r\n")
            assert device._read_ram(bottom, 4) == b"mark"
            device.open()
            assert device._read_ram(bottom, 4) == bytes(4)

    def test_waiting_takes_no_time_and_no_instructions_of_an_inference(
        self, build_echo: Build
    ) -> None:
        with UnicornDevice(BOARD, build_echo(BOARD).elf_path) as device:
            client = Client(device)
            client.connect()
            ticks = client.run(INPUT).ticks
            begin = time.monotonic()
            assert device.read(Deadline(60.0)) == b""
            assert time.monotonic() - begin < 20
            (lap,) = client.text("timestamp")
            assert int(lap.removeprefix("m-lap-us-")) >= 60_000_000
            assert abs(client.run(INPUT).ticks - ticks) <= 1

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (None, "expected a firmware. Received: No such file.*Build it first"),
            (b"no ELF", "expected an ELF file"),
            (Path("/bin/sh"), "expected a firmware for ARM. Received: an ELF for"),
        ],
        ids=["missing", "text", "another machine"],
    )
    def test_what_is_no_firmware_is_refused(
        self, tmp_path: Path, content: bytes | Path | None, message: str
    ) -> None:
        elf = content if isinstance(content, Path) else tmp_path / "firmware.elf"
        if isinstance(content, bytes):
            elf.write_bytes(content)
        with pytest.raises(DeviceError, match=message):
            UnicornDevice(BOARD, elf).open()


@pytest.mark.parametrize(
    ("code", "instructions"),
    [
        ("", 0),
        ("00bf", 1),
        ("00bf 00bf 7047", 3),
        ("2de9f041", 1),
        ("00f001f8", 1),
        ("00e0", 1),
        ("00bf 2de9f041 00bf 12fb0340", 4),
    ],
    ids=["none", "nop", "narrow", "push.w", "bl", "b", "mixed"],
)
def test_thumb_instructions_are_counted(code: str, instructions: int) -> None:
    assert count_thumb(bytes.fromhex(code)) == instructions


def test_without_a_compiler_there_is_no_native_hook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(count, "cache_path", lambda: tmp_path)
    assert load_native_hook(lambda: []) is None
    assert load_native_hook(lambda: [["/nowhere/cc"], ["false"]]) is None
