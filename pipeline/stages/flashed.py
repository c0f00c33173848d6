"""Which model is on which board: what was flashed is remembered under its build id.

A device says its build id and nothing that leads back to a file. The record keeps copies, because
work folders of the cache make room for newer ones and a board may lie in a drawer for months.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pipeline.artifacts import read_json, write_json
from pipeline.errors import ConfigError, DeviceError
from pipeline.paths import cache_path
from pipeline.records import Firmware
from pipeline.stages.firmware import read_firmware

_RECORD = "flashed.json"
_KEPT_FIRMWARES = 64
_BUILD_ID = re.compile(r"[0-9a-f]{16}")
# Of a firmware's folder, what `read_firmware` and a person who debugs need.
_FIRMWARE_FILES = ("firmware.elf", "size.json", "build.log")
_TEMPORARY = ".unfinished-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flashed:
    """A firmware that was written onto a board.

    Attributes:
        tflite: the model, under its own file name; a copy.
        model_name: what reports call the model.
        board, engine: names.
        firmware: with copies of its files.
        port: where the board was found after flashing.
        when: local time with its offset, ISO 8601.
    """

    tflite: Path
    model_name: str
    board: str
    engine: str
    firmware: Firmware
    port: str
    when: str


def remember(flashed: Flashed) -> Flashed:
    """Keep a record of what is on a board, with copies of its files.

    Args:
        flashed: with the files as the stages made them.
    Returns:
        The same with the copies, as `recall` gives it from now on.
    """
    root = _root()
    root.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=root))
    try:
        for name in _FIRMWARE_FILES:
            source = flashed.firmware.elf_path.parent / name
            if source.is_file():
                shutil.copy2(source, folder / name)
        shutil.copy2(flashed.tflite, folder / flashed.tflite.name)
        write_json(
            folder / _RECORD,
            {
                "tflite": flashed.tflite.name,
                "model_name": flashed.model_name,
                "board": flashed.board,
                "engine": flashed.engine,
                "port": flashed.port,
                "when": flashed.when,
            },
        )
        _take_place(folder, root / flashed.firmware.build_id)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _make_room(root)
    return recall(flashed.firmware.build_id)


def recall(build_id: str) -> Flashed:
    """What was flashed under a build id.

    Args:
        build_id: as a device reports it.
    Raises:
        DeviceError: this checkout has not flashed it, or not kept it.
    """
    folder = _root() / build_id
    # The id comes from a device: nothing else may become a path.
    if not _BUILD_ID.fullmatch(build_id) or not (folder / _RECORD).is_file():
        raise DeviceError(
            f"The device runs a firmware that this checkout did not flash: build id '{build_id}'. "
            "Expected one of `espalier flash`. Flash the model again: espalier flash MODEL."
        )
    return _read(folder)


def _read(folder: Path) -> Flashed:
    facts = read_json(folder / _RECORD)
    try:
        return Flashed(
            tflite=folder / facts["tflite"],
            model_name=facts["model_name"],
            board=facts["board"],
            engine=facts["engine"],
            firmware=read_firmware(folder, facts["board"], facts["engine"]),
            port=facts["port"],
            when=facts["when"],
        )
    except (KeyError, TypeError) as error:
        raise ConfigError(
            f"{folder}: expected a record of `espalier flash`. Received: one of another form "
            f"({error}). Remove the folder and flash again."
        ) from error


def _root() -> Path:
    return cache_path() / "flashed"


def _take_place(new: Path, final: Path) -> None:
    """Put a finished folder where the record is looked for; of two at once either may win."""
    new.chmod(0o755)
    shutil.rmtree(final, ignore_errors=True)
    new.rename(final)


def _make_room(root: Path) -> None:
    """Remove the oldest records beyond those that are kept."""
    records = [path for path in root.iterdir() if _BUILD_ID.fullmatch(path.name)]
    records.sort(key=lambda path: path.stat().st_mtime)
    for path in records[:-_KEPT_FIRMWARES]:
        shutil.rmtree(path, ignore_errors=True)
