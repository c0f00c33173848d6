"""Plan a model for TensorFlow Lite Micro: what it can run, and the arena it will ask for."""
