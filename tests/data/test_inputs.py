from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.inputs import load_inputs, spread_indices
from pipeline.errors import ConfigError
from tests.data.pictures import class_folders, photo
from tests.shared import shared_path

IMAGE = {"shapes": ((8, 8, 3),), "dtypes": ("int8",)}


def raw_folder(root: Path, table: str) -> Path:
    for name in ("a", "b"):
        (root / f"{name}.bin").write_bytes(bytes(range(4)))
    (root / "y_labels.csv").write_text(table)
    return root


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_random_is_the_documented_formula(dtype: str) -> None:
    inputs = load_inputs("random:7:3", shapes=((4, 2), (5,)), dtypes=(dtype, dtype))
    rng, info = np.random.default_rng(7), np.iinfo(dtype)
    for values, shape in zip(inputs.x, ((4, 2), (5,)), strict=True):
        expected = rng.integers(info.min, info.max, size=(3, *shape), dtype=dtype, endpoint=True)
        assert (values == expected).all()
    assert inputs.y is None
    assert len(inputs.names) == 3


def test_random_real_values_lie_in_their_range() -> None:
    ranges = ((-2.0, 3.0), (0.0, 1.0))
    inputs = load_inputs(
        "random:7:3", shapes=((40,), (5,)), dtypes=("float32", "float32"), ranges=ranges
    )
    rng = np.random.default_rng(7)
    for values, (low, high), size in zip(inputs.x, ranges, (40, 5), strict=True):
        assert values.dtype == np.float32
        assert (values == rng.uniform(low, high, (3, size)).astype(np.float32)).all()
    with pytest.raises(ConfigError, match="random real values need a range. Received: an input of"):
        load_inputs("random:7:3", shapes=((40,),), dtypes=("float32",))


def test_a_limit_takes_the_first_samples() -> None:
    whole = load_inputs("random:1:5", **IMAGE)
    part = load_inputs("random:1:5", **IMAGE, limit=2)
    assert (part.x[0] == whole.x[0][:2]).all()
    assert part.names == ("0", "1")


def test_a_limit_takes_samples_of_all_classes(tmp_path: Path) -> None:
    class_folders(tmp_path / "pictures", 6)
    x = np.zeros((12, *IMAGE["shapes"][0]), IMAGE["dtypes"][0])
    np.savez(tmp_path / "all.npz", x=x, y=np.repeat([0, 1], 6))
    for name in ("pictures", "all.npz"):
        part = load_inputs(str(tmp_path / name), **IMAGE, limit=4)
        assert part.y is not None
        assert part.y.tolist() == [0, 0, 1, 1]
        assert len(part.names) == len(part.x[0]) == 4


@pytest.mark.parametrize(("count", "limit"), [(10, 3), (10, 10), (3, 10), (7, None), (0, None)])
def test_positions_are_spread_evenly(count: int, limit: int | None) -> None:
    found = spread_indices(count, limit)
    assert len(found) == min(count, limit or count)
    assert (found >= 0).all()
    assert (found < max(1, count)).all()
    steps = np.diff(found)
    assert not len(steps) or 1 <= steps.min() <= steps.max() <= steps.min() + 1


@pytest.mark.parametrize("spec", ["random:1", "random:x:5", "random:1:0", "random:-1:5"])
def test_wrong_random_specs(spec: str) -> None:
    with pytest.raises(ConfigError, match="random:SEED:N"):
        load_inputs(spec, **IMAGE)


@pytest.mark.parametrize("name", ["nowhere", "folder", "file.txt"])
def test_an_unknown_spec_lists_the_forms(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(ConfigError, match=r"random:SEED:N.*y_labels\.csv.*npz.*Received"):
        load_inputs(str(tmp_path / name), **IMAGE)


def test_raw_tensors(tmp_path: Path) -> None:
    raw_folder(tmp_path, "b.bin, 12, 7\n\na.bin,12,0\n")
    inputs = load_inputs(str(tmp_path), shapes=((2, 2),), dtypes=("int8",))
    assert inputs.names == ("b.bin", "a.bin")
    assert inputs.x[0].tolist() == [[[0, 1], [2, 3]]] * 2
    assert inputs.y is not None
    assert inputs.y.tolist() == [7, 0]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("a.bin,2,0\nmissing.bin,2,1\n", r"missing\.bin: named in y_labels\.csv"),
        ("a.bin,2\n", "line 1: expected 'file, number of classes, class index'"),
        ("a.bin,2,0\nb.bin,2,2\n", "line 2"),
        ("", "an empty table"),
    ],
)
def test_wrong_tables(tmp_path: Path, table: str, message: str) -> None:
    raw_folder(tmp_path, table)
    with pytest.raises(ConfigError, match=message):
        load_inputs(str(tmp_path), shapes=((2, 2),), dtypes=("int8",))


def test_a_raw_tensor_of_another_size_is_named(tmp_path: Path) -> None:
    raw_folder(tmp_path, "a.bin,2,0\n")
    with pytest.raises(ConfigError, match=r"a\.bin: expected 490 bytes.*Received: 4 bytes"):
        load_inputs(str(tmp_path), shapes=((49, 10, 1),), dtypes=("int8",))


def test_npz_of_the_models_dtype(tmp_path: Path) -> None:
    x = np.arange(-6, 6, dtype=np.int8).reshape(3, 4)
    np.savez(tmp_path / "i.npz", x=x, y=np.array([[0], [1], [2]]))
    inputs = load_inputs(str(tmp_path / "i.npz"), shapes=((2, 2, 1),), dtypes=("int8",))
    assert (inputs.x[0].reshape(3, 4) == x).all()
    assert inputs.y is not None
    assert inputs.y.tolist() == [0, 1, 2]


def test_npz_of_two_inputs(tmp_path: Path) -> None:
    np.savez(tmp_path / "i.npz", x0=np.zeros((2, 3), np.int8), x1=np.ones((2, 4), np.uint8))
    inputs = load_inputs(str(tmp_path / "i.npz"), shapes=((3,), (4,)), dtypes=("int8", "uint8"))
    assert [values.shape for values in inputs.x] == [(2, 3), (2, 4)]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((2, 4), np.float32)}, r"own dtype int8\. Received: float32.*zero_point"),
        ({"x": np.zeros((2, 5), np.int8)}, r"shape \[samples, 4\]. Received: \[2, 5\]"),
        ({"z": np.zeros((2, 4), np.int8)}, "Received: z"),
        ({"x": np.zeros((2, 4), np.int8), "y": np.array([1, 2, 3])}, "each of the 2 samples"),
        ({"x": np.zeros((0, 4), np.int8)}, "no samples"),
    ],
)
def test_npz_that_does_not_fit(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "i.npz", **arrays)
    with pytest.raises(ConfigError, match=message):
        load_inputs(str(tmp_path / "i.npz"), shapes=((4,),), dtypes=("int8",))


def test_pictures_become_the_models_bits(tmp_path: Path) -> None:
    class_folders(tmp_path, 2)
    (tmp_path / "dog" / "broken.png").write_bytes(b"junk")
    signed = load_inputs(str(tmp_path), **IMAGE)
    unsigned = load_inputs(str(tmp_path), shapes=((8, 8, 3),), dtypes=("uint8",))
    assert (signed.x[0].astype(int) == unsigned.x[0].astype(int) - 128).all()
    assert signed.y is not None
    assert signed.y.tolist() == [0, 0, 1, 1]
    assert signed.skipped == (("dog/broken.png", "not a JPEG or PNG"),)


def test_a_flat_folder_of_pictures_has_no_labels(tmp_path: Path) -> None:
    photo(1).save(tmp_path / "a.png")
    inputs = load_inputs(str(tmp_path), shapes=((8, 8, 1),), dtypes=("uint8",))
    assert inputs.x[0].shape == (1, 8, 8, 1)
    assert inputs.y is None


def test_pictures_for_another_kind_of_model_are_refused(tmp_path: Path) -> None:
    photo(1).save(tmp_path / "a.png")
    with pytest.raises(ConfigError, match=r"Received: an input of int8\[640\]"):
        load_inputs(str(tmp_path), shapes=((640,),), dtypes=("int8",))


def test_the_public_keyword_inputs(unpacked: Callable[[Path], Path]) -> None:
    root = unpacked(shared_path("data/mlperf_tiny_kws01.tar.gz")) / "kws01"
    inputs = load_inputs(str(root), shapes=((49, 10, 1),), dtypes=("int8",))
    assert inputs.x[0].shape == (1000, 49, 10, 1)
    assert inputs.y is not None
    assert len(np.bincount(inputs.y)) == 12
