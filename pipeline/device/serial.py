"""A serial line through pyserial: a port of this computer, or a socket:// address."""

from __future__ import annotations

from typing import Any

from pipeline.device.base import Deadline, Device
from pipeline.device.port_access import open_error
from pipeline.errors import DeviceError

BAUD_RATE = 115200
WRITE_S = 30.0


class SerialDevice(Device):
    """A board on a serial port.

    Args:
        port: a device path or name (/dev/ttyACM0, COM3), or a URL that pyserial knows.
        baud_rate: bits per second; 8N1.
    """

    kind = "serial"

    def __init__(self, port: str, baud_rate: int = BAUD_RATE) -> None:
        self._port = port
        self._baud_rate = baud_rate
        self._serial: Any = None

    def open(self) -> None:
        """Open the port. Raises DeviceError if it is missing, busy or not permitted."""
        import serial

        try:
            self._serial = serial.serial_for_url(
                self._port,
                baudrate=self._baud_rate,
                write_timeout=WRITE_S,
                **({} if "://" in self._port else {"exclusive": True}),
            )
        except (serial.SerialException, OSError, ValueError) as error:
            raise open_error(self._port, error) from error

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

    def write(self, data: bytes) -> None:
        """Send bytes."""
        import serial

        line = self._line()
        try:
            line.write(data)
        except serial.SerialTimeoutException as error:
            raise DeviceError(
                f"{self._port}: the device must take {len(data)} bytes within {WRITE_S:g} s. "
                "Received: it took fewer. Reset it."
            ) from error
        except (serial.SerialException, OSError) as error:
            raise self._gone(error) from error

    def read(self, deadline: Deadline) -> bytes:
        """What has arrived."""
        import serial

        line = self._line()
        try:
            line.timeout = deadline.remaining_s
            data: bytes = line.read(1)
            while data and not deadline.expired and (waiting := line.in_waiting):
                data += line.read(waiting)
        except (serial.SerialException, OSError) as error:
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
