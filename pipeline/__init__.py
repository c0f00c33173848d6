"""Espalier: Keras models to bit-exact int8 firmware, measured over a serial line."""

__version__ = "0.1.0"
