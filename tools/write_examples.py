"""Write the run.toml files of examples/ anew, each with every key and what it is.

    .venv/bin/python tools/write_examples.py

A file's head and its values are kept; all other comments are what pipeline/config.py says.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.config import load_config
from pipeline.config_text import config_text

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def rewritten(path: Path) -> str:
    """An example as it should stand there."""
    head = path.read_text(encoding="utf-8").split("\n\n", 1)[0]
    lines = [line.removeprefix("#").removeprefix(" ") for line in head.splitlines()]
    return config_text(load_config(path), "\n".join(lines), path.parent)


if __name__ == "__main__":
    for path in sorted(EXAMPLES.glob("*.toml")):
        path.write_text(rewritten(path), encoding="utf-8")
