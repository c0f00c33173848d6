"""What a model would cost at other widths, worked out from its index maps without building it.

Every axis of a weight and every channel axis of a tensor is a number of entries that all stay
plus, for each group, so many per channel that is kept: linear in the groups' widths. Sizes are
products of these, so thousands of candidates are a few matrix products.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.errors import UnsupportedModelError
from pipeline.prune.facts import KERNELS, call_positions, is_in_place
from pipeline.prune.records import ChannelGroup, FloatArray, IdVector
from pipeline.prune.surgery import weight_named
from pipeline.prune.trace import Trace

# Of a filter's bias, multiplier and shift in the generated code.
_CHANNEL_BYTES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Costs of several candidates at once.

    Attributes:
        params, macs: float64 [candidates]; as `ModelFacts` counts them.
        weights_bytes: of int8 filters with 32-bit biases and multipliers, float64 [candidates].
        live_bytes: of activations at one byte each while each call runs, float64
            [candidates, calls + 2]; the first and the last are the inputs' and the outputs'.
    """

    params: FloatArray
    macs: FloatArray
    weights_bytes: FloatArray
    live_bytes: FloatArray

    @property
    def peak_bytes(self) -> FloatArray:
        """The largest live set of each candidate, float64 [candidates]."""
        return np.asarray(self.live_bytes.max(axis=1), np.float64)


class WidthCosts:
    """Costs as a function of how many channels each group keeps.

    Args:
        trace: index maps of the model.
        groups: whose widths vary.
    Raises:
        UnsupportedModelError: a spatial size is open, so that there is nothing to count.
    """

    def __init__(self, trace: Trace, groups: Sequence[ChannelGroup]) -> None:
        self._trace, self._groups = trace, tuple(groups)
        self._owners = np.full(len(trace.roots), -1, np.int64)
        for index, group in enumerate(groups):
            self._owners[group.units] = index
        # The first axis has one entry whatever happens: it pads products.
        self._bases: list[float] = [1.0]
        self._slopes: list[FloatArray] = [np.zeros(len(groups))]
        self._read_weights()
        self._read_tensors()
        self._base, self._slope = np.array(self._bases), np.stack(self._slopes)

    def __call__(self, keep: npt.NDArray[np.int64]) -> Estimate:
        """Costs of candidates.

        Args:
            keep: channels kept, int64 [candidates, groups].
        """
        axes = keep @ self._slope.T + self._base
        entries = self._weight_scale * axes[:, self._weight_axes].prod(axis=2)
        sizes = self._tensor_scale * axes[:, self._tensor_axes]
        return Estimate(
            params=entries.sum(axis=1) + self._other_params,
            macs=entries @ self._positions,
            weights_bytes=entries @ self._bytes + _CHANNEL_BYTES * axes @ self._makers,
            live_bytes=sizes @ self._alive,
        )

    def _axis(self, ids: IdVector) -> int:
        """Position of a new axis with these channels."""
        owners = self._owners[self._trace.roots[ids]]
        self._bases.append(float((owners < 0).sum()))
        counts = np.bincount(owners[owners >= 0], minlength=len(self._groups))
        channels = [group.channels for group in self._groups]
        self._slopes.append(counts / np.array(channels, np.float64))
        return len(self._bases) - 1

    def _read_weights(self) -> None:
        trace = self._trace
        by_weight: dict[tuple[int, str], dict[int, int]] = {}
        makers: list[int] = []
        for axis in trace.axes:
            row = self._axis(axis.ids)
            by_weight.setdefault((id(axis.layer), axis.weight), {})[axis.axis] = row
        layers = {id(axis.layer): axis.layer for axis in trace.axes}
        positions = self._call_positions()
        scale, rows, macs, size = [], [], [], []
        counted = 0
        for (layer, name), axes in by_weight.items():
            shape = weight_named(layers[layer], name).shape
            counted += math.prod(shape)
            scale.append(math.prod(n for at, n in enumerate(shape) if at not in axes))
            rows.append([*axes.values(), *[0] * (4 - len(axes))])
            kernel = name in KERNELS
            macs.append(positions.get(layer, 0) if kernel else 0)
            size.append(1.0 if kernel else 0.0)
            if kernel:
                # The last axis that channels index is the one that makes them.
                makers.append(axes[max(axes)])
        total = sum(math.prod(weight.shape) for weight in trace.model.weights)
        self._other_params = float(total - counted)
        self._weight_scale = np.array(scale, np.float64)
        self._weight_axes = np.array(rows, np.int64).reshape(len(rows), 4)
        self._positions = np.array(macs, np.float64)
        self._bytes = np.array(size)
        self._maker_rows = makers

    def _call_positions(self) -> dict[int, int]:
        """How often each weight of a layer is used in one inference, over all its calls."""
        positions: dict[int, int] = {}
        for call in self._trace.graph.calls:
            count = call_positions(call)
            if count is None:
                raise UnsupportedModelError(
                    f"layer {call.path!r}: expected fixed sizes, for MACs depend on them. "
                    f"Received: {call.outputs[0].shape}. Build the model for one input size."
                )
            positions[id(call.layer)] = positions.get(id(call.layer), 0) + count
        return positions

    def _read_tensors(self) -> None:
        graph = self._trace.graph
        calls = len(graph.calls)
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        alias: dict[int, int] = {}
        shapes: dict[int, tuple[int | None, ...]] = {}
        for binding in graph.bindings:
            if not binding.nested:
                alias[binding.tensor.index] = binding.tensor.index
                shapes[binding.tensor.index] = binding.tensor.shape
                first[binding.tensor.index] = last[binding.tensor.index] = -1
        for position, call in enumerate(graph.calls):
            for ref in call.inputs:
                last[alias[ref.index]] = position
            for ref in call.outputs:
                shapes[ref.index] = ref.shape
                if is_in_place(call):
                    alias[ref.index] = alias[call.inputs[0].index]
                else:
                    alias[ref.index] = ref.index
                    first[ref.index] = last[ref.index] = position
        for ref in graph.outputs:
            last[alias[ref.index]] = calls
        scale, rows = [], []
        alive = np.zeros((len(first), calls + 2))
        for number, index in enumerate(first):
            if None in shapes[index][1:]:
                raise UnsupportedModelError(
                    f"model {self._trace.model.name!r}: expected fixed sizes. Received: a tensor "
                    f"of shape {shapes[index]}. Build the model for one input size."
                )
            whole = math.prod(size or 0 for size in shapes[index][1:])
            _, ids = self._trace.channels.get(index, (0, None))
            rows.append(0 if ids is None else self._axis(ids))
            scale.append(whole if ids is None else whole // len(ids))
            alive[number, first[index] + 1 : last[index] + 2] = 1
        self._tensor_scale = np.array(scale, np.float64)
        self._tensor_axes = np.array(rows, np.int64)
        self._alive = alive
        self._makers = np.bincount(self._maker_rows, minlength=len(self._bases)).astype(float)
