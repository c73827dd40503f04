"""The weights are the network's; what follows from them is exact."""

import pytest
import torch

from sharptip.nets import Decomposer, build, n_params
from sharptip.nets.decomposer import PARTS, decomposition_loss, fold, unfold
from sharptip.nets.levelling import (
    Form,
    axis,
    heights_of,
    nearest,
    roughly_level,
    solve,
    split,
    standard,
    unless_worse,
)

H, W = 33, 41
NONE = torch.zeros(2, 0, H, W, dtype=torch.float64)  # terraces


def made(offsets, tilts, c):
    u, v = axis(W, offsets), axis(H, offsets)
    bend = c[:, 0, None, None] * u + c[:, 1, None, None] * u * v[:, None] + c[:, 2, None, None] * u * u
    return offsets[..., None] + tilts[..., None] * u + bend


@pytest.fixture(scope="module")
def drawn():
    torch.manual_seed(0)
    offsets, tilts, c = (torch.randn(2, n, dtype=torch.float64) for n in (H, H, 3))
    return made(offsets, 0 * tilts, c), offsets, c


def test_least_squares_finds_lines_and_background_beside_particles(drawn):
    z, *_ = drawn
    bare = torch.rand(2, H, W) > 0.6
    raised = z + torch.where(bare, 0.0, 5 * torch.rand(2, H, W, dtype=torch.float64))
    one = bare.double()
    found = made(*solve(raised, one, 0 * one, 0 * one, NONE)[:3])
    assert torch.allclose(found, z, atol=1e-3)


def test_a_line_without_any_substrate_follows_its_neighbours(drawn):
    z, *_ = drawn
    raised, one = z.clone(), torch.ones_like(z)
    raised[:, 10:20] += 3.0  # a terrace over whole lines: nothing of these ten is substrate
    level, following = one.clone(), one.clone()
    level[:, 10:20] = 0
    following[:, 9] = following[:, 19] = 0
    following[:, 9, 0] = following[:, 19, 0] = 1e-6
    again = made(*solve(raised, level, following, one, NONE)[:3])
    assert torch.allclose(again[:, :10], z[:, :10], atol=1e-3)
    steps = again[:, 11:20].mean(2) - again[:, 10:19].mean(2)
    assert torch.allclose(steps, z[:, 11:20].mean(2) - z[:, 10:19].mean(2), atol=1e-3)


def test_slopes_further_on_level_what_has_no_zero(drawn):
    z, *_ = drawn
    one = torch.ones_like(z)
    found = made(*solve(z + 7.0, 1e-9 * one, one, one, NONE)[:3])
    off = found - z
    assert (off - off.mean((1, 2), keepdim=True)).abs().max() < 1e-2


def test_heights_of_terraces_are_found_with_the_lines_and_the_background(drawn):
    z, *_ = drawn
    on = torch.zeros(2, 2, H, W, dtype=torch.float64)
    on[:, 0, :, 15:25], on[0, 1, 20:, 30:] = 1, 1  # the second scan has one terrace only
    raised = z + 3.0 * on[:, 0] - 1.5 * on[:, 1]
    *form, heights = solve(raised, torch.ones_like(z), 0 * z, 0 * z, on)
    assert torch.allclose(made(*form), z, atol=1e-3)
    assert torch.allclose(heights, torch.tensor([[3.0, -1.5], [3.0, 0.0]], dtype=torch.float64), atol=1e-3)


def test_terraces_are_read_off_and_pixels_laid_on_the_nearest():
    ground = torch.tensor([[[0.0, 2.0], [5.0, 2.0]], [[0.0, 0.0], [0.0, 0.0]]])
    heights = heights_of(ground)
    assert heights[0, :2].tolist() == [2.0, 5.0]
    assert torch.isinf(heights[0, 2:]).all()
    assert torch.isinf(heights[1]).all()
    assert torch.equal(nearest(ground + torch.tensor([0.9, -0.9]), heights)[0], ground[0])


def test_a_levelling_that_bends_terraces_is_not_taken():
    torch.manual_seed(1)
    y = torch.linspace(-1, 1, 40)
    ground = 4.0 * (y > 0).float().expand(1, 40, 40)
    z = ground + 0.1 * torch.randn(1, 40, 40)
    flat = Form(torch.zeros(1, 40), torch.zeros(1, 40), torch.zeros(1, 3), heights_of(ground))
    bent = flat._replace(polynomial=torch.tensor([[1.0, 0.0, 0.5]]))
    assert unless_worse(z, bent, flat).polynomial.abs().max() == 0
    assert torch.equal(unless_worse(z, flat, bent).polynomial, flat.polynomial)
    nothing = bent._replace(heights=torch.full_like(bent.heights, torch.inf))
    assert torch.equal(unless_worse(z, nothing, flat._replace(heights=nothing.heights)).polynomial, bent.polynomial)


def test_it_starts_from_a_first_answer():
    torch.manual_seed(2)
    z = torch.randn(2, 48, 48)
    taken = made_like(torch.randn(2, 48), torch.randn(2, 3), 48)
    x = torch.stack([z + 50 * taken, 50 * taken, torch.zeros_like(z)], 1)
    net = Decomposer(widths=(4, 6), passes=1, seed=0).eval()
    with torch.inference_mode():
        given, itself = net(x)[:, 0], net(torch.stack([z, 0 * z, 0 * z], 1))[:, 0]
    assert torch.allclose(given, itself, atol=2e-3)


def made_like(offsets, c, w):
    return Form(offsets, torch.zeros_like(offsets), c, torch.zeros(len(c), 0)).image(w)


def test_the_rough_levelling_has_the_form_that_is_solved_for(drawn):
    z, *_ = drawn
    taken = z - roughly_level(z)
    assert torch.allclose(made(*split(taken)), taken, atol=1e-9)


def test_the_standard_form_is_the_same_sum(drawn):
    z, offsets, c = drawn
    tilts = torch.randn_like(offsets)
    background, own, lean = standard(offsets, tilts, c, W)
    u, v = axis(W, z), axis(H, z)
    total = background + own[..., None] + lean[..., None] * u
    assert torch.allclose(total, made(offsets, tilts, c), atol=1e-9)
    for power in (torch.ones_like(v), v, v * v):
        assert (own @ power).abs().max() < 1e-9  # nothing of second degree is left in the lines
    assert (lean.sum(1)).abs().max() < 1e-9


def test_folding_and_unfolding():
    x = torch.randn(2, 3, 5, 8)
    assert torch.equal(unfold(fold(x)), x)
    assert torch.equal(fold(x)[0, :4, 2, 1], x[0, 0, 2, 4:8])


@pytest.mark.parametrize("shape", [(16, 16), (97, 131), (40, 16), (31, 64)])
def test_the_parts_add_up_for_any_size(shape):
    net = Decomposer(widths=(4, 6), seed=0).eval()
    x = torch.randn(2, 1, *shape).cumsum(2)
    with torch.inference_mode():
        parts = net(x)
    assert parts.shape == (2, len(PARTS), *shape)
    height, background, offsets, tilts, noise, scar, substrate = parts.unbind(1)
    total = height + background + offsets + tilts * axis(shape[1], x)
    assert torch.allclose(total, x[:, 0], atol=1e-4)
    assert torch.equal(offsets[..., 0], offsets[..., -1])
    assert torch.isfinite(noise).all()
    for p in (scar, substrate):
        assert 0 <= p.min() <= p.max() <= 1


def test_gain_and_plane_do_not_matter():
    net = Decomposer(widths=(4, 6), seed=0).eval()
    x = torch.randn(1, 1, 48, 48)
    plane = 30 * axis(48, x) - 20 * axis(48, x)[:, None]
    with torch.inference_mode():
        once, twice, tilted = (net(z)[:, 0] for z in (x, 4 * x, x + plane))
    assert torch.allclose(twice, 4 * once, atol=1e-4)
    assert torch.allclose(tilted, once, atol=1e-3)


def test_a_flat_scan_stays_flat_and_a_small_one_is_refused():
    net = Decomposer(widths=(4, 6), seed=0).eval()
    with torch.inference_mode():
        assert not net(torch.zeros(1, 1, 20, 20))[:, :5].any()
    with pytest.raises(ValueError, match="16 pixels"):
        net(torch.zeros(1, 1, 1, 300))


def test_it_is_built_again_from_its_card_and_learns():
    net = Decomposer(widths=(4, 6), seed=0)
    again = build(net.config, seed=0)
    assert n_params(again) == n_params(net)
    truth = torch.randn(2, 7, 32, 32)
    truth[:, 5], truth[:, 6] = 0, 1
    loss = decomposition_loss(net(torch.randn(2, 1, 32, 32)), truth)
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


def test_weights_without_a_denoiser_begin_a_network_that_has_one():
    quiet = Decomposer(widths=(4, 6), noise=False, seed=0)
    assert not quiet.eval()(torch.randn(1, 1, 32, 32))[:, 4].any()
    both = Decomposer(widths=(4, 6), seed=1)
    own = both.denoiser.first.weight.clone()
    both.load_state_dict(quiet.state_dict())
    assert torch.equal(both.stem.weight, quiet.stem.weight)
    assert torch.equal(both.denoiser.first.weight, own)
