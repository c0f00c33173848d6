"""Pruning methods of more than one step, under their names on the command line."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import ConfigError
from pipeline.prune.fit import RESOURCES
from pipeline.prune.methods.blockwise import prune_blockwise
from pipeline.prune.methods.iterative import prune_iterative
from pipeline.prune.methods.l1_filter import prune_l1_filter
from pipeline.prune.methods.multistage import prune_multistage
from pipeline.prune.methods.slimming import prune_slimming
from pipeline.prune.methods.unstructured import prune_combined, prune_unstructured
from pipeline.prune.records import MethodResult
from pipeline.suggest import suggestion


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method and what it may be told.

    Attributes:
        run: called with the model, `common` and `options`.
        common: settings that it takes beside limits, ignore, seed and what data gives.
        options: of its own, given as KEY=VALUE, and their types.
        needs: those of ratio, keep_params and options of which one must be given; empty for
            none.
        budgets: that it follows by itself.
        amounts: options that say how much goes, so that no budget does.
        criterion: that scores channels where none is named.
        epochs: (epochs asked for, options) -> epochs of fine-tuning in all.
    """

    run: Callable[..., MethodResult]
    common: tuple[str, ...]
    options: Mapping[str, type]
    needs: tuple[str, ...] = ()
    budgets: tuple[str, ...] = ()
    amounts: tuple[str, ...] = ()
    criterion: str = "l1"
    epochs: Callable[[int, Mapping[str, Any]], int] = lambda epochs, options: epochs

    def defaults(self) -> dict[str, Any]:
        """What options are where they are not given."""
        parameters = inspect.signature(self.run).parameters
        return {name: parameters[name].default for name in self.options}


_RATIOS = ("ratio", "keep_params")

METHODS: dict[str, Method] = {
    "iterative": Method(
        run=prune_iterative,
        common=(*_RATIOS, "criterion", "reduction", "data", "limits", "ignore", "tolerance"),
        options={"iterations": int, "macs_penalty": float},
        needs=_RATIOS,
        epochs=lambda epochs, options: epochs * options["iterations"],
        criterion="taylor",
    ),
    "magnitude": Method(
        run=prune_iterative,
        common=(*_RATIOS, "criterion", "reduction", "data", "limits", "ignore", "tolerance"),
        options={"iterations": int, "macs_penalty": float},
        needs=_RATIOS,
        epochs=lambda epochs, options: epochs * options["iterations"],
    ),
    "blockwise": Method(
        run=prune_blockwise,
        common=("keep_params", "criterion", "data", "limits", "ignore", "tolerance"),
        options={"paper": bool, "k": float, "r_max": float, "weights": dict},
        budgets=tuple(RESOURCES),
        amounts=("paper", "k"),
    ),
    "multistage": Method(
        run=prune_multistage,
        common=(*_RATIOS, "limits", "ignore", "tolerance"),
        options={"stages": int, "ramp_epochs": int, "frequency": int, "use_bn": bool},
        needs=_RATIOS,
        epochs=lambda epochs, options: epochs * options["stages"],
    ),
    "slimming": Method(
        run=prune_slimming,
        common=(*_RATIOS, "limits", "ignore", "tolerance"),
        options={"strength": float, "sparsity_epochs": int},
        needs=_RATIOS,
        epochs=lambda epochs, options: epochs + options["sparsity_epochs"],
    ),
    "l1-filter": Method(
        run=prune_l1_filter,
        common=(*_RATIOS, "limits", "ignore", "tolerance"),
        options={"strategy": str},
        needs=_RATIOS,
    ),
    "magnitude-unstructured": Method(
        run=prune_unstructured,
        common=(),
        options={"sparsity": float, "steps": int, "scope": str, "kinds": str},
        needs=("sparsity",),
    ),
    "combined": Method(
        run=prune_combined,
        common=("ratio", "limits", "ignore", "tolerance"),
        options={"sparsity": float},
        needs=("sparsity",),
    ),
}


def parse_options(method: str, texts: tuple[str, ...]) -> dict[str, Any]:
    """A method's own options from "key=value".

    Raises:
        ConfigError: the method has no such option, or the value is of another type.
    """
    known = METHODS[method].options if method in METHODS else {}
    values: dict[str, Any] = {}
    for text in texts:
        key, equals, raw = text.partition("=")
        if key not in known:
            hint = suggestion(key, known) if known else "It has none."
            raise ConfigError(f"method {method}: unknown option. Received: {text!r}. {hint}")
        kind = known[key]
        try:
            value = raw if kind is str else tomllib.loads(f"value = {raw}")["value"]
        except tomllib.TOMLDecodeError:
            value = None
        if kind is float and type(value) is int:
            value = float(value)
        if not equals or type(value) is not kind:
            words = {
                bool: "true or false",
                int: "a whole number",
                float: "a number",
                str: "a text",
                dict: "a table such as {params=1, macs=2}",
            }
            raise ConfigError(
                f"method {method}: option {key} must be {words[kind]}. Received: {text!r}. "
                f"Write {key}=VALUE."
            )
        values[key] = value
    return values
