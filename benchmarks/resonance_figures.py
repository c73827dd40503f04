"""Figures of docs/fit_resonance.md, called by benchmarks/resonance.py --figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from sharptip.measure.resonance import fit_map, fit_spectra
from sharptip.physics.oscillator import PARAMETERS, response
from sharptip.simulate.resonance import Ranges, resonance_map, spectra

UNITS = {"log_amplitude": "log A", "resonance": "f0", "log_quality": "log Q", "phase": "φ"}
STYLES = {
    "sharptip, Q known to be 30–300": ("C0", "o-"), "sharptip": ("C0", "o:"),
    "least squares from the highest sample": ("C1", "s-"), "linear fit (Sanathanan–Koerner)": ("C2", "^-"),
    "glance network": ("C4", "v:"), "least squares from the glance network": ("C4", "v-"),
    "formula network": ("C5", "d:"), "least squares from the formula network": ("C5", "d-"),
    "BGlib, shipped": ("C3", "x:"), "BGlib, repaired": ("C3", "x-"),
}  # fmt: skip


def curves(table: dict[str, dict[str, dict[str, Any]]], path: Path) -> None:
    """RMSE over the bound of each parameter against SNR; the line at 1 is the bound."""
    figure, axes = plt.subplots(1, 4, figsize=(15, 4.4), sharey=True, layout="constrained")
    for ax, parameter in zip(axes, PARAMETERS, strict=True):
        ax.axhline(1, color="k", lw=2, label="Cramér–Rao bound")
        for name, (colour, style) in STYLES.items():
            if name in table:
                snr = [float(s) for s in table[name]]
                ax.loglog(snr, [r[parameter][0] for r in table[name].values()], style, color=colour, label=name, ms=4)
        ax.set(title=UNITS[parameter], xlabel="SNR, peak over noise", ylim=(0.3, 60))
    axes[0].set_ylabel("RMSE over the bound")
    figure.legend(*axes[0].get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=4)
    figure.savefig(path, dpi=80)
    plt.close(figure)


def one_spectrum(path: Path) -> None:
    """Spectra at three signal-to-noise ratios with their fits, and what is left over."""
    figure, axes = plt.subplots(2, 3, figsize=(11, 4.6), sharex=True, layout="constrained", height_ratios=[3, 1])
    f = Ranges().frequency
    fine = np.linspace(f[0], f[-1], 800)
    for (top, below), snr in zip(axes.T, (1.0, 5.0, 50.0), strict=True):
        y, truth = spectra(np.random.default_rng(3), 1, Ranges(snr=(snr, snr), amplitude=(5e-5, 5e-5)))
        found = fit_spectra(y, f)
        numbers = [found[k] for k in ("amplitude", "resonance", "quality", "phase")]
        drawn, left = response(fine, *numbers)[0] * 1e3, (y - response(f, *numbers))[0] * 1e3
        for part, colour in (("real", "C0"), ("imag", "C1")):
            top.plot(f / 1e6, getattr(y[0], part) * 1e3, ".", color=colour, ms=4, label=part)
            top.plot(fine / 1e6, getattr(drawn, part), color=colour, lw=1)
            below.plot(f / 1e6, getattr(left, part), ".", color=colour, ms=3)
        at, error = found["resonance"][0] / 1e3, found["resonance_error"][0] / 1e3
        top.axvspan((at - 1.96 * error) / 1e3, (at + 1.96 * error) / 1e3, color="C2", alpha=0.3)
        top.axvline(truth["resonance"][0] / 1e6, color="k", lw=0.8, ls="--")
        top.set_title(f"SNR {snr:g}: f0 = {at:.2f} ± {error:.2f} kHz\nQ = {numbers[2][0]:.0f} ± "
                      f"{found['quality_error'][0]:.0f} (true {truth['quality'][0]:.0f})", fontsize=9)  # fmt: skip
        below.set_xlabel("frequency, MHz")
    axes[0, 0].set_ylabel("response, mV")
    axes[1, 0].set_ylabel("left over, mV")
    axes[0, 0].legend(fontsize=8)
    figure.savefig(path, dpi=80)
    plt.close(figure)


def one_map(path: Path) -> None:
    """A simulated map: truth above, fit below, and the standard error of the resonance."""
    ranges = Ranges(snr=(4, 4))
    seen, truth = resonance_map(np.random.default_rng(4), (64, 64), ranges)
    found = fit_map(seen, ranges.frequency)
    figure, axes = plt.subplots(2, 5, figsize=(14, 5.4), layout="constrained")
    shown = (("amplitude", 1e6, "A, µV"), ("resonance", 1e-3, "f0, kHz"), ("quality", 1, "Q"), ("phase", 1, "φ, rad"))
    for column, (name, factor, title) in enumerate(shown):
        limits = np.percentile(truth[name] * factor, [1, 99]) if name != "phase" else (-np.pi, np.pi)
        colours = {"vmin": limits[0], "vmax": limits[1], "cmap": "viridis" if name != "phase" else "twilight"}
        for ax, values in zip(axes[:, column], (truth[name], found[name]), strict=True):
            image = ax.imshow(values * factor, **colours)
            figure.colorbar(image, ax=ax, shrink=0.8)
        axes[0, column].set_title(f"{title}: true")
        axes[1, column].set_title("fitted")
    for ax, values, title in ((axes[0, 4], truth["snr"], "SNR: true"), (axes[1, 4], found["flag"], "flag (0 sound)")):
        figure.colorbar(ax.imshow(values, cmap="magma"), ax=ax, shrink=0.8)
        ax.set_title(title)
    for ax in axes.flat:
        ax.set_axis_off()
    figure.savefig(path, dpi=70)
    plt.close(figure)
