"""The verb that looks at this computer."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.options import JSON, verb
from pipeline.cli.output import check_writable, show
from pipeline.errors import MissingToolError


@verb
@click.option("--network", is_flag=True, help="Also try to reach PlatformIO's registry.")
@JSON
def doctor(network: bool, json_path: Path | None) -> None:
    """Look at what Espalier needs here, and print how to mend what is not there.

    Exit status 0 where `espalier run` has all it needs, else 3.

    Examples:
      espalier doctor
      espalier doctor --network --json doctor.json
    """
    import dataclasses

    from pipeline.doctor import State, examine
    from pipeline.report.doctor_tables import doctor_tables

    check_writable(json_path)
    findings = examine(network=network)
    missing = [finding.name for finding in findings if finding.state is State.MISSING]
    report = {
        "schema": 1,
        "ready": not missing,
        "findings": [dataclasses.asdict(finding) for finding in findings],
    }
    show(report, json_path, doctor_tables)
    if missing:
        raise MissingToolError(
            f"doctor: expected all that `espalier run` needs. Received: not in order: "
            f"{', '.join(missing)}. The commands that mend it are above."
        )
