"""What this computer lacks, what works all the same, and the command that mends it."""

from pipeline.doctor.examine import examine
from pipeline.doctor.findings import Finding, State

__all__ = ["Finding", "State", "examine"]
