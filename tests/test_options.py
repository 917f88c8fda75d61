"""Options: one declaration that the constructor, a file and the documentation go by."""

import math
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest

from mdm_core import Component, OptionError, PluginError, component, option
from mdm_core.options import BadValue, OptionField, children_of, option_fields

SECRET = "canary-token"


def _even(value: int) -> None:
    if value % 2:
        raise ValueError(f"must be even, got {value}")


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@attrs.define
class Inner(Component):
    size: int = option(1, help="a size")


@attrs.define
class Options(Component):
    """One option of every kind."""

    name: str = option(help="a name that is required")
    inner: Inner = component(help="the component inside")
    share: float = option(0.5, ge=0, le=1, help="a share")
    above: float = option(1.0, gt=0, help="more than nothing")
    count: int = option(2, ge=0, check=_even, help="an even number")
    mode: str = option("mask", choices=("mask", "drop"), help="a mode")
    colour: Colour = option(Colour.RED, help="a colour")
    unit: Literal["s", "ms"] = option("s", help="a unit")
    stats: list[str] = option(["mean"], choices=("mean", "std"), help="several")
    weights: dict[str, float] = option({}, ge=-9, help="a weight per feature")
    nested: dict[str, list[int]] = option({"a": [1]}, help="deep")
    path: Path = option(Path("x"), help="a file")
    maybe: int | None = option(None, ge=1, help="perhaps a number")
    yes: bool = option(False, help="whether")
    token: str = option("", secret=True, help="a secret")
    others: dict[str, str] = option(rest=True, help="what is left over")
    state: int = attrs.field(init=False, default=0)


def made(**options: Any) -> Options:
    """An instance with what is required and these options."""
    return Options(**{"name": "n", "inner": Inner(), **options})


def field(name: str) -> OptionField:
    """What is known of one option."""
    return next(f for f in option_fields(Options) if f.name == name)


class TestConstructor:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"share": -0.1}, "Options.share: must be at least 0, got -0.1"),
            ({"share": 1.1}, "Options.share: must be at most 1, got 1.1"),
            ({"share": math.nan}, "Options.share: must be a finite number, got nan"),
            ({"share": math.inf}, "Options.share: must be a finite number, got inf"),
            ({"above": 0}, "Options.above: must be greater than 0, got 0"),
            ({"count": 3}, "Options.count: must be even, got 3"),
            ({"mode": "hide"}, "Options.mode: must be one of 'mask', 'drop', got 'hide'"),
            ({"stats": ["mean", "max"]}, "Options.stats #2: must be one of 'mean', 'std', got 'max'"),
            ({"weights": {"x": math.nan}}, "Options.weights x: must be a finite number, got nan"),
            ({"maybe": 0}, "Options.maybe: must be at least 1, got 0"),
        ],
    )
    def test_a_value_outside_its_rules_is_refused(self, options: dict[str, Any], message: str) -> None:
        """The error names class and option, says what is allowed and what was given, and is a ValueError too."""
        with pytest.raises(OptionError) as error:
            made(**options)
        assert message == str(error.value)
        assert isinstance(error.value, ValueError)
        assert error.value.exit_code == 2

    @pytest.mark.parametrize(
        "options", [{"share": 0}, {"share": 1}, {"count": 0}, {"maybe": None}, {"maybe": 1}, {"stats": []}], ids=repr
    )
    def test_the_ends_of_a_range_are_allowed(self, options: dict[str, Any]) -> None:
        """Bounds are part of what is allowed, and None where there may be nothing."""
        instance = made(**options)
        assert options == {name: getattr(instance, name) for name in options}

    def test_what_is_required_must_be_given(self) -> None:
        """An option without a default is a required argument."""
        with pytest.raises(TypeError, match="name"):
            Options(inner=Inner())

    def test_state_is_no_argument(self) -> None:
        """What is not an option is not taken."""
        with pytest.raises(TypeError, match="state"):
            made(state=1)


class TestDefaults:
    def test_lists_and_tables_are_not_shared(self) -> None:
        """Each instance has its own, at every depth."""
        one, other = made(), made()
        one.stats.append("std")
        one.weights["x"] = 1.0
        one.nested["a"].append(2)
        one.others["y"] = "z"
        assert (other.stats, other.weights, other.nested, other.others) == (["mean"], {}, {"a": [1]}, {})

    def test_a_list_that_was_declared_may_change_afterwards(self) -> None:
        """The default is what it was when the first instance is made from it, never what an instance made of it."""
        one = made()
        one.nested["a"].clear()
        assert made().nested == {"a": [1]}
        assert field("nested").default == {"a": [1]}

    def test_what_is_required_is_known(self) -> None:
        """Only options without a default are required; what takes the rest never is."""
        assert [f.name for f in option_fields(Options) if f.required] == ["name", "inner"]


class TestSecrets:
    def test_it_is_in_no_repr(self) -> None:
        """A component may be printed."""
        assert SECRET not in repr(made(token=SECRET))

    def test_it_is_in_no_message(self) -> None:
        """A secret that is refused is not told, whatever the check says."""

        @attrs.define
        class Refuses(Component):
            token: str = option(secret=True, choices=["a"], help="a secret")

        with pytest.raises(OptionError) as error:
            Refuses(token=SECRET)
        assert str(error.value) == "Refuses.token: the value is refused"
        assert SECRET not in repr(error.value)


class TestConverting:
    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [
            ("name", "text", "text"),
            ("share", 1, 1.0),
            ("count", 4, 4),
            ("colour", "blue", Colour.BLUE),
            ("unit", "ms", "ms"),
            ("stats", ["std", "mean"], ["std", "mean"]),
            ("weights", {"a": 1, "b": -2.5}, {"a": 1.0, "b": -2.5}),
            ("path", "data/x.json", Path("data/x.json")),
            ("maybe", 7, 7),
            ("yes", True, True),
        ],
    )
    def test_a_value_of_a_file_becomes_the_options_type(self, name: str, value: Any, expected: Any) -> None:
        """TOML has no paths and no enumerations, and whole numbers do for numbers."""
        converted = field(name).convert(value)
        assert expected == converted
        assert type(expected) is type(converted)

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("name", 5, "expected text, got whole number"),
            ("share", "0.5", "expected number, got text"),
            ("share", True, "expected number, got true or false"),
            ("share", 2.0, "must be at most 1, got 2.0"),
            ("share", math.nan, "must be a finite number, got nan"),
            ("count", 4.0, "expected whole number, got number"),
            ("count", "4", "expected whole number, got text"),
            ("count", True, "expected whole number, got true or false"),
            ("count", 3, "must be even, got 3"),
            ("yes", 1, "expected true or false, got whole number"),
            ("yes", "true", "expected true or false, got text"),
            ("colour", "green", "must be one of 'red', 'blue', got 'green'"),
            ("unit", "min", "must be one of 's', 'ms', got 'min'"),
            ("stats", "mean", "expected list of text, got text"),
            ("stats", ["mean", 1], "expected text, got whole number (at #2)"),
            ("weights", {"a": "1"}, "expected number, got text (at a)"),
            ("weights", {"a": math.inf}, "must be a finite number, got inf (at a)"),
            ("path", 5, "expected path, got whole number"),
            ("maybe", "x", "expected whole number, got text"),
        ],
    )
    def test_anything_else_is_refused(self, name: str, value: Any, message: str) -> None:
        """Nothing is guessed: no text for a number, no 4.0 for 4, no 1 for true."""
        with pytest.raises(BadValue) as error:
            field(name).convert(value)
        assert message == str(error.value)


class TestFields:
    def test_they_are_listed_in_the_order_of_declaration(self) -> None:
        """Children are among them, run-time state is not."""
        names = [f.name for f in option_fields(Options)]
        assert (
            " ".join(names)
        ) == "name inner share above count mode colour unit stats weights nested path maybe yes token others"

    def test_what_is_known_of_an_option(self) -> None:
        """Name, type, default, help and rules, from the one declaration."""
        share = field("share")
        assert (float, 0.5, "a share", 0, 1) == (
            share.type,
            share.default,
            share.info.help,
            share.info.ge,
            share.info.le,
        )
        assert field("token").info.secret
        assert field("others").info.rest

    def test_choices_come_from_the_type_too(self) -> None:
        """An enumeration and a Literal say themselves what is allowed."""
        assert (field("colour").info.choices, field("unit").info.choices) == (("red", "blue"), ("s", "ms"))

    def test_children_are_found(self) -> None:
        """Of an instance, by the name of their field; a component without attrs has none."""

        class Bare(Component):
            pass

        instance = made()
        assert {"inner": instance.inner} == children_of(instance)
        assert children_of(Bare()) == {}
        assert option_fields(Bare) == ()
        assert field("inner").child


def test_an_annotation_that_cannot_be_read_is_told() -> None:
    """The author learns which class it is, and what is wrong."""

    @attrs.define
    class Odd(Component):
        size: "math.pi[float]" = option(1.0, help="a size")  # type: ignore[valid-type]

    with pytest.raises(PluginError, match=r"Odd: the annotation of a field cannot be read: .*; write it otherwise"):
        option_fields(Odd)
