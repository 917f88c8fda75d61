"""What the plugin registers, and that selecting another plugin costs nothing here."""

from __future__ import annotations

import subprocess
import sys

from mdm_redaction import plugin


class TestPlugin:
    def test_registers_its_component(self) -> None:
        """The components are registered by name, to be imported only when they are selected."""
        registered: list[tuple[str, type | str]] = []
        plugin.mdm_register_redactors(lambda name, component: registered.append((name, component)))
        assert ["allow", "chain", "keys", "personal", "secrets", "standard"] == [name for name, _ in registered]

    def test_loads_through_the_registry_target(self) -> None:
        """The registered text leads to a class that can be built without options."""
        code = (
            "from importlib import import_module;"
            "m, _, c = 'mdm_redaction.keys:KeyRedactor'.partition(':');"
            "print(getattr(import_module(m), c)().redact({'pwd': 1}))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert "{'pwd': '[REDACTED]'}\n" == done.stdout
