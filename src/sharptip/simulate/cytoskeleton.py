"""What does the spectrin network of a red blood cell look like under a fast AFM, sound and damaged?

Junctions a mean distance d apart, joined by curved tubes with holes between them, lie on an uneven membrane; a tip
and a scanner make an image of it. Damage comes in two modes: in A the network collapses, tubes merge and thicken and
leave less hole; in B tubes go missing or break, and the backbone falls into pieces.

It is tuned to look like published images, so what is learned from it says that software works, and nothing about
red blood cells.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.spatial import Delaunay, cKDTree

from ..core.errors import ScanError
from .scanner import Settings, sample, scan_it
from .surface import particles, self_affine, separate
from .tip import half_width, sphere_cone

Record = dict[str, Any]

MARGIN = 16  # pixels around the view that the network also fills, for drift and the tip to reach into
DROPPED = 14  # points dropped per square of the least distance; twice as many would hardly find more room
CROWDING = 1.385  # then: spacing of a hexagonal lattice as dense as those that stay, over the least distance
TIP_ANGLE = np.deg2rad(20)  # half-angle of the tip's cone
PIECE = 0.5  # pixels between the points that a tube is drawn through

# A high-speed AFM in liquid: fast lines drift little, but the loop is pressed and the noise is not small.
HIGH_SPEED = Settings(
    drift_velocity=(0.0, 0.02),
    creep=(0.0, 3.0),
    nonlinearity_amplitude=(0.0, 0.01),
    climb=(0.6, 1.0),
    fall=(0.4, 1.0),
    tilt=(0.0, 6.0),
    bow=(0.0, 0.3),
    offset_walk=(0.0, 0.03),
    offset_white=(0.0, 0.2),
    jump_rate=(0.0, 0.005),
    scar_rate=(0.0, 0.02),
    scar_height=(0.5, 3.0),
    white=(0.02, 0.2),
)


@dataclass(frozen=True)
class Donor:
    """What a donor's network and its preparation are like, in metres.

    `spacing` is the mean distance of neighbouring junctions, `half_width` and `height` those of a tube, `residue`
    the roughness of what washing left on the membrane, `waviness` the slow height of the membrane underneath,
    `grains` the number of salt grains per square micrometre.
    """

    name: str = "donor-1"
    spacing: float = 85e-9
    half_width: float = 12e-9
    height: float = 7e-9
    residue: float = 0.7e-9
    waviness: float = 0.7e-9
    grains: float = 0.3


def cytoskeleton(
    rng: np.random.Generator,
    *,
    shape: tuple[int, int] = (512, 512),
    pixel_size: float = 4e-9,
    damage: float = 0.0,
    mode: str = "A",
    donor: Donor | None = None,
    tip_radius: float = 8e-9,
    settings: Settings = HIGH_SPEED,
) -> tuple[np.ndarray, dict[str, np.ndarray], Record]:
    """One image of a network.

    damage: 0 (sound) to 1; mode: "A" collapses, "B" breaks. Returns the height (y, x) in metres as the instrument
    gives it; the truth: `holes` (y, x) bool, `junctions` (n, 2) as (y, x) in metres on the image, `edges` (m, 2)
    indices into them, and what the scanner knows; and a JSON-able record of everything drawn.
    Raises ScanError for a damage or mode that is none.
    """
    if not 0 <= damage <= 1:
        raise ScanError(f"damage {damage} is not between 0 (sound) and 1")
    if mode not in ("A", "B"):
        raise ScanError(f"there is no damage mode {mode!r}; 'A' collapses the network, 'B' breaks it")
    donor = donor or Donor()
    for_network, for_surface, for_scanner = rng.spawn(3)
    outer = (shape[0] + 2 * MARGIN, shape[1] + 2 * MARGIN)
    net, drawn = network(for_network, np.array(outer) * pixel_size, damage, mode, donor)
    tubes, holes = render(net, outer, pixel_size)
    surface, lying = _membrane(for_surface, tubes, pixel_size, donor)
    reach = half_width(float(np.ptp(surface)), pixel_size, radius=tip_radius, half_angle=TIP_ANGLE)
    tip = sphere_cone(reach, pixel_size, radius=tip_radius, half_angle=TIP_ANGLE)
    images, truth, scanned = scan_it(for_scanner, surface, pixel_size, settings, tip=tip, margin=MARGIN)
    truth["holes"] = sample(holes.astype(np.float32), truth["position"]) > 0.5
    truth |= _seen(net, truth["position"], pixel_size)
    record = {
        "damage": damage, "mode": mode, "donor": asdict(donor), "tip_radius": tip_radius, "network": drawn,
        "membrane": lying, "scanner": scanned, "hole_fraction": float(truth["holes"].mean()),
    }  # fmt: skip
    return images["height"], truth, record


@dataclass(frozen=True)
class Network:
    """Junctions (n, 2) as (y, x) in metres, edges (m, 2) between them, and per edge: half-width and height (m),
    sideways bend of its middle (m), and the stretch (from, to) that is gone, in parts of its length (0, 0: none)."""

    junctions: np.ndarray
    edges: np.ndarray
    half_width: np.ndarray
    height: np.ndarray
    bend: np.ndarray
    gap: np.ndarray


# How much a damage of 1 does. Mode A: tubes ×1.3 wider, junctions pulled together, neighbours zipped up.
WIDEN = 0.30
COLLAPSE = 0.35  # of the way to the nearest of the centres of collapse, for a junction next to it
CENTRES = 1 / 12  # centres of collapse per junction
MERGE = 1.0  # share of the missing Delaunay edges that come back as merged strands
# Mode B: tubes deleted with probability 0.10 (sound) to 0.35, and of those left some are cut in the middle.
DELETED = (0.10, 0.35)
CUT = 0.35
GAP = (0.3, 0.7)  # share of a cut tube that is gone


def network(
    rng: np.random.Generator, size: np.ndarray, damage: float, mode: str, donor: Donor
) -> tuple[Network, Record]:
    """A network that fills (y, x) `size` in metres and a little more, damaged in one of the modes."""
    a, b = (damage, 0.0) if mode == "A" else (0.0, damage)
    frame = 1.5 * donor.spacing
    least = donor.spacing / CROWDING
    area = float(np.prod(size + 2 * frame))
    dropped = rng.random((int(DROPPED * area / least**2), 2)) * (size + 2 * frame) - frame
    junctions = dropped[separate(dropped, least)]
    kept, spare = _strands(rng, junctions)
    back = spare[rng.random(len(spare)) < MERGE * a]
    gone = rng.random(len(kept)) < DELETED[0] + (DELETED[1] - DELETED[0]) * b
    edges = np.concatenate([kept[~gone], back])
    junctions = _collapse(rng, junctions, COLLAPSE * a, donor.spacing)
    m = len(edges)
    cut = rng.random(m) < CUT * b
    middle, length = rng.uniform(0.35, 0.65, m), rng.uniform(*GAP, m)
    gap = np.where(cut[:, None], np.stack([middle - length / 2, middle + length / 2], axis=1), 0.0)
    net = Network(
        junctions=junctions,
        edges=edges,
        half_width=donor.half_width * (1 + WIDEN * a) * np.clip(rng.normal(1, 0.15, m), 0.5, 1.6),
        height=donor.height * np.clip(rng.normal(1, 0.2, m), 0.4, 1.8),
        bend=donor.spacing * 0.12 * rng.standard_normal(m),
        gap=gap,
    )
    drawn = {"junctions": len(junctions), "edges": m, "deleted": int(gone.sum()), "merged": len(back)}
    return net, drawn | {"cut": int(cut.sum())}


def _strands(rng: np.random.Generator, junctions: np.ndarray, share: float = 0.28) -> tuple[np.ndarray, np.ndarray]:
    """Delaunay edges pruned to degree 3 to 6, a `share` of them taken away, long ones first; and those taken away."""
    triangles = Delaunay(junctions).simplices
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [0, 2]]]), axis=1)
    edges = np.unique(edges, axis=0)
    length = np.linalg.norm(junctions[edges[:, 0]] - junctions[edges[:, 1]], axis=1)
    order = np.argsort(-length * rng.uniform(0.6, 1.4, len(edges)))
    degree = np.bincount(edges.ravel(), minlength=len(junctions)).tolist()
    keep = np.ones(len(edges), bool)
    left = int(share * len(edges))
    for k, (i, j) in zip(order.tolist(), edges[order].tolist(), strict=True):
        crowded = degree[i] > 6 or degree[j] > 6
        if (left > 0 or crowded) and degree[i] > 3 and degree[j] > 3:
            keep[k] = False
            degree[i] -= 1
            degree[j] -= 1
            left -= 1
    return edges[keep], edges[~keep]


def _collapse(rng: np.random.Generator, junctions: np.ndarray, pull: float, spacing: float) -> np.ndarray:
    """Junctions drawn towards random centres: by `pull` of the way next to one, less within two spacings of it."""
    centres = junctions[rng.random(len(junctions)) < CENTRES]
    if pull == 0 or len(centres) == 0:
        return junctions
    distance, nearest = cKDTree(centres).query(junctions)
    share = pull * np.exp(-((distance / (2 * spacing)) ** 2))
    return junctions + share[:, None] * (centres[nearest] - junctions)


def render(net: Network, shape: tuple[int, int], pixel_size: float) -> tuple[np.ndarray, np.ndarray]:
    """The network's height (y, x) in metres over a flat floor, and the mask of its holes.

    A pixel belongs to the nearest tube. Which one, a distance transform tells to the pixel; how far its axis runs,
    the tube's own direction at that point tells to a fraction of it.
    """
    frame = int(np.ceil(2 * net.half_width.max(initial=0.0) / pixel_size)) + 2
    outer = (shape[0] + 2 * frame, shape[1] + 2 * frame)
    points, along, owner = _trace(net, pixel_size)
    points = points / pixel_size + frame
    pixel = np.rint(points).astype(int)
    inside = ((pixel >= 0) & (pixel < outer)).all(axis=1)
    points, along, owner, pixel = points[inside], along[inside], owner[inside], pixel[inside]
    index = np.full(outer, -1, np.int32)
    index[pixel[:, 0], pixel[:, 1]] = np.arange(len(points), dtype=np.int32)
    if len(points) == 0:
        return np.zeros(shape), np.ones(shape, bool)
    nearest = distance_transform_edt(index < 0, return_distances=False, return_indices=True)
    view = (slice(frame, frame + shape[0]), slice(frame, frame + shape[1]))
    mine = index[nearest[0][view], nearest[1][view]]
    dy = np.arange(frame, frame + shape[0], dtype=np.float32)[:, None] - points.astype(np.float32)[mine, 0]
    dx = np.arange(frame, frame + shape[1], dtype=np.float32)[None, :] - points.astype(np.float32)[mine, 1]
    way = along.astype(np.float32)[mine]
    t = dy * way[..., 0] + dx * way[..., 1]
    beyond = np.maximum(np.abs(t) - 1, 0)  # past the end of a loose tube; within a tube the next point is nearer
    across2 = np.maximum(dy**2 + dx**2 - t**2, 0) + beyond**2
    profile = 1 - across2 / ((net.half_width / pixel_size).astype(np.float32) ** 2)[owner][mine]
    holes = profile <= 0
    height = np.maximum(profile, 0) * net.height.astype(np.float32)[owner][mine]
    _blobs(height, holes, net, pixel_size)
    return height.astype(float), holes


def _trace(net: Network, pixel_size: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (k, 2) in metres along every tube, half a pixel apart, the direction there, and the tube's number.

    A tube is a quadratic Bézier curve whose middle is bent aside.
    """
    start, end = net.junctions[net.edges[:, 0]], net.junctions[net.edges[:, 1]]
    chord = end - start
    length = np.linalg.norm(chord, axis=1)
    normal = np.stack([-chord[:, 1], chord[:, 0]], axis=1) / np.maximum(length, 1e-12)[:, None]
    control = (start + end) / 2 + 2 * net.bend[:, None] * normal
    pieces = np.maximum(np.ceil(1.1 * length / (PIECE * pixel_size)).astype(int), 2)
    owner = np.repeat(np.arange(len(pieces)), pieces)
    first = np.repeat(np.cumsum(pieces) - pieces, pieces)
    t = (np.arange(len(owner)) - first) / (pieces[owner] - 1)
    left = (t < net.gap[owner, 0]) | (t > net.gap[owner, 1]) | (net.gap[owner, 0] == net.gap[owner, 1])
    owner, t = owner[left], t[left][:, None]
    p0, p1, p2 = start[owner], control[owner], end[owner]
    points = (1 - t) ** 2 * p0 + 2 * t * (1 - t) * p1 + t**2 * p2
    along = 2 * (1 - t) * (p1 - p0) + 2 * t * (p2 - p1)
    return points, along / np.maximum(np.linalg.norm(along, axis=1), 1e-12)[:, None], owner


def _blobs(height: np.ndarray, holes: np.ndarray, net: Network, pixel_size: float) -> None:
    """Set a round blob on every junction that still holds a tube, into arrays that are ours."""
    degree = np.bincount(net.edges.ravel(), minlength=len(net.junctions))
    width = 1.25 * float(np.median(net.half_width)) / pixel_size
    top = 1.35 * float(np.median(net.height))
    reach = int(np.ceil(width)) + 1
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1)
    centre = net.junctions[degree > 0] / pixel_size
    pixel = np.rint(centre).astype(int)
    rows, columns = pixel[:, :1] + dy, pixel[:, 1:] + dx
    distance2 = (rows - centre[:, :1]) ** 2 + (columns - centre[:, 1:]) ** 2
    cap = 1 - distance2 / width**2
    ok = (cap > 0) & (rows >= 0) & (rows < height.shape[0]) & (columns >= 0) & (columns < height.shape[1])
    np.maximum.at(height, (rows[ok], columns[ok]), (top * cap[ok]).astype(height.dtype))
    holes[rows[ok], columns[ok]] = False


def _membrane(
    rng: np.random.Generator, tubes: np.ndarray, pixel_size: float, donor: Donor
) -> tuple[np.ndarray, Record]:
    """The network, softened, on an uneven membrane with residue of the washing and grains of salt on it."""
    shape = (tubes.shape[0], tubes.shape[1])
    slow, wave = self_affine(rng, shape, pixel_size, rms=donor.waviness, correlation_length=250e-9, hurst=0.9)
    fine, residue = self_affine(rng, shape, pixel_size, rms=donor.residue, correlation_length=14e-9, hurst=0.5)
    surface = gaussian_filter(tubes, 3e-9 / pixel_size, truncate=3) + slow + fine
    area = shape[0] * shape[1] * pixel_size**2 * 1e12  # µm²
    number = int(rng.poisson(donor.grains * area))
    radius = float(rng.uniform(4e-9, 8e-9))
    grains, placed = particles(rng, shape, pixel_size, number=number, radius=radius, spread=0.3)
    return surface + grains, {"wave": wave, "residue": residue, "grains": placed}


def _seen(net: Network, position: np.ndarray, pixel_size: float) -> dict[str, np.ndarray]:
    """Junctions and edges as they lie on the image: moved by what drift did there, and only those in view."""
    where = net.junctions / pixel_size
    rows, columns = position.shape[1:]
    row = np.clip(np.rint(where[:, 0] - MARGIN), 0, rows - 1).astype(int)
    column = np.clip(np.rint(where[:, 1] - MARGIN), 0, columns - 1).astype(int)
    moved = where - (position[:, row, column].T - np.stack([row, column], axis=1))
    inside = ((moved > -0.5) & (moved < np.array([rows, columns]) - 0.5)).all(axis=1)
    number = np.cumsum(inside) - 1
    both = inside[net.edges].all(axis=1)
    return {"junctions": moved[inside] * pixel_size, "edges": number[net.edges[both]]}


def preparation(rng: np.random.Generator, donor: Donor) -> Donor:
    """The same donor on another cell: what differs from cell to cell within a donor, by a few per cent."""
    return replace(
        donor,
        spacing=donor.spacing * float(np.exp(rng.normal(0, 0.03))),
        half_width=donor.half_width * float(np.exp(rng.normal(0, 0.05))),
        height=donor.height * float(np.exp(rng.normal(0, 0.12))),
        residue=donor.residue * float(np.exp(rng.normal(0, 0.25))),
        waviness=donor.waviness * float(np.exp(rng.normal(0, 0.25))),
        grains=donor.grains * float(np.exp(rng.normal(0, 0.4))),
    )
