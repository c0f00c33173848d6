"""Settings as TOML, so that a report can say how to make its run again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def toml_text(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """Sections of keys as a TOML document.

    Args:
        sections: values are strings, numbers, booleans, or sequences of them.
    """
    lines = []
    for name, table in sections.items():
        lines += [f"[{name}]", *(f"{key} = {_value(value)}" for key, value in table.items()), ""]
    return "\n".join(lines[:-1]) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    # JSON's strings are TOML's, but for one control character that JSON lets through.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
