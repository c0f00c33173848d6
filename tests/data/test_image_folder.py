from pathlib import Path

import numpy as np
import pytest

from pipeline.data.dataset import Side
from pipeline.data.image_folder import load_image_folder
from pipeline.errors import ConfigError
from tests.data.pictures import class_folders, encoded, photo


def test_classes_are_sorted_and_samples_ordered(tmp_path: Path) -> None:
    class_folders(tmp_path, 3)
    (tmp_path / "dog" / "deeper").mkdir()
    photo(7).save(tmp_path / "dog" / "deeper" / "x.JPG", "JPEG")
    data = load_image_folder(tmp_path, spec="d", size=(20, 24))
    assert data.class_names == ("cat", "dog")
    assert data.class_counts == (3, 4)
    assert data.x.shape == (7, 20, 24, 3)
    assert data.ids[0] == "cat/000.png"
    assert data.ids[-1] == "dog/deeper/x.JPG"
    assert not data.x.flags.writeable
    assert data.sides is None


def test_unreadable_files_are_named_and_skipped(tmp_path: Path) -> None:
    class_folders(tmp_path, 2)
    (tmp_path / "cat" / "broken.png").write_bytes(encoded(photo(1))[:100])
    (tmp_path / "cat" / "notes.txt").write_text("hello")
    photo(9).save(tmp_path / "stray.png")
    (tmp_path / "cat" / ".DS_Store").write_text("hidden files are nobody's pictures")
    data = load_image_folder(tmp_path, spec="d", size=(8, 8))
    assert data.class_counts == (2, 2)
    assert [name for name, _ in data.skipped] == ["cat/broken.png", "cat/notes.txt", "stray.png"]
    assert all(reason for _, reason in data.skipped)


def test_an_empty_class_is_an_error(tmp_path: Path) -> None:
    class_folders(tmp_path, 2)
    (tmp_path / "bird").mkdir()
    with pytest.raises(ConfigError, match=r"class 'bird' has no readable .* an empty folder"):
        load_image_folder(tmp_path, spec="d", size=(8, 8))


def test_a_class_of_broken_files_is_an_error(tmp_path: Path) -> None:
    class_folders(tmp_path, 2)
    (tmp_path / "bird").mkdir()
    (tmp_path / "bird" / "a.png").write_bytes(b"junk")
    with pytest.raises(ConfigError, match=r"class 'bird' .*bird/a\.png \(not a JPEG or PNG\)"):
        load_image_folder(tmp_path, spec="d", size=(8, 8))


@pytest.mark.parametrize("names", [(), ("cat",)])
def test_too_few_classes_are_an_error(tmp_path: Path, names: tuple[str, ...]) -> None:
    class_folders(tmp_path, 1, names)
    with pytest.raises(ConfigError, match="at least two classes"):
        load_image_folder(tmp_path, spec="d", size=(8, 8))


def test_pictures_outside_of_class_folders_are_counted(tmp_path: Path) -> None:
    for name in ("a.png", "b.JPG", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ConfigError, match="no folders, 2 pictures outside of any"):
        load_image_folder(tmp_path, spec="d", size=(8, 8))


def test_train_and_test_folders_keep_their_division(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", 2)
    class_folders(tmp_path / "test", 1)
    data = load_image_folder(tmp_path, spec="d", size=(8, 8))
    assert data.class_names == ("cat", "dog")
    assert data.sides is not None
    assert [side is Side.TEST for side in data.sides] == [
        name.startswith("test/") for name in data.ids
    ]


def test_grey_models_get_one_channel(tmp_path: Path) -> None:
    class_folders(tmp_path, 1)
    data = load_image_folder(tmp_path, spec="d", size=(8, 8), channels=1)
    assert data.x.shape == (2, 8, 8, 1)
    assert data.x.dtype == np.uint8
