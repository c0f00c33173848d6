"""What the device tests run on, by the name that `pytest --device` takes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from pipeline.device.board import board_names, load_board
from pipeline.device.select import KINDS

FAKE = "fake"
PTY = "pty"
SERIAL = "serial"

# Programs or packages without which a kind of device is skipped, and whether it emulates a core.
_NEEDS: Mapping[str, tuple[str, ...]] = {
    "qemu": ("qemu-system-arm",),
    "renode": ("renode",),
    "unicorn": ("unicorn",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One device.

    Attributes:
        name: as `--device` takes it.
        kind: of device: "fake", "pty" (a fake behind a serial port), "host", an emulator, or
            "serial" for a real board.
        board: whose firmware it runs; "" for the fakes.
    """

    name: str
    kind: str
    board: str = ""

    @property
    def marks(self) -> tuple[Any, ...]:
        """The marks of tests that run on it."""
        if self.kind == SERIAL:
            return (pytest.mark.hardware,)
        if self.kind == PTY:
            return (pytest.mark.skipif(os.name != "posix", reason="there are no pseudo-terminals"),)
        if self.kind not in _NEEDS:
            return ()
        return (pytest.mark.emulator, pytest.mark.needs(*_NEEDS[self.kind]))


# Kinds that are run only where they are asked for: each start takes seconds.
_SLOW = ("renode",)


def usual_targets() -> tuple[Target, ...]:
    """What the device tests run on where nothing is asked for."""
    return tuple(target for target in emulated_targets().values() if target.kind not in _SLOW)


def emulated_targets() -> dict[str, Target]:
    """The fakes, and every board on each device that can run it without hardware.

    The first board of a kind goes by the kind's name, further ones by kind and board.
    """
    targets = {name: Target(name=name, kind=name) for name in (FAKE, PTY)}
    for board in board_names():
        for kind in load_board(board).emulators:
            if kind in KINDS:
                name = kind if kind not in targets else f"{kind}-{board}"
                targets[name] = Target(name=name, kind=kind, board=board)
    return targets


def find_target(name: str) -> Target:
    """A device by its name. Raises pytest.UsageError if there is none."""
    targets = emulated_targets()
    if name in targets:
        return targets[name]
    if name in board_names():
        return Target(name=name, kind=SERIAL, board=name)
    raise pytest.UsageError(
        f"--device: expected one of {', '.join(targets)}, or a board that is plugged in: "
        f"{', '.join(board_names())}. Received: '{name}'."
    )
