"""What the Arduino library specification (format 1.5, revision 2.2) asks of a library's folder.

Source: https://arduino.github.io/arduino-cli/latest/library-specification/ and, for names of
sketches, .../sketch-specification/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_REQUIRED = (
    "name",
    "version",
    "author",
    "maintainer",
    "sentence",
    "paragraph",
    "category",
    "url",
    "architectures",
)
_OPTIONAL = ("depends", "dot_a_linkage", "includes", "precompiled", "ldflags")
_CATEGORIES = (
    "Display",
    "Communication",
    "Signal Input/Output",
    "Sensors",
    "Device Control",
    "Timing",
    "Data Storage",
    "Data Processing",
    "Other",
)
_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9][A-Za-z0-9 _.-]{0,62}")
_SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_SKETCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
# The file name extensions that are compiled, and those of headers.
_COMPILED = (".c", ".cpp", ".S")
_KNOWN_FOLDERS = {"src", "examples", "extras"}


def violations(folder: Path) -> list[str]:
    """What is wrong with a library; empty where nothing is."""
    return [*_properties(folder), *_layout(folder), *_includes(folder), *_sketches(folder)]


def read_properties(folder: Path) -> dict[str, str]:
    """The lines of library.properties."""
    text = (folder / "library.properties").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def _properties(folder: Path) -> Iterator[str]:
    values = read_properties(folder)
    yield from (f"{key} is missing or empty" for key in _REQUIRED if not values.get(key))
    known = {*_REQUIRED, *_OPTIONAL}
    yield from (f"{key} is no property" for key in values if key not in known)
    name = values.get("name", "")
    if not _NAME.fullmatch(name) or name.lower().startswith("arduino"):
        yield f"the name {name!r} is not allowed"
    if not _SEMVER.fullmatch(values.get("version", "")):
        yield "the version is not semantic"
    if values.get("category") not in _CATEGORIES:
        yield "there is no such category"
    if not re.fullmatch(r"https?://\S+", values.get("url", "")):
        yield "the URL is none"
    for header in filter(None, values.get("includes", "").split(",")):
        if not (folder / "src" / header).is_file():
            yield f"{header} is to be included and is not in src"


def _layout(folder: Path) -> Iterator[str]:
    if not (folder / "src").is_dir():
        yield "there is no folder src"
    for path in folder.iterdir():
        if path.is_dir() and path.name not in _KNOWN_FOLDERS:
            yield f"the folder {path.name} has no meaning"
        if path.suffix in (*_COMPILED, ".h", ".ino"):
            yield f"{path.name} lies beside src"
    for path in (folder / "src").rglob("*"):
        # Object files lie beside each other by the whole names of their sources.
        if path.is_file() and path.suffix not in (*_COMPILED, ".h"):
            yield f"{path.name} is neither compiled nor a header"


def _includes(folder: Path) -> Iterator[str]:
    """Only src is on the include path: everything else is found relative to the file."""
    for path in (folder / "src").rglob("*.[ch]"):
        text = path.read_text(encoding="utf-8")
        for include in re.findall(r'^#include "(.*)"', text, re.MULTILINE):
            if not (path.parent / include).is_file():
                yield f"{path.name} includes {include}, which is not there"
        for include in re.findall(r"^#include <(.*)>", text, re.MULTILINE):
            if include not in ("stdint.h", "string.h"):
                yield f"{path.name} includes <{include}>"


def _sketches(folder: Path) -> Iterator[str]:
    sketches = sorted((folder / "examples").glob("*"))
    if not sketches:
        yield "there are no examples"
    for sketch in sketches:
        if not (sketch / f"{sketch.name}.ino").is_file() or not _SKETCH.fullmatch(sketch.name):
            yield f"{sketch.name} is no sketch"
