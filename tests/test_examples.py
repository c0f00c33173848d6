"""What examples/ says of keys is what pipeline/config.py says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import load_config
from tools.write_examples import EXAMPLES, rewritten


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.name)
def test_examples_hold_every_key_and_are_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == rewritten(path), "run tools/write_examples.py"
    assert load_config(path).run.name == path.stem
