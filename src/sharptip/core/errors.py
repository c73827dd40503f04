"""Every error that sharptip raises on purpose.

    SharptipError
    ├── ReadError            a file cannot be read: damaged, empty, of no known format
    │   └── ScaleError       the file is sound but says no physical size; read(path, size=...)
    ├── WriteError           a file cannot be written, and nothing half-written is left
    ├── ScanError            a scan breaks one of its five promises
    │   ├── UnitError        a unit is missing, unknown, or not the SI one
    │   └── ChannelError     a channel that was asked for is not in the scan
    ├── RegistryError        no reader, recipe or world of that name
    ├── ModelError           a model is not fitted, not loadable, or handed what it cannot eat
    ├── StudyError           a study cannot be made from what it was given
    └── WorkError            a function failed on a file, or the process that ran it died

Each message names the thing, the value and the next move.
"""

from __future__ import annotations


class SharptipError(Exception):
    """Root of the tree above."""


class ReadError(SharptipError):
    """A file cannot be read."""


class ScaleError(ReadError):
    """A file holds no physical size and none was given."""


class WriteError(SharptipError):
    """A file cannot be written."""


class ScanError(SharptipError):
    """A scan breaks one of its promises."""


class UnitError(ScanError):
    """A unit is missing, unknown, or not the one a scan holds."""


class ChannelError(ScanError):
    """A channel that was asked for is not in the scan."""


class RegistryError(SharptipError):
    """Nothing is registered under that name."""


class ModelError(SharptipError):
    """A model is not fitted, not loadable, or handed what it cannot eat."""


class WorkError(SharptipError):
    """A function failed on a file, or the process that ran it died."""


class StudyError(SharptipError):
    """A study cannot be made from what it was given."""
