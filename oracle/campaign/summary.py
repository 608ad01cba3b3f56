"""What a campaign found, in words and tables: as printed, and as in the README."""

from __future__ import annotations

from oracle.campaign.run import Findings
from oracle.checks.implementations import IMPLEMENTATIONS, LOCAL, ROUTES
from oracle.checks.samples import FALSE_ALARM, SamplingTally
from oracle.checks.tally import Comparison, Tally
from oracle.checks.tolerances import TOLERANCES
from oracle.truths.enclosure import NARROW

LEGEND = """\
worst error: the largest among comparisons within the tolerance; units of max(1, |log p|) for log
densities, standard deviations for moments, absolute for masses.
beyond: comparisons past the tolerance, all judged by the problem's condition number κ times
ε = 2^-52, κ from perturbed inputs; by part.: those that needed the κ in which the doubles of the
partition (A_ω, b_ω, breakpoints) count among the inputs; empty: those with κε > 1, where nothing is
shown; share of κε: the worst of all beyond (1.00 would be a breach).
S = 1: every truth by quadrature at two precisions that agree to 20 digits. S = 2, 3: by Theorem 1
on exact regions at two levels that agree to 25; S = 2 once more by nested quadrature, without
regions, which agrees to 12."""


def headline(found: Findings) -> str:
    """The outcome in a line."""
    breaches, trouble = len(found.breaches), len(found.trouble)
    if not breaches and not trouble:
        return "No breach."
    return f"{breaches} breaches, {trouble} checks that could not be made."


def text(found: Findings) -> str:
    """Everything, for a terminal."""
    parts = []
    for size in sorted(found.comparisons):
        parts += [counts(found.comparisons[size]), table(found.comparisons[size]), ""]
    parts += [LEGEND, "", *one_sided(found), *partition_lines(found), "", *sampling_lines(found)]
    parts += [enclosures_line(found), *fixed_lines(found), proofs_line(found)]
    return "\n".join(parts)


def counts(comparison: Comparison) -> str:
    """How many networks and regions, of which implementation."""
    said = [
        f"{name} {comparison.networks[name]} networks"
        + (f" of {comparison.regions[name]} regions" if name in comparison.regions else "")
        + (
            f", {comparison.declined[name]} times outside its validity"
            if comparison.declined[name]
            else ""
        )
        for name in ROUTES
        if comparison.networks[name]
    ]
    return f"S = {comparison.dimension}: {'; '.join(said)}"


def table(comparison: Comparison) -> str:
    """A line a quantity and implementation."""
    lines = [
        f"{'quantity':33}{'tolerance':>11}  {'':12}{'compared':>9}{'worst error':>13}  {'where':22}"
        f"{'beyond':>7}{'by part.':>9}{'empty':>7}{'max κ':>9}{'share of κε':>13}{'breaches':>10}"
    ]
    before = ""
    for quantity, name, tolerance, t in rows(comparison):
        label, before = "" if quantity == before else quantity, quantity
        ill = f"{t.kappa:9.0e}{t.share:13.2f}" if t.conditioned else f"{'-':>9}{'-':>13}"
        lines.append(
            f"{label:33}{tolerance:11.0e}  {name:12}{t.compared:9}{t.worst:13.1e}  "
            f"{t.where:22}{t.conditioned:7}{t.by_partition:9}{t.empty:7}{ill}{len(t.breaches):10}"
        )
    return "\n".join(lines)


def rows(comparison: Comparison) -> list[tuple[str, str, float, Tally]]:
    """Quantity, implementation, tolerance and tally of all that was compared."""
    tolerances = TOLERANCES[comparison.dimension]
    return [
        (quantity, name, tolerances[name][quantity], comparison.tallies[quantity, name])
        for quantity in {**tolerances["fast"], **tolerances.get(LOCAL, {})}
        for name in ROUTES
        if (quantity, name) in comparison.tallies
    ]


def one_sided(found: Findings) -> list[str]:
    """Values without a counterpart."""
    lines = []
    for name in ROUTES:
        count = sum(
            tally.one_sided
            for comparison in found.comparisons.values()
            for (_, other), tally in comparison.tallies.items()
            if other == name
        )
        if count:
            lines.append(
                f"Not compared, in regions that only one of the oracle and {name} has, or that "
                f"{name} leaves out as negligible: {count} values."
            )
    return lines


def partition_lines(found: Findings) -> list[str]:
    """A line an implementation on how its regions compare with the exact ones."""
    lines = ["Latent partition, S = 1 to 3, every kind of layer, against exact arithmetic:"]
    for name, tally in found.partitions.items():
        lines.append(
            f"{name:10}{tally.networks:6} networks, {tally.regions} regions code for code; "
            f"{len(tally.differences)} differences; {len(tally.refused)} refused (PartitionError)"
        )
    return lines


def sampling_lines(found: Findings) -> list[str]:
    """A line a latent dimension, quantity and implementation on the tests against samples."""
    lines = [
        f"Against samples, with a chance of {FALSE_ALARM:g} of any false alarm in a campaign:",
        f"{'':6}{'quantity':26}{'':11}{'tests':>7}{'not shown':>11}{'worst':>8}"
        f"{'would see, at best':>20}{'at worst':>10}",
    ]
    for size, tallies in sorted(found.sampling.items()):
        for (quantity, name), t in tallies.items():
            finest, coarsest = (f"{v:.0e}" if 0 < v < float("inf") else "-" for v in seen(t))
            lines.append(
                f"S = {size} {quantity:26}{name:11}{t.tested:7}{t.not_shown:11}{t.worst:8.2f}"
                f"{finest:>20}{coarsest:>10}"
            )
    return lines


def seen(tally: SamplingTally) -> tuple[float, float]:
    """The smallest and the largest error that tests would have found."""
    return tally.finest, tally.coarsest


def enclosures_line(found: Findings) -> str:
    """What lies inside of proven balls."""
    tally = found.enclosures
    told = ", ".join(
        f"{name} {tally.inside[name]} within its tolerance of them and {tally.beyond[name]} beyond"
        for name in tally.inside
    )
    return (
        f"Proven enclosures, S = 1: {tally.enclosed} balls narrower than {NARROW:g}, "
        f"{tally.too_wide} models without; quadrature outside of {len(tally.breaches)}; "
        f"{told or 'none compared'} (those are judged above)"
    )


def fixed_lines(found: Findings) -> list[str]:
    """A line an implementation on the fixed models."""
    lines = []
    for name in IMPLEMENTATIONS:
        tallies = [tally for (_, other), tally in found.fixed.items() if other == name]
        if tallies:
            lines.append(
                f"Fixed models, {name}: {sum(t.compared for t in tallies)} values, the worst "
                f"{max(t.worst for t in tallies):.2f} of what is allowed"
            )
    return lines


def proofs_line(found: Findings) -> str:
    """How many proofs passed."""
    passed = sum(proof.passed for proof in found.proofs)
    return f"Proofs with symbols: {passed} of {len(found.proofs)}"


def markdown(found: Findings) -> str:
    """The README's table: for each quantity and S the worst error within the tolerance, and how
    many comparisons were beyond it, of every route."""
    sizes = sorted(found.comparisons)
    columns = [(s, name) for s in sizes for name in ROUTES if name in TOLERANCES[s]]
    head = "| quantity | " + " | ".join(f"S = {s}, {name} | beyond" for s, name in columns)
    lines = [f"{head} |", "|---" * (1 + 2 * len(columns)) + "|"]
    for quantity in dict.fromkeys([*TOLERANCES[1]["fast"], *TOLERANCES[2][LOCAL]]):
        cells = []
        for size, name in columns:
            t = found.comparisons[size].tallies.get((quantity, name))
            cells.append("– | –" if t is None else f"{t.worst:.0e} | {_beyond(t)}")
        lines.append(f"| {quantity} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _beyond(tally: Tally) -> str:
    """How many of how many."""
    return f"{tally.conditioned} of {tally.compared}" if tally.conditioned else "0"
