"""Tests; the folders mirror pipeline/."""
