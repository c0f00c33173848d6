"""Make a Keras model harder to quantize without changing what it computes.

    python tools/uneven_channels.py MODEL.keras OUT.keras SIGMA SEED

Between a batch normalization, a ReLU and the one convolution that reads it, each channel is
multiplied by a factor and the weights that read it are divided by it. Factors are log-normal: their
logarithms have the standard deviation SIGMA. Channels of very different reach are what pruning and
training without weight decay leave behind; here they are had without either.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from pipeline.quiet import import_tensorflow


def spread(layers: list[Any], rng: np.random.Generator, sigma: float) -> int:
    """Spread the channels behind each batch normalization that allows it; how many those were."""
    count = 0
    for norm in layers:
        if type(norm).__name__ != "BatchNormalization":
            continue
        relu = _only_reader(norm)
        reader = _only_reader(relu) if relu is not None and _is_relu(relu) else None
        if reader is None or type(reader).__name__ != "Conv2D":
            continue
        gamma, beta, *statistics = norm.get_weights()
        factors = np.exp(rng.normal(0, sigma, gamma.shape))
        norm.set_weights([gamma * factors, beta * factors, *statistics])
        kernel, *bias = reader.get_weights()
        reader.set_weights([kernel / factors[:, None], *bias])
        count += 1
    return count


def _layers(model: Any) -> list[Any]:
    """In order, those of nested models in their place."""
    return [
        inner
        for layer in model.layers
        for inner in (_layers(layer) if hasattr(layer, "layers") else [layer])
    ]


def _only_reader(layer: Any) -> Any:
    readers = [node.operation for node in layer._outbound_nodes]
    return readers[0] if len(readers) == 1 else None


def _is_relu(layer: Any) -> bool:
    return getattr(getattr(layer, "activation", None), "__name__", "") == "relu"


def main() -> None:
    """Read, spread and write."""
    import_tensorflow()
    import keras

    source, out, sigma, seed = sys.argv[1:]
    model = keras.models.load_model(source)
    count = spread(_layers(model), np.random.default_rng(int(seed)), float(sigma))
    model.save(out)
    sys.stdout.write(f"{count} pairs of layers\n")


if __name__ == "__main__":
    main()
