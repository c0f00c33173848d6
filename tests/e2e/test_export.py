"""`espalier export` and `espalier generate --camera` on the command line."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.command_line import espalier
from tests.small_models import residual_network


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a model in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Tiny Model.tflite").write_bytes(residual_network())
    return "Tiny Model.tflite"


def test_export_names_its_files(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("export", model, "--as", "c", "--out", "tiny", "--camera", "32x24:grey:fit")
    assert espalier(*arguments) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == sorted(str(path) for path in Path("tiny").rglob("*") if path.is_file())
    readme = Path("tiny/README.md").read_text()
    assert "espalier export 'Tiny Model.tflite' --as c --camera 32x24:grey:fit" in readme
    assert Path("tiny/src/tiny_model_camera.h").is_file()


def test_export_to_a_zip(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        espalier("export", model, "--as", "arduino", "--name", "tiny", "--out", "new/tiny.zip") == 0
    )
    printed = capsys.readouterr().out.splitlines()
    with zipfile.ZipFile("new/tiny.zip") as archive:
        assert archive.namelist() == [f"tiny/{name}" for name in printed]


def test_generate_with_a_camera(model: str) -> None:
    assert espalier("generate", model, "--out", "sources", "--camera", "32x24:rgb565") == 0
    text = Path("sources/model_camera.h").read_text()
    assert "espalier generate Tiny Model.tflite --camera 32x24:rgb565" in text
    assert Path("sources/camera/frame.c").is_file()


def test_generate_without_one(model: str) -> None:
    assert espalier("generate", model, "--out", "sources") == 0
    assert not Path("sources/camera").exists()
    assert not Path("sources/model_camera.h").exists()
