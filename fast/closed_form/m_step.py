"""Closed-form updates of every parameter, from sufficient statistics [Sec. 4.2, Appendices G, H].

The M-step maximises a surrogate of the likelihood that holds the regions and the slopes D_ω fixed.
Here it is a function of the changes Δ of the parameters. The statistics have the residuals x - g(z)
and not x, so that the right-hand side of the normal equations is the exact gradient. Where those
equations are singular (dead units, scale symmetries) Δ is the smallest solution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fast.closed_form.convolution_update import kernel_system
from fast.closed_form.noise_floor import floor_of_sums, raised
from fast.closed_form.regularised_least_squares import optima, smallest_solution
from fast.dgn import DGN
from fast.distributions.observation import Noise
from fast.distributions.statistics import Statistics
from fast.partition.layer_maps import Maps, input_maps, maps_to, output_diagonal, output_rows
from reference.model import (
    Array,
    Codes,
    Convolution,
    Mask,
    SingularCovarianceError,
    WeightPrior,
    blend,
    check_covariance,
    check_names,
    check_number,
    check_weight_prior,
    learnable_layers,
    weighted,
)


def default_order(dgn: DGN) -> tuple[str, ...]:
    """The names of all parameters in the M-step's order: the bias and the weight of every layer,
    from the last layer to the first, then Σx and Σz."""
    layers = learnable_layers(dgn.network)
    names = [f"{i}.{part}" for i in reversed(layers) for part in ("bias", "weight")]
    return (*names, "cov_x", "cov_z")


def _check_statistics(dgn: DGN, statistics: Statistics) -> None:
    """Raise ValueError unless the statistics are of a model like `dgn`."""
    if not isinstance(dgn, DGN):
        raise ValueError(f"dgn: expected a DGN, got {dgn!r}")
    if not isinstance(statistics, Statistics):
        raise ValueError(f"statistics: expected dgn.statistics(X), got {statistics!r}")
    network = dgn.network
    mine = sum(network.code_lengths), network.observed_dimension, network.latent_dimension
    shapes = (statistics.codes.shape[1], *statistics.residual1.shape[1:]), statistics.scatter.shape
    alike = shapes == (mine, dgn.cov_x.shape)
    # With a local partition regions are those that the data met.
    if not alike or not (dgn.is_local or np.array_equal(statistics.codes, dgn.partition().codes)):
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
    """Update parameters by their closed forms [Sec. 4.2, Appendices G, H].

    Parameters
    ----------
    dgn : DGN
        The model before.
    statistics : Statistics
        Of the data under `dgn`: ``dgn.statistics(X)``.
    parameters : sequence of str, optional
        What to update, in this order: names as in ``dgn.parameters()``, such as "2.bias" or
        "cov_x", or "2" for weight and bias of layer 2 jointly. By default all, one by one.
    damping : float in (0, 1]
        The share of each update that is taken.
    weight_prior : GaussianPrior, LaplacePrior or UniformPrior, optional
        Of every weight and kernel entry. Its log is added to what is maximised.
    noise_floor : float in [0, 1]
        The least that Σx may be, as a share of the data's variance: of every column if Σx is
        diagonal, of its eigenvalues if it is full. The update of Σx is then the likeliest of those
        above.

    Returns
    -------
    DGN
        The model after. `dgn` stays as it is.

    Raises
    ------
    ValueError
        On bad input, such as an unknown name.
    SingularCovarianceError
        If an updated covariance is not positive definite, as Σx may be with a floor of 0. A
        ValueError too.
    NotSolvedError
        If an update with a prior does not reach its optimum. An ArithmeticError.

    Notes
    -----
    Each update uses the ones before it, but the posterior, the regions and the slopes D_ω are those
    of `dgn`. Guarded by tests/contract/test_structures.py and tests/learning/test_weight_priors.py.

    Examples
    --------
    >>> from fast import DGN, LeakyReLU, Network, m_step
    >>> dgn = DGN(Network.random([1, 4, 2], LeakyReLU(0.1), random_state=0), 0.5)
    >>> X = dgn.rvs(50, random_state=0) + 1.0
    >>> moved = m_step(dgn, dgn.statistics(X), ["2", "cov_x"])
    >>> bool(moved.logpdf(X).mean() > dgn.logpdf(X).mean())
    True
    """
    check_number(damping, "damping", np.finfo(float).tiny, 1.0)
    check_weight_prior(weight_prior)
    share = check_number(noise_floor, "noise_floor", 0.0, 1.0)
    _check_statistics(dgn, statistics)
    names = default_order(dgn) if parameters is None else check_names(parameters, "parameters")
    maps = maps_to(dgn.network, statistics.codes, len(dgn.network.layers))
    floor = floor_of_sums(statistics, maps, share)
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
    """The model after the update of the named parameters, one after another; Σx is raised to the
    floor, () or (D,)."""
    codes = statistics.codes
    maps = input_maps(dgn.network, codes)
    for name in names:
        if name in ("cov_x", "cov_z"):
            least = floor if name == "cov_x" else np.array(0.0)
            dgn = dgn.with_parameters({name: _covariance(dgn, statistics, name, damping, least)})
            continue
        before = maps[-1]
        index, parts = _layer_parts(dgn, name)
        own = weighted(dgn.network.layers[index])
        update = _kernels if isinstance(own.layer, Convolution) else _dense
        seen = Maps(maps[index].slopes[:, own.inputs], maps[index].offsets[:, own.inputs])
        new = update(dgn, codes, seen, statistics, index, parts, weight_prior)
        old = dgn.network.parameters()
        dgn = dgn.with_parameters(
            {key: blend(old[key], value, damping, key, weight_prior) for key, value in new.items()}
        )
        maps = input_maps(dgn.network, codes)
        moved = Maps(maps[-1].slopes - before.slopes, maps[-1].offsets - before.offsets)
        statistics = _moved(statistics, moved)
    return dgn


def _layer_parts(dgn: DGN, name: str) -> tuple[int, tuple[str, ...]]:
    """The index of the layer that a name stands for, and which of its arrays."""
    index, dot, part = name.partition(".")
    parts = (part,) if dot else ("weight", "bias")
    known = dgn.network.parameters()
    if any(f"{index}.{p}" not in known for p in parts):
        raise ValueError(f"parameters: unknown name {name!r}; expected one of {sorted(known)}")
    return int(index), parts


def _covariance(dgn: DGN, statistics: Statistics, name: str, damping: float, floor: Array) -> Array:
    """Σx = mean of E[(x - g)(x - g)ᵀ | x] in its structure; Σz = mean of E[z zᵀ | x]. Either is
    raised to the floor."""
    if name == "cov_z":
        new, old = statistics.e2.sum(axis=0) / statistics.n, dgn.cov_z
    else:
        new, old = statistics.scatter / statistics.n, dgn.cov_x
        if new.ndim == 0:
            new = new / dgn.network.observed_dimension
    updated = np.asarray(old + damping * (raised(new, floor) - old))
    try:
        return check_covariance(updated, name, len(old) if old.ndim else 1)
    except ValueError as error:
        raise SingularCovarianceError(f"{error} from its update") from error


def _dense(
    dgn: DGN,
    codes: Codes,
    maps: Maps,
    statistics: Statistics,
    index: int,
    parts: tuple[str, ...],
    prior: WeightPrior | None,
) -> dict[str, Array]:
    """The new weight, bias or both of a Dense layer, by name: least squares in vec(Δ) with the
    matrix Σ_ω U_ω ⊗ V_ω."""
    known = dgn.network.parameters()
    gram, cross = _input_moments(maps, statistics)
    n_in = maps.offsets.shape[1]
    columns = np.r_[0 if "weight" in parts else n_in : n_in + ("bias" in parts)]
    gram, cross = gram[:, columns[:, None], columns], cross[:, :, columns]
    current = np.column_stack([known[f"{index}.weight"], known[f"{index}.bias"]])[:, columns]
    penalty = _Penalty(prior, current, columns < n_in)
    noise = dgn.noise
    rows = output_rows(dgn.network, codes, index)
    if rows is not None:
        rows = rows[:, :, weighted(dgn.network.layers[index]).outputs]
    else:
        diagonal = output_diagonal(dgn.network, codes, index)
        if noise.cov.ndim == 2 and (not np.all(diagonal == 1.0) or penalty.prior is not None):
            rows = diagonal[:, :, None] * np.eye(noise.dimension)
    if rows is None:
        new = _row_by_row(noise, diagonal, gram, cross, penalty)
    else:
        new = _all_rows(noise, rows, gram, cross, penalty)
    values = {"weight": new[:, :n_in], "bias": new[:, -1]}
    return {f"{index}.{part}": values[part] for part in parts}


def _kernels(
    dgn: DGN,
    codes: Codes,
    maps: Maps,
    statistics: Statistics,
    index: int,
    parts: tuple[str, ...],
    prior: WeightPrior | None,
) -> dict[str, Array]:
    """The new kernels, biases or both of a convolution, by name."""
    layer, noise = weighted(dgn.network.layers[index]).layer, dgn.noise
    assert isinstance(layer, Convolution)
    normal, gradient = kernel_system(
        dgn.network, codes, index, maps, noise, second_moments(statistics), residuals(statistics)
    )
    rows, bias = layer.rows, layer.bias
    is_weight = np.arange(len(gradient)) < rows.size
    chosen = np.where(is_weight, "weight" in parts, "bias" in parts)
    current = np.append(rows, bias)[None, chosen]
    new = np.zeros(len(gradient))
    normal, gradient = normal[chosen][:, chosen], gradient[chosen]
    new[chosen] = optima(normal[None], gradient[None], current, prior, is_weight[chosen])[0]
    weight = layer.weight_of(new[: rows.size].reshape(rows.shape))
    values = {"weight": weight, "bias": new[rows.size :]}
    return {f"{index}.{part}": values[part] for part in parts}


class _Penalty(NamedTuple):
    """A prior of some parameters.

    current: the parameters (n_out, n_col). is_weight (n_col,): which columns of them are weights,
    which alone have the prior.
    """

    prior: WeightPrior | None
    current: Array
    is_weight: Mask


def second_moments(statistics: Statistics) -> Array:
    """Σ_x E[(z, 1)(z, 1)ᵀ 1{z in ω} | x], (R, S+1, S+1)."""
    count, latent = statistics.e1.shape
    second = np.empty((count, latent + 1, latent + 1))
    second[:, :latent, :latent], second[:, latent, latent] = statistics.e2, statistics.e0
    second[:, :latent, latent] = second[:, latent, :latent] = statistics.e1
    return second


def residuals(statistics: Statistics) -> Array:
    """Σ_x E[(x - g(z))(z, 1)ᵀ 1{z in ω} | x], (R, D, S+1)."""
    return np.concatenate([statistics.residual1, statistics.residual0[:, :, None]], axis=2)


def _input_moments(maps: Maps, statistics: Statistics) -> tuple[Array, Array]:
    """V_ω = Σ_x E[h hᵀ 1], (R, n+1, n+1), and Σ_x E[(x - g) hᵀ 1], (R, D, n+1).

    h: the layer's input, followed by a 1.
    """
    count, size, latent = maps.slopes.shape
    lift = np.zeros((count, size + 1, latent + 1))
    lift[:, :size, :latent], lift[:, :size, latent], lift[:, size, latent] = *maps, 1.0
    lifted = np.swapaxes(lift, 1, 2)
    return lift @ second_moments(statistics) @ lifted, residuals(statistics) @ lifted


def _all_rows(noise: Noise, rows: Array, gram: Array, cross: Array, penalty: _Penalty) -> Array:
    """The current parameters plus Δ, where Δ solves Σ_ω U_ω Δ V_ω = Σ_ω (B D^l)ᵀ Σx^-1 cross_ω.

    U_ω = (B D^l)ᵀ Σx^-1 (B D^l); gram: V_ω; rows (R, D, n_out): B D^l. With a prior, the optimum of
    the same quadratic plus the log prior.
    """
    white = noise.whiten(np.swapaxes(rows, 1, 2))  # (R, n_out, D)
    outer = white @ np.swapaxes(white, 1, 2)
    right = white @ np.swapaxes(noise.whiten(np.swapaxes(cross, 1, 2)), 1, 2)
    n_out, n_col = outer.shape[1], gram.shape[1]
    count = len(outer)
    # Σ_ω U_ω ⊗ V_ω as one product of (n_out², R) and (R, n_col²).
    normal = outer.reshape(count, -1).T @ gram.reshape(count, -1)
    normal = normal.reshape(n_out, n_out, n_col, n_col).transpose(0, 2, 1, 3)
    size = n_out * n_col
    new = optima(
        normal.reshape(1, size, size),
        right.sum(axis=0).reshape(1, size),
        penalty.current.reshape(1, size),
        penalty.prior,
        np.tile(penalty.is_weight, n_out),
    )
    return new.reshape(n_out, n_col)


def _row_by_row(
    noise: Noise, diagonal: Array, gram: Array, cross: Array, penalty: _Penalty
) -> Array:
    """The same as `_all_rows` for a layer with D outputs, each of which reaches one entry of x.

    Every output is then a regression of its own. Σx cancels in it if there is no prior. diagonal
    (R, D): the slopes from an output to its entry of x.
    """
    right = np.einsum("rd,rdc->dc", diagonal, cross)
    common = diagonal[0] ** 2 if np.all(diagonal == diagonal[:1]) else None
    if common is not None and penalty.prior is None:
        right = np.divide(
            right, common[:, None], out=np.zeros_like(right), where=common[:, None] > 0
        )
        return penalty.current + smallest_solution(gram.sum(axis=0, keepdims=True), right)
    if common is not None:
        normals = common[:, None, None] * gram.sum(axis=0)
    else:
        normals = np.einsum("rd,rab->dab", diagonal**2, gram)
    variances = np.broadcast_to(noise.cov if noise.cov.ndim < 2 else 1.0, (len(normals),))
    normals, right = normals / variances[:, None, None], right / variances[:, None]
    return optima(normals, right, penalty.current, penalty.prior, penalty.is_weight)


def _moved(statistics: Statistics, change: Maps) -> Statistics:
    """The same posterior sums with the residuals of the moved maps, A + ΔA and b + Δb.

    change: ΔA and Δb.
    """
    slopes, offsets = change
    residual0 = statistics.residual0 - np.einsum("rds,rs->rd", slopes, statistics.e1)
    residual0 -= offsets * statistics.e0[:, None]
    residual1 = statistics.residual1 - slopes @ statistics.e2
    residual1 -= offsets[:, :, None] * statistics.e1[:, None, :]
    # E[(r - δ)(r - δ)ᵀ] = E[r rᵀ] - E[δ r'ᵀ] - E[r δᵀ], where r' = r - δ is the new residual.
    if statistics.scatter.ndim == 2:
        new = np.einsum("rds,res->de", slopes, residual1) + offsets.T @ residual0
        old = (
            np.einsum("rds,res->de", statistics.residual1, slopes)
            + statistics.residual0.T @ offsets
        )
        change_of_scatter = new + old
        change_of_scatter = 0.5 * (change_of_scatter + change_of_scatter.T)
    else:
        change_of_scatter = np.einsum("rds,rds->d", slopes, residual1 + statistics.residual1)
        change_of_scatter += (offsets * (residual0 + statistics.residual0)).sum(axis=0)
        if statistics.scatter.ndim == 0:
            change_of_scatter = change_of_scatter.sum()
    return replace(
        statistics,
        residual0=residual0,
        residual1=residual1,
        scatter=np.asarray(statistics.scatter - change_of_scatter),
    )
