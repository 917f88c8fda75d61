"""What is wrong with an installation, looked at part by part: what one part breaks does not hide the next."""

from __future__ import annotations

import os
import platform
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from warnings import catch_warnings, simplefilter

import attrs
from packaging.utils import canonicalize_name

from mdm_core._version import __version__
from mdm_core.errors import ConfigError, PluginError, SchemaError
from mdm_core.installation import CORE, Installation
from mdm_core.scanning import Plugin, installed
from mdm_core.wording import one_line

if TYPE_CHECKING:
    from mdm_core.plugins import Registered

State: TypeAlias = Literal["ok", "note", "wrong"]

_MASK = "[REDACTED]"
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|PRIVATE|AUTH|(?<![A-Z])KEY", re.IGNORECASE)
_SHORTEST = 6
_IN_URL = re.compile(r"(?<=://)[^/\s@]+(?=@)")


@attrs.frozen
class Finding:
    """What one look has found.

    Attributes:
        part: What was looked at, such as ``plugin guards``.
        state: ``ok``, ``note`` (good to know) or ``wrong``.
        text: What is so, and what to do about it.
    """

    part: str
    state: State
    text: str


def diagnose(pipeline: Path | None, runs_dir: Path) -> list[Finding]:
    """Look at everything that a run needs.

    Args:
        pipeline: A pipeline file that is to work here, or None.
        runs_dir: Where runs are kept.

    Returns:
        The findings, in which values of variables that look like secrets, or that the pipeline calls so, are masked.
    """
    here = Installation()
    looks: list[Callable[[], Iterator[Finding]]] = [_python, lambda: _core(here), _schema, lambda: _requirements(here)]
    looks += [lambda: _plugins(here), lambda: _unseen(here), _commands, _environment, lambda: _runs(runs_dir)]
    if pipeline is not None:
        looks.append(lambda: _pipeline(pipeline))
    mask = _mask(_variables(pipeline))
    return [attrs.evolve(found, text=mask(found.text)) for look in looks for found in _guarded(look)]


def _guarded(look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except SchemaError:
        yield Finding("components", "note", "could not be looked at without a decision-schema that can be used")
    except Exception as error:
        yield Finding("doctor", "wrong", f"a look has failed: {one_line(error)}; please report it")


def _python() -> Iterator[Finding]:
    yield Finding("python", "ok", f"{platform.python_version()}, {sys.executable}")
    if sys.platform != "linux":
        yield Finding("python", "note", f"mdm is tested on Linux alone, and this is {sys.platform}")
    command = shutil.which("mdm")
    # The command may be linked to, the interpreter of an environment is a link itself.
    if command is not None and Path(command).resolve().parent != Path(sys.executable).parent.resolve():
        yield Finding("python", "note", f"the command mdm on your PATH is that of another environment: {command}")


def _core(here: Installation) -> Iterator[Finding]:
    import mdm_core

    folder = Path(__file__).parent
    wrong = [Finding("mdm-core", "wrong", text) for text in here.foreign_core()]
    if not hasattr(mdm_core, "hookimpl"):
        text = f"{mdm_core.__file__} is not mdm's: another distribution has written over it; install mdm-core again"
        wrong.append(Finding("mdm-core", "wrong", text))
    yield from wrong
    if CORE not in here.by_name:
        yield Finding("mdm-core", "note", f"{__version__} runs from {folder} and is not installed")
    elif not wrong:
        yield Finding("mdm-core", "ok", f"{__version__}, {folder}")


def _schema() -> Iterator[Finding]:
    try:
        from mdm_core.schema import SCHEMA_VERSION
    except SchemaError as error:
        yield Finding("decision-schema", "wrong", str(error))
    else:
        yield Finding("decision-schema", "ok", SCHEMA_VERSION)


def _requirements(here: Installation) -> Iterator[Finding]:
    for distribution in here.relevant():
        part = distribution.label
        if distribution.python_problem is not None:
            yield Finding(part, "wrong", f"{distribution.python_problem}; install another version of one of them")
        for missing in here.unmet(distribution):
            yield Finding(part, "wrong", f"{missing}; install it")
        for extra in distribution.extras:
            lacking = here.unmet(distribution, extra)
            if lacking:
                yield Finding(part, "note", f"its extra [{extra}] is not there: {', '.join(lacking)}")


def _plugins(here: Installation) -> Iterator[Finding]:
    from mdm_core._deprecated import MdmDeprecationWarning
    from mdm_core.plugins import BLOCK_VARIABLE, Registry

    registry = Registry()
    for name in sorted(registry.installed):
        part = f"plugin {name}"
        if name in registry.blocked:
            yield Finding(part, "note", f"blocked by {BLOCK_VARIABLE}")
            continue
        try:
            with catch_warnings(record=True, category=MdmDeprecationWarning) as going_away:
                simplefilter("always", MdmDeprecationWarning)
                components = registry.components(name).values()
                broken = list(_broken(components, here))
        except PluginError as error:
            yield Finding(part, "wrong", f"{error}{_missing_extra(error, registry.installed[name][0], here)}")
            continue
        yield from (Finding(part, "note", str(warning.message)) for warning in going_away or ())
        yield from (Finding(part, "wrong", text) for text in broken)
        if not broken:
            origin = registry.installed[name][0]
            yield Finding(part, "ok", f"{origin}, {len(components)} component{'s' if len(components) > 1 else ''}")


def _broken(components: Iterable[Registered], here: Installation) -> Iterator[str]:
    for component in components:
        try:
            component.load()
        except PluginError as error:
            yield f"{error}{_missing_extra(error, component.plugin, here)}"


def _missing_extra(error: PluginError, plugin: Plugin, here: Installation) -> str:
    """The next step, if what could not be imported belongs to one of the distribution's extras."""
    cause, distribution = error.__cause__, here.by_name.get(canonicalize_name(plugin.distribution))
    if not isinstance(cause, ModuleNotFoundError) or cause.name is None or distribution is None:
        return ""
    extra = distribution.extra_with(cause.name)
    return f"; its extra [{extra}] has it" if extra else ""


def _unseen(here: Installation) -> Iterator[Finding]:
    yield from (Finding("unseen", "wrong", text) for text in here.unseen())


def _commands() -> Iterator[Finding]:
    from mdm_core.cli.main import OWN, load_command

    for name, claims in sorted(installed("mdm.commands").items()):
        part, origin = f"command {name}", " and ".join(map(str, claims))
        if name.partition(".")[0] in OWN:
            yield Finding(part, "wrong", f"that of {origin} cannot be reached: mdm has a command of that name itself")
            continue
        try:
            load_command(name, claims)
        except PluginError as error:
            yield Finding(part, "wrong", str(error))
        else:
            yield Finding(part, "ok", origin)


def _environment() -> Iterator[Finding]:
    for name in ("MDM_BLOCK_PLUGINS", "MDM_DEBUG"):
        if os.environ.get(name):
            yield Finding("environment", "note", f"{name} is set: {os.environ[name]}")


def _runs(directory: Path) -> Iterator[Finding]:
    place = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    if not place.is_dir():
        yield Finding("runs", "wrong", f"{place} is no directory; choose another --runs-dir")
    elif not os.access(place, os.W_OK | os.X_OK):
        yield Finding("runs", "wrong", f"{place} cannot be written to; choose another --runs-dir, or change its mode")
    elif place == directory and _is_open(place):
        yield Finding("runs", "wrong", f"{place} can be changed by everybody: chmod go-w {place}")
    elif place == directory:
        yield Finding("runs", "ok", str(directory))
    else:
        yield Finding("runs", "ok", f"{directory} will be made by the first run")


def _is_open(directory: Path) -> bool:
    mode = directory.stat().st_mode
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


def _pipeline(path: Path) -> Iterator[Finding]:
    from mdm_core.plan import Plan

    part, unset = str(path), set()
    for name in sorted(_variables(path)):
        if os.environ.get(name):
            yield Finding(part, "ok", f"the environment variable {name} is set")
        else:
            unset.add(f"the environment variable {name} is not set")
            yield Finding(part, "wrong", f"the environment variable {name} is not set; the pipeline names it")
    try:
        plan = Plan.from_config(path)
    except ConfigError as error:
        told = [text for text in error.problems if not any(u in text for u in unset)]
        yield from (Finding(part, "wrong", text) for text in told)
    else:
        yield Finding(part, "ok", ", ".join(built.id for _, built in plan.built()))


def _variables(path: Path | None) -> set[str]:
    """The environment variables that a pipeline file names; none if it cannot be read, which is told elsewhere."""
    if path is None:
        return set()
    try:
        from mdm_core.config import load_config

        return set(_named(load_config(path).document))
    except (ConfigError, SchemaError):
        return set()


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if set(value) == {"env"} and isinstance(value["env"], str):
            yield value["env"]
        for inner in value.values():
            yield from _named(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner)


def _mask(named: set[str]) -> Callable[[str], str]:
    """Messages of plugins may say anything, also what they have read from the environment."""
    secret = {value for name, value in os.environ.items() if _SECRET_NAME.search(name) and len(value) >= _SHORTEST}
    secret |= {os.environ[name] for name in named if os.environ.get(name)}
    longest_first = sorted(secret, key=len, reverse=True)

    def mask(text: str) -> str:
        for value in longest_first:
            text = text.replace(value, _MASK)
        return _IN_URL.sub(_MASK, text)

    return mask
