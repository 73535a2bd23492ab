"""A certificate for localhost, for clients that insist on https: made here, trusted by its file."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate

_LIFE = timedelta(days=365)
# A server that runs on must not see its certificate end.
_RENEWED_BEFORE = timedelta(days=30)
_NAME = "localhost"
_ADDRESSES = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """`certificate` is what clients are told to trust; `key` is readable by its owner only."""

    certificate: Path
    key: Path


def own_certificate(directory: Path, now: datetime) -> CertificateFiles:
    """The certificate of a workspace's directory, made on first use and before it ends."""
    files = CertificateFiles(directory / "localhost.pem", directory / "localhost.key")
    if not _is_good(files, now):
        _write(files, now)
    return files


def _is_good(files: CertificateFiles, now: datetime) -> bool:
    from cryptography import x509

    if not files.certificate.exists() or not files.key.exists():
        return False
    try:
        present = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    except ValueError:
        return False
    return present.not_valid_before_utc <= now < present.not_valid_after_utc - _RENEWED_BEFORE


def _write(files: CertificateFiles, now: datetime) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    # Never a moment in which others could read it, nor a key without its certificate.
    scratch = files.key.with_suffix(".new")
    scratch.unlink(missing_ok=True)
    scratch.touch(mode=0o600)
    scratch.write_bytes(text)
    files.certificate.unlink(missing_ok=True)
    scratch.replace(files.key)
    public = _signed(key, now).public_bytes(serialization.Encoding.PEM)
    files.certificate.write_bytes(public)


def _signed(key: EllipticCurvePrivateKey, now: datetime) -> Certificate:
    """Signed by itself: whoever trusts the file trusts this server and nothing else."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    public = key.public_key()
    addresses = [x509.IPAddress(ipaddress.ip_address(text)) for text in _ADDRESSES]
    uses = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(_NAME), *addresses]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(uses, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
