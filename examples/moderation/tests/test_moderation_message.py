from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdm_content.message import LONGEST, event

HEAD = b"""Received: from a.example by mx.example with ESMTP id 1; Thu, 22 Aug 2002 12:36:16 +0100
Received: from b.example by a.example; Wed, 21 Aug 2002 12:00:00 +0000
Date: Sat, 01 Jan 2050 00:00:00 +0000
From: Ann Example <Ann@Example.ORG>
Subject: BUY now
"""


def made(raw: bytes) -> dict[str, Any]:
    found = event(raw, "a", False)
    assert found is not None
    return found


class TestTime:
    def test_latest_server_tells_it(self) -> None:
        """The time is that of the last server on the way; neither an earlier one nor the sender is believed."""
        expected = int(datetime.fromisoformat("2002-08-22T12:36:16+01:00").timestamp() * 1000)
        assert expected == made(HEAD + b"\nhi")["timestamp_ms"]

    def test_delivery_date_stands_in(self) -> None:
        """Where no server has left a line, the delivery date counts."""
        found = made(b"Delivery-Date: Thu Sep  5 23:42:38 2002\nDate: Sat, 01 Jan 2050 00:00:00 +0000\n\nhi")
        assert int(datetime.fromisoformat("2002-09-05T23:42:38+00:00").timestamp() * 1000) == found["timestamp_ms"]

    @pytest.mark.parametrize("head", [b"", b"Date: Thu, 22 Aug 2002 12:36:16 +0100\n", b"Received: by mx; soon\n"])
    def test_without_it_there_is_no_event(self, head: bytes) -> None:
        """A message of which only the sender says when it was sent, if anybody, becomes no event."""
        assert event(head + b"\nhi", "a", False) is None


class TestText:
    def test_what_a_reader_sees(self) -> None:
        """Tags, scripts and comments go, entities are read."""
        body = b"Content-Type: text/html\n\n<script>var x</script><b>Caf&eacute;</b><!-- no -->&nbsp;at <i>six</i>"
        assert ["Café", "at", "six"] == made(HEAD + body)["text"].split()

    @pytest.mark.parametrize(
        ("kind", "body"),
        [
            (b'text/plain; charset="utf-8"\nContent-Transfer-Encoding: base64', b"R3LDvMOfZQ=="),
            (b'text/plain; charset="iso-8859-1"\nContent-Transfer-Encoding: quoted-printable', b"Gr=FC=DFe"),
            (b'text/plain; charset="no-such-charset"', b"Gr\xfc\xdfe"),
        ],
    )
    def test_decoded(self, kind: bytes, body: bytes) -> None:
        """Transfer encoding and character set are undone; an unknown set is read as Latin-1."""
        assert "Grüße" == made(HEAD + b"Content-Type: " + kind + b"\n\n" + body)["text"]

    def test_all_readable_parts(self) -> None:
        """Of a message in parts the texts are joined, and attachments left out."""
        raw = HEAD + (
            b'Content-Type: multipart/mixed; boundary="x"\n\n--x\nContent-Type: text/plain\n\none\n'
            b"--x\nContent-Type: image/png\n\nbytes\n--x\nContent-Type: text/plain\n\ntwo\n--x--\n"
        )
        assert ["one", "two"] == made(raw)["text"].split()

    def test_long_texts_are_cut(self) -> None:
        """However long a message is, a bounded part of it is looked at."""
        assert LONGEST == len(made(HEAD + b"\n" + b"a b " * LONGEST)["text"])


class TestShape:
    def test_numbers_about_the_form(self) -> None:
        """Links and images are counted in the source, capitals as a share of the letters."""
        found = made(
            HEAD + b"In-Reply-To: <1>\nContent-Type: text/html\n\n<img src='http://a'><a href='HTTPS://b'>Ab</a>"
        )
        assert {
            "html": True,
            "reply": True,
            "links": 2,
            "images": 1,
            "characters": 5,
            "capitals": 0.5,
            "subject_capitals": 0.5,
        } == found["shape"]

    def test_without_letters_there_is_no_share(self) -> None:
        """A text without letters has no share of capitals, which is not the same as none."""
        assert made(HEAD + b"\n123")["shape"]["capitals"] is None


class TestAnything:
    @given(st.binary(max_size=300))
    def test_never_raises(self, noise: bytes) -> None:
        """Whatever stands in a message, it becomes an event or none."""
        event(noise, "a", True)
        found = made(HEAD + noise)
        assert {"id", "timestamp_ms", "sender", "subject", "text", "shape", "spam"} == set(found)

    def test_sender(self) -> None:
        """The sender's domain is in lower case, for it is the key; without an address it is empty."""
        assert {"domain": "example.org", "address": "Ann@Example.ORG"} == made(HEAD + b"\n")["sender"]
        assert {"domain": "", "address": ""} == made(HEAD.replace(b"From: Ann Example <Ann@Example.ORG>\n", b""))[
            "sender"
        ]
