"""The zoo: what is usual for each builder, and the variants that have a measured card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Measured by tools/measure_zoo.py.
CARDS_PATH = Path(__file__).with_name("zoo_cards.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A builder with its options.

    Attributes:
        name: of the card.
        what: for people.
        architecture: of pipeline/model/build.py.
        input_shape: without the batch.
        classes: outputs; of an autoencoder, without meaning.
        alpha: width multiplier of the MobileNets.
    """

    name: str
    what: str
    architecture: str
    input_shape: tuple[int, ...]
    classes: int
    alpha: float | None = None

    @property
    def profile(self) -> str:
        """The command that estimates the same."""
        size = "x".join(str(length) for length in self.input_shape[:2])
        if self.architecture == "autoencoder":
            return f"espalier profile {self.architecture} --size {size}"
        text = f"espalier profile {self.architecture} --size {size}"
        text += f" --channels {self.input_shape[2]} --classes {self.classes}"
        return text if self.alpha is None else f"{text} --alpha {self.alpha}"


def _mobilenet(version: int, alpha: float, side: int) -> Variant:
    return Variant(
        name=f"mobilenet_v{version}_{round(100 * alpha):03d}_{side}",
        what=f"MobileNetV{version}, width {alpha}, pictures of {side}x{side}",
        architecture=f"mobilenet_v{version}",
        input_shape=(side, side, 3),
        classes=2,
        alpha=alpha,
    )


ZOO = (
    _mobilenet(1, 0.25, 96),
    _mobilenet(1, 0.25, 64),
    _mobilenet(1, 0.1, 48),
    _mobilenet(2, 0.35, 96),
    _mobilenet(2, 0.25, 80),
    _mobilenet(2, 0.1, 48),
    Variant(
        name="resnet8",
        what="ResNet-8, MLPerf Tiny's image classification",
        architecture="resnet8",
        input_shape=(32, 32, 3),
        classes=10,
    ),
    Variant(
        name="ds_cnn",
        what="DS-CNN, MLPerf Tiny's keyword spotting",
        architecture="ds_cnn",
        input_shape=(49, 10, 1),
        classes=12,
    ),
    Variant(
        name="autoencoder",
        what="autoencoder, MLPerf Tiny's anomaly detection",
        architecture="autoencoder",
        input_shape=(640,),
        classes=1,
    ),
)

# What a builder builds where nothing is said.
USUAL: Mapping[str, Variant] = {variant.architecture: variant for variant in reversed(ZOO)}
