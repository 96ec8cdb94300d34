"""A certificate authority of our own: one root in a folder, and a certificate for each name that a client asks for.

Names are not covered by wildcards alone, as many verifiers refuse `*.localhost`: each asked-for name (SNI) gets its
own leaf.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import re
import ssl
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from awning.net.tls import Tls, server_context

_ROOT_DAYS = 3650
_ROOT_LEFT_DAYS = 825
_LEAF_DAYS = 397
_LEAF_LEFT = datetime.timedelta(days=30)
_BACKDATED = datetime.timedelta(days=1)
_SIGNER_BITS = 2048
_SIGNER_DAYS = 825
_SIGNER_LEFT = datetime.timedelta(days=90)
_MOST_CONTEXTS = 1000
_NAME = re.compile(
    r"(?=.{1,253}\Z)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\Z"
)
_ALWAYS = (
    "localhost",
    "*.localhost",
    "*.s3.localhost",
    "localhost.localstack.cloud",
    "*.localhost.localstack.cloud",
    "*.s3.localhost.localstack.cloud",
    "amazonaws.com",
    "*.amazonaws.com",
    "*.s3.amazonaws.com",
)
_ADDRESSES = ("127.0.0.1", "::1")


class CertificateAuthority:
    """The root in `folder` (ca.pem, ca-key.pem), made when there is none; and leaves, in memory only.

    `names` and `addresses` are further ones that every leaf shall carry (--domain, the host's own). Raises OSError
    where the folder cannot be written, ValueError where its files are no authority.
    """

    def __init__(
        self, folder: str | os.PathLike[str], names: tuple[str, ...] = (), addresses: tuple[str, ...] = ()
    ) -> None:
        self._names = _ALWAYS + names
        self._addresses = _ADDRESSES + addresses
        self._lock = threading.Lock()
        self._contexts: OrderedDict[str, tuple[ssl.SSLContext, datetime.datetime]] = OrderedDict()
        self._folder = Path(folder)
        self._signers = threading.Lock()
        self._key, self._root = _load_or_create(self._folder)
        # One key for all leaves: it lives no longer than the process, and a new one per name would only cost time.
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())

    def root_pem(self) -> bytes:
        """Return the root certificate, for clients to trust."""
        return self._root.public_bytes(serialization.Encoding.PEM)

    def tls(self) -> Tls:
        """Return what Server.listen takes: each client gets a certificate for the name that it asks for."""
        context = server_context()
        self._load_leaf(context, "localhost")
        context.sni_callback = self._choose
        return Tls(context)

    def leaf_pem(self, name: str) -> tuple[bytes, bytes]:
        """Return a leaf's certificate with the root's after it, and its private key, for servers that aren't ours."""
        certificate = self._issue(name)
        return certificate.public_bytes(serialization.Encoding.PEM) + self.root_pem(), _private_pem(self._leaf_key)

    def signer_pem(self, name: str, hosts: tuple[str, ...]) -> tuple[bytes, bytes]:
        """Return the RSA key and the certificate, in PEM, by which a service signs what it sends. They are kept in the folder
        (NAME-key.pem, NAME.pem), made when first asked for, the certificate again when it is soon to expire. Takes long."""
        key_file, file = self._folder / f"{name}-key.pem", self._folder / f"{name}.pem"
        with self._signers:
            if key_file.exists():
                secret = key_file.read_bytes()
            else:
                secret = _private_pem(rsa.generate_private_key(65537, _SIGNER_BITS))
                _write_atomically(key_file, secret, 0o600)
            key = serialization.load_pem_private_key(secret, None)
            if not isinstance(key, rsa.RSAPrivateKey):
                raise ValueError(f"{key_file} is no RSA key.")
            if file.exists():
                found = x509.load_pem_x509_certificate(file.read_bytes())
                ours = found.public_key() == key.public_key() and self._has_issued(found)
                if ours and found.not_valid_after_utc - _now() > _SIGNER_LEFT:
                    return secret, file.read_bytes()
            alternatives: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
            certificate = self._issue_to(key.public_key(), hosts[0], alternatives, _SIGNER_DAYS)
            content = certificate.public_bytes(serialization.Encoding.PEM)
            _write_atomically(file, content, 0o644)
            return secret, content

    def context_for(self, name: str) -> ssl.SSLContext:
        """Return the server context for a host name; made when first asked for, again when it is soon to expire."""
        name = name.lower()
        now = _now()
        with self._lock:
            found = self._contexts.get(name)
            if found is None or found[1] - now < _LEAF_LEFT:
                context = server_context()
                found = (context, self._load_leaf(context, name))
                self._contexts[name] = found
            self._contexts.move_to_end(name)
            if len(self._contexts) > _MOST_CONTEXTS:
                self._contexts.popitem(last=False)
            return found[0]

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        if name is None:
            connection.context = self.context_for("localhost")
        elif _NAME.match(name):
            connection.context = self.context_for(name)
        else:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        return None

    def _load_leaf(self, context: ssl.SSLContext, name: str) -> datetime.datetime:
        """Give the context a leaf for the name; return when that expires."""
        chain, key = self.leaf_pem(name)
        # ssl loads from files only.
        with tempfile.NamedTemporaryFile(prefix="awning-") as file:
            file.write(chain + key)
            file.flush()
            context.load_cert_chain(file.name)
        return x509.load_pem_x509_certificate(chain).not_valid_after_utc

    def _issue(self, name: str) -> x509.Certificate:
        names = list(dict.fromkeys((name, *self._names)))
        alternatives: list[x509.GeneralName] = [x509.DNSName(each) for each in names]
        alternatives += [x509.IPAddress(ipaddress.ip_address(each)) for each in dict.fromkeys(self._addresses)]
        return self._issue_to(self._leaf_key.public_key(), name, alternatives, _LEAF_DAYS)

    def _issue_to(
        self,
        public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
        name: str,
        alternatives: list[x509.GeneralName],
        days: int,
    ) -> x509.Certificate:
        now = _now()
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        builder = _builder(_subject(name[:64]), self._root.subject, public, now - _BACKDATED, now, days)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(authority=False), critical=True).add_extension(usage, critical=False)
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        identifier = self._root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
        return builder.add_extension(issuer, critical=False).sign(self._key, hashes.SHA256())

    def _has_issued(self, certificate: x509.Certificate) -> bool:
        try:
            certificate.verify_directly_issued_by(self._root)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True


def _load_or_create(folder: Path) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """Return the folder's authority; a new one where there is none, or where the old one is near its end."""
    key_file, root_file = folder / "ca-key.pem", folder / "ca.pem"
    if key_file.exists() and root_file.exists():
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        root = x509.load_pem_x509_certificate(root_file.read_bytes())
        if not isinstance(key, ec.EllipticCurvePrivateKey) or root.public_key() != key.public_key():
            raise ValueError(f"{key_file} does not belong to {root_file}.")
        if root.not_valid_after_utc - _now() > datetime.timedelta(days=_ROOT_LEFT_DAYS):
            return key, root
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    root = _self_signed(key)
    secret = _private_pem(key)
    # The certificate comes last: without it the next start makes both again.
    root_file.unlink(missing_ok=True)
    _write_atomically(key_file, secret, 0o600)
    _write_atomically(root_file, root.public_bytes(serialization.Encoding.PEM), 0o644)
    return key, root


def _private_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    now = _now()
    public = key.public_key()
    subject = _subject("awning local authority")
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    builder = _builder(subject, subject, public, now - _BACKDATED, now, _ROOT_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(authority=True), critical=True)
    builder = builder.add_extension(identifier, critical=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    return builder.add_extension(issuer, critical=False).sign(key, hashes.SHA256())


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    begin: datetime.datetime,
    now: datetime.datetime,
    days: int,
) -> x509.CertificateBuilder:
    end = now + datetime.timedelta(days=days)
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=public)
    return builder.serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)


def _subject(name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "awning"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write_atomically(file: Path, content: bytes, mode: int) -> None:
    temporary = file.with_name(f".{file.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    os.rename(temporary, file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
