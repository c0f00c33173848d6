"""The wheel and the source distribution: complete, valid, and usable far from a checkout."""

from __future__ import annotations

import json
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from pipeline import __version__
from pipeline.artifacts import hash_tree
from tests.installed import build_packages, espalier, install, python
from tests.shared import REPOSITORY
from tests.small_models import residual_network

pytestmark = [pytest.mark.slow, pytest.mark.needs("build", "hatchling", "twine")]

# Each of these stands beside the package in a checkout, and inside it in a wheel.
ASSETS = ("LICENSE", "boards", "examples", "firmware", "tools/60-espalier.rules")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the source distribution that the wheel was built from."""
    return build_packages(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def installed(packages: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel."""
    return install(packages[0], tmp_path_factory.mktemp("installed"))


def test_both_are_valid(packages: tuple[Path, Path]) -> None:
    python("-m", "twine", "check", "--strict", *packages)


def test_they_carry_the_version_of_the_package(packages: tuple[Path, Path]) -> None:
    for path in packages:
        assert path.name.startswith(f"espalier-{__version__}")


def test_the_wheel_holds_every_file_that_git_knows(packages: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(packages[0]) as archive:
        names = set(archive.namelist())
    for path in (*tracked("pipeline"), *(f"pipeline/assets/{name}" for name in tracked(*ASSETS))):
        assert path in names
    assert not [name for name in names if "__pycache__" in name or "/.pio/" in name]


def test_the_source_distribution_holds_tests_and_documentation(
    packages: tuple[Path, Path],
) -> None:
    with tarfile.open(packages[1]) as archive:
        names = set(archive.getnames())
    root = f"espalier-{__version__}"
    for path in tracked("docs", "tests", "tools", "Makefile", "constraints.txt"):
        assert f"{root}/{path}" in names


def tracked(*paths: str) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--", *paths],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return listed.stdout.split()


def test_the_installed_package_lists_its_boards(installed: Path, tmp_path: Path) -> None:
    result = espalier(installed, "boards", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "nano33" in result.stdout


@pytest.mark.emulator
@pytest.mark.needs("platformio", "ziglang", "unicorn")
def test_the_installed_package_deploys_far_from_a_checkout(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "small.tflite").write_bytes(residual_network())
    (assets,) = installed.glob("lib/python*/site-packages/pipeline/assets")
    before = hash_tree(assets)
    result = espalier(installed, "deploy", "small.tflite", "--json", "out.json", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert json.loads((tmp_path / "out.json").read_text())["mismatches"] == 0
    # What a user may not write stays as it is; state lies in the home folder.
    assert hash_tree(assets) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "out.json", "small.tflite"]
    assert [path.name for path in (tmp_path / "home").iterdir()] == [".cache"]
