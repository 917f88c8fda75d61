"""Which keys are secret."""

from __future__ import annotations

from enum import Enum

import pytest

from mdm_redaction.classifier import MAX_KEY, Classifier, Verdicts

HIDDEN = """
password Password PASSWORD passwd db_passwd pwd userPwd mysqlpwd pass_word user-password passwordHash new_password2
password_confirmation old.password DBPassword dbpassword mypassword123 PASSWORDS pswd passphrase pass-phrase passcode
pass db_pass smtpPass userpass X-Api-Key x_api_key apikey apiKey APIKey APIkey APIKEY api-key api.key api_keys
api_key_id API_KEY_2 google_maps_api_key client.api_key client.api_key.len client.api_key.mean client/api_key/std
headers[X-Api-Key] private-key privateKey PRIVATE_KEY privkey private_key_pem ssh_key ssh_private_key id_rsa
aws_access_key_id aws_secret_access_key awssecretaccesskey AccessKey encryption_key signing-key master_key app_key
licenseKey service_account_key hmacKey wallet_key recovery_key session_key client-key-data secret secrets clientSecret
client_secret clientsecret CLIENTsECRET SECRET_KEY secretId topsecret webhook_secret token tokens accessToken
access_token accesstoken refreshToken refresh-token id_token csrf_token csrf XSRF-TOKEN bot_token tokenValue token_id
token.mean token_length oauth2_token slackToken session_tokens refresh_tokens input_token password_reset_token
token_bucket.tokens AUTHORIZATION Authorization Proxy-Authorization authorisation authorization_code auth x-auth
auth_header basicAuth oauth authToken bearer credentials credential dbCreds aws.credentials.count cookie cookies
Set-Cookie sessionCookie session_id sessionId sessionid JSESSIONID PHPSESSID connect.sid sid jwt jwtPayload PIN pin
user_pin pinCode card-pin pin_hash cvv CVV2 cardCvv cvc otp totp_secret one-time-otp mfa_code 2fa_code
verification_code backup_codes security_code signature X-Hub-Signature-256 sig mnemonic seed_phrase recovery-phrase
connection_string dsn htpasswd passwort senha motdepasse kennwort contrasena pa\u200bssword contraseña
\uff50\uff41\uff53\uff53word
PaSsWoRd pAssWord credentials.0.id my$secret$len pw user_pw
"""

KEPT = """
token_count tokenCount TOKEN_COUNT tokencount max_tokens maxTokens max_new_tokens MAX_TOKENS total_tokens num_tokens
n_tokens prompt_tokens completionTokens input_tokens cache_read_input_tokens output_tokens tokens_per_second
tokens_used tokensRemaining token_limit token_budget token_bucket token_type token_expires_in token_price
token_count.mean usage.token_count.z llm.max_tokens.std tokenizer tokenizer_path tokenized tokenization tokenomics
author authors author_id authority authorized is_authorized authenticated auth_method auth_type auth_amount
secretary secretaries secretariat secretion passenger passengers passenger_count passport_checked passport passed
pass_rate pass_count first_pass boarding_pass low_pass bypass compass surpass overpass trespass passive passion
passwordless password_changed_at password_age_days failed_password_attempts has_password is_token_valid
passwordAttempts
keyboard keyboards monkey turkey hockey keyword keywords key keys key_count keypoint keycode max_keys primary_key
primaryKey sort_key sortKey public_key publicKey ssh_public_key foreign_key partition_key cache_key idempotency_key
routing_key object_key row_key api api_version apical access access_count private private_room client client_id
session session_count session_length session.duration cookie_count cookiecutter cookie_consent cookies_enabled
pinned pins pin_count gpio_pin ledPin pinpoint spinning shopping opinion pineapple mapping author.name signal
design assigned significance country_code zip_code status_code reason_codes code hash config_hash seed otter hotpot
footpath authentic user_name username email phone address run_id step input external mdm final_action latency_ms
mismatch schema_version mdm.latency_us mdm.feedback_seq mdm.fail_closed exec.status exec.total_latency_ms eval.outcome
now_ms last_event_ts_ms ops_deny_actions errors_in_window features_summary reasons params threshold score
delay.dep.mean route.distance leg.air_time time.hour event.count event.rate carrier.len 0 _ . caféNoir ключ
"""

PACKET_KEYS = """
run_id step input external mdm final_action latency_ms mismatch schema_version action allowed confidence reasons params
features_summary features flags reason_codes throttle_refresh_ms metadata mdm.latency_us mdm.feedback_seq
mdm.fail_closed exec.status exec.total_latency_ms exec.fail_closed
eval.outcome now_ms last_event_ts_ms ops_deny_actions errors_in_window
event at distributions config_sha256 python stage component error reason_code place event_id proposed
"""


class Colour(Enum):
    ANGRY = "password"
    CALM = "blue"


class TestClassifier:
    @pytest.mark.parametrize("key", HIDDEN.split())
    def test_hides_names_of_secrets(self, key: str) -> None:
        """Names of secrets are found in any case and with any separators, also inside dotted names."""
        assert Classifier()(key) is True

    @pytest.mark.parametrize("key", KEPT.split())
    def test_keeps_names_that_only_look_alike(self, key: str) -> None:
        """Words that contain a secret word, and figures about secrets, stay readable."""
        assert Classifier()(key) is False

    @pytest.mark.parametrize("key", PACKET_KEYS.split())
    def test_keeps_the_keys_that_core_writes(self, key: str) -> None:
        """Packets and audit records stay readable whatever the plugin learns to hide."""
        assert Classifier()(key) is False

    @pytest.mark.parametrize("key", HIDDEN.split())
    def test_hides_a_statistic_of_a_secret(self, key: str) -> None:
        """A feature computed from a secret is hidden as the secret is."""
        assert Classifier()(f"client.{key}.mean") is True

    @pytest.mark.parametrize("key", ["Password", "api key", "client-secret", "refresh token", "session cookie"])
    @pytest.mark.parametrize("write", [str.lower, str.upper, str.title, str.swapcase])
    def test_case_does_not_matter(self, key: str, write: type[str]) -> None:
        """The same words are found in lower, upper, title and swapped case."""
        assert Classifier()(write(key)) is True

    @pytest.mark.parametrize(
        ("key", "hidden"),
        [
            (b"password", True),
            (b"passenger", False),
            (Colour.ANGRY, True),
            (Colour.CALM, False),
            (("db", "password"), True),
            (7, False),
            (None, False),
            (1.5, False),
            (True, False),
        ],
    )
    def test_keys_that_are_no_text(self, key: object, hidden: bool) -> None:
        """A key that is no text is judged by the text that would be written for it."""
        assert Classifier()(key) is hidden

    def test_a_key_that_cannot_be_written_is_hidden(self) -> None:
        """What cannot be judged is hidden."""

        class Hostile:
            def __str__(self) -> str:
                raise RuntimeError

        assert Classifier()(Hostile()) is True

    def test_a_key_too_long_to_be_a_name_is_hidden(self) -> None:
        """A key beyond the limit is hidden unread, one at the limit is read."""
        assert [False, True] == [Classifier()("x" * MAX_KEY), Classifier()("x" * (MAX_KEY + 1))]


class TestExtra:
    @pytest.mark.parametrize(
        "key",
        [
            "badge_no",
            "badgeNo",
            "BADGE-NO",
            "badgeno",
            "user_badge_no",
            "userbadgeno",
            "x.badge_no.len",
            "badge_no_count",
        ],
    )
    def test_hides_further_names(self, key: str) -> None:
        """A name given as extra is found wherever its words follow one another, figures about it included."""
        assert Classifier(extra=["badge_no"])(key) is True

    @pytest.mark.parametrize("key", ["badge", "no_badge", "badge.no", "ibaning"])
    def test_leaves_other_names(self, key: str) -> None:
        """A part of an extra name, or its words in another order, is not the name."""
        assert Classifier(extra=["badge_no", "iba"])(key) is False

    def test_numbers_count(self) -> None:
        """A number in an extra name is part of it."""
        hides = Classifier(extra=["line2"])
        assert [True, True, False] == [hides("line_2"), hides("addressLine2"), hides("line_1")]


class TestKeep:
    @pytest.mark.parametrize("key", ["token_id", "tokenId", "TOKEN-ID", "nft.token_id", "token_id.mean"])
    def test_keeps_a_name(self, key: str) -> None:
        """A name given as keep is readable in any case, and so are its statistics."""
        assert Classifier(keep=["token_id"])(key) is False

    @pytest.mark.parametrize("key", ["password.token_id", "token_id.secret", "token_id_secret", "token"])
    def test_still_hides_the_rest_of_a_dotted_key(self, key: str) -> None:
        """Only the names that were given are kept."""
        assert Classifier(keep=["token_id"])(key) is True

    def test_keeps_a_dotted_key_as_a_whole(self) -> None:
        """A dotted key is kept where its names follow one another, and only there."""
        hides = Classifier(keep=["oauth.token"])
        assert [False, False, True] == [hides("oauth.token"), hides("a.oauth.token.len"), hides("api.token")]

    def test_wins_over_extra(self) -> None:
        """A key that is given as both is kept."""
        assert Classifier(extra=["badge"], keep=["badge_type"])("badge_type") is False


class TestVerdicts:
    def test_remembers(self) -> None:
        """A key is judged once."""
        asked: list[object] = []
        verdicts = Verdicts(lambda key: asked.append(key) or True)  # type: ignore[func-returns-value]
        assert ([True, True], ["a"]) == ([verdicts["a"], verdicts["a"]], asked)

    def test_memory_is_bounded(self) -> None:
        """Any number of distinct keys leaves only a bounded number in memory, and none that is long."""
        verdicts = Verdicts(Classifier())
        for number in range(49_152):
            assert verdicts[f"key_{number}"] is False
        assert verdicts["x" * (MAX_KEY + 1)] is True
        assert len(verdicts) <= 16_384
        assert MAX_KEY >= max(map(len, verdicts))
