"""Maps of evidence find what was planted, and only because it was learnt."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from sharptip.core.errors import ModelError
from sharptip.explain import cam, feature_maps, sanity
from sharptip.nets.conv_classifier import ConvClassifier


def test_feature_maps_are_the_networks_own(net, problem):
    tiles = problem[0][:7]
    maps = feature_maps.feature_maps(net, tiles, "relu1", batch=3)
    expected = torch.relu(net.conv1(torch.as_tensor(tiles))).detach().numpy()
    assert maps.shape == (7, 8, 46, 46)
    np.testing.assert_allclose(maps, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(feature_maps.map_means(net, tiles, batch=2), expected.mean((2, 3)), rtol=1e-5)


def test_statistics_span_0_to_1_and_a_dead_map_is_0(net, problem):
    dead = copy.deepcopy(net)
    with torch.no_grad():
        dead.conv1.weight[3] = 0
        dead.conv1.bias[3] = -1
    table = feature_maps.map_statistics(dead, problem[0])
    alive = np.delete(np.arange(8), 3)
    assert (table[:, 3] == 0).all()
    np.testing.assert_array_equal(table[:, alive].min(0), 0)
    np.testing.assert_array_equal(table[:, alive].max(0), 1)


def test_the_networks_mode_comes_back(net, problem):
    net.train()
    feature_maps.map_means(net, problem[0][:2])
    assert net.training
    net.eval()


def test_a_network_without_names_is_refused(problem):
    with pytest.raises(ModelError, match="Linear does not name its layers"):
        feature_maps.feature_maps(torch.nn.Linear(2, 2), problem[0][:1])


def test_review_cam_is_the_weighted_sum_and_its_mean_the_logit(net, problem):
    tiles, labels, _ = problem
    head = cam.fit_cam(net, tiles, labels)
    assert head.layer == "relu2"
    maps = feature_maps.feature_maps(net, tiles[:5], "relu2")
    logits = maps.mean((2, 3)) @ head.weights + head.bias
    small = np.einsum("k,nkij->nij", head.weights, maps) + head.bias
    np.testing.assert_allclose(small.mean((1, 2)), logits, rtol=1e-5)
    first = cam.fit_cam(net, tiles, labels, "relu1")  # one value per pixel, but for the border that the layer loses
    maps = feature_maps.feature_maps(net, tiles[:5], "relu1")
    sums = np.einsum("k,nkij->nij", first.weights, maps) + first.bias
    np.testing.assert_allclose(first.maps(net, tiles[:5], batch=2)[:, 1:47, 1:47], sums, rtol=1e-4, atol=1e-5)
    assert head.accuracy > 0.95


def test_a_value_is_drawn_where_its_receptive_field_lies(net):
    """A net that only copies: the map of a bright spot has its centre over the spot."""
    probe = ConvClassifier((1, 1), (), size=48, seed=0)
    with torch.no_grad():
        for layer in (probe.conv1, probe.conv2):
            layer.weight.zero_()
            layer.weight[0, 0, 1, 1] = 1
            layer.bias.zero_()
    for at in (13, 24, 35):
        tile = np.zeros((1, 1, 48, 48), dtype=np.float32)
        tile[0, 0, at - 1 : at + 2, at - 1 : at + 2] = 1
        small = feature_maps.feature_maps(probe, tile, "relu2")[:, 0]
        placed = cam.place(small, probe, "relu2", (48, 48))[0]
        weight = placed.sum()
        assert abs((placed.sum(1) @ np.arange(48)) / weight - at) <= 0.5


def test_placing_keeps_a_flat_map_flat_and_goes_on_at_the_border(net):
    flat = np.full((1, 21, 21), 2.5)
    np.testing.assert_allclose(cam.place(flat, net, "relu2", (48, 48)), 2.5)


def test_grad_cam_of_a_pooled_head_is_the_exact_class_activation_map(problem):
    """Global average pooling and one linear layer: the gradient by a map is its weight / (h·w), everywhere."""
    gap = ConvClassifier((4, 6), (), size=48, head="gap", seed=2).eval()
    tiles = problem[0][:3]
    maps = feature_maps.feature_maps(gap, tiles, "pool2")
    exact = np.einsum("k,nkij->nij", gap.output.weight[0].detach().numpy(), maps) / maps[0, 0].size
    np.testing.assert_allclose(
        cam.grad_cam(gap, tiles, "pool2"), cam.place(exact, gap, "pool2", (48, 48)), rtol=1e-4, atol=1e-7
    )


@pytest.mark.parametrize("method", ["review", "grad"])
def test_maps_find_the_planted_blob_with_the_sign_of_its_label(net, problem, method):
    tiles, labels, masks = problem
    maps = cam.review_cam(net, tiles, labels) if method == "review" else cam.grad_cam(net, tiles)
    assert maps.shape == masks.shape
    signed = maps * (2 * labels - 1)[:, None, None]
    _, mean = sanity.agreement(signed, masks, rng=np.random.default_rng(0), resamples=300)
    assert mean.low > 0.8
    # A bright blob's map peaks on the blob: label 1 is where the map is positive.
    for m, mask in list(zip(signed, masks, strict=True))[:6]:
        assert m[mask].mean() > m[~mask].mean()


def test_an_untrained_network_finds_it_worse(net, problem):
    tiles, labels, masks = problem
    blind = ConvClassifier((8, 16), (32,), size=48, seed=9).eval()
    sign = (2 * labels - 1)[:, None, None]
    trained = sanity.agreement(cam.grad_cam(net, tiles) * sign, masks, resamples=200)[1]
    untrained = sanity.agreement(cam.grad_cam(blind, tiles) * sign, masks, resamples=200)[1]
    assert untrained.high < trained.low


def test_review_cam_gives_the_same_maps_again_and_needs_both_labels(net, problem):
    tiles, labels, _ = problem
    np.testing.assert_array_equal(
        cam.review_cam(net, tiles, labels, tiles[:2]), cam.review_cam(net, tiles, labels, tiles[:2])
    )
    with pytest.raises(ValueError, match="needs both 0 and 1"):
        cam.fit_cam(net, tiles, np.ones(len(tiles)))


def test_random_weights_destroy_the_map_and_leave_the_network_alone(net, problem):
    tiles = problem[0][:24]
    weights = [p.detach().clone() for p in net.parameters()]
    check = sanity.randomisation_check(net, tiles, cam.grad_cam)
    assert check.layers == ("output", "dense1", "conv2", "conv1")
    assert abs(check.mean[-1]) < 0.25
    assert all(torch.equal(a, b) for a, b in zip(weights, net.parameters(), strict=True))
    edges = sanity.randomisation_check(net, tiles, lambda _, t: np.abs(np.gradient(t[:, 0], axis=2)))
    np.testing.assert_allclose(edges.mean, 1)  # a map of edges does not care what was learnt, and is found out


def test_deleting_what_the_map_points_at_costs_more_than_deleting_elsewhere(net, problem):
    tiles, labels, masks = (part[:40] for part in problem)
    sign = (2.0 * labels - 1)[:, None, None]
    rng = np.random.default_rng(1)
    right = sanity.deletion_curve(net, tiles, masks * sign, rng=rng, resamples=300)
    assert right.area.low > 0
    assert right.important[1] < right.random[1]
    assert right.important[0] == right.random[0]
    np.testing.assert_allclose(right.important[-1], right.random[-1])
    empty = sanity.deletion_curve(net, tiles, rng.normal(size=masks.shape), rng=rng, resamples=300)
    assert empty.area.low < 0 < empty.area.high or abs(empty.area.value) < 0.02


def test_the_reviews_maps_are_true_to_the_layer_fitted_for_them(net, problem):
    tiles, labels, _ = (part[:40] for part in problem)
    head = cam.fit_cam(net, tiles, labels)
    curve = sanity.deletion_curve(
        net, tiles, head.maps(net, tiles), resamples=300, logits=lambda part: head.logits(net, part)
    )
    assert curve.area.low > 0
    share = 1 / (1 + np.exp(-np.abs(head.logits(net, tiles))))
    assert curve.important[0] == pytest.approx(share.mean())


def test_agreement_is_the_area_under_the_curve():
    truth = np.array([[[True, True], [False, False]]])
    assert sanity.agreement(np.array([[[4.0, 3], [2, 1]]]), truth)[0][0] == 1
    assert sanity.agreement(np.array([[[4.0, 1], [2, 3]]]), truth)[0][0] == 0.5
    assert np.isnan(sanity.agreement(np.zeros((1, 2, 2)), np.ones((1, 2, 2)))[0][0])
    with pytest.raises(ValueError, match="must be alike"):
        sanity.agreement(np.zeros((1, 2, 2)), np.zeros((1, 2, 3)))
