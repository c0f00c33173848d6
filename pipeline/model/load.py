"""Load Keras models, and fit them to another input size and other classes."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pipeline.errors import ConfigError, UnsupportedModelError
from pipeline.model.rewrite import absorb_rescaling, rebuild, with_softmax
from pipeline.quiet import captured_native_output, import_tensorflow
from pipeline.samples import DEFAULT_SCALING, InputScaling

if TYPE_CHECKING:
    import keras

KerasModel: TypeAlias = "keras.Model"
"""For annotations of those who do not import Keras themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A Keras model that is ready for training or quantization.

    Attributes:
        model: without a Rescaling layer in front.
        scaling: what the model sees of a pixel.
        notes: lines for the user on what was changed.
    """

    model: keras.Model
    scaling: InputScaling
    notes: tuple[str, ...]


def load_model(path: Path) -> LoadedModel:
    """Load a `.keras` or `.h5` file that Keras 3 can load.

    A Rescaling layer at the input is cut off and remembered as `scaling`; ZeroPadding2D
    before a strided convolution becomes "same" padding where that is the very same.

    Raises:
        ConfigError: there is no such file.
        UnsupportedModelError: it is no Keras model, or one that Keras 3 cannot load.
    """
    model = _load(path)
    _check_model(path, model)
    return prepare_model(model, path.name)


def prepare_model(model: keras.Model, name: str) -> LoadedModel:
    """What `load_model` makes of a model that is loaded already; the model is not changed.

    Args:
        model: of one input and one output.
        name: for the notes.
    """
    model, scaling = absorb_rescaling(model)
    notes = []
    if scaling != DEFAULT_SCALING:
        notes.append(
            f"{name}: its Rescaling layer became the input's range "
            f"[{scaling.low:g}, {scaling.high:g}]"
        )
    rebuilt = rebuild(model, tuple(model.input_shape[1:]), None)
    return LoadedModel(model=rebuilt.model, scaling=scaling, notes=(*notes, *rebuilt.notes))


def read_model(path: Path) -> keras.Model:
    """Load a `.keras` or `.h5` file as it is, with any number of inputs and outputs.

    Raises:
        ConfigError: there is no such file.
        UnsupportedModelError: it is no Keras model, or one that Keras 3 cannot load.
    """
    return _load(path)


def classifier_view(model: keras.Model) -> LoadedModel:
    """A softmax classifier over the layers of a model: training it trains the model.

    A Rescaling layer at the input is left out, and remembered as `scaling`; logits get a
    softmax.

    Raises:
        UnsupportedModelError: the model has several inputs or outputs, or no vector of scores.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1 or len(model.output_shape) != 2:
        raise UnsupportedModelError(
            f"model {model.name!r}: expected a classifier of one input and one vector of scores. "
            f"Received: {len(model.inputs)} inputs and outputs of shapes "
            f"{[tuple(output.shape) for output in model.outputs]}. Use no data with it."
        )
    view, scaling = absorb_rescaling(model)
    view, added = with_softmax(view)
    notes = (f"{model.name}: gives logits; a softmax is added for training",) if added else ()
    return LoadedModel(model=view, scaling=scaling, notes=notes)


def own_scaling(model: keras.Model) -> InputScaling:
    """What a model as it is wants of a pixel: the pixel itself where it begins with Rescaling."""
    view, _ = absorb_rescaling(model)
    begins_with_rescaling = view.inputs[0] is not model.inputs[0]
    return InputScaling(scale=1.0, offset=0.0) if begins_with_rescaling else DEFAULT_SCALING


def load_initial(path: Path, input_shape: tuple[int, ...], num_classes: int) -> LoadedModel:
    """Load a model as the start of a training, at another input size and with other classes.

    The head, the last Dense layer, is replaced where it has another number of classes.

    Args:
        path: `.keras` or `.h5`.
        input_shape: without the batch.
        num_classes: outputs wanted.
    Raises:
        ConfigError: there is no such file, or a layer's weights depend on the input size;
            names the first such layer.
        UnsupportedModelError: it is no Keras classifier that Keras 3 can load.
    """
    model = _load(path)
    _check_model(path, model)
    model, scaling = absorb_rescaling(model)
    rebuilt = rebuild(model, input_shape, num_classes, origin=path.name)
    return LoadedModel(model=rebuilt.model, scaling=scaling, notes=rebuilt.notes)


def save_model(model: keras.Model, scaling: InputScaling, path: Path) -> None:
    """Write a `.keras` file that `load_model` reads back with the same scaling."""
    import keras

    if scaling != DEFAULT_SCALING:
        inputs = keras.Input(model.input_shape[1:], name="pixels")
        rescaled = keras.layers.Rescaling(scaling.scale, scaling.offset, name="rescaling")(inputs)
        model = keras.Model(inputs, model(rescaled), name=model.name)
    model.save(path)


def write_model(model: keras.Model, path: Path) -> None:
    """Write a model as it is to a `.keras` file, whole or not at all.

    Raises:
        ConfigError: the file cannot be written.
    """
    # Keras goes by the suffix.
    temporary = path.with_name(f".unfinished-{os.getpid()}-{path.name}")
    try:
        model.save(temporary)
        temporary.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def _load(path: Path) -> keras.Model:
    if not path.exists():
        raise ConfigError(f"model {path}: there is no such file. Check the path.")
    if path.suffix not in (".keras", ".h5", ".hdf5") or path.is_dir():
        raise UnsupportedModelError(
            f"model {path}: expected a .keras or .h5 file. Received: "
            f"{'a folder' if path.is_dir() else path.suffix or 'no suffix'}. "
            "Save the model with model.save('name.keras')."
        )
    if path.suffix == ".keras" and not zipfile.is_zipfile(path):
        raise UnsupportedModelError(
            f"model {path}: no Keras 3 file, or a truncated one (it is no zip archive). "
            "Save the model again with model.save('name.keras')."
        )
    import_tensorflow()
    import keras

    failure: Exception | None = None
    with captured_native_output():
        try:
            return keras.models.load_model(path, compile=False)
        except Exception as error:
            # Keras raises TypeError, ValueError, OSError, KeyError and others here; each
            # means that this file cannot be used.
            failure = error
    raise UnsupportedModelError(f"model {path}: {_explain(path, failure)}") from failure


def _explain(path: Path, failure: Exception) -> str:
    text = str(failure)
    if "Lambda" in text:
        return (
            "it has a Lambda layer, which holds Python code and cannot become firmware. "
            "Replace it by Keras' own layers, for example Rescaling."
        )
    first = next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")
    if path.suffix != ".keras" and ("groups" in text or "Unrecognized keyword" in text):
        return (
            "an .h5 file of Keras 2 that Keras 3 cannot load. "
            f"Received: {first[:200]}. Load it with the tf_keras package, copy its weights into "
            "the same model built in Keras 3, and save that as .keras."
        )
    return (
        f"Keras 3 cannot load it. Received: {first[:300]}. Custom layers are not supported; "
        "save the model with Keras' own layers as .keras."
    )


def _check_model(path: Path, model: Any) -> None:
    import keras

    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        raise UnsupportedModelError(
            f"model {path}: expected a Functional or Sequential model with a known input. "
            f"Received: {type(model).__name__}. Build it with keras.Input."
        )
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise UnsupportedModelError(
            f"model {path}: expected one input and one output. Received: {len(model.inputs)} "
            f"inputs and {len(model.outputs)} outputs. Split it into such models."
        )
