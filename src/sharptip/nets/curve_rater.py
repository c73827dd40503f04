"""Where does a force curve begin to touch, is it any good, and what is wrong with it? One look at all of it.

A U-shaped stack of one-dimensional convolutions: on the way down the curve is seen ever more coarsely, on the way up
each sample learns what the whole looks like, and says how likely contact is there. The coarsest maps, as they are on
the average, at their largest and where contact is, answer the other questions, beside facts that were measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SHARP, BROAD = 1.0, 6.0  # samples; a person's click is that exact mostly, or that much off now and then
OFF = 0.3  # how often
NOWHERE = -1e4  # the logit of contact where a curve has no sample
CONTACT_WEIGHT = 0.3  # the questions' share of the loss is 1 each


class CurveRater(nn.Module):
    """(n, channels + 1, samples) → (n, samples + answers).

    The last of the `channels` is 1 where a curve has samples; behind it comes one whose first `facts` numbers are facts
    about the curve. samples: a multiple of 2^(levels − 1). Out come, for each sample, a logit whose softmax is the
    probability of contact there, and the logits of `answers` other questions, if there are any.
    """

    def __init__(
        self,
        channels: int,
        facts: int,
        answers: int = 0,
        widths: Sequence[int] = (8, 12, 16, 24, 32, 48, 48),
        dropout: float = 0.0,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.facts, self.answers = channels, facts, answers
        self.widths, self.dropout = tuple(widths), dropout
        if seed is not None:
            torch.manual_seed(seed)
        w = self.widths
        self.first = _layer(channels, w[0], 5)
        self.down = nn.ModuleList(_layer(a, b, 7) for a, b in zip((w[0], *w), w, strict=False))
        self.deep = _layer(w[-1], w[-1], 3)
        self.up = nn.ModuleList(_layer(a + b, b, 5) for a, b in zip(w[:0:-1], w[-2::-1], strict=True))
        self.contact = nn.Conv1d(w[0], 1, 5, padding=2)
        self.drop = nn.Dropout(dropout)
        if answers:
            self.standard = nn.BatchNorm1d(facts)
            self.dense = nn.Linear(3 * w[-1] + facts, 48)
            self.answer = nn.Linear(48, answers)

    @property
    def config(self) -> dict[str, Any]:
        """Everything `build` needs to make this network again, as plain JSON values."""
        return {
            "kind": "CurveRater", "channels": self.channels, "facts": self.facts, "answers": self.answers,
            "widths": list(self.widths), "dropout": self.dropout,
        }  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels + 1, samples) → (n, samples + answers)."""
        curve, facts = x[:, : self.channels], x[:, self.channels, : self.facts]
        h, seen = self.first(curve), []
        for level, layer in enumerate(self.down):
            h = layer(h if level == 0 else F.max_pool1d(h, 2))
            seen.append(h)
        h = deep = self.deep(seen.pop())
        for layer in self.up:
            finer = seen.pop()
            h = layer(torch.cat([F.interpolate(h, size=finer.shape[-1]), finer], dim=1))
        contact = self.contact(h)[:, 0].masked_fill(curve[:, -1] < 0.5, NOWHERE)
        if not self.answers:
            return contact
        here = F.adaptive_avg_pool1d(contact.softmax(1)[:, None], deep.shape[-1])
        there = (deep * here).sum(-1) * (contact.shape[-1] / deep.shape[-1])
        whole = torch.cat([deep.mean(-1), deep.amax(-1), there, self.standard(facts)], dim=1)
        answers = self.answer(self.drop(F.relu(self.dense(self.drop(whole)))))
        return torch.cat([contact, answers], dim=1)


def _layer(channels: int, width: int, reach: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(channels, width, reach, padding=reach // 2, bias=False), nn.BatchNorm1d(width), nn.ReLU(inplace=True)
    )


def contact_loss(contact: Tensor, place: Tensor) -> Tensor:
    """Cross-entropy of logits (n, samples) against a place (n,) in samples, as far as a person is exact; NaN: unknown.

    The person's click is a mixture of two Gaussians about the place, SHARP and BROAD, so that a wild click costs no
    more than its own share.
    """
    known = torch.isfinite(place)
    if not known.any():
        return contact.sum() * 0.0
    away = torch.arange(contact.shape[1], device=contact.device) - place[known, None]
    click = (1 - OFF) * _bell(away, SHARP) + OFF * _bell(away, BROAD)
    click = torch.where(contact[known] > NOWHERE / 2, click, 0.0)
    click = click / click.sum(1, keepdim=True).clamp(min=1e-12)
    return -(click * contact[known].log_softmax(1)).sum(1).mean()


def _bell(away: Tensor, width: float) -> Tensor:
    return torch.exp(-0.5 * (away / width) ** 2) / width


def rater_loss(output: Tensor, target: Tensor) -> Tensor:
    """output (n, samples + answers) against target (n, 1 + answers): the place of contact, then 0–1 per answer.

    NaN where nobody knows. Every answer that anybody knows counts the same, whatever the number of those who do.
    """
    answers = target.shape[1] - 1
    samples = output.shape[1] - answers
    loss = CONTACT_WEIGHT * contact_loss(output[:, :samples], target[:, 0])
    if not answers:
        return loss
    truth = target[:, 1:]
    known = torch.isfinite(truth)
    each = F.binary_cross_entropy_with_logits(output[:, samples:], truth.nan_to_num(), reduction="none")
    return loss + ((each * known).sum(0) / known.sum(0).clamp(min=1)).mul(_weights(answers, output)).sum()


def _weights(answers: int, like: Tensor) -> Tensor:
    """Whether it is any good counts 1, and so do how good, and all artefacts together."""
    w = torch.ones(answers, device=like.device)
    w[2:] /= max(1, answers - 2)
    return w
