"""The files that people who read the documentation have: small ones, drawn or random."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.quiet import import_tensorflow
from tests.shared import REPOSITORY
from tests.small_models import residual_network

SIZE = 16
PICTURES_PER_CLASS = 24

# Short values of keys: of every configuration, of those that draw their samples, of studies.
QUICK = {
    "size": str(SIZE),
    "epochs": "1",
    "samples": "10",
    "architecture": '"mobilenet_v1"',
    "alpha": "0.1",
}
DRAWN = QUICK | {"source": '"synthetic:60"'}
STUDY = DRAWN | {
    "methods": '["l1", "budget"]',
    "keep_params": "[0.6]",
    "budgets": '["macs=60%"]',
}


class Desk:
    """A folder with models, pictures, configurations and a home folder.

    Args:
        root: the folder, empty.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def lay_out(self) -> None:
        """Make everything."""
        home = self.root / "home"
        home.mkdir()
        for folder in (home / "pictures", self.root / "pictures"):
            draw_pictures(folder)
        (self.root / "model.tflite").write_bytes(residual_network())
        for name in ("model", "trained"):
            save_model(self.root / f"{name}.keras")
        shutil.copyfile(self.root / "trained.keras", home / "trained.keras")
        for path in (REPOSITORY / "examples").rglob("*.toml"):
            copy = self.root / path.relative_to(REPOSITORY)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(
                shortened(path.read_text(), STUDY if path.parent.name == "studies" else DRAWN)
            )
        examples = self.root / "examples"
        shutil.copyfile(examples / "person.toml", self.root / "my.toml")
        # Beside the examples' studies, from where its model is found.
        study = (examples / "studies" / "synthetic.toml").read_text()
        model = "../../runs/person/train/model.keras"
        (self.root / "study.toml").write_text(study.replace(model, "model.keras"))


def shortened(toml: str, values: Mapping[str, str] = QUICK) -> str:
    """A configuration with its own keys and short values."""
    lines = []
    for line in toml.splitlines():
        key, equals, _ = line.partition(" = ")
        lines.append(f"{key} = {values[key]}" if equals and key in values else line)
    return "\n".join(lines) + "\n"


def draw_pictures(folder: Path) -> None:
    """Two classes that a tiny network tells apart: bright and dark noise."""
    rng = np.random.default_rng(1)
    for name, low in (("bright", 128), ("dark", 0)):
        (folder / name).mkdir(parents=True)
        for place in range(PICTURES_PER_CLASS):
            pixels = rng.integers(low, low + 128, (SIZE, SIZE, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{place}.png")


def save_model(path: Path) -> None:
    """A small classifier of two classes."""
    import_tensorflow()
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    inputs = keras.Input((SIZE, SIZE, 3), name="image")
    x = inputs
    for place, filters in enumerate((8, 16)):
        x = layers.Conv2D(filters, 3, strides=2, padding="same", name=f"conv{place}")(x)
        x = layers.BatchNormalization(name=f"norm{place}")(x)
        x = layers.ReLU(name=f"relu{place}")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    keras.Model(inputs, layers.Dense(2, activation="softmax", name="classes")(x)).save(path)
