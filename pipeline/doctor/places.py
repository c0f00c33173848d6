"""Where Espalier writes: the cache, the runs, a home for the libraries; and the room there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.doctor.findings import Finding, fine, lacking
from pipeline.paths import boards_path, cache_path, firmware_path, runs_path

_TOPIC = "places"
_GIB = 1 << 30
# A run takes some 50 MB; compilers and frameworks for real boards some GB.
_LITTLE_BYTES, _ENOUGH_BYTES = _GIB // 4, 4 * _GIB


def examine_sources() -> Iterator[Finding]:
    """Whether boards and firmware lie where this package looks for them."""
    name, folders = "boards and firmware", (boards_path(), firmware_path())
    missing = [str(folder) for folder in folders if not folder.is_dir()]
    if not missing:
        yield fine(_TOPIC, name, ", ".join(map(str, folders)))
        return
    yield lacking(
        _TOPIC,
        name,
        f"no {' and no '.join(missing)}",
        fix="pip install --force-reinstall espalier, or take a whole clone",
        without="nothing can be built",
        needed=True,
    )


def examine_places() -> Iterator[Finding]:
    """Whether everything that has to be written can be, and how much room there is."""
    yield _writable("cache", cache_path, "nothing can be built or trained")
    yield _writable("runs", runs_path, "another folder works: --runs FOLDER")
    temporary = "another folder works: TMPDIR=FOLDER"
    yield _writable("temporary files", lambda: Path(tempfile.gettempdir()), temporary)
    home = "emulated boards work; PlatformIO downloads compilers for other boards to there"
    yield _writable("home", Path.home, home, needed=False)
    place = _existing(runs_path())
    free = shutil.disk_usage(place).free
    found = f"{free / _GIB:.1f} GiB free at {place}"
    if free >= _ENOUGH_BYTES:
        yield fine(_TOPIC, "disk space", found)
    else:
        little = free < _LITTLE_BYTES
        without = "runs on emulated boards fit; compilers for real boards take up to 4 GiB"
        yield lacking(
            _TOPIC,
            "disk space",
            found,
            fix="rm -r runs/NAME (old runs), make clean (the cache)",
            without="a run may end half-way" if little else without,
            needed=little,
        )


def _writable(
    name: str, place: Callable[[], Path], without: str, *, needed: bool = True
) -> Finding:
    try:
        folder = _existing(place())
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, RuntimeError) as error:
        folder_name = getattr(error, "filename", None)
        owned = f" {Path(folder_name).parent}" if isinstance(folder_name, str) else " THE_FOLDER"
        return lacking(
            _TOPIC,
            name,
            f"cannot be written: {error}",
            fix=f"sudo chown -R $USER{owned}",
            without=without,
            needed=needed,
        )
    return fine(_TOPIC, name, f"{folder} is writable")


def _existing(path: Path) -> Path:
    """The folder itself, or the nearest above it that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
