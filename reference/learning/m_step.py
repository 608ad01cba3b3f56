"""Closed-form updates of every parameter [Sec. 4.2, Appendices G and H].

Each maximises the expected complete log-likelihood, plus the log prior of the weights if there is
one, with the posterior, the regions and the slopes D_ω held fixed. Where the normal matrix is
singular (dead units, scale symmetries) the update is the solution nearest the current parameter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reference.dgn import DGN
from reference.distributions import noise
from reference.distributions.e_step import Statistics
from reference.distributions.gradient import back_propagation, residual_times_input
from reference.learning.noise_floor import floor_of_sums, raised
from reference.learning.regularised_least_squares import solve_nearest, solve_with_prior
from reference.model.arrays import Array, Codes
from reference.model.errors import SingularCovarianceError
from reference.model.images.kernels import Convolution
from reference.model.network import Network, learnable_layers
from reference.model.residual import weighted
from reference.model.validation import check_covariance, check_names, check_number
from reference.model.weight_priors import WeightPrior, blend, check_weight_prior
from reference.partition.partition import region_map, up_to_layer_map


def input_lift(network: Network, code: Codes, layer: int) -> Array:
    """The matrix (n_in + 1, S + 1) taking (z, 1) to (h, 1), h = C z + d the input of `layer`."""
    slope, offset = up_to_layer_map(network, code, layer - 1)
    last = np.append(np.zeros(slope.shape[1]), 1.0)
    own = weighted(network.layers[layer]).inputs
    return np.vstack([np.column_stack([slope, offset])[own], last])


def output_derivative(network: Network, code: Codes, layer: int) -> Array:
    """B D^l (D, n_out): the derivative of x by the output of any layer."""
    if layer == len(network.layers) - 1:
        return np.eye(network.observed_dimension)
    return back_propagation(network, code, layer)[:, weighted(network.layers[layer]).outputs]


def input_second_moment(network: Network, code: Codes, layer: int, moments: Array) -> Array:
    """V_ω = Σ_x E[h hᵀ 1{z in ω} | x] (n_in, n_in), h = C z + d the input of `layer` on ω.

    moments (S+1, S+1): Σ_x E[(z, 1)(z, 1)ᵀ 1{z in ω} | x].
    """
    lift = input_lift(network, code, layer)[:-1]
    return lift @ moments @ lift.T


def latent_moments(statistics: Statistics, region: int) -> Array:
    """Σ_x E[(z, 1)(z, 1)ᵀ 1{z in ω} | x], (S+1, S+1)."""
    e0, e1, e2 = statistics.e0[region], statistics.e1[region], statistics.e2[region]
    return np.block([[e2, e1[:, None]], [e1[None, :], np.reshape(e0, (1, 1))]])


def update_bias(dgn: DGN, codes: Codes, statistics: Statistics, layer: int) -> Array:
    """v^l = (Σ_x Σ_ω e0_ω D^l Bᵀ Σx^-1 B D^l)^+ Σ_x Σ_ω D^l Bᵀ Σx^-1 r^l_ω(x) [Sec. 4.2].

    r^l_ω(x) = (x - [b_ω without v^l]) e0_ω - A_ω e1_ω. Corrected: the printed matrix has no e0_ω(x)
    and sums over ω twice; tests/contract/test_errata.py shows that it fails.
    """
    bias = dgn.network.parameters()[f"{layer}.bias"]
    normal, right = np.zeros((len(bias), len(bias))), np.zeros(len(bias))
    for r, code in enumerate(codes):
        back = output_derivative(dgn.network, code, layer)
        residual = statistics.residual0[r] + back @ bias * statistics.e0[r]
        normal += statistics.e0[r] * back.T @ noise.solve(dgn.cov_x, back)
        right += back.T @ noise.solve(dgn.cov_x, residual)
    return solve_nearest(normal, right, bias)


def update_weight(
    dgn: DGN, codes: Codes, statistics: Statistics, layer: int, prior: WeightPrior | None = None
) -> Array:
    """W^l from its normal equations Σ_ω (U_ω ⊗ V_ω) vec(W) = vec(Σ_ω (B D^l)ᵀ Σx^-1 R_ω).

    [Sec. 4.2]: U_ω = (B D^l)ᵀ Σx^-1 (B D^l), V_ω = Σ_x E[h hᵀ 1 | x] and
    R_ω = Σ_x E[(x - [g without W^l]) hᵀ 1 | x]; vec stacks rows. With a prior it is the maximiser
    of the quadratic that these equations belong to, plus the log prior [Appendix H].
    """
    weight = dgn.network.parameters()[f"{layer}.weight"]
    normal, right = np.zeros((weight.size, weight.size)), np.zeros(weight.size)
    for r, code in enumerate(codes):
        back = output_derivative(dgn.network, code, layer)
        gram = input_second_moment(dgn.network, code, layer, latent_moments(statistics, r))
        residuals = statistics.residual0[r], statistics.residual1[r]
        cross = residual_times_input(dgn.network, code, layer, *residuals) + back @ weight @ gram
        normal += np.kron(back.T @ noise.solve(dgn.cov_x, back), gram)
        right += (back.T @ noise.solve(dgn.cov_x, cross)).ravel()
    penalised = np.ones(weight.size, dtype=bool)
    return solve_with_prior(normal, right, weight.ravel(), prior, penalised).reshape(weight.shape)


def update_layer(
    dgn: DGN, codes: Codes, statistics: Statistics, layer: int, prior: WeightPrior | None = None
) -> Array:
    """[W^l v^l] jointly: the same normal equations with the input h followed by a 1."""
    known = dgn.network.parameters()
    current = np.column_stack([known[f"{layer}.weight"], known[f"{layer}.bias"]])
    normal, right = np.zeros((current.size, current.size)), np.zeros(current.size)
    for r, code in enumerate(codes):
        back = output_derivative(dgn.network, code, layer)
        lift = input_lift(dgn.network, code, layer)
        gram = lift @ latent_moments(statistics, r) @ lift.T
        residual = np.column_stack([statistics.residual1[r], statistics.residual0[r]])
        cross = residual @ lift.T + back @ current @ gram
        normal += np.kron(back.T @ noise.solve(dgn.cov_x, back), gram)
        right += (back.T @ noise.solve(dgn.cov_x, cross)).ravel()
    penalised = np.ones(current.shape, dtype=bool)
    penalised[:, -1] = False
    solution = solve_with_prior(normal, right, current.ravel(), prior, penalised.ravel())
    return solution.reshape(current.shape)


def kernel_maps(network: Network, code: Codes, layer: int) -> Array:
    """∂(A_ω, b_ω) / ∂(kernel entry) for every kernel entry of a convolution, row by row, then
    for every bias.

    (P, D, S + 1). An entry reaches x through every window.
    """
    convolution = weighted(network.layers[layer]).layer
    assert isinstance(convolution, Convolution)
    back = output_derivative(network, code, layer)
    lift = input_lift(network, code, layer)
    kernels, (groups, places, size) = len(convolution.bias), convolution.windows.shape
    entries = np.zeros((kernels, size, len(back), lift.shape[1]))
    biases = np.zeros((kernels, len(back), lift.shape[1]))
    for c in range(kernels):
        for p, window in enumerate(convolution.windows[c * groups // kernels]):
            column = back[:, c * places + p]
            for j, pixel in enumerate(window):
                if pixel >= 0:  # not in the padding
                    entries[c, j] += np.outer(column, lift[pixel])
            biases[c] += np.outer(column, lift[-1])
    return np.concatenate([entries.reshape(-1, *biases.shape[1:]), biases])


def update_kernels(
    dgn: DGN,
    codes: Codes,
    statistics: Statistics,
    layer: int,
    parts: Sequence[str],
    prior: WeightPrior | None = None,
) -> Array:
    """The kernels (row by row) and biases of a convolution, those of the named parts: linear least
    squares as for a weight, with G_p the map that a unit of the unknown p adds to (A_ω, b_ω).

    Σ_q Σ_ω tr(G_pᵀ Σx^-1 G_q E[(z,1)(z,1)ᵀ]) Δ_q = Σ_ω tr(G_pᵀ Σx^-1 E[(x - g)(z,1)ᵀ]).
    """
    convolution = weighted(dgn.network.layers[layer]).layer
    assert isinstance(convolution, Convolution)
    weight, bias = convolution.rows.ravel(), convolution.bias
    is_weight = np.arange(weight.size + bias.size) < weight.size
    chosen = np.where(is_weight, "weight" in parts, "bias" in parts)
    current = np.concatenate([weight, bias])[chosen]
    normal, right = np.zeros((current.size, current.size)), np.zeros(current.size)
    for r, code in enumerate(codes):
        maps = kernel_maps(dgn.network, code, layer)[chosen]
        moments = latent_moments(statistics, r)
        residual = np.column_stack([statistics.residual1[r], statistics.residual0[r]])
        white = np.stack([noise.solve(dgn.cov_x, one) for one in maps])
        normal += np.einsum("pds,qdt,st->pq", white, maps, moments)
        right += np.einsum("pds,ds->p", white, residual)
    right += normal @ current
    return solve_with_prior(normal, right, current, prior, is_weight[chosen])


def update_output_layer(
    dgn: DGN, codes: Codes, statistics: Statistics, parts: Sequence[str]
) -> Array:
    """The same for the last layer, where B D^l = I: Σx cancels and the outputs decouple.

    The change of the named parts (of "weight", "bias"), as columns, is
    (Σ_ω Σ_x E[(x - g) hᵀ]) (Σ_ω V_ω)^+, with no D x D matrix.
    """
    layer = len(dgn.network.layers) - 1
    known = dgn.network.parameters()
    current = np.column_stack([known[f"{layer}.{part}"] for part in parts])
    dimension, size = current.shape
    normal, right = np.zeros((size, size)), np.zeros((size, dimension))
    for r, code in enumerate(codes):
        lift = input_lift(dgn.network, code, layer)
        lift = lift[(0 if "weight" in parts else -1) : (None if "bias" in parts else -1)]
        residual = np.column_stack([statistics.residual1[r], statistics.residual0[r]])
        normal += lift @ latent_moments(statistics, r) @ lift.T
        right += lift @ residual.T
    return solve_nearest(normal, right + normal @ current.T, current.T).T


def update_cov_x(dgn: DGN, statistics: Statistics) -> Array:
    """Σx = (1/N) Σ_x E[(x - g(z))(x - g(z))ᵀ | x]: full, its diagonal, or its mean diagonal."""
    scatter = statistics.scatter / statistics.n
    return scatter / dgn.network.observed_dimension if scatter.ndim == 0 else scatter


def update_cov_z(statistics: Statistics) -> Array:
    """Σz = (1/N) Σ_x E[z zᵀ | x]."""
    return np.asarray(statistics.e2.sum(axis=0) / statistics.n)


def default_order(dgn: DGN) -> tuple[str, ...]:
    """The default order of updates: layers from the last to the first, then Σx and Σz."""
    layers = learnable_layers(dgn.network)
    names = [f"{i}.{part}" for i in reversed(layers) for part in ("bias", "weight")]
    return (*names, "cov_x", "cov_z")


def _check_statistics(dgn: DGN, statistics: Statistics) -> None:
    """Raise ValueError unless the statistics are of a model like `dgn`."""
    if not isinstance(dgn, DGN):
        raise ValueError(f"dgn: expected a DGN, got {dgn!r}")
    if not isinstance(statistics, Statistics):
        raise ValueError(f"statistics: expected dgn.statistics(X), got {statistics!r}")
    shapes = statistics.residual1.shape, statistics.scatter.shape
    if shapes != (dgn.partition().slopes.shape, dgn.cov_x.shape):
        raise ValueError("statistics: expected those of this model, got another partition's")


def m_step(
    dgn: DGN,
    statistics: Statistics,
    parameters: Sequence[str] | None = None,
    *,
    damping: float = 1.0,
    weight_prior: WeightPrior | None = None,
    noise_floor: float = 1e-6,
) -> DGN:
    """Update the named parameters by their closed forms, in turn [Sec. 4.2, Appendix H].

    Parameters
    ----------
    dgn : DGN
        The model before.
    statistics : Statistics
        dgn.statistics(X).
    parameters : sequence of str, optional
        Names as in dgn.parameters() ("2.bias", "cov_x", ...), or "2" for weight and bias of layer 2
        jointly. By default all, one by one, from the last layer to the first, then "cov_x",
        "cov_z".
    damping : float in (0, 1], default 1
        The share of each update that is taken.
    weight_prior : GaussianPrior, LaplacePrior or UniformPrior, optional
        The prior of every weight and kernel entry.
    noise_floor : float in [0, 1], default 1e-6
        The least that Σx may be, as a share of the data's variance (see `learning.noise_floor`).

    Returns
    -------
    DGN
        The model after. Each update uses the ones before it, under the posterior, the regions and
        the slopes D_ω of `dgn`.

    Raises
    ------
    ValueError
        On an unknown name, and on statistics of another model.
    SingularCovarianceError
        If an updated covariance is not positive definite; it is a ValueError too.

    Notes
    -----
    Guarded by tests/contract/test_structures.py and tests/learning/test_weight_priors.py.
    """
    check_number(damping, "damping", np.finfo(float).tiny, 1.0)
    check_weight_prior(weight_prior)
    share = check_number(noise_floor, "noise_floor", 0.0, 1.0)
    _check_statistics(dgn, statistics)
    names = default_order(dgn) if parameters is None else check_names(parameters, "parameters")
    maps = dgn.partition().slopes, dgn.partition().offsets
    floor = floor_of_sums(statistics, *maps, dgn.cov_x, share)
    return updated(dgn, statistics, names, floor, damping=damping, weight_prior=weight_prior)


def updated(
    dgn: DGN,
    statistics: Statistics,
    names: Sequence[str],
    floor: Array,
    *,
    damping: float = 1.0,
    weight_prior: WeightPrior | None = None,
) -> DGN:
    """The model after the named updates, in turn, Σx raised to its floor."""
    codes = dgn.partition().codes
    for name in names:
        new = _updated(dgn, codes, statistics, name, weight_prior)
        if name == "cov_x":
            new = {name: raised(new[name], floor)}
        old = dgn.parameters()
        damped = {
            key: blend(old[key], value, damping, key, weight_prior) for key, value in new.items()
        }
        for key in damped.keys() & {"cov_x", "cov_z"}:
            _check_covariance(damped[key], key)
        moved = dgn.with_parameters(damped)
        statistics = _moved(statistics, dgn.network, moved.network, codes)
        dgn = moved
    return dgn


def _updated(
    dgn: DGN, codes: Codes, statistics: Statistics, name: str, prior: WeightPrior | None
) -> dict[str, Array]:
    """The undamped closed form of one named parameter, or of a layer's two jointly."""
    if name == "cov_x":
        return {name: update_cov_x(dgn, statistics)}
    if name == "cov_z":
        return {name: update_cov_z(statistics)}
    index, dot, part = name.partition(".")
    parts = [part] if dot else ["weight", "bias"]
    known = dgn.network.parameters()
    if any(f"{index}.{p}" not in known for p in parts):
        raise ValueError(f"parameters: unknown name {name!r}; expected one of {sorted(known)}")
    layer = int(index)
    convolution = weighted(dgn.network.layers[layer]).layer
    if isinstance(convolution, Convolution):
        flat = update_kernels(dgn, codes, statistics, layer, parts, prior)
        size = convolution.rows.size if "weight" in parts else 0
        changed = {"bias": flat[size:]}
        if size:
            changed["weight"] = convolution.weight_of(flat[:size].reshape(convolution.rows.shape))
        return {f"{index}.{p}": changed[p] for p in parts}
    if layer == len(dgn.network.layers) - 1 and (prior is None or part == "bias"):
        joint = update_output_layer(dgn, codes, statistics, parts)
    elif part == "bias":
        joint = update_bias(dgn, codes, statistics, layer)[:, None]
    elif part == "weight":
        joint = update_weight(dgn, codes, statistics, layer, prior)
    else:
        joint = update_layer(dgn, codes, statistics, layer, prior)
    values = {"weight": joint[:, : joint.shape[1] - ("bias" in parts)], "bias": joint[:, -1]}
    return {f"{index}.{p}": values[p] for p in parts}


def _check_covariance(value: Array, name: str) -> None:
    try:
        check_covariance(value, name, len(value) if value.ndim else 1)
    except ValueError as error:
        raise SingularCovarianceError(f"{error} from its update") from error


def _moved(statistics: Statistics, old: Network, new: Network, codes: Codes) -> Statistics:
    """The same posterior sums, with residuals x - g(z) from the new network's maps."""
    residual0, residual1 = statistics.residual0.copy(), statistics.residual1.copy()
    scatter = statistics.scatter.copy()
    for r, code in enumerate(codes):
        slope = region_map(new, code)[0] - region_map(old, code)[0]
        offset = region_map(new, code)[1] - region_map(old, code)[1]
        residual0[r] -= slope @ statistics.e1[r] + offset * statistics.e0[r]
        residual1[r] -= slope @ statistics.e2[r] + np.outer(offset, statistics.e1[r])
        # E[(r - δ)(r - δ)ᵀ] = E[r rᵀ] - E[δ (r - δ)ᵀ] - E[r δᵀ] with δ = ΔA z + Δb.
        for s in range(slope.shape[1]):
            scatter -= noise.outer(scatter, slope[:, s], residual1[r, :, s])
            scatter -= noise.outer(scatter, statistics.residual1[r, :, s], slope[:, s])
        scatter -= noise.outer(scatter, offset, residual0[r])
        scatter -= noise.outer(scatter, statistics.residual0[r], offset)
    if scatter.ndim == 2:
        scatter = 0.5 * (scatter + scatter.T)
    return replace(statistics, residual0=residual0, residual1=residual1, scatter=scatter)
