"""`espalier measure`: one verb for a run and for a board."""

from __future__ import annotations

import pytest

from pipeline import cli

USAGE = {
    "nothing": ([], "expected a CONFIG, or --board"),
    "a model without a board": (["m.tflite"], "Name the board that it is on with --board"),
    "a config with a board": (["run.toml", "--board", "host"], "leave --board out"),
    "a config's option": (["--board", "host", "--set", "a.b=1"], "--set goes only with a CONFIG"),
    "a board's option": (["run.toml", "--port", "x"], "--port goes only with --board"),
    "no such model": (["none.tflite", "--board", "host", "--port", "y"], "Received: no such file"),
    "no .tflite": (
        [__file__, "--board", "host", "--port", "y"],
        "Received: a file of another kind",
    ),
    "no folder": (["--board", "host", "--json", "none/x.json"], "its folder does not exist"),
}


@pytest.mark.parametrize(("arguments", "message"), USAGE.values(), ids=USAGE.keys())
def test_what_does_not_go_together_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["measure", *arguments])
    assert caught.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())
