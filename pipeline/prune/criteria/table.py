"""All criteria by name."""

from __future__ import annotations

from pipeline.errors import ConfigError
from pipeline.prune.criteria import bn_scale, fpgm, l1, l2, lamp, random
from pipeline.prune.criteria.base import Criterion
from pipeline.prune.criteria.taylor import LAYER_NORM, taylor
from pipeline.suggest import did_you_mean

CRITERIA: dict[str, Criterion] = {
    "l1": Criterion(name="l1", score=l1.score),
    "l2": Criterion(name="l2", score=l2.score),
    "fpgm": Criterion(name="fpgm", score=fpgm.score),
    "bn-scale": Criterion(name="bn-scale", score=bn_scale.score),
    "lamp": Criterion(name="lamp", score=lamp.score),
    "random": Criterion(name="random", score=random.score),
    # "taylor", and "taylor:VARIANT" for the others.
    **{criterion.name: criterion for criterion in map(taylor, LAYER_NORM)},
}


def criterion_named(name: str) -> Criterion:
    """A criterion by its name.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in CRITERIA:
        raise ConfigError(
            f"criterion: expected one of {', '.join(CRITERIA)}. Received: {name!r}."
            f"{did_you_mean(name, CRITERIA)} Use l1 in case of doubt."
        )
    return CRITERIA[name]
