"""The examination: every topic in its order."""

from __future__ import annotations

from pipeline.doctor.findings import Finding, State
from pipeline.doctor.packages import examine_keras, examine_packages, examine_python
from pipeline.doctor.places import examine_places, examine_sources
from pipeline.doctor.ports import examine_permissions, examine_ports
from pipeline.doctor.tools import examine_compilers, examine_emulators, examine_platforms


def examine(*, network: bool = False) -> tuple[Finding, ...]:
    """Look at everything that Espalier needs or could use; imports none of it.

    Args:
        network: also try to reach PlatformIO's registry.
    """
    sources = tuple(examine_sources())
    # Which platforms and ports to look for only the boards say.
    has_boards = all(finding.state is State.OK for finding in sources)
    return (
        *examine_python(),
        *examine_packages(),
        *examine_keras(),
        *examine_compilers(),
        *examine_emulators(),
        *(examine_platforms(network=network) if has_boards else ()),
        *examine_permissions(),
        *(examine_ports() if has_boards else ()),
        *sources,
        *examine_places(),
    )
