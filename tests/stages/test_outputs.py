from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.stages.outputs import write_arrays


def test_one_of_each_is_x_and_y_and_several_are_numbered(tmp_path: Path) -> None:
    a, b = np.arange(6, dtype=np.int8).reshape(2, 3), np.ones((2, 1), np.uint8)
    # A name without a suffix stays as it is.
    path = tmp_path / "answers"
    write_arrays(path, (a,), (b, a))
    with np.load(path) as found:
        assert sorted(found.files) == ["x", "y0", "y1"]
        np.testing.assert_array_equal(found["x"], a)
        np.testing.assert_array_equal(found["y0"], b)
        assert found["y1"].dtype == np.int8
    assert [entry.name for entry in tmp_path.iterdir()] == ["answers"]
