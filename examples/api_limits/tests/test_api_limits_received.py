from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdm_api_limits.received import Request, request

OWN = b"Received: from localhost (localhost [127.0.0.1]) by mx.example; Thu, 22 Aug 2002 12:36:20 +0100\n"
LAST = (
    b"Received: from a.example (a.example [198.51.99.7])\n\tby mx.example with ESMTP; Thu, 22 Aug 2002 12:36:16 +0100\n"
)
FORGED = b"Received: from b.example ([8.8.8.8]) by c.example; Thu, 22 Aug 2002 01:00:00 +0100\n"
NOW_MS = int(datetime.fromisoformat("2002-08-22T12:36:16+01:00").timestamp() * 1000)


class TestRequest:
    def test_the_first_from_outside_counts(self) -> None:
        """Servers of the receiver's own are passed over, and what strangers wrote before is not believed."""
        assert Request("a", "198.51.99.7", NOW_MS, True) == request(OWN + LAST + FORGED + b"\nhi", "a", True)

    @pytest.mark.parametrize(
        "head",
        [
            b"",
            OWN,
            b"Received: from x ([10.1.2.3]) by y; Thu, 22 Aug 2002 12:36:16 +0100\n",
            b"Received: from x ([300.1.2.3]) by y; Thu, 22 Aug 2002 12:36:16 +0100\n",
            b"Received: from x ([8.8.8.8]) by y; soon\n",
            b"Received: from x ([8.8.8.8]) by y; Thu, 22 Aug 0102 12:36:16 +0100\n",
        ],
    )
    def test_without_client_or_time_there_is_none(self, head: bytes) -> None:
        """A message that names no public address, or a time that cannot be, is no request."""
        assert request(head + b"\nhi", "a", True) is None

    def test_only_headers_are_read(self) -> None:
        """A header that stands in the text of a message is part of the text."""
        assert request(OWN + b"\n" + LAST, "a", True) is None

    @given(st.binary(max_size=200))
    def test_never_raises(self, noise: bytes) -> None:
        """Whatever stands in a message, it becomes a request or none."""
        request(b"Received: from x ([" + noise + b"]) by y; " + noise + b"\n\n", "a", True)
        assert NOW_MS == getattr(request(LAST + b"\n" + noise, "a", True), "now_ms", None)
