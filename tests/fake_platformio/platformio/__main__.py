"""Builds as a test says, uploads to simulated boards, and leaves the rest to the real PlatformIO.

Started as `python -m platformio` with this package's parent first in PYTHONPATH. The folder that
FAKE_PLATFORMIO names is what tests/fake_platformio/__init__.py says.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from pathlib import Path

from platformio.building import build
from platformio.uploading import upload_as_planned

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Run one command; returns the exit status."""
    arguments = sys.argv[1:]
    folder = Path(os.environ["FAKE_PLATFORMIO"])
    if "upload" in arguments:
        record(folder, arguments)
        return upload_as_planned(folder, arguments[arguments.index("--upload-port") + 1])
    if (folder / "answers.json").is_file():
        return build(folder, record(folder, arguments))
    return real_platformio()


def real_platformio() -> int:
    """Be the real program."""
    sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != HERE.parent]
    # SCons, which it starts, imports it as well.
    others = os.environ["PYTHONPATH"].split(os.pathsep)
    others = [path for path in others if Path(path or ".").resolve() != HERE.parent]
    os.environ["PYTHONPATH"] = os.pathsep.join(others)
    for name in [name for name in sys.modules if name.split(".")[0] == "platformio"]:
        del sys.modules[name]
    runpy.run_module("platformio", run_name="__main__", alter_sys=True)
    return 0


def record(folder: Path, arguments: list[str]) -> int:
    """Write down one call; returns how many there were before."""
    path = folder / "calls.json"
    calls = json.loads(path.read_text()) if path.is_file() else []
    call = {"arguments": arguments, "variables": dict(os.environ)}
    path.write_text(json.dumps([*calls, call]))
    return len(calls)


if __name__ == "__main__":
    sys.exit(main())
