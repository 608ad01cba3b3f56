"""README and docs: short where they have to be, their links lead somewhere, and their code runs."""

import contextlib
import importlib
import io
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import exactdgn
from oracle import __main__ as command

ROOT = Path(exactdgn.__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted(DOCS.glob("*.md")),
    *ROOT.glob("paper_figures/data/**/*.md"),
]
PACKAGES = ("reference", "fast", "oracle", "paper_figures", "exactdgn")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
#: A file or folder of the repository, in backticks.
PLACE = re.compile(r"`((?:tests|docs|oracle|fast|reference|paper_figures|exactdgn)/[\w./*-]*)`")


def text(path):
    return path.read_text(encoding="utf-8")


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text(page), flags=re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_readme_is_a_page():
    assert len(text(ROOT / "README.md").splitlines()) <= 160


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    for link in LINK.findall(text(page)):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_places_exist(page):
    """Files and folders named in the text; N stands for a figure's number."""
    for place in PLACE.findall(text(page)):
        pattern = place.rstrip("/").replace("figure_N_topic", "figure_*")
        assert list(ROOT.glob(pattern)), place


def test_every_page_is_linked_from_the_first():
    linked = {link.partition("#")[0] for link in LINK.findall(text(ROOT / "README.md"))}
    assert {f"docs/{page.name}" for page in DOCS.glob("*.md")} <= linked


def test_names_in_the_table_of_equations():
    """Each is a module, or a thing in one, of the package whose column it stands in."""
    rows = [line.split("|") for line in text(DOCS / "equations.md").splitlines() if "| `" in line]
    assert len(rows) > 15
    for row in rows:
        for package, column in (("reference", row[3]), ("fast", row[4])):
            for name in re.findall(r"`([\w.]+)`", column):
                assert found(package, name), f"{package}: {name}"


def found(package, name):
    """Whether a dotted name leads to something within a package."""
    if name == package:
        return True
    module, rest = importlib.import_module(package), name.split(".")
    while rest:
        with contextlib.suppress(ModuleNotFoundError):
            module, rest = importlib.import_module(f"{module.__name__}.{rest[0]}"), rest[1:]
            continue
        break
    thing = module
    for part in rest:
        thing = getattr(thing, part, None)
    return thing is not None


def test_every_room_is_in_the_architecture():
    page = text(DOCS / "architecture.md")
    for package in ("reference", "fast", "oracle"):
        for room in (ROOT / package).glob("*/__init__.py"):
            assert re.search(rf"\[{room.parent.name}\]", page), room.parent


def test_marks_of_the_verification_tables():
    """Where `python -m oracle --readme docs/verification.md` writes; nowhere else."""
    for mark in (command.BEGIN, command.END):
        assert [page.name for page in PAGES if mark in text(page)] == ["verification.md"]
        assert text(DOCS / "verification.md").count(mark) == 1


def blocks(page):
    """A page's Python code, block by block."""
    return re.findall(r"^```python\n(.*?)^```", text(page), re.S | re.M)


def run(code):
    """What a block of code prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "<documentation>", "exec"), {})
    return printed.getvalue()


class Linear:
    """What of torch.nn.Linear is read."""

    training = False

    def __init__(self, n_in, n_out):
        rng = np.random.default_rng([n_in, n_out])
        self.weight = _Tensor(rng.standard_normal((n_out, n_in)))
        self.bias = _Tensor(rng.standard_normal(n_out))


class ReLU(SimpleNamespace):
    """torch.nn.ReLU."""


class Sequential(list):
    """What of torch.nn.Sequential is read."""

    def __init__(self, *modules):
        super().__init__(modules)

    def eval(self):
        return self


class _Tensor:
    def __init__(self, values):
        self.values = values

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        return self.values


@pytest.fixture(params=["torch", "stand-in"])
def torch(request, monkeypatch):
    """torch itself where it is installed; and something with its names, which runs anywhere."""
    if request.param == "torch":
        return pytest.importorskip("torch")
    nn = SimpleNamespace(Linear=Linear, ReLU=ReLU, Sequential=Sequential)
    module = ModuleType("torch")
    module.nn = nn
    monkeypatch.setitem(sys.modules, "torch", module)
    return module


def test_the_readme_reads_a_decoder(torch):
    """log p, KL and E[z | x] of its example are finite numbers, one or two a datum; KL >= 0."""
    (code,) = blocks(ROOT / "README.md")
    assert len([line for line in code.splitlines() if line and "import" not in line]) <= 10
    said = run(code)
    log_p, kl, mean = (
        np.array(re.findall(r"-?\d+\.\d*(?:e-?\d+)?", part), dtype=float)
        for part in re.split(r"log p\(x\):|KL\(q ‖ p\(z\|x\)\):|E\[z\|x\]:", said)[1:]
    )
    assert (log_p.shape, kl.shape, mean.shape) == ((3,), (3,), (6,))
    assert np.all(kl >= 0)
    assert np.all(np.isfinite([*log_p, *kl, *mean]))


@pytest.mark.parametrize("code", [*blocks(DOCS / "examples.md"), *blocks(DOCS / "estimators.md")])
def test_examples_run(code):
    """None of what they print is NaN."""
    said = run(code)
    assert len(said.splitlines()) >= 1
    assert "nan" not in said
