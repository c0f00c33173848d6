"""The architectures by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigError
from pipeline.model.autoencoder import build_autoencoder
from pipeline.model.ds_cnn import build_ds_cnn
from pipeline.model.mobilenet_v1 import build_mobilenet_v1
from pipeline.model.mobilenet_v2 import build_mobilenet_v2
from pipeline.model.resnet8 import build_resnet8
from pipeline.quiet import import_tensorflow
from pipeline.suggest import did_you_mean

if TYPE_CHECKING:
    import keras

CLASSIFIERS: dict[str, Callable[..., Any]] = {
    "mobilenet_v1": build_mobilenet_v1,
    "mobilenet_v2": build_mobilenet_v2,
    "ds_cnn": build_ds_cnn,
    "resnet8": build_resnet8,
}

ARCHITECTURES = (*CLASSIFIERS, "autoencoder")


def check_architecture(name: str) -> None:
    """Raise ConfigError where no architecture has this name."""
    if name not in ARCHITECTURES:
        raise ConfigError(
            f"model architecture: expected one of {', '.join(ARCHITECTURES)}. "
            f"Received: {name!r}.{did_you_mean(name, ARCHITECTURES)}"
        )


def build_model(
    architecture: str,
    input_shape: tuple[int, ...],
    num_classes: int,
    *,
    alpha: float | None = None,
    seed: int = 0,
) -> keras.Model:
    """Build a model with seeded random weights.

    Args:
        architecture: one of ARCHITECTURES.
        input_shape: without the batch; (features,) for the autoencoder.
        num_classes: outputs; not used by the autoencoder.
        alpha: width multiplier of the MobileNets; their default where None.
        seed: of the initial weights.
    Raises:
        ConfigError: unknown name, a shape or a width that the architecture cannot take.
    """
    check_architecture(architecture)
    import_tensorflow()
    import keras

    rank = 1 if architecture == "autoencoder" else 3
    if len(input_shape) != rank:
        raise ConfigError(
            f"{architecture}: expected an input of {rank} dimension(s), "
            f"{'(features,)' if rank == 1 else '(height, width, channels)'}. "
            f"Received: {input_shape}."
        )
    options: dict[str, float] = {}
    if alpha is not None:
        if not architecture.startswith("mobilenet"):
            raise ConfigError(
                f"model alpha: {architecture} has no width multiplier. Received: {alpha}. "
                "Remove the key."
            )
        if not 0.05 <= alpha <= 2.0:
            raise ConfigError(f"model alpha: expected 0.05 to 2. Received: {alpha}.")
        options["alpha"] = alpha
    keras.utils.set_random_seed(seed)
    if architecture == "autoencoder":
        return build_autoencoder((input_shape[0],))
    return CLASSIFIERS[architecture](input_shape, num_classes, **options)
