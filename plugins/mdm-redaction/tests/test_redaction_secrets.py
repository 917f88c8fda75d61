"""Secrets are found by their form and by what stands beside them, and what only looks like one stays."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mdm_redaction import SecretsRedactor, StandardRedactor

M = "[REDACTED]"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nabcdef==\n-----END RSA PRIVATE KEY-----"
GITHUB = "ghp_1234567890abcdefghijABCDEFGHIJ123456"

TEXTS = [
    ("password=hunter2", f"password={M}"),
    ('{"password": "hunter2", "n": 1', f'{{"password": "{M}", "n": 1'),
    (r"{\"password\":\"hunter2\"", rf"{{\"password\":\"{M}\""),
    ("{'apiKey': 'zzz'}", f"{{'apiKey': '{M}'}}"),
    ("https://x.org/a?access_token=abc123&page=2", f"https://x.org/a?access_token={M}&page=2"),
    ("q=password%3A%20%22hunter2%22&n=1", f"q=password%3A%20%22{M}%22&n=1"),
    ('got [{"name": "password", "value": "hunter2"}]', f'got [{{"name": "password", "value": "{M}"}}]'),
    (r"got {\"value\": \"hunter2\", \"name\": \"x-api-key\"", rf"got {{\"value\": \"{M}\", \"name\": \"x-api-key\""),
    (r"got \\\\\\\"api_key: \\\\\\\"x1\\\\\\\"", rf"got \\\\\\\"api_key: \\\\\\\"{M}\\\\\\\""),
    ("clientSecret%3Dabc%26page%3D2", f"clientSecret%3D{M}%26page%3D2"),
    ("Server=db;User Id=sa;Pwd=S3same;Timeout=5", f"Server=db;User Id=sa;Pwd={M};Timeout=5"),
    ("postgres://ann:p@ss@db.x.org:5432/main", f"postgres://ann:{M}@db.x.org:5432/main"),
    ("redis://:s3same@localhost", f"redis://:{M}@localhost"),
    (f"git clone https://{GITHUB}@github.com/a/b", f"git clone https://{M}@github.com/a/b"),
    ("Authorization: Bearer abc.def-123456", f"Authorization: {M}"),
    ("sent Bearer abcdef123456 twice", f"sent Bearer {M} twice"),
    ("sent Basic YWxhZGRpbjpvcGVuc2VzYW1l twice", f"sent Basic {M} twice"),
    ("Cookie: theme=dark; sid=31d4d96e407aad42\r\nHost: x", f"Cookie: {M}\r\nHost: x"),
    (f"<{GITHUB}>", f"<{M}>"),
    (f"see {JWT}, please", f"see {M}, please"),
    (f"a\n{PEM}\nb", f"a\n{M}\nb"),
    (PEM.replace("\n", "\\n"), M),
    (PEM[:60], M),
    ("AKIAIOSFODNN7EXAMPLE", M),
    ("curl --api-key s3same https://x", f"curl --api-key {M} https://x"),
    ("curl -u ann:s3same https://x", f"curl -u ann:{M} https://x"),
    ("<db><password>s3same</password></db>", f"<db><password>{M}</password></db>"),
    ("ENV DB_PASSWORD s3same", f"ENV DB_PASSWORD {M}"),
    ("my password is hunter2.", f"my password is {M}"),
    ("Your verification code is 482913.", f"Your verification code is {M}."),
    ("482913 is your login code", f"{M} is your login code"),
    ("api key: s3same99", f"api key: {M}"),
    ("$2b$12$abcdefghijklmnopqrstuvABCDEFGHIJKLMNOPQRSTUVWXYZ01234", M),
    (
        "https://hooks.slack.com/services/T0ABC1234/B0ABC1234/abcdefghijABCDEFGHIJ1234",
        "https://hooks.slack.com/services/" + M,
    ),
]

CLEAN = [
    *("Password: required", "password=", "password: ********", "pwd=***", "token: null", "secret: ${SECRET}"),
    *(
        "token_type=bearer&expires_in=3600",
        "Total tokens: 532",
        "output pin: 4",
        "status code: 404",
        "zip code is 94107",
    ),
    "a token bucket of 20 tokens that gains 10 tokens per second",
    *("Please reset your password within 24 hours.", "basic authentication failed", "Bearer token required"),
    *("token = get_token(user)", "def login(user: str, password: str) -> bool:", "if token == expected:"),
    *("password = os.environ['PASSWORD']", "const token = await getToken();", "WHERE password = ?"),
    *("commit 9fceb02d0ae598e95dc970b74767f19372d61af8", "550e8400-e29b-41d4-a716-446655440000"),
    *("sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", "key: user:1234:profile"),
    *(
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYI\n-----END PUBLIC KEY-----",
        "public_key: ssh-rsa AAAAB3NzaC1yc2E",
    ),
    *("http://localhost:8080/@ann", "https://x.org:443/path", "git@github.com:org/repo.git", "task-runner-abc-def-ghi"),
    *("pk_live_1234567890abcdefghijABCD", "sk-learn", "AC power", "1.2.3.4", "ann@example.com", "4111 1111 1111 1111"),
]


@pytest.mark.usefixtures("engine")
class TestTexts:
    @pytest.mark.parametrize(("text", "expected"), TEXTS)
    def test_finds(self, text: str, expected: str) -> None:
        """Of a text only what is secret is replaced, so that the rest can be read."""
        assert {"note": expected} == SecretsRedactor().redact({"note": text})

    @pytest.mark.parametrize("text", CLEAN)
    def test_leaves(self, text: str) -> None:
        """What only looks like a secret, or only tells of one, stays."""
        data = {"note": text}
        assert data is SecretsRedactor().redact(data)

    @pytest.mark.parametrize("text", [text for text, _ in TEXTS])
    def test_finds_within_other_texts(self, text: str) -> None:
        """A secret is found in a list, in JSON, in JSON in JSON, and behind other text."""
        redact = SecretsRedactor().redact
        expected: Any = redact({"note": text})["note"]
        outer = redact({"a": [{"b": text}], "json": json.dumps({"m": text}), "twice": json.dumps([json.dumps([text])])})
        assert [{"b": expected}] == outer["a"]
        assert {"m": expected} == json.loads(outer["json"])
        assert [expected] == json.loads(json.loads(outer["twice"])[0])

    def test_finds_what_is_encoded(self) -> None:
        """What URLs, JSON and HTML write in their own way is read as it is meant."""
        redact = SecretsRedactor().redact
        assert {"a": f"q={M}"} == redact({"a": "q=SG%2E" + "a1B2c3D4e5" * 2 + "%2E" + "a1B2c3D4e5" * 4})
        assert {"a": f"password={M}"} == redact({"a": "\\u0070assword=hunter2"})


@pytest.mark.usefixtures("engine")
class TestData:
    def test_keys_decide_too(self) -> None:
        """What stands under a secret key is hidden whatever its form, as by redaction.keys."""
        data = {"clientSecret": "x", "pin": 0, "token_count": 3, "a": [{"pwd": None}]}
        assert {"clientSecret": M, "pin": M, "token_count": 3, "a": [{"pwd": M}]} == SecretsRedactor().redact(data)

    def test_extra_and_keep(self) -> None:
        """Both lists hold for keys in data and for names in texts."""
        redact = SecretsRedactor(extra=["badge_no"], keep=["token_id"]).redact
        data = {"badgeNo": 7, "token_id": "abc", "a": "badge_no=7 token_id=abc"}
        assert {"badgeNo": M, "token_id": "abc", "a": f"badge_no={M} token_id=abc"} == redact(data)

    def test_a_secret_as_a_key(self) -> None:
        """Keys are texts as well, and those that become the same stay two."""
        other = GITHUB.replace("1", "2")
        assert {M: 1, f"{M}#2": 2} == SecretsRedactor().redact({GITHUB: 1, other: 2})

    @pytest.mark.parametrize(("name", "value"), [("name", "value"), ("Name", "Value"), ("KEY", "VAL")])
    def test_a_name_beside_its_value(self, name: str, value: str) -> None:
        """Headers as lists of names and values are read as keys and values, also if they were seen harmless before."""
        redact = SecretsRedactor().redact
        plain = {"headers": [{name: "Accept", value: "text/html"}]}
        assert plain is redact(plain)
        data = {"headers": [{name: "X-Api-Key", value: "abc"}, {name: "Accept", value: "text/html"}]}
        expected = {"headers": [{name: "X-Api-Key", value: M}, {name: "Accept", value: "text/html"}]}
        assert expected == redact(data)

    def test_random_text_under_a_plain_key(self) -> None:
        """Under `key` a random text is a secret, an identifier is not."""
        redact = SecretsRedactor().redact
        assert {"key": M} == redact({"key": "Zx9fGh3kLm2pQr8tUv"})
        data = {"key": "550e8400-e29b-41d4-a716-446655440000"}
        assert data is redact(data)

    def test_json_in_a_text_stays_json(self) -> None:
        """Only what is secret changes in a text that holds JSON."""
        assert {"raw": f'{{"password":"{M}","n":1.5}}'} == SecretsRedactor().redact(
            {"raw": '{"password": 7, "n": 1.5}'}
        )

    def test_bytes_are_looked_through(self) -> None:
        """Bytes with a secret in them become a text without it."""
        assert {"a": f"password={M}", "b": b"\xff\x00"} == SecretsRedactor().redact(
            {"a": b"password=x", "b": b"\xff\x00"}
        )

    def test_the_input_is_shared(self) -> None:
        """What needed no change is not copied."""
        data = {"clean": {"n": 1}, "dirty": ["password=x"]}
        assert data["clean"] is SecretsRedactor().redact(data)["clean"]

    def test_a_nul_does_not_hide(self) -> None:
        """A character that stands between texts while they are looked through may stand in them."""
        assert {"a": f"x\ufffdpassword={M}"} == SecretsRedactor().redact({"a": "x\x00password=hunter2"})


class TestStandard:
    def test_is_secrets_and_personal_data(self) -> None:
        """Without personal data it does what redaction.secrets does; kinds are added by name."""
        data = {"a": "password=x ann@example.com 203.0.113.7"}
        assert SecretsRedactor().redact(data) == StandardRedactor().redact(data)
        assert {"a": f"password={M} {M} 203.0.113.7"} == StandardRedactor(personal=["email"]).redact(data)
