"""Signals for the programs that tests start."""

from __future__ import annotations

import signal


def heed_ctrl_c() -> None:
    """Undo that background jobs of a shell, this test's own process perhaps, ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
