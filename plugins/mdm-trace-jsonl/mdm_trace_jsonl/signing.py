"""Ed25519 keys: made, kept in files, and used. The package ``cryptography`` is imported only here, and only then."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from mdm_core import ConfigError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_INSTALL = "install mdm-trace-jsonl with its extra [sign]"


@attrs.frozen
class Signer:
    """Signs with a private key, which no text of it shows.

    Attributes:
        key: The public key in hexadecimal.
    """

    key: str
    _private: Ed25519PrivateKey = attrs.field(repr=False)

    @classmethod
    def load(cls, path: Path) -> Signer:
        """Read a private key.

        Args:
            path: The key's file.

        Raises:
            ConfigError: It holds none, others may read it, or ``cryptography`` is not installed.
        """
        _need(ConfigError)
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        text = _read_secret(path)
        try:
            private = load_pem_private_key(text, None)
        except Exception:
            # Without the cause, whose message may show what was read.
            private = None
        if not isinstance(private, Ed25519PrivateKey):
            raise ConfigError(f"{path}: is no Ed25519 private key; name the .key file that `mdm keys new` has written")
        return cls(_hex(private.public_key()), private)

    def sign(self, message: bytes) -> str:
        """Sign.

        Args:
            message: What is signed.

        Returns:
            The signature in hexadecimal.
        """
        return self._private.sign(message).hex()


def new_key(private: Path, public: Path) -> str:
    """Make a key and write both halves; files that exist are left alone.

    Args:
        private: File for the private key; only its owner may read it.
        public: File for the public key.

    Returns:
        The public key in hexadecimal.

    Raises:
        UsageError: A file exists or cannot be written, or ``cryptography`` is not installed.
    """
    _need(UsageError)
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    shown = key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    if os.path.lexists(public):
        raise UsageError(f"{public}: exists already; choose another name, a key is never overwritten")
    _write_new(private, secret, 0o600)
    _write_new(public, shown, 0o644)
    return _hex(key.public_key())


def read_public_key(path: Path) -> str:
    """Read a public key.

    Args:
        path: The file.

    Returns:
        The key in hexadecimal.

    Raises:
        UsageError: There is none in it, or ``cryptography`` is not installed.
    """
    _need(UsageError)
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}; name the file with the public key") from error
    except Exception:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(f"{path}: is no Ed25519 public key; name the .pub file that `mdm keys new` has written")
    return _hex(key)


def is_signed_by(key: str, signature: str, message: bytes) -> bool:
    """Check a signature.

    Args:
        key: The public key in hexadecimal.
        signature: The signature in hexadecimal.
        message: What was signed.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _need(refusal: type[UsageError]) -> None:
    try:
        import cryptography  # noqa: F401
    except ImportError:
        raise refusal(f"signatures need the package cryptography; {_INSTALL}") from None


def _read_secret(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            others = os.fstat(file.fileno()).st_mode & 0o077
            content = file.read()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; name the file of the private key") from error
    if others:
        raise ConfigError(f"{path}: others than its owner may read this key; do `chmod 600 {path}`")
    return content


def _hex(key: Ed25519PublicKey) -> str:
    raw: Any = key.public_bytes_raw()
    return bytes(raw).hex()


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    except FileExistsError:
        raise UsageError(f"{path}: exists already; choose another name, a key is never overwritten") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}; choose another place") from error
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
