"""The examples of docs/python.md run, one after the other, as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared import REPOSITORY

EXAMPLES = re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs" / "python.md").read_text(), re.S)


@pytest.mark.slow
@pytest.mark.emulator
@pytest.mark.needs("platformio", "ziglang", "unicorn")
def test_the_examples_run(tmp_path: Path) -> None:
    assert len(EXAMPLES) >= 4
    result = subprocess.run(
        [sys.executable, "-c", "\n".join(EXAMPLES)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("0 mismatches\n")
