"""A simulated computer with simulated boards, for the tests of flashing."""

from tests.desk import platformio, plugged

__all__ = ["platformio", "plugged"]
