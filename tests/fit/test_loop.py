"""The loop: repeatable, stoppable, resumable to the bit, and it says when numbers go wrong."""

import json
from functools import partial

import numpy as np
import pytest
import torch

from sharptip.core.errors import ModelError
from sharptip.fit.engine import effective_precision, has_fast_bf16, keep_memory
from sharptip.fit.loop import History, binary_loss, class_loss, cosine, evaluate, train
from sharptip.nets import ConvClassifier, DeepNet, discriminative_groups, freeze_until

CPU = torch.device("cpu")


def tiles(epoch, rng, n=48, batch=12, size=22, noise=0.3):
    """Bright tiles or dark ones: learned in a few epochs."""
    for _ in range(n // batch):
        y = rng.integers(0, 2, batch)
        x = rng.normal(0, noise, (batch, 1, size, size)) + (2 * y - 1)[:, None, None, None]
        yield x.astype(np.float32), y.astype(np.float32)


def net(**options):
    return ConvClassifier(**{"filters": (3, 4), "dense": (8,), "size": 22, "dropout": 0.2, "seed": 1, **options})


run = partial(train, loss=binary_loss, device="cpu")
held_out = list(tiles(0, np.random.default_rng(99)))


def weights(net):
    return {k: v.clone() for k, v in net.state_dict().items()}


def same(a, b):
    return all(torch.equal(a[k], b[k]) for k in a)


def test_learns_and_stops_at_accuracy():
    model = net()
    history = run(model, tiles, epochs=30, lr=3e-3, stop_at_accuracy=0.96)
    assert history.stopped == "accuracy"
    assert history.accuracy[-1] >= 0.96 > max(history.accuracy[:-1])
    assert len(history.loss) == len(history.seconds) < 30
    found = evaluate(model, held_out, binary_loss)
    assert found["accuracy"] > 0.9
    assert found["n"] == 48
    assert not model.training


def test_same_seed_same_weights_and_luck_of_others_untouched():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    a, b, c = net(), net(), net()
    run(a, tiles, epochs=2, seed=3)
    run(b, tiles, epochs=2, seed=3)
    run(c, tiles, epochs=2, seed=4)
    assert same(weights(a), weights(b))
    assert not same(weights(a), weights(c))
    assert torch.equal(torch.rand(1), expected)


def test_step_equals_plain_torch():
    """Three epochs against the loop that everyone writes."""
    ours, plain = net(dropout=0), net(dropout=0)
    run(ours, tiles, epochs=3, seed=2)
    adam = torch.optim.Adam(plain.parameters(), lr=1e-3)
    for epoch in range(3):
        for x, y in tiles(epoch, np.random.default_rng([2, epoch])):
            adam.zero_grad()
            torch.nn.BCEWithLogitsLoss()(plain(torch.tensor(x))[:, 0], torch.tensor(y)).backward()
            adam.step()
    for k, v in weights(plain).items():
        torch.testing.assert_close(ours.state_dict()[k], v, rtol=1e-4, atol=1e-6)


class Killed(Exception):
    pass


def kill_after(k, history):
    if len(history.loss) == k:
        raise Killed


@pytest.mark.parametrize("k", [1, 3])
def test_interrupted_run_resumes_to_the_bit(tmp_path, k):
    options = {"epochs": 5, "lr": 3e-3, "weight_decay": 0.01, "schedule": cosine(5), "patience": 9, "seed": 6}
    whole, cut, again = net(norm="batch"), net(norm="batch"), net(norm="batch", seed=77)

    def judged(model):
        return lambda: evaluate(model, held_out, binary_loss)

    expected = run(whole, tiles, validate=judged(whole), **options)
    state = tmp_path / "run.safetensors"
    with pytest.raises(Killed):
        run(cut, tiles, validate=judged(cut), on_epoch=partial(kill_after, k), state=state, **options)
    history = run(again, tiles, validate=judged(again), state=state, **options)
    assert same(weights(whole), weights(again))
    assert (history.loss, history.val_loss, history.lr) == (expected.loss, expected.val_loss, expected.lr)
    finished = net(norm="batch")
    assert run(finished, tiles, validate=judged(finished), state=state, **options).loss == expected.loss
    assert same(weights(whole), weights(finished))
    assert [p.name for p in tmp_path.iterdir()] == ["run.safetensors"]


def test_finished_run_goes_on_when_more_epochs_are_asked_for(tmp_path):
    whole, parts = net(), net()
    run(whole, tiles, epochs=3)
    run(parts, tiles, epochs=1, state=tmp_path / "run.safetensors")
    assert len(run(parts, tiles, epochs=3, state=tmp_path / "run.safetensors").loss) == 3
    assert same(weights(whole), weights(parts))


def test_state_of_another_run_is_refused(tmp_path):
    state = tmp_path / "run.safetensors"
    run(net(), tiles, epochs=1, state=state)
    with pytest.raises(ModelError, match="seed was 0, is 1"):
        run(net(), tiles, epochs=2, seed=1, state=state)
    with pytest.raises(ModelError, match="another network"):
        run(net(filters=(5, 4)), tiles, epochs=2, state=state)
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(ModelError, match="cannot be read as a training state"):
        run(net(), tiles, epochs=2, state=state)


def test_patience_keeps_the_best():
    model, told = net(), iter([0.5, 0.3, 0.4, 0.35, 0.2])
    seen = []

    def validate():
        seen.append(weights(model))
        return {"loss": next(told), "accuracy": 0.5}

    history = run(model, tiles, epochs=9, validate=validate, patience=2)
    assert history.stopped == "patience"
    assert history.val_loss == [0.5, 0.3, 0.4, 0.35]
    assert history.best_epoch == 1
    assert same(weights(model), seen[1])
    assert not same(weights(model), seen[-1])
    with pytest.raises(ModelError, match="give validate="):
        run(net(), tiles, epochs=1, patience=2)


def test_penalties_shrink_weights_not_biases():
    def size(model):
        return sum(float(p.detach().square().sum()) for p in model.parameters() if p.ndim > 1)

    free, decayed, l2, l1 = (net(dropout=0) for _ in range(4))
    run(free, tiles, epochs=3)
    run(decayed, tiles, epochs=3, weight_decay=5.0)
    run(l2, tiles, epochs=3, l2=0.1)
    run(l1, tiles, epochs=3, l1=0.1)
    assert max(map(size, (decayed, l2, l1))) < 0.97 * size(free)
    still = net()
    still.conv1.bias.data[:] = 1.0
    run(still, partial(tiles, n=12), epochs=1, lr=1e-9, weight_decay=1e8)  # decay 0.1 a step, gradient 1e-9
    assert torch.allclose(still.conv1.bias, torch.ones(3), atol=1e-6)
    assert size(still) == pytest.approx(0.9**2 * size(net()), rel=1e-4)


def test_frozen_and_discriminative():
    model = net()
    freeze_until(model, "conv2")
    before = weights(model)
    run(model, tiles, epochs=1, groups=discriminative_groups(model, lr=1e-3, factor=0.1))
    after = weights(model)
    assert torch.equal(before["conv1.weight"], after["conv1.weight"])

    def moved(k):
        return (after[k] - before[k]).abs().mean()

    assert moved("conv2.weight") < 0.1 * moved("output.weight")  # 0.01 of its rate; Adam's steps are of the rate's size
    model.requires_grad_(False)
    with pytest.raises(ModelError, match="frozen"):
        run(model, tiles, epochs=1)


def test_bad_numbers_are_named():
    def poisoned(epoch, rng):
        for x, y in tiles(epoch, rng):
            yield (x * np.nan if epoch == 1 else x), y

    with pytest.raises(ModelError, match=r"loss is nan in epoch 1 at a learning rate of 0\.002"):
        run(net(), poisoned, epochs=3, lr=0.002)
    with pytest.raises(ModelError, match="batches gave none"):
        run(net(), lambda epoch, rng: [], epochs=1)


def test_classes_and_regression():
    def vectors(epoch, rng, regress=False):
        for _ in range(20):
            x = rng.normal(size=(32, 4)).astype(np.float32)
            yield (x, x[:, :1] * 2) if regress else (x, x[:, :3].argmax(1))

    model = DeepNet(4, (32, 32), outputs=3, seed=0)
    history = train(model, vectors, class_loss, epochs=8, lr=1e-2, device="cpu")
    assert history.accuracy[-1] > 0.9 > history.accuracy[0]
    model = DeepNet(4, (32, 32), seed=0)
    values = partial(vectors, regress=True)
    history = train(model, values, torch.nn.functional.mse_loss, epochs=8, lr=1e-2, hits=None, device="cpu")
    assert history.loss[-1] < 0.05 < history.loss[0]
    assert history.accuracy == [None] * 8


def test_history_is_json():
    history = run(net(), tiles, epochs=2)
    text = history.to_json()
    assert History.from_json(text) == history
    assert len(json.loads(text)["loss"]) == 2
    assert history.stopped == "epochs"


def test_bf16_where_the_hardware_has_it():
    history = run(net(), tiles, epochs=3, lr=3e-3, precision="bf16")
    assert history.precision == ("bf16" if has_fast_bf16(CPU) else "fp32")
    fp32 = run(net(), tiles, epochs=3, lr=3e-3)
    assert history.loss == pytest.approx(fp32.loss, rel=0.05)
    with pytest.raises(ValueError, match="'fp16'"):
        effective_precision(CPU, "fp16")


def test_memory_is_kept_once():
    assert keep_memory() in (True, False)
    assert keep_memory() is keep_memory()


def test_cosine():
    factor = cosine(10, warm=2)
    assert [factor(0), factor(1), factor(2), factor(6), factor(10)] == pytest.approx([1 / 3, 2 / 3, 1, 0.5, 0])
