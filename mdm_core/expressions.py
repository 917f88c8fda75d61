"""Arithmetic and conditions that a configuration file may contain.

An expression is parsed, checked against an allow-list and compiled to one Python function before the first
event; its text is never executed as it stands. ``compile_expression`` describes the language.
"""

import ast
import math
import numbers
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from types import CodeType, NoneType
from typing import Any, Final, Literal, NoReturn, TypeAlias

import attrs

from mdm_core.errors import ExpressionError

MAX_LENGTH: Final = 1000  # characters
MAX_NODES: Final = 200  # names, constants and operations
MAX_DEPTH: Final = 50  # operations inside one another; a sum of n terms counts n
MAX_EXPONENT: Final = 8

_ALLOWED = (
    "allowed are numbers, feature names, + - * / // % **, comparisons, in, is None, and, or, not, "
    "a if c else b, min, max, abs, log, exp and sqrt"
)
_ARITY = {"min": (2, 99), "max": (2, 99), "abs": (1, 1), "log": (1, 2), "exp": (1, 1), "sqrt": (1, 1)}

_Kind: TypeAlias = Literal["number", "truth", "text", "none", "feature"]
_KINDS: dict[type, _Kind] = {
    **dict.fromkeys((int, float, ast.BinOp, ast.USub, ast.UAdd, ast.Call), "number"),
    **dict.fromkeys((bool, ast.Compare, ast.BoolOp, ast.Not), "truth"),
    str: "text",
    NoneType: "none",
    ast.Name: "feature",
}

# What a node of some kind becomes where something is wanted: `x` is the node, `t` a fresh local variable, and
# a pair that is not listed is refused. Operators only ever see an exact float, so that no long integer, text
# or foreign type has a say in what `*` or `%` does. `t - t == 0.0` is false for infinities and NaN.
_Want: TypeAlias = Literal["float", "finite", "number", "text", "scalar", "truth", "result"]
_FLOAT = "t if (t := x).__class__ is float else t * 1.0 if t.__class__ is int else to_float(t)"
_NUMBER = "t if (t := x).__class__ is int or t.__class__ is float and t - t == 0.0 else to_number(t)"
_FINITE = "t if (t := x) - t == 0.0 else not_finite()"
_CONVERSIONS: dict[tuple[_Want, _Kind], str] = {
    ("float", "number"): "x",
    ("float", "truth"): "1.0 if x else 0.0",
    ("float", "feature"): _FLOAT,
    ("finite", "number"): _FINITE,
    ("finite", "truth"): "1.0 if x else 0.0",
    ("finite", "feature"): "t if (t := x).__class__ is float and t - t == 0.0 else to_float(t)",
    ("number", "number"): _FINITE,
    ("number", "truth"): "x",
    ("number", "feature"): _NUMBER,
    ("text", "text"): "x",
    ("text", "feature"): "t if (t := x).__class__ is str else to_text(t)",
    ("scalar", "feature"): "x",
    ("truth", "number"): "(t if (t := x) - t == 0.0 else not_finite()) != 0.0",
    ("truth", "truth"): "x",
    ("truth", "feature"): "t if (t := x).__class__ is bool else to_number(t) != 0",
    ("result", "number"): _FINITE,
    ("result", "truth"): "x",
    ("result", "feature"): "t if (t := x).__class__ is bool else to_float(t)",
    ("result", "none"): "no_value()",
}


@attrs.frozen(eq=False)
class Expression:
    """A compiled expression, made by ``compile_expression``.

    Call it for a derived feature: where there is no value, it answers None. Use ``evaluate`` in a guard,
    which must not take "cannot tell" for "no": there it raises ``KeyError``, ``TypeError``, ``ValueError`` or
    ``ArithmeticError``, and the guard denies. It should record the exception's type only, for Python puts
    values into some messages. ``evaluate`` is the compiled function itself, and so the cheaper of the two.

    Attributes:
        text: The expression as it was written.
        names: The features that it reads.
        evaluate: Takes the features and returns a finite float or a bool, or raises.
    """

    text: str
    names: frozenset[str] = attrs.field(repr=False)
    evaluate: Callable[[Mapping[str, Any]], float | bool] = attrs.field(repr=False)

    def __call__(self, values: Mapping[str, Any]) -> float | bool | None:
        """Return the value over these features, or None where there is none."""
        try:
            return self.evaluate(values)
        except (LookupError, TypeError, ValueError, ArithmeticError):
            return None

    def __reduce__(self) -> tuple[Callable[[str], "Expression"], tuple[str]]:
        """Copy and pickle as text, since a compiled function cannot be."""
        return compile_expression, (self.text,)


def compile_expression(text: str) -> Expression:
    """Check an expression and compile it.

    The language is a part of Python's: numbers, ``+ - * / // %``, ``**`` with a constant exponent from -8 to
    8, comparisons (also chained), ``in`` and ``not in`` a list of constants, ``is None``, ``is not None``,
    ``and``, ``or``, ``not``, ``a if c else b``, and calls to ``min``, ``max``, ``abs``, ``log``, ``exp`` and
    ``sqrt``. Inside parentheses it may go over several lines.

    - A name, dotted or not, is the name of one feature: ``user.age_days`` reads ``"user.age_days"``. ``min``
      is a function only in front of a parenthesis; elsewhere it is a feature too.
    - Arithmetic is done in floats, and True and False count as 1 and 0. Whole numbers are compared exactly.
    - Text can only be compared, and only with text.
    - ``and``, ``or`` and ``not`` give True or False. A number is true unless it is zero; text is neither.
    - There is no value if a feature that is reached is missing, None, of the wrong type or not finite, if
      any number on the way is not finite, where Python raises (division by zero, ``log(0)``), and at a branch
      ``None`` of a conditional. Only ``name is None`` can be asked about a feature that may be missing.
      ``and``, ``or`` and conditionals do not reach further than they must.

    Args:
        text: The expression, of at most 1000 characters.

    Returns:
        The compiled expression.

    Raises:
        ExpressionError: If the text is not an expression of this language, or exceeds a limit.
    """
    if not isinstance(text, str):
        raise ExpressionError(f"an expression is text, not {type(text).__name__}; put it in quotation marks")
    try:
        translator = _Translator()
        code = translator.code(_Simplify().visit(_parse(text)))
        evaluate: Callable[[Mapping[str, Any]], float | bool] = eval(code, dict(_SCOPE))
    except ExpressionError as error:
        reason = str(error)
    except (SyntaxError, ValueError) as error:
        reason = f"it cannot be read ({getattr(error, 'msg', error)}); {_ALLOWED}"
    except (RecursionError, MemoryError):
        reason = f"it is nested deeper than {MAX_DEPTH} operations; write it flatter, a long sum in groups"
    else:
        return Expression(text, frozenset(translator.names), evaluate)
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    raise ExpressionError(f"expression {shown!r}: {reason}")


def _refuse(what: str, hint: str = _ALLOWED) -> NoReturn:
    raise ExpressionError(f"{what}; {hint}")


def _parse(text: str) -> ast.expr:
    if len(text) > MAX_LENGTH:
        _refuse(f"it has {len(text)} characters", f"at most {MAX_LENGTH} are allowed")
    with warnings.catch_warnings():
        # Python warns of spellings such as "\d" and `1if`, naming a file and a line that nobody wrote.
        warnings.simplefilter("ignore")
        tree = ast.parse(text.strip(), mode="eval").body
    level, count, depth = [tree], 0, 0
    while level:
        count, depth = count + len(level), depth + 1
        children = [child for node in level for child in ast.iter_child_nodes(node)]
        level = [child for child in children if isinstance(child, ast.expr)]
    if count > MAX_NODES:
        _refuse(f"it has {count} names, constants and operations", f"at most {MAX_NODES} are allowed")
    if depth > MAX_DEPTH:
        raise RecursionError
    return tree


class _Simplify(ast.NodeTransformer):
    """Joins a dotted name to one name and a sign to its number, and bounds every number."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.Name:
        owner = self.visit(node.value)
        if not isinstance(owner, ast.Name):
            _refuse("a dot may only join names", "a dotted name such as user.age_days is one feature's name")
        return _load(f"{owner.id}.{node.attr}")

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        node.operand = self.visit(node.operand)
        if isinstance(node.op, ast.USub | ast.UAdd) and (value := _constant(node.operand)) is not None:
            return ast.Constant(-value if isinstance(node.op, ast.USub) else value)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if abs(_constant(node) or 0) > sys.float_info.max:
            _refuse("a number is too large", f"the largest is {sys.float_info.max:.2g}")
        return node


class _Fill(ast.NodeTransformer):
    """Puts a node in the place of `x` in a template, and a fresh name in that of `t`."""

    def __init__(self, value: ast.expr, local: str) -> None:
        self._value = value
        self._local = local

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id == "x":
            return self._value
        return ast.Name(self._local, node.ctx) if node.id == "t" else node


class _Translator:
    """Turns a simplified tree into code; what it does not expressly translate is refused."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._locals = 0

    def code(self, tree: ast.expr) -> CodeType:
        argument = ast.arguments([], [ast.arg("values")], None, [], [], None, [])
        function = ast.Expression(ast.Lambda(argument, self._as("result", tree)))
        return compile(ast.fix_missing_locations(function), "<expression>", "eval")

    def _as(self, want: _Want, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.IfExp):
            test, branches = self._as("truth", node.test), (node.body, node.orelse)
            return ast.IfExp(test, *(self._as(want, branch) for branch in branches))
        kind = _kind(node)
        template = _CONVERSIONS.get((want, kind))
        if template is None and kind == "none":
            _refuse("None is no operand", "ask `name is None`, or use None as a branch: a if c else None")
        if template is None:
            _refuse("text can only be compared", "with text, by == != < <= > >= or in")
        if want == "number" and _constant(node) is not None:
            return node
        return self._fill(template, self._translate(node))

    def _fill(self, template: str, value: ast.expr) -> ast.expr:
        self._locals += 1
        filled: ast.expr = _Fill(value, f"t{self._locals}").visit(ast.parse(template, mode="eval").body)
        return filled

    def _translate(self, node: ast.expr) -> ast.expr:
        match node:
            case ast.Constant():
                value = _constant(node)
                return node if value is None else ast.Constant(float(value))
            case ast.Name():
                self.names.add(node.id)
                return ast.Subscript(_load("values"), ast.Constant(node.id), ast.Load())
            case ast.UnaryOp():
                want: _Want = "truth" if isinstance(node.op, ast.Not) else "float"
                return ast.UnaryOp(node.op, self._as(want, node.operand))
            case ast.BoolOp():
                return ast.BoolOp(node.op, [self._as("truth", value) for value in node.values])
            case ast.BinOp():
                return self._arithmetic(node)
            case ast.Compare():
                return self._comparison(node)
            case ast.Call(func=ast.Name(id=name), keywords=[]) if name in _ARITY:
                return self._function(name, node.args)
            case _:
                _refuse("this call is not allowed", f"the functions are {', '.join(_ARITY)}, as in min(a, b)")

    def _arithmetic(self, node: ast.BinOp) -> ast.expr:
        match node.op:
            case ast.Add() | ast.Sub() | ast.Mult():
                right = self._as("float", node.right)
            case ast.Div() | ast.FloorDiv() | ast.Mod():
                # Other operands pass infinity and NaN on to the result, but 1 / inf and 1 % inf are finite.
                right = self._as("finite", node.right)
            case ast.Pow():
                exponent = _constant(node.right)
                if exponent is None or abs(exponent) > MAX_EXPONENT:
                    _refuse("** needs a constant exponent", f"it may be -{MAX_EXPONENT} to {MAX_EXPONENT}")
                return _call("pow", self._as("finite", node.left), ast.Constant(float(exponent)))
            case _:
                _refuse(f"the operator {type(node.op).__name__} is not allowed")
        return ast.BinOp(self._as("float", node.left), node.op, right)

    def _function(self, name: str, args: list[ast.expr]) -> ast.expr:
        least, most = _ARITY[name]
        if not least <= len(args) <= most:
            takes = f"{least}" if least == most else f"{least} to {most}"
            _refuse(f"{name} has the wrong number of arguments", f"it takes {takes}, not {len(args)}")
        return _call(name, *(self._as("finite", arg) for arg in args))

    def _comparison(self, node: ast.Compare) -> ast.expr:
        match node:
            case ast.Compare(ast.Name(id=name), [ast.Is() | ast.IsNot()], [ast.Constant(value=None) as none]):
                self.names.add(name)
                get = ast.Attribute(_load("values"), "get", ast.Load())
                return ast.Compare(ast.Call(get, [ast.Constant(name)], []), node.ops, [none])
            case ast.Compare(left, [ast.In() | ast.NotIn()], [ast.Tuple(items) | ast.List(items)]):
                if not items or not all(isinstance(item, ast.Constant) for item in items):
                    _refuse("`in` needs a list of constants", "write for example country in ('DE', 'FR')")
                value, *choices = self._alike([left, *items])
                return ast.Compare(value, node.ops, [ast.Tuple(choices, ast.Load())])
        if any(isinstance(op, ast.Is | ast.IsNot | ast.In | ast.NotIn) for op in node.ops):
            _refuse("`is` and `in` have one form each", "write name is None, or name in ('a', 'b')")
        first, *rest = self._alike([node.left, *node.comparators])
        return ast.Compare(first, node.ops, rest)

    def _alike(self, operands: list[ast.expr]) -> list[ast.expr]:
        """Translate operands so that those compared are all text or all finite numbers."""
        kinds = {_kind(leaf) for operand in operands for leaf in _leaves(operand)}
        if "text" in kinds and kinds & {"number", "truth"}:
            _refuse("text is compared with a number", "compare text with text and numbers with numbers")
        if kinds != {"feature"}:
            return [self._as("text" if "text" in kinds else "number", operand) for operand in operands]
        first, *rest = [self._as("scalar", operand) for operand in operands]
        first = self._fill("t if (t := x).__class__ is float and t - t == 0.0 else to_scalar(t)", first)
        one = f"t{self._locals}"
        same = f"t if (t := x).__class__ is float is {one}.__class__ and t - t == 0.0 else alike({one}, t)"
        return [first, *(self._fill(same, other) for other in rest)]


def _kind(node: ast.expr) -> _Kind:
    key = node.value if isinstance(node, ast.Constant) else node.op if isinstance(node, ast.UnaryOp) else node
    kind = _KINDS.get(type(key))
    if kind is None:
        _refuse(f"{type(key).__name__} is not allowed")
    return kind


def _constant(node: ast.expr) -> int | float | None:
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _leaves(node: ast.expr) -> Iterator[ast.expr]:
    branches = (node.body, node.orelse) if isinstance(node, ast.IfExp) else ()
    for branch in branches:
        yield from _leaves(branch)
    if not branches:
        yield node


def _load(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _call(function: str, *args: ast.expr) -> ast.Call:
    return ast.Call(_load(function), list(args), [])


def _not_finite() -> NoReturn:
    raise ValueError("a number is not finite")


def _no_value() -> NoReturn:
    raise ValueError("the branch is None")


def _to_number(value: object) -> int | float:
    if isinstance(value, int | numbers.Integral):
        return int(value)
    if not isinstance(value, float | numbers.Real):
        raise TypeError(f"a number is needed, not {type(value).__name__}")
    number = float(value)
    return number if math.isfinite(number) else _not_finite()


def _to_float(value: object) -> float:
    return float(_to_number(value))


def _to_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text is needed, not {type(value).__name__}")
    return value


def _to_scalar(value: object) -> int | float | str:
    return value if isinstance(value, str) else _to_number(value)


def _alike(first: object, other: object) -> int | float | str:
    return _to_text(other) if isinstance(first, str) else _to_number(other)


_SCOPE: Final[dict[str, Any]] = {
    function.__name__.lstrip("_"): function
    for function in (
        *(bool, int, float, str, abs, min, max, math.log, math.exp, math.sqrt, math.pow),
        *(_to_number, _to_float, _to_text, _to_scalar, _alike, _not_finite, _no_value),
    )
} | {"__builtins__": {}}
