"""Are tiles where they should be, and do symmetries and distortions do what they say?"""

import numpy as np
import pytest
import torch

from sharptip.data import four_tiles, resample, tiles_of
from sharptip.data.augment import DISTORTIONS, REVIEW_SIX, SYMMETRIES, apply_symmetries
from sharptip.data.batches import Batches


def test_four_tiles_are_the_quarters_and_share_no_pixel():
    image = np.arange(8 * 10).reshape(8, 10)
    tiles = four_tiles(image)
    assert tiles.shape == (4, 4, 5)
    assert len(np.unique(tiles)) == tiles.size
    assert tiles[3, 0, 0] == image[4, 5]


@pytest.mark.parametrize(("shape", "n"), [((512, 512), 4), ((511, 257), 1), ((100, 300), 1), ((1, 1), 1)])
def test_tiles_have_their_size_whatever_the_image(shape, n):
    tiles = tiles_of(np.random.default_rng(0).normal(size=shape), 256)
    assert tiles.shape == (n, 256, 256)


def test_resampling_keeps_the_scene():
    y, x = np.mgrid[0:120, 0:160]
    image = np.sin(x / 9) + np.cos(y / 11)
    half = resample(image, (1.0, 1.0), (2.0, 2.0))
    assert half.shape == (60, 80)
    assert np.allclose(half, image.reshape(60, 2, 80, 2).mean(axis=(1, 3)))
    odd = resample(image, (1.0, 1.0), (1.5, 1.5))
    yy, xx = np.mgrid[0:80, 0:106] * 1.5 + 0.25
    want = np.sin(xx / 9) + np.cos(yy / 11)
    assert np.abs(odd[5:75, 5:100] - want[5:75, 5:100]).max() < 0.03


def test_the_eight_symmetries_are_different_and_undo():
    x = torch.randn(1, 1, 5, 5)
    seen = [SYMMETRIES[name](x) for name in SYMMETRIES]
    assert all(not torch.equal(a, b) for i, a in enumerate(seen) for b in seen[:i])
    assert torch.equal(SYMMETRIES["rot270"](SYMMETRIES["rot90"](x)), x)


def test_each_tile_gets_its_own_symmetry():
    x = torch.randn(6, 1, 4, 4)
    out = apply_symmetries(x, np.arange(6), REVIEW_SIX)
    for i, name in enumerate(REVIEW_SIX):
        assert torch.equal(out[i], SYMMETRIES[name](x[i : i + 1])[0])


@pytest.mark.parametrize("name", sorted(DISTORTIONS))
def test_distortions_change_tiles_repeatably_and_leave_their_input(name):
    x = torch.randn(5, 1, 64, 64)
    before = x.clone()
    a = DISTORTIONS[name](x, np.random.default_rng(1))
    b = DISTORTIONS[name](x, np.random.default_rng(1))
    assert torch.equal(x, before)
    assert torch.equal(a, b)
    assert a.shape == x.shape
    assert torch.isfinite(a).all()
    assert not torch.allclose(a, x)


def test_the_review_s_epoch_is_every_tile_under_every_symmetry():
    x, y = torch.randn(10, 1, 4, 4), torch.arange(10.0)
    batches = Batches(x, y, 24, REVIEW_SIX)
    seen = list(batches(0, np.random.default_rng(0)))
    assert [len(b[0]) for b in seen] == [24, 24, 12]
    labels = torch.cat([b[1] for b in seen])
    assert torch.equal(labels.sort().values, y.repeat_interleave(6))
    again = list(batches(0, np.random.default_rng(0)))
    assert all(torch.equal(a[0], b[0]) for a, b in zip(seen, again, strict=True))


def test_batches_leave_the_tiles_as_they_were():
    x = torch.randn(8, 1, 32, 32)
    before = x.clone()
    for _ in Batches(x, torch.zeros(8), 3, REVIEW_SIX, tuple(DISTORTIONS), copies="one")(0, np.random.default_rng(0)):
        pass
    assert torch.equal(x, before)
