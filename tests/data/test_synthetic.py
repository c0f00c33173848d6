import numpy as np

from pipeline.data.synthetic import generate_synthetic


def test_equal_seeds_draw_equal_pictures_and_longer_sets_start_the_same() -> None:
    short = generate_synthetic(20, spec="s", seed=3)
    long = generate_synthetic(30, spec="s", seed=3)
    assert (long.x[:20] == short.x).all()
    assert long.ids[:20] == short.ids
    assert (generate_synthetic(20, spec="s", seed=4).x != short.x).any()


def test_classes_alternate_and_pictures_vary() -> None:
    data = generate_synthetic(60, spec="s", size=(48, 64))
    assert data.x.shape == (60, 48, 64, 3)
    assert data.class_names == ("no_person", "person")
    assert data.class_counts == (30, 30)
    assert len(set(data.keys.tolist())) == 60
    means = data.x.mean(axis=(1, 2, 3))
    assert means.std() > 15
    # Brightness alone must not tell the classes apart.
    assert abs(means[data.y == 0].mean() - means[data.y == 1].mean()) < 2 * means.std()


def test_grey_pictures_have_one_channel() -> None:
    data = generate_synthetic(20, spec="s", size=(32, 32), channels=1)
    assert data.x.shape == (20, 32, 32, 1)
    assert data.x.dtype == np.uint8
