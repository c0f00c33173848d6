from __future__ import annotations

import ast

import pytest

from pipeline.suggest import did_you_mean, nearest, suggestion
from tests.shared import REPOSITORY

NAMES = ("bn-scale", "taylor", "mps2_an386", "nano33")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("tailor", "taylor"),
        ("bn_scale", "bn-scale"),
        ("Nano33", "nano33"),
        ("mps2-an386", "mps2_an386"),
        ("nano33", None),
        ("xyzzy", None),
        ("", None),
    ],
)
def test_the_nearest_name(written: str, meant: str | None) -> None:
    assert nearest(written, NAMES) == meant
    assert did_you_mean(written, NAMES) == (f" Did you mean {meant!r}?" if meant else "")


def test_where_nothing_is_near_all_names_are_listed() -> None:
    assert suggestion("xyzzy", NAMES) == "Known: bn-scale, mps2_an386, nano33, taylor."
    assert suggestion("tailor", NAMES) == "Did you mean 'taylor'?"


def test_the_wording_has_one_home() -> None:
    home = REPOSITORY / "pipeline" / "suggest.py"
    others = []
    for path in sorted((REPOSITORY / "pipeline").rglob("*.py")):
        imports = (
            alias.name
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import)
            for alias in node.names
        )
        if path != home and "difflib" in imports:
            others.append(path)
    assert not others
