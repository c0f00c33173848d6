"""What is written loads to the very same values, and explains every key."""

from __future__ import annotations

import dataclasses
import string
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import SECTIONS, DataSection, RunConfig, RunSection, load_config
from pipeline.config_text import config_text, key_texts, section_summary, toml_value
from pipeline.errors import ConfigError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
# What no single key can tell is not drawn wrong.
FIXED = {("run", "name"), ("data", "size"), ("data", "channels"), ("prune", "method")}
SHARES = {("data", "validation"), ("data", "test")}


def values(section: str, item: dataclasses.Field[Any]) -> st.SearchStrategy[Any]:
    """All that a key takes."""
    choices, low, high = (item.metadata[name] for name in ("choices", "minimum", "maximum"))
    if (section, item.name) in FIXED:
        return st.just(item.default or "l1")
    if (section, item.name) in SHARES:
        return st.floats(0.01, 0.4)
    if choices is not None:
        return st.sampled_from(choices)
    if item.metadata["path"]:
        # A folder's name may be anything but a way out of it.
        names = st.text(string.ascii_letters + " ~:#'\"äß", min_size=1, max_size=8)
        return names.map(lambda name: str(Path("/data") / name.strip() / "x"))
    kind = str(item.type)
    if kind.startswith("tuple[int"):
        return st.lists(st.integers(low, high), max_size=4).map(tuple)
    if kind.startswith("tuple[str"):
        return st.lists(TEXTS, max_size=3).map(tuple)
    if kind == "bool":
        return st.booleans()
    if kind == "int":
        return st.integers(low, high)
    return TEXTS if kind == "str" else st.floats(low, high)


def configs() -> st.SearchStrategy[RunConfig]:
    return st.builds(
        RunConfig,
        **{
            name: st.builds(
                record, **{item.name: values(name, item) for item in dataclasses.fields(record)}
            )
            for name, record in SECTIONS.items()
        },
    )


@settings(max_examples=60, deadline=None)
@given(config=configs(), head=TEXTS)
def test_what_is_written_loads_to_the_very_same_values(config: RunConfig, head: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.toml"
        path.write_text(config_text(config, head, Path(folder)), "utf-8")
        assert load_config(path) == config


@pytest.mark.parametrize("name", ["pictures", "synthetic", "synthetic:4", "a/b"])
def test_paths_below_the_file_are_relative_so_that_both_can_move(tmp_path: Path, name: str) -> None:
    config = RunConfig(data=DataSection(source=str(tmp_path / name)))
    text = config_text(config, "", tmp_path)
    assert str(tmp_path) not in text
    path = tmp_path / "run.toml"
    path.write_text(text, encoding="utf-8")
    assert load_config(path) == config


def test_a_name_that_looks_like_a_home_is_written_in_full(tmp_path: Path) -> None:
    config = RunConfig(data=DataSection(source=str(tmp_path / "~nobody")))
    path = tmp_path / "run.toml"
    path.write_text(config_text(config, "", tmp_path), encoding="utf-8")
    assert load_config(path) == config


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_is_explained_by_its_record(section: str) -> None:
    record = SECTIONS[section]
    assert set(key_texts(record)) == {item.name for item in dataclasses.fields(record)}
    assert section_summary(record)


def test_comments_tell_meaning_limits_and_a_default_that_is_not_the_value() -> None:
    text = config_text(RunConfig(run=RunSection(seed=7)), "Head.", Path("/"))
    assert text.startswith("# Head.\n\n# What concerns every stage.\n[run]\n")
    assert "seed = 7                        # of everything random [from 0; default 1]" in text
    assert "[crop | fit]" in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_a_name_that_is_no_unicode_is_named() -> None:
    with pytest.raises(ConfigError, match="expected a text of Unicode"):
        toml_value("pictures\udcff")
