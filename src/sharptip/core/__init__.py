"""What a scan is, its promises, its history, its units, its errors, and how things register.

Light names only: `from sharptip.core import scan` brings xarray, the rest does not.
"""

from .errors import (
    ChannelError,
    ModelError,
    ReadError,
    RegistryError,
    ScaleError,
    ScanError,
    SharptipError,
    StudyError,
    UnitError,
    WriteError,
)
from .grid import Axis, Channel, Grid, unique

__all__ = [
    "Axis", "Channel", "ChannelError", "Grid", "ModelError", "ReadError", "RegistryError", "ScaleError",
    "ScanError", "SharptipError", "StudyError", "UnitError", "WriteError", "unique",
]  # fmt: skip
