"""Sizes of generated tables, as a C compiler lays them out."""

from __future__ import annotations

from pathlib import Path

from pipeline.estimate.runtime import parts_of, struct_bytes
from pipeline.ops.base import Field
from pipeline.stages import plan_model
from tests.small_models import pooling_network


def field(c_type: str, value: object = 0) -> Field:
    return Field(name="x", c_type=c_type, value=value)  # type: ignore[arg-type]


def test_fields_are_aligned_to_their_size() -> None:
    assert struct_bytes([field("int8_t"), field("int32_t"), field("uint16_t")]) == 12
    assert struct_bytes([field("uint16_t", (1, 2, 3)), field("int8_t")]) == 8


def test_structs_within_structs_keep_their_alignment() -> None:
    inner = (field("int8_t"), field("int32_t"))
    assert struct_bytes([field("int8_t"), field("struct", inner)]) == 12


def test_pointers_are_words_whatever_they_point_to() -> None:
    assert struct_bytes([field("pointer", "filter"), field("int8_t")]) == 8


def test_parts_name_each_kernel_once(tmp_path: Path) -> None:
    path = tmp_path / "pooling.tflite"
    path.write_bytes(pooling_network())
    plan = plan_model(path)
    parts = parts_of(plan)
    assert len(set(parts.functions)) == len(parts.functions) <= parts.layers
    assert parts.table_bytes > 3 * len(plan.steps)
