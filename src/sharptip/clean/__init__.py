"""scan → scan, one idea per file: level, align lines, mend scars and spikes, follow drift, mark junk."""

from .arc import arc, arc_fit
from .chain import CHAINS, OF_FILMS, STEPS, fitting, left_out, named, run, step_of
from .coarsen import coarsen
from .directions import compare_directions, directions
from .drift import drift, drift_of, moved, shift_between
from .facet import facet, facet_fit
from .flatten import Flattened, flatten, flatten_fit
from .junk import junk, junk_frames
from .lines import line_fit, lines
from .mask import background, relevel, relevel_fit
from .memory import keep
from .options import name_of
from .plane import plane, plane_fit
from .polynomial import polynomial, polynomial_fit
from .rows import row_offsets, rows
from .scars import find_scars, mend, scars, without_scars
from .spikes import find_spikes, spikes, without_spikes
from .substrate import Substrate, substrate_of

__all__ = [
    "CHAINS", "OF_FILMS", "STEPS", "Flattened", "Substrate", "arc", "arc_fit", "background", "coarsen",
    "compare_directions",
    "directions", "drift", "drift_of", "facet", "facet_fit", "find_scars", "find_spikes", "fitting", "flatten",
    "flatten_fit", "junk", "junk_frames", "left_out", "line_fit", "lines", "mend", "moved", "name_of", "named", "plane",
    "plane_fit", "polynomial", "polynomial_fit", "relevel", "relevel_fit", "row_offsets", "rows", "run", "scars",
    "shift_between", "spikes", "step_of", "substrate_of", "without_scars", "without_spikes",
]  # fmt: skip

keep()
