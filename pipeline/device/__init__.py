"""Devices that run the firmware, and the protocol that is spoken with them."""
