"""Boards on pseudo-terminals: they answer, are reset by a touch at 1200 baud, vanish and return.

A board's application is the official fake. What is plugged in stands in a file, which the lister
of the tests reads and the fake PlatformIO of tests/fake_platformio.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import termios
import threading
import time
import tty
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.device.fake_firmware import FakeFirmware
from pipeline.device.ports import Port

NANO_APPLICATION, NANO_LOADER = "2341:805a", "2341:005a"
BRIDGE = "10c4:ea60"
INPUT_BYTES, OUTPUT_BYTES = 4, 2
# What the fake PlatformIO sends to a boot loader in place of an image.
UPLOAD = b"\x00upload "
_POLL_MS = 5
# How often a board's port may come and go in a test.
_LIVES = 8


class PluggedIn:
    """The ports of a simulated computer, in a file that other processes may read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ports: list[Port] = []
        self._lock = threading.Lock()
        self._write()

    def list(self) -> tuple[Port, ...]:
        """What `pipeline.device.ports.list_ports` gives on this computer."""
        return tuple(Port(**facts) for facts in json.loads(self.path.read_text()))

    def add(self, port: Port) -> None:
        with self._lock:
            self._ports.append(port)
            self._write()

    def remove(self, path: str) -> None:
        with self._lock:
            self._ports = [port for port in self._ports if port.path != path]
            self._write()

    def _write(self) -> None:
        facts = [
            {name: getattr(port, name) for name in Port.__dataclass_fields__}
            for port in self._ports
        ]
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(facts))
        new.replace(self.path)


@dataclass(kw_only=True)
class Behaviour:
    """What a board does, and what goes wrong with it.

    Attributes:
        application_id, loader_id: USB ids; the same for boards with a USB bridge.
        gap_s: for which the port is gone between two lives.
        ignored_touches: so many touches have no effect.
        returns: whether the application's port comes back after an upload.
        build_id_after: what it says then; "" is what was uploaded.
        status_after: of its engine then.
        mute_after: whether it says nothing then.
        unplug_on_question: the port goes away when it is asked who it is, for ever.
        lingers_s: the boot loader's port stays for so long after an upload.
    """

    application_id: str = NANO_APPLICATION
    loader_id: str = NANO_LOADER
    gap_s: float = 0.1
    ignored_touches: int = 0
    returns: bool = True
    build_id_after: str = ""
    status_after: str = "ok"
    mute_after: bool = False
    unplug_on_question: bool = False
    lingers_s: float = 0.0


class SimulatedBoard:
    """A board in a plug.

    Args:
        plugged: where its ports are listed.
        behaviour: of it.
        location: of the plug.
        serial_number: of its USB device.
        build_id: of the firmware that is on it.
    """

    def __init__(
        self,
        plugged: PluggedIn,
        behaviour: Behaviour | None = None,
        *,
        location: str = "1-4",
        serial_number: str = "0123ABCD",
        build_id: str = "0" * 16,
    ) -> None:
        self.behaviour = behaviour or Behaviour()
        self.events: list[str] = []
        self.names: list[str] = []
        self._plugged = plugged
        self._location = location
        self._serial_number = serial_number
        self._facts: dict[str, Any] = {"build_id": build_id, "board": "nano33", "engine": "aot"}
        self._is_loader = False
        self._is_mute = False
        self._holds = False
        self._held = bytearray()
        self._received = bytearray()
        # Made at once, so that no name comes back: a port that was closed frees its name.
        self._spare = [_PseudoTerminal() for _ in range(_LIVES)]
        self._line = self._spare.pop()
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._appear()
        self._thread.start()

    @property
    def port(self) -> str:
        """Name of its port now."""
        return self._line.name

    def say(self, data: bytes) -> None:
        """Let the board send something by itself."""
        os.write(self._line.board_end, data)

    def become(self, **facts: object) -> None:
        """Let it run a firmware that says other things of itself."""
        with self._lock:
            self._facts |= facts
            self._firmware = self._boot()

    def restart(self, gap_s: float = 0.1) -> None:
        """Let it vanish and come back under another name, as after a press of reset."""
        with self._lock:
            self._disappear()
            time.sleep(gap_s)
            self._appear()

    def unplug(self) -> None:
        """Take it away."""
        with self._lock:
            self._disappear()

    def plug_in(self) -> None:
        """Put it back after `unplug`."""
        with self._lock:
            self._appear()

    def hold(self) -> None:
        """Let it keep what it hears and not react."""
        with self._lock:
            self._holds = True

    @property
    def held(self) -> bytes:
        """What it has heard since `hold`."""
        with self._lock:
            return bytes(self._held)

    def go_on(self) -> None:
        """React to what was held, and to all that follows."""
        with self._lock:
            self._holds = False
            self._hear(bytes(self._held))
            self._held.clear()

    def close(self) -> None:
        """End its thread."""
        self._stop.set()
        self._thread.join(5.0)
        self._plugged.remove(self._line.name)
        for line in (self._line, *self._spare):
            line.close()

    def __enter__(self) -> SimulatedBoard:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- its life, in its own thread ---

    def _live(self) -> None:
        while not self._stop.wait(_POLL_MS / 1000):
            with self._lock:
                if data := self._line.read():
                    if self._holds:
                        self._held += data
                    else:
                        self._hear(data)
                elif self._line.was_touched and not self._is_loader:
                    self._touched()
                else:
                    self._line.write(self._firmware.pass_time(_POLL_MS / 1000))

    def _touched(self) -> None:
        behaviour = self.behaviour
        self._line.forget_touch()
        if behaviour.application_id == behaviour.loader_id:
            return
        self.events.append("touched")
        if behaviour.ignored_touches:
            behaviour.ignored_touches -= 1
            return
        self._change(to_loader=True)

    def _hear(self, data: bytes) -> None:
        if self._is_loader or self._received or data.startswith(UPLOAD[:1]):
            self._received += data
            if self._received.endswith(b"\n"):
                self._uploaded(bytes(self._received).removeprefix(UPLOAD).decode().strip())
            return
        if self.behaviour.unplug_on_question:
            self._disappear()
        elif not self._is_mute:
            self._line.write(self._firmware.feed(data))

    def _uploaded(self, build_id: str) -> None:
        behaviour = self.behaviour
        self._received.clear()
        self._line.write(b"done\n")
        self.events.append("uploaded")
        self._facts["build_id"] = behaviour.build_id_after or build_id
        self._facts["status"] = behaviour.status_after
        self._is_mute = behaviour.mute_after
        # What it said would be lost with the line: it goes on when the uploader has closed it.
        while not self._line.is_closed and not self._stop.wait(_POLL_MS / 1000):
            pass
        self._stop.wait(behaviour.lingers_s)
        if behaviour.application_id == behaviour.loader_id:
            self._firmware = self._boot()
        elif behaviour.returns:
            self._change(to_loader=False)
        else:
            self._disappear()

    def _change(self, *, to_loader: bool) -> None:
        self._disappear()
        self._stop.wait(self.behaviour.gap_s)
        self._is_loader = to_loader
        self._appear()

    def _disappear(self) -> None:
        self._plugged.remove(self._line.name)
        self._line.close()
        self._line = self._spare.pop()

    def _appear(self) -> None:
        behaviour = self.behaviour
        self._firmware = self._boot()
        self.names.append(self._line.name)
        self._plugged.add(
            Port(
                path=self._line.name,
                usb_id=behaviour.loader_id if self._is_loader else behaviour.application_id,
                serial_number=self._serial_number,
                location=self._location,
                description="simulated board",
            )
        )

    def _boot(self) -> FakeFirmware:
        return FakeFirmware(
            lambda inputs: bytes(OUTPUT_BYTES),
            input_bytes=(INPUT_BYTES,),
            output_bytes=(OUTPUT_BYTES,),
            facts=self._facts,
            ticks=1000,
        )


@dataclass
class _PseudoTerminal:
    """A pseudo-terminal whose other end nobody has open."""

    name: str = ""
    board_end: int = -1

    def __post_init__(self) -> None:
        self.board_end, other = pty.openpty()
        tty.setraw(other)
        self.name = os.ttyname(other)
        os.close(other)

    def read(self) -> bytes:
        """What was sent to the board; b"" also while nobody has it open."""
        poll = select.poll()
        poll.register(self.board_end, select.POLLIN)
        if any(event & select.POLLIN for _, event in poll.poll(0)):
            with contextlib.suppress(OSError):
                return os.read(self.board_end, 4096)
        return b""

    def write(self, data: bytes) -> None:
        if data:
            with contextlib.suppress(OSError):
                os.write(self.board_end, data)

    @property
    def is_closed(self) -> bool:
        """Whether nobody has it open."""
        poll = select.poll()
        poll.register(self.board_end, 0)
        return any(event & select.POLLHUP for _, event in poll.poll(0))

    @property
    def was_touched(self) -> bool:
        """Whether it was opened at 1200 baud and closed again."""
        return self.is_closed and termios.tcgetattr(self.board_end)[5] == termios.B1200

    def forget_touch(self) -> None:
        """Set another speed, so that the next touch shows."""
        settings = termios.tcgetattr(self.board_end)
        settings[4] = settings[5] = termios.B9600
        termios.tcsetattr(self.board_end, termios.TCSANOW, settings)

    def close(self) -> None:
        os.close(self.board_end)
