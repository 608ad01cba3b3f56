"""What figure 18 shows, beyond the paper."""

from __future__ import annotations

from paper_figures.claims import Claim, judged, median_and_range
from paper_figures.figures.figure_18_polishing.compute import chosen
from paper_figures.options import Numbers


def claims(numbers: Numbers) -> list[Claim]:
    """Polishing against longer training, and what it leaves to the encoder, by data and decoder."""
    return [claim for name in numbers["names"] for claim in _claims(numbers, str(name))]


def _claims(numbers: Numbers, name: str) -> list[Claim]:
    found, kl = chosen(numbers, name), numbers[f"{name}|kl"]
    gain, longer = found["em"] - found["before"], found["vae"] - found["before"]
    soon = found["em_in_time"] - found["before"]
    won, sooner = int((gain > longer).sum()), int((soon > longer).sum())
    return [
        Claim(
            "EM training of DGNs produces greater likelihood than VAE training (abstract): of "
            "trained decoders, against VAEs trained six times as long, their rate tuned",
            f"exact log p of new images rises by {median_and_range(gain, 4)} nats in "
            f"{median_and_range(found['em_seconds'])} s of EM, and by "
            f"{median_and_range(longer, 4)} in {median_and_range(found['vae_seconds'])} s of "
            f"longer training: EM ends higher on {won} of {len(gain)} starts",
            judged([(won, len(gain))]),
            name,
        ),
        Claim(
            "and in the same time",
            f"in the seconds of the longer training EM gains {median_and_range(soon, 4)} nats: "
            f"more than it on {sooner} of {len(gain)} starts",
            judged([(sooner, len(gain))]),
            name,
        ),
        Claim(
            "the bound of a VAE hides how far its encoder is from the posterior",
            f"exact KL of the encoder {median_and_range(kl[:, 0])} nats a new image; under the "
            f"polished decoder, which it was not trained for, {median_and_range(kl[:, 1])}; of the "
            f"longer trained VAE {median_and_range(kl[:, 2])}",
            judged([(int((kl[:, 0] > 1.0).sum()), len(kl))]),
            name,
        ),
    ]
