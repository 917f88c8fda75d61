"""Checks of what importing and making a component does."""

from __future__ import annotations

import sys
from typing import Final

from mdm_core.testing.case import Case, need
from mdm_core.testing.checks import Inapplicable, check
from mdm_core.testing.importing import import_alone
from mdm_core.testing.watching import watching

_LIGHT: Final = frozenset(("attr", "attrs", "decision_schema", "mdm_core", "msgspec", "typing_extensions"))


@check("light-import", "A plugin's module is imported to list it, so it must bring nothing heavy along.")
def light_import(case: Case) -> None:
    if case.subject.plugin is None:
        raise Inapplicable("its plugin is not known; check it by its id, 'plugin.component'")
    imported = import_alone(case.subject.plugin)
    own = case.subject.plugin.partition(".")[0]
    heavy = [p for p in imported.packages if p not in _LIGHT and p != own and p not in sys.stdlib_module_names]
    need(
        not heavy,
        f"{case.subject.plugin} imports {', '.join(heavy)} ({imported.ms:.0f} ms); register "
        f'"package.module:Class", and import what is heavy in open',
    )


@check("no-io-at-import", "Code that is only listed or looked at must not write, connect or start anything.")
def no_io_at_import(case: Case) -> None:
    modules = [module for module in (case.subject.plugin, case.subject.cls.__module__) if module]
    for module in dict.fromkeys(modules):
        deeds = import_alone(module).deeds
        need(not deeds, f"importing {module} does this: {'; '.join(deeds[:3])}; do it in open")


@check("no-io-when-made", "`mdm check` and `mdm run --plan` make components and must leave no trace.")
def no_io_when_made(case: Case) -> None:
    case.make()  # what is imported for it is not its own doing
    with watching() as seen:
        case.make()
    need(not seen, f"making it does this: {'; '.join(seen[:3])}; do it in open")
