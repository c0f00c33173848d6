from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageEnhance

from pipeline.data.dataset import Dataset, Side
from pipeline.data.image_folder import load_image_folder
from pipeline.data.keys import content_keys
from pipeline.data.near_duplicates import difference_hashes, near_duplicate_groups
from pipeline.data.resize import thumbnail
from pipeline.data.split import SplitOptions, split_dataset
from pipeline.errors import ConfigError
from tests.data.pictures import class_folders, photo
from tests.shared import shared_path


def tensors(values: list[int], labels: list[int]) -> Dataset:
    """A dataset of tensors in which equal values are duplicates."""
    x = np.array(values, np.int8).reshape(-1, 1)
    return Dataset(
        spec="test",
        class_names=tuple(str(label) for label in range(max(labels) + 1)),
        ids=tuple(str(index) for index in range(len(values))),
        x=x,
        y=np.array(labels, np.int64),
        keys=content_keys(x),
    )


def sides_by_id(dataset: Dataset, options: SplitOptions | None = None) -> dict[str, str]:
    split = split_dataset(dataset, options)
    return {
        dataset.ids[index]: name
        for name in ("train", "val", "test")
        for index in getattr(split, name)
    }


@given(
    samples=st.lists(
        st.tuples(st.integers(-128, 127), st.integers(0, 2)), min_size=12, max_size=200
    ),
    seed=st.integers(0, 2**31 - 1),
)
@settings(max_examples=50, deadline=None)
def test_sides_are_disjoint_and_duplicates_stay_together(
    samples: list[tuple[int, int]], seed: int
) -> None:
    dataset = tensors([v for v, _ in samples], [label for _, label in samples])
    if len({value for value, _ in samples}) < 3:
        with pytest.raises(ConfigError, match="no samples are left"):
            split_dataset(dataset, SplitOptions(seed=seed))
        return
    split = split_dataset(dataset, SplitOptions(seed=seed))
    all_of_them = np.concatenate([split.train, split.val, split.test])
    assert sorted(all_of_them.tolist()) == list(range(len(samples)))
    values = [set(dataset.x[side, 0].tolist()) for side in (split.train, split.val, split.test)]
    assert not values[0] & values[1]
    assert not values[0] & values[2]
    assert not values[1] & values[2]


def test_three_groups_fill_three_sides() -> None:
    for seed in range(200):
        for labels in ([0, 0, 0, 1, 2, 0], [0, 1, 1, 2, 2, 2], [0, 1, 2, 0, 1, 2]):
            dataset = tensors([0, 0, 0, 0, 1, -1], labels)
            split = split_dataset(dataset, SplitOptions(seed=seed))
            assert min(len(split.train), len(split.val), len(split.test)) > 0


def test_every_class_is_on_every_side_of_a_small_set() -> None:
    dataset = tensors(list(range(20)), [0] * 16 + [1] * 4)
    for seed in range(20):
        split = split_dataset(dataset, SplitOptions(seed=seed))
        for side in (split.train, split.val, split.test):
            assert set(dataset.y[side].tolist()) == {0, 1}


def test_shares_are_about_what_was_asked() -> None:
    x = np.arange(4000, dtype=np.float32).reshape(-1, 1)
    dataset = Dataset(
        spec="test",
        class_names=("a", "b"),
        ids=tuple(map(str, range(4000))),
        x=x,
        y=np.arange(4000) % 2,
        keys=content_keys(x),
    )
    split = split_dataset(dataset, SplitOptions(val=0.1, test=0.3))
    assert len(split.val) == pytest.approx(400, abs=60)
    assert len(split.test) == pytest.approx(1200, abs=100)


def test_new_files_do_not_move_old_ones(tmp_path: Path) -> None:
    class_folders(tmp_path, 30)
    before = sides_by_id(load_image_folder(tmp_path, spec="d", size=(16, 16)))
    again = sides_by_id(load_image_folder(tmp_path, spec="d", size=(24, 32)))
    for index in range(20):
        photo(5000 + index).save(tmp_path / "cat" / f"a{index}.png")
    after = sides_by_id(load_image_folder(tmp_path, spec="d", size=(16, 16)))
    assert again == before
    assert {name: after[name] for name in before} == before


def test_altered_copies_are_near_duplicates() -> None:
    groups = []
    for seed in range(40):
        original = photo(seed, 160, 120)
        copies = [
            original,
            original.resize((90, 70)),
            original.crop((4, 3, 157, 118)),
            ImageEnhance.Brightness(original).enhance(0.7),
            original.quantize(32).convert("RGB"),
        ]
        groups.append(np.stack([thumbnail(copy) for copy in copies]))
    thumbnails = np.concatenate(groups)
    found = near_duplicate_groups(np.arange(len(thumbnails), dtype=np.uint64), thumbnails)
    assert (found == np.repeat(np.arange(40) * 5, 5)).all()


def test_difference_hash_is_of_the_slopes() -> None:
    rising = np.tile(np.arange(16, dtype=np.uint8) * 10, (16, 1))
    hashes = difference_hashes(np.stack([rising, rising[:, ::-1]]))
    assert hashes.tolist() == [2**64 - 1, 0]


def test_a_preset_test_side_is_kept_without_its_twins_in_training(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", 30)
    class_folders(tmp_path / "test", 1, ("cat", "dog"))  # equals train's 000.png in each
    dataset = load_image_folder(tmp_path, spec="d", size=(16, 16))
    assert dataset.sides is not None
    split = split_dataset(dataset)
    sides = sides_by_id(dataset)
    assert split.left_out == 2
    assert {name for name, side in sides.items() if side == "test"} == {
        name for name, side in zip(dataset.ids, dataset.sides, strict=True) if side is Side.TEST
    }
    assert "train/cat/000.png" not in sides


@pytest.mark.parametrize(("val", "test"), [(0, 0.2), (0.2, 0), (0.6, 0.4)])
def test_shares_out_of_range_are_refused(val: float, test: float) -> None:
    with pytest.raises(ConfigError, match="val and test must be > 0"):
        split_dataset(tensors([1, 2, 3], [0, 1, 0]), SplitOptions(val=val, test=test))


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ConfigError, match="2 samples in 1 groups"):
        split_dataset(tensors([5, 5], [0, 1]))


def test_photographs_of_fixed_cameras_split_by_scene(unpacked: Callable[[Path], Path]) -> None:
    root = unpacked(shared_path("data/person921.tar.gz"))
    dataset = load_image_folder(root / "person921", spec="person921", size=(80, 80))
    assert dataset.class_counts == (362, 559)
    split = split_dataset(dataset)
    assert split.num_groups < 890
