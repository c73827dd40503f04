"""What does a tip of finite size see of a surface, and how much of the surface can be got back?

A tip is an array τ(u) ≥ 0 in metres on the scan's own pixels: its height above the apex, odd-sized, with the apex
position u = 0 in the middle. Outside the array the tip is taken to be out of reach, so make it as wide as the
surface is deep: `half_width` says how wide. `inf` marks a pixel where there is no tip.

    image(x)   = max_u [ surface(x + u) − τ(u) ]        dilation
    surface(x) ≤ min_u [ image(x − u) + τ(u) ]          erosion, equal where the tip touched

After Villarrubia, J. Res. NIST 102, 425 (1997).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def offsets(half_width: int, pixel_size: float) -> tuple[np.ndarray, np.ndarray]:
    """(y, x) in metres of a tip array's pixels, ready to broadcast: shapes (2n+1, 1) and (1, 2n+1)."""
    u = np.arange(-half_width, half_width + 1) * pixel_size
    return u[:, None], u[None, :]


def half_width(depth: float, pixel_size: float, *, radius: float, half_angle: float) -> int:
    """Pixels from the apex to where a sphere-cone of this radius is `depth` (metres) above it."""
    ball = radius * (1 - np.sin(half_angle))
    if depth <= ball:
        reach = np.sqrt(max(2 * radius * depth - depth**2, 0.0))
    else:
        reach = radius * np.cos(half_angle) + (depth - ball) * np.tan(half_angle)
    return int(np.ceil(reach / pixel_size))


def sphere_cone(half_width: int, pixel_size: float, *, radius: float, half_angle: float) -> np.ndarray:
    """A sphere of `radius` that runs smoothly into a cone of `half_angle` (radians)."""
    y, x = offsets(half_width, pixel_size)
    r = np.hypot(y, x)
    ball = radius - np.sqrt(np.maximum(radius**2 - r**2, 0.0))
    cone = radius * (1 - np.sin(half_angle)) + (r - radius * np.cos(half_angle)) / np.tan(half_angle)
    return np.where(r <= radius * np.cos(half_angle), ball, cone)


def paraboloid(half_width: int, pixel_size: float, *, radius: float) -> np.ndarray:
    """r²/2R: `radius` is that of curvature at the apex."""
    y, x = offsets(half_width, pixel_size)
    return (y**2 + x**2) / (2 * radius)


def pyramid(half_width: int, pixel_size: float, *, half_angle: float) -> np.ndarray:
    """A sharp square pyramid with faces at `half_angle` (radians) from the axis."""
    y, x = offsets(half_width, pixel_size)
    return np.maximum(np.abs(y), np.abs(x)) / np.tan(half_angle)


def tilted(tip: np.ndarray, pixel_size: float, *, slope_y: float, slope_x: float) -> np.ndarray:
    """The tip leaning by two slopes. Its lowest point, now off the middle, is at zero again."""
    y, x = offsets(tip.shape[0] // 2, pixel_size)[0], offsets(tip.shape[1] // 2, pixel_size)[1]
    leaning = tip + slope_y * y + slope_x * x
    return leaning - leaning.min()


def worn(tip: np.ndarray, *, depth: float) -> np.ndarray:
    """The tip with `depth` metres ground off its end: flat where it was lower than that."""
    return np.maximum(tip - depth, 0.0)


def double(tip: np.ndarray, *, shift: tuple[int, int], offset: float) -> np.ndarray:
    """The tip and a twin of it `shift` (y, x) pixels away that ends `offset` ≥ 0 metres higher."""
    reach = [n // 2 + abs(s) for n, s in zip(tip.shape, shift, strict=True)]
    both = np.full((2, 2 * reach[0] + 1, 2 * reach[1] + 1), np.inf)
    for layer, (dy, dx), lift in ((both[0], (0, 0), 0.0), (both[1], shift, offset)):
        top, left = abs(shift[0]) + dy, abs(shift[1]) + dx
        layer[top : top + tip.shape[0], left : left + tip.shape[1]] = tip + lift
    return both.min(axis=0)


def dilate(surface: np.ndarray, tip: np.ndarray) -> np.ndarray:
    """The image (y, x) that the tip takes of the surface (y, x), both in metres: max_u [ S(x+u) − τ(u) ].

    Only the surface in view is felt. Exact: tip pixels higher than the surface is deep can never touch before
    the apex does, and are left out; the others are taken one by one, each in one vectorised pass.
    """
    image = np.full(surface.shape, -np.inf)
    work = np.empty(surface.shape)
    for (dy, dx), tau in _reachable(surface, tip):
        here, there = _overlap(surface.shape, dy, dx)
        raised = np.subtract(surface[there], tau, out=work[here])
        np.maximum(image[here], raised, out=image[here])
    return image


def erode(image: np.ndarray, tip: np.ndarray) -> np.ndarray:
    """The highest surface (y, x) that could have given the image: min_u [ I(x−u) + τ(u) ]."""
    surface = np.full(image.shape, np.inf)
    work = np.empty(image.shape)
    for (dy, dx), tau in _reachable(image, tip):
        here, there = _overlap(image.shape, -dy, -dx)
        lowered = np.add(image[there], tau, out=work[here])
        np.minimum(surface[here], lowered, out=surface[here])
    return surface


def _reachable(z: np.ndarray, tip: np.ndarray) -> Iterator[tuple[tuple[int, int], float]]:
    """Offsets (pixels) and heights of the tip's pixels that matter on a surface as deep as z.

    The lowest tip pixel always gives a bound, so one that is higher than it by the whole depth never decides;
    near the edge of the view that pixel may look outside, so tips whose lowest pixel is off the middle keep all.
    """
    cy, cx = tip.shape[0] // 2, tip.shape[1] // 2
    depth = float(np.ptp(z)) if tip[cy, cx] == tip.min() else np.inf
    for row, column in np.argwhere(np.isfinite(tip) & (tip - tip.min() <= depth)):
        dy, dx = int(row) - cy, int(column) - cx
        if abs(dy) < z.shape[0] and abs(dx) < z.shape[1]:
            yield (dy, dx), float(tip[row, column])


def _overlap(shape: tuple[int, ...], dy: int, dx: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Slices `here` and `there` such that z[there] is z shifted by (dy, dx) onto z[here]."""
    here, there = [], []
    for n, d in zip(shape, (dy, dx), strict=True):
        here.append(slice(max(-d, 0), n - max(d, 0)))
        there.append(slice(max(d, 0), n - max(-d, 0)))
    return (here[0], here[1]), (there[0], there[1])
