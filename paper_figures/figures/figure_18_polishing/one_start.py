"""One VAE, trained as long as decoders are and six times longer, and its decoder polished by EM."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass

import numpy as np

from fast import DGN, HeldOut, LeakyReLU, Network
from paper_figures.data_sets import digits, small_digits
from paper_figures.data_sets.decoders import pixels
from paper_figures.methods import exact_fits
from paper_figures.methods.autoencoder import Snapshot, train
from paper_figures.methods.recipe import Recipe
from paper_figures.options import Numbers, Record
from reference.model import Array

#: As the shared decoders were trained: an encoder of 256 hidden units.
_ENCODER = (256,)
_START_DEVIATION = 0.3
_SHOWN = 8
#: Adam's rates that fall to 0 over the longer training.
_FALLING = (0.001, 0.003, 0.01)


@dataclass(frozen=True, kw_only=True)
class Polish:
    """Images, a decoder, and how it is trained and polished.

    Attributes
    ----------
    images : str
        "fours and nines" of MNIST, or "ten classes" of scikit-learn's digits.
    widths : tuple of int
        Of the decoder's layers, from the latent space to the pixels.
    n : tuple of int
        How many images are learned from, choose among iterations, and judge.
    updates : int
        Of the VAE before it is polished, minibatches of 50.
    longer : int
        How many times as long the VAEs train that it is compared with.
    iterations : int
        Of EM, at most.
    patience : int
        EM ends after so many iterations without a gain on the images that choose.
    """

    images: str
    widths: tuple[int, ...]
    n: tuple[int, int, int]
    updates: int = 5_000
    longer: int = 6
    iterations: int = 40
    patience: int = 3

    @property
    def name(self) -> str:
        """As it names files."""
        return f"{self.images.replace(' ', '_')}_{'-'.join(map(str, self.widths))}"

    def record(self) -> Record:
        """Its fields and its data's, ready for JSON."""
        return asdict(self) | {"data_sha256": digits.checksum()}

    def recipes(self) -> list[Recipe]:
        """The first is what is polished, after `updates`; all go on."""
        rates = (("constant", 0.001, False), *((f"falling {r:g}", r, True) for r in _FALLING))
        total = self.longer * self.updates
        return [
            Recipe(name, rate, total, falling=falling, hidden=_ENCODER)
            for name, rate, falling in rates
        ]

    def samples(self) -> tuple[Array, Array, Array]:
        """Images to learn from, to choose by, and to judge by."""
        if self.images == "ten classes":
            found = small_digits.images()
        else:
            rng = np.random.default_rng(0)
            known = np.concatenate([pixels("train_4"), pixels("test_9")[:400]])
            new = np.concatenate([pixels("test_4"), pixels("test_9")[400:]])
            found = np.concatenate([rng.permutation(known), rng.permutation(new)])
        ends = np.cumsum(self.n)
        return found[: ends[0]], found[ends[0] : ends[1]], found[ends[1] : ends[2]]


def run(job: Polish, seed: int) -> Numbers:
    """Train, go on training, and polish.

    Parameters
    ----------
    job : Polish
        Images, decoder and limits.
    seed : int
        Of the weights, minibatches and draws.

    Returns
    -------
    Numbers
        updates (K,): at which VAEs were looked at. vae (4, K, 2): mean log p(x) of the images that
        choose and of those that judge, nats, of each recipe; the first of the first is polished.
        vae_seconds (4, K). em (I + 1, 2), em_seconds (I + 1,): the same by iteration, the start
        first. kl (3,): the mean exact KL of the encoder on the images that judge, under the VAE
        before, its decoder polished, and the best of the VAEs that trained longer. before, after
        (8, D): E[g(z) | x] of the images `shown` (8, D).
    """
    learned, chosen, judged = job.samples()
    network = Network.random(job.widths, LeakyReLU(0.0), seed)
    records = list(range(job.updates, job.longer * job.updates + 1, job.updates))
    rows: dict[str, list[Snapshot]] = {recipe.name: [] for recipe in job.recipes()}
    for snapshot in train(network, _START_DEVIATION, learned, job.recipes(), seed, records):
        rows[snapshot.recipe.name].append(snapshot)
    of_vae = np.array(
        [[_told(snapshot, chosen, judged) for snapshot in row] for row in rows.values()]
    )
    before = rows["constant"][0]
    dgn, of_em = _polished(job, before.dgn(), (learned, chosen, judged))
    later = of_vae[:, 1:, 0]
    row, column = np.unravel_index(np.argmax(later), later.shape)
    longest = list(rows.values())[row][1 + column]
    shown = judged[:_SHOWN]
    return of_em | {
        "updates": np.array(records),
        "vae": of_vae,
        "vae_seconds": np.array([[one.seconds for one in row] for row in rows.values()]),
        "kl": np.array(
            [
                _divergence(before, before.dgn(), judged),
                _divergence(before, dgn, judged),
                _divergence(longest, longest.dgn(), judged),
            ]
        ),
        "shown": shown,
        "before": before.dgn().posterior(shown).reconstruction(),
        "after": dgn.posterior(shown).reconstruction(),
    }


def _told(snapshot: Snapshot, chosen: Array, judged: Array) -> tuple[float, float]:
    """Mean log p(x) of both, nats; -inf where training has diverged."""
    if not snapshot.is_finite():
        return -np.inf, -np.inf
    try:
        return _mean(snapshot.dgn(), chosen), _mean(snapshot.dgn(), judged)
    except exact_fits.TROUBLE:
        return -np.inf, -np.inf


def _mean(dgn: DGN, X: Array) -> float:
    return float(np.mean(dgn.logpdf(X)))


def _polished(job: Polish, start: DGN, images: tuple[Array, Array, Array]) -> tuple[DGN, Numbers]:
    """The model that the images that choose are most likely under, and how EM got there. Seconds
    are of EM alone, without looks at other images."""
    learned, chosen, judged = images
    held_out = HeldOut(start, chosen, job.patience)
    on_judged, seconds = [_mean(start, judged)], [0.0]
    begun = time.process_time()

    def watch(iteration: int, dgn: DGN, loss: float) -> bool:
        nonlocal begun
        seconds.append(seconds[-1] + time.process_time() - begun)
        on_judged.append(_mean(dgn, judged))
        ended = held_out(iteration, dgn, loss)
        begun = time.process_time()
        return ended

    exact_fits.em(start, learned, job.iterations, watch)
    both = np.stack([held_out.history, on_judged], axis=1)
    return held_out.best, {"em": both, "em_seconds": np.array(seconds)}


def _divergence(encoder: Snapshot, dgn: DGN, X: Array) -> float:
    """The mean exact KL(q(z | x) ‖ p(z | x)), nats."""
    q = encoder.posterior(X)
    return float(np.mean(dgn.kl(X, q.means[:, 0], q.covs[:, 0])))
