"""`DeepGenerativeOutlierDetector`: outliers by the exact density of a deep generative network."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from scipy.stats import beta
from sklearn.base import OutlierMixin
from sklearn.utils.validation import check_is_fitted

from fast.estimators.density_estimator import DensityEstimator
from fast.estimators.settings import check_choice, generator
from reference.model import Array, Indices, check_count, check_indices, check_number

# Draws of the model for whose share a threshold stands, at most, and at least: 100 beyond it.
_MOST_DRAWS, _BEYOND = 100_000, 100


class TailProbability(NamedTuple):
    """P(log p(X') <= log p(x)) for X' of the model, by its own draws.

    Attributes
    ----------
    probability : ndarray, shape (N,)
        The share of the draws that are no likelier than the datum.
    lower : ndarray, shape (N,)
        The lower end of the exact binomial confidence interval of each.
    upper : ndarray, shape (N,)
        Its upper end; above 0 also where no draw is as unlikely as the datum.
    """

    probability: Array
    lower: Array
    upper: Array


class DeepGenerativeOutlierDetector(OutlierMixin, DensityEstimator):
    """Outliers by the exact log-density of a deep generative network.

    Parameters
    ----------
    n_components : int
        S, the number of latent dimensions: 1 to 6. 1 and 2 are fast.
    hidden_layer_sizes : sequence of int
        The widths of the hidden layers; () is probabilistic PCA or factor analysis.
    activation : {"relu", "leaky_relu", "abs", "hardtanh", "relu6"} or PiecewiseAffine
        What bends between two layers; the slope of "leaky_relu" is 0.1.
    noise : {"diagonal", "isotropic", "full"}
        The structure of Σx: a variance of each feature, one of all, or a matrix.
    contamination : float in (0, 0.5]
        The share of the training data, or of the model's own draws, that counts as outliers.
    threshold : {"data", "model"}
        What `contamination` is a share of. "model": a datum is an outlier if the model itself draws
        one that is as unlikely with no more than this probability. Then outliers in the training
        data move no threshold, and their share need not be known.
    method : {"em", "mle"}
        How the likelihood is maximised: `fit_em` or `fit_mle`.
    n_init : int
        The number of random starts. The best is kept.
    max_iter : int
        The most iterations of a start.
    tol : float in [0, 1]
        What an iteration may gain at the end, and what a step of Fisher scoring is expected to gain
        there, nats a datum. With 0 all iterations are made, and no warning says that they do not
        suffice.
    noise_floor : float in [0, 1]
        The least that Σx may be, as a share of the data's variance.
    random_state : int, numpy.random.RandomState, numpy.random.Generator or None
        Where starts, and draws, come from.
    n_jobs : int or None
        How many starts are trained at the same time, as of joblib. It changes no result.
    warm_start : bool
        Whether another `fit` goes on from the model of the last, in place of random starts.
    verbose : bool or int
        Whether to show a line on stderr.

    Attributes
    ----------
    dgn_ : DGN
        The model, with every exact quantity.
    offset_ : float
        The threshold of log p(x), nats.
    n_parameters_, loss_curve_, losses_, n_iter_, converged_, outcome_ : object
        As of `DeepGenerativeModel`.
    n_features_in_ : int
        D.
    feature_names_in_ : ndarray, shape (D,)
        The names of the features, where X had them.

    See Also
    --------
    DeepGenerativeModel : the same model, for densities and latent variables.

    Notes
    -----
    Guarded by tests/estimators/test_outliers.py.

    Examples
    --------
    >>> import numpy as np
    >>> from fast import DeepGenerativeOutlierDetector
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> detector = DeepGenerativeOutlierDetector(1, (), contamination=0.05, random_state=0).fit(X)
    >>> detector.predict([[0.0, 0.0], [9.0, 9.0]])
    array([ 1, -1])
    """

    def __init__(
        self,
        n_components: int = 1,
        hidden_layer_sizes: Any = (16,),
        activation: Any = "relu",
        noise: str = "diagonal",
        *,
        contamination: float = 0.1,
        threshold: str = "data",
        method: str = "em",
        n_init: int = 3,
        max_iter: int = 50,
        tol: float = 1e-4,
        noise_floor: float = 1e-6,
        random_state: Any = None,
        n_jobs: int | None = None,
        warm_start: bool = False,
        verbose: Any = False,
    ) -> None:
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.noise = noise
        self.contamination = contamination
        self.threshold = threshold
        self.method = method
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.noise_floor = noise_floor
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.warm_start = warm_start
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Maximise the exact likelihood of data, and set the threshold.

        Parameters
        ----------
        X : array_like, shape (N, D)
            Data, in their own units; a DataFrame too. NaN where an entry is not observed.
        y : object
            Not looked at.
        sample_weight : array_like, shape (N,), optional
            How often each row counts; once by default.

        Returns
        -------
        DeepGenerativeOutlierDetector
            Itself.

        Raises
        ------
        ValueError
            On bad input, before any work.

        Warns
        -----
        ConvergenceWarning
            As of `DeepGenerativeModel`.
        """
        share = _between(self.contamination, "contamination", 0.5)
        by_model = check_choice(self.threshold, "threshold", ("data", "model")) == "model"
        if by_model and share < _BEYOND / _MOST_DRAWS:
            raise ValueError(
                f"contamination: expected {_BEYOND / _MOST_DRAWS:g} or more with "
                f"threshold='model', which is found from {_MOST_DRAWS:,} draws, got {share:g}; "
                "compare `tail_probability`, of more draws, with it"
            )
        data = self._data(X, fitting=True)
        counts = self._fit_density(data, sample_weight)
        if by_model:
            count = int(min(_MOST_DRAWS, np.ceil(_BEYOND / share)))
            log_p = self._log_densities_of_draws(count, self.random_state)
            self.offset_ = float(np.quantile(log_p, share))
        else:
            self.offset_ = _quantile(self.dgn_.logpdf(counts.X), counts.weights, share)
        return self

    def decision_function(self, X: Any) -> Array:
        """How much likelier data are than the threshold; negative for outliers.

        Parameters
        ----------
        X : array_like, shape (N, D)
            Data.

        Returns
        -------
        ndarray, shape (N,)
            log p(x) - `offset_`, nats.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> Array:
        """Which data are outliers.

        Parameters
        ----------
        X : array_like, shape (N, D)
            Data.

        Returns
        -------
        ndarray of int, shape (N,)
            -1 for outliers, 1 for others.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def tail_probability(
        self, X: Any, n_draws: int = 10_000, confidence: float = 0.95, random_state: Any = None
    ) -> TailProbability:
        """The probability that the model draws what is as unlikely as a datum, or less likely.

        Parameters
        ----------
        X : array_like, shape (N, D)
            Data.
        n_draws : int
            How many draws it is estimated from; each costs a log-density.
        confidence : float in (0, 1)
            Of the intervals: the probability with which one holds the truth, at least.
        random_state : int, numpy.random.RandomState, numpy.random.Generator or None
            Where the draws come from; by default the estimator's own `random_state`.

        Returns
        -------
        TailProbability
            The estimate, and the ends of its confidence interval.

        Notes
        -----
        P(log p(X') <= log p(x)) for X' of the model. Both densities are exact; the share of the
        draws is binomial, with the interval of Clopper and Pearson (1934), which at p has about the
        half width 2 sqrt(p (1 - p) / n_draws). Data share their draws. It is a p-value of the
        hypothesis that the model, as it was fitted, has drawn x. Guarded by
        tests/estimators/test_outliers.py, on Gaussians, where it is a tail of chi squared.
        """
        check_is_fitted(self)
        count = check_count(n_draws, "n_draws", 1)
        level = _between(confidence, "confidence", np.nextafter(1.0, 0.0))
        log_p = self.score_samples(X)
        seed = self.random_state if random_state is None else random_state
        drawn = np.sort(self._log_densities_of_draws(count, seed))
        below = np.searchsorted(drawn, log_p, side="right")
        rest = 0.5 * (1.0 - level)
        # At either end the beta distribution has no parameter, and the interval no other end.
        lower = np.where(below > 0, beta.ppf(rest, np.maximum(below, 1), count - below + 1), 0.0)
        above = np.maximum(count - below, 1)
        upper = np.where(below < count, beta.ppf(1 - rest, below + 1, above), 1.0)
        return TailProbability(below / count, lower, upper)

    def attributions(self, X: Any, groups: Any = None) -> Array:
        """How likely each part of a datum is given all the rest of it: what makes it an outlier.

        Parameters
        ----------
        X : array_like, shape (N, D)
            Data.
        groups : sequence of sequences of int, or ndarray of int, shape (D,); optional
            The features of each part, such as the pixels of a patch; or a label of each feature,
            the same for those of a part. By default each feature is a part.

        Returns
        -------
        ndarray, shape (N, G)
            log p(x_g | x_-g), nats; low where the part does not fit the rest, 0 where nothing of it
            is observed. Parts are in the order of `groups`, or of the labels.

        Raises
        ------
        ValueError
            On bad input, before any work.

        Notes
        -----
        log p(x) - log p(x_-g), both exact: leaving out features of x leaves out rows of the last
        layer. It takes (G + 1) N log-densities; with `verbose` how long that is by estimate is told
        on stderr before. Guarded by tests/estimators/test_outliers.py, against Gaussians.
        """
        check_is_fitted(self)
        data = self._data(X)
        chosen = _parts(groups, data.shape[1])
        if self.verbose:
            seconds = (len(chosen) + 1) * self.dgn_.estimate_cost(data).logpdf.seconds
            print(
                f"attributions: {len(chosen) + 1} times {len(data)} log-densities, some "
                f"{seconds:.2g} s",
                file=sys.stderr,
            )
        whole, result = self.dgn_.logpdf(data), np.empty((len(data), len(chosen)))
        for column, part in zip(result.T, chosen, strict=True):
            rest = data.copy()
            rest[:, part] = np.nan
            column[:] = whole - self.dgn_.logpdf(rest)
        return result

    def _log_densities_of_draws(self, count: int, seed: Any) -> Array:
        """log p of as many draws of the model."""
        return self.dgn_.logpdf(self.dgn_.rvs(count, generator(seed)))


def _parts(groups: Any, size: int) -> list[Indices]:
    """The features of each part; ValueError for what are none."""
    if groups is None:
        return [np.array([i]) for i in range(size)]
    if isinstance(groups, np.ndarray):
        if groups.shape != (size,) or not np.issubdtype(groups.dtype, np.integer):
            raise ValueError(
                f"groups: expected an integer label of each of the {size} features, or a list of "
                f"lists of features, got an array of {groups.dtype}, shape {groups.shape}"
            )
        return [np.flatnonzero(groups == label) for label in np.unique(groups)]
    if isinstance(groups, str) or not isinstance(groups, Sequence) or not groups:
        raise ValueError(
            "groups: expected a list of lists of features, or an array with an integer label of "
            f"each feature, got {groups!r}"
        )
    return [check_indices(part, "groups", size) for part in groups]


def _between(value: Any, name: str, most: float) -> float:
    """A number above 0, up to most; ValueError for others."""
    end = f"{most:g}]" if most < 0.9 else "1)"
    try:
        return check_number(value, name, np.finfo(float).tiny, most)
    except ValueError:
        raise ValueError(f"{name}: expected a number in (0, {end}, got {value!r}") from None


def _quantile(values: Array, weights: Array | None, share: float) -> float:
    """The quantile of values of which each is there as often as it counts.

    Between two of them in order, as of `numpy.quantile`, which knows no weights for that.
    """
    if weights is None:
        return float(np.quantile(values, share))
    order = np.argsort(values)
    ends = np.cumsum(weights[order])
    place = share * max(ends[-1] - 1.0, 0.0)
    below = np.floor(place)
    pair = np.searchsorted(ends, [below, below + 1.0], side="right")
    low, high = values[order][np.minimum(pair, len(values) - 1)]
    return float(low + (place - below) * (high - low))
