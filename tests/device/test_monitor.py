"""The terminal to a board: what is shown, what is sent and when, and ports that come and go."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.device import monitor as monitor_module
from pipeline.device.frames import Damaged, ErrorCode, Frame, FrameType, Line, encode_frame
from pipeline.device.monitor import Monitor, TypedLines, describe
from pipeline.device.ports import find_port
from pipeline.device.serial import SerialDevice
from pipeline.errors import DeviceError, DeviceTimeout, ProtocolError
from tests.desk import nano33
from tests.simulated_board import PluggedIn, SimulatedBoard

BOOT_MESSAGE = b"m-init-done\r\nm-ready\r\n"

pty = pytest.importorskip("pty", reason="pseudo-terminals are a feature of POSIX")


class Terminal:
    """A monitor with what it showed, and the writing end of its input."""

    def __init__(self, *, is_terminal: bool = False) -> None:
        self.shown: list[str] = []
        self.notes: list[str] = []
        read, self._write = pty.openpty()[::-1] if is_terminal else os.pipe()
        self.typed = TypedLines(read)
        self.monitor = Monitor(
            find_port(nano33()),
            nano33(),
            self.typed,
            show=self.shown.append,
            note=self.notes.append,
        )

    def type(self, text: str) -> None:
        os.write(self._write, text.encode())

    def end_input(self) -> None:
        os.close(self._write)

    def start(self, seconds: float | None = None) -> threading.Thread:
        thread = threading.Thread(target=self.monitor.run, args=(seconds,))
        thread.start()
        return thread

    def await_shown(self, text: str, count: int = 1) -> None:
        await_true(lambda: sum(text in line for line in self.shown) >= count)

    def await_note(self, text: str, count: int = 1) -> None:
        await_true(lambda: sum(text in line for line in self.notes) >= count)


def await_true(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor_module, "_SILENCE_S", 0.1)
    monkeypatch.setattr(monitor_module, "_BANNER_S", 0.5)


@pytest.fixture
def board(plugged: PluggedIn) -> Iterator[SimulatedBoard]:
    with SimulatedBoard(plugged) as made:
        yield made


# --- sending ---


def test_script_is_answered_line_by_line(board: SimulatedBoard) -> None:
    terminal = Terminal()
    terminal.type("name\nprofile%\ntimestamp")
    terminal.end_input()
    terminal.monitor.run()
    assert terminal.shown == [
        "m-name-dut-[espalier]",
        "m-ready",
        "m-profile-[ULPMark for tinyML Firmware V0.0.1]",
        "m-model-[fake]",
        "m-ready",
        "m-lap-us-0",
        "m-ready",
    ]
    assert terminal.notes == [f"{find_port(nano33())}: connected. Ctrl-C ends."]


def test_next_line_of_a_script_waits_for_the_answer(board: SimulatedBoard) -> None:
    """A board has no room for more than one command."""
    board.hold()
    terminal = Terminal()
    terminal.type("name\nprofile\n")
    terminal.end_input()
    thread = terminal.start()
    await_true(lambda: board.held == b"name%")
    time.sleep(0.3)
    assert board.held == b"name%"
    board.go_on()
    thread.join(20.0)
    assert terminal.shown[-2:] == ["m-model-[fake]", "m-ready"]


def test_several_commands_in_a_line(board: SimulatedBoard) -> None:
    terminal = Terminal()
    terminal.type("name%timestamp\n")
    terminal.end_input()
    terminal.monitor.run()
    assert terminal.shown == ["m-name-dut-[espalier]", "m-ready", "m-lap-us-0", "m-ready"]


def test_person_types_and_is_answered(board: SimulatedBoard) -> None:
    terminal = Terminal(is_terminal=True)
    assert terminal.typed.is_terminal
    thread = terminal.start(seconds=60.0)
    terminal.await_note("connected")
    terminal.type("name\n")
    terminal.await_shown("m-name-dut")
    # A second line does not wait for anything, and an empty one gets the device in step.
    terminal.type("help\n\n")
    terminal.await_shown("m-ready", count=3)
    terminal.end_input()
    thread.join(20.0)
    assert not thread.is_alive()


def test_terminal_that_is_closed_at_once(board: SimulatedBoard) -> None:
    terminal = Terminal(is_terminal=True)
    terminal.end_input()
    terminal.monitor.run()
    assert terminal.shown == []


def test_command_is_repeated_for_a_device_that_restarted(board: SimulatedBoard) -> None:
    """As ESP32 boards do when their port is opened."""
    board.hold()
    terminal = Terminal()
    terminal.type("name\n")
    terminal.end_input()
    thread = terminal.start()
    await_true(lambda: board.held == b"name%")
    board.say(BOOT_MESSAGE)
    await_true(lambda: board.held == b"name%name%")
    board.go_on()
    thread.join(20.0)
    assert terminal.shown[:4] == ["m-init-done", "m-ready", "m-name-dut-[espalier]", "m-ready"]


def test_device_that_keeps_restarting_is_an_error(board: SimulatedBoard) -> None:
    board.hold()
    terminal = Terminal()
    terminal.type("name\n")
    terminal.end_input()
    for count in (1, 2):
        threading.Thread(target=say_when_asked, args=(board, count)).start()
    with pytest.raises(ProtocolError, match="'name' must be answered.* restarted, twice") as caught:
        terminal.monitor.run()
    assert caught.value.exit_status == 5


def say_when_asked(board: SimulatedBoard, count: int) -> None:
    await_true(lambda: board.held == count * b"name%")
    board.say(BOOT_MESSAGE)


def test_terminal_that_is_closed_ends_the_wait_for_a_board(board: SimulatedBoard) -> None:
    terminal = Terminal(is_terminal=True)
    thread = terminal.start()
    terminal.await_note("connected")
    board.unplug()
    terminal.await_note("went away")
    terminal.end_input()
    thread.join(20.0)
    assert not thread.is_alive()


def test_without_input_it_listens(board: SimulatedBoard) -> None:
    terminal = Terminal()
    terminal.end_input()
    thread = terminal.start(seconds=1.5)
    terminal.await_note("connected")
    board.say(b"a line\r\nhalf a ")
    terminal.await_shown("half a")
    thread.join(20.0)
    assert terminal.shown == ["a line", "[a line broke off: b'half a ']"]


def test_script_that_is_not_answered_is_an_error(
    board: SimulatedBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.hold()
    monkeypatch.setattr(monitor_module, "_REPLY_S", 0.3)
    terminal = Terminal()
    terminal.type("infer 1 0\nname\n")
    terminal.end_input()
    with pytest.raises(DeviceTimeout, match=r"'infer 1 0' must be answered .*0\.3 s") as caught:
        terminal.monitor.run()
    assert caught.value.exit_status == 5
    board.go_on()


def test_time_that_is_up_before_the_script_is_an_error(board: SimulatedBoard) -> None:
    board.hold()
    terminal = Terminal()
    terminal.type("name\n")
    terminal.end_input()
    with pytest.raises(DeviceTimeout, match=r"'name' must be answered up to 'm-ready' within 1 s"):
        terminal.monitor.run(seconds=1.0)
    board.go_on()


# --- ports that come and go ---


def test_port_that_comes_back_under_another_name(board: SimulatedBoard) -> None:
    terminal = Terminal()
    thread = terminal.start(seconds=60.0)
    terminal.await_note("connected")
    for count in (2, 3):
        board.restart(gap_s=0.2)
        terminal.await_note("connected", count)
        board.say(f"life {count}\r\n".encode())
        terminal.await_shown(f"life {count}")
    terminal.type("name\n")
    terminal.await_shown("m-name-dut")
    terminal.end_input()
    thread.join(20.0)
    gone = [note for note in terminal.notes if "went away" in note]
    assert gone == [f"{name}: went away; waiting for it to come back" for name in board.names[:2]]


def test_script_that_the_port_was_taken_from(board: SimulatedBoard) -> None:
    board.behaviour.unplug_on_question = True
    terminal = Terminal()
    terminal.type("name\n")
    terminal.end_input()
    with pytest.raises(DeviceError, match="'name' must be answered.* went away before") as caught:
        terminal.monitor.run(seconds=1.5)
    assert caught.value.exit_status == 4


def test_port_that_another_program_takes_meanwhile(board: SimulatedBoard) -> None:
    terminal = Terminal()
    thread = terminal.start(seconds=60.0)
    terminal.await_note("connected")
    board.unplug()
    terminal.await_note("went away")
    board.plug_in()
    with SerialDevice(board.port):
        terminal.await_note("Another program uses the port")
    terminal.await_note("connected", 2)
    terminal.type("name\n")
    terminal.end_input()
    thread.join(20.0)
    assert "m-name-dut-[espalier]" in terminal.shown


def test_port_that_cannot_be_opened_at_first_is_an_error(board: SimulatedBoard) -> None:
    terminal = Terminal()
    terminal.end_input()
    with (
        SerialDevice(board.port),
        pytest.raises(DeviceError, match="Another program uses the port"),
    ):
        terminal.monitor.run(seconds=1.0)


# --- showing ---


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (Line(text="m-ready"), "m-ready"),
        (Line(text="a\tb\x1b[2Jc\x00"), "a\tb\\x1b[2Jc\\x00"),
        (Damaged(reason="a frame broke off after 3 bytes"), "[a frame broke off after 3 bytes]"),
        (
            Frame(type=0x81, sequence=7, payload=bytes(range(20))),
            "[frame: RUN reply, sequence 7, 20 bytes: "
            "00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f ...]",
        ),
        (
            Frame(type=0x83, sequence=1, payload=b'{"protocol":1}'),
            '[frame: INFO reply, sequence 1, {"protocol":1}]',
        ),
        (
            Frame(type=0xFF, sequence=2, payload=bytes([ErrorCode.CRC]) + b"CRC wrong"),
            "[frame: ERROR, sequence 2, code 1: CRC wrong]",
        ),
        (Frame(type=0x02, sequence=3, payload=b""), "[frame: LAYERS, sequence 3, 0 bytes: ]"),
        (
            Frame(type=0x55, sequence=4, payload=b"\x01"),
            "[frame: type 55, sequence 4, 1 bytes: 01]",
        ),
    ],
)
def test_everything_is_one_line(item: object, text: str) -> None:
    assert describe(item) == text  # type: ignore[arg-type]


def test_frames_on_the_line_are_shown(board: SimulatedBoard) -> None:
    terminal = Terminal()
    thread = terminal.start(seconds=60.0)
    terminal.await_note("connected")
    frame = Frame(type=FrameType.RUN | 0x80, sequence=9, payload=b"\x01\x02")
    board.say(b"before\r\n" + encode_frame(frame) + b"after\r\n")
    terminal.await_shown("after")
    terminal.type("name\n")
    terminal.end_input()
    thread.join(20.0)
    assert terminal.shown[:3] == [
        "before",
        "[frame: RUN reply, sequence 9, 2 bytes: 01 02]",
        "after",
    ]


def test_typed_lines_come_from_files_too(tmp_path: Path) -> None:
    path = tmp_path / "script"
    path.write_text("name\n\n  info  \nlast")
    with path.open("rb") as stream:
        typed = TypedLines(stream.fileno())
        assert typed.take() == ["name", "", "info", "last"]
        assert typed.has_ended
        assert typed.take() == []
    nothing = TypedLines(None)
    assert nothing.has_ended
    assert not nothing.is_terminal
    assert nothing.take() == []
