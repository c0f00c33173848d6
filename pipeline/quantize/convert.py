"""Full-integer post-training quantization of a Keras model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError, PipelineError, UnsupportedModelError
from pipeline.quantize.check import check_full_int8, check_ranges
from pipeline.quantize.pin_input import pin_input
from pipeline.quantize.scopes import check_names
from pipeline.quantize.settings import EdgeTypes
from pipeline.quantize.tflite_file import TfliteFile
from pipeline.quiet import captured_native_output, import_tensorflow
from pipeline.samples import DEFAULT_SCALING, InputScaling

if TYPE_CHECKING:
    import keras

_INT8_EDGES = EdgeTypes()
# Operators that hold graphs of their own.
_CONTROL_FLOW = frozenset({"IF", "WHILE"})
# What Keras colours its messages with.
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def quantize_model(
    model: keras.Model,
    calibration: npt.NDArray[np.float32],
    log: Callable[[str], None] = lambda line: None,
    *,
    scaling: InputScaling = DEFAULT_SCALING,
    edges: EdgeTypes = _INT8_EDGES,
) -> bytes:
    """Quantize to int8, weights per channel, with the ranges that the samples span.

    The batch is fixed to 1. Calibration samples within the range of `scaling`, which is
    what `to_model_input` makes of pictures and int8 tensors, pin the input to that range:
    scale 1/128 and zero point 0 exactly by default. Wider ones are calibrated like every
    activation. `PostTraining` has other ranges, and repairs.

    Args:
        model: one input, one output, built in Keras 3.
        calibration: float32 [samples, *input shape], as the model takes them.
        log: told what is going on.
        scaling: what the model sees of a pixel.
        edges: types of the input and the output.
    Returns:
        The .tflite file, checked to be full int8.
    Raises:
        ConfigError: the calibration samples do not fit the model.
        UnsupportedModelError: the model cannot be converted, or not to int8 alone, or an
            activation's range is empty; names the layers.
    """
    log(f"quantize: calibrating int8 with {len(calibration)} samples")
    content = convert_calibrated(model, calibration, scaling)
    tflite = quantize_calibrated(content, edges, pinned=is_pinned(calibration, scaling))
    log(f"quantize: {len(tflite):,} bytes of .tflite")
    return tflite


def convert_calibrated(
    model: keras.Model, calibration: npt.NDArray[np.float32], scaling: InputScaling
) -> bytes:
    """The converter's own float form of a model, each tensor's range recorded in it.

    Batch normalization is folded and activations are fused there, as in the quantized model: it
    has the same operators and tensors.

    Args:
        model, calibration, scaling: see `quantize_model`.
    Returns:
        A float .tflite, whose ranges `quantize_calibrated` takes.
    Raises:
        ConfigError: the calibration samples do not fit the model.
        UnsupportedModelError: the model cannot be converted; names the layers.
    """
    import_tensorflow()
    _check_single(model)
    check_names(model)
    _check_layers(model)
    samples = pinned_calibration(calibration, tuple(model.input_shape[1:]), scaling)
    return natively(lambda: _convert(model, samples), f"model {model.name!r}")


def quantize_calibrated(
    calibrated: bytes, edges: EdgeTypes = _INT8_EDGES, *, pinned: bool
) -> bytes:
    """The int8 form of what `convert_calibrated` made, by the ranges recorded in it.

    Args:
        calibrated: a float .tflite with ranges.
        edges: types of the input and the output.
        pinned: whether the input must have the range recorded for it, as `is_pinned` tells. The
            converter gives it another where it is concatenated with what reaches further.
    Raises:
        UnsupportedModelError: an operator cannot be int8, or a range is empty; names the layers.
    """
    tflite = natively(lambda: _quantize(calibrated, edges), "the model")
    check_full_int8(tflite)
    check_ranges(tflite)
    if pinned:
        file = TfliteFile(calibrated)
        recorded = file.recorded_range(file.inputs[0])
        # Nothing is recorded of an input that nothing reads.
        if recorded is not None:
            tflite = pin_input(tflite, *recorded)
    return tflite


def natively(work: Callable[[], bytes], what: str) -> bytes:
    """Result of the converter's native code, without its chatter; its failures as ours."""
    failure: Exception | None = None
    with captured_native_output() as output:
        try:
            return work()
        except PipelineError:
            raise
        except Exception as error:
            # The converter raises its own ConverterError, ValueError, RuntimeError and
            # others; each means that this model is beyond it.
            failure = error
    raise UnsupportedModelError(
        f"{what} cannot be converted to int8. Received from TensorFlow Lite: "
        f"{_reason(failure, output.text)}. Replace the layers named there, or leave them "
        "out of the model and run them on the host."
    ) from failure


def pinned_calibration(
    calibration: npt.NDArray[np.float32], input_shape: tuple[int, ...], scaling: InputScaling
) -> npt.NDArray[np.float32]:
    """The samples, one more that spans the whole input range where all lie within it.

    Raises:
        ConfigError: no samples, another shape, or values that are not finite.
    """
    if calibration.ndim == 0 or len(calibration) == 0 or calibration.shape[1:] != input_shape:
        raise ConfigError(
            f"calibration: expected samples of the model's input shape {list(input_shape)}. "
            f"Received: {list(calibration.shape)}. Choose data of that size with --data."
        )
    if not np.isfinite(calibration).all():
        raise ConfigError("calibration: expected finite values. Received: NaN or infinity.")
    if not is_pinned(calibration, scaling):
        return calibration
    # A real sample with two changed values: the ranges inside the model stay those of data.
    spanning = calibration[:1].copy()
    spanning.reshape(-1)[[0, -1]] = (scaling.low, scaling.high)
    return np.concatenate([calibration, spanning])


def is_pinned(calibration: npt.NDArray[np.float32], scaling: InputScaling) -> bool:
    """Whether all samples lie in what pixels become: then the input's range is that."""
    return bool(calibration.min() >= scaling.low and calibration.max() <= np.float32(scaling.high))


def refuse_control_flow(converter: Any) -> Any:
    """The converter, which names loops in a model before it runs it.

    Calibrating a model with loops, such as recurrent layers that are not unrolled, ends the
    process (TensorFlow 2.21).
    """
    calibrate = converter._quantize

    def checked(content: bytes, *args: Any, **kwargs: Any) -> Any:
        file = TfliteFile(content)
        found = [
            f"{file.layer(position)!r} ({operator.kind})"
            for position, operator in enumerate(file.operators)
            if operator.kind in _CONTROL_FLOW
        ]
        if found:
            raise UnsupportedModelError(
                "expected a model without loops and branches, which cannot be calibrated. "
                f"Received: {', '.join(dict.fromkeys(found))}. Build recurrent layers (GRU, LSTM, "
                "SimpleRNN) with unroll=True and copy their weights; replace other loops."
            )
        return calibrate(content, *args, **kwargs)

    converter._quantize = checked
    return converter


def representative_indices(
    y: npt.NDArray[np.int64], num_samples: int, seed: int = 0
) -> npt.NDArray[np.int64]:
    """Positions of calibration samples, as many of each class as possible, ascending.

    Args:
        y: class index of each training sample.
        num_samples: how many to choose; all where there are not more.
        seed: of the choice within each class.
    """
    rng = np.random.default_rng(seed)
    queues = [rng.permutation(np.flatnonzero(y == label)) for label in np.unique(y)]
    # One of each class in turn, until enough are chosen.
    turns = [np.stack([np.arange(len(q)), np.full(len(q), k)]) for k, q in enumerate(queues)]
    flat = np.concatenate(queues)
    turn, which = np.concatenate(turns, axis=1)
    chosen: npt.NDArray[np.int64] = np.sort(flat[np.lexsort((which, turn))][:num_samples])
    return chosen


def _check_single(model: keras.Model) -> None:
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise UnsupportedModelError(
            f"model {model.name!r}: expected one input and one output. Received: "
            f"{len(model.inputs)} inputs and {len(model.outputs)} outputs. "
            "Split it into models of one input and one output."
        )


def _check_layers(model: keras.Model) -> None:
    """Refuse layers that the converter takes for something else, or fails at without a name."""
    problems = []
    for layer in model._flatten_layers(include_self=False, recursive=True):
        named = f"{layer.name!r} ({type(layer).__name__})"
        if getattr(layer, "compute_dtype", None) in ("float16", "bfloat16"):
            problems.append(f"{named} in {layer.compute_dtype}")
        if getattr(layer, "data_format", None) == "channels_first":
            problems.append(f"{named} in channels_first")
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise UnsupportedModelError(
            f"model {model.name!r}: expected layers that compute in float32 and channels_last. "
            f"Received: {', '.join(problems[:5])}{more}. Build the model so, and copy its weights."
        )


def _convert(model: keras.Model, samples: npt.NDArray[np.float32]) -> bytes:
    import keras
    import tensorflow as tf

    # A batch of 1 leaves nothing to compute at run time: no SHAPE, STRIDED_SLICE or PACK.
    inputs = keras.Input(batch_shape=(1, *samples.shape[1:]), name="input")
    fixed = keras.Model(inputs, model(inputs, training=False), name=model.name)

    def representative() -> Iterator[list[npt.NDArray[np.float32]]]:
        for sample in samples:
            yield [sample[None]]

    converter = refuse_control_flow(tf.lite.TFLiteConverter.from_keras_model(fixed))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    converter._experimental_calibrate_only = True
    return bytes(converter.convert())


def _quantize(calibrated: bytes, edges: EdgeTypes) -> bytes:
    """What the converter itself does after calibration."""
    import tensorflow as tf
    from tensorflow.lite.python import convert, lite, util
    from tensorflow.lite.tools import flatbuffer_utils

    quantized = convert.mlir_quantize(
        calibrated,
        input_data_type=getattr(tf, edges.input),
        output_data_type=getattr(tf, edges.output),
    )
    merged = flatbuffer_utils.convert_bytearray_to_object(
        bytearray(lite._deduplicate_readonly_buffers(quantized))
    )
    metadata = util.get_conversion_metadata(bytearray(calibrated))
    if metadata is not None:
        merged = util.populate_conversion_metadata(merged, metadata)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(merged))


def _reason(error: Exception, native_output: str) -> str:
    """The lines that name what failed, shortened to one."""
    text = _COLOURS.sub("", f"{error}\n{native_output}")
    lines = [line.strip() for line in text.splitlines()]
    telling = [
        line
        for line in lines
        if any(word in line for word in ("not supported", "error:", "Flex ops", "not yet"))
    ]
    chosen = telling or [line for line in lines if line] or [type(error).__name__]
    return " / ".join(dict.fromkeys(chosen[:3]))[:600].rstrip(".")
