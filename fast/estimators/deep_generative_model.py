"""`DeepGenerativeModel`: density and latent variables of a deep generative network."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from fast.estimators.density_estimator import DensityEstimator
from reference.model import Array


class DeepGenerativeModel(ClassNamePrefixFeaturesOutMixin, TransformerMixin, DensityEstimator):
    """A deep generative network as an estimator of scikit-learn, fitted by exact likelihood.

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
    n_parameters_ : int
        Those that can be told from the distribution of x (see `free_parameters`).
    loss_curve_ : ndarray, shape (n_iter_ + 1,)
        The mean of -log p(x) at the start and after every iteration, nats.
    losses_ : ndarray, shape (n_init,)
        The last of them of every start; inf for one without a likelihood.
    n_iter_ : int
        The number of iterations.
    converged_ : bool
        Whether the fit ended at a maximum.
    outcome_ : Outcome or str
        Why it ended.
    n_features_in_ : int
        D.
    feature_names_in_ : ndarray, shape (D,)
        The names of the features, where X had them.

    See Also
    --------
    select_dimension : finds the number of latent dimensions and the widths.
    DeepGenerativeOutlierDetector : the same model, to find outliers.

    Notes
    -----
    Data are centred and scaled within, and every number is told in their own units. Guarded by
    tests/estimators.

    Examples
    --------
    >>> import numpy as np
    >>> from fast import DeepGenerativeModel
    >>> angles = np.random.default_rng(0).uniform(0, 2 * np.pi, 200)
    >>> X = np.column_stack([np.cos(angles), np.sin(angles)])
    >>> model = DeepGenerativeModel(1, (), max_iter=50, random_state=0).fit(X)
    >>> model.transform(X).shape, model.n_parameters_
    ((200, 1), 5)
    """

    def __init__(
        self,
        n_components: int = 1,
        hidden_layer_sizes: Any = (16,),
        activation: Any = "relu",
        noise: str = "diagonal",
        *,
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
        """Maximise the exact likelihood of data.

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
        DeepGenerativeModel
            Itself.

        Raises
        ------
        ValueError
            On bad input, before any work.

        Warns
        -----
        ConvergenceWarning
            Once, of scikit-learn's kind and of this package's, where the best start has not
            converged.
        """
        self._fit_density(self._data(X, fitting=True), sample_weight)
        return self

    def transform(self, X: Any) -> Array:
        """The mean of z given x: where data lie in latent space.

        Parameters
        ----------
        X : array_like, shape (N, D)
            Data.

        Returns
        -------
        ndarray, shape (N, S)
            In units in which the prior of z is N(0, I).
        """
        check_is_fitted(self)
        return self.dgn_.posterior(self._data(X)).mean()

    def inverse_transform(self, Z: Any) -> Array:
        """The image g(z) of latent points.

        Parameters
        ----------
        Z : array_like, shape (N, S)
            Latent points.

        Returns
        -------
        ndarray, shape (N, D)
            Data units.
        """
        check_is_fitted(self)
        points = check_array(Z, dtype=np.float64, input_name="Z")
        if points.shape[1] != self._n_features_out:
            raise ValueError(
                f"Z: expected {self._n_features_out} columns, one a component, got "
                f"{points.shape[1]}"
            )
        return self.dgn_.network(points)

    def impute(self, X: Any) -> Array:
        """Fill in what is not observed by its mean given the rest of the datum.

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
        E[x_missing | x_observed], exact: of all numbers the best in mean square.
        ``dgn_.conditional`` has variances and draws as well.
        """
        check_is_fitted(self)
        return self.dgn_.conditional(self._data(X)).mean()

    @property
    def _n_features_out(self) -> int:
        """What `get_feature_names_out` counts."""
        return self.dgn_.network.latent_dimension
