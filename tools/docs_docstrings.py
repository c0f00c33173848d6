"""A Griffe extension: sections of a docstring that follow each other without blank lines."""

from __future__ import annotations

import re
from typing import Any

import griffe

_SECTION = re.compile(r"(?<!\n)\n(?=(?:Args|Attributes|Raises|Returns|Yields|Source|Example):)")


class SeparateSections(griffe.Extension):
    """Put a blank line before each section, where Griffe's parser looks for one."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of one object."""
        if obj.docstring is not None:
            obj.docstring.value = _SECTION.sub("\n\n", obj.docstring.value)
