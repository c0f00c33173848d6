"""Reading TOML files into records, strictly: unknown sections and keys are errors.

So are wrong types and values out of range; each ConfigError names the file, the key, what was
expected and what was received.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError
from pipeline.suggest import did_you_mean, suggestion


def setting(
    default: Any = dataclasses.MISSING,
    *,
    choices: tuple[str, ...] | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    path: bool = False,
    words: tuple[str, ...] = (),
) -> Any:
    """A field of a section with its limits, both inclusive.

    Args:
        default: without one the key has to be given.
        choices: all values that it takes.
        minimum, maximum: of numbers.
        path: it is made absolute, but for `words`, also with ":" and something behind them.
        words: see `path`.
    """
    limits = {"choices": choices, "minimum": minimum, "maximum": maximum}
    return field(default=default, metadata={**limits, "path": path, "words": words})


def read_tables(path: Path, way_out: str) -> dict[str, Any]:
    """The tables of a TOML file.

    Args:
        path: the file.
        way_out: for the message: where a file to start from comes from.
    Raises:
        ConfigError: it cannot be read, or is no TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: expected a TOML file. Received: none there. {way_out}."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}). {way_out}.") from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error


def load_sections(
    tables: Mapping[str, Any], known: Mapping[str, type], path: Path, overrides: Iterable[str]
) -> dict[str, Any]:
    """The records of the sections that tables and overrides give.

    Args:
        tables: of a file.
        known: the record of each section; its fields are made by `setting`.
        path: of the file; relative paths in it are relative to its folder.
        overrides: see `load_config`.
    Raises:
        ConfigError: a section, key or value is wrong.
    """
    sections: dict[str, dict[str, Any]] = {}
    for name, table in tables.items():
        check_known(name, known, f"{path}: unknown section [{name}]")
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: [{name}] must be a section. Received: {name} = {table!r}")
        sections[name] = checked_table(known[name], table, name, str(path), path.resolve().parent)
    for override in overrides:
        name, key, raw = parse_override(override, known)
        value = _override_value(known[name], key, raw)
        checked = checked_table(known[name], {key: value}, name, f"--set {override}", Path.cwd())
        sections.setdefault(name, {}).update(checked)
    return {name: known[name](**values) for name, values in sections.items()}


def parse_override(text: str, known: Iterable[str]) -> tuple[str, str, str]:
    """Section, key and value of "section.key=value".

    Raises:
        ConfigError: it has another form, or there is no such section.
    """
    dotted, equals, raw = text.partition("=")
    section, dot, key = dotted.strip().partition(".")
    if not (equals and dot and section and key):
        raise ConfigError(f"--set takes section.key=value. Received: {text!r}")
    check_known(section, known, f"--set {text}: unknown section {section!r}")
    return section, key, raw


def _override_value(record: type, key: str, raw: str) -> Any:
    try:
        value = tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        value = raw
    kind = {item.name: item.type for item in dataclasses.fields(record)}.get(key)
    # On a command line quotes are the shell's: a name like 2024 is still a string.
    return raw if kind == "str" and not isinstance(value, str) else value


def checked_table(
    record: type, table: Mapping[str, Any], section: str, place: str, base: Path
) -> dict[str, Any]:
    """The values of one section, checked; paths made absolute against `base`.

    Args:
        record: whose fields are the section's keys.
        table: key and value.
        section: its name, for messages.
        place: the file or option, for messages.
        base: a folder.
    Raises:
        ConfigError: an unknown key, or a value of another type or out of range.
    """
    fields = {item.name: item for item in dataclasses.fields(record)}
    result = {}
    for key, value in table.items():
        check_known(key, fields, f"{place}: unknown key {section}.{key}")
        item = fields[key]
        result[key] = _checked_value(value, item, f"{place}: {section}.{key}")
        if item.metadata["path"]:
            result[key] = _absolute(result[key], item.metadata["words"], base)
    return result


def _absolute(value: Any, words: tuple[str, ...], base: Path) -> Any:
    if isinstance(value, tuple):
        return tuple(_absolute(text, words, base) for text in value)
    if not value or value.split(":")[0] in words:
        return value
    return str((base / os.path.expanduser(value)).resolve())


def _checked_value(value: Any, item: dataclasses.Field[Any], place: str) -> Any:
    value = _typed(value, str(item.type), place)
    choices = item.metadata["choices"]
    values = value if isinstance(value, tuple) else (value,)
    for one in values if choices is not None else ():
        if one not in choices:
            raise ConfigError(
                f"{place} must be one of {', '.join(choices)}. Received: {one!r}."
                f"{did_you_mean(str(one), choices)}"
            )
    low, high = item.metadata["minimum"], item.metadata["maximum"]
    if low is not None and not all(low <= number <= high for number in values):
        raise ConfigError(f"{place} must be between {low} and {high}. Received: {value!r}")
    return value


def _typed(value: Any, kind: str, place: str) -> Any:
    """The value as its field's type; only whole numbers become floats."""
    if kind.startswith("tuple["):
        item = kind.removeprefix("tuple[").removesuffix(", ...]")
        values = value if isinstance(value, list) else [value]
        return tuple(_typed(one, item, place) for one in values)
    if kind == "float" and type(value) is int:
        return float(value)
    types = {
        "str": (str, "a string"),
        "int": (int, "a whole number"),
        "float": (float, "a number"),
        "bool": (bool, "true or false"),
    }
    expected, words = types[kind]
    if type(value) is not expected:
        raise ConfigError(f"{place} must be {words}. Received: {value!r}")
    return value


def check_known(name: str, names: Iterable[str], problem: str) -> None:
    """Raise ConfigError, with `problem` and a suggestion, where `name` is none of `names`."""
    names = list(names)
    if name not in names:
        raise ConfigError(f"{problem}. {suggestion(name, names)}")
