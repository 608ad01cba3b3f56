"""What figure 9 says of the paper's claims."""

from __future__ import annotations

from paper_figures.claims import Claim, Verdict, judged, median_and_range
from paper_figures.figures.figure_9_better_q.one_start import MODELS
from paper_figures.options import Numbers


def claims(numbers: Numbers) -> list[Claim]:
    """A mixture on the circle, a full covariance on the sphere, and the nearest q there is."""
    return [
        _better(numbers, "circle", "a mixture of 3 Gaussians in place of one"),
        _better(numbers, "sphere", "a full covariance in place of a diagonal one, S = 2"),
        _nearest(numbers),
    ]


def _better(numbers: Numbers, data: str, change: str) -> Claim:
    """Judged by the NLL: the KL is smaller by itself as soon as q is richer."""
    losses, divergences = numbers[f"{data}.train"], numbers[f"{data}.kl"]
    gain = losses[:, 0] - losses[:, 1]
    wins = int((gain > 0).sum())
    return Claim(
        "providing better posterior estimates is key to improve VAEs",
        f"{change}: KL {median_and_range(divergences[:, 1])} instead of "
        f"{median_and_range(divergences[:, 0])} nats; NLL lower on {wins} of {len(gain)} starts, "
        f"by {median_and_range(gain)} nats. Judged by the NLL",
        judged([(wins, len(gain))]),
        data,
    )


def _nearest(numbers: Numbers) -> Claim:
    words = [
        f"{name}: {median_and_range(numbers[f'{model}.gaussian'].mean(axis=1))}, of a mixture of "
        f"up to 3 at most {median_and_range(numbers[f'{model}.mixture'].mean(axis=1))}"
        for model, name in zip(MODELS, ("exact likelihood", "EM", "VAE"), strict=True)
    ]
    largest = max(float(numbers[f"{model}.gaussian"].max()) for model in MODELS)
    return Claim(
        "not in the paper: what a Gaussian q costs at least, whatever the encoder",
        "mean KL of every datum's nearest Gaussian on the circle, for models by "
        + "; ".join(words)
        + f". For single data up to {largest:.2f} nats",
        Verdict.OWN,
    )
