"""The state on disk: whole, of the same training, or none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.training.state import TrainingState, fingerprint, load_state, save_state


def state(mark: str = "m", arrays: int = 12) -> TrainingState:
    rng = np.random.default_rng(0)
    # More than ten, whose names do not sort like their numbers unless these are padded.
    lists = [[rng.normal(size=(2, place + 1)) for place in range(arrays)] for _ in range(4)]
    return TrainingState(
        mark=mark,
        history=({"epoch": 1, "loss": 0.5},),
        model=lists[0],
        average=lists[1],
        optimizer=[*lists[2], np.array(7, np.int64)],
        best=lists[3],
    )


def test_what_is_written_comes_back_in_order(tmp_path: Path) -> None:
    path, saved = tmp_path / "deep" / "state.npz", state()
    save_state(path, saved)
    found = load_state(path, "m")
    assert found is not None
    assert (found.mark, found.history) == (saved.mark, saved.history)
    for name in ("model", "average", "optimizer", "best"):
        for one, other in zip(getattr(saved, name), getattr(found, name), strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
    assert [entry.name for entry in path.parent.iterdir()] == ["state.npz"]


def test_another_training_or_none_or_half_a_file_is_no_state(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    assert load_state(path, "m") is None
    save_state(path, state())
    assert load_state(path, "other") is None
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert load_state(path, "m") is None


def test_a_write_that_breaks_off_leaves_the_old_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.npz"
    save_state(path, state())

    def break_off(*arguments: object, **arrays: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(np, "savez", break_off)
        with pytest.raises(KeyboardInterrupt):
            save_state(path, state("new"))
    assert load_state(path, "m") is not None


def test_a_fingerprint_follows_options_and_arrays() -> None:
    x = np.arange(6, dtype=np.int16)
    mark = fingerprint({"epochs": 3, "seed": 1}, [x])
    assert mark == fingerprint({"seed": 1, "epochs": 3}, [x.copy()])
    assert mark == fingerprint({"epochs": 3, "seed": 1}, [np.repeat(x, 2)[::2]])
    others = (
        fingerprint({"epochs": 4, "seed": 1}, [x]),
        fingerprint({"epochs": 3, "seed": 1}, [x.reshape(2, 3)]),
        fingerprint({"epochs": 3, "seed": 1}, [x.view(np.uint16)]),
        fingerprint({"epochs": 3, "seed": 1}, [x + 1]),
    )
    assert mark not in others
