"""The command line, run in this process."""

from __future__ import annotations

import pytest

from pipeline import cli


def espalier(*arguments: object) -> int:
    """Run a command; returns its exit status."""
    with pytest.raises(SystemExit) as caught:
        cli.main([str(argument) for argument in arguments])
    status = caught.value.code
    assert isinstance(status, int)
    return status
