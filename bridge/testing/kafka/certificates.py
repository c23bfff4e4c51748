"""A throw-away certificate authority for the TLS listeners of the test broker."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files: the authority, the broker's key with its certificate, the client's certificate and key."""

    ca: Path
    broker_bundle: Path
    client_certificate: Path
    client_key: Path


def make_certificates(
    directory: Path, *, trusted_too: bytes = b"", trusted: Callable[[], None] = lambda: None
) -> Certificates:
    """An authority, a broker certificate for 127.0.0.1 and localhost, and a client certificate, valid for a day.

    What is there already under the same names is renewed. ``trusted_too``: an authority (PEM) of before that is trusted
    until nobody has certificates of it any more. ``trusted`` is called when the authority is there and nothing that it signed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    # Of an elliptic curve: made in no time, and a broker's JVM signs with it in a fraction of the time that RSA takes.
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = _name("bridge test authority")
    authority = _certificate(authority_name, authority_key, authority_name, authority_key, authority=True)
    made = Certificates(
        directory / "ca.pem", directory / "broker.pem", directory / "client.pem", directory / "client.key"
    )
    own = authority.public_bytes(Encoding.PEM)
    made.ca.write_bytes(own + trusted_too)
    trusted()
    for name, certificate_file, key_file in (
        ("localhost", made.broker_bundle, None),
        ("bridge", made.client_certificate, made.client_key),
    ):
        key = ec.generate_private_key(ec.SECP256R1())
        pem = _certificate(_name(name), key, authority_name, authority_key).public_bytes(Encoding.PEM)
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        if key_file is None:
            certificate_file.write_bytes(secret + pem + own)
        else:
            certificate_file.write_bytes(pem)
            key_file.write_bytes(secret)
    return made


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    *,
    authority: bool = False,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    hosts = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        # Python 3.13 checks strictly: an authority must say that it may sign.
        .add_extension(
            x509.KeyUsage(
                digital_signature=not authority,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=authority,
                crl_sign=authority,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if not authority:
        builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    return builder.sign(signer, hashes.SHA256())
