"""The records of the data stage: labelled samples, and their division into sides."""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import numpy.typing as npt

from pipeline.records import Array


class Side(Enum):
    """The sides of a split; the value of a sample's preset side."""

    TRAIN = "train"
    VALIDATION = "val"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Labelled samples of a classification task.

    Attributes:
        spec: where they came from, as the user wrote it.
        class_names: names by class index.
        ids: name of each sample (relative path or running number); unique, ordered as x.
        x: samples [N, ...]; uint8 [N, H, W, C] for pictures, int8 or float32 for tensors.
        y: class index of each sample, int64 [N].
        keys: hash of each sample's content as it lay in its source, uint64 [N].
        thumbnails: grey pictures for the perceptual hash, uint8 [N, 16, 16], of the whole
            picture before any cropping; None where the samples are no pictures.
        sides: the side that the source itself gives each sample, None where it gives none.
        skipped: (file, reason) of each file that could not be read.
    """

    spec: str
    class_names: tuple[str, ...]
    ids: tuple[str, ...]
    x: Array = field(compare=False, repr=False)
    y: npt.NDArray[np.int64] = field(compare=False, repr=False)
    keys: npt.NDArray[np.uint64] = field(compare=False, repr=False)
    thumbnails: npt.NDArray[np.uint8] | None = field(default=None, compare=False, repr=False)
    sides: tuple[Side | None, ...] | None = field(default=None, compare=False, repr=False)
    skipped: tuple[tuple[str, str], ...] = ()

    @property
    def class_counts(self) -> tuple[int, ...]:
        """Samples of each class."""
        return tuple(np.bincount(self.y, minlength=len(self.class_names)).tolist())


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Positions of the samples on each side, ascending; disjoint.

    Attributes:
        train, val, test: int64 positions in the dataset.
        num_groups: groups of near-duplicates in the whole dataset.
        largest_group: samples of the largest one.
        left_out: samples on no side: near-duplicates, within the source's own training
            part, of pictures of its test part.
    """

    train: npt.NDArray[np.int64] = field(compare=False, repr=False)
    val: npt.NDArray[np.int64] = field(compare=False, repr=False)
    test: npt.NDArray[np.int64] = field(compare=False, repr=False)
    num_groups: int
    largest_group: int
    left_out: int


def frozen(array: Array) -> Array:
    """The same array, marked read-only."""
    array.flags.writeable = False
    return array
