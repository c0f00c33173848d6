"""Weights of four bits, layer by layer, under a flash budget."""

from pipeline.quantize.low_bit.lower import (
    Deployed,
    LayerBits,
    LowBitResult,
    divergence,
    lower_weights,
)

__all__ = ["Deployed", "LayerBits", "LowBitResult", "divergence", "lower_weights"]
