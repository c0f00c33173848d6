from __future__ import annotations

import tomllib

from pipeline.config import RunConfig
from pipeline.report.settings import toml_text


def test_settings_survive_toml() -> None:
    sections = RunConfig().to_dict()
    read = tomllib.loads(toml_text(sections))
    assert read == {
        name: {key: list(v) if isinstance(v, tuple) else v for key, v in table.items()}
        for name, table in sections.items()
    }


def test_any_text_survives_toml() -> None:
    text = 'a "b" \\ \n\t\x01\x7f é \U0001f600'
    assert tomllib.loads(toml_text({"x": {"y": text}})) == {"x": {"y": text}}
