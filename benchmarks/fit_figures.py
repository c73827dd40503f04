"""The figures of docs/fit.md: simulated force curves of one session, some of them faulty, as `sharptip fit` shows them.

python benchmarks/fit_figures.py docs/figures
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from sharptip import io
from sharptip.curves.fit_file import fit_file
from sharptip.curves.fitted import Settings
from sharptip.curves.page import figures_of
from sharptip.report.style import save
from sharptip.simulate.force_curves import force_curves

SIDE, SEED = 5, 4


def main(folder: Path) -> None:
    drawn = force_curves(
        np.random.default_rng(SEED),
        SIDE**2,
        retract=True,
        faulty=0.2,
        setting="cell, bead",
        per_session=SIDE**2,
        samples=2000,
    )
    row, column = np.divmod(np.arange(SIDE**2, dtype=float), SIDE)
    put = {"row": ("curve", row, {"units": "1"}), "column": ("curve", column, {"units": "1"})}
    scan = drawn.scan.assign(put).assign_attrs(map_shape=[SIDE, SIDE], map_size=[1e-5, 1e-5])
    tip = Settings(law="sphere", radius=float(drawn.record["radius"][0]))
    with tempfile.TemporaryDirectory() as work:
        file = Path(work) / "simulated.nc"
        io.write(scan, file)
        done = fit_file(file, Path(work) / "out", tip)
        print(done.told())
        figures = figures_of(done.fitted[0], done.curve)
        for name in ("curve", "maps"):
            path = save(figures[name], folder / f"fit_{name}.png")
            Image.open(path).convert("P", palette=Image.Palette.ADAPTIVE, colors=64).save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/figures"))
