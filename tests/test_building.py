"""Building components from tables: options converted, defaults filled in, children made, secrets kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mdm_core.building import Builder, Built
from mdm_core.config import PipelineOptions, load_config
from mdm_core.errors import ConfigError
from mdm_core.plugins import Registry

Install = Callable[..., Path]
Build = Callable[[str], Built]

SHAPES = """\
from enum import Enum
from pathlib import Path
from typing import Literal

import attrs
from mdm_core import ProposalModel, component, hookimpl, option


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@attrs.define
class Shapes(ProposalModel):
    model: ProposalModel = component("toy.threshold", help="the model inside")
    file: Path = option(help="a file")
    others: list[Path] = option([], help="files")
    usual: Path = option(Path("usual.json"), help="a file that is mostly the same")
    colour: Colour = option(Colour.RED, help="a colour")
    size: Literal["s", "m"] = option("m", help="a size")
    numbers: tuple[float, ...] = option((1.0,), help="numbers")
    maybe: int | None = option(None, help="may be left out")
    table: dict[str, list[int]] = option({}, help="lists by name")
    token: str = option("", secret=True, help="a secret")

    def propose(self, features, context): ...


@attrs.define
class Rest(ProposalModel):
    level: int = option(3, help="a level")
    terms: dict[str, str] = option(rest=True, help="terms by name")

    def propose(self, features, context): ...


@attrs.define
class Plain(ProposalModel):
    _cache: dict = attrs.field(init=False, factory=dict)

    def propose(self, features, context): ...


@attrs.define
class Hidden(ProposalModel):
    file: Path = option(Path("h.py"), private=True, help="a file that nobody may know of")
    level: int = option(3, ge=1, private=True, help="a level that nobody may know")
    rest: dict[str, int] = option(rest=True, private=True, help="anything else")

    def propose(self, features, context): ...


class NotAttrs(ProposalModel):
    def propose(self, features, context): ...


@hookimpl
def mdm_register_proposal_models(register):
    register("shapes", Shapes)
    register("rest", Rest)
    register("plain", Plain)
    register("hidden", Hidden)
    register("not-attrs", NotAttrs)
"""


@pytest.fixture
def model(toy: Path, install: Install, write_pipeline: Callable[[str], Path]) -> Build:
    """Build the component of a section [model]."""
    assert toy == install("shapes", {"shapes_plugin": SHAPES}, version="0.2")

    def build(text: str) -> Built:
        builder = Builder(load_config(write_pipeline(f"[model]\n{text}\n")), Registry())
        built = builder.one_of("model")
        builder.finish()
        assert built is not None
        return built

    return build


class TestComponents:
    """One component from its table."""

    def test_options_reach_the_constructor(self, model: Build) -> None:
        """Values have the option's type, and the component knows its id."""
        built = model('use = "toy.threshold"\nthreshold = 1\nfeature = "x"\nweights = { a = 2 }\naction = "STOP"')
        made = built.component
        values = [getattr(made, name) for name in ("threshold", "feature", "weights", "scale")]
        assert values == [1.0, "x", {"a": 2.0}, 10.0]
        assert [type(values[0]), type(values[2]["a"])] == [float, float]
        assert str(made.action.value) == "STOP"  # type: ignore[attr-defined]
        assert (made.component_id, built.id) == ("toy.threshold", "toy.threshold")

    def test_types_of_every_kind(self, model: Build) -> None:
        """Paths, enumerations, literals, tuples and nested tables come from their TOML."""
        built = model(
            'use = "shapes.shapes"\nfile = "a/b.json"\nothers = ["c", "d"]\ncolour = "blue"\nsize = "s"\n'
            "numbers = [1, 2.5]\nmaybe = 7\ntable = { x = [1, 2] }"
        )
        made = built.component
        assert [getattr(made, name) for name in ("file", "others", "size", "numbers", "maybe", "table")] == [
            Path("a/b.json"),
            [Path("c"), Path("d")],
            "s",
            (1.0, 2.5),
            7,
            {"x": [1, 2]},
        ]
        assert made.colour.name == "BLUE"  # type: ignore[attr-defined]

    def test_resolved(self, model: Build) -> None:
        """The table with all defaults filled in holds builtin types only, the child's table included."""
        assert model('use = "shapes.shapes"\nfile = "a.json"\nmodel.threshold = 0.25').resolved == {
            "use": "shapes.shapes",
            "file": "a.json",
            "others": [],
            "usual": "usual.json",
            "colour": "red",
            "size": "m",
            "numbers": [1.0],
            "maybe": None,
            "table": {},
            "model": {
                "use": "toy.threshold",
                "threshold": 0.25,
                "feature": "n",
                "scale": 10.0,
                "action": "ACT",
                "weights": {},
            },
        }

    def test_keys_left_over(self, model: Build) -> None:
        """An option that takes the rest gets the keys that no other option claims, its own name among them."""
        built = model('use = "shapes.rest"\nlevel = 4\nspread = "ask - bid"\n"a b" = "1"\nterms = "x"')
        terms = {"spread": "ask - bid", "a b": "1", "terms": "x"}
        assert (built.component.level, built.component.terms) == (4, terms)  # type: ignore[attr-defined]
        assert built.resolved == {"use": "shapes.rest", "level": 4, **terms}

    def test_defaults_are_not_shared(self, model: Build) -> None:
        """Two components never share a default."""
        first, second = (model('use = "toy.threshold"').component for _ in range(2))
        assert first.weights == second.weights == {}  # type: ignore[attr-defined]
        assert first.weights is not second.weights  # type: ignore[attr-defined]

    @pytest.mark.parametrize("name", ["plain", "not-attrs"])
    def test_without_options(self, model: Build, name: str) -> None:
        """State is no option, and a component need not be an attrs class to have none."""
        assert model(f'use = "shapes.{name}"').resolved == {"use": f"shapes.{name}"}
        with pytest.raises(ConfigError, match="unknown option; options: none"):
            model(f'use = "shapes.{name}"\n_cache = {{}}')

    def test_files(self, model: Build, toy: Path) -> None:
        """Options that are paths are told, given or by default, for their content belongs to what a run repeats."""
        built = model('use = "toy.wrapper"\nmodel = { use = "shapes.shapes", file = "a.json", others = ["b", "c"] }')
        assert {Path("a.json"), Path("b"), Path("c"), Path("usual.json")} == set(built.files)

    def test_plugins(self, model: Build) -> None:
        """The plugins of a component and of all that it holds are told."""
        built = model('use = "shapes.shapes"\nfile = "x"')
        assert [str(plugin) for plugin in built.plugins] == ["mdm-shapes 0.2", "mdm-toy 1.0.0"]


class TestChildren:
    """Components inside components."""

    def test_given(self, model: Build) -> None:
        """A nested table makes the child, however deep."""
        built = model('use = "toy.wrapper"\n[model.model]\nuse = "toy.wrapper"\nmodel.use = "toy.threshold"')
        child = built.component.model  # type: ignore[attr-defined]
        ids = [built.component.component_id, child.component_id, child.model.component_id]
        assert ids == ["toy.wrapper", "toy.wrapper", "toy.threshold"]

    @pytest.mark.parametrize("table", ["", "[model.model]\nthreshold = 0.5", '[model.model]\nuse = "toy.threshold"'])
    def test_default(self, model: Build, table: str) -> None:
        """A child with a default may be left out, or configured without being named."""
        built = model(f'use = "shapes.shapes"\nfile = "x"\n{table}')
        assert built.component.model.component_id == "toy.threshold"  # type: ignore[attr-defined]
        assert built.component.model.threshold == 0.5  # type: ignore[attr-defined]


class TestSecrets:
    """Values that come from the environment."""

    def test_from_the_environment(self, model: Build, monkeypatch: pytest.MonkeyPatch) -> None:
        """The component has the secret; what is recorded and shown has the variable's name."""
        monkeypatch.setenv("SHAPES_TOKEN", "s3cret")
        built = model('use = "shapes.shapes"\nfile = "x"\ntoken = { env = "SHAPES_TOKEN" }')
        assert built.component.token == "s3cret"  # type: ignore[attr-defined]
        assert built.resolved["token"] == {"env": "SHAPES_TOKEN"}
        assert "s3cret" not in f"{built} {built.component!r} {built.resolved}"

    def test_default(self, model: Build) -> None:
        """A secret that is not given is not recorded."""
        assert "token" not in model('use = "shapes.shapes"\nfile = "x"').resolved


class TestPrivate:
    """Values that stand in the file and are shown nowhere."""

    def test_the_component_has_them_and_nobody_else(self, model: Build) -> None:
        """Neither what is resolved nor a repr tells a value, a path or the name of an option that is left over."""
        built = model('use = "shapes.hidden"\nfile = "canary.py"\nlevel = 48151\ncanary_name = 62342')
        assert (Path("canary.py"), 48151, {"canary_name": 62342}) == (
            built.component.file,  # type: ignore[attr-defined]
            built.component.level,  # type: ignore[attr-defined]
            built.component.rest,  # type: ignore[attr-defined]
        )
        expected = {"use": "shapes.hidden", "file": "[private]", "level": "[private]", "rest": "[private]"}
        assert expected == built.resolved
        shown = f"{built} {built.component!r} {built.resolved} {built.files}"
        assert not [word for word in ("canary", "48151", "62342") if word in shown]

    def test_defaults_are_private_too(self, model: Build) -> None:
        """Whether a value was given cannot be told."""
        assert model('use = "shapes.hidden"').resolved == model('use = "shapes.hidden"\nlevel = 4').resolved

    @pytest.mark.parametrize("given", ['level = "canary"', "level = -48151", 'canary = "x"', "file = 48151"])
    def test_a_refused_value_is_not_told(self, model: Build, given: str) -> None:
        """The message says what is expected, and not what was given."""
        with pytest.raises(ConfigError, match=r"the value is refused; expected") as caught:
            model(f'use = "shapes.hidden"\n{given}')
        assert "48151" not in str(caught.value)


class TestBuilder:
    """What one builder does for a whole file."""

    def test_sections(self, toy: Path, write_pipeline: Callable[[str], Path]) -> None:
        """A section that may hold several gives its components in order, with their places."""
        assert toy.is_dir()
        path = write_pipeline('[[trace]]\nuse = "toy.lines"\n[[trace]]\nuse = "toy.audit"\n')
        builder = Builder(load_config(path), Registry())
        assert [(built.id, str(built.place)) for built in builder.all_of("trace")] == [
            ("toy.lines", f"{path}:1 [[trace]] #1"),
            ("toy.audit", f"{path}:3 [[trace]] #2"),
        ]
        assert builder.all_of("observers") == []

    def test_plain_options(self, write_pipeline: Callable[[str], Path]) -> None:
        """The section [pipeline] becomes its options, with and without a table."""
        config = load_config(write_pipeline('[pipeline]\nkey = "a.b"\nseed = 7\n'))
        assert Builder(config, Registry()).options(PipelineOptions, "pipeline") == PipelineOptions(key="a.b", seed=7)
        empty = load_config(write_pipeline(""))
        assert Builder(empty, Registry()).options(PipelineOptions, "pipeline") == PipelineOptions()

    def test_one_bad_component_hides_no_other(self, toy: Path, write_pipeline: Callable[[str], Path]) -> None:
        """A component that cannot be built gives None, the others are built, and the problems are raised together."""
        assert toy.is_dir()
        path = write_pipeline('[[trace]]\nuse = "toy.lines"\nx = 1\n[[trace]]\nuse = "toy.audit"\n[model]\n')
        builder = Builder(load_config(path), Registry())
        assert [built.id for built in builder.all_of("trace")] == ["toy.audit"]
        assert builder.one_of("model") is None
        with pytest.raises(ConfigError) as refused:
            builder.finish()
        assert [problem.partition(": ")[0] for problem in refused.value.problems] == [
            f"{path}:3 [[trace]] #1 x",
            f"{path}:6 [model]",
        ]
