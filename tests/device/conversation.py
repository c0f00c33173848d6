"""Recorded conversations, held again with a device."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pipeline.device.base import Deadline, Device

_END = b"m-ready\r\n"
_REPLY_S = 10.0


def hold(
    device: Device, pieces: Iterable[tuple[str, bytes]], normalised: Callable[[bytes], bytes]
) -> None:
    """Say to a device what was said, and check that it answers the same.

    Args:
        device: open.
        pieces: from `parse_transcript`; replies are normalised.
        normalised: a reply without what may differ between devices.
    """
    for direction, data in pieces:
        if direction == ">":
            device.write(data)
            continue
        received, deadline = b"", Deadline(_REPLY_S)
        while not received.endswith(_END):
            piece = device.read(deadline)
            assert piece, f"expected {data!r}, received {received!r}"
            received += piece
        assert normalised(received) == data
