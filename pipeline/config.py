"""What a run.toml may say: one record per section, whose docstring explains its keys."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError
from pipeline.strict_toml import load_sections, read_tables, setting

SYNTHETIC = "synthetic"
TEST_SPLIT = "test"

# Words of [quantize], and of the options of `espalier quantize`.
QUANTIZE_METHODS = ("ptq", "qat")
CALIBRATIONS = ("min-max", "percentile", "mse", "entropy")
EDGE_TYPES = ("int8", "uint8")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSection:
    """[run]: what concerns every stage.

    Attributes:
        name: the folder below runs/.
        seed: of everything random.
    """

    name: str = setting("run")
    seed: int = setting(1, minimum=0, maximum=2**31 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSection:
    """[data]: pictures or tensors, and how they are cut and split.

    Attributes:
        source: "synthetic" or "synthetic:N" (drawn pictures), a folder of class folders, a
            folder of raw tensors with y_labels.csv, or an .npz.
        size: of the pictures in pixels: one side, or [height, width].
        fit: "crop" keeps the centre, "fit" keeps everything on a padded ground.
        channels: of the pictures: 3 is colour, 1 is grey.
        shape: of raw tensors, whose files do not say it; [] is flat.
        dtype: of raw tensors, whose files do not say it.
        validation: share of the samples that picks the best epoch.
        test: share of the samples that nothing sees before the report.
    """

    source: str = setting(SYNTHETIC, path=True, words=(SYNTHETIC,))
    size: tuple[int, ...] = setting((80, 80), minimum=8, maximum=512)
    fit: str = setting("crop", choices=("crop", "fit"))
    channels: int = setting(3, minimum=1, maximum=3)
    shape: tuple[int, ...] = setting((), minimum=1, maximum=100_000)
    dtype: str = setting("int8", choices=("int8", "uint8", "float32"))
    validation: float = setting(0.15, minimum=0.01, maximum=0.5)
    test: float = setting(0.2, minimum=0.01, maximum=0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSection:
    """[model]: the architecture, and where its weights start.

    Attributes:
        architecture: mobilenet_v2, mobilenet_v1, ds_cnn, resnet8 or autoencoder.
        alpha: width of the MobileNets; 0 is the architecture's own.
        init: a .keras file to start from, with weights that fit; "" starts from random ones.
    """

    architecture: str = setting("mobilenet_v2")
    alpha: float = setting(0.0, minimum=0.0, maximum=2.0)
    init: str = setting("", path=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSection:
    """[train]: how long and how fast. The epoch that validates best is kept.

    Attributes:
        epochs: at most; 0 lets the number of samples decide.
        batch: samples a step; 0 takes 16 from random weights, 32 with init.
        learning_rate: the highest, after warmup_epochs; falls to 1 % at the end; 0 takes 0.004
            from random weights, 0.002 with init.
        warmup_epochs: in which the learning rate grows.
        weight_decay: of the optimizer, AdamW.
        label_smoothing: share of each target that is spread over all classes.
        patience: stop after this many epochs without a better validation result.
        augment: random flips, shifts, sizes and brightness, each epoch anew.
    """

    epochs: int = setting(0, minimum=0, maximum=10_000)
    batch: int = setting(0, minimum=0, maximum=4096)
    learning_rate: float = setting(0.0, minimum=0.0, maximum=1.0)
    warmup_epochs: float = setting(1.0, minimum=0.0, maximum=1000.0)
    weight_decay: float = setting(0.0001, minimum=0.0, maximum=1.0)
    label_smoothing: float = setting(0.05, minimum=0.0, maximum=0.9)
    patience: int = setting(12, minimum=1, maximum=10_000)
    augment: bool = setting(True)


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneSection:
    """[prune]: channels that go between training and quantization; docs/pruning.md.

    Attributes:
        method: what says which channels go: taylor, l1, ... as of `espalier prune --method`; ""
            prunes nothing.
        ratio: share of each layer's channels that goes; 0 leaves it to another key.
        keep_params: share of the parameters that stays; 0 leaves it to another key.
        budget: what the model may cost: any subset of
            "ram=48KiB,flash=96KiB,macs=3M,params=40k,accuracy>=0.85".
        accuracy_floor: prune until the accuracy falls below it; 0 for none.
        criterion: what scores channels in methods that leave it open; "" is the method's own.
        scope: "local" per group, "global", or "isomorphic": among groups of one structure.
        ignore: layers whose channels stay.
        round_to: widths become multiples of it.
        min_channels: at least so many stay in every layer.
        max_ratio: at most this share of a layer's channels goes.
        epochs: of fine-tuning afterwards, or after each step of a method; 0 is half as many as
            a training takes, over all steps.
        learning_rate: of fine-tuning, the highest; 0 is half of what training starts with.
        options: the method's own, each "key=value".
    """

    method: str = setting("")
    ratio: float = setting(0.0, minimum=0.0, maximum=0.99)
    keep_params: float = setting(0.0, minimum=0.0, maximum=0.999)
    budget: str = setting("")
    accuracy_floor: float = setting(0.0, minimum=0.0, maximum=1.0)
    criterion: str = setting("")
    scope: str = setting("local", choices=("local", "global", "isomorphic"))
    ignore: tuple[str, ...] = setting(())
    round_to: int = setting(4, minimum=1, maximum=1024)
    min_channels: int = setting(4, minimum=1, maximum=100_000)
    max_ratio: float = setting(0.9, minimum=0.0, maximum=0.99)
    epochs: int = setting(0, minimum=0, maximum=10_000)
    learning_rate: float = setting(0.0, minimum=0.0, maximum=1.0)
    options: tuple[str, ...] = setting(())


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeSection:
    """[quantize]: float to int8; docs/quantization.md.

    Attributes:
        method: "ptq", after training, or "qat", quantization-aware training.
        samples: training samples that calibrate the ranges.
        calibration: of ptq: "min-max", "percentile", "mse" or "entropy".
        equalize: of ptq: level the channels' ranges between adjacent layers.
        correct_bias: of ptq: take the mean error of each channel out of the biases.
        epochs, learning_rate: of qat; 0 is the method's own.
        input_type, output_type: of the model's edges, "int8" or "uint8".
        flash: "96KiB": filters of some layers become int4 until the firmware fits; "" for none.
        max_drop: gate on the accuracy lost to int8, in percentage points; 100 is no gate.
    """

    method: str = setting("ptq", choices=QUANTIZE_METHODS)
    samples: int = setting(200, minimum=1, maximum=100_000)
    calibration: str = setting("percentile", choices=CALIBRATIONS)
    equalize: bool = setting(False)
    correct_bias: bool = setting(True)
    epochs: int = setting(0, minimum=0, maximum=10_000)
    learning_rate: float = setting(0.0, minimum=0.0, maximum=1.0)
    input_type: str = setting("int8", choices=EDGE_TYPES)
    output_type: str = setting("int8", choices=EDGE_TYPES)
    flash: str = setting("")
    max_drop: float = setting(100.0, minimum=0.0, maximum=100.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploySection:
    """[deploy]: the firmware and what runs it.

    Attributes:
        board: where the firmware runs; `espalier boards` lists all.
        engine: "aot" is generated C, "tflm" TensorFlow Lite Micro.
        emulator: "auto" takes the first of the board's emulators that is installed.
        toolchain: "auto" takes GCC where it is installed, else Zig.
        inputs: "test" is the test split; else a spec as of `espalier deploy --inputs`.
        samples: how many of the inputs go through the device; 0 is all.
        warmup: inferences before the timed ones.
        keep_constant_channels: leave channels in that are the same whatever the input.
    """

    board: str = setting("mps2_an386")
    engine: str = setting("aot", choices=("aot", "tflm"))
    emulator: str = setting("auto")
    toolchain: str = setting("auto", choices=("auto", "gcc", "zig"))
    inputs: str = setting(TEST_SPLIT)
    samples: int = setting(0, minimum=0, maximum=1_000_000)
    warmup: int = setting(1, minimum=0, maximum=1000)
    keep_constant_channels: bool = setting(False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """A run.toml: one record per section."""

    run: RunSection = field(default_factory=RunSection)
    data: DataSection = field(default_factory=DataSection)
    model: ModelSection = field(default_factory=ModelSection)
    train: TrainSection = field(default_factory=TrainSection)
    prune: PruneSection = field(default_factory=PruneSection)
    quantize: QuantizeSection = field(default_factory=QuantizeSection)
    deploy: DeploySection = field(default_factory=DeploySection)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Sections as plain dictionaries, for manifests."""
        return dataclasses.asdict(self)


SECTIONS: dict[str, type] = {
    "run": RunSection,
    "data": DataSection,
    "model": ModelSection,
    "train": TrainSection,
    "prune": PruneSection,
    "quantize": QuantizeSection,
    "deploy": DeploySection,
}


def load_config(path: Path, overrides: Iterable[str] = ()) -> RunConfig:
    """Read a run.toml.

    Args:
        path: the file. Relative paths in it are relative to its folder.
        overrides: "section.key=value", later ones win; the value is TOML, or a bare string.
            Relative paths in them are relative to the working directory.
    Raises:
        ConfigError: the file cannot be read, or a section, key or value is wrong.
    """
    tables = read_tables(path, "examples/person.toml")
    config = RunConfig(**load_sections(tables, SECTIONS, path, overrides))
    check_together(config, str(path))
    return config


def check_together(config: RunConfig, place: str) -> None:
    """Check what no single key can tell.

    Args:
        config: whose keys are right each by itself.
        place: where it comes from, for messages.
    Raises:
        ConfigError: two keys contradict each other, or one asks for another.
    """
    name = config.run.name
    if not name or name.startswith(".") or "/" in name or "\\" in name:
        raise ConfigError(f"{place}: run.name must be a plain folder name. Received: {name!r}")
    shares = config.data.validation + config.data.test
    if shares > 0.8:
        raise ConfigError(
            f"{place}: data.validation + data.test must leave at least 0.2 for training. "
            f"Received: {shares:g} together"
        )
    if len(config.data.size) not in (1, 2):
        raise ConfigError(
            f"{place}: data.size must be one side, or [height, width]. "
            f"Received: {list(config.data.size)}"
        )
    if config.prune != PruneSection() and not config.prune.method:
        raise ConfigError(
            f"{place}: [prune] needs a method (prune.method). Received: none. Write for example "
            'method = "l1", or leave the section out.'
        )
    if config.data.channels == 2:
        raise ConfigError(f"{place}: data.channels must be 1 or 3. Received: 2")
