"""The mutation score: what counts as a defect, that it is in force, and what a catch is."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cosmic_ray.mutating import mutate_code
from coverage import CoverageData

from oracle.mutants.mutant import Mutant
from oracle.mutants.slipped import SLIPPED
from oracle.mutation.in_force import NotInForce, broken_text
from oracle.mutation.operators import operators
from oracle.mutation.reached import Reached, read
from oracle.mutation.score import Score, arguments, page, suffices
from oracle.mutation.systematic import PACKAGES, SystematicMutant, sample, sites
from oracle.mutation.trials import Trial

ROOT = Path(__file__).parents[2]
WRITTEN = [mutant for kind in SLIPPED.values() for mutant in kind]


@pytest.mark.parametrize(
    ("operator", "before", "after"),
    [
        ("DropStatement", "def f(a):\n    a += 1\n    return a\n", ["pass"]),
        ("DropStatement", "def f(a):\n    a[0] = 1\n    return a\n", ["pass"]),
        ("DropStatement", "def f(a):\n    a = 2 * a\n    return a\n", ["pass"]),
        ("DropStatement", "def f(a):\n    if a:\n        raise ValueError\n", ["pass"]),
        ("DropStatement", "def f(a):\n    a.sort()\n", ["pass"]),
        ("DropStatement", "def f(a):\n    b = 2 * a\n    return b\n", []),
        ("SwapArguments", "f(a, b, c=d)\n", ["f(b, a, c=d)"]),
        ("SwapArguments", "f(a, b, c)\n", ["f(b, a, c)", "f(a, c, b)"]),
        ("SwapArguments", "np.maximum(a, b) + f(a, a)\n", []),
        ("DropKeyword", "f(a, axis=1, keepdims=True)\n", ["f(a, keepdims=True)", "f(a, axis=1)"]),
        ("DropKeyword", "f(axis=1)\n", ["f()"]),
        ("DropBound", "a[i : i + n]\n", ["a[ : i + n]", "a[i :]"]),
        ("DropBound", "a[:, None]\n", []),
        ("DropTranspose", "a.T @ b\n", ["a @ b"]),
    ],
)
def test_own_operators(operator, before, after):
    """Each change, and no more of them."""
    made = []
    while (text := mutate_code(before, operators()[operator], len(made))) is not None:
        made.append(text)
    assert len(made) == len(after)
    for text, part in zip(made, after, strict=True):
        assert part in text
        compile(text, "made", "exec")


def test_only_what_computes_is_changed(tmp_path):
    """Annotations, docstrings, messages, imports and decorators are no places of defects."""
    package = tmp_path / "fast"
    package.mkdir()
    (package / "some.py").write_text(
        '"""Of 1."""\n'
        "from a import b\n"
        "KINDS = {1: 'x'}\n"
        "Alias = dict[int, 3]\n"
        "@cached(2)\n"
        "def f(x: Literal[1], y=4) -> Literal[2]:\n"
        '    """Twice 5."""\n'
        "    if x > 6:\n"
        '        raise ValueError(f"{x + 7}", 8)\n'
        '    warnings.warn("a", stacklevel=9)\n'
        "    return 10\n",
        encoding="utf-8",
    )
    places = [s for s in sites(tmp_path, "fast") if s.operator == "NumberReplacer"]
    assert [(s.line, s.function) for s in places] == [
        (line, function)
        for line, function in [(3, ""), (6, "f"), (8, "f"), (11, "f")]
        for _ in "+-"
    ]


def test_samples_are_drawn_by_seed(tmp_path):
    """The same seed, the same defects; every one can be made and changes what python runs."""
    file = Path("fast") / "integration" / "interval.py"
    (tmp_path / file.parent).mkdir(parents=True)
    shutil.copy(ROOT / file, tmp_path / file)
    drawn = sample(tmp_path, "fast", 20, 0)
    assert len(drawn) == 20
    assert drawn == sample(tmp_path, "fast", 20, 0)
    assert drawn != sample(tmp_path, "fast", 20, 1)
    original = ast.dump(ast.parse((ROOT / file).read_text(encoding="utf-8")))
    for mutant in drawn:
        assert ast.dump(ast.parse(broken_text(tmp_path, mutant))) != original


def test_defects_written_by_hand_have_their_places():
    """All eight kinds, more than forty; a place that is gone fails loudly."""
    assert len(SLIPPED) == 8
    assert len(WRITTEN) == len({mutant.label for mutant in WRITTEN}) >= 40
    for mutant in WRITTEN:
        compile(broken_text(ROOT, mutant), "broken", "exec")
    with pytest.raises(NotInForce, match="occurs 0 times"):
        broken_text(ROOT, Mutant("", "fast", "dgn", "DGN.kl", "no such text", "", ""))


IN_FORCE = """
import sys
from pathlib import Path
import numpy as np
import fast, fast.dgn, fast.integration.interval, fast.one_dimension.pairs
from oracle.mutation.in_force import put_in_force
from oracle.mutants.mutant import Mutant
from oracle.mutation.systematic import mutant_at, sites_of_file

root = Path.cwd()
def first(package, module, **wanted):
    for site in sites_of_file(root / package / (module.replace(".", "/") + ".py"), package):
        if all(getattr(site, k) == v for k, v in wanted.items()):
            mutant = mutant_at(site, root)
            if mutant is not None:
                return mutant

dgn = fast.DGN(fast.Network([fast.Dense([[1.0]], [0.0])]), 1.0)
right = dgn.kl([[0.5]], [[0.0]], [[1.0]])
place = ("fast", "dgn", "DGN.kl")
put_in_force(root, Mutant("", *place, "self._of(data).kl(data", "-self._of(data).kl(data", ""))
assert dgn.kl([[0.5]], [[0.0]], [[1.0]]) != right, "a function"

constant = first("fast", "one_dimension.pairs", function="", operator="NumberReplacer")
before = fast.one_dimension.pairs._FAR_TAIL
put_in_force(root, constant)
assert fast.one_dimension.pairs._FAR_TAIL != before, "a constant"

rvs = {"function": "JointModel.rvs", "operator": "NumberReplacer"}
default = first("fast", "distributions.joint_model", **rvs)
assert "size: int = 2" in default.after
put_in_force(root, default)
assert dgn.rvs().shape == (2, 1), "a default"

shared = first("fast", "integration.interval", function="", operator="NumberReplacer")
old = fast.integration.interval.LOG_2PI
put_in_force(root, shared)
assert fast.integration.interval.LOG_2PI != old
assert fast.one_dimension.e_step.LOG_2PI == fast.integration.interval.LOG_2PI
"""


def test_defects_are_in_force_everywhere():
    """In functions, in defaults, in constants and in modules that imported these."""
    run = subprocess.run(
        [sys.executable, "-c", IN_FORCE],
        cwd=ROOT,
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    assert run.returncode == 0, run.stderr


TRIALS = """
import json
from pathlib import Path
from oracle.mutants.mutant import Mutant
from oracle.mutation.reached import Reached, read
from oracle.mutation.trials import run_trials

def fast(function, replaced, by):
    return Mutant(by, "fast", "integration.draws", function, replaced, by, "")

defects = [
    fast("_one_sided", "np.empty_like(distance)", "np.zeros_like(distance)"),
    fast("sample_interval", "np.where(downwards, -draws, draws)", "draws"),
    fast("_one_sided", "todo = todo[~accepted]", "todo = todo[accepted | True]"),
    Mutant(
        "unreached", "fast", "many_dimensions.geometry", "PolyhedralGeometry.residual",
        "y - self.images", "-y + self.images", "",
    ),
]
root = Path.cwd()
names = ["tests/oracle/test_mutation.py::test_for_trials"]
lines = {line: frozenset(names) for line in range(1, 200)}
reached = Reached({root / "fast" / "integration" / "draws.py": lines}, {names[0]: 0.1})
found = run_trials(
    root, defects, reached, processes=2, progress=lambda _: None,
    collected="tests/oracle/test_mutation.py", grace=2.0,
)
print("FOUND", json.dumps({trial.defect.by: (trial.outcome, trial.test) for trial in found}))
"""


def test_for_trials():
    """What the trials below are judged by: draws on both sides of their peak."""
    import numpy as np

    from fast.integration.draws import sample_interval

    one = np.ones(100)
    draws = sample_interval(0 * one, one, one, np.random.default_rng(0))
    assert draws.min() < 0 < draws.max()


def test_that_fails_in_trials():
    """Fails where it is asked to, and nowhere else."""
    assert "EXACTDGN_TRIAL_FAILS" not in os.environ


def test_trials_tell_what_happened():
    """A failing test is a catch; an endless loop, a place that no test reaches, and a change that
    no test sees are none."""
    run = subprocess.run(
        [sys.executable, "-c", TRIALS],
        cwd=ROOT,
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    assert run.returncode == 0, run.stdout + run.stderr
    found = json.loads(run.stdout.split("FOUND")[1])
    assert found == {
        "np.zeros_like(distance)": ["survived", ""],
        "draws": ["caught", "tests/oracle/test_mutation.py::test_for_trials"],
        "todo = todo[accepted | True]": ["timeout", ""],
        "-y + self.images": ["unreached", ""],
    }


def test_what_fails_without_a_defect_tells_none():
    """A test that always fails catches everything: the trials end with an error."""
    script = TRIALS.replace("test_for_trials", "test_that_fails_in_trials")
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "EXACTDGN_TRIAL_FAILS": "1"},
        check=False,
    )
    assert run.returncode != 0
    assert "these tests fail without a defect" in run.stderr


def mutant(**changes):
    """A systematic defect that is none of the product's."""
    values = {
        "package": "fast",
        "module": "dgn",
        "function": "DGN.kl",
        "line": 1,
        "last": 1,
        "operator": "AddNot",
        "occurrence": 0,
        "before": "a",
        "after": "b",
    }
    return SystematicMutant(**{**values, **changes})


def test_the_score_counts_what_is_not_caught():
    """Only listed equivalents are left out; a listed one that is caught was no equivalent, and
    fails the whole."""
    outcomes = ["caught"] * 17 + ["survived", "timeout", "unreached", "died"]
    trials = [Trial(mutant(after=str(i)), outcome) for i, outcome in enumerate(outcomes)]
    listed = {mutant(after=str(i)).key: "Because." for i in (17, 30)}
    written = [Trial(one, "caught") for one in WRITTEN]
    score = Score(written=written, trials=trials, arguments=listed, seed=3)
    assert len(score.counted()) == 20
    assert "| **both** | 21 | 1 | 17 | 3 | 85.0% | 62.1% to 96.8% |" in page(score)
    assert not suffices(score)
    assert suffices(Score(written=written, trials=trials[:18], arguments=listed, seed=3))
    wrong = Score(written, trials[:18], {trials[0].defect.key: "Because.", **listed}, seed=3)
    assert not suffices(wrong)
    assert "refuted" in page(wrong)
    written[0] = Trial(WRITTEN[0], "survived")
    missed = Score(written=written, trials=trials[:18], arguments=listed, seed=3)
    assert not suffices(missed)
    assert WRITTEN[0].label in page(missed)


def test_every_equivalent_has_an_argument(tmp_path):
    """Of the product's list, and a list without one is refused."""
    for key, why in arguments(ROOT).items():
        assert key[0] in PACKAGES
        assert len(why.split()) >= 5, why
    bad = tmp_path / "tests" / "data"
    bad.mkdir(parents=True)
    (bad / "equivalent_mutants.toml").write_text(
        '[[mutant]]\npackage = "fast"\nmodule = "a"\nfunction = "b"\nbefore = "1"\n'
        'after = "2"\nwhy = " "\n',
        encoding="utf-8",
    )
    with pytest.raises(ValueError, match="no argument"):
        arguments(tmp_path)


def test_reached_by_lines_and_by_what_uses_a_default():
    """A statement is reached by the tests that run its lines; a default by those of the body."""
    path = ROOT / "fast" / "dgn.py"
    text = path.read_text(encoding="utf-8").splitlines()
    line = next(i for i, row in enumerate(text, 1) if "self._of(data).kl(data" in row)
    reached = Reached({path: {line: frozenset({"a"}), line - 1: frozenset({"b"})}}, {})
    kl = Mutant(
        "", "fast", "dgn", "DGN.kl", "self._of(data).kl(data", "-self._of(data).kl(data", ""
    )
    assert reached.by(ROOT, kl) == ["a"]
    head = Mutant("", "fast", "dgn", "DGN.kl", "q_mean: ArrayLike", "q_mean: ArrayLike = 0", "")
    assert reached.by(ROOT, head) == ["a", "b"]


def test_times_are_told_by_the_nodes_of_tests(tmp_path):
    """Functions and methods in folders: by the names that tests have where lines are reached."""
    folder = tmp_path / "tests" / "room"
    folder.mkdir(parents=True)
    (folder / "test_some.py").write_text(
        "def test_f():\n    pass\n\nclass TestC:\n    def test_m(self):\n        pass\n",
        encoding="utf-8",
    )
    times, data = tmp_path / "times.xml", CoverageData(basename=str(tmp_path / "data"))
    data.write()
    command = [sys.executable, "-m", "pytest", "-q", "--rootdir", ".", f"--junitxml={times}"]
    subprocess.run(command, cwd=tmp_path, stdout=subprocess.DEVNULL, check=True)
    found = read(tmp_path, tmp_path / "data", times)
    file = "tests/room/test_some.py"
    assert found.seconds.keys() == {f"{file}::test_f", f"{file}::TestC::test_m"}
