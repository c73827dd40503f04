"""Which smooth background, a polynomial in x and y, lies under an image?

Fits are least squares in Legendre polynomials of the normalised axes, which keeps them well conditioned, and leave
out NaN pixels and masked ones. Sums over the image are products of small matrices, so a fit costs a few passes.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.polynomial import legendre

from ..core.history import step
from .channel import Mask, mask_of, on_images
from .large_enough import fits, smooth

Terms = tuple[tuple[int, int], ...]  # (power of y, power of x)


def tensor_terms(degree: tuple[int, int]) -> Terms:
    """All products of powers up to `degree` = (n in y, m in x)."""
    return tuple((i, j) for i in range(degree[0] + 1) for j in range(degree[1] + 1))


def fit(z: np.ndarray, terms: Terms, weight: np.ndarray | None = None) -> np.ndarray:
    """Least-squares background of images z (..., y, x), with float64 values of the same shape and unit.

    `weight` ≥ 0 broadcasts against z; NaN pixels weigh nothing. Where the data cannot tell terms apart (one pixel,
    one line, everything masked) the smallest coefficients are taken, so the background stays finite.
    """
    by = legendre.legvander(_axis(z.shape[-2]), max(i for i, _ in terms))
    bx = legendre.legvander(_axis(z.shape[-1]), max(j for _, j in terms))
    rows, columns = np.array(terms).T
    good = np.isfinite(z)
    if weight is None and good.all():
        gram = (by.T @ by)[np.ix_(rows, rows)] * (bx.T @ bx)[np.ix_(columns, columns)]
        right = (by.T @ (z @ bx))[..., rows, columns]
    else:
        w = good.astype(float) if weight is None else np.where(good, weight, 0.0)
        pairs_y = by[:, rows, None] * by[:, None, rows]
        pairs_x = bx[:, columns, None] * bx[:, None, columns]
        k = len(terms)
        moments = np.einsum("yk,...yx->...kx", pairs_y.reshape(-1, k * k), w, optimize=True)
        gram = np.einsum("...kx,xk->...k", moments, pairs_x.reshape(-1, k * k), optimize=True)
        gram = gram.reshape(*z.shape[:-2], k, k)
        right = (by.T @ ((w * np.where(good, z, 0.0)) @ bx))[..., rows, columns]
    coefficient = (np.linalg.pinv(gram, rcond=1e-13, hermitian=True) @ right[..., None])[..., 0]
    full = np.zeros((*z.shape[:-2], by.shape[1], bx.shape[1]))
    full[..., rows, columns] = coefficient
    return by @ full @ bx.T


def _axis(n: int) -> np.ndarray:
    return np.linspace(-1, 1, n) if n > 1 else np.zeros(1)


def polynomial_fit(z: np.ndarray, degree: tuple[int, int] = (2, 2), mask: np.ndarray | None = None) -> np.ndarray:
    """Background (..., y, x) of degree n in y times m in x; `mask` is True where a pixel is left out."""
    return fit(z, tensor_terms((smooth(degree[0]), smooth(degree[1]))), None if mask is None else ~mask)


@step
def polynomial(
    scan: xr.Dataset, *, channel: str = "height", degree: tuple[int, int] = (2, 2), mask: Mask = None
) -> xr.Dataset:
    """Take a polynomial background of degree (n in y, m in x) off a channel.

    `mask`, a channel's name or an array (y, x), is True where a pixel is left out of the fit. Raises ChannelError
    for a channel that is not there, ScanError for one that is no image, or is too small for
    the degree, and for a degree above 12.
    """
    left_out = mask_of(scan, channel, mask)
    what = f"a polynomial of degree {smooth(degree[0])} in y and {smooth(degree[1])} in x"
    return on_images(
        scan, channel, lambda z: (fits(z, what, degree) - polynomial_fit(z, degree, left_out)).astype(z.dtype)
    )
