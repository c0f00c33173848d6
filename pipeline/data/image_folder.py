"""Pictures in class folders, with or without train/ and test/ above them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.data.dataset import Dataset, Side, frozen
from pipeline.data.keys import content_key
from pipeline.data.resize import Fit, UnreadablePictureError, decode, resize, thumbnail
from pipeline.errors import ConfigError

SUFFIXES = (".jpg", ".jpeg", ".png")

_SIDES = {
    "train": Side.TRAIN,
    "val": Side.VALIDATION,
    "valid": Side.VALIDATION,
    "validation": Side.VALIDATION,
    "test": Side.TEST,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFile:
    """One file of a class folder."""

    path: Path
    name: str
    label: int
    side: Side | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedPicture:
    """A picture at its final size, its thumbnail and the key of its file's content."""

    pixels: npt.NDArray[np.uint8]
    thumbnail: npt.NDArray[np.uint8]
    key: int


def load_image_folder(
    root: Path,
    *,
    spec: str,
    size: tuple[int, int],
    fit: Fit = "crop",
    channels: int = 3,
    on_progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Read class folders of JPEG and PNG files, at any depth inside each class.

    Where root holds train/ and test/ (and perhaps val/), the class folders lie in them and
    the source's own division is kept in `Dataset.sides`.

    Args:
        root: folder of class folders.
        spec: what the user wrote, for the record.
        size: (height, width) of the result.
        fit: see `resize`.
        channels: 3 or 1.
        on_progress: called with (files read, files in all).
    Returns:
        Samples ordered by class and name; unreadable files are in `skipped`.
    Raises:
        ConfigError: no class folders, fewer than two classes, or a class without a
            readable picture.
    """
    class_names, files, skipped = list_class_folders(root)
    decoded = decode_pictures(
        [file.path for file in files],
        size=size,
        fit=fit,
        channels=channels,
        on_progress=on_progress,
    )
    good = [
        (file, item)
        for file, item in zip(files, decoded, strict=True)
        if isinstance(item, DecodedPicture)
    ]
    skipped += [
        (file.name, item)
        for file, item in zip(files, decoded, strict=True)
        if isinstance(item, str)
    ]
    _check_classes(root, class_names, [file.label for file, _ in good], skipped)
    return Dataset(
        spec=spec,
        class_names=tuple(class_names),
        ids=tuple(file.name for file, _ in good),
        x=frozen(np.stack([item.pixels for _, item in good])),
        y=np.array([file.label for file, _ in good], np.int64),
        keys=np.array([item.key for _, item in good], np.uint64),
        thumbnails=np.stack([item.thumbnail for _, item in good]),
        sides=tuple(file.side for file, _ in good) if files[0].side is not None else None,
        skipped=tuple(sorted(skipped)),
    )


def list_class_folders(
    root: Path, min_classes: int = 2
) -> tuple[list[str], list[PictureFile], list[tuple[str, str]]]:
    """Class names, pictures and (name, reason) of other files below root.

    Raises:
        ConfigError: root has fewer class folders than asked for, or one without pictures.
    """
    parents = _side_folders(root)
    class_names = sorted({folder.name for parent, _ in parents for folder in _folders(parent)})
    if len(class_names) < min_classes:
        raise ConfigError(
            f"{root}: expected a folder for each of at least two classes, for example "
            f"person/ and no_person/, with JPEG or PNG files in them. "
            f"Received: {', '.join(class_names) or 'no folders'}."
        )
    files: list[PictureFile] = []
    other: list[tuple[str, str]] = []
    for parent, side in parents:
        other += [
            (path.relative_to(root).as_posix(), "lies outside the class folders")
            for path in sorted(parent.iterdir())
            if path.is_file() and path.suffix.lower() in SUFFIXES
        ]
        for label, class_name in enumerate(class_names):
            for path in sorted((parent / class_name).rglob("*")):
                name = path.relative_to(root).as_posix()
                if path.is_dir() or any(part.startswith(".") for part in Path(name).parts):
                    continue
                if path.suffix.lower() in SUFFIXES:
                    files.append(PictureFile(path=path, name=name, label=label, side=side))
                else:
                    other.append((name, "not a JPEG or PNG by its name"))
    _check_classes(root, class_names, [file.label for file in files], other)
    return class_names, files, other


def decode_pictures(
    paths: Sequence[Path],
    *,
    size: tuple[int, int],
    fit: Fit,
    channels: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[DecodedPicture | str]:
    """Decode and resize files, in order; a file that cannot be read gives its reason.

    Args:
        paths: JPEG or PNG files.
        size: height and width in pixels.
        fit, channels: as of `resize`.
        on_progress: called with (pictures done, their number).
    """

    def read(path: Path) -> DecodedPicture | str:
        try:
            data = path.read_bytes()
            image = decode(data)
        except (UnreadablePictureError, OSError) as error:
            return str(error)
        return DecodedPicture(
            pixels=resize(image, size, fit, channels),
            thumbnail=thumbnail(image),
            key=content_key(data),
        )

    results: list[DecodedPicture | str] = []
    # Pillow releases the interpreter lock while it decodes and resizes.
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for result in pool.map(read, paths):
            results.append(result)
            if on_progress is not None:
                on_progress(len(results), len(paths))
    return results


def _folders(parent: Path) -> list[Path]:
    return sorted(p for p in parent.iterdir() if p.is_dir() and not p.name.startswith("."))


def _side_folders(root: Path) -> list[tuple[Path, Side | None]]:
    folders = _folders(root)
    names = {folder.name.lower() for folder in folders}
    if {"train", "test"} <= names and names <= set(_SIDES):
        return [(folder, _SIDES[folder.name.lower()]) for folder in folders]
    return [(root, None)]


def _check_classes(
    root: Path, class_names: list[str], labels: list[int], skipped: list[tuple[str, str]]
) -> None:
    counts = np.bincount(np.array(labels, np.int64), minlength=len(class_names))
    for name, count in zip(class_names, counts, strict=True):
        if count == 0:
            reasons = [f"{file} ({why})" for file, why in skipped if name in Path(file).parts]
            raise ConfigError(
                f"{root}: class {name!r} has no readable JPEG or PNG. "
                f"Received: {', '.join(reasons[:3]) or 'an empty folder'}. "
                "Add pictures to it or remove the folder."
            )
