"""A simulated computer with simulated boards."""

from tests.simulated_board import platformio, plugged

__all__ = ["platformio", "plugged"]
