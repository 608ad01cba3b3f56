"""Agreement means something only where nothing is shared: shown by the imports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("reference", "fast", "oracle", "paper_figures")
#: The only modules of the oracle that may run the implementations: they compare.
COMPARING = {
    "oracle.checks.random_models",
    "oracle.campaign.run",
    "oracle.checks.enclosures",
    "oracle.fixed_checks.all_checks",
    "oracle.campaign.digit_plots",
    "oracle.campaign.page",
    "oracle.checks.samples",
    "oracle.campaign.summary",
    "oracle.mutants.trial",
    "oracle.checks.partitions",
    "oracle.fixed_checks.checks",
    "oracle.__main__",
}
#: Of the oracle's modules those in which numpy.linalg is named: for cases, for samples, or quoted.
QUOTING = {
    "oracle.models.architectures",
    "oracle.samples.monte_carlo",
    "oracle.mutants.all_mutants",
    "oracle.mutants.slipped",
}


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
                if (ROOT / node.module.replace(".", "/") / f"{alias.name}.py").exists()
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


def test_oracle_computes_by_itself():
    """No value of the oracle comes through reference or fast, nor through what compares them."""
    assert offences("oracle", set(), COMPARING) == []
    computing = set(modules("oracle")) - COMPARING
    for name in computing:
        assert not project_imports(modules("oracle")[name]) & COMPARING, name


def test_oracle_uses_no_numerical_linear_algebra():
    """Its values are integers and mpmath numbers: numpy.linalg only where cases and samples are.

    oracle.mutants.all_mutants and oracle.mutants.slipped are data and quote the implementations.
    """
    for name, path in modules("oracle").items():
        if name not in QUOTING:
            assert "linalg" not in path.read_text(encoding="utf-8"), name


def test_fast_takes_only_the_model_definition():
    assert offences("fast", {"reference.model.network"}) == []


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
    """What fast takes from reference leads to layers, priors of weights (a part of the model, with
    densities tested against scipy's), files, read-only arrays and checks of arguments, and no
    further."""
    layers = {"from_torch", "layers", "max_pool", "spatial", "windows"}
    parts = layers | {"priors", "read_only", "validation", "whole_files"}
    assert reached("reference.model.network") == {f"reference.{part}" for part in parts}


@pytest.mark.parametrize("package", ["reference", "fast", "oracle"])
def test_no_import_hides(package):
    """Imports by a computed name would escape the checks here."""
    for name, path in modules(package).items():
        source = path.read_text(encoding="utf-8")
        assert "importlib" not in source, name
        assert "__import__" not in source, name


def test_reference_stands_alone():
    assert offences("reference", set()) == []


@pytest.mark.parametrize("package", ["reference", "fast", "oracle"])
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
        "reference.distributions.marginal",
    }
