"""A look at labelled data before anything is made of it: classes, counts, sizes, what is broken."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.data.image_folder import PictureFile, list_class_folders
from pipeline.data.load import load_dataset
from pipeline.data.raw_folder import LABELS_NAME
from pipeline.data.resize import UnreadablePictureError, decode
from pipeline.errors import ConfigError
from pipeline.records import Array

# Pictures that are decoded, evenly over all; of the others the heads are read.
_DECODED = 200
# Mean difference of the colours up to which a picture counts as grey: what JPEG does to one.
_GREY_LEVELS = 1.5
_GREY_SHARE = 0.95
# Pictures of a class: a network from random weights needs the first, one from trained the second.
FEW, TOO_FEW = 300, 40
_UNEVEN = 10
# Classes that a warning names.
_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What is known of labelled data without training on it.

    Attributes:
        spec: what the user wrote.
        classes: name and number of samples of each.
        shape: of one sample as it is: the median (height, width) of pictures, or a tensor's.
        smallest, largest: (height, width) of pictures; None for tensors.
        channels: 1 where the pictures are grey, else 3; None for tensors.
        unreadable: name and reason of each file that will be skipped.
    """

    spec: str
    classes: tuple[tuple[str, int], ...]
    shape: tuple[int, ...]
    smallest: tuple[int, int] | None = None
    largest: tuple[int, int] | None = None
    channels: int | None = None
    unreadable: tuple[tuple[str, str], ...] = ()

    @property
    def are_pictures(self) -> bool:
        """Whether samples are resized."""
        return self.channels is not None

    def warnings(self) -> tuple[str, ...]:
        """What may keep a training on this data from going well, with the way out."""
        found = []
        least = min(count for _, count in self.classes)
        if least < TOO_FEW:
            found.append(
                f"too few samples: {self._smaller(TOO_FEW)}. Below {TOO_FEW} of a class neither "
                "the accuracy nor its measurement means much: collect more."
            )
        elif least < FEW:
            found.append(
                f"few samples: {self._smaller(FEW)}. From random weights a network needs some "
                f"{FEW} of each class: start from trained ones (--init-weights), or collect more."
            )
        most = max(count for _, count in self.classes)
        if most > _UNEVEN * least:
            found.append(
                f"uneven classes: {least:,} to {most:,} samples. Look at the balanced accuracy, "
                "which does not reward guessing the largest class."
            )
        if self.unreadable:
            name, reason = self.unreadable[0]
            found.append(
                f"{len(self.unreadable):,} files will be skipped, the first {name}: {reason}."
            )
        return tuple(found)

    def _smaller(self, least: int) -> str:
        """The classes that have fewer samples, the smallest first, some of them by name."""
        small = sorted((count, name) for name, count in self.classes if count < least)
        shown = ", ".join(f"{name} {count:,}" for count, name in small[:_NAMED])
        return shown + (f" and {len(small) - _NAMED} more classes" if len(small) > _NAMED else "")


def survey_data(spec: str, on_progress: Callable[[int, int], None] | None = None) -> Survey:
    """Look at what `load_dataset` would load.

    Args:
        spec: as of `load_dataset`.
        on_progress: called with (files looked at, files in all).
    Raises:
        ConfigError: the spec fits no form, or the data is wrong.
    """
    path = Path(spec).expanduser()
    if path.is_dir() and not (path / LABELS_NAME).is_file():
        return _survey_folder(path, spec, on_progress)
    return _survey_whole(spec, on_progress)


def _survey_whole(spec: str, on_progress: Callable[[int, int], None] | None) -> Survey:
    """Drawn pictures, tensors and archives: small enough to be loaded."""
    dataset = load_dataset(spec, (8, 8), on_progress=on_progress)
    is_picture = dataset.thumbnails is not None
    channels = 1 if is_picture and _are_grey(dataset.x) else 3
    return Survey(
        spec=spec,
        classes=tuple(zip(dataset.class_names, map(int, dataset.class_counts), strict=True)),
        shape=() if is_picture else tuple(dataset.x.shape[1:]),
        channels=channels if is_picture else None,
        unreadable=dataset.skipped,
    )


def _survey_folder(root: Path, spec: str, on_progress: Callable[[int, int], None] | None) -> Survey:
    class_names, files, skipped = list_class_folders(root)
    chosen = set(np.linspace(0, len(files) - 1, min(_DECODED, len(files))).astype(int).tolist())
    sizes: list[tuple[int, int]] = []
    greys: list[bool] = []
    counts = Counter[int]()
    for index, file in enumerate(files):
        try:
            sizes.append(_head_size(file))
            if index in chosen:
                greys.append(_is_grey(file))
            counts[file.label] += 1
        except (UnreadablePictureError, OSError) as error:
            skipped.append((file.name, str(error)))
        if on_progress is not None:
            on_progress(index + 1, len(files))
    classes = tuple((name, counts[label]) for label, name in enumerate(class_names))
    empty = [name for name, count in classes if not count]
    if empty:
        raise ConfigError(
            f"{root}: expected readable JPEG or PNG files in every class. Received: none in "
            f"{', '.join(empty)}. Add pictures or remove the folder."
        )
    return Survey(
        spec=spec,
        classes=classes,
        shape=(_median(size[0] for size in sizes), _median(size[1] for size in sizes)),
        smallest=min(sizes, key=min),
        largest=max(sizes, key=max),
        channels=1 if greys and sum(greys) >= _GREY_SHARE * len(greys) else 3,
        unreadable=tuple(sorted(skipped)),
    )


def _head_size(file: PictureFile) -> tuple[int, int]:
    """(height, width) from a file's head, as the picture will stand.

    Raises:
        UnreadablePictureError: it is no JPEG or PNG.
    """
    from PIL import Image

    try:
        with Image.open(file.path, formats=("JPEG", "PNG")) as image:
            # EXIF orientations from 5 on lay a picture on its side.
            turned = image.getexif().get(0x0112, 1) >= 5
            width, height = image.size
    except Exception as error:
        # As in `decode`: whatever Pillow raises, this picture cannot be used.
        raise UnreadablePictureError("not a JPEG or PNG") from error
    return (width, height) if turned else (height, width)


def _is_grey(file: PictureFile) -> bool:
    return _are_grey(np.asarray(decode(file.path.read_bytes())))


def _are_grey(pixels: Array) -> bool:
    """Whether red, green and blue, the last axis, are the same but for a compression's noise."""
    levels = pixels.astype(np.int16)
    return bool(np.abs(levels[..., :2] - levels[..., 1:]).mean() <= _GREY_LEVELS)


def _median(sides: Iterable[int]) -> int:
    return int(statistics.median(sides))
