from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import RunConfig, load_config
from pipeline.errors import ConfigError
from tests.shared import REPOSITORY


def write(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "")) == RunConfig()


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "examples").glob("*.toml")), ids=lambda p: p.stem
)
def test_examples_load(path: Path) -> None:
    assert load_config(path).run.name == path.stem


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, '[data]\nsource = "pictures"\n[model]\ninit = "/weights.keras"\n')
    config = load_config(path)
    assert config.data.source == str(tmp_path / "pictures")
    assert config.model.init == "/weights.keras"


def test_overrides_win_and_their_paths_are_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    path = write(tmp_path, "[train]\nepochs = 3\n")
    overrides = ["train.epochs=4", "train.epochs=5", "data.source=pictures", "run.name=2024"]
    config = load_config(path, overrides)
    assert config.train.epochs == 5
    assert config.data.source == str(elsewhere / "pictures")
    assert config.run.name == "2024"


def test_one_side_or_two(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "[data]\nsize = 96\n")).data.size == (96,)
    assert load_config(write(tmp_path, "[data]\nsize = [49, 10]\n")).data.size == (49, 10)


def test_layers_to_ignore_are_one_or_a_list(tmp_path: Path) -> None:
    text = '[prune]\nmethod = "l1"\nratio = 0.5\nignore = {}\n'
    one = load_config(write(tmp_path, text.format('"stem"')))
    assert one.prune.ignore == ("stem",)
    two = load_config(write(tmp_path, text.format('["stem", "head"]')))
    assert two.prune.ignore == ("stem", "head")


def test_whole_numbers_are_numbers(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "[model]\nalpha = 1\n")).model.alpha == 1.0


def test_a_method_that_is_empty_prunes_nothing(tmp_path: Path) -> None:
    for text, overrides in (
        ('[prune]\nmethod = ""\nratio = 0.5\n', []),
        ('[prune]\nmethod = "l1"\nratio = 0.5\n', ["prune.method="]),
    ):
        assert load_config(write(tmp_path, text), overrides).prune.method == ""


WRONG = {
    "unknown key": ("[train]\nepoch = 3\n", [], "unknown key train.epoch. Did you mean 'epochs'?"),
    "unknown section": ("[trian]\n", [], "unknown section [trian]. Did you mean 'train'?"),
    "no section": ("epochs = 3\n", [], "unknown section [epochs]"),
    "section is a value": ("train = 3\n", [], "[train] must be a section. Received: train = 3"),
    "text for a number": ('[train]\nepochs = "3"\n', [], "a whole number. Received: '3'"),
    "truth for a number": ("[train]\nepochs = true\n", [], "a whole number. Received: True"),
    "number for a truth": ("[train]\naugment = 1\n", [], "true or false. Received: 1"),
    "number for a text": ("[run]\nname = 3\n", [], "run.name must be a string. Received: 3"),
    "too small": ("[train]\nepochs = -1\n", [], "must be between 0 and 10000. Received: -1"),
    "not a number": ("[train]\nlearning_rate = nan\n", [], "Received: nan"),
    "not a choice": ('[data]\nfit = "zoom"\n', [], "one of crop, fit. Received: 'zoom'"),
    "no TOML": ("[train\n", [], "not valid TOML"),
    "a part of a pixel": ("[data]\nsize = [80, 1.5]\n", [], "a whole number. Received: 1.5"),
    "one side too small": ("[data]\nsize = [80, 1]\n", [], "Received: (80, 1)"),
    "three sides": ("[data]\nsize = [80, 80, 80]\n", [], "Received: [80, 80, 80]"),
    "two channels": ("[data]\nchannels = 2\n", [], "data.channels must be 1 or 3. Received: 2"),
    "nothing to train on": ("[data]\ntest = 0.5\nvalidation = 0.5\n", [], "Received: 1 together"),
    "a path as a name": ('[run]\nname = "../x"\n', [], "run.name must be a plain folder name"),
    "no way to prune": ("[prune]\nratio = 0.5\n", [], "[prune] needs a method"),
    "a ratio that empties": (
        '[prune]\nmethod = "l1"\nratio = 1.0\n',
        [],
        "prune.ratio must be between 0.0 and 0.99. Received: 1.0",
    ),
    "a layer that is no text": ("[prune]\nignore = [3]\n", [], "must be a string. Received: 3"),
    "override without =": ("", ["train.epochs"], "--set takes section.key=value"),
    "override of no key": ("", ["train.epoch=1"], "unknown key train.epoch"),
    "override of no section": ("", ["trian.epochs=1"], "Did you mean 'train'?"),
    "override with a wrong type": ("", ["train.epochs=many"], "Received: 'many'"),
}


@pytest.mark.parametrize(("text", "overrides", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_named(
    tmp_path: Path, text: str, overrides: list[str], message: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    assert message in str(caught.value)
    assert str(path) in str(caught.value) or "--set" in str(caught.value)


def test_a_missing_file_names_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none there\. `espalier init` writes one"):
        load_config(tmp_path / "none.toml")
