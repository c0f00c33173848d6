"""What completes the values of options: boards, methods, emulators, keys, runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

# Set by the script that `espalier completion` prints.
COMPLETE_VARIABLE = "_ESPALIER_COMPLETE"


def boards(ctx: click.Context, parameter: click.Parameter, start: str) -> list[CompletionItem]:
    """Names of boards, with what they are."""
    from pipeline.device.board import board_names, load_board

    names = [name for name in board_names() if name.startswith(start)]
    return [CompletionItem(name, help=load_board(name).description) for name in names]


def methods(ctx: click.Context, parameter: click.Parameter, start: str) -> list[str]:
    """What --method takes, without the variants of a criterion behind a colon."""
    from pipeline.stages.prune_methods import method_names

    return _beginning(start, (name for name in method_names() if ":" not in name))


def criteria(ctx: click.Context, parameter: click.Parameter, start: str) -> list[str]:
    """What scores channels."""
    from pipeline.prune.criteria.table import CRITERIA

    return _beginning(start, (name for name in CRITERIA if ":" not in name))


def architectures(ctx: click.Context, parameter: click.Parameter, start: str) -> list[str]:
    """Names of builders."""
    from pipeline.model.build import CLASSIFIERS

    return _beginning(start, CLASSIFIERS)


def emulators(ctx: click.Context, parameter: click.Parameter, start: str) -> list[str]:
    """Kinds of devices."""
    from pipeline.device.select import AUTO, KINDS

    return _beginning(start, (AUTO, *KINDS))


def keys(ctx: click.Context, parameter: click.Parameter, start: str) -> list[str]:
    """Keys of a run.toml, as --set takes them."""
    from dataclasses import fields

    from pipeline.config import SECTIONS

    names = (f"{name}.{key.name}=" for name, record in SECTIONS.items() for key in fields(record))
    return _beginning(start, names)


def runs(ctx: click.Context, parameter: click.Parameter, start: str) -> list[CompletionItem]:
    """Folders of runs; where none begins so, any folder."""
    from pipeline.paths import runs_path

    found = []
    # As it may be typed: from the working directory, or in full.
    for place in {Path("runs"), runs_path()}:
        for folder in sorted(place.glob("*/")):
            found += [str(folder)] if (folder / "train").is_dir() else []
    names = _beginning(start, found)
    return [CompletionItem(name) for name in names] or [CompletionItem(start, type="dir")]


def _beginning(start: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(start)]
