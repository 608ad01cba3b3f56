"""`DeepGenerativeImputer`: what is not observed of data, by a deep generative network."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from fast.estimators.density_estimator import DensityEstimator
from fast.estimators.settings import generator
from reference.model import Array, check_flag


class DeepGenerativeImputer(OneToOneFeatureMixin, TransformerMixin, DensityEstimator):
    """Fill in what is not observed, by a deep generative network that is fitted to what is.

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
    sample_posterior : bool
        Whether `transform` fills in a draw given what is observed, in place of the mean: for
        multiple imputation.
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
        The model, with every exact quantity: ``dgn_.conditional(X)`` has variances and draws.
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
    It learns from rows with NaN by the exact likelihood of what is observed of them, which is right
    where whether an entry is missing does not depend on its own value given the others. Guarded by
    tests/estimators/test_imputer.py.

    Examples
    --------
    >>> import numpy as np
    >>> from fast import DeepGenerativeImputer
    >>> z = np.random.default_rng(0).normal(size=200)
    >>> X = np.column_stack([z, 2 * z, -z])
    >>> imputer = DeepGenerativeImputer(1, (), max_iter=50, tol=0, random_state=0).fit(X)
    >>> print(imputer.transform([[1.0, np.nan, -1.0]]).round(1))
    [[ 1.  2. -1.]]
    """

    def __init__(
        self,
        n_components: int = 1,
        hidden_layer_sizes: Any = (16,),
        activation: Any = "relu",
        noise: str = "diagonal",
        *,
        sample_posterior: bool = False,
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
        self.sample_posterior = sample_posterior
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
        """Maximise the exact likelihood of what is observed.

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
        DeepGenerativeImputer
            Itself.

        Raises
        ------
        ValueError
            On bad input, before any work; if a column has nothing but NaN.

        Warns
        -----
        ConvergenceWarning
            As of `DeepGenerativeModel`.
        """
        check_flag(self.sample_posterior, "sample_posterior")
        self._fit_density(self._data(X, fitting=True), sample_weight)
        return self

    def transform(self, X: Any) -> Array:
        """Fill in what is not observed: its mean, or a draw of it, given the rest of the datum.

        Parameters
        ----------
        X : array_like, shape (N, D)
            Data; NaN where an entry is not observed.

        Returns
        -------
        ndarray, shape (N, D)
            Data units; observed entries are as they were.

        Notes
        -----
        Of p(x_missing | x_observed), exact. The mean is of all numbers the best in mean square.
        Draws are those of `random_state`, the same in every call for an int.
        """
        check_is_fitted(self)
        data = self._data(X)
        given = self.dgn_.conditional(data)
        if self.sample_posterior:
            return given.rvs(1, generator(self.random_state))[:, 0]
        return np.asarray(given.mean())
