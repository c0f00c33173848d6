from pathlib import Path

import numpy as np
import pytest

from pipeline.data.load import load_dataset
from pipeline.errors import ConfigError
from tests.data.pictures import class_folders, photo


def test_synthetic_counts() -> None:
    assert len(load_dataset("synthetic:24", (16, 16)).ids) == 24


@pytest.mark.parametrize("spec", ["synthetic:0", "synthetic:x", "synthetic:5", "synthetic:"])
def test_wrong_synthetic_counts(spec: str) -> None:
    with pytest.raises(ConfigError, match="expected synthetic:N"):
        load_dataset(spec)


def test_an_image_folder(tmp_path: Path) -> None:
    class_folders(tmp_path, 2)
    assert load_dataset(str(tmp_path), (16, 16)).class_counts == (2, 2)


@pytest.mark.parametrize("name", ["nowhere", "model.onnx"])
def test_an_unknown_spec_lists_the_forms(tmp_path: Path, name: str) -> None:
    (tmp_path / "model.onnx").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"synthetic:N .*folder.*npz.*Received"):
        load_dataset(str(tmp_path / name))


def test_npz_pictures_are_resized(tmp_path: Path) -> None:
    x = np.stack([np.asarray(photo(index)) for index in range(6)])
    np.savez(tmp_path / "d.npz", x=x, y=np.arange(6) % 2, class_names=["a", "b"])
    data = load_dataset(str(tmp_path / "d.npz"), (16, 16))
    assert data.x.shape == (6, 16, 16, 3)
    assert data.class_names == ("a", "b")
    assert data.thumbnails is not None


def test_npz_tensors_stay(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(6, 12)).astype(np.float32)
    np.savez(tmp_path / "d.npz", x=x, y=np.arange(6) % 3)
    data = load_dataset(str(tmp_path / "d.npz"))
    assert (data.x == x).all()
    assert data.thumbnails is None


def test_npz_with_train_and_test_parts(tmp_path: Path) -> None:
    x = np.zeros((4, 8, 8), np.uint8)
    np.savez(tmp_path / "d.npz", x_train=x, y_train=[0, 1, 0, 1], x_test=x[:2], y_test=[0, 1])
    data = load_dataset(str(tmp_path / "d.npz"), (8, 8), channels=1)
    assert data.sides is not None
    assert [side.value for side in data.sides if side] == ["train"] * 4 + ["test"] * 2


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": [1]}, "expected arrays x and y"),
        ({"x": np.zeros((2, 3)), "y": [0.5, 1.0]}, "one integer class index"),
        ({"x": np.zeros((2, 3)), "y": [0, 1, 1]}, "one integer class index"),
        ({"x": np.zeros((2, 3)), "y": [0, 0]}, "at least two classes"),
        ({"x": np.zeros((2, 3)), "y": [-1, 0]}, "from 0 up"),
    ],
)
def test_wrong_npz(tmp_path: Path, arrays: dict[str, list[float]], message: str) -> None:
    np.savez(tmp_path / "d.npz", **{name: np.asarray(value) for name, value in arrays.items()})
    with pytest.raises(ConfigError, match=message):
        load_dataset(str(tmp_path / "d.npz"))


def test_a_broken_npz(tmp_path: Path) -> None:
    (tmp_path / "d.npz").write_bytes(b"PK broken")
    with pytest.raises(ConfigError, match="expected a NumPy archive"):
        load_dataset(str(tmp_path / "d.npz"))


def test_a_raw_folder(tmp_path: Path) -> None:
    for index in range(3):
        (tmp_path / f"{index}.bin").write_bytes(bytes([index, 255, 0, 1]))
    (tmp_path / "y_labels.csv").write_text("0.bin,3,0\n1.bin, 3, 1\n2.bin,3,2\n")
    flat = load_dataset(str(tmp_path))
    shaped = load_dataset(str(tmp_path), tensor_shape=(2, 2, 1))
    assert flat.x.tolist() == [[0, -1, 0, 1], [1, -1, 0, 1], [2, -1, 0, 1]]
    assert shaped.x.shape == (3, 2, 2, 1)
    assert shaped.y.tolist() == [0, 1, 2]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_hold_no_numbers_are_named(tmp_path: Path, value: float) -> None:
    x = np.zeros((4, 5), np.float32)
    x[2, 1] = value
    np.savez(tmp_path / "odd.npz", x=x, y=np.arange(4) % 2)
    with pytest.raises(ConfigError, match=r"NaN or infinity in odd\.npz\[2\]\."):
        load_dataset(str(tmp_path / "odd.npz"), (8, 8))
