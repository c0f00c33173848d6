from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.study.config import load_study

MINIMAL = """
[model]
files = ["net.keras"]
[space]
methods = ["l1"]
ratios = [0.5]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_defaults_and_paths(tmp_path: Path) -> None:
    config = load_study(written(tmp_path, MINIMAL))
    assert config.study.name == "mine"
    assert config.study.mode == "grid"
    assert config.model_names == {"net": tmp_path.resolve() / "net.keras"}
    assert config.data.source == "synthetic"


def test_drawn_pictures_are_no_path(tmp_path: Path) -> None:
    text = MINIMAL + '[data]\nsource = "synthetic:400"\n'
    assert load_study(written(tmp_path, text)).data.source == "synthetic:400"


def test_overrides_are_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, MINIMAL + "[method.taylor]\nscope = 'local'\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    config = load_study(
        path,
        [
            'model.files=["a.keras", "b.keras"]',
            "data.source=pictures",
            "study.seeds=[3, 4]",
            'space.methods=["l1", "taylor:gate2019"]',
            "method.taylor:gate2019.scope=global",
            "method.taylor:gate2019.ratios=[0.1]",
            'space.methods=["taylor", "taylor:gate2019"]',
        ],
    )
    assert list(config.model_names.values()) == [elsewhere / "a.keras", elsewhere / "b.keras"]
    assert config.data.source == str(elsewhere / "pictures")
    assert config.study.seeds == (3, 4)
    assert config.methods["taylor"].options == {"scope": ("local",)}
    assert config.methods["taylor:gate2019"].options == {"scope": ("global",)}
    assert config.methods["taylor:gate2019"].ratios == (0.1,)


WRONG = {
    "unknown section": ("[spce]\n", "unknown section [spce]. Did you mean 'space'?"),
    "unknown key": ("[equal]\nepoch = 3\n", "unknown key equal.epoch. Did you mean 'epochs'?"),
    "unknown method": (
        "[method.slimmin]\nstrength = 1\n",
        "[method.slimmin]: unknown method. Did you mean 'slimming'?",
    ),
    "a method of none": (
        '[costs]\ncolumns = ["aren"]\n',
        "costs.columns must be one of params, macs, arena, flash. Received: 'aren'. Did you mean "
        "'arena'?",
    ),
    "unknown option": (
        "[method.l1]\nscop = 'local'\n",
        "normalization, batch_norm. Did you mean 'scope'?",
    ),
    "an option of another method": (
        "[method.l1]\niterations = 3\n",
        "unknown key iterations; there are ratios, keep_params, budgets, scope, reduction",
    ),
    "an option of another type": (
        "[method.slimming]\nsparsity_epochs = [1, 'two']\n",
        "sparsity_epochs must be a whole number. Received: 'two'",
    ),
    "an unknown scope": (
        "[method.l1]\nscope = ['local', 'globl']\n",
        "scope: no such value 'globl'. Did you mean 'global'?",
    ),
    "a method that is not tried": (
        "[method.l2]\nscope = 'local'\n",
        "[method.l2] belongs to no method of space.methods",
    ),
    "two kinds of amounts": (
        "[method.l1]\nratios = [0.5]\nkeep_params = [0.5]\n",
        "one of ratios and keep_params. Received: both",
    ),
    "an amount out of range": (
        "[method.l1]\nratios = [1.5]\n",
        "method.l1.ratios must be between 0.0 and 0.99. Received: (1.5,)",
    ),
    "another storage": (
        '[study]\nstorage = "mysql://me:secret@there/db"\n',
        "storage must be empty or postgresql+psycopg://USER@HOST/DATABASE. Received: 'mysql'",
    ),
    "a search with seeds": (
        '[study]\nmode = "search"\nseeds = [0, 1]\n',
        "a search takes one model and one seed",
    ),
    "an objective that is not costed": (
        '[study]\nmode = "search"\n[search]\nobjectives = ["flash"]\n',
        "search.objectives must be among costs.columns. Received: flash too",
    ),
    "too little for training": (
        "[data]\nvalidation = 0.5\ntest = 0.4\n",
        "must leave at least 0.2 for training",
    ),
    "a name with a folder": ('[study]\nname = "a/b"\n', "must be a plain folder name"),
    "a section that is none": ("study = 3\n", "[study] must be a section"),
}


@pytest.mark.parametrize(("text", "words"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_named(text: str, words: str, tmp_path: Path) -> None:
    path = written(tmp_path, text + MINIMAL if text.startswith("study") else MINIMAL + text)
    with pytest.raises(ConfigError) as caught:
        load_study(path)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


OVERRIDES = {
    "no value": ("study.name", "--set takes section.key=value"),
    "no section": ("spac.methods=l1", "Did you mean 'space'?"),
    "no option": ("method.l1=3", "--set takes method.NAME.key=value"),
}


@pytest.mark.parametrize(("override", "words"), OVERRIDES.values(), ids=OVERRIDES.keys())
def test_a_wrong_override_is_named(override: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_study(written(tmp_path, MINIMAL), [override])
    assert words in str(caught.value)


def test_models_need_names_of_their_own(tmp_path: Path) -> None:
    path = written(tmp_path, MINIMAL)
    with pytest.raises(ConfigError, match="names of their own"):
        load_study(path, ['model.files=["a/net.keras", "b/net.keras"]'])
    with pytest.raises(ConfigError, match="needs a .keras file"):
        load_study(path, ["model.files=[]"])
