"""A build that is over before it begins: a test has said what comes out of it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path


def build(folder: Path, number: int) -> int:
    """Give the answer of this number; returns the exit status."""
    answers = json.loads((folder / "answers.json").read_text())
    if number >= len(answers):
        sys.exit(f"fake PlatformIO: call {number} has no answer")
    answer = answers[number]
    time.sleep(answer["seconds"])
    places = {
        "build": os.environ.get("PLATFORMIO_BUILD_DIR", ""),
        "workspace": os.environ.get("PLATFORMIO_WORKSPACE_DIR", ""),
    }
    for source, target in answer["files"].items():
        path = Path(target.format(**places))
        path.parent.mkdir(parents=True, exist_ok=True)
        if Path(source).is_dir():
            shutil.copytree(source, path, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, path)
    sys.stdout.write(answer["output"])
    return int(answer["status"])
