"""The verbs that make models smaller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.cli import words
from pipeline.cli.options import JSON, verb
from pipeline.cli.output import check_writable, show
from pipeline.errors import ConfigError


@verb
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--method",
    default="l1",
    show_default=True,
    metavar="M",
    shell_complete=words.methods,
    help="A criterion, for pruning in one step, or a method of several; docs/pruning.md.",
)
@click.option("--ratio", type=float, metavar="R", help="Share of channels that goes.")
@click.option("--keep-params", type=float, metavar="F", help="Share of parameters that stays.")
@click.option(
    "--budget",
    default="",
    metavar="LIST",
    help="ram=48KiB,flash=96KiB,macs=3M,params=40k,accuracy>=0.85: any subset.",
)
@click.option("--accuracy-floor", type=float, metavar="A", help="Prune until it is reached.")
@click.option(
    "--board",
    shell_complete=words.boards,
    help="Its RAM and flash are the budget, or what the result must fit.",
)
@click.option(
    "--criterion",
    default="",
    shell_complete=words.criteria,
    help="What scores channels in methods that leave it open.",
)
@click.option("--scope", default="local", show_default=True, help="local, global or isomorphic.")
@click.option("--reduction", default="sum", show_default=True, help="Of a group: sum, mean, max.")
@click.option(
    "--normalization",
    default="mean",
    show_default=True,
    help="Of a group: none, mean, max, sum, l2, standard.",
)
@click.option(
    "--batch-norm", default="ignore", show_default=True, help="ignore, gamma or fold it into l1."
)
@click.option("--ignore", multiple=True, metavar="LAYER", help="Its channels stay (repeatable).")
@click.option("--round-to", default=4, show_default=True, help="Widths become multiples of it.")
@click.option("--min-channels", default=4, show_default=True, help="That stay in every layer.")
@click.option("--max-ratio", default=0.9, show_default=True, help="Of a layer that may go.")
@click.option("--data", help="Labelled samples: a folder or file, or 'synthetic'.")
@click.option("--epochs", default=0, show_default=True, help="Of fine-tuning; needs --data.")
@click.option("--paper", is_flag=True, help="blockwise as published: --set paper=true.")
@click.option(
    "--set",
    "method_options",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the method's own (repeatable).",
)
@click.option("--learning-rate", default=1e-3, show_default=True, help="Of fine-tuning.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The pruned model, a .keras file.",
)
@JSON
def prune(
    model: Path,
    board: str | None,
    data: str | None,
    out: Path,
    json_path: Path | None,
    round_to: int,
    min_channels: int,
    max_ratio: float,
    paper: bool,
    method_options: tuple[str, ...],
    **options: Any,
) -> None:
    """Remove channels of MODEL (.keras or .h5), prove the result, and write it to --out.

    Examples:
      espalier prune model.keras --method l1 --ratio 0.5 --out small.keras
      espalier prune model.keras --data ~/pictures --epochs 8 --keep-params 0.4 --out small.keras
      espalier prune model.keras --board mps2_an386 --budget ram=48KiB,macs=3M --out small.keras
    """
    from pipeline import stages
    from pipeline.device.board import load_board
    from pipeline.report.tables import prune_tables

    for path in (out, json_path):
        check_writable(path)
    if out.suffix != ".keras":
        raise ConfigError(f"--out {out}: expected a .keras file. Write for example pruned.keras.")
    own = (*method_options, "paper=true") if paper else method_options
    limits = stages.Limits(round_to=round_to, min_channels=min_channels, max_ratio=max_ratio)
    pruned = stages.prune_file(
        model,
        stages.PruneSettings(limits=limits, options=own, **options),
        data,
        None if board is None else load_board(board),
        click.get_current_context().obj.reporter(),
    )
    pruned.write(out)
    show(pruned.report, json_path, prune_tables)
    pruned.check_fits()
