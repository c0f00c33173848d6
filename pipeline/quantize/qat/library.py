"""tf_keras and tensorflow-model-optimization, imported quietly."""

from __future__ import annotations

import importlib
import logging
import sys

from pipeline.errors import MissingToolError
from pipeline.quiet import captured_native_output, import_tensorflow

_WAYS_OUT = {
    "tf_keras": "pip install tf-keras",
    # Its metadata asks for NumPy 1; it runs on NumPy 2.
    "tensorflow_model_optimization": ("pip install --no-deps tensorflow-model-optimization==0.8.1"),
}


def import_tfmot() -> None:
    """Import what quantization-aware training stands on; free after the first time.

    Raises:
        MissingToolError: a package is not installed.
    """
    import_tensorflow()
    for name, way_out in _WAYS_OUT.items():
        if name in sys.modules:
            continue
        try:
            with captured_native_output():
                importlib.import_module(name)
        except ImportError as error:
            raise MissingToolError(
                f"quantization-aware training: expected the Python package {name}. "
                f"Received: {error}. Install it with `{way_out}`, or quantize with "
                "--method ptq."
            ) from error
    # tf_keras tells of its deprecations, TensorFlow of retraced functions.
    for name in ("absl", "tensorflow", "tf_keras"):
        logging.getLogger(name).setLevel(logging.ERROR)
