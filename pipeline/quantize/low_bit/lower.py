"""Filters of four bits for as many layers as a flash budget asks for, the least sensitive ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from pipeline.errors import DoesNotFitError
from pipeline.quantize.low_bit.choose import best_choices
from pipeline.quantize.low_bit.layers import WeightedLayer, eligible_layers, input_rows
from pipeline.quantize.low_bit.rewrite import bias_fits, with_filters
from pipeline.quantize.low_bit.rounding import RoundedFilter, round_filter
from pipeline.records import Array, Graph
from pipeline.reference import ReferenceModel

# Rows of a layer's input that its rounding looks at.
_MOST_ROWS = 8192


class Deployed(Protocol):
    """What a graph becomes on its board."""

    def write(self, graph: Graph) -> bytes:
        """The .tflite file of a graph."""

    def weights_bytes(self, graph: Graph) -> Mapping[int, int]:
        """Flash that the constants of operators take, by index; none for one that goes."""

    def kernels(self, graph: Graph) -> Mapping[int, str]:
        """The kernels that operators call, by index; none for one that goes."""

    def flash_bytes(self, graph: Graph) -> int:
        """Flash of the whole image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerBits:
    """A layer with weights, and what was made of it.

    Attributes:
        name, kind: of the operator.
        bits: of its weights now, 8 or 4.
        sensitivity: how much outputs change if only this layer has weights of four bits, see
            `divergence`; None where it cannot, or was never tried.
        bytes_before, bytes_after: of its constants in flash, with eight bits and with four.
    """

    name: str
    kind: str
    bits: int
    sensitivity: float | None
    bytes_before: int
    bytes_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LowBitResult:
    """A model with weights of four bits.

    Attributes:
        tflite: the file.
        layers: those whose weights could take four bits, in execution order.
        flash_bytes, flash_bytes_before: of the image, now and with eight bits throughout.
        divergence: of the outputs, all chosen layers together.
    """

    tflite: bytes = field(repr=False)
    layers: tuple[LayerBits, ...]
    flash_bytes: int
    flash_bytes_before: int
    divergence: float


def lower_weights(
    graph: Graph,
    x: tuple[Array, ...],
    flash_bytes: int | None,
    deployed: Deployed,
    *,
    log: Callable[[str], None] = lambda line: None,
    on_progress: Callable[[int, int], None] | None = None,
) -> LowBitResult:
    """Give layers weights of four bits until the image is no larger than a budget.

    Each layer is tried alone; of all sets of layers that save enough, the one with the least sum
    of changes is taken. A smaller budget never leads to a larger image.

    Args:
        graph: the model with weights of eight bits.
        x: what its inputs take, one array [samples, ...] each: calibration samples.
        flash_bytes: the budget; None for all layers that can.
        deployed: writes graphs and knows what they cost.
        log: told of each layer and of the choice.
        on_progress: called with (layers tried, layers in all).
    Raises:
        DoesNotFitError: not even all layers save enough; says what is reachable.
    """
    before = deployed.flash_bytes(graph)
    if flash_bytes is not None and before <= flash_bytes:
        log(f"{before:,} B of flash are within the budget with weights of eight bits")
        return LowBitResult(
            tflite=deployed.write(graph),
            layers=(),
            flash_bytes=before,
            flash_bytes_before=before,
            divergence=0.0,
        )
    candidates = _worth_their_kernels(graph, _candidates(graph, x, deployed), deployed)
    everything = frozenset(range(len(candidates)))
    if flash_bytes is None:
        sizes = {everything: deployed.flash_bytes(_lowered(graph, candidates, everything))}
        sensitivity: Sequence[float] = ()
        chosen = everything
    else:
        smallest = deployed.flash_bytes(_lowered(graph, candidates, everything))
        if smallest > flash_bytes:
            raise _does_not_fit(graph, flash_bytes, before, smallest, candidates)
        sensitivity = _sensitivities(graph, x, candidates, deployed, on_progress)
        chosen, sizes = _choose(graph, candidates, sensitivity, flash_bytes, deployed)
    lowered = _lowered(graph, candidates, chosen)
    result = LowBitResult(
        tflite=deployed.write(lowered),
        layers=tuple(
            LayerBits(
                name=candidate.layer.op.name,
                kind=candidate.layer.op.kind.value,
                bits=4 if place in chosen else 8,
                sensitivity=sensitivity[place] if sensitivity else None,
                bytes_before=candidate.bytes_before,
                bytes_after=candidate.bytes_after,
            )
            for place, candidate in enumerate(candidates)
        ),
        flash_bytes=sizes[chosen],
        flash_bytes_before=before,
        divergence=divergence(graph, x, lowered, deployed),
    )
    log(
        f"{len(chosen)} of {len(candidates)} layers take four bits: {before:,} B of flash become "
        f"{result.flash_bytes:,}; outputs change by {result.divergence:.2%} of their variance"
    )
    return result


def divergence(graph: Graph, x: tuple[Array, ...], other: Graph, deployed: Deployed) -> float:
    """Mean squared change of the outputs as a share of their variance over samples and outputs."""
    return _change(_outputs(graph, x, deployed), _outputs(other, x, deployed))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """A layer that would save flash, and its filter of four bits."""

    layer: WeightedLayer
    rounded: RoundedFilter
    bytes_before: int
    bytes_after: int


def _candidates(graph: Graph, x: tuple[Array, ...], deployed: Deployed) -> tuple[_Candidate, ...]:
    """Layers that take less flash with four bits, in execution order."""
    layers = eligible_layers(graph)
    inputs = _layer_inputs(graph, x, layers, deployed)
    rounded = [
        round_filter(
            layer,
            input_rows(layer, inputs[layer.op.inputs[0]], _MOST_ROWS)
            if layer.groups == 1
            else None,
        )
        for layer in layers
    ]
    pairs = [pair for pair in zip(layers, rounded, strict=True) if bias_fits(*pair)]
    lowered = with_filters(graph, {layer.op.index: (layer, made) for layer, made in pairs})
    before, after = deployed.weights_bytes(graph), deployed.weights_bytes(lowered)
    found = [
        _Candidate(
            layer=layer,
            rounded=made,
            bytes_before=before.get(layer.op.index, 0),
            bytes_after=after.get(layer.op.index, 0),
        )
        for layer, made in pairs
    ]
    return tuple(candidate for candidate in found if candidate.bytes_after < candidate.bytes_before)


def _worth_their_kernels(
    graph: Graph, candidates: tuple[_Candidate, ...], deployed: Deployed
) -> tuple[_Candidate, ...]:
    """Candidates without those whose kernel takes more flash than all of them together save."""
    everywhere = _lowered(graph, candidates, range(len(candidates)))
    kernels = deployed.kernels(everywhere)
    needed = {each.layer.op.index: kernels.get(each.layer.op.index, "") for each in candidates}
    saved: dict[str, int] = {}
    for each in candidates:
        name = needed[each.layer.op.index]
        saved[name] = saved.get(name, 0) + each.bytes_before - each.bytes_after
    smallest = deployed.flash_bytes(everywhere)
    for name in sorted(saved, key=lambda kernel: saved[kernel]):
        others = tuple(each for each in candidates if needed[each.layer.op.index] != name)
        without = deployed.flash_bytes(_lowered(graph, others, range(len(others))))
        if without <= smallest:
            candidates, smallest = others, without
    return candidates


def _layer_inputs(
    graph: Graph, x: tuple[Array, ...], layers: Iterable[WeightedLayer], deployed: Deployed
) -> dict[int, Array]:
    """What layers read, by tensor: a model that gives it out is run."""
    known = dict(zip(graph.inputs, x, strict=True))
    wanted = tuple(dict.fromkeys(layer.op.inputs[0] for layer in layers))
    outputs = tuple(index for index in wanted if index not in known)
    if outputs:
        probe = deployed.write(dataclasses.replace(graph, outputs=outputs))
        known |= zip(outputs, ReferenceModel(probe).run(x), strict=True)
    return known


def _lowered(graph: Graph, candidates: Sequence[_Candidate], chosen: Iterable[int]) -> Graph:
    picked = [candidates[place] for place in sorted(chosen)]
    return with_filters(graph, {each.layer.op.index: (each.layer, each.rounded) for each in picked})


def _sensitivities(
    graph: Graph,
    x: tuple[Array, ...],
    candidates: Sequence[_Candidate],
    deployed: Deployed,
    on_progress: Callable[[int, int], None] | None,
) -> list[float]:
    """What each layer alone changes."""
    expected = _outputs(graph, x, deployed)
    changes = []
    for place in range(len(candidates)):
        outputs = _outputs(_lowered(graph, candidates, (place,)), x, deployed)
        changes.append(_change(expected, outputs))
        if on_progress is not None:
            on_progress(place + 1, len(candidates))
    return changes


def _choose(
    graph: Graph,
    candidates: Sequence[_Candidate],
    sensitivity: Sequence[float],
    flash_bytes: int,
    deployed: Deployed,
) -> tuple[frozenset[int], dict[frozenset[int], int]]:
    """The first set that fits, in the order of what sets cost; and the sizes of those looked at."""
    saved = [each.bytes_before - each.bytes_after for each in candidates]
    sizes: dict[frozenset[int], int] = {}
    for choice in best_choices(saved, sensitivity):
        sizes[choice] = deployed.flash_bytes(_lowered(graph, candidates, choice))
        if sizes[choice] <= flash_bytes:
            return choice, sizes
    raise AssertionError("all layers together fit")


def _outputs(
    graph: Graph, x: tuple[Array, ...], deployed: Deployed
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float64]], ...]:
    outputs = ReferenceModel(deployed.write(graph)).run(x)
    return tuple(output.astype(np.float64) for output in outputs)


def _change(
    expected: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.float64]]],
    received: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.float64]]],
) -> float:
    changes = [
        float(((a - b) ** 2).mean() / max(a.var(), 1e-12))
        for a, b in zip(expected, received, strict=True)
    ]
    return float(np.mean(changes))


def _does_not_fit(
    graph: Graph,
    flash_bytes: int,
    before: int,
    smallest: int,
    candidates: Sequence[_Candidate],
) -> DoesNotFitError:
    if not candidates:
        return DoesNotFitError(
            f"{graph.name}: expected at most {flash_bytes:,} B of flash. Received: {before:,} B, "
            "of which four bits save nothing: only filters of convolutions and fully connected "
            "layers can have them, and have to save more than their kernels take. Prune the model "
            "(`espalier prune --budget flash=SIZE`), or raise --flash."
        )
    return DoesNotFitError(
        f"{graph.name}: expected at most {flash_bytes:,} B of flash. Received: {smallest:,} B with "
        f"weights of four bits in all {len(candidates)} layers that gain by them, of {before:,} B "
        f"with eight. {smallest:,} B is the smallest that four bits reach: prune the model first "
        "(`espalier prune --budget flash=SIZE`), or raise --flash."
    )
