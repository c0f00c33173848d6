"""Builders, loading and training of Keras models."""

from pipeline.model.build import ARCHITECTURES, build_model
from pipeline.model.facts import ModelFacts, model_facts
from pipeline.model.load import LoadedModel, load_initial, load_model, save_model
from pipeline.model.train import (
    FRESH,
    TRANSFER,
    TrainOptions,
    TrainResult,
    train_model,
)
from pipeline.training.augment import GENTLE, AugmentOptions
from pipeline.training.report import EpochReport

__all__ = [
    "ARCHITECTURES",
    "FRESH",
    "GENTLE",
    "TRANSFER",
    "AugmentOptions",
    "EpochReport",
    "LoadedModel",
    "ModelFacts",
    "TrainOptions",
    "TrainResult",
    "build_model",
    "load_initial",
    "load_model",
    "model_facts",
    "save_model",
    "train_model",
]
