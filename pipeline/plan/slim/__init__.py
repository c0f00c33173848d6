"""Smaller .tflite files for any runtime, whose outputs stay the same, bit for bit."""
