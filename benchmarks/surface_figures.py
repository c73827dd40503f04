"""Draw the figures of docs/blend.md, docs/cell_kind.md and docs/measure.md from simulated scans.

python benchmarks/surface_figures.py docs/figures
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from sharptip.measure import surface_values
from sharptip.measure.surface_heights import functional_parameters
from sharptip.measure.surface_spectrum import acf
from sharptip.recipes.blend import RECIPE as BLEND
from sharptip.report.figures import scale_bar
from sharptip.simulate.cells import KINDS, UNIT, cell
from sharptip.simulate.surface import non_gaussian, self_affine

DPI, COLOURS = 95, 192  # small files


def panel(
    axes, image: np.ndarray, title: str, pixel_size: float, unit: str, colours: str = "inferno", span=None
) -> None:
    low, high = span or np.percentile(image, [1, 99])
    shown = axes.imshow(image, cmap=colours, vmin=low, vmax=high)
    scale_bar(axes, image.shape[1], pixel_size)
    axes.set_title(title, fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])
    plt.colorbar(shown, ax=axes, shrink=0.8, label=unit)


def blends() -> plt.Figure:
    figure, grid = plt.subplots(2, 4, figsize=(11, 5), layout="constrained")
    for row, variant in zip(grid, ("easy", "hard"), strict=True):
        options = {**BLEND.options, "classes": BLEND.classes, "variant": variant}
        wanted, seed = ["A", "A", "B", "B"], 0
        while wanted:
            found = BLEND.example(np.random.default_rng((60, seed)), options)
            seed += 1
            if found.truth != wanted[0]:
                continue
            title = f"{variant}: blend {wanted.pop(0)}"
            panel(row[3 - len(wanted)], np.degrees(found.scan["phase"].values), title, 10e-9, "phase (°)")
    return figure


def cells() -> plt.Figure:
    figure, grid = plt.subplots(2, 4, figsize=(11, 5), layout="constrained")
    for row, kind in zip(grid, KINDS, strict=True):
        for number, axes in enumerate(row[:3]):
            drawn = cell(np.random.default_rng((7, number)), kind, patient=(3, number))
            force = drawn.scan["adhesion"].values * 1e12
            panel(
                axes, force, f"{kind}, patient {number + 1}", 10e-6 / 256, "adhesion (pN)", span=(0, 100 * UNIT * 1e12)
            )
        height = drawn.scan["height"].values * 1e9
        panel(row[3], height, f"{kind}, patient 3: height", 10e-6 / 256, "height (nm)", "inferno", (-200, 200))
    return figure


def parameters() -> plt.Figure:
    pixel = 2e-9
    rough, _ = self_affine(
        np.random.default_rng(4), (256, 256), pixel, rms=3e-9, correlation_length=25e-9, anisotropy=0.5
    )
    z = non_gaussian(rough, skew=-0.35)
    found = surface_values(z, pixel)
    figure, (image, bearing, lags) = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
    panel(image, z * 1e9, "a rough surface with valleys", pixel, "height (nm)")
    curve = np.sort(z.ravel())[::-1] * 1e9
    share = np.linspace(0, 100, curve.size)
    core = functional_parameters(z)
    bearing.plot(share, curve, color="#0072b2")
    middle = (found["Smr1"] + found["Smr2"]) * 50
    top = np.interp(100 * core["Smr1"], share, curve)
    bottom = np.interp(100 * core["Smr2"], share, curve)
    bearing.plot([0, 100], [top, bottom], "--", color="#d55e00", lw=1)
    for name in ("Smr1", "Smr2"):
        bearing.axvline(100 * found[name], color="#5b6673", lw=0.7)
        bearing.text(100 * found[name] + 1, curve[0] * 0.85, name, fontsize=8)
    text = "\n".join(f"{n} = {found[n] * 1e9:.2f} nm" for n in ("Spk", "Sk", "Svk"))
    bearing.text(middle, curve[0] * 0.3, text, fontsize=9)
    bearing.set(xlabel="material ratio (%)", ylabel="height (nm)", title="bearing curve and its core")
    c = acf(z)
    h, w = (n // 2 for n in c.shape)
    r = 40
    span = r * pixel * 1e9
    lags.imshow(c[h - r : h + r + 1, w - r : w + r + 1], cmap="inferno", extent=(-span, span, span, -span))
    lags.contour(np.linspace(-span, span, 2 * r + 1), np.linspace(-span, span, 2 * r + 1),
                 c[h - r : h + r + 1, w - r : w + r + 1], [0.2], colors="white")  # fmt: skip
    told = f"Sal = {found['Sal'] * 1e9:.1f} nm, Str = {found['Str']:.2f}"
    lags.set(xlabel="lag along x (nm)", ylabel="lag along y (nm)", title=f"ACF, line at 0.2: {told}")
    lags.title.set_fontsize(9)
    return figure


def main() -> None:
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/figures")
    out.mkdir(parents=True, exist_ok=True)
    for name, draw in (("blend", blends), ("cell_kind", cells), ("surface_parameters", parameters)):
        figure = draw()
        figure.savefig(out / f"{name}.png", dpi=DPI)
        plt.close(figure)
        image = Image.open(out / f"{name}.png").convert("RGB").quantize(COLOURS)
        image.save(out / f"{name}.png", optimize=True)
        print(f"{name}.png {image.width} × {image.height}, {(out / f'{name}.png').stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
