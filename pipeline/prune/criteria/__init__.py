"""Criteria of importance: one file each, and the table of them all."""
