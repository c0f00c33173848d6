"""`espalier export`: what it writes, always the same bytes, and what it refuses."""

from __future__ import annotations

import re
import stat
import zipfile
from pathlib import Path

import pytest

from pipeline import __version__
from pipeline.errors import ConfigError, UnsupportedModelError
from pipeline.stages.exporting import default_name
from tests.shared import REPOSITORY
from tests.stages.exports import contents, export

KINDS = ("arduino", "platformio", "esp-idf", "c")


@pytest.mark.parametrize("kind", KINDS)
def test_equal_bytes_each_time_and_no_trace_of_the_machine(kind: str, tmp_path: Path) -> None:
    first = contents(export(tmp_path, kind, out="a", camera="160x120:rgb565"))
    second = contents(export(tmp_path, kind, out="b", camera="160x120:rgb565"))
    assert first == second
    for name, content in first.items():
        text = content.decode("ascii" if name != "LICENSE" else "utf-8")
        assert str(tmp_path) not in text
        assert str(REPOSITORY) not in text
        assert not re.search(r"[ \t]$", text, re.MULTILINE), name
        assert text.endswith("\n"), name
        assert not text.endswith("\n\n"), name


@pytest.mark.parametrize("kind", KINDS)
def test_a_zip_holds_the_folder(kind: str, tmp_path: Path) -> None:
    folder = contents(export(tmp_path, kind))
    paths = [export(tmp_path, kind, out=f"{place}.zip") for place in ("a", "b")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with zipfile.ZipFile(paths[0]) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            f"tiny/{name}": content for name, content in folder.items()
        }
        for entry in archive.infolist():
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
            assert stat.S_IMODE(entry.external_attr >> 16) == 0o644


@pytest.mark.parametrize("kind", KINDS)
def test_readme_licence_and_three_steps(kind: str, tmp_path: Path) -> None:
    files = contents(export(tmp_path, kind))
    assert files["LICENSE"] == (REPOSITORY / "LICENSE").read_bytes()
    readme = files["README.md"].decode()
    for step in ("\n1. Add it:", "\n2. Try it:", "\n3. Use it:"):
        assert readme.count(step) == 1
    for link in re.findall(r"\]\((\w+)\)", readme):
        assert link in files


def test_one_export_serves_every_core(tmp_path: Path) -> None:
    both = contents(export(tmp_path, "c"))
    dsp = contents(export(tmp_path, "c", out="dsp", board="mps2_an386"))
    portable = contents(export(tmp_path, "c", out="portable", board="host"))
    assert {"src/dsp/model.c", "src/portable/model.c"} < both.keys()
    assert "src/portable/model.c" not in dsp
    assert "src/dsp/model.c" not in portable
    assert not [name for name in portable if "/dsp/" in name]
    assert b"__ARM_FEATURE_DSP" in both["src/tiny.h"]
    assert b"__ARM_FEATURE_DSP" not in dsp["src/tiny.h"]
    assert b"board mps2_an386 (" in dsp["README.md"]


def test_headers_of_the_model_name_everything(tmp_path: Path) -> None:
    files = contents(export(tmp_path, "c", name="person_v2", camera="32x24:grey"))
    text = files["src/portable/model.h"].decode()
    assert "void person_v2_run(uint8_t *arena);" in text
    assert "#define PERSON_V2_ARENA_BYTES" in text
    assert "model_run" not in text
    assert "src/person_v2_camera.h" in files


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("person", "person"),
        ("Person-Detector v2", "person_detector_v2"),
        ("80x80", "model_80x80"),
        ("größe", "gr_e"),
        ("--", "model"),
        ("x" * 60, "x" * 40),
    ],
)
def test_default_name(stem: str, name: str) -> None:
    assert default_name(Path(f"{stem}.tflite")) == name


def test_an_unknown_kind(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError,
        match=r"arduino, platformio, esp-idf, c\. .*'ardunio'\. Did you mean 'arduino'\?",
    ):
        export(tmp_path, "ardunio")


@pytest.mark.parametrize("name", ["Person", "2nd", "a-b", "_a", "x" * 41, "a b"])
def test_a_name_that_c_does_not_take(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"--name: expected a small letter.*Received: '{name}'"):
        export(tmp_path, "c", name=name)


@pytest.mark.parametrize("out", ["taken", "taken.zip"])
def test_what_exists_is_not_touched(out: str, tmp_path: Path) -> None:
    (tmp_path / out).write_text("mine")
    with pytest.raises(ConfigError, match=rf"--out .*{out}: expected a new folder"):
        export(tmp_path, "c", out=out)
    assert (tmp_path / out).read_text() == "mine"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"--out .*file/inner: cannot be written"):
        export(tmp_path, "c", out="file/inner")


def test_a_model_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=r"tiny\.tflite"):
        export(tmp_path, "c", model=b"no model at all")
    assert not (tmp_path / "tiny-c").exists()


def test_a_camera_for_a_model_of_no_picture(tmp_path: Path) -> None:
    from tests.e2e.models import between_floats

    with pytest.raises(UnsupportedModelError, match=r"a camera is for models of one int8 or uint8"):
        export(tmp_path, "c", model=between_floats(), camera="32x24:grey")
    assert not (tmp_path / "tiny-c").exists()


@pytest.mark.parametrize(
    ("camera", "examples"),
    [
        ("", {"one_inference"}),
        ("160x120:rgb565", {"one_inference", "camera_ov7675", "camera_esp32cam"}),
        ("96x96:grey", {"one_inference", "camera_esp32cam"}),
        ("640x480:rgb565", {"one_inference", "camera_esp32cam"}),
        ("160x120:rgb565le", {"one_inference"}),
        ("100x100:rgb565", {"one_inference"}),
    ],
)
def test_examples_are_those_of_cameras_that_deliver_such_frames(
    camera: str, examples: set[str], tmp_path: Path
) -> None:
    for kind in ("arduino", "platformio"):
        files = contents(export(tmp_path, kind, camera=camera))
        assert {name.split("/")[1] for name in files if name.startswith("examples/")} == examples


def test_version_is_the_pipelines(tmp_path: Path) -> None:
    files = contents(export(tmp_path, "esp-idf"))
    assert f'version: "{__version__}"' in files["idf_component.yml"].decode()
