"""A little training for the methods' tests."""

from __future__ import annotations

import keras
import numpy as np


class Trainer:
    """Fits models of 8x8x3 images to eight fixed samples; notes what it was asked for.

    Step by step unless `compiled`: tracing these models takes longer than fitting them.
    """

    def __init__(self, *, compiled: bool = False) -> None:
        rng = np.random.default_rng(0)
        self.x = rng.standard_normal((8, 8, 8, 3)).astype("float32")
        self.y = rng.integers(0, 3, 8)
        self.compiled = compiled
        self.epochs: list[int] = []

    def __call__(self, model: keras.Model, epochs: int) -> keras.Model:
        self.epochs.append(epochs)
        # Compiled once, so that a step compiled with older masks would show.
        if not model.compiled:
            logits = model.layers[-1].activation is keras.activations.linear
            model.compile(
                keras.optimizers.SGD(0.05, momentum=0.9),
                keras.losses.SparseCategoricalCrossentropy(from_logits=logits),
                run_eagerly=not self.compiled,
            )
        model.fit(self.x, self.y, batch_size=4, epochs=epochs, verbose=0, shuffle=False)
        return model

    def evaluate(self, model: keras.Model) -> dict[str, float]:
        scores = keras.ops.convert_to_numpy(model(self.x, training=False))
        accuracy = float((scores.argmax(axis=1) == self.y).mean())
        return {"accuracy": accuracy, "balanced_accuracy": accuracy}
