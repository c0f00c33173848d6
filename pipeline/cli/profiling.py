"""The verbs that say what a model costs before it is trained or built."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.options import BOARD, JSON, KEEP_CHANNELS, verb
from pipeline.cli.output import check_writable, show
from pipeline.errors import ConfigError


@verb
@click.argument("model")
@BOARD
@click.option("--size", metavar="N|HxW", help="Of a builder's input; FEATURES of an autoencoder's.")
@click.option("--channels", type=click.IntRange(min=1), help="Of a builder's input.")
@click.option("--classes", type=click.IntRange(min=1), help="Of a builder's output.")
@click.option("--alpha", type=float, help="Width multiplier of the MobileNets.")
@KEEP_CHANNELS
@JSON
def profile(
    model: str,
    board: str,
    size: str | None,
    channels: int | None,
    classes: int | None,
    alpha: float | None,
    keep_constant_channels: bool,
    json_path: Path | None,
) -> None:
    """Estimate what MODEL costs, layer by layer, without training or building it.

    MODEL is a .tflite, a .keras or .h5 whose weights do not matter, or the name of a builder.

    Examples:
      espalier profile mobilenet_v2 --alpha 0.25 --size 80 --board nano33
      espalier profile model.tflite --board nrf52840
    """
    from pipeline import stages
    from pipeline.device.board import load_board
    from pipeline.report.profile_tables import profile_tables

    check_writable(json_path)
    shape = stages.Shape(size=_size(size), channels=channels, classes=classes, alpha=alpha)
    report = stages.profile(
        model,
        shape,
        load_board(board),
        click.get_current_context().obj.reporter(),
        keep_constant_channels=keep_constant_channels,
    )
    show(report, json_path, profile_tables)


def _size(text: str | None) -> tuple[int, ...] | None:
    """Sizes as people write them: 80, 49x10."""
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ConfigError(f"--size: expected N or HxW, for example 96 or 49x10. Received: {text}.")
    return tuple(int(part) for part in parts)


@verb
@click.argument("name", required=False)
@JSON
def zoo(name: str | None, json_path: Path | None) -> None:
    """List the models that can be built here with measured cards, or show the card of NAME.

    Examples:
      espalier zoo
      espalier zoo mobilenet_v2_035_96
    """
    from pipeline import stages
    from pipeline.report.profile_tables import card_tables, zoo_tables

    check_writable(json_path)
    if name is None:
        show(stages.zoo_report(), json_path, zoo_tables)
    else:
        show(stages.card_report(name), json_path, card_tables)
