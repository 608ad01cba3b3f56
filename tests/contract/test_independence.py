"""Agreement means something only where nothing is shared: shown by the imports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("reference", "fast", "oracle", "paper_figures")
#: The rooms of each package, from the ground up: data flows from the first to the last.
ROOMS = {
    "reference": (
        "model",
        "polyhedra",
        "partition",
        "integration",
        "distributions",
        "dgn",
        "learning",
    ),
    "fast": (
        "polyhedra",
        "partition",
        "integration",
        "distributions",
        "one_dimension",
        "many_dimensions",
        "estimates",
        "partitioned",
        "dgn",
        "closed_form",
        "training",
        "autodiff",
        "estimators",
    ),
    "oracle": (
        "exact",
        "quadrature",
        "models",
        "truths",
        "learning",
        "samples",
        "proofs",
        "checks",
        "fixed_checks",
        "mutants",
        "mutation",
        "campaign",
        "__main__",
    ),
    "paper_figures": (
        "options",
        "claims",
        "catalogue",
        "style",
        "polygons",
        "data",
        "data_sets",
        "methods",
        "records",
        "comparison",
        "figures",
        "command",
        "__main__",
    ),
}
#: The rooms of the oracle that may run the implementations: they compare.
COMPARING = {"checks", "fixed_checks", "mutants", "mutation", "campaign", "__main__"}
#: Of the oracle's modules those in which numpy.linalg is named: for cases, for samples, or quoted.
QUOTING = ("oracle.models.architectures", "oracle.samples.monte_carlo", "oracle.mutants.")


def is_module(path):
    """Whether a path without its suffix is a module or a folder of modules."""
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def project_imports(path):
    """The project's modules a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module)
            names.update(
                f"{node.module}.{alias.name}"
                for alias in node.names
                if is_module(ROOT / node.module.replace(".", "/") / alias.name)
            )
    return {name for name in names if name.split(".")[0] in PACKAGES}


def modules(package):
    """The modules of a package by dotted name."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in (ROOT / package).rglob("*.py")
    }


def offences(package, allowed, exempt=frozenset()):
    """Imports of a package's modules from other packages, beyond those allowed."""
    return [
        f"{name} imports {imported}"
        for name, path in modules(package).items()
        if name not in exempt
        for imported in sorted(project_imports(path))
        if imported.split(".")[0] != package and imported not in allowed
    ]


def room(name):
    """The room of a module of a package, or the name of one that is in none."""
    return name.split(".")[1]


def upward(package):
    """Imports of a package's modules from a room further up."""
    order = ROOMS[package]
    return [
        f"{name} imports {imported}"
        for name, path in modules(package).items()
        if name != package
        for imported in sorted(project_imports(path))
        if imported.split(".")[0] == package and imported != package
        if order.index(room(imported)) > order.index(room(name))
    ]


@pytest.mark.parametrize("package", ROOMS)
def test_every_file_is_in_a_room(package):
    assert {room(name) for name in modules(package) if name != package} == set(ROOMS[package])


@pytest.mark.parametrize("package", ROOMS)
def test_no_import_runs_up(package):
    assert upward(package) == []


def foreign_figures():
    """Imports of a figure's modules from the folder of another figure."""
    figures = "paper_figures.figures."
    return [
        f"{name} imports {imported}"
        for name, path in modules("paper_figures").items()
        if name.startswith(figures)
        for imported in sorted(project_imports(path))
        if imported.startswith(figures) and imported.split(".")[2] != name.split(".")[2]
    ]


def test_no_figure_imports_another():
    """What two figures need is in a room below them."""
    assert foreign_figures() == []


def test_a_figure_that_imports_another_is_seen(monkeypatch):
    """With the import of another figure in place of every file's own."""
    other = "paper_figures.figures.figure_1_walk.compute"
    monkeypatch.setitem(globals(), "project_imports", lambda path: {other})
    assert f"paper_figures.figures.figure_2_cones.draw imports {other}" in foreign_figures()
    assert not any("figure_1_walk.draw imports" in offence for offence in foreign_figures())


def test_an_import_that_runs_up_is_seen(monkeypatch):
    """With two rooms exchanged."""
    monkeypatch.setitem(ROOMS, "fast", ("partition", "polyhedra", *ROOMS["fast"][2:]))
    assert any("fast.partition" in offence for offence in upward("fast"))


def test_oracle_computes_by_itself():
    """No value of the oracle comes through reference or fast, nor through what compares them."""
    computing = {
        name for name in modules("oracle") if name == "oracle" or room(name) not in COMPARING
    }
    comparing = modules("oracle").keys() - computing
    assert offences("oracle", set(), comparing) == []
    for name in computing:
        assert not project_imports(modules("oracle")[name]) & comparing, name


def test_oracle_uses_no_numerical_linear_algebra():
    """Its values are integers and mpmath numbers: numpy.linalg only where cases and samples are.

    oracle.mutants is data and quotes the implementations.
    """
    for name, path in modules("oracle").items():
        if not name.startswith(QUOTING):
            assert "linalg" not in path.read_text(encoding="utf-8"), name


def test_fast_takes_only_the_model_definition():
    """By its face: nothing of what is behind it."""
    assert offences("fast", {"reference.model"}) == []


def reached(start):
    """All modules of the project that a module imports, directly or through others."""
    paths = {name: path for package in PACKAGES for name, path in modules(package).items()}
    found, waiting = set(), [start]
    while waiting:
        for name in project_imports(paths[waiting.pop()]) & paths.keys() - found:
            found.add(name)
            waiting.append(name)
    return found


def test_the_model_definition_knows_no_integral():
    """What fast takes from reference leads to the model's room and no further."""
    assert {room(name) for name in reached("reference.model.network")} == {"model"}
    assert {room(name) for name in reached("reference.model")} == {"model"}


@pytest.mark.parametrize("package", ["reference", "fast", "oracle"])
def test_no_import_hides(package):
    """Imports by a computed name would escape the checks here."""
    for name, path in modules(package).items():
        source = path.read_text(encoding="utf-8")
        assert "importlib" not in source, name
        assert "__import__" not in source, name


def test_reference_stands_alone():
    assert offences("reference", set()) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_cycles(package):
    """Within a package data flows one way."""
    graph = {
        name: {i for i in project_imports(path) if i.split(".")[0] == package and i != package}
        for name, path in modules(package).items()
    }
    done = set()

    def visit(name, above):
        assert name not in above, f"cycle: {' -> '.join([*above, name])}"
        if name not in done:
            for imported in graph.get(name, ()):
                visit(imported, [*above, name])
            done.add(name)

    for name in graph:
        visit(name, [])


def test_the_check_can_fail(tmp_path):
    """An offending import is seen in every form, inside functions too."""
    offender = tmp_path / "offender.py"
    offender.write_text(
        "import fast.integration.interval\n\ndef f():\n    from reference import distributions\n",
        encoding="utf-8",
    )
    assert project_imports(offender) == {
        "fast.integration.interval",
        "reference",
        "reference.distributions",
    }
