"""Measures a firmware on a device."""
