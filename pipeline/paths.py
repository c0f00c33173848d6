"""Where what is not Python lies: boards, firmware, local tool state.

In a checkout they stand beside the package; in an installed copy they lie inside it.
"""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent
_IN_CHECKOUT = (_CHECKOUT / "firmware" / "platformio.ini").is_file()
_ASSETS = _CHECKOUT if _IN_CHECKOUT else _PACKAGE / "assets"


def boards_path() -> Path:
    """The folder with one folder per board."""
    return _ASSETS / "boards"


def firmware_path() -> Path:
    """The firmware's PlatformIO project."""
    return _ASSETS / "firmware"


def licence_path() -> Path:
    """The licence's text."""
    return _ASSETS / "LICENSE"


def udev_rules_path() -> Path:
    """Rules for Linux that let every user of a desk use its boards' ports."""
    return _ASSETS / "tools" / "60-espalier.rules"


def checkout_path() -> Path:
    """The folder that holds the package, and in a clone everything else."""
    return _CHECKOUT


def cache_path() -> Path:
    """The folder of local tool state, made where it is missing.

    That of the checkout, which git ignores; of an installed copy the user's own.
    """
    users = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = _CHECKOUT / ".cache" if _IN_CHECKOUT else users / "espalier"
    path.mkdir(parents=True, exist_ok=True)
    return path


def runs_path() -> Path:
    """The folder of run folders; it need not exist.

    That of the checkout, which git ignores; of an installed copy runs/ of the working directory.
    """
    return (_CHECKOUT if _IN_CHECKOUT else Path.cwd()) / "runs"
