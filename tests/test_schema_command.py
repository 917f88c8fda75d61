"""`mdm schema`: what editors know of pipeline files agrees with what `mdm check` says."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from blocks import blocks
from jsonschema import Draft202012Validator

from mdm_core import ConfigError
from mdm_core.json_schema import BROKEN, pipeline_schema
from mdm_core.plan import Plan
from mdm_core.plugins import Registry

ROOT = Path(__file__).parents[1]
PIPELINES = sorted(path for path in ROOT.glob("examples/*/*.toml") if path.name != "pyproject.toml")
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]

CommandLine = Callable[..., "subprocess.CompletedProcess[str]"]
Install = Callable[..., Path]
WritePipeline = Callable[[str], Path]

PLUGIN = """\
from enum import Enum
from pathlib import Path
from typing import Literal

import attrs
from mdm_core import Broker, DataSource, FeatureExtractor, Proposal, ProposalModel, component, hookimpl, option


@attrs.define
class Inner(ProposalModel):
    "The model inside."

    step: int = option(1, help="a step")

    def propose(self, features, context): ...


@attrs.define
class Everything(ProposalModel):
    "Has an option of every type."

    needed: str = option(help="has to be there")
    path: Path = option(Path("a"), help="a path")
    maybe: int | None = option(None, gt=0, help="may be left out")
    either: int | str = option(1, ge=1, help="a number or a text")
    share: float = option(1.0, le=1, help="at most one")
    several: list[float] = option([1.0], ge=0, le=2, help="numbers")
    by_name: dict[str, int] = option({}, le=5, help="numbers by name")
    word: Literal["a", "b"] = option("a", help="one of two")
    words: list[str] = option([], choices=["x", "y"], help="some of two")
    truth: bool = option(False, help="yes or no")
    token: str = option("", secret=True, help="a secret")
    hidden: str = option("do not show", private=True, help="private")
    model: ProposalModel = component("all.inner", help="a model inside")

    def propose(self, features, context): ...


@attrs.define
class Rest(FeatureExtractor):
    named: int = option(0, help="an option by name")
    others: dict[str, float] = option(rest=True, help="all other keys")

    def extract(self, event, context): ...


@attrs.define
class Same(DataSource):
    "Reads."
    rows: int = option(1, help="how many")

    def records(self): ...


@attrs.define
class SameBroker(Broker):
    "Writes."
    columns: int = option(1, help="how many")

    def execute(self, order): ...


@hookimpl
def mdm_register_proposal_models(register):
    register("inner", Inner)
    register("everything", Everything)


@hookimpl
def mdm_register_feature_extractors(register):
    register("rest", Rest)


@hookimpl
def mdm_register_data_sources(register):
    register("file", Same)


@hookimpl
def mdm_register_brokers(register):
    register("file", SameBroker)
"""

FINE = """\
pipeline.key = "user"
source = { use = "all.file", rows = 2 }
features = { use = "all.rest", named = 1, x = 0.5, y = 2 }
model = { use = "all.everything", needed = "n" }
broker = { use = "all.file", columns = 2 }
redaction.use = "none"
"""

AGREED = [
    ("", True),
    ('model.path = "b"', True),
    ("model.path = 1", False),
    ("model.maybe = 1", True),
    ("model.maybe = 0", False),
    ('model.either = "text"', True),
    ("model.either = 0", False),
    ("model.either = true", False),
    ("model.share = 1", True),
    ("model.share = 1.5", False),
    ("model.several = [0.5, 2]", True),
    ("model.several = [0.5, 3]", False),
    ('model.several = ["a"]', False),
    ("model.by_name = { a = 5 }", True),
    ("model.by_name = { a = 6 }", False),
    ('model.word = "b"', True),
    ('model.word = "c"', False),
    ('model.words = ["x", "y"]', True),
    ('model.words = ["x", "z"]', False),
    ("model.truth = 1", False),
    ('model.token = { env = "PATH" }', True),
    ('model.token = "s3cret"', False),
    ("model.nothing = 1", False),
    ("model.model = { step = 2 }", True),
    ("model.model = { step = 2.5 }", False),
    ('model.model = { use = "all.inner", step = 3 }', True),
    ('model.model = { use = "all.everything", needed = "m", model.step = 4 }', True),
    ('model.model = { use = "all.everything", needed = "m", model.stop = 4 }', False),
    ('model.model = { use = "all.everything" }', False),
    ('model.model = { use = "all.file" }', False),
    ("model.model = { timeout_ms = 5 }", False),
    ("model.timeout_ms = 5", True),
    ("model.timeout_ms = 0", False),
    ('model.isolate = "thread"', False),
    ("source.timeout_ms = 5", False),
    ("broker.timeout_ms = 5", False),
    ('broker.isolate = "process"', True),
    ("source.columns = 2", False),
    ("broker.rows = 2", False),
    ('features.z = "text"', False),
    ('features.named = "text"', False),
    ("redaction.mode = 1", False),
    ('pipeline.timestamp_unit = "s"', True),
    ('pipeline.timestamp_unit = "h"', False),
    ("execution.attempts = 1000", True),
    ("execution.attempts = 1001", False),
    ('durability = { mode = "fast" }', True),
    ('durability = { mode = "slow" }', False),
    ('modulators = [{ use = "all.inner" }]', False),
    ("modulators = []", True),
    ('broker = [{ use = "all.file" }]', False),
    ("nothing = { a = 1 }", False),
    ("model.use = 1", False),
    ('model = { needed = "n" }', False),
    ('model = { use = "all.everything" }', False),
    ('model = { use = "no.such", needed = "n" }', False),
]


@pytest.fixture
def schema(install: Install) -> dict[str, Any]:
    """The schema where one plugin with options of every type is installed."""
    install("all", {"all_plugin": PLUGIN})
    return pipeline_schema(Registry()).document


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    """The schema of what is really installed here."""
    command = [sys.executable, "-m", "mdm_core", "schema"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return Draft202012Validator(json.loads(ran.stdout))


class TestAgreement:
    """The schema and the check of a pipeline file."""

    @pytest.mark.parametrize(("line", "accepted"), AGREED, ids=[line or "as it is" for line, _ in AGREED])
    def test_schema_and_check_say_the_same(
        self, schema: dict[str, Any], line: str, accepted: bool, write_pipeline: WritePipeline
    ) -> None:
        """What the one refuses the other refuses, and the same for what they accept."""
        document = tomllib.loads(FINE)
        _merge(document, tomllib.loads(line))
        assert accepted is Draft202012Validator(schema).is_valid(document)
        assert accepted is _is_checked(write_pipeline(_toml(document)))

    @pytest.mark.parametrize("section", ["features", "model"])
    def test_a_section_that_is_always_needed(self, schema: dict[str, Any], section: str) -> None:
        """Without it nothing can be decided, and the file is refused."""
        document = tomllib.loads(FINE)
        del document[section]
        [error] = Draft202012Validator(schema).iter_errors(document)
        assert f"'{section}' is a required property" == error.message

    @pytest.mark.parametrize("section", ["source", "redaction"])
    def test_a_section_that_only_a_run_needs(self, schema: dict[str, Any], section: str) -> None:
        """A program that decides by itself, or a candidate of a canary, has a file without it."""
        document = tomllib.loads(FINE)
        del document[section]
        assert Draft202012Validator(schema).is_valid(document)


class TestDocument:
    """What an editor shows."""

    def test_is_a_schema(self, schema: dict[str, Any]) -> None:
        """It is valid in the dialect that it names."""
        Draft202012Validator.check_schema(schema)
        assert "https://json-schema.org/draft/2020-12/schema" == schema["$schema"]

    def test_an_option_has_help_and_default(self, schema: dict[str, Any]) -> None:
        """Help becomes the description; a default is told unless it is private, secret or nothing."""
        options = schema["$defs"]["model:all.everything"]["properties"]
        assert {"description": "a path", "type": "string", "default": "a"} == options["path"]
        assert {"description": "at most one", "type": "number", "maximum": 1, "default": 1.0} == options["share"]
        shown = {name for name, option in options.items() if "default" in option}
        assert {"path", "either", "share", "several", "by_name", "word", "words", "truth"} == shown
        assert "do not show" not in json.dumps(schema)

    def test_components_are_offered_by_kind(self, schema: dict[str, Any]) -> None:
        """`use` offers the components of its section, each with its summary."""
        use = schema["$defs"]["model"]["properties"]["use"]
        assert [
            {"const": "all.inner", "description": "The model inside."},
            {"const": "all.everything", "description": "Has an option of every type."},
        ] == use["oneOf"]

    def test_what_is_broken_is_told(self, install: Install) -> None:
        """A broken plugin is left out, a broken component is offered as such; neither hides the rest."""
        install("all", {"all_plugin": PLUGIN})
        install("worse", {"worse_plugin": "import no_such_module"})
        late = '@hookimpl\ndef mdm_register_brokers(register):\n    register("late", "no_such_module:Late")\n'
        install("late", {"late_plugin": f"from mdm_core import hookimpl\n{late}"})
        found = pipeline_schema(Registry())
        assert ["late.late", "worse"] == sorted(problem.split("'")[1] for problem in found.problems)
        offered = found.document["$defs"]["broker"]["properties"]["use"]["oneOf"]
        assert [("all.file", "Writes."), ("late.late", BROKEN)] == [(c["const"], c["description"]) for c in offered]


class TestCommand:
    """`mdm schema`."""

    def test_prints_and_writes_the_same(self, toy: Path, mdm: CommandLine, tmp_path: Path) -> None:
        """The document goes to standard output, or to a file, in place of what was there."""
        assert toy.is_dir()
        (tmp_path / "s.json").write_text("old")
        printed, written = mdm("schema"), mdm("schema", "-o", "s.json")
        assert (0, "", 0, "") == (printed.returncode, printed.stderr, written.returncode, written.stdout)
        assert (tmp_path / "s.json").read_text() == printed.stdout
        assert "s.json: written; put `#:schema s.json` on the first line of a pipeline file\n" == written.stderr

    def test_a_file_that_cannot_be_written(self, toy: Path, mdm: CommandLine) -> None:
        """It is told in one line."""
        assert toy.is_dir()
        ended = mdm("schema", "-o", "no/such/folder.json")
        assert (2, "") == (ended.returncode, ended.stdout)
        assert (
            "mdm: no/such/folder.json: cannot be written: No such file or directory; choose another file\n"
            == ended.stderr
        )

    def test_what_is_left_out(self, install: Install, mdm: CommandLine) -> None:
        """A broken plugin is told on standard error, and standard output stays data."""
        install("worse", {"worse_plugin": "import no_such_module"})
        ended = mdm("schema")
        assert 0 == ended.returncode
        assert ended.stderr.startswith("left out: plugin 'worse' (mdm-worse 1.0.0) cannot be imported")
        assert "mdm pipeline" == json.loads(ended.stdout)["title"]


class TestRepository:
    """The pipelines that come with this repository."""

    @pytest.mark.parametrize("path", PIPELINES, ids=lambda path: str(path.relative_to(ROOT)))
    def test_is_accepted(self, path: Path, validator: Draft202012Validator) -> None:
        """Each of them is valid."""
        assert [] == [error.message for error in validator.iter_errors(tomllib.loads(path.read_text()))]

    def test_the_pipelines_of_the_pages(self, validator: Draft202012Validator) -> None:
        """So is every pipeline that a page has its reader write of components that come with mdm."""
        found = [block.text for page in PAGES for block in blocks(page) if block.title.endswith(".toml")]
        pipelines = [tomllib.loads(text) for text in found if "moderation." not in text]
        pipelines = [pipeline for pipeline in pipelines if "model" in pipeline]
        assert len(pipelines) > 2
        assert [] == [error.message for pipeline in pipelines for error in validator.iter_errors(pipeline)]

    def test_a_misspelling_is_found(self, validator: Draft202012Validator) -> None:
        """A component and an option that do not exist are refused where they stand."""
        document = tomllib.loads((ROOT / "examples/flights/pipeline.toml").read_text())
        document["model"] |= {"use": "reference.logistics"}
        document["features"] |= {"windw": 3}
        assert ["$.features", "$.model.use"] == sorted(e.json_path for e in validator.iter_errors(document))


def _merge(document: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        inside = isinstance(value, dict) and isinstance(document.get(name), dict)
        if inside and set(value).isdisjoint({"use", "needed"}):
            document[name] |= value
        else:
            document[name] = value


def _is_checked(path: Path) -> bool:
    try:
        Plan.from_config(path)
    except ConfigError:
        return False
    return True


def _toml(document: Mapping[str, Any]) -> str:
    from mdm_core.cli.show import toml_value

    return "".join(f"{name} = {toml_value(value)}\n" for name, value in document.items())
