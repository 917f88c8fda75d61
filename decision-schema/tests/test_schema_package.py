from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import decision_schema

README = Path(__file__).parents[1] / "README.md"

SHOW_LOADED = """
import sys
before = set(sys.modules)
import decision_schema
print(*{name.partition(".")[0] for name in set(sys.modules) - before})
"""


class TestPackage:
    def test_all(self) -> None:
        """Every public name is there, and the list is sorted."""
        names = decision_schema.__all__

        assert sorted(names) == names
        assert [] == [name for name in names if not hasattr(decision_schema, name)]

    def test_typed(self) -> None:
        """The package says that it is typed."""
        assert Path(decision_schema.__file__).with_name("py.typed").is_file()

    def test_imports(self) -> None:
        """Importing it loads the standard library and attrs, and nothing else that is installed."""
        shown = subprocess.check_output([sys.executable, "-c", SHOW_LOADED], text=True)
        loaded = set(shown.split()) - sys.stdlib_module_names

        assert {"attr", "attrs", "decision_schema"} == loaded


class TestReadme:
    def test_code_runs(self) -> None:
        """The code in the README runs."""
        blocks = re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)

        assert blocks
        for block in blocks:
            exec(compile(block, str(README), "exec"), {})
