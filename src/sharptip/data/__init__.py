"""Cut, augment, split by group, batch: the only door from scans to tensors beside the Model.

`split` and `tiles` know only numpy; `augment` and `batches` speak torch and are imported when they are needed.
"""

from .split import apart, folds, holdout
from .tiles import four_tiles, resample, tiles_of

__all__ = ["apart", "folds", "four_tiles", "holdout", "resample", "tiles_of"]
