"""What can be done with a checkout. Our own distributions are always installed from their paths, never by name.

On the public index ``mdm-core`` is an unrelated project and ``decision-schema`` does not exist, so every install names
all of them at once and the resolver takes them from here.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "wheels", "tests"]

ROOT = Path(__file__).parent
PLUGINS = sorted(str(p.parent.relative_to(ROOT)) for p in ROOT.glob("plugins/*/pyproject.toml"))
EXAMPLES = sorted(str(p.parent.relative_to(ROOT)) for p in ROOT.glob("examples/*/pyproject.toml"))
DISTRIBUTIONS = ["decision-schema", ".", *PLUGINS, *EXAMPLES]
PROJECT = nox.project.load_toml("pyproject.toml")


def group(name: str) -> list[str]:
    """The requirements of a dependency group of the top-level pyproject.toml."""
    return [*nox.project.dependency_groups(PROJECT, name)]


def editable(*paths: str) -> list[str]:
    """Arguments that install distributions in place."""
    return [argument for path in paths for argument in ("--editable", f"./{path}")]


@nox.session
def demo(session: nox.Session) -> None:
    """Run the main job: decide on 336,776 real flights."""
    session.install(*editable(*DISTRIBUTIONS))
    session.run("mdm", "run", "examples/flights/pipeline.toml", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check all types, strictly."""
    session.install(*editable(*DISTRIBUTIONS), *group("test"), *group("types"))
    session.run("mypy", "mdm_core", "tests", "noxfile.py", "benchmarks", "docs")
    for path in ["decision-schema", *PLUGINS, *EXAMPLES]:
        session.run("mypy", path)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests of every distribution and of the documentation."""
    session.install(*editable(*DISTRIBUTIONS), *group("test"))
    # It asks for libraries of its time; the tests read the data in it and import nothing.
    session.install("--no-deps", "obp==0.4.1")
    # More than there are cores, for many tests wait for a disk, a time limit or another process.
    session.run("pytest", "--numprocesses=3", "--dist=loadfile", *session.posargs)


@nox.session
def wheels(session: nox.Session) -> None:
    """Build every wheel, install them into an empty environment, and use them from there."""
    house = Path(session.create_tmp()) / "wheels"
    shutil.rmtree(house, ignore_errors=True)
    session.install("uv", *group("wheels"))
    for path in DISTRIBUTIONS:
        session.run("uv", "build", "--quiet", "--wheel", "--out-dir", str(house), path)
    session.run(
        "python",
        "-I",
        "-m",
        "pytest",
        "--confcutdir=tests/wheels",
        "tests/wheels",
        env={"MDM_WHEELS": str(house.resolve())},
    )


@nox.session
def install(session: nox.Session) -> None:
    """Make .venv, with everything installed in place, for development."""
    session.install("uv")
    session.run("uv", "venv", "--quiet", "--allow-existing", ".venv")
    packages = [*editable(*DISTRIBUTIONS), *group("test"), *group("lint"), *group("types")]
    session.run("uv", "pip", "install", "--quiet", "--python", ".venv/bin/python", *packages)
    session.log("ready: source .venv/bin/activate")


@nox.session
def docs(session: nox.Session) -> None:
    """Write the generated pages of the documentation anew."""
    session.install(*editable(*DISTRIBUTIONS))
    session.run("python", "docs/generate.py", *session.posargs)


@nox.session
def site(session: nox.Session) -> None:
    """Make the documentation's site in build/site; it is read without a network or a server."""
    session.install(*group("site"))
    session.run("sphinx-build", "--fresh-env", "--fail-on-warning", "-c", "docs", ".", "build/site", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure speed as a ratio to a hand-written loop, start-up and memory."""
    session.install(*editable(*DISTRIBUTIONS), *group("bench"))
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Long forms: 1,000 kills, power and disk failing at every call, 10,000 events of a grammar, 5 million events.

    And what takes the domains and the pages of the documentation half a minute each.
    """
    session.install(*editable(*DISTRIBUTIONS), *group("test"), *group("bench"))
    tests = [f"tests/test_{name}.py" for name in ("resume_kills", "power_loss", "failing_disk", "hostile_input")]
    tests += ["examples/flights/tests/test_flights_killed.py", "tests/docs/test_docs_sh.py"]
    tests += [f"examples/{domain}" for domain in ("api_limits", "moderation", "robotics")]
    often = {"MDM_KILLS": "1000", "MDM_EVERY": "1", "MDM_EVENT_EXAMPLES": "10000", "MDM_FULL": "1"}
    session.run("pytest", *tests, *session.posargs, env=often)
    session.run("python", "-m", "benchmarks", "endurance")
