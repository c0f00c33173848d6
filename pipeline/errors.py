"""The exception tree of the pipeline, and the exit status that each branch ends with.

PipelineError
├── ConfigError              2   usage or configuration is wrong
├── MissingToolError         3   a compiler, emulator or package is not installed
├── UnsupportedModelError    6   a model, layer or tensor that no stage can take
├── DoesNotFitError          7   the model needs more flash or RAM than the board has
├── BuildError               1   the compiler or the linker failed
├── MismatchError            1   outputs differ from the reference, or a gate failed
└── DeviceError              4   no device, or it is busy
    ├── DeviceTimeout        5   the device did not answer within its deadline
    └── ProtocolError        5   the device answered something that makes no sense

These are the user's problems: each message names the place, the expectation, what was
received, and the way out. Bugs raise ordinary exceptions and keep their traceback.
"""

from typing import ClassVar


class PipelineError(Exception):
    """Base of every error that a user can cause and mend."""

    exit_status: ClassVar[int] = 1


class ConfigError(PipelineError):
    """A wrong option, configuration key, path or data folder."""

    exit_status = 2


class MissingToolError(PipelineError):
    """A program or package that a stage needs is not installed."""

    exit_status = 3


class UnsupportedModelError(PipelineError):
    """A file that is no usable model, or a model with something that cannot be deployed."""

    exit_status = 6


class DoesNotFitError(PipelineError):
    """The model needs more memory than the board has."""

    exit_status = 7


class BuildError(PipelineError):
    """Compiling or linking the firmware failed."""


class MismatchError(PipelineError):
    """Outputs differ from the reference, or another gate failed."""


class DeviceError(PipelineError):
    """A device is missing, busy, or cannot be opened."""

    exit_status = 4


class DeviceTimeout(DeviceError):
    """A device did not answer within its deadline."""

    exit_status = 5


class ProtocolError(DeviceError):
    """A device answered with something that the protocol does not allow."""

    exit_status = 5
