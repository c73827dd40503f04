"""A quiet image is a mean of heights that were measured; what is left is noise."""

import numpy as np
import pytest
import torch

from sharptip.nets.kernel_denoiser import FAR_ONES, ITSELF, NEAR_ONES, KernelDenoiser, around, bend, box, squeezed


@pytest.fixture
def net():
    torch.manual_seed(0)
    return KernelDenoiser((8, 8)).eval()


def asked(net, z):
    with torch.inference_mode():
        return net(z, torch.zeros_like(z))


def test_a_pixel_weighs_itself_its_neighbours_and_means_further_out():
    z = torch.arange(400.0).reshape(1, 20, 20)
    near = around(z)
    assert near.shape == (1, NEAR_ONES + FAR_ONES, 20, 20)
    assert torch.equal(near[:, ITSELF], z)
    assert near[0, ITSELF + 1, 10, 10] == z[0, 10, 11]
    assert near[0, NEAR_ONES, 10, 10] == pytest.approx(float(z[0, 4, 4]))  # a mean over 3 × 3 of a plane


def test_before_it_has_learned_it_is_a_bilateral_filter(net):
    torch.manual_seed(1)
    step = 30.0 * (torch.arange(64) > 31).float().expand(1, 64, 64)
    noise = torch.randn(1, 64, 64)
    left = noise - asked(net, step + noise)
    assert left.std() < 0.7 * noise.std()
    assert left[:, :, 30:34].abs().max() < 5  # nothing of the step, which is thirty high


def test_it_follows_gain_and_offset_and_stays_between_the_heights(net):
    torch.manual_seed(2)
    z = torch.randn(1, 33, 47).cumsum(2)
    quiet = z - asked(net, z)
    assert torch.allclose(1000 * z - asked(net, 1000 * z + 7) + 7, 1000 * quiet + 7, atol=0.05)
    assert z.min() <= quiet.min()
    assert quiet.max() <= z.max()
    assert not asked(net, torch.full((1, 20, 20), 3.0)).any()


def test_the_scale_of_white_noise():
    torch.manual_seed(3)
    z = 0.3 * torch.randn(2, 64, 64)
    for axis, apart in ((1, 1), (0, 2)):
        assert torch.allclose(bend(z, axis, apart), torch.tensor(0.3), rtol=0.1)
    assert not bend(z[:, :3], 0, 2).any()  # too few lines to tell


def test_helpers():
    z = torch.linspace(-50, 50, 101)
    np.testing.assert_allclose(squeezed(z), np.arcsinh(z.numpy()), atol=1e-6)
    assert torch.allclose(box(torch.ones(1, 9, 7), 2), torch.ones(1, 9, 7))


def test_it_learns():
    torch.manual_seed(4)
    net = KernelDenoiser((8, 8))
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    surface = torch.sin(x / 6) + torch.cos(y / 5)

    def left(seed):
        noise = 0.3 * torch.randn(4, 32, 32, generator=torch.Generator().manual_seed(seed))
        return (net(surface + noise, torch.zeros_like(noise)) - noise).square().mean() / 0.09

    before = float(left(99).detach())
    for step in range(40):
        optimiser.zero_grad()
        left(step).backward()
        optimiser.step()
    assert float(left(99).detach()) < 0.8 * before
