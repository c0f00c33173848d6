from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.data.survey import FEW, TOO_FEW, Survey, survey_data
from pipeline.errors import ConfigError
from tests.data.pictures import class_folders, photo


def test_counts_sizes_and_colours_of_class_folders(tmp_path: Path) -> None:
    root = class_folders(tmp_path, 3)
    photo(1, 200, 100).save(root / "cat" / "large.jpg")
    photo(2, 20, 30).save(root / "dog" / "small.png")
    survey = survey_data(str(root))
    assert survey.classes == (("cat", 4), ("dog", 4))
    assert (survey.shape, survey.smallest, survey.largest) == ((40, 60), (30, 20), (100, 200))
    assert survey.channels == 3
    assert survey.unreadable == ()


def test_grey_pictures_are_known_also_where_their_files_are_coloured(tmp_path: Path) -> None:
    root = class_folders(tmp_path, 2)
    for path in list(root.rglob("*.png")):
        photo(1).convert("L").convert("RGB").save(path.with_suffix(".jpg"), quality=70)
        path.unlink()
    assert survey_data(str(root)).channels == 1


def test_what_is_broken_is_named_and_not_counted(tmp_path: Path) -> None:
    root = class_folders(tmp_path, 2)
    (root / "cat" / "text.jpg").write_text("no picture")
    whole = (root / "dog" / "000.png").read_bytes()
    (root / "dog" / "half.png").write_bytes(whole[: len(whole) // 2])
    (root / "dog" / "notes.txt").write_text("notes")
    survey = survey_data(str(root))
    assert survey.classes == (("cat", 2), ("dog", 2))
    names = [name for name, _ in survey.unreadable]
    assert names == ["cat/text.jpg", "dog/half.png", "dog/notes.txt"]
    assert "3 files will be skipped, the first cat/text.jpg" in " ".join(survey.warnings())


def test_a_picture_on_its_side_counts_as_it_will_stand(tmp_path: Path) -> None:
    root = class_folders(tmp_path, 1)
    for name in ("cat", "dog"):
        exif = Image.Exif()
        exif[0x0112] = 6
        photo(3, 60, 40).save(root / name / "000.jpg", exif=exif)
        (root / name / "000.png").unlink()
    assert survey_data(str(root)).shape == (60, 40)


def test_a_class_without_a_readable_picture_is_an_error(tmp_path: Path) -> None:
    root = class_folders(tmp_path, 1)
    (root / "dog" / "000.png").write_text("no picture")
    with pytest.raises(ConfigError, match="none in dog"):
        survey_data(str(root))


def test_tensors_and_grey_pictures_of_an_archive(tmp_path: Path) -> None:
    y = np.arange(40) % 2
    np.savez(tmp_path / "words.npz", x=np.zeros((40, 49, 10, 1), np.int8), y=y)
    survey = survey_data(str(tmp_path / "words.npz"))
    assert (survey.shape, survey.channels, survey.are_pictures) == ((49, 10, 1), None, False)
    np.savez(tmp_path / "digits.npz", x=np.ones((40, 28, 28), np.uint8), y=y)
    assert survey_data(str(tmp_path / "digits.npz")).channels == 1


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((TOO_FEW - 1, 500), "too few samples: a 39."),
        ((FEW - 1, 500), "start from trained ones (--init-weights)"),
        ((FEW, FEW * 11), "uneven classes: 300 to 3,300"),
    ],
)
def test_warnings(counts: tuple[int, int], words: str) -> None:
    classes = tuple(zip("ab", counts, strict=True))
    assert words in " ".join(Survey(spec="x", classes=classes, shape=(80, 80)).warnings())


def test_a_warning_names_only_classes_that_are_small_and_not_all_of_many() -> None:
    classes = (("many", FEW), ("few", FEW - 1), *((f"c{n}", n + 1) for n in range(7)))
    (text, *_) = Survey(spec="x", classes=classes, shape=(80, 80)).warnings()
    assert text.startswith("too few samples: c0 1, c1 2, c2 3, c3 4, c4 5 and 2 more classes. ")


def test_enough_of_everything_is_no_warning() -> None:
    survey = Survey(spec="x", classes=(("a", FEW), ("b", FEW)), shape=(80, 80))
    assert survey.warnings() == ()
