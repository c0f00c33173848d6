"""The oracle: TFLite's reference kernels (``BUILTIN_REF``), without any delegate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.errors import UnsupportedModelError
from pipeline.records import Array


class ReferenceModel:
    """A quantized .tflite run by TFLite's reference kernels.

    Args:
        tflite: the bytes of the file.
    Raises:
        UnsupportedModelError: the interpreter cannot load the model.
    """

    def __init__(self, tflite: bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        try:
            self._interpreter = Interpreter(
                model_content=tflite,
                experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
                num_threads=1,
            )
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise UnsupportedModelError(
                f"TFLite's reference kernels cannot load this model: {error}"
            ) from error
        self._inputs = self._interpreter.get_input_details()
        self._outputs = self._interpreter.get_output_details()

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
