"""The cards of the zoo."""

from __future__ import annotations

from typing import Any

from pipeline.artifacts import read_json
from pipeline.errors import ConfigError
from pipeline.suggest import did_you_mean


def zoo_report() -> dict[str, Any]:
    """All cards, and how they were measured; docs/zoo.md describes every key."""
    from pipeline.model.zoo import CARDS_PATH

    report: dict[str, Any] = read_json(CARDS_PATH)
    return report


def card_report(name: str) -> dict[str, Any]:
    """One card.

    Raises:
        ConfigError: there is none of that name.
    """
    report = zoo_report()
    cards = {card["name"]: card for card in report["cards"]}
    if name not in cards:
        raise ConfigError(
            f"zoo: expected one of {', '.join(cards)}. Received: '{name}'."
            f"{did_you_mean(name, cards)} A builder with other options: espalier profile."
        )
    return {"schema": report["schema"], "made": report["made"], "card": cards[name]}
