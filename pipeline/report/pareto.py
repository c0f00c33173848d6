"""Which of several points no other beats."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def pareto_front(costs: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether each point is on the front: no other is as good everywhere and better somewhere.

    Equal points are on it together.

    Args:
        costs: float [points, objectives], smaller is better; no NaN.
    """
    values = np.asarray(costs, np.float64)
    no_worse = (values[:, None] <= values[None]).all(axis=2)
    better = (values[:, None] < values[None]).any(axis=2)
    # [i, j]: whether i beats j.
    beats = no_worse & better
    return np.asarray(~beats.any(axis=0))
