"""Write the objects of a .tflite as bytes: equal parts once, constants where kernels want them."""

from __future__ import annotations

from typing import Any

import flatbuffers

_FILE_IDENTIFIER = b"TFL3"

# What the schema demands of constants (force_align) and its Python generator leaves out.
_BUFFER_ALIGNMENT_BYTES = 16
# The number of values in front of those of a vector.
_LENGTH_BYTES = 4


def pack(model: Any) -> bytes:
    """The bytes of a model.

    Args:
        model: a `ModelT` of the schema. Its buffers are replaced by ones that write themselves
            aligned.
    """
    from ai_edge_litert import schema_py_generated as schema

    class AlignedBufferT(schema.BufferT):  # type: ignore[misc]
        """A buffer whose data lies where kernels may read words of it."""

        def Pack(self, builder: Any) -> int:  # noqa: N802
            if self.data is None:
                empty: int = super().Pack(builder)
                return empty
            data = bytes(self.data)
            builder.StartVector(1, len(data), _BUFFER_ALIGNMENT_BYTES)
            builder.head -= len(data)
            builder.Bytes[builder.head : builder.head + len(data)] = data
            vector = builder.EndVector()
            schema.BufferStart(builder)
            schema.BufferAddData(builder, vector)
            offset: int = schema.BufferEnd(builder)
            return offset

    aligned = []
    for buffer in model.buffers:
        made = AlignedBufferT()
        made.data = buffer.data
        aligned.append(made)
    model.buffers = aligned
    builder = _SharingBuilder(1024)
    builder.Finish(model.Pack(builder), file_identifier=_FILE_IDENTIFIER)
    return bytes(builder.Output())


class _SharingBuilder(flatbuffers.Builder):  # type: ignore[misc]
    """A builder that writes equal strings, vectors of numbers and tables once.

    FlatBuffers may point to one place from many: readers cannot tell. Of a vector or table that
    is there already, the bytes are taken back and the place of the first one is given instead.
    """

    def __init__(self, initial_size: int) -> None:
        super().__init__(initial_size)
        self._strings: dict[bytes, int] = {}
        # (alignment, length and values) of vectors; (slot, kind, value) of each field of tables.
        self._vectors: dict[tuple[int, bytes], int] = {}
        self._tables: dict[tuple[tuple[Any, ...], ...], int] = {}
        self._fields: list[tuple[Any, ...]] = []
        # Of the vector that is being written: where it began, its alignment, bytes of its values.
        # None for vectors of offsets, whose bytes mean something else at each place.
        self._vector: tuple[int, int, int] | None = None

    def CreateString(self, s: Any, *args: Any) -> int:  # noqa: N802
        text = s.encode("utf-8") if isinstance(s, str) else bytes(s)
        if text not in self._strings:
            self._strings[text] = super().CreateString(text, *args)
        return self._strings[text]

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:  # noqa: N802, N803
        self._vector = (self.Offset(), max(alignment, _LENGTH_BYTES), elemSize * numElems)
        start: int = super().StartVector(elemSize, numElems, alignment)
        return start

    def PrependUOffsetTRelative(self, off: int) -> None:  # noqa: N802
        self._vector = None
        super().PrependUOffsetTRelative(off)

    def EndVector(self, *args: Any) -> int:  # noqa: N802
        vector, self._vector = self._vector, None
        place: int = super().EndVector(*args)
        if vector is None:
            return place
        before, alignment, size = vector
        head = len(self.Bytes) - place
        values = bytes(self.Bytes[head : head + _LENGTH_BYTES + size])
        known = self._vectors.setdefault((alignment, values), place)
        if known != place:
            self.head = len(self.Bytes) - before
        return known

    def StartObject(self, numfields: int) -> None:  # noqa: N802
        super().StartObject(numfields)
        self._fields = []

    def PrependSlot(self, flags: Any, o: int, x: Any, d: Any) -> None:  # noqa: N802
        if x != d:
            self._fields.append((o, flags.__name__, x))
        super().PrependSlot(flags, o, x, d)

    def PrependUOffsetTRelativeSlot(self, o: int, x: int, d: int) -> None:  # noqa: N802
        if x != d:
            self._fields.append((o, "offset", x))
        super().PrependUOffsetTRelativeSlot(o, x, d)

    def EndObject(self) -> int:  # noqa: N802
        key = tuple(self._fields)
        if key in self._tables:
            self.assertNested()
            self.nested, self.current_vtable = False, None
            self.head = len(self.Bytes) - self.objectEnd
            return self._tables[key]
        self._tables[key] = super().EndObject()
        return self._tables[key]
