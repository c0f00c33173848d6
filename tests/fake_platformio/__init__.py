"""A PlatformIO for tests: `python -m platformio` starts it, not the real one.

    platformio = FakePlatformIO.install(tmp_path, monkeypatch)
    platformio.plan("no device", "ok")
    platformio.answer("Linking firmware.elf", files={elf: "{build}/nano33-aot/firmware.elf"})
    ...
    assert platformio.calls[0].arguments[:2] == ("run", "-d")

The program is this folder's `platformio`; the two speak through files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """How the program was called.

    Attributes:
        arguments: behind `platformio`.
        variables: of its environment.
    """

    arguments: tuple[str, ...]
    variables: Mapping[str, str]


class FakePlatformIO:
    """What the program does, and what it has done; see `install`.

    Args:
        folder: holds outcomes.json, answers.json and calls.json; ports.json of a simulated
            computer lies beside them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._answers: list[Mapping[str, object]] = []
        self.plan()

    @classmethod
    def install(cls, folder: Path, monkeypatch: pytest.MonkeyPatch) -> FakePlatformIO:
        """Put the program before the real one, for every process that is started from now on."""
        search = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(search))
        monkeypatch.setenv("FAKE_PLATFORMIO", str(folder))
        return cls(folder)

    def plan(self, *outcomes: str) -> None:
        """Set the outcomes of the uploads to come, names in LOGS; "ok" after them."""
        (self.folder / "outcomes.json").write_text(json.dumps(outcomes))

    def answer(
        self,
        output: str = "",
        *,
        status: int = 0,
        files: Mapping[Path, str] | None = None,
        seconds: float = 0,
    ) -> None:
        """Say what the next build without an answer does; without any answers, builds are real.

        Args:
            output: is printed.
            status: of exit.
            files: files or folders, and where they are copied to; "{build}" and "{workspace}"
                stand for PLATFORMIO_BUILD_DIR and PLATFORMIO_WORKSPACE_DIR of the call.
            seconds: before anything happens.
        """
        copies = {str(source): target for source, target in (files or {}).items()}
        self._answers.append(
            {"output": output, "status": status, "files": copies, "seconds": seconds}
        )
        (self.folder / "answers.json").write_text(json.dumps(self._answers))

    @property
    def calls(self) -> list[Call]:
        """The uploads and the answered builds so far."""
        path = self.folder / "calls.json"
        records = json.loads(path.read_text()) if path.is_file() else []
        return [Call(arguments=tuple(r["arguments"]), variables=r["variables"]) for r in records]

    @property
    def ports(self) -> list[str]:
        """The port of each upload so far."""
        return [call.arguments[-1] for call in self.calls]
