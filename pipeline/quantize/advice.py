"""One sentence on which layer costs the accuracy, and what to try."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.quantize.layers import LayerError
from pipeline.quantize.settings import PtqSettings

# Their outputs have a scale that the format prescribes.
_PRESCRIBED = ("SOFTMAX", "LOGISTIC", "TANH", "LOG_SOFTMAX")
# A layer that adds less noise than this is not worth a change.
_HARMLESS_DB = 35.0
# So much worse than the whole output its median channel is in sound layers, too.
_CHANNEL_DB = 10.0
# From here on a property explains a layer's noise.
_SATURATED = 0.005
_SHIFT = 0.3
_CREST = 25.0
_IMBALANCE = 8.0


def worst_layer(layers: Sequence[LayerError]) -> LayerError | None:
    """The layer that adds the most noise of its own; None where none adds any that counts."""
    own = [
        layer
        for layer in layers
        if layer.isolated_sqnr_db is not None and layer.kind not in _PRESCRIBED
    ]
    if not own:
        return None
    worst = min(own, key=_score)
    return worst if _score(worst) < _HARMLESS_DB else None


def advise(layers: Sequence[LayerError], settings: PtqSettings) -> str:
    """Which layer hurts, why, and what to try that is not on already.

    Args:
        layers: of `measure_layers`.
        settings: that the model was quantized with.
    """
    worst = worst_layer(layers)
    if worst is None:
        return f"No layer stands out: each one alone keeps at least {_HARMLESS_DB:g} dB."
    said = (
        f"{worst.layer} ({worst.kind}) hurts most: {_isolated(worst):.1f} dB by its own error, "
        f"{worst.sqnr_db:.1f} dB with the errors before it."
    )
    if _channel(worst) + _CHANNEL_DB < _isolated(worst):
        said += f" Its median channel keeps {_channel(worst):.1f} dB by its own error."
    return f"{said} {_way_out(worst, settings)}"


def _isolated(layer: LayerError) -> float:
    assert layer.isolated_sqnr_db is not None
    return layer.isolated_sqnr_db


def _channel(layer: LayerError) -> float:
    assert layer.isolated_channel_db is not None
    return layer.isolated_channel_db


def _score(layer: LayerError) -> float:
    """What ranks a layer, in dB: its own error, or that some channels drown the others."""
    return min(_isolated(layer), _channel(layer) + _CHANNEL_DB)


def _way_out(layer: LayerError, settings: PtqSettings) -> str:
    if layer.saturated > _SATURATED:
        wider = (
            "calibrate with more samples (--samples)"
            if settings.calibration == "min-max"
            else "use --calibration min-max, or calibrate with more samples (--samples)"
        )
        return f"{layer.saturated:.1%} of its values lie beyond its range: {wider}."
    if layer.shift > _SHIFT and not settings.correct_bias:
        return f"{layer.shift:.0%} of its error is a constant shift of channels: --correct-bias."
    if layer.crest > _CREST and settings.calibration == "min-max":
        return (
            f"Its largest value is {layer.crest:.0f} times the root mean square, so that most "
            "levels lie empty: --calibration percentile or mse."
        )
    if layer.imbalance > _IMBALANCE and not settings.equalize:
        return (
            f"Its largest channel reaches {layer.imbalance:.0f} times as far as the median one: "
            "--equalize."
        )
    return (
        "Calibration has no more to give here: train it quantized (--method qat), make it "
        "wider, or keep its channels out of pruning (--ignore)."
    )
