"""How populations are compared: the review's protocol (section "Detailed example"), whole or smaller.

doi 10.3762/bjnano.12.66: 20 % of the images held out; 20 random groupings of the rest, three quarters to learn and
one to choose; four tiles per image; six-fold augmentation; batches of 24; training stops at 96 % of training
accuracy or after 30 epochs; five architectures; the best is trained again on all that is not held out, and tested.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..data.augment import REVIEW_SIX

MODERN = "modern"  # normalisation, global average pooling, a falling learning rate


@dataclass(frozen=True)
class Training:
    """What the loop is told: epochs, learning rate, training accuracy at which it stops, a rate that falls to zero."""

    epochs: int
    lr: float
    stop_at_accuracy: float | None
    falling: bool


@dataclass(frozen=True)
class Protocol:
    """Every number of a study. `tile` is in pixels of the resampled images; lists are what is tried."""

    name: str
    tile: int = 256
    holdout: float = 0.2
    groupings: int = 20
    validation: float = 0.25
    architectures: tuple[str, ...] = (*(f"architecture {i}" for i in range(1, 6)), MODERN)
    epochs: int = 30
    stop_at_accuracy: float = 0.96
    batch: int = 24
    lr: float = 1e-3
    modern_epochs: int = 15  # of the architecture that the review did not have; its rate falls to zero along a cosine
    modern_lr: float = 3e-3
    symmetries: tuple[str, ...] = REVIEW_SIX
    steps: int | None = None  # batches per epoch, or as many as hold every tile; None: every tile under every symmetry
    precision: str = "fp32"
    forest_trees: tuple[int, ...] = (50, 150, 250, 350, 450)
    forest_folds: int = 5
    outer_folds: int = 5  # each image tested once by a network that never saw its group
    batch_folds: int = 5  # the same within each batch, where there are several
    curve: tuple[float, ...] = (0.1, 0.2, 0.4, 0.7, 1.0)  # shares of the images to learn from
    curve_repeats: int = 5
    permutations: int = 1000  # of the labels, for the morphology baseline
    network_permutations: int = 20  # of the labels, for the network
    explained: int = 48  # tiles whose maps are checked
    seed: int = 0

    def training(self, architecture: str) -> Training:
        """How a network of this architecture is trained: Table 1's as in the review, the modern one as is usual now."""
        if architecture == MODERN:
            return Training(self.modern_epochs, self.modern_lr, None, True)
        return Training(self.epochs, self.lr, self.stop_at_accuracy, False)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


FULL = Protocol("full")
QUICK = Protocol(
    "quick",
    tile=128,
    groupings=2,
    architectures=("architecture 1", MODERN),
    epochs=12,
    modern_epochs=8,
    steps=30,
    forest_trees=(150, 350),
    forest_folds=3,
    outer_folds=3,
    batch_folds=2,
    curve=(0.25, 0.5, 1.0),
    curve_repeats=1,
    permutations=200,
    network_permutations=1,
    explained=24,
)
SMOKE = Protocol(  # for tests and the smallest demo: every part runs, nothing is worth believing
    "smoke",
    tile=96,
    groupings=1,
    architectures=("architecture 1",),
    epochs=2,
    modern_epochs=2,
    steps=4,
    forest_trees=(20,),
    forest_folds=2,
    outer_folds=2,
    batch_folds=2,
    curve=(0.5, 1.0),
    curve_repeats=1,
    permutations=20,
    network_permutations=1,
    explained=8,
)
PROTOCOLS = {p.name: p for p in (FULL, QUICK, SMOKE)}
