"""The list of operators, and what is written about them."""

from __future__ import annotations

import re

from pipeline.ops.table import KERNEL_OPS, RESHAPE_KINDS
from pipeline.records import OpKind
from tests.shared import REPOSITORY


def test_every_operator_is_handled() -> None:
    assert {*KERNEL_OPS, *RESHAPE_KINDS, OpKind.SHAPE} == set(OpKind)


def test_every_operator_is_documented() -> None:
    table = (REPOSITORY / "docs" / "operators.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([A-Z0-9_, ]+) \|", table, re.MULTILINE)
    assert sorted(name for row in rows for name in row.split(", ")) == sorted(OpKind.__members__)
