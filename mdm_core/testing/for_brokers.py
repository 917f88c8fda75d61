"""Checks for brokers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

import attrs

from mdm_core.contracts import Broker
from mdm_core.testing.case import Case, need
from mdm_core.testing.checks import Broken, Inapplicable, check
from mdm_core.testing.material import UNICODE
from mdm_core.testing.plain import fingerprint, plain, shown
from mdm_core.testing.player import Player, order_of, out_of_contract
from mdm_core.values import Order, Receipt
from mdm_core.wording import one_line

_ODD_PARAMS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"x": None},
    {"x": float("nan"), "y": float("inf")},
    {"whole": 10**400, "text": "long " * 20_000},
    {UNICODE: UNICODE},
    {"nested": {"list": [1, {"deep": [None]}]}, "bytes": b"\xff", "type": object},
)


@attrs.frozen
class _Desk:
    """An open broker, and the means to see what it does."""

    broker: Broker
    orders: list[Order]
    effects: Callable[[], object]

    def execute(self, order: Order) -> Receipt:
        try:
            receipt: object = self.broker.execute(order)
        except Exception as error:
            raise Broken(f"execute raised {one_line(error)}; answer with a Receipt, for core cannot know") from error
        _check(receipt, "execute")
        return cast(Receipt, receipt)


@contextmanager
def _desk(case: Case) -> Iterator[_Desk]:
    run_dir: Path = case.run_dir()
    with case.opened(case.build(run_dir=run_dir)) as component:
        player = Player(component, case.subject)
        orders = [order_of(step, player.context_of(step)) for step in case.steps]
        told = case.subject.effects
        yield _Desk(
            cast(Broker, component), orders, lambda: fingerprint(run_dir) if told is None else plain(told(component))
        )


@check(
    "idempotent",
    "After an answer that got lost, core repeats an order to a broker that says it is idempotent.",
    "broker",
)
def idempotent(case: Case) -> None:
    with _desk(case) as desk:
        _need_idempotent(desk)
        for order in desk.orders[:8]:
            first = desk.execute(order)
            done = desk.effects()
            again = desk.execute(attrs.evolve(order, params=dict(order.params), features=dict(order.features)))
            need(done == desk.effects(), "an order that came twice under the same key was carried out twice")
            if first.status == "done":
                need(first == again, f"an order that came twice was answered with {first} and then with {again}")


@check("same-key-other-payload", "One key is one order; another payload under it must not be carried out.", "broker")
def same_key_other_payload(case: Case) -> None:
    with _desk(case) as desk:
        _need_idempotent(desk)
        for order in desk.orders[:8]:
            first = desk.execute(order)
            done = desk.effects()
            other = attrs.evolve(order, params={**order.params, "mdm_check": 1.0})
            again = desk.execute(other)
            need(done == desk.effects(), "the same key with other params was carried out as another order")
            need(
                again == first or again.status == "failed",
                f"the same key with other params was answered with {again}; answer as the first time, or failed",
            )


def _need_idempotent(desk: _Desk) -> None:
    if not desk.broker.idempotent:
        raise Inapplicable("it does not say that it is idempotent, so core never repeats an order")


@check("resolve", "What resolve says decides whether an order whose answer got lost is given up.", "broker")
def resolve(case: Case) -> None:
    with _desk(case) as desk:
        first = desk.execute(desk.orders[0])
        known = _asked(desk.broker.resolve, "resolve", desk.orders[0].idempotency_key)
        unknown = _asked(desk.broker.resolve, "resolve", "0" * 32)
    if first.status == "done":
        need(known.status == "done", f"of an order that is done, resolve says {known.status!r}")
    need(unknown.status != "done", "of an order that it never had, resolve says 'done'")


@check("cancel", "What cancel says decides whether an order still counts.", "broker")
def cancel(case: Case) -> None:
    with _desk(case) as desk:
        first = desk.execute(desk.orders[0])
        known = _asked(desk.broker.cancel, "cancel", desk.orders[0].idempotency_key)
        _asked(desk.broker.cancel, "cancel", "0" * 32)
    if first.status == "done":
        need(known.status != "failed", "an order that is done cannot be taken back, and cancel says that it was")


def _asked(method: Callable[[str], Any], name: str, key: str) -> Receipt:
    try:
        receipt = method(key)
    except NotImplementedError:
        raise Inapplicable(f"it cannot {name}, which is allowed") from None
    except Exception as error:
        raise Broken(f"{name} raised {one_line(error)}; answer with a Receipt or raise NotImplementedError") from error
    _check(receipt, name)
    return cast(Receipt, receipt)


@check("poll", "Answers to pending orders come by key; whatever else comes is lost.", "broker")
def poll(case: Case) -> None:
    with _desk(case) as desk:
        for order in desk.orders[:8]:
            desk.execute(order)
        try:
            answers: list[Any] = list(desk.broker.poll())
        except Exception as error:
            raise Broken(f"poll raised {one_line(error)}") from error
    for answer in answers:
        fine = isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[0], str)
        need(fine, f"poll gave {shown(plain(answer))}; it must give pairs of key and Receipt")
        _check(answer[1], "poll")


@check(
    "odd-orders",
    "An order that a broker cannot write must be refused; if it raises, core must take it for unknown.",
    "broker",
)
def odd_orders(case: Case) -> None:
    with _desk(case) as desk:
        for number, params in enumerate(_ODD_PARAMS):
            order = attrs.evolve(desk.orders[number], params=params, key=UNICODE, idempotency_key=f"{number:032x}")
            desk.execute(attrs.evolve(order, features=dict(params)))


def _check(receipt: object, method: str) -> None:
    problem = out_of_contract("broker", receipt)
    need(problem is None, f"{method}: {problem}")
