"""Our own netCDF, by our own writer: nobody else writes it."""

from pathlib import Path

from tests.io import make_files as made

import sharptip
from sharptip.core.scan import scan_of


def nc(path: Path) -> None:
    sharptip.write(scan_of(made.surface(0), (made.HEIGHT / made.NY, made.WIDTH / made.NX)), path)


EXAMPLES = {"netcdf": (".nc", nc)}
