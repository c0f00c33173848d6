"""What is quantized: a model of a file, and the samples that go with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.config import DataSection
from pipeline.errors import ConfigError, UnsupportedModelError
from pipeline.report.progress import Reporter

if TYPE_CHECKING:
    from pipeline.data import Dataset, Split
    from pipeline.model.load import LoadedModel

# Samples of a side that files are compared on, at most.
_COMPARED = 2000
# With fewer, ranges are those of single samples.
FEWEST = 10
# With fewer, it is said that more would be better.
_FEW = 50


def calibrating(data: str | None, model: Path) -> str:
    """The data of a Keras model that has to become int8.

    Raises:
        ConfigError: there is none.
    """
    if data is None:
        raise ConfigError(
            f"{model}: a Keras model needs data that calibrates its int8 form. Received: "
            "no --data. Give a folder of class folders, an .npz, or 'synthetic'."
        )
    return data


def data_section(source: str, shape: tuple[int | None, ...], model: Path) -> DataSection:
    """How `source` has to be read for a model of this input shape."""
    if None in shape:
        raise ConfigError(
            f"{model}: expected an input of one fixed size. Received: {shape}. Save the model with "
            "a fixed input shape."
        )
    sizes = tuple(int(size) for size in shape if size is not None)
    if len(sizes) == 3 and sizes[2] in (1, 3):
        return DataSection(source=source, size=sizes[:2], channels=sizes[2], shape=sizes)
    return DataSection(source=source, shape=sizes)


def load_subject(
    path: Path, data: str, seed: int, reporter: Reporter
) -> tuple[LoadedModel, tuple[Dataset, Split]]:
    """A model of a file, and samples that fit it with their sides.

    Raises:
        ConfigError: no such file, or samples of another shape.
        UnsupportedModelError: a model that is quantized already, or none of Keras.
    """
    from pipeline.data import SplitOptions, split_dataset
    from pipeline.model.load import load_model
    from pipeline.stages.learning import load_samples

    check_unquantized(path)
    loaded = load_model(path)
    for note in loaded.notes:
        reporter.log(note)
    shape = tuple(loaded.model.input_shape[1:])
    dataset = load_samples(data_section(data, shape, path), seed, reporter)
    if dataset.x.shape[1:] != shape:
        raise ConfigError(
            f"--data {data}: expected samples of the model's input shape {list(shape)}. Received: "
            f"{list(dataset.x.shape[1:])}. Choose data of that size."
        )
    return loaded, (dataset, split_dataset(dataset, SplitOptions(seed=seed)))


def load_classifier(
    path: Path, data: str, seed: int, reporter: Reporter
) -> tuple[LoadedModel, tuple[Dataset, Split]]:
    """What `load_subject` gives, of a model whose accuracy on the samples can be told.

    Raises:
        ConfigError: see `load_subject`; or samples of more classes than the model has.
        UnsupportedModelError: see `load_subject`; or a model without a vector of scores.
    """
    loaded, samples = load_subject(path, data, seed, reporter)
    _check_classes(loaded, samples[0], path)
    return loaded, samples


def _check_classes(loaded: LoadedModel, dataset: Dataset, path: Path) -> None:
    outputs = tuple(loaded.model.output_shape[1:])
    if len(outputs) != 1:
        raise UnsupportedModelError(
            f"model {path}: expected a vector of scores, whose classes can be compared. Received: "
            f"outputs of shape {list(outputs)}. `espalier deploy MODEL --data SPEC` quantizes any "
            "model of one input and one output."
        )
    # A single score decides between two classes.
    most, classes = max(2, outputs[0]), len(dataset.class_names)
    if classes > most:
        raise ConfigError(
            f"--data: expected at most {most} classes, as the model has. Received: {classes}. "
            "Choose the data that it was trained on."
        )


def check_unquantized(path: Path) -> None:
    """Raise UnsupportedModelError for a .tflite, in words that fit what is in it."""
    if path.suffix != ".tflite" or not path.is_file():
        return
    from pipeline.quantize.check import list_operators

    types = {name for operator in list_operators(path.read_bytes()) for name in operator.types}
    found = "a .tflite that is quantized already" if "INT8" in types else "a float .tflite"
    way = (
        "It can be deployed as it is: espalier deploy."
        if "INT8" in types
        else "Give the Keras model that it was converted from."
    )
    raise UnsupportedModelError(
        f"model {path}: expected a .keras or .h5 file. Received: {found}. {way}"
    )


def calibration_samples(
    samples: tuple[Dataset, Split], count: int, seed: int, reporter: Reporter
) -> npt.NDArray[np.int64]:
    """Positions of training samples that calibrate, as many of each class as possible.

    Args:
        samples: labelled ones with their sides.
        count: how many; all training samples where there are fewer.
        seed: of the choice.
        reporter: told where there are few, or none of some class.
    Raises:
        ConfigError: too few, or all the same: no ranges can be told from them.
    """
    from pipeline.quantize.convert import representative_indices

    dataset, split = samples
    chosen = split.train[representative_indices(dataset.y[split.train], count, seed)]
    if len(chosen) < FEWEST:
        raise ConfigError(
            f"calibration: expected at least {FEWEST} training samples. Received: {len(chosen)} "
            f"of {len(dataset.ids)} samples ({count} asked for). "
            + ("Raise quantize.samples (--samples)." if count < FEWEST else "Give more data.")
        )
    x = dataset.x[chosen]
    if (x == x[:1]).all():
        raise ConfigError(
            f"calibration: expected samples that differ. Received: {len(chosen)} times the same "
            "one. Choose data like that the model will see with --data."
        )
    if len(chosen) < _FEW:
        reporter.log(f"only {len(chosen)} samples calibrate: {_FEW} or more make safer ranges")
    absent = set(range(len(dataset.class_names))) - set(dataset.y[chosen].tolist())
    if absent:
        names = ", ".join(dataset.class_names[index] for index in sorted(absent))
        reporter.log(f"no sample of {names} calibrates: what only they cause may saturate")
    return chosen


def some_of(dataset: Dataset, side: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The samples of a side that several files are compared on, as many of each class as possible.

    Args:
        dataset: of the samples.
        side: their positions; all where there are not more than 2,000.
    """
    from pipeline.quantize.convert import representative_indices

    return side[representative_indices(dataset.y[side], _COMPARED)]
