"""What an endpoint's answer, or its silence, means for an order."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import attrs
from mdm_core import Receipt

_SECONDS: Final = re.compile("[0-9]{1,9}")


@attrs.frozen
class Answer:
    """The beginning of an HTTP response; its body is not kept.

    Attributes:
        status: The status code.
        headers: The headers, found in any spelling.
    """

    status: int
    headers: Mapping[str, str]


class Unanswered(Exception):
    """There was no answer.

    Attributes:
        receipt: What that means for the order.
        cause: Type of the innermost exception, such as ``ConnectionRefusedError``.
    """

    def __init__(self, receipt: Receipt, cause: str) -> None:
        self.receipt = receipt
        self.cause = cause
        super().__init__(cause)


def receipt_of(answer: Answer, *, deduplicates: bool) -> Receipt:
    """Say what an answer means.

    Args:
        answer: The answer.
        deduplicates: Whether the endpoint carries out an order once, however often it comes under the same key. Such
            an endpoint answers 409 to an order that it is still busy with (draft-ietf-httpapi-idempotency-key-header,
            section 2.7), so that the order may yet take effect.

    Returns:
        ``done`` for 2xx, ``retry`` for 429 and from 500, ``unknown`` for 1xx, ``failed`` for the rest.
    """
    status = answer.status
    if 200 <= status < 300:
        return Receipt("done")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Receipt("retry", "rate_limited", _retry_after_ms(answer))
    if status >= 500:
        return Receipt("retry", "error", _retry_after_ms(answer))
    if status < 200 or (status == HTTPStatus.CONFLICT and deduplicates):
        return Receipt("unknown", "error", _retry_after_ms(answer))
    return Receipt("failed", "rejected")


def _retry_after_ms(answer: Answer) -> int | None:
    text = answer.headers.get("retry-after")
    return None if text is None else retry_after_ms(text, time.time())


def retry_after_ms(text: str, now: float) -> int | None:
    """Read the header ``Retry-After`` (RFC 9110, section 10.2.3).

    Args:
        text: Seconds, or an HTTP date.
        now: Seconds since 1970.

    Returns:
        Milliseconds to wait, at least 0, or None if the text is neither.
    """
    if _SECONDS.fullmatch(text):
        return int(text) * 1000
    try:
        date = parsedate_to_datetime(text)
        # A date without a zone is meant in UTC; only the zone "-0000" and the oldest format give one.
        at = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0, round((at - now) * 1000))
