"""Each artefact against what it is said to be, alone and in the chain."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest

from sharptip.simulate import QUIET, Settings, scan_it, scanner
from sharptip.simulate.surface import self_affine
from sharptip.simulate.tip import dilate, sphere_cone

PIXEL = 2e-9
EVERY = ("drift", "nonlinearity", "tip_change", *scanner.ARTEFACTS)


@pytest.fixture(scope="module")
def surface():
    return self_affine(np.random.default_rng(0), (96, 128), PIXEL, rms=2e-9, correlation_length=16e-9)[0]


def scan(surface, settings, seed=1, **options):
    return scan_it(np.random.default_rng(seed), surface, PIXEL, settings, **options)


def test_a_perfect_instrument_gives_the_surface(surface):
    images, truth, record = scan(surface, QUIET)
    np.testing.assert_array_equal(images["height"], surface)
    np.testing.assert_array_equal(truth["surface"], surface)
    assert not images["height_error"].any()
    assert not any(record[name]["on"] for name in EVERY)


def test_the_tip_and_the_margin_are_seen(surface):
    shape = sphere_cone(6, PIXEL, radius=8e-9, half_angle=0.35)
    images, truth, _ = scan(surface, QUIET, tip=shape, margin=8)
    np.testing.assert_array_equal(images["height"], dilate(surface, shape)[8:-8, 8:-8])
    np.testing.assert_array_equal(truth["surface"], surface[8:-8, 8:-8])


def test_every_artefact_has_a_probability_and_is_recorded(surface):
    on = replace(Settings(), **dict.fromkeys(EVERY, 1.0))
    _, truth, record = scan(surface, on, tip=sphere_cone(4, PIXEL, radius=8e-9, half_angle=0.35))
    assert all(record[name]["on"] for name in EVERY)
    assert json.loads(json.dumps(record)) == record
    for name, known in truth.items():
        assert isinstance(known, np.ndarray), name
    assert {f.name for f in fields(Settings)} >= set(EVERY)


STRONG = replace(
    QUIET,
    drift_velocity=(0.1, 0.1),
    nonlinearity_amplitude=(0.01, 0.01),
    climb=(0.5, 0.6),
    scar_rate=(0.1, 0.1),
    spike_rate=(1e-3, 1e-3),
    saturation_quantile=(0.9, 0.9),
    lost_rate=(0.1, 0.1),
    bits=(8,),
)


@pytest.mark.parametrize("name", EVERY)
def test_each_artefact_changes_the_image_and_no_other_draw(surface, name):
    common = replace(STRONG, line_offsets=1.0, spikes=1.0)
    before, _, one = scan(surface, replace(common, **{name: 0.0}))
    after, _, two = scan(surface, replace(common, **{name: 1.0}))
    assert not np.array_equal(before["height"], after["height"])
    relative = {"walk", "white", "sq"}  # these follow the roughness of the image, which position and tip change
    for other in {"line_offsets", "spikes"} - {name}:
        drawn = [{k: v for k, v in record[other].items() if k not in relative} for record in (one, two)]
        assert drawn[0] == drawn[1]


def test_same_rng_same_scan(surface):
    one, two = (scan(surface, Settings(), seed=5)[0]["height"] for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, scan(surface, Settings(), seed=6)[0]["height"])


def test_lag_is_its_recursion_and_parachutes_downhill():
    z = np.random.default_rng(2).standard_normal((7, 40))
    out = scanner.lag(z, 0.8, 0.3)
    expected = z.copy()
    for row in expected:
        for i in range(1, 40):
            error = row[i] - row[i - 1]
            row[i] = row[i - 1] + (0.8 if error > 0 else 0.3) * error
    np.testing.assert_allclose(out, expected, rtol=1e-12)
    np.testing.assert_allclose(scanner.lag(z, 1.0, 1.0), z, rtol=1e-12)
    box = np.zeros((1, 60))
    box[0, 20:40] = 1.0
    out = scanner.lag(box, 0.7, 0.2)[0]
    np.testing.assert_allclose(out[20:40], 1 - 0.3 ** np.arange(1, 21))
    np.testing.assert_allclose(out[40:], out[39] * 0.8 ** np.arange(1, 21))


@pytest.mark.parametrize("damping", [0.3, 0.5, 0.8])
def test_overshoot_of_a_step_is_that_of_a_damped_oscillator(damping):
    step = np.zeros((2, 4000))
    step[:, 500:] = 1.0
    out = scanner.ringing(step, damping, period=200.0)
    expected = np.exp(-np.pi * damping / np.sqrt(1 - damping**2))
    assert out.max() - 1 == pytest.approx(expected, rel=0.05)
    assert out[0, -1] == pytest.approx(1.0, abs=1e-6)
    level = np.full((2, 50), 3.0)
    np.testing.assert_allclose(scanner.ringing(level, damping, 8.0), level)


def test_drift_shears_the_image_as_recorded(surface):
    on = replace(QUIET, drift=1.0, drift_velocity=(0.05, 0.05), creep=(0.0, 0.0))
    _, truth, record = scan(surface, on)
    rows, columns = np.mgrid[:96, :128]
    way = 0.05 * np.arange(96)[:, None]
    np.testing.assert_allclose(truth["position"][0], rows + way * np.sin(record["drift"]["angle"]))
    np.testing.assert_allclose(truth["position"][1], columns + way * np.cos(record["drift"]["angle"]))
    creeping = replace(on, drift_velocity=(0.0, 0.0), creep=(2.0, 2.0))
    position = scan(surface, creeping)[1]["position"] - np.stack([rows, columns])
    length = np.hypot(*position[:, :, 0])
    assert length[0] == 0
    assert length[-1] == pytest.approx(2 * np.log10(1 + 95 / 0.96))


def test_nonlinearity_is_a_half_wave_along_the_line(surface):
    _, truth, record = scan(surface, replace(QUIET, nonlinearity=1.0))
    off = truth["position"][1] - np.arange(128)
    np.testing.assert_allclose(
        off[3], record["nonlinearity"]["amplitude"] * np.sin(np.pi * np.arange(128) / 128), atol=1e-9
    )
    assert record["nonlinearity"]["amplitude"] <= 0.02 * 128


def test_what_is_added_is_what_the_truth_says(surface):
    images, truth, _ = scan(surface, replace(QUIET, background=1.0, line_offsets=1.0))
    left = images["height"] - truth["background"] - truth["line_offsets"][:, None]
    np.testing.assert_allclose(left, surface, atol=1e-20)


def test_scars_spikes_and_saturation_are_where_the_truth_says(surface):
    settings = replace(QUIET, scars=1.0, scar_rate=(0.1, 0.1), spikes=1.0, spike_rate=(1e-3, 1e-3))
    images, truth, record = scan(surface, settings)
    moved = images["height"] != surface
    assert (moved <= (truth["scars"] | truth["spikes"])).all()
    assert moved.sum() > 0.9 * (truth["scars"] | truth["spikes"]).sum()
    assert record["spikes"]["number"] >= truth["spikes"].sum() > 0
    images, truth, record = scan(surface, replace(QUIET, saturation=1.0, saturation_quantile=(0.8, 0.8)))
    assert truth["saturated"].mean() == pytest.approx(0.2, abs=0.01)
    assert images["height"].max() == record["saturation"]["ceiling"]


def test_lost_lines_are_missing_whole(surface):
    images, truth, _ = scan(surface, replace(QUIET, lost_lines=1.0, lost_rate=(0.2, 0.2)))
    assert np.array_equal(np.isnan(images["height"]).all(axis=1), truth["lost_lines"])
    assert truth["lost_lines"].any()
    assert np.array_equal(np.isnan(images["height"]).any(axis=1), truth["lost_lines"])


def test_noise_is_as_strong_as_recorded_and_white_or_one_over_f():
    flat = np.zeros((256, 256))
    rng = np.random.default_rng(3)
    out, drawn, _ = scanner.noise(rng, flat, 1e-9, replace(Settings(), white=(0.1, 0.1), flicker=(0.0, 0.0)))
    assert out.std() == pytest.approx(drawn["white"], rel=0.02) == pytest.approx(1e-10, rel=0.02)
    pink = scanner.one_over_f(rng, 2**18)
    assert pink.std() == pytest.approx(1.0)
    power = np.abs(np.fft.rfft(pink)) ** 2
    octaves = [power[2**k : 2 ** (k + 1)].sum() for k in range(6, 16)]  # equal power in each
    assert max(octaves) / min(octaves) < 1.6


def test_hum_has_the_mains_frequency(surface):
    settings = replace(QUIET, hum=1.0, hum_amplitude=(50.0, 50.0), line_time=0.25)
    images, _, record = scan(surface, settings)
    line = images["height"][10] - images["height"][10].mean()
    peak = np.abs(np.fft.rfft(line)).argmax() / 0.25
    assert abs(peak - record["hum"]["frequency"]) <= 4.0


def test_quantisation_leaves_as_many_levels_as_bits_allow(surface):
    images, _, record = scan(surface, replace(QUIET, quantisation=1.0, bits=(5,)))
    assert len(np.unique(images["height"])) == 32
    assert np.abs(images["height"] - surface).max() <= record["quantisation"]["step"] / 2 * (1 + 1e-9)


def test_a_tip_change_leaves_the_lines_before_it(surface):
    shape = sphere_cone(4, PIXEL, radius=8e-9, half_angle=0.35)
    images, _, record = scan(surface, replace(QUIET, tip_change=1.0), tip=shape)
    plain, line = dilate(surface, shape), record["tip_change"]["line"]
    np.testing.assert_array_equal(images["height"][:line], plain[:line])
    after = images["height"][line:] - record["tip_change"]["step"]
    assert (after >= plain[line:] - 1e-20).all()  # a second apex can only lift the tip
    assert (after > plain[line:] + 1e-12).any()
