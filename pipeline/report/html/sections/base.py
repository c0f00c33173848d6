"""What a section of a page is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section.

    Attributes:
        id: of the element, and of the template.
        title: its heading.
        missing: why the run has nothing to show here; "" where it has.
        view: what the template prints.
    """

    id: str
    title: str
    missing: str = ""
    view: Mapping[str, Any] = field(default_factory=dict)
