"""A serial line through pyserial: a port of this computer, or a socket:// address."""

from __future__ import annotations

import time
from typing import Any

from pipeline.device.base import Deadline, Device
from pipeline.device.port_access import open_error
from pipeline.errors import DeviceError, DeviceTimeout

BAUD_RATE = 115200
WRITE_S = 30.0
# How long a chip is held in reset.
RESET_S = 0.1


class SerialDevice(Device):
    """A board on a serial port.

    Args:
        port: a device path or name (/dev/ttyACM0, COM3), or a URL that pyserial knows.
        baud_rate: bits per second; 8N1.
        rts_resets: whether the port's RTS holds the chip in reset, as on boards that esptool
            flashes; others have only their button.
    """

    kind = "serial"

    def __init__(self, port: str, baud_rate: int = BAUD_RATE, *, rts_resets: bool = False) -> None:
        self._port = port
        self._baud_rate = baud_rate
        self._rts_resets = rts_resets
        self._serial: Any = None

    def open(self) -> None:
        """Open the port. Raises DeviceError if it is missing, busy or not permitted."""
        import serial

        is_url = "://" in self._port
        try:
            line = serial.serial_for_url(
                self._port,
                baudrate=self._baud_rate,
                write_timeout=WRITE_S,
                do_not_open=True,
                **({} if is_url else {"exclusive": True}),
            )
            if is_url:
                # Opening drops what has arrived. That is noise on a port, but an emulator starts
                # with its connection, and what it says first may be here by then.
                line.reset_input_buffer = _keep
            line.open()
        except _line_errors(ValueError) as error:
            raise open_error(self._port, error) from error
        self._serial = line

    def close(self) -> None:
        """Close the port."""
        line, self._serial = self._serial, None
        socket = getattr(line, "_socket", None)
        if socket is not None:
            # pyserial's own close() of a socket:// line sleeps 0.3 s, and leaves the socket open
            # if the other end has gone.
            socket.close()
            line.is_open = False
        elif line is not None:
            line.close()

    def reset(self) -> None:
        """Restart the board where its port can; else only open the port anew."""
        if not self._rts_resets:
            super().reset()
            return
        line = self._line()
        try:
            # DTR would hold the pin down that selects the boot loader.
            line.dtr = False
            line.rts = True
            time.sleep(RESET_S)
            line.rts = False
        except _line_errors() as error:
            raise self._gone(error) from error

    def write(self, data: bytes) -> None:
        """Send bytes."""
        import serial

        line = self._line()
        try:
            line.write(data)
        except serial.SerialTimeoutException as error:
            raise DeviceTimeout(
                f"{self._port}: the device must take {len(data)} bytes within {WRITE_S:g} s. "
                "Received: it took fewer. Reset it."
            ) from error
        except _line_errors() as error:
            raise self._gone(error) from error

    def read(self, deadline: Deadline) -> bytes:
        """What has arrived."""
        line = self._line()
        try:
            line.timeout = deadline.remaining_s
            data: bytes = line.read(1)
            # Once, not until nothing waits: a board may send for ever.
            if data and (waiting := line.in_waiting):
                data += line.read(waiting)
        except _line_errors() as error:
            raise self._gone(error) from error
        return data

    def _line(self) -> Any:
        if self._serial is None:
            raise DeviceError(f"{self._port}: the device is not open. Use it in a with statement.")
        return self._serial

    def _gone(self, error: Exception) -> DeviceError:
        return DeviceError(
            f"{self._port}: the device has gone away: {error}. Check its cable and power."
        )


def _keep() -> None:
    """Drop nothing."""


def _line_errors(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """What a line raises that breaks, and others: pyserial's own is an OSError.

    A terminal's is none, and passes through pyserial where the port hangs up in a bad moment.
    """
    try:
        import termios
    except ImportError:  # Windows
        return (OSError, *others)
    return (OSError, termios.error, *others)
