"""Which regime has a drying film reached: liquid, holes, cells, labyrinth or islands?

The rule of the published labels, on a lattice state: a film that is mostly liquid has holes or none; in a film that
has mostly dried, the Euler number χ of the bare substrate per nanoparticle site says whether the substrate is many
separate cells (χ > 0), one sheet around many islands (χ ≪ 0), or something in between, a labyrinth. The rule leaves
gaps between its classes; a test without the states in the gaps is easier than the question, so labels can be had
without gaps too. On a measured image the same is done above Otsu's threshold, beside three Minkowski measures that
do not change with the scale.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.measure import perimeter_crofton

REGIMES = ("liquid", "holes", "cells", "labyrinth", "islands")

HOLES = 0.02  # share of bare substrate from which a liquid film has holes
CELLS = -0.00025  # χ per particle site from which the substrate is cells
LABYRINTH = (-0.01, -0.001)  # χ per particle site, both ends included
ISLANDS = -0.03  # χ per particle site down from which the film is islands
MIDDLES = ((CELLS + LABYRINTH[1]) / 2, (LABYRINTH[0] + ISLANDS) / 2)  # of the gaps: where the nearest side changes
COVERAGE = 0.3  # particle sites per site that the rule on images takes for granted: the published lattice's


def euler_number(mask: np.ndarray, *, periodic: bool = False) -> int:
    """Components less holes of a mask (y, x) whose pixels touch along edges (its holes touch at corners too).

    Pixels − neighbouring pairs + full squares of four. `periodic` joins opposite borders, where a plane that is
    full has χ = 0 and there is no rim.

    >>> euler_number(np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool))
    0
    """
    mask = np.asarray(mask, bool) if periodic else np.pad(np.asarray(mask, bool), 1)
    up, left = np.roll(mask, 1, 0), np.roll(mask, 1, 1)
    squares = mask & up & left & np.roll(up, 1, 1)
    return int(mask.sum()) - int((mask & up).sum()) - int((mask & left).sum()) + int(squares.sum())


def majority(mask: np.ndarray, *, periodic: bool = True) -> np.ndarray:
    """Each pixel (y, x) as most of its 3 × 3 neighbourhood: single sites that boil off or condense are no pattern."""
    mode = "wrap" if periodic else "reflect"
    return ndimage.uniform_filter(mask.astype(np.float32), 3, mode=mode) > 0.5  # type: ignore[call-overload]


def euler_per_particle(state: np.ndarray) -> float:
    """χ of the bare substrate per particle site of a periodic lattice (y, x) of 0 bare, 1 liquid, 2 particle.

    On a torus χ of the substrate is that of the film, other sign. Thermal specks are taken out by `majority`.
    """
    particles = int((state == 2).sum())
    return -euler_number(majority(state > 0), periodic=True) / max(particles, 1)


def regime_of(state: np.ndarray, *, gaps: bool = True) -> str | None:
    """The regime of a lattice state (y, x) of 0 bare, 1 liquid, 2 particle; None in a gap of the rule.

    With gaps=False a state in a gap belongs to the nearest side.
    """
    bare = float(1 - majority(state > 0).mean())
    if np.bincount(state.ravel(), minlength=3).argmax() == 1:
        return "holes" if bare >= HOLES else "liquid"
    return regime_from_euler(euler_per_particle(state), gaps=gaps)


def regime_from_euler(chi: float, *, gaps: bool = True) -> str | None:
    """The regime of a film that has mostly dried, from χ per particle site."""
    if not gaps:
        return "cells" if chi >= MIDDLES[0] else "labyrinth" if chi >= MIDDLES[1] else "islands"
    if chi >= CELLS:
        return "cells"
    if LABYRINTH[0] <= chi <= LABYRINTH[1]:
        return "labyrinth"
    return "islands" if chi <= ISLANDS else None


def image_film(height: np.ndarray) -> np.ndarray:
    """Mask (y, x) of what stands above Otsu's threshold in a levelled image, without specks."""
    smooth = ndimage.gaussian_filter(np.asarray(height, float), 1.0)
    flat = np.ptp(smooth) <= 1e-12 * max(np.abs(smooth).max(), 1e-300)
    return np.ones(smooth.shape, bool) if flat else majority(smooth > threshold_otsu(smooth), periodic=False)


def regime_of_image(height: np.ndarray, pixels_per_site: float = 1.25) -> str:
    """Otsu and the rule above, on a levelled image (y, x): the baseline that needs no learning.

    An image does not say how large a site is, so its particle sites are COVERAGE per site at `pixels_per_site`. A
    film has holes or is liquid where less than 35 % (the barest films that are still mostly liquid) is below the
    threshold, and is liquid where the two sides of the threshold are no further apart than in a Gaussian.
    """
    film = image_film(height)
    bare = 1 - float(film.mean())
    if separation(height, film) < 1.0:
        return "liquid"
    if bare < 0.35:
        return "holes" if bare >= HOLES else "liquid"
    sites = film.size / pixels_per_site**2
    label = regime_from_euler(-euler_number(film) / (COVERAGE * sites), gaps=False)
    assert label is not None  # no gaps were asked for
    return label


def separation(height: np.ndarray, film: np.ndarray) -> float:
    """How far apart film and bare substrate are, in sums of their spreads; a Gaussian cut in two gives 1.3."""
    if film.all() or not film.any():
        return 0.0
    above, below = height[film], height[~film]
    return float((above.mean() - below.mean()) / max(above.std() + below.std(), 1e-300))


MINKOWSKI = ("SIA", "SIP", "SIE", "share")


def minkowski(film: np.ndarray) -> np.ndarray:
    """Scale-independent area, perimeter and Euler measure of a mask (y, x), and its share: (4,) as in MINKOWSKI.

    SIA: mean area of a piece by that of the image. SIP: perimeter by (pieces · √mean area), 2√π for discs. SIE:
    pieces / (pieces + holes). The mask is closed by 3 × 3 before. All zero where nothing is left.
    """
    closed = ndimage.binary_closing(np.pad(film, 2, mode="edge"), np.ones((3, 3)))[2:-2, 2:-2]
    pieces, holes = ndimage.label(closed)[1], ndimage.label(~closed, np.ones((3, 3)))[1]
    if not pieces:
        return np.zeros(4)
    mean_area = closed.sum() / pieces
    sip = perimeter_crofton(closed, 4) / (pieces * np.sqrt(mean_area))
    return np.array([mean_area / closed.size, sip, pieces / (pieces + holes), closed.mean()])


FILM_FEATURES = (
    *MINKOWSKI, "separation", "euler", "perimeter", "grain", "share_spread", "perimeter_spread", "height_spread",
)  # fmt: skip


def film_features(height: np.ndarray) -> np.ndarray:
    """Numbers (11,) on a levelled image (y, x), named in FILM_FEATURES; none depends on the height's unit.

    The four Minkowski measures; how far film and substrate are apart; χ and perimeter per pixel; the lag in pixels at
    which the autocorrelation has halved; and how unlike the four quarters are in share, perimeter and mean height (in
    the image's own spreads), which is where a scan of two regimes gives itself away.
    """
    height = np.asarray(height, float)
    film = image_film(height)
    parts = quarters(film)
    edge = np.array([perimeter_crofton(p, 4) / p.size for p in parts])
    levels = [p.mean() for p in quarters(height)]
    spread = max(float(height.std()), 1e-300)
    more = [
        separation(height, film), euler_number(film) / film.size, perimeter_crofton(film, 4) / film.size,
        grain(height), np.std([p.mean() for p in parts]), edge.std() / max(edge.mean(), 1e-6), np.std(levels) / spread,
    ]  # fmt: skip
    return np.concatenate([minkowski(film), more])


def quarters(image: np.ndarray) -> list[np.ndarray]:
    """The four quarters of an image (y, x)."""
    h, w = image.shape[0] // 2, image.shape[1] // 2
    return [image[:h, :w], image[:h, w:], image[h:, :w], image[h:, w:]]


def grain(height: np.ndarray) -> float:
    """Lag in pixels at which the autocorrelation along x and y, their mean, has fallen to a half; 0 on a flat image."""
    power = np.abs(np.fft.fft2(height - height.mean())) ** 2
    covariance = np.fft.ifft2(power).real
    n = min(covariance.shape) // 2
    if covariance[0, 0] <= 0:
        return 0.0
    fall = (covariance[0, :n] + covariance[:n, 0]) / (2 * covariance[0, 0])
    below = np.flatnonzero(fall < 0.5)
    if not len(below):
        return float(n)
    i = int(below[0])
    return float(i - 1 + (fall[i - 1] - 0.5) / (fall[i - 1] - fall[i]))
