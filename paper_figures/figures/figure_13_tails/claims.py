"""What figure 13 shows, beyond the paper."""

from __future__ import annotations

from paper_figures.claims import Claim, Verdict
from paper_figures.figures.figure_13_tails.compute import summary
from paper_figures.options import Numbers


def claims(numbers: Numbers) -> list[Claim]:
    """The worst errors of both."""
    found = summary(numbers)
    worst = found["worst_relative_error_of_fast"]
    nats = found["worst_error_of_the_published_code_in_nats"]
    words = ", ".join(f"{error:,.0f} nats at {label}" for label, error in nats.items())
    return [
        Claim(
            "not in the paper: how far its published approach can be trusted",
            f"box ±18, CDF differences and a floor of 1e-42, out to log p = "
            f"{found['least_log_p']:,.0f}: off by up to {words}",
            Verdict.OWN,
        ),
        Claim(
            "not in the paper: the same of fast",
            f"worst relative error {worst['value']:.0e}, at Σx = {worst['cov_x']:g} I, "
            f"{worst['distance']:,.0f} deviations away, seed {worst['seed']}",
            Verdict.OWN,
        ),
    ]
