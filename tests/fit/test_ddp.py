"""Two CPU processes learn what one does."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from sharptip.core.errors import ModelError
from sharptip.fit.distributed import check_equal, free_port, train_distributed
from sharptip.fit.engine import Group
from sharptip.fit.loop import binary_loss, evaluate, train
from sharptip.nets import build

CONFIG = {"kind": "ConvClassifier", "filters": [3, 4], "dense": [8], "size": 22}


def tiles(epoch, rng):
    """Batches of 12, 12, 7 and 1: shares of unequal size, and one process with nothing."""
    for n in (12, 12, 7, 1):
        y = rng.integers(0, 2, n)
        x = rng.normal(0, 0.3, (n, 1, 22, 22)) + (2 * y - 1)[:, None, None, None]
        yield x.astype(np.float32), y.astype(np.float32)


def make_batches():
    return tiles


def judge(net):
    return evaluate(net, tiles(0, np.random.default_rng(99)), binary_loss)


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Started processes find this file by its name, however pytest itself was started."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))


def test_two_processes_equal_one():
    """train_distributed itself refuses ranks that differ; against one process only rounding may."""
    options = {"lr": 3e-3, "weight_decay": 0.01, "l2": 1e-3, "seed": 4}
    two, history = train_distributed(
        partial(build, CONFIG, seed=1),
        make_batches,
        binary_loss,
        epochs=3,
        processes=2,
        device="cpu",
        validate=judge,
        options=options,
    )
    one = build(CONFIG, seed=1)
    alone = train(one, tiles, binary_loss, epochs=3, device="cpu", validate=partial(judge, one), **options)
    assert (history.processes, alone.processes) == (2, 1)
    assert history.accuracy == alone.accuracy
    assert history.loss == pytest.approx(alone.loss, rel=1e-4)
    assert history.val_loss == pytest.approx(alone.val_loss, rel=1e-3)
    start = build(CONFIG, seed=1).state_dict()
    for name, p in one.state_dict().items():
        torch.testing.assert_close(two.state_dict()[name], p, rtol=1e-3, atol=1e-5)
        assert not torch.equal(start[name], p)


def differ(rank, port):
    """Two processes with different weights must be found out, in both."""
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    check_equal(build(CONFIG, seed=1))
    with pytest.raises(ModelError, match="different weights"):
        check_equal(build(CONFIG, seed=rank))
    dist.destroy_process_group()


def test_different_weights_are_found_out():
    spawn(differ, args=(free_port(),), nprocs=2)


def test_shares_are_a_partition():
    x = torch.arange(7)
    parts = [Group(rank, 3).share(x) for rank in range(3)]
    assert sorted(torch.cat(parts).tolist()) == list(range(7))
    assert Group().share(x).tolist() == list(range(7))


def test_what_cannot_travel_is_refused():
    with pytest.raises(ModelError, match="groups hold"):
        train_distributed(partial(build, CONFIG), make_batches, binary_loss, epochs=1, options={"groups": []})
