"""Where the parts of the checkout lie that are not Python: boards, firmware, local tool state."""

from pathlib import Path

from pipeline.errors import ConfigError

_ROOT = Path(__file__).resolve().parents[1]


def boards_path() -> Path:
    """The folder with one folder per board. Raises ConfigError outside of a checkout."""
    return _existing("boards")


def firmware_path() -> Path:
    """The firmware's PlatformIO project. Raises ConfigError outside of a checkout."""
    return _existing("firmware")


def licence_path() -> Path:
    """The licence's text. Raises ConfigError outside of a checkout."""
    return _existing("LICENSE")


def checkout_path() -> Path:
    """The folder that holds the package, and in a clone everything else."""
    return _ROOT


def cache_path() -> Path:
    """The git-ignored folder of local tool state, made where it is missing."""
    path = _ROOT / ".cache"
    path.mkdir(exist_ok=True)
    return path


def runs_path() -> Path:
    """The git-ignored folder of run folders; it need not exist."""
    return _ROOT / "runs"


def _existing(name: str) -> Path:
    path = _ROOT / name
    if not path.exists():
        raise ConfigError(
            f"'{name}' is expected beside the package 'pipeline'. "
            f"Received: nothing at {path}. Run from a clone of the repository "
            "(pip install --editable), not from an installed copy."
        )
    return path
