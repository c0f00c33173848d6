"""The oracle: TFLite's reference kernels (``BUILTIN_REF``), without any delegate."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.errors import UnsupportedModelError
from pipeline.records import Array

# Newest version of an operator that the reference resolver lists where the converter writes a newer
# one for int8: the kernel behind both is the same, only the list was not brought up to date.
_LISTED_VERSIONS: Mapping[str, int] = {"TILE": 2}

# Of the field `version` in the table of an operator code.
_VERSION_SLOT = 8


class ReferenceModel:
    """A quantized .tflite run by TFLite's reference kernels.

    Args:
        tflite: the bytes of the file.
    Raises:
        UnsupportedModelError: the interpreter cannot load the model.
    """

    def __init__(self, tflite: bytes) -> None:
        self._interpreter = _interpreter(tflite)
        self._inputs = self._interpreter.get_input_details()
        self._outputs = self._interpreter.get_output_details()

    @property
    def input_dtype(self) -> np.dtype[Any]:
        """Type of the first input."""
        dtype: np.dtype[Any] = np.dtype(self._inputs[0]["dtype"])
        return dtype

    @property
    def input_quantization(self) -> tuple[float, int]:
        """Scale and zero point of the first input."""
        scale, zero_point = self._inputs[0]["quantization"]
        return float(scale), int(zero_point)

    @property
    def output_quantization(self) -> tuple[float, int]:
        """Scale and zero point of the first output."""
        scale, zero_point = self._outputs[0]["quantization"]
        return float(scale), int(zero_point)

    def run(
        self, x: tuple[Array, ...], on_progress: Callable[[int, int], None] | None = None
    ) -> tuple[Array, ...]:
        """Outputs of every sample, raw.

        Args:
            x: one array [samples, *input shape without batch] per input, in its dtype.
            on_progress: called with (samples done, samples in all).
        Returns:
            One array [samples, *output shape without batch] per output.
        """
        samples = len(x[0])
        rows: list[list[Array]] = [[] for _ in self._outputs]
        for sample in range(samples):
            for detail, values in zip(self._inputs, x, strict=True):
                self._interpreter.set_tensor(
                    detail["index"], values[sample].reshape(detail["shape"])
                )
            self._interpreter.invoke()
            for row, detail in zip(rows, self._outputs, strict=True):
                output = self._interpreter.get_tensor(detail["index"])
                row.append(output[0] if output.ndim and output.shape[0] == 1 else output)
            if on_progress is not None:
                on_progress(sample + 1, samples)
        return tuple(np.stack(row) for row in rows)


class TensorProbe:
    """A .tflite whose every tensor can be read after an inference.

    Args:
        tflite: the bytes of the file, float or quantized.
        exact: by the reference kernels; else by the optimized ones, many times faster, whose
            quantized results may be one off.
    Raises:
        UnsupportedModelError: the interpreter cannot load the model.
    """

    def __init__(self, tflite: bytes, *, exact: bool = False) -> None:
        self._interpreter = _interpreter(tflite, exact=exact, keep_tensors=True)
        self._inputs = self._interpreter.get_input_details()

    def run(self, *sample: Array) -> None:
        """One inference.

        Args:
            sample: one array per input, in its dtype, with or without the batch of 1.
        """
        for detail, values in zip(self._inputs, sample, strict=True):
            self._interpreter.set_tensor(detail["index"], values.reshape(detail["shape"]))
        self._interpreter.invoke()

    def run_zeros(self) -> None:
        """One inference on zeros."""
        self.run(*(np.zeros(detail["shape"], detail["dtype"]) for detail in self._inputs))

    def read(self, index: int) -> Array:
        """Values of a tensor of the last inference, raw."""
        values: Array = self._interpreter.get_tensor(index)
        return values


def computed_values(tflite: bytes, wanted: Sequence[int]) -> dict[int, Array]:
    """Values that tensors of a model have after one run on zeros, by the reference kernels.

    Args:
        tflite: the bytes of the file.
        wanted: numbers of tensors.
    Raises:
        UnsupportedModelError: the interpreter cannot run the model.
    """
    probe = TensorProbe(tflite, exact=True)
    try:
        probe.run_zeros()
        return {index: np.array(probe.read(index)) for index in wanted}
    except (ValueError, RuntimeError) as error:
        raise UnsupportedModelError(
            f"TFLite's reference kernels cannot run this model: {error}"
        ) from error


def allocated_shapes(tflite: bytes) -> dict[int, tuple[int, ...]]:
    """Shapes of the first subgraph's tensors as TFLite works them out before it runs.

    Those that depend on values are as the file has them.

    Args:
        tflite: the bytes of the file.
    Raises:
        UnsupportedModelError: the interpreter cannot load the model.
    """
    details = _interpreter(tflite, keep_tensors=True).get_tensor_details()
    return {detail["index"]: tuple(detail["shape"].tolist()) for detail in details}


def _interpreter(tflite: bytes, *, exact: bool = True, keep_tensors: bool = False) -> Any:
    """An interpreter that is ready to run; arguments as of `TensorProbe`.

    Raises:
        UnsupportedModelError: it cannot load the model.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    optimized = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        interpreter = Interpreter(
            model_content=_with_listed_versions(tflite) if exact else tflite,
            experimental_op_resolver_type=OpResolverType.BUILTIN_REF if exact else optimized,
            experimental_preserve_all_tensors=keep_tensors,
            num_threads=1,
        )
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        kernels = "TFLite's reference kernels" if exact else "TFLite"
        raise UnsupportedModelError(f"{kernels} cannot load this model: {error}") from error
    return interpreter


def _with_listed_versions(tflite: bytes) -> bytes:
    """The file with version numbers that the reference resolver lists; nothing else changes."""
    from ai_edge_litert import schema_py_generated as schema

    newest = {
        getattr(schema.BuiltinOperator, name): version for name, version in _LISTED_VERSIONS.items()
    }
    data = bytearray(tflite)
    try:
        model = schema.Model.GetRootAs(tflite, 0)
        for index in range(model.OperatorCodesLength()):
            code = model.OperatorCodes(index)
            builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
            if code.Version() > newest.get(builtin, code.Version()):
                place = code._tab.Pos + code._tab.Offset(_VERSION_SLOT)
                struct.pack_into("<i", data, place, newest[builtin])
    except (IndexError, TypeError, ValueError, struct.error):
        # A damaged file: the interpreter says what is wrong with it.
        return tflite
    return bytes(data)
