"""The verb that quantizes: a run's model, or that of a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli import words
from pipeline.cli.help import Choice
from pipeline.cli.options import CONFIG_KEYS, JSON, verb
from pipeline.cli.output import check_writable, show
from pipeline.cli.runs import chain
from pipeline.config import CALIBRATIONS, EDGE_TYPES, QUANTIZE_METHODS
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.stages import QuantizeSettings


_CONFIG_OPTIONS = {"overrides": "--set", "init": "--init", "runs": "--runs"}
_MODEL_OPTIONS = {
    "out": "--out",
    "method": "--method",
    "samples": "--samples",
    "calibration": "--calibration",
    "equalize": "--equalize",
    "correct_bias": "--correct-bias",
    "input_type": "--input-type",
    "output_type": "--output-type",
    "epochs": "--epochs",
    "learning_rate": "--learning-rate",
    "flash": "--flash",
    "board": "--board",
    "seed": "--seed",
    "compares": "--compare",
    "layers": "--layers",
    "json_path": "--json",
}


@verb
@click.argument("subject", metavar="CONFIG | MODEL", type=click.Path(path_type=Path))
@CONFIG_KEYS
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Of a MODEL: the quantized model, a .tflite file.",
)
@click.option(
    "--method",
    type=Choice(QUANTIZE_METHODS),
    help="After training, or quantization-aware training.  [default: ptq]",
)
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    help="Training samples that calibrate.  [default: 200]",
    metavar="N",
)
@click.option(
    "--calibration",
    type=Choice(CALIBRATIONS),
    help="What makes a range of the values seen.  [default: percentile]",
)
@click.option(
    "--equalize/--no-equalize", default=None, help="Level channels' ranges between layers first."
)
@click.option(
    "--correct-bias/--no-correct-bias",
    default=None,
    help="Take each channel's mean error out of the biases.  [default: yes]",
)
@click.option("--input-type", type=Choice(EDGE_TYPES), help="[default: int8]")
@click.option("--output-type", type=Choice(EDGE_TYPES), help="[default: int8]")
@click.option("--epochs", type=click.IntRange(min=1), help="Of --method qat.", metavar="N")
@click.option("--learning-rate", type=float, help="Of --method qat, the highest.", metavar="X")
@click.option(
    "--flash", metavar="SIZE", help="Filters become int4 until the firmware is this small: 96KiB."
)
@click.option(
    "--board",
    shell_complete=words.boards,
    help="Of --flash: whose firmware.  [default: mps2_an386]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    help="Of the division into training and test samples.  [default: 1, as in a run.toml]",
)
@click.option(
    "--compare",
    "compares",
    is_flag=True,
    default=None,
    help="Try every way after training, in one table; --out gets the best on validation.",
)
@click.option(
    "--layers",
    is_flag=True,
    default=None,
    help="Show every layer, float against int8, and which one hurts.",
)
@JSON
def quantize(subject: Path, json_path: Path | None, **options: Any) -> None:
    """Quantize to int8: of a CONFIG (a run.toml) everything up to it, prints its folder.

    Of a MODEL (.keras or .h5) with --data: calibrate it on the training samples, write --out, and
    compare it with its float form on the test samples. A MODEL that is a .tflite already can
    take filters of four bits, with --flash.

    Examples:
      espalier quantize run.toml
      espalier quantize model.keras --data pictures --out model.tflite
      espalier quantize model.keras --data pictures --compare
      espalier quantize model.keras --data pictures --method qat --epochs 8 --out model.tflite
      espalier quantize model.tflite --data pictures --flash 96KiB --out small.tflite
    """
    options["json_path"] = json_path
    is_config = subject.suffix == ".toml"
    others = _MODEL_OPTIONS if is_config else _CONFIG_OPTIONS
    misplaced = [
        text for name, text in others.items() if options[name] is not None and options[name] != ()
    ]
    if misplaced:
        kind, way = ("MODEL", " or use --set quantize.KEY=VALUE") if is_config else ("CONFIG", "")
        raise ConfigError(
            f"quantize: {', '.join(misplaced)} goes only with a {kind}. Leave it out{way}."
        )
    if is_config:
        kept = ("overrides", "data", "init", "runs")
        click.echo(chain("quantize", config=subject, **{name: options[name] for name in kept}))
        return
    if subject.suffix == ".tflite":
        _lower_file(subject, options)
    else:
        _quantize_model(subject, options)


def _quantize_model(model: Path, options: dict[str, Any]) -> None:
    from pipeline import stages
    from pipeline.report.quantization import quantize_tables, variant_tables

    data, out, json_path = options["data"], options["out"], options["json_path"]
    _check_paths(model, options)
    reporter, settings = click.get_current_context().obj.reporter(), _settings(options)
    if options["compares"]:
        variants = stages.compare_file(model, settings, data, reporter)
        quantized = variants.chosen
        show({"model": model.name, **variants.report}, json_path, variant_tables)
    else:
        quantized = stages.quantize_file(model, settings, data, reporter)
        show({"model": model.name, **quantized.facts}, json_path, quantize_tables)
    if out is not None:
        quantized.write(out)


def _lower_file(model: Path, options: dict[str, Any]) -> None:
    """Four-bit filters for a model that is quantized already."""
    from pipeline import stages
    from pipeline.device.board import load_board
    from pipeline.report.low_bit_table import low_bit_tables

    kept = ("data", "out", "flash", "board", "json_path", "overrides", "init", "runs")
    others = [
        text
        for name, text in _MODEL_OPTIONS.items()
        if name not in kept and options[name] not in (None, False)
    ]
    if options["flash"] is None or others:
        received = ", ".join(others) if others else "no --flash"
        raise ConfigError(
            f"{model}: this model is quantized already; it takes --flash, which gives filters four "
            f"bits, with --data, --board and --out. Received: {received}. Give the .keras for the "
            "rest."
        )
    _check_paths(model, options)
    figures = stages.lower_file(
        model,
        options["out"],
        data=options["data"],
        board=load_board(options["board"] or stages.QuantizeSettings().board),
        flash_bytes=stages.flash_budget(options["flash"]),
        reporter=click.get_current_context().obj.reporter(),
    )
    show(figures, options["json_path"], low_bit_tables)


def _check_paths(model: Path, options: dict[str, Any]) -> None:
    if options["data"] is None:
        raise ConfigError(
            "quantize: expected samples that calibrate the model. Received: no --data. Give a "
            "folder of class folders, an .npz, or 'synthetic'."
        )
    out = options["out"]
    if out is None and not options["compares"] and not options["layers"]:
        raise ConfigError(
            "quantize: expected a .tflite file to write. Received: no --out. Write for example "
            f"--out {model.stem}.tflite, or look only, with --layers or --compare."
        )
    if out is not None and out.suffix != ".tflite":
        raise ConfigError(
            f"--out {out}: expected a .tflite file. Write for example {model.stem}.tflite."
        )
    for path in (out, options["json_path"]):
        check_writable(path)
    fixed = [
        f"--{name.replace('_', '-')}"
        for name in ("method", "calibration", "equalize", "correct_bias", "flash")
        if options["compares"] and options[name] is not None
    ]
    if fixed:
        raise ConfigError(
            f"quantize: --compare tries every way itself. Received also {', '.join(fixed)}. Leave "
            "it out."
        )


def _settings(options: dict[str, Any]) -> QuantizeSettings:
    from pipeline.quantize.settings import EdgeTypes, PtqSettings
    from pipeline.stages import QuantizeSettings, flash_budget

    def given(**names: str) -> dict[str, Any]:
        return {key: options[name] for key, name in names.items() if options[name] is not None}

    return QuantizeSettings(
        **given(
            method="method",
            samples="samples",
            epochs="epochs",
            learning_rate="learning_rate",
            seed="seed",
            board="board",
        ),
        ptq=PtqSettings(
            **given(calibration="calibration", equalize="equalize", correct_bias="correct_bias")
        ),
        edges=EdgeTypes(**given(input="input_type", output="output_type")),
        flash_bytes=flash_budget(options["flash"] or ""),
        layers=bool(options["layers"]),
    )
