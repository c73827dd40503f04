"""Every figure of a report, under one name: those that show images and those that show numbers."""

from .charts import (
    Applied,
    Curve,
    Effect,
    Score,
    applied_figure,
    architecture_figure,
    confusion_figure,
    deletion_figure,
    learning_curve_figure,
    map_histogram_figure,
    permutation_figure,
    remedy_figure,
    score_figure,
    training_figure,
)
from .pictures import (
    bar_length,
    before_after_figure,
    cam_figure,
    evidence_figure,
    feature_map_figure,
    scale_bar,
    scan_thumbnails,
)

__all__ = [
    "Applied", "Curve", "Effect", "Score", "applied_figure", "architecture_figure", "bar_length", "before_after_figure",
    "cam_figure", "confusion_figure", "deletion_figure", "evidence_figure", "feature_map_figure",
    "learning_curve_figure", "map_histogram_figure", "permutation_figure", "remedy_figure", "scale_bar",
    "scan_thumbnails", "score_figure", "training_figure",
]  # fmt: skip
