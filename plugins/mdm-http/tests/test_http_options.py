"""What the options refuse, in which words, and that the words hold no secret."""

from __future__ import annotations

from typing import Any

import pytest
from mdm_core import Build, ConfigError, OptionError

from mdm_http import Webhook

URL = "https://example.com/orders"
PRIVATE = "http-canary-4711"
NO_URL = "must be an http or https URL such as 'https://example.com/orders'"
NO_VALUE = "must be printable ASCII on one line, without space at its ends"


def refusal(**options: Any) -> str:
    """Give the message with which options are refused."""
    with pytest.raises(OptionError) as refused:
        Webhook(**{"url": URL, **options})
    return str(refused.value)


class TestUrl:
    @pytest.mark.parametrize(
        "url",
        [
            URL,
            "http://localhost:8080",
            "http://127.0.0.1/",
            "http://[::1]:8080/a?b=c",
            "https://example.com/?team=a&monkey=b",
            "HTTPS://EXAMPLE.COM/%7Ea",
        ],
    )
    def test_is_accepted(self, url: str) -> None:
        """Any http or https URL can be opened."""
        webhook = Webhook(url=url)
        webhook.open(Build())
        webhook.close()

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "example.com",
            "/orders",
            "ftp://example.com/",
            "file:///etc/passwd",
            "http://",
            "http:///orders",
            "https://:443/",
            "http://example.com:99999/",
            "http://example.com:0/",
            "http://example.com:x/",
            "http://[::1/",
            "http://exa mple.com/",
            "http://example.com/\n",
            "http://example.com\\@evil.example/",
            "http://exämple.com/",
        ],
    )
    def test_is_refused(self, url: str) -> None:
        """What is no http or https URL is refused, without being shown."""
        assert f"Webhook.url: {NO_URL}" == refusal(url=url)

    @pytest.mark.parametrize(
        "url", [f"https://u:{PRIVATE}@example.com/", f"https://{PRIVATE}@example.com", "http://@x/"]
    )
    def test_user_and_password(self, url: str) -> None:
        """Credentials do not stand in a URL, which proxies and servers write down."""
        expected = 'must not hold a user or a password; send them as a header: headers.Authorization = { env = "NAME" }'
        assert f"Webhook.url: {expected}" == refusal(url=url)

    @pytest.mark.parametrize("name", ["token", "api_key", "apikey", "sig", "access-token", "code", "key", "PASSWORD"])
    def test_secret_in_the_query(self, name: str) -> None:
        """A secret in the query of a URL does not stand in the file."""
        expected = 'must not hold a secret in its query; take the whole URL from the environment: { env = "NAME" }'
        assert f"Webhook.url: {expected}" == refusal(url=f"{URL}?a=b&{name}={PRIVATE}")

    def test_fragment(self) -> None:
        """What would not be sent is refused rather than dropped."""
        assert "Webhook.url: must not have a fragment (#…), which is never sent" == refusal(url=f"{URL}#a")

    def test_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A URL from the environment may hold a secret, but must be a URL."""
        monkeypatch.setenv("HOOK", f"{URL}?token={PRIVATE}")
        assert PRIVATE not in repr(Webhook(url={"env": "HOOK"}))
        monkeypatch.setenv("HOOK", f"{PRIVATE}:{URL}")
        assert f"Webhook.url: the environment variable HOOK {NO_URL}" == refusal(url={"env": "HOOK"})

    @pytest.mark.parametrize("source", [{"env": "HOOK"}, {"env": "HOOK_EMPTY"}])
    def test_variable_that_is_not_set(self, source: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        """The variable is named that has to be set."""
        monkeypatch.setenv("HOOK_EMPTY", "")
        assert f"Webhook.url: the environment variable {source['env']} is not set; set it" == refusal(url=source)

    @pytest.mark.parametrize("source", [{}, {"ENV": "A"}, {"env": "A", "or": "B"}, {"env": 1}, 5, None])
    def test_neither_text_nor_variable(self, source: Any) -> None:
        """Only the two ways of giving a text are known."""
        assert 'Webhook.urls: ACT: must be text or { env = "NAME" }' == refusal(urls={"ACT": source})

    def test_by_action(self) -> None:
        """The tables by action know the actions that are sent; HOLD never is."""
        expected = "is no action that is sent; actions: ACT, EXIT, CANCEL, STOP"
        assert f"Webhook.urls: 'HOLD' {expected}" == refusal(urls={"HOLD": URL})
        assert f"Webhook.methods: 'act' {expected}" == refusal(methods={"act": "PUT"})
        assert f"Webhook.urls: EXIT: {NO_URL}" == refusal(urls={"ACT": URL, "EXIT": "x"})

    @pytest.mark.parametrize("host", ["999.1.1.1", "[v1.x]"])
    def test_host_that_only_the_client_refuses(self, host: str) -> None:
        """What is found out only when the webhook is opened is told without any part of the URL, too."""
        webhook = Webhook(url=f"https://{host}/{PRIVATE}")
        with pytest.raises(ConfigError) as refused:
            webhook.open(Build())
        assert "one of the URLs cannot be used; correct its host and port" == str(refused.value)


class TestMethod:
    def test_choices(self) -> None:
        """Only methods that carry a body can be chosen."""
        expected = "must be one of 'POST', 'PUT', 'PATCH', 'DELETE', got 'GET'"
        assert f"Webhook.method: {expected}" == refusal(method="GET")
        assert f"Webhook.methods ACT: {expected}" == refusal(methods={"ACT": "GET"})


class TestHeaders:
    @pytest.mark.parametrize(
        "name",
        [
            "Authorization",
            "proxy-authorization",
            "Cookie",
            "X-Api-Key",
            "apikey",
            "X-Auth",
            "X-Auth-Token",
            "X-Amz-Security-Token",
            "Ocp-Apim-Subscription-Key",
            "X-Functions-Key",
            "X-Hub-Signature-256",
            "Client-Secret",
            "X-Password",
        ],
    )
    def test_secret_in_the_file(self, name: str) -> None:
        """A header that holds a secret by its name takes its value only from the environment."""
        expected = 'a secret must not stand here; write { env = "NAME" } and set that variable'
        assert f"Webhook.headers: {name}: {expected}" == refusal(headers={name: PRIVATE})

    @pytest.mark.parametrize(
        "name", ["X-Team", "User-Agent", "Accept", "X-Author", "X-Passenger", "X-Keyboard", "Traceparent"]
    )
    def test_others_in_the_file(self, name: str) -> None:
        """Any other header may stand in the file."""
        assert {name: "a"} == Webhook(url=URL, headers={name: "a"}).headers

    @pytest.mark.parametrize(
        "name", ["Host", "content-length", "Content-Type", "Idempotency-Key", "X-MDM-Signature", "Transfer-Encoding"]
    )
    def test_set_by_the_webhook(self, name: str) -> None:
        """What the webhook sends itself cannot be set."""
        expected = f"Webhook.headers: {name}: the webhook sets this header itself; leave it out"
        assert expected == refusal(headers={name: "a"})

    def test_twice(self) -> None:
        """One header in two spellings is refused."""
        expected = "Webhook.headers: X-Team: is there twice in different spellings; leave one out"
        assert expected == refusal(headers={"X-Team": "a", "x-team": "b"})

    @pytest.mark.parametrize("name", ["", "X Team", "X-Team:", "X-Teäm", "X\r\nY"])
    def test_name(self, name: str) -> None:
        """What cannot be the name of a header is refused."""
        expected = f"{name!r} cannot be the name of a header; use letters, digits and hyphens"
        assert f"Webhook.headers: {expected}" == refusal(headers={name: "a"})
        assert f"Webhook.reference_header: {expected}" == refusal(reference_header=name)

    @pytest.mark.parametrize(
        "value", [f"{PRIVATE}\r\nX-Evil: 1", f" {PRIVATE}", f"{PRIVATE}\n", f"{PRIVATE}ü", f"{PRIVATE}\0"]
    )
    def test_value(self, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """What cannot be the value of a header is refused, without being shown."""
        assert f"Webhook.headers: X-Team: {NO_VALUE}" == refusal(headers={"X-Team": value})
        assert f"Webhook.token: {NO_VALUE}" == refusal(token=value)
        if "\0" not in value:
            monkeypatch.setenv("HOOK", value)
            expected = f"Webhook.headers: X-Team: the environment variable HOOK {NO_VALUE}"
            assert expected == refusal(headers={"X-Team": {"env": "HOOK"}})

    def test_token_and_authorization(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two values for one header are refused."""
        monkeypatch.setenv("HOOK", PRIVATE)
        expected = "Webhook.token: the header Authorization is set, too; leave one out"
        assert expected == refusal(token="a", headers={"authorization": {"env": "HOOK"}})

    def test_variable_that_has_gone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A variable that is not set any more when the run begins is named."""
        monkeypatch.setenv("HOOK", PRIVATE)
        webhook = Webhook(url=URL, headers={"X-Api-Key": {"env": "HOOK"}})
        monkeypatch.delenv("HOOK")
        with pytest.raises(ConfigError) as refused:
            webhook.open(Build())
        assert "the environment variable HOOK is not set; set it" == str(refused.value)


class TestSecrets:
    def test_short_signing_key(self) -> None:
        """A signing key that could be guessed is refused, without being shown."""
        assert "Webhook.signing_key: must have at least 32 characters" == refusal(signing_key=PRIVATE)

    def test_no_secret_is_in_the_representation(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Neither before nor after opening does a webhook show what it knows."""
        monkeypatch.setenv("HOOK", f"https://example.com/{PRIVATE}")
        source = {"env": "HOOK"}
        webhook = Webhook(url=source, headers={"X-Key": source}, token=PRIVATE, signing_key=PRIVATE * 3)
        before = repr(webhook)
        webhook.open(Build())
        after = repr(webhook)
        webhook.close()
        assert before == after
        assert PRIVATE not in after

    def test_every_message_is_about_one_option(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Several problems of secrets are told together."""
        expected = [f"Webhook.token: {NO_VALUE}", "Webhook.signing_key: must have at least 32 characters"]
        assert "\n".join(expected) == refusal(token="a\nb", signing_key="short")


class TestTimeouts:
    @pytest.mark.parametrize("option", ["connect_ms", "answer_ms"])
    def test_must_be_positive(self, option: str) -> None:
        """A time-out of nothing would let nothing through."""
        assert f"Webhook.{option}: must be at least 1, got 0" == refusal(**{option: 0})
