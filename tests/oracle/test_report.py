"""The report: complete, by itself, the same for the same seed, and red where something is wrong."""

import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from markupsafe import escape

from oracle.campaign.coverage import RESULTS
from oracle.campaign.page import Run, commit_of, page, worst_seeds
from oracle.campaign.run import Findings, Proved, examine
from oracle.campaign.summary import markdown, text
from oracle.checks.implementations import LOCAL
from oracle.checks.tally import Comparison, Tally
from oracle.checks.tolerances import TOLERANCES
from oracle.fixed_checks.all_checks import FixedTally, check_fixed

#: Of one, two and three latent dimensions, and few regions.
SEEDS = (24, 13, 25)
RUN = Run(range(3), 1, "python -m oracle --architectures 3", "0123456789ab", 12.3)


@pytest.fixture(scope="module")
def found():
    """Three architectures, one fixed check and two proofs."""
    total = Findings()
    for seed in SEEDS:
        total.add(examine(seed, 1))
    total.fixed = {("regions, line", n): t for n, t in check_fixed("regions, line").items()}
    total.proofs = [Proved("eq. 3", "a < b & c", True), Proved("eq. 5", "d", True)]
    return total


class Wellformed(HTMLParser):
    """Every tag that is opened is closed, in order; nothing is fetched from elsewhere."""

    def __init__(self):
        super().__init__()
        self.open, self.fetched = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "br"):
            self.open.append(tag)
        self.fetched += [value for name, value in attrs if name == "src" or "http" in str(value)]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        """Closed at once."""


def test_one_file_by_itself(found):
    """Well-formed, without scripts, images or styles from elsewhere; everything is in it."""
    content = page(found, RUN, {24: "cases/case-24.json"})
    parser = Wellformed()
    parser.feed(content)
    assert parser.open == []
    namespaces = ("http://www.w3.org/", "http://purl.org/", "http://creativecommons.org/")
    assert [v for v in parser.fetched if not str(v).startswith(namespaces)] == []
    assert "No breach." in content
    assert "a &lt; b &amp; c" in content
    assert all(f"<td>{escape(result.name)}</td>" in content for result in RESULTS)
    assert all(f"<td>{escape(quantity)}</td>" in content for quantity in TOLERANCES[1]["fast"])
    assert content.count("<svg") == 3
    assert 'href="cases/case-24.json"' in content


def test_the_same_but_for_the_time(found):
    """The same findings, another time: one line differs."""
    again = Findings()
    for seed in SEEDS:
        again.add(examine(seed, 1))
    again.fixed, again.proofs = found.fixed, found.proofs
    other = dataclasses.replace(RUN, seconds=99.0)
    one, two = page(found, RUN, {}).splitlines(), page(again, other, {}).splitlines()
    assert len(one) == len(two)
    assert [a for a, b in zip(one, two, strict=True) if a != b] == [
        '<p class="small">12 seconds.</p>'
    ]
    assert text(found) == text(again)


def test_a_breach_is_red(found):
    """Shown first, with its words; so is a check that could not be made."""
    broken = Findings(comparisons={1: Comparison(1)}, trouble=["seed 5: OracleDisagreement: a < b"])
    tally = Tally(compared=1, breaches=["seed 4 (S = 1): log p (): error 1"])
    broken.comparisons[1].tallies["log p", "fast"] = tally
    content = page(broken, RUN, {})
    assert 'class="verdict bad">1 breaches, 1 checks that could not be made.' in content
    assert "fast: seed 4 (S = 1): log p (): error 1" in content
    assert "OracleDisagreement: a &lt; b" in content


def test_fixed_checks_and_proofs_can_breach():
    """An error past what is allowed, a proof that fails: both are breaches."""
    found = Findings(
        fixed={("gradient, line", "fast"): FixedTally(1, breaches=["fast, gradient: too far"])},
        proofs=[Proved("eq. 3", "an identity", False)],
    )
    assert found.breaches == ["fast, gradient: too far", "eq. 3: not proved: an identity"]


def test_worst_cases_are_found(found):
    """The seeds named in the tables."""
    assert set(worst_seeds(found)) == set(SEEDS)


def test_the_readme_table(found):
    """A line a quantity, a column a route and S, and the counts of what was beyond."""
    lines = markdown(found).splitlines()
    assert len(lines) == 2 + len(TOLERANCES[1]["fast"] | TOLERANCES[2][LOCAL])
    assert len({line.count("|") for line in lines}) == 1
    assert re.match(r"\| log p \| \d", lines[2])


def test_digits_are_counted(found):
    """As many as comparisons."""
    for comparison in found.comparisons.values():
        for tally in comparison.tallies.values():
            assert sum(tally.digits.values()) == tally.compared


def test_commit_of_a_checkout(tmp_path):
    """A branch, loose or packed; a detached head; none."""
    assert commit_of(tmp_path) == "unknown"
    (tmp_path / ".git" / "refs" / "heads").mkdir(parents=True)
    head = tmp_path / ".git" / "HEAD"
    head.write_text("ref: refs/heads/main\n", encoding="utf-8")
    assert commit_of(tmp_path) == "unknown"
    (tmp_path / ".git" / "packed-refs").write_text(
        "# x\n" + "b" * 40 + " refs/heads/main\n", encoding="utf-8"
    )
    assert commit_of(tmp_path) == "b" * 12
    (tmp_path / ".git" / "refs" / "heads" / "main").write_text("a" * 40 + "\n", encoding="utf-8")
    assert commit_of(tmp_path) == "a" * 12
    head.write_text("c" * 40 + "\n", encoding="utf-8")
    assert commit_of(tmp_path) == "c" * 12


def test_an_exception_is_a_breach(monkeypatch):
    """A fixed check that an implementation cannot run."""

    def broken(impl):
        raise np.linalg.LinAlgError("singular")
        yield

    monkeypatch.setitem(check_fixed.__globals__["CHECKS"], "regions, line", broken)
    tallies = check_fixed("regions, line")
    assert tallies["fast"].breaches == ["fast, regions, line: LinAlgError: singular"]
