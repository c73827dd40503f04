"""Networks: tensor → tensor, one architecture per file; they know nothing of scans."""

from .build import KINDS, build, discriminative_groups, freeze_until, n_params
from .conv_classifier import ARCHITECTURES, ConvClassifier, map_sizes, modern, shape_chain
from .curve_rater import CurveRater
from .decomposer import Decomposer
from .dense import DeepNet, ShallowNet
from .ensemble import Ensemble
from .frame_classifier import FrameClassifier
from .line_classifier import LineClassifier
from .line_denoiser import LineDenoiser
from .trace_net import ScatterNet, TraceLSTM, TraceTCN

__all__ = [
    "ARCHITECTURES",
    "KINDS",
    "ConvClassifier",
    "CurveRater",
    "Decomposer",
    "DeepNet",
    "Ensemble",
    "FrameClassifier",
    "LineClassifier",
    "LineDenoiser",
    "ScatterNet",
    "ShallowNet",
    "TraceLSTM",
    "TraceTCN",
    "build",
    "discriminative_groups",
    "freeze_until",
    "map_sizes",
    "modern",
    "n_params",
    "shape_chain",
]
