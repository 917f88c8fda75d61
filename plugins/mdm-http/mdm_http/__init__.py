"""Actions over HTTP: a broker that posts orders, and a check of their signatures for those who receive them."""

from mdm_http.signing import SignatureError, Verifier
from mdm_http.webhook import Webhook

__all__ = ["SignatureError", "Verifier", "Webhook"]
