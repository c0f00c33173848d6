"""The steps that make a .tflite smaller, each with what it saved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import UnsupportedModelError
from pipeline.ops.table import macs_of
from pipeline.plan.constant_channels.remove import SlimModel, remove_constant_channels
from pipeline.plan.graph import parse_graph
from pipeline.plan.pack import pack
from pipeline.plan.slim.constants import fold_constants
from pipeline.plan.slim.padding import fold_padding
from pipeline.plan.slim.source import read_model
from pipeline.plan.slim.strip import (
    drop_bias_scales,
    drop_dead_operators,
    drop_metadata,
    drop_names,
    drop_names_of_constants,
    drop_ranges,
    drop_signatures,
    drop_unused,
    fix_batch,
    share_constants,
)
from pipeline.plan.tflm.offline import drop_plan, read_offsets
from pipeline.plan.write import write_tflite
from pipeline.records import Graph, LayerChannels

# The step whose saving not every engine can do without.
_BIAS_SCALES = "scales of convolutions' biases"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlimOptions:
    """What may go.

    Attributes:
        constant_channels: channels that no input changes or no output depends on.
        keep_names: leave the names of computed tensors and the signatures in.
        keep_bias_scales: leave the scales of convolutions' biases in.
    """

    constant_channels: bool = False
    keep_names: bool = False
    keep_bias_scales: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """What one step saved, in bytes of the file."""

    part: str
    saved_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlimFile:
    """A smaller file.

    Attributes:
        tflite: its bytes.
        savings: step by step; together they are the whole difference.
        operators_before, operators: of all subgraphs.
        macs_before, macs: None where the model is not one that Espalier knows every operator of.
        channels: of each layer with weights, None where constant channels were left in.
        notes: sentences about what was decided on the way.
    """

    tflite: bytes = field(repr=False)
    savings: tuple[Saving, ...]
    operators_before: int
    operators: int
    macs_before: int | None
    macs: int | None
    channels: tuple[LayerChannels, ...] | None
    notes: tuple[str, ...]


def slim(data: bytes, name: str, origin: str, options: SlimOptions) -> SlimFile:
    """Make a .tflite smaller whose outputs stay the same.

    Constant channels, and constants that are no sizes, need Espalier to know every operator; all
    else is done with any file.

    Args:
        data: the bytes of the file.
        name: of the model.
        origin: where the bytes come from, for messages.
        options: what may go.
    Raises:
        UnsupportedModelError: the model works on floats, has dynamic shapes or is damaged, or
            its constant channels cannot be found.
    """
    return _Slimming(data, name, origin, options).file()


class _Slimming:
    """One file on its way; `_savings` and `_notes` grow."""

    def __init__(self, data: bytes, name: str, origin: str, options: SlimOptions) -> None:
        self._data, self._name, self._origin, self._options = data, name, origin, options
        self._savings: list[Saving] = []
        self._notes: list[str] = []
        self._size = len(data)

    def file(self) -> SlimFile:
        model = read_model(self._data, self._origin)
        self._step("equal parts written once, zero points among them", pack(model))
        operators_before = _operators(model)
        entrances = len(model.signatureDefs or ())
        if entrances > 1:
            self._notes.append(f"The file has {entrances} entrances; the first subgraph is run.")
        has_plan = read_offsets(model) is not None
        tflite = self._stripped(model, self._step)
        source = self._with_constants()
        graph = self._graph(source)
        folded = self._folded(source if graph is None else write_tflite(graph, source))
        changed = _operators(read_model(folded, self._origin)) < operators_before
        # Without a gain in operators the file as it was keeps its offline plan.
        if len(folded) < len(tflite) and (changed or not has_plan):
            tflite = folded
            self._step("constants, paddings and unread operators folded", tflite)
        slim = self._without_constant_channels(graph, source)
        if slim is not None and any(layer.removed for layer in slim.channels):
            tflite = self._folded(slim.tflite)
            self._step("constant channels", tflite)
        after = read_model(tflite, self._origin)
        if has_plan and read_offsets(after) is None:
            self._notes.append(
                "The offline memory plan in the file was for other operators and is gone: make one "
                "for the new file with espalier plan --tflm-offline."
            )
        if any(saving.part == _BIAS_SCALES and saving.saved_bytes for saving in self._savings):
            self._notes.append(
                "Scales of convolutions' biases went: microcontrollers do not read them, XNNPACK "
                "on phones and computers does. For those, keep them with --keep-bias-scales."
            )
        return SlimFile(
            tflite=tflite,
            savings=tuple(self._savings),
            operators_before=operators_before,
            operators=_operators(after),
            macs_before=None if graph is None else _macs(graph),
            macs=None if graph is None else _macs(slim.graph if slim else graph),
            channels=None if slim is None else slim.channels,
            notes=tuple(self._notes),
        )

    def _step(self, part: str, tflite: bytes) -> None:
        self._savings.append(Saving(part=part, saved_bytes=self._size - len(tflite)))
        self._size = len(tflite)

    def _with_constants(self) -> bytes:
        """The file with values in place of operators that always compute the same."""
        model = read_model(self._data, self._origin)
        return pack(model) if fold_constants(model) else self._data

    def _graph(self, source: bytes) -> Graph | None:
        """The graph, where Espalier knows every operator."""
        try:
            return parse_graph(source, self._name, self._origin)
        except UnsupportedModelError as error:
            if self._options.constant_channels:
                raise UnsupportedModelError(
                    f"--constant-channels needs to know what every operator computes: {error}"
                ) from error
            return None

    def _without_constant_channels(self, graph: Graph | None, source: bytes) -> SlimModel | None:
        if graph is None or not self._options.constant_channels:
            return None
        return remove_constant_channels(graph, source)

    def _folded(self, tflite: bytes) -> bytes:
        """A file without what can be folded, stripped."""
        model = read_model(tflite, self._origin)
        folded = fold_padding(model)
        dead = drop_dead_operators(model)
        if folded or dead or tflite != self._data:
            drop_plan(model)
        return self._stripped(model)

    def _stripped(self, model: Any, step: Callable[[str, bytes], None] | None = None) -> bytes:
        """The file without what operators never read; `step` is told about each part."""
        for part, drop in self._parts(model):
            drop(model)
            if step is not None:
                step(part, pack(model))
        return pack(model)

    def _parts(self, model: Any) -> list[tuple[str, Callable[[Any], None]]]:
        options = self._options
        parts: list[tuple[str, Callable[[Any], None]]] = [
            ("names", drop_names_of_constants if options.keep_names else drop_names)
        ]
        signatures: Sequence[Any] = model.signatureDefs or ()
        if not options.keep_names and len(signatures) == 1 and not signatures[0].subgraphIndex:
            parts.append(("signature", drop_signatures))
        parts += [("description and metadata", drop_metadata), ("ranges (min, max)", drop_ranges)]
        if not options.keep_bias_scales:
            parts.append((_BIAS_SCALES, drop_bias_scales))
        return [
            *parts,
            ("signatures of shapes (open batch)", fix_batch),
            ("equal constants", share_constants),
            ("unused tensors, buffers and operator codes", drop_unused),
        ]


def _operators(model: Any) -> int:
    return sum(len(subgraph.operators or ()) for subgraph in model.subgraphs)


def _macs(graph: Graph) -> int:
    return sum(macs_of(op, graph) for op in graph.ops)
