"""Make what TensorFlow computes depend on nothing but its inputs and a seed."""

from __future__ import annotations

from pipeline.quiet import import_tensorflow


def make_repeatable(threads: int) -> None:
    """Let every later operation give the same bits in every process.

    Call it before TensorFlow computes anything: its threads are fixed from then on.

    Args:
        threads: of an operation, and of operations side by side; others round otherwise.
    Raises:
        RuntimeError: TensorFlow has started with other numbers of threads.
    """
    import_tensorflow()
    import tensorflow as tf

    threading = tf.config.threading
    if threading.get_intra_op_parallelism_threads() != threads:
        threading.set_intra_op_parallelism_threads(threads)
    if threading.get_inter_op_parallelism_threads() != threads:
        threading.set_inter_op_parallelism_threads(threads)
    tf.config.experimental.enable_op_determinism()


def start_afresh(seed: int) -> None:
    """Forget all models and random states, so that nothing depends on what ran before."""
    import_tensorflow()
    import keras

    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
