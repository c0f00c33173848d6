"""What a page holds, without a browser."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any


class Page(HTMLParser):
    """Figures, scripts and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.figures: list[tuple[str, str, str]] = []
        self.json: dict[str, Any] = {}
        self.specs: dict[str, Any] = {}
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words = ""
        self._open: dict[str, str | None] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._open = {"tag": tag, **dict(attrs)}
        self.links += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag == "data":
            self.figures.append((str(self._open["data-key"]), str(self._open["value"]), ""))

    def handle_data(self, data: str) -> None:
        if self._open.get("tag") == "data" and data.strip():
            key, value, _ = self.figures[-1]
            self.figures[-1] = (key, value, data.strip())
        if self._open.get("id") == "report-json":
            self.json = json.loads(data)
        if self._open.get("class") == "plot-spec":
            self.specs[str(self._open["data-for"])] = json.loads(data)
        if self._open.get("tag") not in ("script", "style"):
            self.words += data
        self._open = {}


def at_pointer(value: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        value = value[int(name)] if isinstance(value, list) else value[name]
    return value
