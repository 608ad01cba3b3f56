"""The claims of Sec. 4.3 on experiments in which methods are compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paper_figures import style
from paper_figures.claims import Claim, Verdict, checked, judged, median_and_range, number
from paper_figures.comparison.experiment import Experiment
from paper_figures.comparison.numbers import NEAR, Comparison
from paper_figures.methods.bound_check import TOLERANCE
from paper_figures.methods.recipe import RATES, Recipe
from reference.model import Array

#: The autoencoders at the published rates, as they name arrays.
PUBLISHED = [f"vae {rate:g}" for rate in RATES]


def setting(one: Comparison) -> str:
    """What distinguishes an experiment from the others of its figure, in words."""
    return f"{one.widths}, σx starting at {one.start}"


def name(method: str) -> str:
    """A method in words."""
    return style.METHODS[method].label


def lower_ends(one: Comparison, experiment: Experiment) -> list[Claim]:
    """Whether EM ends with a lower NLL than autoencoders, and by how much.

    Parameters
    ----------
    one : Comparison
        The experiment's numbers.
    experiment : Experiment
        How they were made; its last recipe is the tuned autoencoder.

    Returns
    -------
    list of Claim
        Against the published learning rates, on training and on held-out data; against the tuned
        autoencoder; against exact likelihood and the best autoencoder of each start.
    """
    tuned = experiment.recipes[-1]
    return [
        _lower(
            one,
            "EM converges to a lower NLL than VAE training, at each learning rate",
            {method: one.final(method) for method in PUBLISHED},
            said_after=_unfinished(one, experiment),
        ),
        _lower(
            one,
            "asked here: the same of data that were held out",
            {method: one.final(method, "held_out") for method in PUBLISHED},
            of="held_out",
        ),
        _lower(
            one,
            "asked here: EM's NLL is also lower than that of a tuned VAE",
            {tuned.name: one.final(tuned.name)},
            said_after=f"The recipe: {in_words(tuned)}",
        ),
        _against_likelihood(one),
    ]


def _lower(
    one: Comparison, claim: str, others: dict[str, Array], of: str = "train", said_after: str = ""
) -> Claim:
    em = one.final("em", of)
    contests = [_contest(em, values, name(method)) for method, values in others.items()]
    words = f"EM ends at {median_and_range(em)} nats, " + "; ".join(said for said, _ in contests)
    measured = f"{words}. {said_after}" if said_after else words
    return Claim(claim, measured, judged([won for _, won in contests]), setting(one))


def _unfinished(one: Comparison, experiment: Experiment) -> str:
    """Which methods had not converged, and which autoencoders had collapsed."""
    outcomes = one.of("em", "outcome")
    words = [
        f"EM converged on {int((outcomes == 'converged').sum())} of {len(outcomes)} starts and "
        f"elsewhere had its limit of {experiment.em_iterations} iterations"
    ]
    for method in PUBLISHED:
        falling = int(one.still_falling(method).sum())
        if falling:
            words.append(f"{name(method)} was still falling on {falling}")
    for method in one.autoencoders:
        collapsed = int(one.collapsed(method).sum())
        if collapsed:
            words.append(f"{name(method)} ended no better than a straight line on {collapsed}")
    return "; ".join(words)


def _against_likelihood(one: Comparison) -> Claim:
    em = one.final("em")
    beside = [("exact likelihood", one.final("mle")), ("best VAE", one.best_autoencoder())]
    words = "; ".join(_contest(em, values, f"{label} of each start")[0] for label, values in beside)
    diverged = sum(int(one.diverged(method).sum()) for method in one.methods)
    return Claim(
        "not in the paper: the exact likelihood's gradient, and the best VAE there is",
        f"on training data EM is {words}. Runs that diverged: {diverged}, all kept",
        Verdict.OWN,
        setting(one),
    )


def in_words(recipe: Recipe) -> str:
    """How an autoencoder was trained."""
    words = [
        f"{'a falling' if recipe.falling else 'a constant'} rate from {recipe.learning_rate:g}"
    ]
    if recipe.warm_up:
        words.append(f"the KL's weight rising over the first {recipe.warm_up:.0%} of updates")
    if recipe.samples > 1:
        words.append(f"{recipe.samples} draws of z")
    if recipe.start_deviation is not None:
        words.append(f"its own start of the noise, {recipe.start_deviation:g}")
    return ", ".join(words)


def _contest(em: Array, other: Array, label: str) -> tuple[str, tuple[int, int]]:
    """EM's end against another's, in words, and on how many of how many starts EM wins.

    A run that diverged has lost, but does not count for how far apart the ends are.
    """
    wins, count = int((em < other).sum()), len(em)
    both = np.isfinite(em) & np.isfinite(other)
    lead = f", by {median_and_range(other[both] - em[both])}" if both.any() else ""
    if not both.all():
        lead += f" (one or both diverged on {count - int(both.sum())})"
    return f"below {label} on {wins} of {count} starts{lead}", (wins, count)


def sooner(one: Comparison) -> Claim:
    """Whether EM converges in less time than autoencoders at the published rates.

    Parameters
    ----------
    one : Comparison
        The experiment's numbers.

    Returns
    -------
    Claim
        Judged by seconds; iterations and updates are said as well.

    Notes
    -----
    What is compared is when the NLL first is within `NEAR` of the worse of the two ends, which both
    methods reach. Starts on which the autoencoder has collapsed do not count: EM passes such a loss
    in its first iterations. A rate at which it collapsed on more than half of the starts does not
    count at all.
    """
    words, contests = [], []
    for method in PUBLISHED:
        said, (wins, count) = _race(one, method)
        words.append(f"{name(method)}: {said}")
        if 2 * count >= len(one.final(method)):
            contests.append((wins, count))
    return Claim(
        "EM converges faster",
        f"medians until within {NEAR} nats of the worse of both ends, where the VAE learned more "
        "than a straight line: "
        + "; ".join(words)
        + ". Judged by processor time on one core; compilation of the VAE's loop left out. VAEs "
        "trained side by side have equal shares of it: alone one takes about twice as long",
        judged(contests),
        setting(one),
    )


def _race(one: Comparison, method: str) -> tuple[str, tuple[int, int]]:
    """The times in words, and on how many of the starts that count EM is sooner."""
    em, other, counts = one.final("em"), one.final(method), ~one.collapsed(method)
    if not counts.any():
        return f"collapsed on all {len(em)} starts", (0, 0)
    target = np.maximum(em, other) + NEAR
    steps = [one.first_within(m, target, "step")[counts] for m in ("em", method)]
    seconds = [one.first_within(m, target, "seconds")[counts] for m in ("em", method)]
    wins, count = int((seconds[0] < seconds[1]).sum()), int(counts.sum())
    said = (
        f"{_middle(steps[0])} iterations against {_middle(steps[1])} updates, "
        f"{_middle(seconds[0])} s against {_middle(seconds[1])} s, sooner by it on {wins} of "
        f"{count}"
    )
    return said, (wins, count)


def _middle(values: Array) -> str:
    return number(float(np.median(values)))


def same_bound(one: Comparison) -> Claim:
    """Whether autoencoders of all rates end at the same loss, and at the maximum of their ELBO.

    Parameters
    ----------
    one : Comparison
        The experiment's numbers.

    Returns
    -------
    Claim
        If they end at the maximum, the tuned autoencoder, which has the same ELBO and start, does
        not reach a higher ELBO.
    """
    medians = [float(np.median(one.final(method))) for method in PUBLISHED]
    ends = np.concatenate([one.final(method) for method in PUBLISHED])
    with np.errstate(invalid="ignore"):
        alike = int((np.abs(ends - np.median(ends)) < NEAR).sum())
    higher = _elbo_left(one, PUBLISHED)
    return Claim(
        "all trained VAEs seem to converge to the same bound, the maximum of their ELBO",
        f"medians of the three rates {', '.join(map(number, medians))} nats; {alike} of "
        f"{len(ends)} runs within {NEAR} of the middle one. From the same starts the tuned VAE's "
        f"ELBO ends above the best of theirs by {median_and_range(higher)}",
        checked(max(medians) - min(medians) < NEAR and not (higher > NEAR).any()),
        setting(one),
    )


def _elbo_left(one: Comparison, methods: Sequence[str]) -> Array:
    """How far the tuned autoencoder's ELBO is above the best of the methods', (starts,)."""
    bounds = np.array([one.of(method, "elbo")[:, -1] for method in methods])
    return np.asarray(one.of("vae tuned", "elbo")[:, -1] - np.fmax.reduce(bounds))


def bound_holds(one: Comparison, data: int) -> Claim:
    """Whether log p = ELBO + KL at every record.

    Parameters
    ----------
    one : Comparison
        The experiment's numbers.
    data : int
        At how many data of each record it was checked.

    Returns
    -------
    Claim
        It fails if nothing could be checked.
    """
    made, unknown = one.records
    besides = f" ({unknown} more are of runs that had diverged)" if unknown else ""
    return Claim(
        "log p(x) = ELBO + KL (3)",
        f"at {made:,} records{besides}, for the first {data} data of each, by quadrature that "
        f"shares nothing with fast but the forward pass and the ends of its regions: worst "
        f"disagreement {one.worst_disagreement:.1e} of max(1, |log p|, |ELBO|), allowed "
        f"{TOLERANCE:.0e}",
        checked(made > 0 and one.worst_disagreement <= TOLERANCE),
        setting(one),
    )
