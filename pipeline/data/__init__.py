"""Loaders, resizing and splits of labelled data; inputs for a device."""

from pipeline.data.dataset import Dataset, Side, Split
from pipeline.data.inputs import load_inputs
from pipeline.data.load import load_dataset
from pipeline.data.split import SplitOptions, split_dataset
from pipeline.samples import to_model_input

__all__ = [
    "Dataset",
    "Side",
    "Split",
    "SplitOptions",
    "load_dataset",
    "load_inputs",
    "split_dataset",
    "to_model_input",
]
