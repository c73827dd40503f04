"""Do the networks for frames and lines keep their shapes, look along the lines, and never look ahead?"""

import numpy as np
import pytest
import torch

from sharptip.nets import Ensemble, FrameClassifier, LineClassifier, build
from sharptip.nets.frame_classifier import local_contrast, running_mean


@pytest.mark.parametrize("net", [FrameClassifier(outputs=3, width=4, seed=0), LineClassifier(outputs=3, width=4, seed=0)])
def test_rebuilt_from_its_config(net):
    x = torch.randn(2, 1, 40, 48, generator=torch.Generator().manual_seed(0))
    again = build(net.config)
    again.load_state_dict(net.state_dict())
    assert torch.equal(net.eval()(x), again.eval()(x))
    found = net.activations(x)
    assert list(found) == net.layer_names()
    with pytest.raises(ValueError, match="no layer is called 'conv9'"):
        net.activations(x, ["conv9"])


@pytest.mark.parametrize("shape", [(16, 16), (17, 31), (96, 96), (61, 128)])
def test_frames_of_any_size(shape):
    net = FrameClassifier(outputs=5, width=4).eval()
    out = net.activations(torch.randn(2, 1, *shape))
    assert out["output"].shape == (2, 5)
    assert out["embedding"].shape == (2, net.embedding_size)


def test_lines_do_not_see_lines_to_come():
    net = LineClassifier(outputs=4, width=8, seed=1).eval()
    x = torch.randn(3, 1, 50, 64, generator=torch.Generator().manual_seed(0))
    whole = net(x)
    assert whole.shape == (3, 50, 4)
    for n in (1, 5, 23, 49):
        assert torch.allclose(net(x[:, :, :n]), whole[:, :n], atol=1e-5)
    changed = x.clone()
    changed[:, :, 30:] = 7
    assert torch.allclose(net(changed)[:, :30], whole[:, :30], atol=1e-5)
    assert not torch.allclose(net(changed)[:, 30:], whole[:, 30:], atol=1e-2)


def test_running_mean_is_a_mean():
    x = torch.arange(10.0).view(1, 1, 1, 10)
    expected = [np.mean([j for j in range(10) if abs(i - j) <= 2]) for i in range(10)]
    assert torch.allclose(running_mean(x, 5, 3).flatten(), torch.tensor(expected, dtype=torch.float32))


def test_local_contrast_shows_a_faint_lattice_beside_a_bright_defect():
    y, x = np.mgrid[:64, :64]
    lattice = 0.01 * np.sin(1.5 * x)
    image = lattice + np.exp(-((x - 10) ** 2 + (y - 10) ** 2) / 20)
    seen = local_contrast(torch.tensor(image[None, None], dtype=torch.float32))[0, 0].numpy()
    corner = (slice(40, 60), slice(40, 60))
    assert np.corrcoef(seen[corner].ravel(), lattice[corner].ravel())[0, 1] > 0.95
    assert seen[corner].std() > 0.1
    twice = local_contrast(torch.tensor(2 * image[None, None], dtype=torch.float32))[0, 0].numpy()
    np.testing.assert_allclose(twice, seen, atol=1e-3)


def test_an_ensemble_is_the_mean_of_its_members():
    members = [FrameClassifier(outputs=2, width=4, seed=i).eval() for i in range(3)]
    net, x = Ensemble(members, (2,)).eval(), torch.randn(4, 1, 32, 32)
    mean = sum(m(x) for m in members) / 3
    assert torch.allclose(net(x), mean, atol=1e-6)
    net.calibrate(np.array([2.0, 0.5]), np.array([0.0, 1.0]))
    assert torch.allclose(net(x), mean * torch.tensor([2.0, 0.5]) + torch.tensor([0.0, 1.0]), atol=1e-5)


def test_an_ensemble_by_lines_takes_the_last_calibration_beyond_those_it_knows():
    net = Ensemble([LineClassifier(outputs=1, width=4, seed=0).eval()], (10, 1)).eval()
    slope = np.linspace(1, 2, 10)[:, None]
    net.calibrate(slope, np.zeros((10, 1)))
    x = torch.randn(2, 1, 15, 48)
    raw = net.members[0](x)
    assert torch.allclose(net(x)[:, :10], raw[:, :10] * torch.tensor(slope, dtype=torch.float32), atol=1e-5)
    assert torch.allclose(net(x)[:, 10:], raw[:, 10:] * 2, atol=1e-5)


class Through(torch.nn.Module):
    """A network whose embedding is what it is shown."""

    embedding_size = 6

    def activations(self, x, names):
        return {"embedding": x}


def test_strangeness_is_one_at_the_edge_of_the_unseen():
    generator = torch.Generator().manual_seed(0)
    spread = torch.tensor([10.0, 3.0, 1.0, 0.3, 0.1, 0.1])
    shown = spread * torch.randn(3000, 6, generator=generator) + 5
    net = Ensemble([Through()], (1,))
    net.know(shown[:1000], shown[1000:2000])
    assert float((net.strangeness(shown[2000:]) > 1).float().mean()) == pytest.approx(0.01, abs=0.008)
    far = torch.full((1, 6), 5.0)
    along = far + torch.tensor([10.0, 0, 0, 0, 0, 0])  # one standard deviation
    across = far + torch.tensor([0, 0, 0, 0, 0, 10.0])  # a hundred of them
    assert net.strangeness(along) < 0.5
    assert net.strangeness(across) > 20


def test_an_ensemble_without_an_embedding_finds_nothing_strange():
    net = Ensemble([LineClassifier(outputs=1, width=4)], (8, 1))
    assert net.strangeness(torch.randn(3, 1, 8, 48)).tolist() == [0, 0, 0]
