"""Arduino exports keep the library specification, and the check of it finds what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import __version__
from pipeline.errors import ConfigError
from tests.stages.arduino_library import read_properties, violations
from tests.stages.exports import MODELS, export


@pytest.mark.parametrize(
    ("model", "camera"), [*((name, "") for name in MODELS), ("residual", "160x120:rgb565")]
)
def test_an_export_keeps_the_specification(model: str, camera: str, tmp_path: Path) -> None:
    folder = export(tmp_path, "arduino", model=MODELS[model](), camera=camera)
    assert violations(folder) == []
    properties = read_properties(folder)
    assert (properties["name"], properties["version"]) == ("tiny", __version__)
    assert properties["includes"].split(",")[0] == "tiny.h"


@pytest.mark.parametrize(
    ("file", "old", "new", "violation"),
    [
        ("library.properties", "name=tiny", "name=Arduino tiny", "name 'Arduino tiny'"),
        ("library.properties", "category=Data Processing", "category=AI", "category"),
        ("library.properties", "version=", "version=v", "semantic"),
        ("library.properties", "url=https", "url=ftp", "URL"),
        ("library.properties", "architectures=*", "", "architectures is missing"),
        ("library.properties", "includes=tiny.h", "includes=huge.h", "huge.h"),
        ("library.properties", "author=", "autor=", "autor is no property"),
        ("src/tiny.h", '"portable/', '"elsewhere/', "which is not there"),
        ("src/tiny.h", "#ifndef", "#include <stdio.h>\n#ifndef", "<stdio.h>"),
    ],
)
def test_violations_are_found(
    file: str, old: str, new: str, violation: str, tmp_path: Path
) -> None:
    folder = export(tmp_path, "arduino")
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    assert any(violation in found for found in violations(folder))


@pytest.mark.parametrize("path", ["loose.c", "utility/x.c", "src/readme.txt", "examples/x/y.ino"])
def test_files_in_wrong_places_are_found(path: str, tmp_path: Path) -> None:
    folder = export(tmp_path, "arduino")
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_text("")
    assert len(violations(folder)) == 1


def test_a_name_that_is_arduinos_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--name: .* must not begin with arduino"):
        export(tmp_path, "arduino", name="arduino_person")
    export(tmp_path, "c", name="arduino_person")
