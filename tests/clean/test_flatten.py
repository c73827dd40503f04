"""Background and line offsets found together: exact where there is an exact answer, unbiased among dense particles."""

from __future__ import annotations

import numpy as np
import pytest

from sharptip.clean import flatten, flatten_fit, substrate_of, without_scars
from sharptip.core.errors import ScanError
from sharptip.core.scan import scan_of
from sharptip.simulate.dirty import dirty

NM = 1e-9


def grid(ny: int, nx: int) -> tuple[np.ndarray, np.ndarray]:
    return np.linspace(-1, 1, ny)[:, None], np.linspace(-1, 1, nx)[None, :]


def caps(rng: np.random.Generator, shape: tuple[int, int], coverage: float, height: float) -> np.ndarray:
    """Half-spheres, some over others, until they cover their share."""
    out = np.zeros(shape)
    y, x = np.mgrid[: shape[0], : shape[1]]
    while (out > 0).mean() < coverage:
        r = rng.uniform(5, 12)
        d = np.hypot(y - rng.uniform(0, shape[0]), x - rng.uniform(0, shape[1])) / r
        out = np.maximum(out, height * np.sqrt(np.clip(1 - d**2, 0, None)))
    return out


@pytest.mark.parametrize("shape", [(40, 64), (97, 131)])
def test_a_bare_substrate_is_found_to_rounding(rng: np.random.Generator, shape: tuple[int, int]) -> None:
    y, x = grid(*shape)
    offsets = rng.normal(0, 1, shape[0]) * NM
    bow = (30 * x + 8 * x**2 - 5 * x * y) * NM
    found = flatten_fit(bow + offsets[:, None])
    np.testing.assert_allclose(found.image, 0, atol=1e-6 * NM)
    np.testing.assert_allclose(found.background + found.offsets[:, None], bow + offsets[:, None], atol=1e-6 * NM)


@pytest.mark.parametrize("coverage", [0.1, 0.4, 0.7, 0.8])
@pytest.mark.parametrize("tilt", [1.0, 10.0])
def test_particles_bend_nothing(coverage: float, tilt: float) -> None:
    rng = np.random.default_rng([int(coverage * 10), int(tilt)])
    y, x = grid(200, 256)
    truth = caps(rng, (200, 256), coverage, 6 * NM)
    sq = truth.std()
    raw = truth + sq * (tilt / 2 * (x + y) + 0.5 * x**2 - 0.4 * x * y)
    raw = raw + sq * (0.1 * rng.standard_normal(200) + np.cumsum(0.03 * rng.standard_normal(200)))[:, None]
    noise = 0.15 * NM
    raw = raw + noise * rng.standard_normal(raw.shape)
    out = flatten_fit(raw)
    error = out.image - truth
    assert np.sqrt(np.mean(error**2)) < 1.35 * noise
    volume = out.image[truth > 0].sum() / truth[truth > 0].sum()
    assert volume == pytest.approx(1, abs=0.02)
    assert ((truth > 3 * noise) <= out.features).mean() > 0.99


def test_terraces_keep_their_steps(rng: np.random.Generator) -> None:
    y, x = grid(160, 192)
    truth = 2 * NM * np.floor(2.5 * (0.8 * x + 0.3 * y) + 0.3)
    raw = truth + 40 * NM * x - 25 * NM * y + 3 * NM * x**2 + (NM * 0.3 * rng.standard_normal(160))[:, None]
    out = flatten_fit(raw + 0.1 * NM * rng.standard_normal(raw.shape)).image
    levels = [np.median(out[truth == level]) for level in np.unique(truth)]
    np.testing.assert_allclose(np.diff(levels), 2 * NM, rtol=0.02)


def test_pits_and_lost_lines(rng: np.random.Generator) -> None:
    truth = -caps(rng, (128, 128), 0.2, 4 * NM)
    y, x = grid(128, 128)
    raw = truth + 10 * NM * (x - y) + 0.05 * NM * rng.standard_normal((128, 128))
    raw[30:34] = np.nan
    raw[100, :50] = np.nan
    out = flatten_fit(raw)
    assert np.array_equal(np.isnan(out.image), np.isnan(raw))
    assert np.nanmax(np.abs(out.image - truth)) < 0.5 * NM


def test_gain_and_offset_change_nothing_else(rng: np.random.Generator) -> None:
    raw = dirty(rng, (96, 96), coverage=0.4, tilt=5).height
    one, two = flatten_fit(raw), flatten_fit(2 * raw + 3e-6)
    np.testing.assert_allclose(two.image, 2 * one.image, atol=1e-6 * np.ptp(one.image))


@pytest.mark.parametrize("unit", [1e-280, 1e-30, 1e30, 1e280])
def test_heights_of_any_size_are_flattened_alike(rng: np.random.Generator, unit: float) -> None:
    raw = dirty(rng, (64, 64), coverage=0.3, tilt=3).height / NM
    one, other = flatten_fit(raw), flatten_fit(raw * unit)
    np.testing.assert_allclose(other.image / unit, one.image, atol=1e-5 * np.ptp(one.image))
    np.testing.assert_array_equal(other.features, one.features)
    assert other.noise / unit == pytest.approx(one.noise, rel=1e-4)


@pytest.mark.parametrize("shape", [(8, 8), (8, 40), (40, 8), (9, 300)])
@pytest.mark.parametrize("height", [0.0, 3e-9])
def test_a_constant_image_is_flat_at_zero(shape: tuple[int, int], height: float) -> None:
    found = flatten_fit(np.full(shape, height))
    np.testing.assert_allclose(found.image, 0, atol=1e-15 * NM)
    assert not found.features.any()


def test_image_background_and_offsets_add_up_to_the_raw_scan(rng: np.random.Generator) -> None:
    raw = dirty(rng, (64, 80), coverage=0.3, steps=2).height
    found = flatten_fit(raw)
    total = found.image + found.background + found.offsets[:, None]
    np.testing.assert_allclose(total, raw, atol=1e-12 * np.ptp(raw))


def test_more_accurate_than_plane_rows_and_relevel_where_particles_are_dense(rng: np.random.Generator) -> None:
    from sharptip.clean import run

    for seed in range(3):
        d = dirty(np.random.default_rng(seed), (128, 128), kind="spheres", coverage=0.5, steps=0, tilt=3, scars=0.02)
        scan = d.scan()
        error = {name: float(np.std(run(scan, name)["height"].values - d.level)) for name in ("auto", "simple")}
        assert error["auto"] < 0.5 * error["simple"]


def test_the_lowest_well_filled_level_is_the_substrate(rng: np.random.Generator) -> None:
    high, low = rng.normal(5, 0.1, 6000), rng.normal(1, 0.1, 3000)
    found = substrate_of(np.concatenate([high, low]), 0.1)
    assert found.level == pytest.approx(1, abs=0.03)
    assert found.spread == pytest.approx(0.1, rel=0.5)
    assert found.terraces == pytest.approx([5], abs=0.05)
    few = substrate_of(np.concatenate([high, low[:300]]), 0.1)
    assert few.level == pytest.approx(5, abs=0.03), "a few pits are none"


def test_a_wrong_degree_or_shape_is_refused() -> None:
    with pytest.raises(ScanError, match="not -1"):
        flatten(scan_of(np.zeros((8, 8)), NM), degree=-1)
    with pytest.raises(ScanError, match="two axes"):
        flatten_fit(np.zeros((2, 8, 8)))


def test_scars_are_mended_after_it(rng: np.random.Generator) -> None:
    d = dirty(rng, (256, 256), kind="ellipsoids", coverage=0.1, steps=0, tilt=2, scars=0.05, noise=0.02)
    flat = flatten_fit(d.height).image
    mended = without_scars(flat)
    here = d.scars
    before, after = (np.sqrt(np.mean((z - d.surface)[here] ** 2)) for z in (flat, mended))
    assert after < 0.7 * before, "what is long enough to be told from the sample is mended"


@pytest.mark.parametrize("levels", [32, 64, 256])
def test_steps_of_the_converter_on_a_steep_tilt_are_no_terraces(levels: int) -> None:
    rng = np.random.default_rng(levels)
    shape = (128, 160)
    truth = caps(rng, shape, 0.1, 20)
    raw = truth + 3 * np.arange(shape[1]) + rng.normal(0, 1.5, (shape[0], 1)) + rng.normal(0, 0.2, shape)
    step = np.ptp(raw) / (levels - 1)  # 2 to 16, far more than the noise
    found = flatten_fit(step * np.rint(raw / step))
    assert np.std(found.image - truth) < 1.3 * step / np.sqrt(12)  # what digitising costs by itself, and no more
