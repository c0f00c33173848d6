"""Names of models and layers that TensorFlow takes for its scopes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.errors import UnsupportedModelError

if TYPE_CHECKING:
    import keras

_FOREIGN = re.compile(r"[^A-Za-z0-9_./>-]")
# Of an outermost scope.
_FIRST = re.compile(r"[A-Za-z0-9.]")


def scope_name(name: str) -> str:
    """A name for an outermost scope; "_" stands for every character that it cannot have."""
    known = _FOREIGN.sub("_", name)
    return known if _FIRST.match(known) else f"m{known}"


def check_names(model: keras.Model) -> None:
    """Refuse a model that TensorFlow cannot convert for its names.

    Raises:
        UnsupportedModelError: names what has to be renamed.
    """
    foreign = [
        repr(layer.name)
        for layer in model._flatten_layers(include_self=True, recursive=True)
        if _FOREIGN.search(layer.name) or (layer is model and not _FIRST.match(layer.name))
    ]
    if foreign:
        raise UnsupportedModelError(
            "expected names of the letters A to Z, digits, '_', '.' and '-', and of the model one "
            f"that begins with a letter or digit. Received: {', '.join(foreign)}. Build the model "
            "with other names and copy its weights."
        )
