"""The modulus that each depth alone would give, for a contact point that is known: E(δ) of a layered or tense sample.

Constant where the law holds. It falls from the surface on where something stiff lies on top or the contact was set too
late, rises where a stiff support is felt or the contact was set too early.
"""

from __future__ import annotations

import numpy as np

from ..physics.contact import Law, Tip
from .approach import Approach

JUST_BEFORE = 0.1  # of the travel before contact, whose mean deflection is the zero where no baseline is given


def above_zero(
    approach: Approach, contact: np.ndarray, offset: np.ndarray | None = None, tilt: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Indentation (n, samples) m, negative before the contact (n,) m, and force (n, samples) N.

    offset (m) and tilt (per m of travel) are the baseline's, as `fit_curves` gives them; without them it is level with
    what comes just before the contact. Raises UnitError where the deflection has no unit of length.
    """
    _ = approach.position  # raises
    h, d = approach.height, approach.deflection
    if offset is None or tilt is None:
        near = (h > contact[:, None]) & (h < (contact + JUST_BEFORE * (h[:, 0] - contact))[:, None])
        near |= np.arange(h.shape[1]) == 0
        bent = d - (np.where(near, d, 0.0).sum(axis=1) / near.sum(axis=1))[:, None]
    else:
        bent = d - offset[:, None] - tilt[:, None] * (h[:, :1] - h)
    return contact[:, None] - h - bent, approach.spring_constant[:, None] * bent


def apparent_modulus(
    approach: Approach,
    contact: np.ndarray,
    law: Law,
    tip: Tip,
    *,
    offset: np.ndarray | None = None,
    tilt: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Indentation (m) and the modulus (Pa) there, both (n, samples); the modulus is NaN where nothing is indented."""
    depth, force = above_zero(approach, contact, offset, tilt)
    return depth, law.modulus(depth, force, tip)


def modulus_from(approach: Approach, contact: np.ndarray, law: Law, tip: Tip) -> np.ndarray:
    """(n,) Pa: least squares of the force on the law behind a contact that somebody else found; NaN without one."""
    depth, force = above_zero(approach, contact)
    unit = np.where(np.isfinite(depth), law.force(np.nan_to_num(depth), 1.0, tip), 0.0)
    square = np.einsum("ij,ij->i", unit, unit)
    found = np.einsum("ij,ij->i", unit, np.nan_to_num(force)) / np.where(square > 0, square, np.nan)
    return np.where(np.isfinite(contact), found, np.nan)
