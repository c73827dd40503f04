"""What these tests hold `sharptip fit` to must not hang on what a network has learned lately."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def _without_rater() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sharptip.curves.tip.RATER", "a recipe that does not ship")
        yield
