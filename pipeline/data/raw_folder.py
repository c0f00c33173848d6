"""A folder of raw tensors with y_labels.csv, as MLPerf Tiny keeps its inputs."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.data.dataset import Dataset, frozen
from pipeline.data.keys import content_keys
from pipeline.errors import ConfigError
from pipeline.records import Array

LABELS_NAME = "y_labels.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelLine:
    """One line of y_labels.csv: file, number of classes, class index."""

    file: str
    num_classes: int
    label: int


def read_labels(root: Path) -> tuple[LabelLine, ...]:
    """The lines of y_labels.csv; a heading line is allowed, empty lines too.

    Raises:
        ConfigError: with the line that is wrong.
    """
    path = root / LABELS_NAME
    lines: list[LabelLine] = []
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as text. Received: {error}.") from error
    for number, row in enumerate(csv.reader(text.splitlines()), start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) >= 3 and cells[1].isdigit() and cells[2].isdigit():
            line = LabelLine(file=cells[0], num_classes=int(cells[1]), label=int(cells[2]))
            if line.label < line.num_classes:
                lines.append(line)
                continue
        elif number == 1 and not any(cell.isdigit() for cell in cells):
            continue
        raise ConfigError(
            f"{path}, line {number}: expected 'file, number of classes, class index' with the "
            f"index below the number. Received: {','.join(row)!r}."
        )
    if not lines:
        raise ConfigError(f"{path}: expected at least one line. Received: an empty table.")
    return tuple(lines)


def read_raw(root: Path, lines: tuple[LabelLine, ...], shape: tuple[int, ...], dtype: str) -> Array:
    """The files of the table as one array [lines, *shape].

    Args:
        root: the folder of the files.
        lines: of the table.
        shape, dtype: of one tensor; files are little-endian, C order.
    Raises:
        ConfigError: a file is missing or has another size; names it.
    """
    expected_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    samples = []
    for line in lines:
        path = root / line.file
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ConfigError(
                f"{path}: named in {LABELS_NAME}, but cannot be read. "
                f"Received: {error.strerror or error}. Add the file or remove its line."
            ) from error
        if len(data) != expected_bytes:
            raise ConfigError(
                f"{path}: expected {expected_bytes} bytes, one {dtype} tensor of shape "
                f"{list(shape)}. Received: {len(data)} bytes. "
                "Write the tensor in the model's own type and layout."
            )
        samples.append(np.frombuffer(data, np.dtype(dtype).newbyteorder("<")).reshape(shape))
    return np.stack(samples).astype(dtype)


def load_raw_folder(root: Path, *, spec: str, shape: tuple[int, ...] | None, dtype: str) -> Dataset:
    """Read a folder of raw tensors for training or calibration.

    Args:
        root: folder with y_labels.csv and the files that it names.
        spec: what the user wrote, for the record.
        shape: of one tensor; None for flat ones of the first file's size.
        dtype: int8, uint8 or float32.
    Raises:
        ConfigError: the table or a file is wrong.
    """
    lines = read_labels(root)
    num_classes = max(line.num_classes for line in lines)
    if dtype not in ("int8", "uint8", "float32"):
        raise ConfigError(
            f"{root}: raw tensors must be int8, uint8 or float32. Received: {dtype!r}."
        )
    if shape is None:
        first = root / lines[0].file
        size_bytes = first.stat().st_size if first.is_file() else 0
        shape = (size_bytes // np.dtype(dtype).itemsize,)
    x = read_raw(root, lines, shape, dtype)
    return Dataset(
        spec=spec,
        class_names=tuple(str(label) for label in range(num_classes)),
        ids=tuple(line.file for line in lines),
        x=frozen(x),
        y=np.array([line.label for line in lines], np.int64),
        keys=content_keys(x),
    )
