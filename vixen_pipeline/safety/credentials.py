"""The certificate that Content Credentials are signed with.

Belongs here: reading it from settings and judging it, making the development one. Does not:
signing (provenance.py). Without settings a certificate of this instance's own is made once under
VIXEN_HOME; it says DEVELOPMENT in its name, nobody else trusts it, and a check says so.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from vixen_pipeline.errors import SettingsMissing

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import (
        EllipticCurvePrivateKey,
        EllipticCurvePublicKey,
    )
    from pydantic import SecretStr

    from vixen_pipeline.settings import Settings

DEVELOPMENT = "DEVELOPMENT"
"""In the names of certificates that only stand in for a real one."""
ORGANIZATION = "Vixen Pipeline"
FOLDER = "content-credentials-development"
_CHAIN, _KEY = "certificate.pem", "private-key.pem"
_YEARS = 10
_NEXT = (
    "VIXEN_C2PA_CERTIFICATE is the signer's certificate followed by its issuers, "
    "VIXEN_C2PA_PRIVATE_KEY its P-256 key; unset both for a development certificate."
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What signs: a PEM chain (signer first) and its ES256 key.

    `name` is the signer's common name, `development` whether it is the stand-in that nobody else
    trusts.
    """

    chain: bytes
    private_key: bytes = field(repr=False)
    name: str
    serial: str
    expires: datetime
    development: bool
    timestamp_url: str | None = None


def load_credentials(settings: Settings, now: datetime | None = None) -> Credentials:
    """The credentials of this instance. Raises SettingsMissing that names every problem."""
    return _load(
        settings.home.resolve(),
        _text(settings.c2pa_certificate),
        _text(settings.c2pa_private_key),
        settings.c2pa_timestamp_url,
        (now or datetime.now(UTC)).date().toordinal(),
    )


def _text(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value() or None


@lru_cache(maxsize=8)
def _load(
    home: Path, certificate: str | None, key: str | None, timestamp_url: str | None, today: int
) -> Credentials:
    """Once a day and process: an expiry is noticed, a piece does not pay for the parsing."""
    if certificate is None and key is None:
        chain, private_key = _development(home)
    elif certificate is None or key is None:
        missing = "CERTIFICATE" if certificate is None else "PRIVATE_KEY"
        raise _refused([f"VIXEN_C2PA_{missing} is missing: both are needed, or neither"])
    else:
        chain, private_key = _pem("CERTIFICATE", certificate), _pem("PRIVATE_KEY", key)
    return _judged(chain, private_key, timestamp_url, today)


def _refused(problems: list[str]) -> SettingsMissing:
    return SettingsMissing("content credentials", problems, next_step=_NEXT)


def _pem(name: str, value: str) -> bytes:
    """The PEM itself, or what the named file holds."""
    if "-----BEGIN" in value:
        return value.replace("\\n", "\n").encode()
    try:
        return Path(value).expanduser().read_bytes()
    except OSError as error:
        raise _refused(
            [f"VIXEN_C2PA_{name} is neither PEM nor a readable file ({error.strerror})"]
        ) from error


def _judged(chain: bytes, key: bytes, timestamp_url: str | None, today: int) -> Credentials:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509.oid import NameOID

    try:
        leaf = x509.load_pem_x509_certificates(chain)[0]
        private_key = load_pem_private_key(key, None)
    except (ValueError, TypeError) as error:
        raise _refused([f"the certificate or key cannot be read ({error})"]) from error
    problems = _problems(leaf, private_key, today)
    if problems:
        raise _refused(problems)
    names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    name = str(names[0].value) if names else leaf.subject.rfc4514_string()
    return Credentials(
        chain=chain,
        private_key=key,
        name=name,
        serial=f"{leaf.serial_number:x}",
        expires=leaf.not_valid_after_utc,
        development=DEVELOPMENT in name,
        timestamp_url=timestamp_url,
    )


def _problems(leaf: x509.Certificate, private_key: object, today: int) -> list[str]:
    from cryptography.hazmat.primitives.asymmetric import ec

    problems: list[str] = []
    public = leaf.public_key()
    if not isinstance(private_key, ec.EllipticCurvePrivateKey) or not isinstance(
        private_key.curve, ec.SECP256R1
    ):
        problems.append("the key is not an EC key on P-256 (ES256 is what we sign with)")
    elif not isinstance(public, ec.EllipticCurvePublicKey) or (
        public.public_numbers() != private_key.public_key().public_numbers()
    ):
        problems.append("the first certificate is not that of the key")
    if leaf.not_valid_after_utc.date().toordinal() <= today:
        problems.append(f"the certificate expired on {leaf.not_valid_after_utc:%Y-%m-%d}")
    if leaf.not_valid_before_utc.date().toordinal() > today:
        problems.append(f"the certificate is not valid before {leaf.not_valid_before_utc:%Y-%m-%d}")
    if leaf.issuer == leaf.subject:
        problems.append("the certificate signs itself, which Content Credentials do not allow")
    return problems


# ---- the development certificate ----------------------------------------------------------------


def _development(home: Path) -> tuple[bytes, bytes]:
    """Chain and key, made by the first process that needs them; a folder moves in whole."""
    folder = home / FOLDER
    if not folder.exists():
        home.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{FOLDER}-", dir=home))
        try:
            _write_development(scratch)
            scratch.rename(folder)
        except OSError:
            if not folder.exists():  # otherwise another process was first: its files are read
                raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return (folder / _CHAIN).read_bytes(), (folder / _KEY).read_bytes()


def _write_development(folder: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    # The issuer's key is forgotten at once: it never signs another certificate.
    issuer_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer_name = _name(f"{ORGANIZATION} {DEVELOPMENT} issuer")
    issuer = _certificate(issuer_name, issuer_name, issuer_key.public_key(), issuer_key, ca=True)
    leaf = _certificate(
        _name(f"{ORGANIZATION} {DEVELOPMENT} certificate, not for publishing"),
        issuer_name,
        key.public_key(),
        issuer_key,
        ca=False,
    )
    pem = serialization.Encoding.PEM
    (folder / _CHAIN).write_bytes(leaf.public_bytes(pem) + issuer.public_bytes(pem))
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with os.fdopen(os.open(folder / _KEY, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.write(secret)


def _name(common_name: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, f"{ORGANIZATION} {DEVELOPMENT}"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: EllipticCurvePublicKey,
    issuer_key: EllipticCurvePrivateKey,
    *,
    ca: bool,
) -> x509.Certificate:
    """As the C2PA certificate profile asks: no self-signed signer, an extended key usage."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID

    now = datetime.now(UTC)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "encipher_only", "decipher_only"), False,
    )  # fmt: skip
    builder = (
        x509.CertificateBuilder(issuer, subject, public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .add_extension(
            x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, **usage),
            critical=True,
        )
    )
    if not ca:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purpose, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
