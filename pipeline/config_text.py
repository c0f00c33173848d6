"""Writing a RunConfig as the commented run.toml that loads to it.

What a comment says of a key stands in the docstring of its section's record, and its limits and
its default in the field: nothing is told twice.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import textwrap
from itertools import zip_longest
from pathlib import Path
from typing import Any

from pipeline.config import SECTIONS, RunConfig
from pipeline.errors import ConfigError

_WIDTH = 100
# Where comments begin that stand behind a key.
_COLUMN = 32
# Limits from here on only keep nonsense away.
_ENDLESS = 10_000
# An entry of a docstring's "Attributes:": one or more names, then what they are.
_ENTRY = re.compile(r"^    (\w+(?:, \w+)*): (.*)$")


def config_text(config: RunConfig, head: str, folder: Path) -> str:
    """A run.toml with every key, each under a comment that explains it.

    Args:
        config: what loading the text gives again.
        head: lines for the top, without "#".
        folder: where the file will lie; paths below it become relative.
    Raises:
        ConfigError: a text that no TOML file can hold.
    """
    parts = [comment(head)]
    for name, record in SECTIONS.items():
        parts.append(_section_text(name, record, getattr(config, name), folder))
    return "\n".join(parts)


def comment(text: str) -> str:
    """Lines of a TOML comment, wrapped; empty lines part paragraphs."""
    lines: list[str] = []
    # Names of files and folders may hold what TOML does not even take in comments.
    printable = "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
    for paragraph in printable.split("\n"):
        wrapped = textwrap.wrap(paragraph, _WIDTH - 2, break_long_words=False)
        lines += [f"# {line}" for line in wrapped] or ["#"]
    return "\n".join(lines) + "\n"


def section_summary(record: type) -> str:
    """What a section is for: the first line of its docstring, without its name."""
    first = (inspect.getdoc(record) or "").split("\n")[0]
    return first.partition(": ")[2]


def key_texts(record: type) -> dict[str, str]:
    """What each key of a section is: the entries of its docstring's "Attributes:"."""
    texts: dict[str, str] = {}
    names: list[str] = []
    for line in (inspect.getdoc(record) or "").partition("Attributes:")[2].split("\n"):
        entry = _ENTRY.match(line)
        if entry is not None:
            names = entry[1].split(", ")
            texts |= dict.fromkeys(names, entry[2])
        elif line.strip() and names:
            texts |= {name: f"{texts[name]} {line.strip()}" for name in names}
    return texts


def toml_value(value: Any) -> str:
    """A value of a section as TOML.

    Raises:
        ConfigError: a text that is no Unicode.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ConfigError(
                f"{value!r}: expected a text of Unicode, as TOML files hold. Received: {error}. "
                "Rename the file or folder."
            ) from error
        # JSON's strings are TOML's, but for one character.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, tuple):
        return f"[{', '.join(map(toml_value, value))}]" if len(value) != 1 else toml_value(value[0])
    return repr(value)


def _section_text(name: str, record: type, section: Any, folder: Path) -> str:
    texts = key_texts(record)
    summary = section_summary(record)
    lines = [f"# {summary[:1].upper()}{summary[1:]}", f"[{name}]"]
    for item in dataclasses.fields(record):
        value = getattr(section, item.name)
        if item.metadata["path"]:
            value = _relative(value, item.metadata["words"], folder)
        assignment = f"{item.name} = {toml_value(value)}"
        text = texts[item.name].removesuffix(".")
        lines += _explained(assignment, text + _limits(item, getattr(section, item.name)))
    return "\n".join(lines) + "\n"


def _explained(assignment: str, text: str) -> list[str]:
    """Lines of a key with its comment behind it, or above it where there is no room."""
    if len(assignment) >= _COLUMN:
        return [*comment(text).splitlines(), assignment]
    lines = textwrap.wrap(text, _WIDTH - _COLUMN - 2, break_long_words=False)
    return [
        f"{start:<{_COLUMN}}# {line}"
        for start, line in zip_longest([assignment], lines, fillvalue="")
    ]


def _limits(item: dataclasses.Field[Any], value: Any) -> str:
    """What a key takes, and its default where the value is another."""
    choices, low, high = (item.metadata[name] for name in ("choices", "minimum", "maximum"))
    facts = []
    if choices is not None:
        facts.append(" | ".join(choices))
    if low is not None:
        facts.append(f"{low:g} to {high:g}" if high < _ENDLESS else f"from {low:g}")
    if item.default not in (value, dataclasses.MISSING):
        facts.append(f"default {toml_value(item.default)}")
    return f" [{'; '.join(facts)}]" if facts else ""


def _relative(value: str, words: tuple[str, ...], folder: Path) -> str:
    """A path as the file has it: below its folder relative, so that both can be moved."""
    if not value or value.split(":")[0] in words or not Path(value).is_relative_to(folder):
        return value
    below = Path(value).relative_to(folder).as_posix()
    if below.startswith("~"):
        return value
    # A folder may be called like one of the words.
    return f"./{below}" if below.split(":")[0] in words else below
