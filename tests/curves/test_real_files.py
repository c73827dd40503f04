"""Every real file of curves that is at hand: units, sensible numbers, and bad curves called bad."""

from __future__ import annotations

import numpy as np
import pytest
from tests.real import real

from sharptip import io
from sharptip.core.units import is_si
from sharptip.curves.fitted import BAD, DOUBTFUL, GOOD, NOT_JUDGED, Fitted, Settings
from sharptip.curves.kinds import kind_of

AFM = "vendor/afmformats_force"
CURVES = "labelled/force_rating_nanite/curves"
FORCE = [
    f"{AFM}/fmt-afm-workshop-fd_mapping_16_2018-08-01_13.07.zip",
    f"{AFM}/fmt-afm-workshop-fd_single_2018-08-01_13.06.09.csv",
    f"{AFM}/fmt-afm-workshop-fd_single_2020-02-14_13.41.25.csv",
    f"{AFM}/fmt-chiaro-txt_AEBP1_Indentation_002.zip",
    f"{AFM}/fmt-hdf5-fd_version_0.13.3.h5",
    f"{AFM}/fmt-igor-fd_SiN_FD_plot.ibw",
    f"{AFM}/fmt-jpk-cc_pr14-brain-2021.06.30.jpk-force",
    f"{AFM}/fmt-jpk-cc_pr14-polymergel-2021.06.30.jpk-force",
    f"{AFM}/fmt-jpk-cl_calibration_force-save-2015.02.04-11.25.21.294.jpk-force",
    f"{AFM}/fmt-jpk-fd_2020.02.07-16.29.05.036.jpk-qi-data",
    f"{AFM}/fmt-jpk-fd_flipsign_2015.05.22-15.31.49.352.jpk-force",
    f"{AFM}/fmt-jpk-fd_map0d_extracted.jpk-force-map",
    f"{AFM}/fmt-jpk-fd_qi-data-2021.04.13.jpk-qi-series",
    f"{AFM}/fmt-jpk-fd_spot3-0192.jpk-force",
    f"{AFM}/fmt-jpk-sr_cell1-0008.jpk-force",
    f"{AFM}/fmt-ntmdt-txt-fd_2015_01_17_gel4-0,1_mQ_adh_6B_Curve_DFL_Height_51.txt",
    f"{AFM}/fmt-tab-fd_version_0.13.3.tab",
    "vendor/asylum_ibw/IgorIBWReader_ForceCurve.ibw",
    "vendor/bruker/BrukerReader_ForceCurve_Sapphire_TAP525.001",
    "pfm_be/pyUSID/AFM_Force_Curve_v2.h5",
    f"{CURVES}/fmt-jpk-fd_map1d_2016-11-07.jpk-force-map",
    f"{CURVES}/fmt-jpk-fd_single_tilted-baseline-shift-adyp_2023-06-26.jpk-force",
    f"{CURVES}/zebrafish-head-section-gray-matter.jpk-force",
]


def fitted(name: str, **settings: float | str) -> Fitted:
    """The first scan of a real file that holds curves, fitted."""
    for scan in io.scans(real(*name.split("/")), size="unknown"):
        if (kind := kind_of(scan)) is not None:
            return kind.fit(scan, Settings(**settings), lambda *_: None)  # type: ignore[arg-type]
    raise AssertionError(f"nothing in {name} is fitted")


def sound(f: Fitted) -> None:
    """Every table keeps its promises: SI units, a verdict each, a reason where it is not good, ordered intervals."""
    for c in f.columns:
        assert is_si(c.unit), c.name
        assert len(c.values) == f.n
        if c.low is not None and c.high is not None:
            known = np.isfinite(c.low) & np.isfinite(c.high) & np.isfinite(c.values)
            assert (c.low[known] <= c.values[known]).all(), c.name
            assert (c.values[known] <= c.high[known]).all(), c.name
    assert set(f.verdicts) <= {GOOD, DOUBTFUL, BAD, NOT_JUDGED}
    assert all(bool(why) == (v != GOOD) for v, why in zip(f.verdicts, f.reasons, strict=True))
    drawing = f.draw(0)
    assert all(len(t.x) == len(t.y) for t in drawing.traces)


@pytest.mark.parametrize("name", FORCE)
def test_force_curves_have_a_contact_within_their_travel(name: str) -> None:
    f = fitted(name)
    sound(f)
    contact = f.column("contact")
    assert np.isfinite(contact.values).mean() > 0.9
    assert np.isfinite(contact.low + contact.high).mean() > 0.9  # type: ignore[operator]
    heights = f.draw(0).traces[0].x
    assert heights.min() < contact.values[0] < heights.max()
    stiffness = next(c for c in f.columns if c.name in ("stiffness", "slope"))
    assert (stiffness.values[np.isfinite(stiffness.values)] > 0).all()
    if f.count(GOOD) and "stiffness" in {c.name for c in f.columns}:  # no sample makes a lever stiffer than it is
        good = f.verdicts == GOOD
        assert not (stiffness.values[good] > 1.3 * f.column("spring_constant").values[good]).any()


BAD_CURVES = [
    *(f"map_bad_2013-05-27_{i}.jpk-force-map" for i in (1, 2)),
    *(f"single_bad_2017-01-16_{i}.jpk-force" for i in range(1, 6)),
    "single_bad_bead46_2017-04-20.jpk-force",
]


@pytest.mark.parametrize("name", [f"{CURVES}/fmt-jpk-fd_{n}" for n in BAD_CURVES])
def test_curves_that_somebody_called_bad_are_called_bad(name: str) -> None:
    f = fitted(name)
    sound(f)
    assert f.verdicts[0] in (BAD, NOT_JUDGED)


def test_sapphire_is_as_stiff_as_the_lever() -> None:
    """Within a quarter: the file's sensitivity makes the lever bend a little farther than the piezo went."""
    f = fitted("vendor/bruker/BrukerReader_ForceCurve_Sapphire_TAP525.001")
    assert f.column("stiffness").values[0] == pytest.approx(90, rel=0.25)
    assert f.column("adhesion").values[0] > 1e-7


def test_a_clipped_detector_is_noticed() -> None:
    f = fitted(FORCE[15])
    assert f.verdicts[0] == BAD
    assert f.reasons[0].startswith("the detector is at its end: 1")


def test_a_map_of_a_hundred_curves_agrees_with_the_instrument() -> None:
    """Nanosurf's software wrote an adhesion of its own beside the curves."""
    f = fitted("vendor/nanosurf_nid/spectroscopy.nid")
    sound(f)
    assert f.count(GOOD) > 95
    theirs = next(s for s in io.scans(real("vendor", "nanosurf_nid", "spectroscopy.nid")) if "maxadhesionout00" in s)
    written = -float(theirs["maxadhesionout00"].values[0, 0])
    assert np.median(f.column("adhesion").values) == pytest.approx(written, rel=0.25)
    assert np.median(f.column("stiffness").values) == pytest.approx(2.5, rel=0.1)  # of a lever of 2.72 N/m


def test_volts_become_newtons_when_somebody_says_how() -> None:
    f = fitted(FORCE[0], spring_constant=0.1, sensitivity=150e-9)
    assert f.column("peak_force").unit == "N"
    assert np.median(f.column("peak_force").values) == pytest.approx(0.1 * 150e-9 * 0.5, rel=0.2)
    assert not any("spring constant" in why for why in f.missing)


SPECTRA = [
    "vendor/nanosurf_nid/thermal.nid",
    "vendor/nanonis/Bias-Spectroscopy00015_20230420.dat",
    "vendor/nanonis/NanonisReader_STS_grid_lockin.3ds",
    "vendor/nanonis/nanonis_kelvin_parabola_500mv.dat",
    "stm_sts_dkl/Figure5_Substitution_defect_5nm.hf5",
]


@pytest.mark.parametrize("file", SPECTRA)
def test_other_spectra_are_told_in_units(file: str) -> None:
    f = fitted(file, temperature=313.0)
    sound(f)
    assert f.count(GOOD) == f.n
    first = f.columns[0]
    assert np.isfinite(first.values).all()
    assert first.low is not None
    assert all(n.startswith(("site", "direction", "y")) for n in f.names)


def test_an_amplifier_at_its_end_is_noticed() -> None:
    f = fitted("vendor/nanonis/NanonisReader_BiasSpectroscopy.dat")
    assert set(f.verdicts) == {DOUBTFUL}
    assert f.reasons[0].endswith("the amplifier had no more")


def test_a_kelvin_parabola_has_its_top_within_the_sweep() -> None:
    f = fitted("vendor/nanonis/nanonis_kelvin_parabola_500mv.dat")
    potential = f.column("potential")
    assert potential.unit == "V"
    assert (np.abs(potential.values) < 1).all()
    assert np.ptp(potential.values) < 0.05  # forth and back
