"""The pictures of the pages on judging tips: simulated states, and answers line by line.

python benchmarks/figures_tip.py docs/figures
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sharptip.clean import plane, rows
from sharptip.core.scan import pixel_size
from sharptip.fit import Model
from sharptip.measure.stopping import stop_line
from sharptip.recipes.judge_tip import ATTRIBUTES
from sharptip.recipes.judge_tip_lines import SURE
from sharptip.report.figures import scale_bar
from sharptip.report.style import save
from sharptip.simulate.hydrogen_silicon import image

SHOWN = ("atoms", "dimers", "asymmetric", "rows", "multi", "bad")


def picture(axis, scan) -> str:
    """The levelled heights with a scale bar; says what black and white are apart."""
    flat = rows(plane(scan, channel="height"), channel="height", method="difference")["height"].values * 1e12
    low, high = np.percentile(flat, (1, 99))
    axis.imshow(flat, cmap="gray", vmin=low, vmax=high)
    axis.set(xticks=[], yticks=[])
    scale_bar(axis, flat.shape[1], pixel_size(scan)[1])
    return f"{high - low:.0f} pm"


def states(folder: Path) -> None:
    """One simulated frame of each state of the tip, and one with a change."""
    fig, axes = plt.subplots(1, len(SHOWN) + 1, figsize=(10, 1.8), layout="constrained")
    for axis, kind in zip(axes, (*SHOWN, "a tip change"), strict=True):
        changed = kind == "a tip change"
        rng = np.random.default_rng(8)
        drawn = image(rng, "dimers" if changed else kind, size=9e-9, change=40 if changed else False)
        axis.set_title(f"{kind}, {picture(axis, drawn.scan)}", fontsize=8)
    save(fig, folder / "judge_tip_states.png")


def line_by_line(folder: Path) -> None:
    """How the answer settles while lines come in, and where it would have stopped."""
    model = Model.trained("judge_tip_lines")
    fig, axes = plt.subplots(2, 3, figsize=(9, 5), layout="constrained")
    for column, (kind, change) in enumerate((("dimers", False), ("bad", False), ("dimers", 45))):
        drawn = image(np.random.default_rng(21 + column), kind, size=9e-9, change=change)
        axes[0, column].set_title(f"{kind}, {picture(axes[0, column], drawn.scan)}", fontsize=8)
        p = model.predict(drawn.scan)["probability"].values
        for name in ("Dimers", "Rows", "Tip Change", "Bad/Blurry"):
            axes[1, column].plot(np.arange(1, len(p) + 1), p[:, ATTRIBUTES.index(name)], label=name)
        stop = int(stop_line(p[None, :, ATTRIBUTES.index("Bad/Blurry")], *SURE)[0][0])
        axes[1, column].axvline(stop, color="0.4", linestyle=":", label=f"stops after line {stop}")
        axes[1, column].set(xlabel="lines scanned", ylabel="probability", ylim=(0, 1))
        axes[1, column].legend(fontsize=7)
    save(fig, folder / "judge_tip_lines.png")


if __name__ == "__main__":
    states(Path(sys.argv[1]))
    line_by_line(Path(sys.argv[1]))
