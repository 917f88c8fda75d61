"""Personal data are found by kind, and numbers that only look like them stay."""

from __future__ import annotations

from typing import Any

import pytest
from mdm_core import OptionError

from mdm_redaction import PersonalRedactor
from mdm_redaction.personal import KINDS
from mdm_redaction.personal.national import IDS

M = "[REDACTED]"

FOUND = {
    "email": [
        *(
            "ann@example.com",
            "ANN.B+tag@sub.example.co.uk",
            "o'brien@example.ie",
            "ann%40example.com",
            "ann@münchen.de",
        ),
        *(
            "ann [at] example [dot] com",
            "ann(at)example.com",
            "ann at example dot com",
            "ann＠example.com",
            "用户@例子.公司",
        ),
    ],
    "phone": [
        *(
            "+1 (415) 555-2671",
            "+14155552671",
            "+49 30 901820",
            "+44 (0)20 7946 0958",
            "0049 30 901820",
            "(415) 555-2671",
        ),
        *(
            "415-555-2671",
            "1-800-555-2671",
            "030/1234567",
            "0171 1234567",
            "06 12 34 56 78",
            "07911 123456",
            "044 668 18 00",
        ),
    ],
    "card": [
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "378282246310005",
        "3782 8224 6310 005",
        "6011000990139424",
        "30569309025904",
    ],
    "iban": [
        "DE89370400440532013000",
        "GB29 NWBK 6016 1331 9268 19",
        "nl91abna0417164300",
        "FR1420041010050500013M02606",
    ],
    "ip": ["203.0.113.7", "2001:db8::8a2e:370:7334", "fe80::1ff:fe23:4567:890a", "::ffff:192.0.2.128"],
    "national_id": [
        *(
            "123-45-6789",
            "AB 12 34 56 C",
            "756.9217.0769.85",
            "12345678Z",
            "X1234567L",
            "RSSMRA85T10A562S",
            "811218-9876",
        ),
        *("131052-308T", "529.982.247-25", "2341 2341 2346", "11010519491231002X", "S1234567D", "A123456(3)"),
    ],
}

BESIDE = {
    "phone": ["Tel: 555 1234", "call me at 5552671234", "手机：13812345678", "whatsapp 5511912345678"],
    "card": ["pan=4222222222222"],
    "national_id": [
        *("SSN 123 45 6789", "NHS No: 943 476 5919", "Steuer-ID: 86095742719", "PESEL 44051401359", "BSN: 111222333"),
        *("SIN 046 454 286", "TFN 123 456 782", "cpf=52998224725", "codice fiscale: RSSMRA85T10A562S"),
    ],
}

CLEAN = [
    *("1357034400", "1357034400000", "1700000000000000", "order #4012888888881881", "order_id: 4111111111111111"),
    *("tracking no. 5555555555554444", "4111111111111112", "US0378331005", "ISBN 978-3-16-148410-0", "4006381333931"),
    *(
        "2024-11-23 07:05:41,123",
        "+37.774929,-122.419416",
        "$1,234,567.89",
        "1 234 567,89",
        "01-02-2024 10:30",
        "555-12",
    ),
    *(
        "version 1.2.3.4",
        "Chrome/120.0.6099.109",
        "section 3.2.1.4",
        "10.0.0.0",
        "127.0.0.1",
        "00:1B:44:11:3A:B7",
        "12:34:56",
    ),
    *("std::vector<int>", "dead::beef", "logo@2x.png", "lodash@4.17.21", "git@github.com:org/repo.git", "@ann"),
    *(
        "postgres://reader@db.example.com/x",
        "550e8400-e29b-41d4-a716-446655440000",
        "DE0007164600",
        "IMEI 490154203237518",
    ),
    *(
        "9fceb02d0ae598e95dc970b74767f19372d61af8",
        "call 3 functions",
        "text 12345",
        "phone model SM-G991B",
        "0.4111111111111111",
    ),
]


@pytest.mark.usefixtures("engine")
class TestTexts:
    @pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in FOUND.items() for value in values])
    def test_finds(self, kind: str, value: str) -> None:
        """Each kind is found alone, in a sentence and among punctuation, when it is switched on."""
        redact = PersonalRedactor(kinds=[kind]).redact
        texts = (value, f"Look: {value} there.", f'"{value}"', f"a;{value};b")
        assert [M, f"Look: {M} there.", f'"{M}"', f"a;{M};b"] == [redact({"a": text})["a"] for text in texts]

    @pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in BESIDE.items() for text in texts])
    def test_finds_beside_a_word(self, kind: str, text: str) -> None:
        """Numbers that could be anything count beside a word that says what they are."""
        assert str(PersonalRedactor(kinds=[kind]).redact({"a": text})["a"]).endswith(M)

    @pytest.mark.parametrize("kind", KINDS)
    def test_each_kind_alone(self, kind: str) -> None:
        """A kind that is not switched on is not looked for."""
        others = [value for other, values in FOUND.items() for value in values[:1] if other != kind]
        data = {"a": others}
        assert data is PersonalRedactor(kinds=[kind]).redact(data)

    @pytest.mark.parametrize("text", CLEAN)
    def test_leaves(self, text: str) -> None:
        """Timestamps, order numbers, prices, versions and the like stay, even if they pass a check."""
        data = {"a": text, "b": f"It says {text} there."}
        assert data is PersonalRedactor(kinds=list(KINDS)).redact(data)


@pytest.mark.usefixtures("engine")
class TestKeys:
    @pytest.mark.parametrize(
        "data",
        [
            *(
                {"phone": "555 1234"},
                {"mobileNumber": 15551234567},
                {"card_number": 4222222222222},
                {"pan": "4111111111111112"},
            ),
            *(
                {"iban": "DE00 3704 0044 0532 0130 00"},
                {"ssn": 123456789},
                {"user.tax_id": "123/456/78901"},
                {"client_ip": "10.1.2.3"},
            ),
            *({"email": "ann@localhost"}, {"card": 4111111111111111.0}, {"nationalId": "A-1234567"}),
        ],
    )
    def test_a_key_announces_its_value(self, data: dict[str, Any]) -> None:
        """Under a key that says what it is a value needs no right form, and may be a number."""
        redacted = PersonalRedactor(kinds=list(KINDS)).redact(data)
        assert [M] == list(redacted.values())

    @pytest.mark.parametrize(
        "data",
        [
            *(
                {"phone": "unknown"},
                {"phone_model": "SM-G991B"},
                {"mobile": True},
                {"email_verified": True},
                {"email": None},
            ),
            *(
                {"order_id": 4111111111111111},
                {"tracking": "4111 1111 1111 1111"},
                {"timestamp": 1700000000000000},
                {"pan": -30.5},
            ),
            *(
                {"ip_version": 4},
                {"card_type": "visa"},
                {"card": 3},
                {"id": 1234567890},
                {"tip": "203"},
                {"national_id": "pending"},
            ),
        ],
    )
    def test_other_values_stay(self, data: dict[str, Any]) -> None:
        """What is no such value stays under such a key, and a number stays under the name of a thing."""
        assert data is PersonalRedactor(kinds=list(KINDS)).redact(data)

    def test_large_numbers(self) -> None:
        """A number without a name is looked through if it is as long as a card's."""
        redact = PersonalRedactor(kinds=["card"]).redact
        assert {"a": [M, 1700000000000]} == redact({"a": [4111111111111111, 1700000000000]})


class TestOptions:
    def test_kinds_are_required(self) -> None:
        """Nothing is hidden by accident of a default: the kinds are named."""
        with pytest.raises(TypeError, match="kinds"):
            PersonalRedactor()

    @pytest.mark.parametrize(
        ("kinds", "message"), [([], "is empty, so nothing would be hidden"), (["name"], "must be one of")]
    )
    def test_refuses(self, kinds: list[str], message: str) -> None:
        """A list that hides nothing and an unknown kind are refused."""
        with pytest.raises(OptionError, match=message):
            PersonalRedactor(kinds=kinds)


class TestNationalIds:
    def test_every_number_has_a_way_to_be_found(self) -> None:
        """Each is found beside a word or alone."""
        assert [] == [known.name for known in IDS if not (any(known.called) or known.alone)]
