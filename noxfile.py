"""Sessions that a change must pass: `nox` runs them all, `nox -s wheel` one."""

import tomllib
import zipfile
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SUPPORTED = nox.project.python_versions({"project": PROJECT})
#: Tests that reach every package and take a minute or two together, wherever they lie.
FEW_TESTS = (
    "test_face",
    "test_cases",
    "test_decoders",
    "test_layers",
    "test_from_torch",
    "test_gaussian",
    "test_partition",
    "test_posterior",
    "test_oracle_polygon",
    "test_scikit_learn",
)

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False


@nox.session(python=SUPPORTED)
def tests(session: nox.Session) -> None:
    """Run the default tests; what follows `--` goes to pytest."""
    session.install("-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, order of imports, docstrings and format."""
    session.install("ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types, strictly."""
    session.install("-e", ".[test]")
    session.run("mypy")


@nox.session(python=SUPPORTED[0])
def lowest(session: nox.Session) -> None:
    """Run a few tests of everything with the lowest versions that pyproject.toml allows."""
    constraints = Path(session.create_tmp()) / "lowest.txt"
    constraints.write_text("\n".join(lowest_versions()), encoding="utf-8")
    session.install("-e", ".[test]", "-c", str(constraints))
    session.run("pip", "list")
    few = [str(path) for name in FEW_TESTS for path in ROOT.glob(f"tests/**/{name}.py")]
    session.run("pytest", *(session.posargs or few))


@nox.session(python=SUPPORTED[0])
def readers(session: nox.Session) -> None:
    """Read networks from torch and from ONNX files, and compare with what those packages run."""
    session.install("-e", ".[test,onnx]", "torch")
    kinds = ("from_torch", "from_onnx", "both_sides", "rounding", "around_knots", "branches")
    found = [path for kind in kinds for path in ROOT.glob(f"tests/**/test_{kind}*")]
    session.run("pytest", *(session.posargs or sorted(map(str, found))))


@nox.session
def wheel(session: nox.Session) -> None:
    """Build a wheel, install it into a new environment and use it from another folder."""
    folder = Path(session.create_tmp()).resolve()
    for old in folder.glob("exactdgn-*"):
        old.unlink()
    session.install("build")
    # Without bytecode the build warns that it writes none.
    env = {"PYTHONDONTWRITEBYTECODE": ""}
    said = session.run("python", "-m", "build", "--outdir", str(folder), silent=True, env=env)
    if "warning" in str(said).lower():
        session.error(f"the build warns:\n{said}")
    (built,) = folder.glob("*.whl")
    check_contents(session, built)
    session.install(f"exactdgn[figures] @ {built.as_uri()}")
    session.chdir(folder)
    session.run("python", "-c", USE)
    session.run("python", "-m", "paper_figures", "list")


#: What a user of the wheel may expect.
USE = """
from importlib.resources import files
import numpy as np
import exactdgn
with (files("paper_figures") / "data" / "mnist_digits.npz").open("rb") as stream:
    X = np.load(stream)["train_4"][:5].reshape(5, 784) / 255
network = exactdgn.Network.random([1, 4, 784], exactdgn.ReLU(), random_state=0)
assert np.all(np.isfinite(exactdgn.DGN(network, 0.1).logpdf(X)))
print(exactdgn.__version__, exactdgn.__file__)
"""


def lowest_versions() -> list[str]:
    """Give every requirement of pyproject.toml with its lower bound as the only version."""
    extras = PROJECT["optional-dependencies"].values()
    asked = {*PROJECT["dependencies"], *(one for extra in extras for one in extra)}
    return sorted(one.replace(">=", "==") for one in asked if ">=" in one)


def check_contents(session: nox.Session, built: Path) -> None:
    """End the session unless the wheel holds every tracked file of the packages, and no other."""
    tracked = session.run("git", "ls-files", external=True, silent=True, log=False)
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    wanted = {name for name in str(tracked).split("\n") if name.split("/")[0] in packages}
    found = {name for name in zipfile.ZipFile(built).namelist() if ".dist-info/" not in name}
    if found != wanted:
        session.error(f"missing: {wanted - found}; not wanted: {found - wanted}")
