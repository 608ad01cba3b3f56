"""Estimators of scikit-learn on exact likelihoods; what is imported here needs that package."""

from fast.estimators.deep_generative_model import DeepGenerativeModel
from fast.estimators.dimension import Candidate, Selection, select_dimension
from fast.estimators.imputer import DeepGenerativeImputer
from fast.estimators.outlier_detector import DeepGenerativeOutlierDetector, TailProbability
from fast.estimators.posterior_prediction import WAIC, waic

__all__ = [
    "WAIC",
    "Candidate",
    "DeepGenerativeImputer",
    "DeepGenerativeModel",
    "DeepGenerativeOutlierDetector",
    "Selection",
    "TailProbability",
    "select_dimension",
    "waic",
]
