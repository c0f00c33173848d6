"""A PlatformIO that does what a test says: `python -m platformio` runs it, not the real one.

pio = FakePio.install(tmp_path, monkeypatch)
pio.answer("Linking firmware.elf", files={elf: "{build}/nano33-aot/firmware.elf"})
...
assert pio.calls[0].arguments[:2] == ("run", "-d")
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

# Each call takes the first answer that is left, and writes down how it was called.
_PROGRAM = """
import json, os, pathlib, shutil, sys, time

state = pathlib.Path(__file__).parent / "state"
numbers = [int(path.stem) for path in (state / "calls").iterdir()]
number = max(numbers, default=-1) + 1
call = {"arguments": sys.argv[1:], "environment": dict(os.environ)}
(state / "calls" / f"{number}.json").write_text(json.dumps(call))
path = state / "answers" / f"{number}.json"
if not path.exists():
    sys.exit(f"fake PlatformIO: call {number} has no answer")
answer = json.loads(path.read_text())
time.sleep(answer["seconds"])
for source, target in answer["files"].items():
    target = pathlib.Path(target.format(
        build=os.environ.get("PLATFORMIO_BUILD_DIR", ""),
        workspace=os.environ.get("PLATFORMIO_WORKSPACE_DIR", ""),
    ))
    target.parent.mkdir(parents=True, exist_ok=True)
    if pathlib.Path(source).is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)
sys.stdout.write(answer["output"])
sys.exit(answer["status"])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """How the fake was called.

    Attributes:
        arguments: behind `platformio`.
        environment: all variables.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str]


class FakePio:
    """A PlatformIO on the module path; see `install`."""

    def __init__(self, folder: Path) -> None:
        self._state = folder / "platformio" / "state"
        self._answers = 0

    @classmethod
    def install(cls, folder: Path, monkeypatch: pytest.MonkeyPatch) -> FakePio:
        """Put the fake into `folder`, and before the real one for every process started now."""
        package = folder / "platformio"
        for name in ("calls", "answers"):
            (package / "state" / name).mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(_PROGRAM)
        before = os.environ.get("PYTHONPATH")
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(folder), before))))
        return cls(folder)

    def answer(
        self,
        output: str = "",
        *,
        status: int = 0,
        files: Mapping[Path, str] | None = None,
        seconds: float = 0,
    ) -> None:
        """What the next call without an answer does.

        Args:
            output: is printed.
            status: of exit.
            files: files or folders, and where they are copied to; "{build}" and "{workspace}"
                stand for PLATFORMIO_BUILD_DIR and PLATFORMIO_WORKSPACE_DIR of the call.
            seconds: before anything happens.
        """
        record = {"output": output, "status": status, "seconds": seconds}
        record["files"] = {str(source): target for source, target in (files or {}).items()}
        path = self._state / "answers" / f"{self._answers}.json"
        path.write_text(json.dumps(record))
        self._answers += 1

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls so far."""
        paths = sorted((self._state / "calls").iterdir(), key=lambda path: int(path.stem))
        records = [json.loads(path.read_text()) for path in paths]
        return tuple(
            Call(arguments=tuple(record["arguments"]), environment=record["environment"])
            for record in records
        )
