"""Prove a rebuilt model equal to the original in float, layer by layer where it is not.

Imported only after `import_tfmot`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import UnsupportedModelError
from pipeline.quantize.qat.bridge import Bridged
from pipeline.quantize.qat.quantizers import FLOAT

if TYPE_CHECKING:
    import keras

TOLERANCE = 1e-4
"""Largest difference that is rounding, relative to the largest value (at least 1) of a tensor.

Both compute with TensorFlow's kernels: 1e-6 is seen where batch normalization is fused on one
side only.
"""
_RANDOM_SAMPLES = 4


def prove_equal(model: keras.Model, bridged: Bridged, samples: npt.NDArray[np.float32]) -> float:
    """Compare the outputs of a model with those of its rebuilt form, on samples and noise.

    Args:
        model: the original.
        bridged: its rebuilt form.
        samples: float32 [samples, *input shape], as the model takes them.
    Returns:
        The largest difference, relative to the largest output (at least 1).
    Raises:
        UnsupportedModelError: they differ; names the first layer that does.
    """
    noise = np.random.default_rng(0).standard_normal((_RANDOM_SAMPLES, *samples.shape[1:]))
    x = np.concatenate([samples, noise.astype(np.float32)])
    with bridged.mode.being(FLOAT):
        received = np.asarray(bridged.model(x, training=False))
        difference = _difference(received, np.asarray(model(x, training=False)))
        if difference <= TOLERANCE:
            return difference
        place = _first_difference(bridged, x)
    raise UnsupportedModelError(
        f"{place} in tf_keras: expected the outputs of Keras 3 within {TOLERANCE:g} of the "
        f"largest. Received: {difference:.1e} at the model's output. Replace that layer, or "
        "quantize without training, with --method ptq."
    )


def _difference(received: Any, expected: Any) -> float:
    if received.shape != expected.shape or not np.isfinite(received).all():
        return float("inf")
    largest = max(1.0, float(np.abs(expected).max(initial=0.0)))
    return float(np.abs(received - expected).max(initial=0.0)) / largest


def _first_difference(bridged: Bridged, x: npt.NDArray[np.float32]) -> str:
    """The first layer whose output differs, and by how much."""
    import keras
    import tf_keras

    from pipeline.keras_graph import is_tensor_ref

    calls = bridged.graph.flat.calls
    values = {bridged.graph.input.index: keras.ops.convert_to_tensor(x)}
    refs = [ref for call in calls for ref in call.outputs]
    rebuilt = tf_keras.Model(bridged.model.input, [bridged.tensors[ref.index] for ref in refs])
    received = rebuilt(x, training=False)
    by_index = {ref.index: value for ref, value in zip(refs, [*received], strict=True)}
    for call in calls:
        args, kwargs = keras.tree.map_structure(
            lambda leaf: values[leaf.index] if is_tensor_ref(leaf) else leaf,
            (call.args, call.kwargs),
        )
        if isinstance(call.layer, keras.Layer):
            kwargs = {**kwargs, "training": False}
        results = keras.tree.flatten(call.layer(*args, **kwargs))
        for ref, value in zip(call.outputs, results, strict=True):
            values[ref.index] = value
            difference = _difference(np.asarray(by_index[ref.index]), np.asarray(value))
            if difference > TOLERANCE:
                kind = type(call.layer).__name__
                return f"layer {call.path!r} ({kind}) differs by {difference:.1e}"
    return "the model differs as a whole, no layer alone"
