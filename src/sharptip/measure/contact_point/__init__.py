"""Where a tip touches: the classical finders, which learn nothing. All have the same signature.

finder(approach) → (n,) piezo heights in m at contact, NaN where there is none to be seen or a curve cannot be judged.
Their windows were chosen on half of the files of real curves on living cells; docs/simulated_curves.md has the errors.
"""

from collections.abc import Callable

import numpy as np

from ..approach import Approach
from .chord import farthest_from_chord
from .goodness import goodness_of_fit, goodness_of_variances
from .gradient import gradient
from .piecewise import broken_line, line_and_parabola
from .ramp import Ramp
from .threshold import threshold
from .variances import ratio_of_variances

Finder = Callable[[Approach | Ramp], np.ndarray]

FINDERS: dict[str, Finder] = {
    "ratio of variances": ratio_of_variances,
    "goodness of fit": goodness_of_fit,
    "goodness of variances": goodness_of_variances,
    "broken line": broken_line,
    "line and parabola": line_and_parabola,
    "threshold": threshold,
    "gradient": gradient,
    "farthest from the chord": farthest_from_chord,
}

__all__ = ["FINDERS", "Finder", "broken_line", "farthest_from_chord", "goodness_of_fit", "goodness_of_variances",
           "gradient", "line_and_parabola", "ratio_of_variances", "threshold"]  # fmt: skip
