"""A simulated computer with simulated boards."""

from tests.desk import platformio, plugged

__all__ = ["platformio", "plugged"]
