"""Espalier as it is installed from its wheel, far from a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from tests.shared import REPOSITORY


def python(*arguments: str | Path) -> None:
    """Runs this interpreter; the test fails where that does."""
    environment = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    result = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def build_packages(out: Path) -> tuple[Path, Path]:
    """The wheel, and the source distribution that it was built from."""
    python("-m", "build", "--no-isolation", "--outdir", out, REPOSITORY)
    (wheel,), (source,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, source


def install(wheel: Path, folder: Path) -> Path:
    """An environment with the wheel; what it depends on comes from the one that runs the tests."""
    venv.create(folder, symlinks=True, with_pip=False)
    (site,) = (folder / "lib").glob("python*/site-packages")
    python("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", f"--target={site}", wheel)
    # After the environment's own packages: the wheel's `pipeline` hides that of the checkout.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder


def espalier(installed: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs the installed package in a folder, with `home` in it as the home folder."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    kept = ("PATH", "LANG", "LC_ALL", "TMPDIR")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    return subprocess.run(
        [str(installed / "bin" / "python"), "-m", "pipeline", *arguments],
        cwd=folder,
        env=environment | {"HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
