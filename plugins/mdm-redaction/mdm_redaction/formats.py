"""The keys and tokens that are known by how they begin."""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs

from mdm_redaction.detector import Detector, at_word, begins, by_pattern
from mdm_redaction.randomness import looks_mixed

_ALNUM = "A-Za-z0-9"
_WORD = "A-Za-z0-9_"
_URL = "-A-Za-z0-9_"
_DOTTED = "-A-Za-z0-9_."
_BASE64 = "-A-Za-z0-9+/=_"
_HEX = "0-9A-Fa-f"
_UPPER = "A-Z0-9"
_LOWER = "a-z0-9"
_LONGEST = 900
_LEAST_GATED = 8
_LEAST_DRAWN = 12


@attrs.frozen
class Format:
    """Keys of one service.

    Attributes:
        service: The service.
        prefixes: How they begin, in the case in which they are written; an expression of plain characters.
        alphabet: What follows, as the inside of a character class.
        shortest: How many characters follow at least.
        longest: How many at most; if it is the same, no letter or digit may follow.
        drawn: Whether what follows must not read as words, because the beginning says little.
    """

    service: str
    prefixes: tuple[str, ...]
    alphabet: str
    shortest: int
    longest: int = _LONGEST
    drawn: bool = False

    def detector(self) -> Detector:
        """Make the detector."""
        heads = "|".join(map(re.escape, self.prefixes))
        end = f"(?![{_ALNUM}])" if self.longest == self.shortest else ""
        pattern = f"(?:{heads})[{self.alphabet}]{{{self.shortest},{self.longest}}}{end}"
        gate = f"[^A-Za-z0-9](?:{heads})[{self.alphabet}]{{{min(self.shortest, _LEAST_GATED)}}}"
        return Detector(
            kind="secrets",
            name=self.service,
            find=by_pattern(pattern, _at_drawn_word if self.drawn else at_word),
            gate=gate,
            literals=tuple(prefix.lower() for prefix in self.prefixes),
            leading=True,
            unbroken=True,
        )


def _at_drawn_word(match: re.Match[str]) -> bool:
    text, start = match.string, match.start()
    if not begins(text, start) or text[start - 1 : start] in ("-", "_"):
        return False
    return any(len(part) >= _LEAST_DRAWN and looks_mixed(part) for part in re.split(r"[-_.]", match.group()))


FORMATS = (
    Format("AWS access key", ("AKIA", "ASIA", "ABIA", "ACCA"), _UPPER, 16, 16),
    Format("AWS session token", ("FwoGZXIvYXdz", "FQoGZXIvYXdz", "IQoJb3JpZ2lu"), _BASE64, 20),
    Format("AWS Bedrock", ("ABSK", "bedrock-api-key-"), _BASE64, 60),
    Format("AWS MWS", ("amzn.mws.", "amzn1.oa2-cs.v1."), "0-9A-Fa-f-", 32),
    Format("Google API key", ("AIza",), _URL, 30),
    Format("Google OAuth", ("ya29.", "ya29.a0", "GOCSPX-", "1//0"), _URL, 20),
    Format("Firebase", ("APA91b",), _URL, 100),
    Format("GitHub", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"), _WORD, 22),
    Format(
        "GitLab",
        (
            *("glpat-", "gldt-", "glptt-", "glft-", "glrt-", "glrtr-", "glcbt-", "glimt-", "glagent-", "gloas-"),
            *("glsoat-", "glffct-", "glwt-", "GR1348941"),
        ),
        _DOTTED,
        16,
    ),
    Format("Bitbucket and Atlassian", ("ATBB", "ATCTT3", "ATATT3", "ATOA"), _BASE64, 24),
    Format(
        "Slack",
        ("xoxb-", "xoxp-", "xoxa-", "xoxo-", "xoxr-", "xoxs-", "xoxe-", "xoxc-", "xoxd-", "xoxe.", "xapp-"),
        _DOTTED + "%",
        10,
    ),
    Format(
        "Stripe",
        ("sk_live_", "sk_test_", "rk_live_", "rk_test_", "sk_prod_", "rk_prod_", "sk_org_", "whsec_"),
        _BASE64,
        10,
    ),
    Format("OpenAI, Anthropic and others with sk-", ("sk-",), _URL, 16, drawn=True),
    Format("Groq, xAI, Perplexity, Replicate", ("gsk_", "xai-", "pplx-", "r8_", "csk-", "nvapi-"), _URL, 30),
    Format("Hugging Face", ("hf_", "api_org_"), _ALNUM, 30),
    Format("npm", ("npm_", "npms_"), _ALNUM, 30),
    Format("PyPI", ("pypi-",), _URL, 40),
    Format("RubyGems", ("rubygems_",), _HEX, 32),
    Format("NuGet", ("oy2",), _LOWER, 43, 43),
    Format("crates.io", ("cio",), _ALNUM, 32, 32),
    Format("Clojars", ("CLOJARS_",), _ALNUM, 40),
    Format("Docker Hub", ("dckr_pat_", "dckr_oat_"), _URL, 20),
    Format("JFrog", ("AKCp", "cmVmdGtuOj"), _ALNUM, 50),
    Format("Databricks", ("dapi", "dose", "dkea"), "0-9a-f-", 32),
    Format("DigitalOcean", ("dop_v1_", "doo_v1_", "dor_v1_"), _HEX, 40),
    Format("Heroku", ("HRKU-",), _URL, 30),
    Format("Netlify", ("nfp_", "nfc_", "nfo_", "nfu_"), _URL, 30),
    Format("Vercel", ("vcp_", "vci_", "vca_", "vcr_", "vck_", "vercel_"), _URL, 24),
    Format("Fly.io", ("fm1r_", "fm2_", "fo1_"), _BASE64 + ",", 30),
    Format("Cloudflare", ("cfut_", "cfat_", "cfk_"), _URL, 36),
    Format("Cloudflare origin CA", ("v1.0-",), _URL, 100),
    Format("Linear", ("lin_api_", "lin_oauth_", "lin_wh_"), _ALNUM, 30),
    Format("Notion", ("secret_", "ntn_"), _ALNUM, 40),
    Format("Airtable", ("pat",), r"A-Za-z0-9.", 70, drawn=True),
    Format("Figma", ("figd_", "figo_", "figoh_"), _URL, 30),
    Format("Postman", ("PMAK-", "PMAT-"), "A-Za-z0-9-", 24),
    Format("Shopify", ("shpat_", "shpca_", "shppa_", "shpss_", "shptka_", "shpua_"), _HEX, 30),
    Format("Square", ("sq0atp-", "sq0csp-", "sq0idp-"), _URL, 20),
    Format("Square, PayPal, Braintree", ("EAAAE", "EAAAl", "access_token$"), _URL + "$", 40),
    Format("Facebook", ("EAAC", "EAAG", "EAAB", "EAAD", "EAAI", "EAAJ"), _ALNUM, 60),
    Format("X (Twitter)", ("AAAAAAAAAAAAAAAAAAAAA",), _ALNUM + "%", 40),
    Format("LinkedIn", ("WPL_AP1.", "WPL_AP0."), _DOTTED + "=", 14),
    Format("Dropbox", ("sl.",), _URL, 60),
    Format("Mailgun", ("key-",), _HEX, 32, 32),
    Format("SendGrid", ("SG.",), _DOTTED, 40),
    Format("Brevo", ("xkeysib-", "xsmtpsib-"), _URL, 32),
    Format("Twilio", ("SK", "AC"), "0-9a-f", 32, 32),
    Format("Grafana", ("glc_", "glsa_", "eyJrIjoi"), _BASE64, 30),
    Format("New Relic", ("NRAK-", "NRJS-", "NRII-", "NRAA-", "NRRA-", "NRSP-"), _URL, 18),
    Format("Sentry", ("sntrys_", "sntryu_", "sntrya_"), _BASE64, 40),
    Format("SonarQube", ("sqp_", "squ_", "sqa_"), _HEX, 36),
    Format("HashiCorp Vault", ("hvs.", "hvb.", "hvr."), _URL, 20),
    Format("HashiCorp Vault before 1.10", ("s.",), _ALNUM, 24, 24, drawn=True),
    Format("Pulumi", ("pul-",), _HEX, 40),
    Format("Doppler", ("dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit.", "dp.said."), _DOTTED, 30),
    Format("1Password", ("ops_eyJ",), _BASE64, 40),
    Format("age", ("AGE-SECRET-KEY-1", "age-secret-key-1"), _ALNUM, 50),
    Format("Tailscale", ("tskey-",), _URL, 16),
    Format("Supabase", ("sbp_", "sb_secret_"), _URL, 20),
    Format("PlanetScale", ("pscale_tkn_", "pscale_oauth_", "pscale_pw_"), _DOTTED + "=", 24),
    Format("Prefect", ("pnu_", "pnb_"), _ALNUM, 30),
    Format("ReadMe", ("rdme_",), _ALNUM, 40),
    Format("EasyPost", ("EZAK", "EZTK"), _ALNUM, 50),
    Format("Duffel", ("duffel_test_", "duffel_live_"), _URL + "=", 30),
    Format("Dynatrace", ("dt0c01.", "dt0s01.", "dt0s16."), _DOTTED, 60),
    Format("Flutterwave", ("FLWSECK-", "FLWSECK_TEST-"), _URL, 12),
    Format("Frame.io", ("fio-u-",), _BASE64, 40),
    Format("Plaid", ("access-sandbox-", "access-development-", "access-production-"), "0-9a-f-", 30),
    Format("Contentful", ("CFPAT-",), _URL, 30),
    Format("Typeform", ("tfp_",), _DOTTED + "=", 30),
    Format("Shippo", ("shippo_live_", "shippo_test_"), _HEX, 30),
    Format("Buildkite", ("bkua_", "bkct_"), _HEX, 30),
    Format("CircleCI", ("CCIPAT_", "CCIPRJ_"), _WORD, 30),
    Format("LaunchDarkly", ("sdk-", "mob-"), "0-9a-f-", 36, 36, drawn=True),
    Format("HubSpot", ("pat-na1-", "pat-eu1-", "pat-ap1-"), "0-9A-Fa-f-", 32),
    Format("Zoho", ("1000.",), "0-9a-f.", 60),
    Format("Salesforce", ("00D",), _DOTTED + "!", 80),
    Format("Microsoft refresh token", ("0.A", "M.R3_", "M.C5", "M.C1"), _URL + "*!$.", 100),
    Format("Alibaba Cloud", ("LTAI",), _ALNUM, 12, drawn=True),
    Format("Tencent Cloud", ("AKID",), _ALNUM, 28, drawn=True),
    Format("Yandex Cloud", ("AQVN", "YCAJE", "t1.9eu"), _DOTTED + "=", 20, drawn=True),
    Format("Mapbox", ("sk.eyJ",), _DOTTED, 40),
    Format("Adafruit, Aiven", ("aio_", "AVNS_"), _URL, 18, drawn=True),
    Format("Lob", ("live_", "test_"), _HEX, 35, 35),
    Format("Infracost, Akamai, Scalingo", ("ico-", "akab-", "tk-us-"), _URL, 30),
    Format("Nostr private key", ("nsec1",), _LOWER, 58, 58),
    Format("extended private key", ("xprv", "yprv", "zprv", "tprv"), _ALNUM, 90),
    Format("PostHog, Sourcegraph", ("phx_", "phs_", "sgp_", "sgd_"), _WORD, 32),
    Format("Together, E2B", ("tgp_v1_", "e2b_"), _URL, 30),
    Format(
        "Fireworks, Render, Resend, Polar", ("fw_", "rnd_", "re_", "polar_oat_", "polar_pat_"), _WORD, 20, drawn=True
    ),
    Format("Discord account", ("mfa.",), _URL, 60),
)
"""How the keys of each service begin, and what follows."""


def format_detectors() -> Iterator[Detector]:
    """Make a detector for each service."""
    return (known.detector() for known in FORMATS)
