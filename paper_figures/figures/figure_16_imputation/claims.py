"""What figure 16 shows of the paper's promise of imputation, and where it loses."""

from __future__ import annotations

import numpy as np

from paper_figures.claims import Claim, Verdict, checked, judged, median_and_range, number
from paper_figures.figures.figure_16_imputation import holes
from paper_figures.figures.figure_16_imputation.compute import of_method
from paper_figures.figures.figure_16_imputation.methods import METHODS
from paper_figures.options import Numbers
from reference.model import Array

#: What rounding may raise a mean of logarithms by, in units of ε max(1, |loss|).
ROUNDING = 100.0
_OTHERS = [method for method in METHODS if method != "network"]
_HELD, _NEAR = 0.9, 0.05
_FEW = 0.1


def claims(numbers: Numbers) -> list[Claim]:
    """By data and share that is missing: squared error, density, ranked score, intervals. Then
    whether EM rises, and digits with a hole."""
    names = [str(name) for name in numbers["names"]]
    found = [claim for name in names for claim in _of_recovery(numbers, name)]
    return [*found, _of_rises(numbers), *_of_holes(numbers)]


def _of_recovery(numbers: Numbers, name: str) -> list[Claim]:
    where = f"{name.replace('_', ' ')} % missing"
    return [
        _squared_error(numbers, name, where),
        _density(numbers, name, where),
        _ranked(numbers, name, where),
        _intervals(numbers, name, where),
    ]


def _contests(numbers: Numbers, name: str, score: str) -> tuple[str, list[tuple[int, int]]]:
    """The network against every other method that tells a score, in words and won contests."""
    own, sign = of_method(numbers, name, "network", score), -1.0 if score == "log_density" else 1.0
    words, won = [f"{METHODS['network']} {median_and_range(own)}"], []
    for method in _OTHERS:
        other = of_method(numbers, name, method, score)
        known = ~np.isnan(other)
        if known.any():
            wins = int((sign * own < sign * other)[known].sum())
            won.append((wins, int(known.sum())))
            words.append(f"{METHODS[method]} {median_and_range(other)}, worse on {wins}")
    return "; ".join(words) + f", of {len(own)} seeds", won


def _squared_error(numbers: Numbers, name: str, where: str) -> Claim:
    words, won = _contests(numbers, name, "rmse")
    return Claim(
        "missing data imputation (abstract): the conditional mean recovers what was held back "
        "better than other methods, in squared error",
        f"RMSE in deviations of features: {words}",
        judged(won),
        where,
    )


def _density(numbers: Numbers, name: str, where: str) -> Claim:
    words, won = _contests(numbers, name, "log_density")
    return Claim(
        "the exact conditional knows more of what is missing than a Gaussian",
        f"log density of what was held back, nats an entry: {words}",
        judged(won),
        where,
    )


def _ranked(numbers: Numbers, name: str, where: str) -> Claim:
    words, won = _contests(numbers, name, "crps")
    return Claim(
        "the same by a score that points have too: their absolute error",
        f"mean continuous ranked probability score, deviations: {words}",
        judged(won),
        where,
    )


def _intervals(numbers: Numbers, name: str, where: str) -> Claim:
    own = of_method(numbers, name, "network", "covered")
    words = [
        f"central intervals of 9 of 10 hold {_share(own)} of the entries of the network, "
        f"{_share(of_method(numbers, name, 'factors', 'covered'))} of factor analysis and "
        f"{_share(of_method(numbers, name, 'ridge', 'covered'))} of IterativeImputer's draws"
    ]
    mine, other = numbers[f"{name}|network.set"], numbers[f"{name}|factors.set"]
    if not np.isnan(mine).all():
        words.append(
            f"the smallest sets that are to hold 9 of 10 are {median_and_range(mine[:, 1])} "
            f"deviations long and hold {_share(mine[:, 0])}, those of factor analysis "
            f"{median_and_range(other[:, 1])} and {_share(other[:, 0])}"
        )
    shares = (own, mine[~np.isnan(mine[:, 0]), 0])
    return Claim(
        "what the network says of its own uncertainty is so: of 90 % within 5",
        "; ".join(words),
        judged([(int((np.abs(one - _HELD) < _NEAR).sum()), len(one)) for one in shares]),
        where,
    )


def _share(values: Array) -> str:
    return f"{median_and_range(100.0 * values)} %"


def _of_rises(numbers: Numbers) -> Claim:
    rise, gain = numbers["rises|rise"], numbers["rises|gain"]
    seeds, networks, shares, _ = rise.shape
    worst = rise.max(axis=(0, 1, 2))
    return Claim(
        "EM never raises the loss (Sec. 4), with 0, 10 and 50 % of entries missing",
        f"{seeds * networks} networks, S = 1 and 2, all structures of Σx, {shares} shares each: "
        f"from one iteration to the next the mean loss changes by at most {number(worst[0])} "
        f"roundings of it by `fit_em`, and {number(worst[1])} by closed forms without a guard "
        f"(negative: it always falls); in all by {median_and_range(gain[..., 0].ravel())} and "
        f"{median_and_range(gain[..., 1].ravel())} nats",
        checked(bool(np.all(worst <= ROUNDING))),
    )


def _of_holes(numbers: Numbers) -> list[Claim]:
    run = {
        key.split("|")[1]: values[0]
        for key, values in numbers.items()
        if key.startswith("digits_with_a_hole|")
    }
    rmse, fours, share = run["rmse"], run["fours"].astype(bool), run["share"]
    words = "; ".join(
        f"{name} hidden: the mean digit {number(a)}, KNNImputer {number(b)}, E[x | rest] "
        f"{number(c)}, and E[g | x], which sees what is hidden, {number(d)}"
        for name, (a, b, c, d) in zip(holes.HOLES, rmse.tolist(), strict=True)
    )
    better = [(int(row[2] < min(row[0], row[1])), 1) for row in rmse]
    both = (share > _FEW) & (share < 1.0 - _FEW)
    heights = run["modes"][:, 2]
    heights = heights[heights > 0.05]
    return [
        Claim(
            "digits with a hole are filled better than by the mean digit or by neighbours",
            f"RMSE of hidden pixels, ink from 0 to 1, {len(share)} new digits. {words}",
            judged(better),
            "MNIST",
        ),
        Claim(
            "not in the paper: where what is seen leaves two answers, the posterior holds both",
            f"of draws given the lower half the nearest known digit is a four in "
            f"{number(100 * share[fours].mean())} % where it is one and in "
            f"{number(100 * share[~fours].mean())} % where it is a nine; both among a digit's "
            f"draws in more than a tenth for {int(both.sum())} of {len(share)}. The digit for "
            f"which they are most even has a posterior with {len(heights)} maxima higher than a "
            "twentieth of the highest",
            Verdict.OWN,
            "MNIST",
        ),
    ]
