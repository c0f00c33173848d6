"""Serial ports, with a pseudo-terminal in the place of a board."""

from __future__ import annotations

import errno
import os
import select
import socket
import termios
import threading
import tty
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.device.base import Deadline
from pipeline.device.port_access import open_error
from pipeline.device.protocol import Client
from pipeline.device.serial import SerialDevice
from pipeline.errors import DeviceError
from tests.device.conftest import ECHO_BYTES, echo, fake_echo

pty = pytest.importorskip("pty", reason="pseudo-terminals are a feature of POSIX")


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """The board's end, and the name of the port."""
    board, port = pty.openpty()
    tty.setraw(port)
    yield board, os.ttyname(port)
    for descriptor in (board, port):
        os.close(descriptor)


def test_bytes_go_both_ways(terminal: tuple[int, str]) -> None:
    board, port = terminal
    with SerialDevice(port) as device:
        device.write(b"name%")
        assert os.read(board, 100) == b"name%"
        os.write(board, b"m-ready\r\n")
        assert device.read(Deadline(5.0)) == b"m-ready\r\n"
        assert device.read(Deadline(0.05)) == b""


def test_the_client_speaks_over_a_port(terminal: tuple[int, str]) -> None:
    board, port = terminal
    fake = fake_echo()
    fake.open()
    os.write(board, fake.read(Deadline(0)))

    def serve() -> None:
        while (data := os.read(board, 4096)) != b"stop":
            fake.write(data)
            os.write(board, fake.read(Deadline(0)))

    server = threading.Thread(target=serve)
    server.start()
    with SerialDevice(port) as device:
        client = Client(device)
        client.connect()
        inputs = bytes(range(ECHO_BYTES))
        assert client.run(inputs).outputs == echo(inputs)
        device.write(b"stop")
        server.join(5.0)


def test_what_a_socket_says_first_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.create_connection

    def connect_and_wait(*arguments: Any, **options: Any) -> socket.socket:
        """Come back with the first bytes waiting, as from an emulator on a busy computer."""
        connection = connect(*arguments, **options)
        assert select.select([connection], [], [], 5.0)[0]
        return connection

    monkeypatch.setattr(socket, "create_connection", connect_and_wait)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            with server.accept()[0] as peer:
                peer.sendall(b"m-ready\r\n")
                peer.recv(1)

        greeter = threading.Thread(target=greet)
        greeter.start()
        with SerialDevice(f"socket://127.0.0.1:{server.getsockname()[1]}") as device:
            received = b""
            while len(received) < 9 and (data := device.read(Deadline(5.0))):
                received += data
            assert received == b"m-ready\r\n"
        greeter.join(5.0)


class Endless:
    """pyserial's port of a board that never stops talking."""

    in_waiting = 64
    timeout = 0.0
    reads = 0

    def read(self, size: int) -> bytes:
        self.reads += 1
        return b"U" * size

    def close(self) -> None:
        pass


def test_a_board_that_never_stops_talking_is_read_piece_by_piece(
    terminal: tuple[int, str],
) -> None:
    with SerialDevice(terminal[1]) as device:
        device._serial.close()
        device._serial = line = Endless()
        assert device.read(Deadline(1.0)) == b"U" * 65
        assert line.reads == 2


@pytest.mark.parametrize("use", ["read", "write", "open"])
def test_a_port_that_hangs_up_in_the_middle_of_a_call_is_a_device_error(
    use: str, terminal: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang_up(*_: object, **__: object) -> int:
        # No OSError, and pyserial lets it through.
        raise termios.error(errno.EIO, "Input/output error")

    device = SerialDevice(terminal[1])
    if use == "open":
        monkeypatch.setattr("serial.serial_for_url", hang_up)
        with pytest.raises(DeviceError, match="cannot open the port"):
            device.open()
        return
    with device:
        monkeypatch.setattr(device._serial, use, hang_up)
        with pytest.raises(DeviceError, match="the device has gone away"):
            device.read(Deadline(1.0)) if use == "read" else device.write(b"name%")


def test_a_board_that_esptool_flashes_is_reset_by_its_port(terminal: tuple[int, str]) -> None:
    class Lines:
        """pyserial's port, noting what its modem lines are set to."""

        def __init__(self) -> None:
            object.__setattr__(self, "said", [])

        def __setattr__(self, name: str, value: object) -> None:
            self.said.append((name, value))

        def close(self) -> None:
            pass

    with SerialDevice(terminal[1], rts_resets=True) as device:
        device._serial.close()
        device._serial = lines = Lines()
        device.reset()
    assert lines.said == [("dtr", False), ("rts", True), ("rts", False)]


def test_missing_port_is_named() -> None:
    with pytest.raises(DeviceError, match=r"/dev/ttyNone: cannot open .*Plug the board in"):
        SerialDevice("/dev/ttyNone").open()


def test_port_in_use_is_named(terminal: tuple[int, str]) -> None:
    _, port = terminal
    with (
        SerialDevice(port),
        pytest.raises(DeviceError, match=rf"{port}: .*Another program uses the port"),
    ):
        SerialDevice(port).open()


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EACCES, "usermod -aG dialout"),
        (errno.EBUSY, "Close its serial monitor"),
        (errno.EIO, "Check the port's name and the cable"),
    ],
)
def test_errors_of_opening_say_what_to_do(number: int, advice: str) -> None:
    error = OSError(number, os.strerror(number))
    assert advice in str(open_error("/dev/ttyACM0", error))


def test_nobody_at_the_other_end_of_a_socket() -> None:
    with pytest.raises(DeviceError, match="cannot open the port"):
        SerialDevice("socket://127.0.0.1:1").open()
