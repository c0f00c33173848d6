"""Masks that stay on while a model is trained.

A mask is held as the constraint of its variable, which every Keras optimizer applies after each
of its steps, on every backend. So whatever trains the model need not know of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import ConfigError
from pipeline.prune.records import FineTune, PrunePlan
from pipeline.prune.surgery import Bools, materialise
from pipeline.prune.trace import trace_model

if TYPE_CHECKING:
    import keras


def copy_model(model: keras.Model) -> keras.Model:
    """A model of its own with the same layers, names and weights; not compiled.

    Raises:
        UnsupportedModelError: a layer cannot be rebuilt from its configuration.
    """
    plan = PrunePlan(groups=(), keep=(), importance=(), seed=0)
    return materialise(trace_model(model), plan)


class _Held:
    """The constraint: what the variable had before, then zeros where the mask is False.

    The mask is a variable itself, so that a compiled step need not be compiled anew for another.
    """

    def __init__(self, mask: Bools, before: Callable[[Any], Any] | None) -> None:
        import keras

        self.mask = mask
        self.before = before
        self._variable = keras.Variable(mask, dtype="bool", trainable=False, name="mask")

    def narrow(self, mask: Bools) -> None:
        """Hold more entries at zero."""
        self.mask = self.mask & mask
        self._variable.assign(self.mask)

    def __call__(self, value: Any) -> Any:
        from keras import ops

        if self.before is not None:
            value = self.before(value)
        value = ops.convert_to_tensor(value)
        return ops.where(self._variable.value, value, ops.zeros_like(value))


@dataclass(slots=True)
class MaskedModel:
    """A model some of whose weights are zero and stay so.

    Attributes:
        model: trained in place; give a copy.
    """

    model: keras.Model
    _held: dict[int, tuple[Any, _Held]] = field(default_factory=dict)

    def mask(self, masks: Sequence[tuple[Any, Bools]]) -> None:
        """Hold further weights at zero.

        Args:
            masks: (variable of the model, bool of its shape: False where it is zero). What a
                variable held before stays at zero as well.
        """
        for variable, mask in masks:
            if id(variable) in self._held:
                held = self._held[id(variable)][1]
                held.narrow(mask)
            else:
                held = _Held(mask, variable.constraint)
                self._held[id(variable)] = (variable, held)
                variable.constraint = held
            variable.assign(np.where(held.mask, np.asarray(variable.numpy()), 0))
        # What Keras compiled itself may have the old masks in it.
        self.model.train_function = None

    def fine_tune(self, fine_tune: FineTune, epochs: int) -> None:
        """Train, and take over the weights where that returns another model.

        Raises:
            ConfigError: masked weights came back other than zero.
        """
        trained = fine_tune(self.model, epochs)
        if trained is not self.model:
            self.model.set_weights(trained.get_weights())
        for variable, held in self._held.values():
            if np.any(np.asarray(variable.numpy())[~held.mask]):
                raise ConfigError(
                    f"fine-tuning: expected masked weights of {variable.path!r} to stay 0. "
                    "Received: other values. Train the model that is given, not a copy: its "
                    "variables hold the masks as their constraints."
                )

    def release(self) -> keras.Model:
        """The model with its zeros, free to change again."""
        for variable, held in self._held.values():
            variable.constraint = held.before
        self._held.clear()
        self.model.train_function = None
        return self.model
