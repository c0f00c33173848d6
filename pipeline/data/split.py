"""Divide a dataset into training, validation and test samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.data.dataset import Dataset, Side, Split
from pipeline.data.keys import seeded_fraction
from pipeline.data.near_duplicates import near_duplicate_groups
from pipeline.errors import ConfigError

_CODES = {Side.TRAIN: 0, Side.VALIDATION: 1, Side.TEST: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitOptions:
    """How to divide a dataset.

    Attributes:
        seed: another seed gives another, equally valid division.
        val, test: expected share of the samples on these sides; each > 0, together < 1.
            A share that the source's own folders already give is ignored.
    """

    seed: int = 0
    val: float = 0.15
    test: float = 0.2


def split_dataset(
    dataset: Dataset,
    options: SplitOptions | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Split:
    """Put every group of near-duplicates on one side.

    A group's side follows from a hash of its content and the seed: re-runs agree, and new
    pictures do not move old ones (except those whose group they join). Where a class would
    be missing on a side, the group nearest to that side moves there.

    A dataset that comes with a test part keeps it; the rest is divided as above, and
    training pictures that are near-duplicates of test pictures are left out.

    Args:
        dataset: to divide.
        options: defaults where None.
        on_progress: called with (samples compared, samples in all).
    Raises:
        ConfigError: shares out of range, or a side that would be empty.
    """
    options = options or SplitOptions()
    if not (options.val > 0 and options.test > 0 and options.val + options.test < 1):
        raise ConfigError(
            "split: val and test must be > 0 and their sum < 1. "
            f"Received: val = {options.val}, test = {options.test}."
        )
    groups = near_duplicate_groups(dataset.keys, dataset.thumbnails, on_progress)
    order, group_of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    fractions = _group_fractions(dataset.keys, group_of, len(order), options.seed)
    preset = _preset_codes(dataset)
    codes, left_out = _assign(dataset.y, group_of, fractions, preset, options)
    positions = tuple(np.flatnonzero(codes == code) for code in range(3))
    for name, side in zip(("training", "validation", "test"), positions, strict=True):
        if len(side) == 0:
            raise ConfigError(
                f"{dataset.spec}: no samples are left for the {name} side; each side needs at "
                f"least one group of near-duplicates. Received: {len(dataset.ids)} samples in "
                f"{len(order)} groups. Add more, and more varied, samples."
            )
    return Split(
        train=positions[0],
        val=positions[1],
        test=positions[2],
        num_groups=len(order),
        largest_group=int(sizes.max()),
        left_out=left_out,
    )


def _group_fractions(
    keys: npt.NDArray[np.uint64], group_of: npt.NDArray[np.int64], num_groups: int, seed: int
) -> npt.NDArray[np.float64]:
    # The smallest fraction among the members: a new member changes it with a chance of one
    # in the group's size only. min of n uniform numbers is made uniform again.
    own = np.array([seeded_fraction(int(key), seed) for key in keys])
    smallest = np.ones(num_groups)
    np.minimum.at(smallest, group_of, own)
    # Equal samples count once, or copies of a picture would move its group.
    pairs = np.unique(np.stack([group_of.astype(np.uint64), keys]), axis=1)
    distinct = np.bincount(pairs[0].astype(np.int64), minlength=num_groups)
    uniform: npt.NDArray[np.float64] = 1.0 - (1.0 - smallest) ** distinct
    return uniform


def _preset_codes(dataset: Dataset) -> npt.NDArray[np.int64]:
    """The source's own side of each sample as a code, -1 where it gives none."""
    if dataset.sides is None:
        return np.full(len(dataset.ids), -1)
    has_val = Side.VALIDATION in dataset.sides
    # Without validation folders of its own, the source's training part gives them.
    return np.array(
        [
            -1 if side is None or (side is Side.TRAIN and not has_val) else _CODES[side]
            for side in dataset.sides
        ]
    )


def _assign(
    y: npt.NDArray[np.int64],
    group_of: npt.NDArray[np.int64],
    fractions: npt.NDArray[np.float64],
    preset: npt.NDArray[np.int64],
    options: SplitOptions,
) -> tuple[npt.NDArray[np.int64], int]:
    """Side code of each sample (-1: on none), and how many are left out."""
    has_test = bool((preset == 2).any())
    test_share = 0.0 if has_test else options.test
    val_share = 0.0 if (preset == 1).any() else options.val
    group_codes = np.where(
        fractions < test_share, 2, np.where(fractions < test_share + val_share, 1, 0)
    )
    free = preset < 0
    wanted = [code for code, share in ((2, test_share), (1, val_share)) if share > 0]
    _repair(y, group_of, fractions, free, group_codes, wanted, test_share)
    codes = np.where(free, group_codes[group_of], preset)
    if (preset >= 0).any():
        # Test beats validation beats training where a group has preset samples on several.
        highest = np.full(len(fractions), -1)
        np.maximum.at(highest, group_of, preset)
        clash = (codes != highest[group_of]) & (highest[group_of] > 0)
        codes = np.where(clash, -1, codes)
    return codes, int((codes < 0).sum())


def _repair(
    y: npt.NDArray[np.int64],
    group_of: npt.NDArray[np.int64],
    fractions: npt.NDArray[np.float64],
    free: npt.NDArray[np.bool_],
    group_codes: npt.NDArray[np.int64],
    wanted: list[int],
    test_share: float,
) -> None:
    """Move single groups, in place, until each class is on each wanted side.

    A class keeps at least one group on the side that a group is taken from, hence a class
    of fewer groups than sides stays missing somewhere. What is done for one class may empty a
    side of which others had the last group: in the end all samples count as one class.
    """
    classes = [np.unique(group_of[(y == label) & free]) for label in np.unique(y)]
    for of_class in (*classes, np.unique(group_of[free])):
        for code in (*wanted, 0):
            sides = group_codes[of_class]
            if (sides == code).any():
                continue
            donors = [g for g, s in zip(of_class, sides, strict=True) if (sides == s).sum() > 1]
            if donors:
                target = 0.0 if code == 2 else test_share if code == 1 else 1.0
                nearest = min(donors, key=lambda g: (abs(fractions[g] - target), g))
                group_codes[nearest] = code
