"""A broker that sends each order to an HTTP endpoint."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Final

import attrs
from mdm_core import Action, Broker, Build, ConfigError, OptionError, Order, Receipt, get_logger, option

from mdm_http.answers import Answer, Unanswered, receipt_of
from mdm_http.checks import check_actions, check_header_name, check_headers, check_url, check_urls, header_problem
from mdm_http.signing import SHORTEST_KEY, sign
from mdm_http.sources import Source, is_secret, read

METHODS: Final = ("POST", "PUT", "PATCH", "DELETE")

_log = get_logger("http")
_LONGEST_REFERENCE: Final = 200


@attrs.define
class Webhook(Broker):
    """Sends each order as JSON to an HTTP endpoint, one attempt each, and says what the answer means.

    Neither redirects nor proxy variables of the environment are followed, no cookie is kept, and certificates are
    always verified.
    """

    url: Source = option(
        check=check_url, help='where orders are sent; { env = "NAME" } for a URL that is itself a secret'
    )
    urls: dict[str, Source] = option({}, check=check_urls, help="where orders of an action are sent instead, by action")
    method: str = option("POST", choices=METHODS, help="HTTP method of the requests")
    methods: dict[str, str] = option(
        {}, choices=METHODS, check=check_actions, help="HTTP method of the requests of an action instead, by action"
    )
    headers: dict[str, Source] = option(
        {}, check=check_headers, help='headers to send; { env = "NAME" } is the value of a secret one'
    )
    token: str | None = option(None, secret=True, help="sent as Authorization: Bearer …")
    signing_key: str | None = option(None, secret=True, help="signs every request with HMAC-SHA256")
    deduplicates: bool = option(
        False, help="whether the endpoint carries out an order once, however often it comes under one Idempotency-Key"
    )
    features: bool = option(False, help="whether to send the features that the decision was made from, too")
    reference_header: str | None = option(
        None, check=check_header_name, help="header of the answer that names the order on the other side"
    )
    connect_ms: int = option(2000, ge=1, help="milliseconds in which to be connected")
    answer_ms: int = option(5000, ge=1, help="milliseconds in which to have the answer, connecting included")
    ca_file: Path | None = option(
        None, help="PEM file of the certificates to trust instead of the system's; relative to the pipeline file"
    )
    _sender: Any = attrs.field(init=False, default=None, repr=False)
    _targets: dict[Action, tuple[str, str]] = attrs.field(init=False, factory=dict, repr=False)
    _headers: list[tuple[str, str]] = attrs.field(init=False, factory=list, repr=False)
    _secrets: list[str] = attrs.field(init=False, factory=list, repr=False)

    def __attrs_post_init__(self) -> None:
        problems = []
        if self.token is not None and (problem := header_problem(self.token)):
            problems.append(f"Webhook.token: {problem}")
        if self.token is not None and any(name.lower() == "authorization" for name in self.headers):
            problems.append("Webhook.token: the header Authorization is set, too; leave one out")
        if self.signing_key is not None and len(self.signing_key) < SHORTEST_KEY:
            problems.append(f"Webhook.signing_key: must have at least {SHORTEST_KEY} characters")
        if problems:
            raise OptionError(problems)

    @property
    def idempotent(self) -> bool:  # type: ignore[override]
        """Whether an order repeated under the same key takes effect once: what the user says of the endpoint."""
        return self.deduplicates

    def open(self, build: Build) -> None:
        """Read the secrets and make the pool; no connection is made before the first order.

        Args:
            build: The surroundings.

        Raises:
            ConfigError: A secret or the file of certificates cannot be read, or a URL cannot be used.
        """
        from mdm_http.sender import Sender

        try:
            self._read_sources()
            urls = {url for _, url in self._targets.values()}
            self._sender = Sender(urls, self.ca_file and build.base_dir / self.ca_file)
        except ValueError as error:
            raise ConfigError(str(error)) from None

    def close(self) -> None:
        """Close all connections."""
        if self._sender is not None:
            self._sender.close()
            self._sender = None

    def execute(self, order: Order) -> Receipt:
        """Send an order, once.

        Args:
            order: What to carry out.

        Returns:
            ``done`` for an answer of 2xx; ``retry`` for 429 (kind ``rate_limited``), 5xx (``error``) and without a
            connection (``disconnected``); ``unknown`` if the request was or may have been sent and no answer came;
            ``failed`` for other answers and what JSON cannot hold (``rejected``), and past the deadline (``timeout``).
        """
        left_s = self._left_s(order)
        if left_s <= 0:
            return Receipt("failed", "timeout")
        try:
            body = self._body(order)
        except (TypeError, ValueError, RecursionError):
            return Receipt("failed", "rejected")
        try:
            answer = self._send(order, body, left_s)
        except Unanswered as silence:
            _log.warning("%s was not answered: %s", order.action.value, silence.cause)
            return silence.receipt
        return self._receipt(order, answer)

    def _left_s(self, order: Order) -> float:
        limit_s = self.answer_ms / 1000
        return limit_s if order.deadline_ms is None else min(limit_s, order.deadline_ms / 1000 - time.time())

    def _body(self, order: Order) -> bytes:
        content = {
            "action": order.action.value,
            "params": order.params,
            "key": order.key,
            "idempotency_key": order.idempotency_key,
        }
        if self.features:
            content["features"] = order.features
        return _to_json(content).encode()

    def _send(self, order: Order, body: bytes, left_s: float) -> Answer:
        method, url = self._targets[order.action]
        headers = [*self._headers, ("Idempotency-Key", order.idempotency_key)]
        if self.signing_key is not None:
            headers += sign(self.signing_key.encode(), body)
        answer: Answer = self._sender.send(method, url, headers, body, min(left_s, self.connect_ms / 1000), left_s)
        return answer

    def _receipt(self, order: Order, answer: Answer) -> Receipt:
        receipt = receipt_of(answer, deduplicates=self.deduplicates)
        if receipt.status != "done":
            _log.warning("%s was answered with %d", order.action.value, answer.status)
        return attrs.evolve(receipt, reference=self._reference(answer)) if self.reference_header else receipt

    def _reference(self, answer: Answer) -> str | None:
        reference = answer.headers.get(self.reference_header or "", "")
        if len(reference) > _LONGEST_REFERENCE or header_problem(reference):
            return None
        # An endpoint that echoes what it was sent must not bring a secret into the trace.
        return None if any(secret in reference for secret in self._secrets) else reference

    def _read_sources(self) -> None:
        sources = [self.url, *self.urls.values(), *self.headers.values()]
        self._secrets = [read(source) for source in sources if is_secret(source)]
        self._secrets += [secret for secret in (self.token, self.signing_key) if secret]
        self._headers = [("Content-Type", "application/json"), *((n, read(s)) for n, s in self.headers.items())]
        if self.token is not None:
            self._headers.append(("Authorization", f"Bearer {self.token}"))
        self._targets = {action: self._target(action.value) for action in Action if action is not Action.HOLD}

    def _target(self, action: str) -> tuple[str, str]:
        return self.methods.get(action, self.method), read(self.urls.get(action, self.url))


_to_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
