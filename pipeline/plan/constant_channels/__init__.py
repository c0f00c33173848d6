"""Channels that are constant whatever the input, or that nobody reads: proved and removed."""
