import numpy as np
import pytest
from PIL import Image

from pipeline.data.resize import UnreadablePictureError, check_fit, decode, resize, thumbnail
from pipeline.errors import ConfigError
from tests.data.pictures import encoded, photo


def test_shrinking_is_antialiased() -> None:
    stripes = np.zeros((160, 160, 3), np.uint8)
    stripes[:, ::2] = 255
    small = resize(Image.fromarray(stripes), (80, 80))
    # Without a widened filter, every second column would be dropped: all black or all white.
    assert np.abs(small[:, 1:-1].astype(int) - 128).max() <= 2


@pytest.mark.parametrize(("width", "height"), [(200, 100), (100, 200), (100, 100), (7, 5)])
@pytest.mark.parametrize("fit", ["crop", "fit"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_aspect_gets_the_asked_size(width: int, height: int, fit: str, channels: int) -> None:
    result = resize(photo(1, width, height), (80, 64), check_fit(fit), channels)
    assert result.shape == (80, 64, channels)
    assert result.dtype == np.uint8


def test_crop_keeps_the_centre() -> None:
    wide = np.zeros((40, 120, 3), np.uint8)
    wide[:, 40:80] = 200
    assert (resize(Image.fromarray(wide), (40, 40), "crop") == 200).all()


def test_fit_shows_everything_between_grey_bars() -> None:
    wide = np.full((40, 80, 3), 10, np.uint8)
    result = resize(Image.fromarray(wide), (80, 80), "fit")
    assert (result[20:60] == 10).all()
    assert (result[:20] == 128).all()
    assert (result[60:] == 128).all()


def test_exif_orientation_is_applied() -> None:
    picture = Image.new("RGB", (40, 20), (0, 0, 0))
    picture.paste((255, 255, 255), (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned right by a quarter
    upright = decode(encoded(picture, "JPEG", exif=exif, quality=95))
    assert upright.size == (20, 40)
    pixels = np.asarray(upright)
    assert pixels[:15].mean() > 200
    assert pixels[25:].mean() < 50


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    grey = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (32, 1))
    if mode == "I;16":
        source = Image.fromarray(grey.astype(np.uint16) * 257)
    else:
        source = Image.fromarray(grey).convert("RGB").convert(mode)
    picture = decode(encoded(source, "JPEG" if mode == "CMYK" else "PNG"))
    assert picture.mode == "RGB"
    error = np.abs(np.asarray(picture).astype(int)[..., 1] - grey)
    assert error.mean() < (128 if mode in ("1", "P") else 6)


def test_transparent_pixels_become_grey() -> None:
    source = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert (np.asarray(decode(encoded(source))) == 128).all()


@pytest.mark.parametrize(
    "data",
    [b"", b"not a picture", encoded(photo(1))[:200], encoded(photo(1), "JPEG")[:300]],
    ids=["empty", "text", "truncated png", "truncated jpeg"],
)
def test_a_broken_file_gives_a_reason(data: bytes) -> None:
    with pytest.raises(UnreadablePictureError, match=r".+"):
        decode(data)


def test_thumbnail_is_grey_and_square() -> None:
    assert thumbnail(photo(3)).shape == (16, 16)


def test_an_unknown_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"crop, fit\. Received: 'stretch'"):
        check_fit("stretch")


@pytest.mark.parametrize("channels", [1, 3])
def test_columns_come_first_whatever_the_picture(channels: int) -> None:
    # In one call, Pillow 13 takes the rows of so tall a picture first, which rounds otherwise.
    tall = photo(4, 90, 400)
    columns = tall.convert("L" if channels == 1 else "RGB").resize(
        (80, 400), Image.Resampling.BILINEAR, box=(0, 0, 90, 400)
    )
    expected = columns.resize((80, 80), Image.Resampling.BILINEAR, box=(0, 155, 80, 245))
    received = resize(tall, (80, 80), "crop", channels)
    np.testing.assert_array_equal(received, np.asarray(expected).reshape(80, 80, channels))
