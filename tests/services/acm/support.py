"""The room on plain SQLite (lone_room.py), with deliveries carried at once, and certificates from elsewhere."""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from awning.contracts import CertificateUsed, Deliver, FindAddress, FindDnsRecords, FindMailSpool
from awning.kit.call import Call, Facts
from awning.kit.deliveries import Undeliverable, decode, encode
from awning.services.acm import SERVICE
from tests.services.lone_room import ACCOUNT, DAY, OTHER, START, LoneBench, LoneClient, LoneRoom

__all__ = ["ACCOUNT", "DAY", "OTHER", "START", "Bench", "Client", "FakeRoom"]


class FakeRoom(LoneRoom):
    """`records` are the hosted zones' (None: no room has any), by name."""

    def __init__(self, bench: Bench, spool: Path) -> None:
        super().__init__(bench, SERVICE)
        self.outbox = self
        self.records: dict[str, list[str]] | None = None
        self.spool = spool

    def put(self, db: sqlite3.Connection, delivery: Deliver, now: float) -> None:
        kind, _, _, payload = encode(delivery)
        self.bench.sent.append(decode(kind, payload))

    def ask(self, question: Any, facts: Facts) -> Any:
        if isinstance(question, FindAddress):
            return "http://region.test:4566"
        if isinstance(question, FindMailSpool):
            return self.spool
        if isinstance(question, FindDnsRecords) and self.records is not None:
            return self.records.get(question.name, ())
        return super().ask(question, facts)


class Bench(LoneBench):
    """`sent` is what nobody has carried yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sent: list[Deliver] = []
        super().__init__(folder / "acm.db", SERVICE)

    def make_room(self) -> FakeRoom:
        return FakeRoom(self, self.folder / "mail")

    def run(self, call: Call, function: Callable[..., Any], *args: Any, **params: Any) -> Any:
        """Run a function as a unit that is committed; what a failed one sent is not sent."""
        sent = len(self.sent)
        try:
            return super().run(call, function, *args, **params)
        except BaseException:
            del self.sent[sent:]
            raise

    def carry(self) -> list[str]:
        """Carry what was sent; return why what was not carried was not."""
        failed = []
        while self.sent:
            delivery = self.sent.pop(0)
            carry = SERVICE.carries[type(delivery)]
            try:
                self.loop.run_until_complete(carry(self.make_call(), delivery))  # type: ignore[arg-type]
            except Undeliverable as error:
                failed.append(str(error))
        return failed

    def work(self) -> None:
        """Run each background pass until it finds nothing more, and carry what comes of it."""
        super().work()
        self.carry()

    def use(self, arn: str, user: str, *, used: bool = True) -> None:
        """Tell the room that something uses a certificate, or no longer."""
        delivery = CertificateUsed(arn, user, user=user, service="elasticloadbalancing", used=used)
        kind, _, _, payload = encode(delivery)
        assert decode(kind, payload) == delivery
        self.run(self.make_call(), SERVICE.accepts[CertificateUsed], delivery)

    def control(self, word: str, **given: Any) -> Any:
        """Ask what the command line asks."""
        return self.run(self.make_call(), SERVICE.controls[word], given)


class Client(LoneClient):
    def new(self, domain: str = "www.example.com", **params: Any) -> str:
        """Request a certificate, by DNS and with a quick key unless it says otherwise; return its ARN."""
        params = {"validation_method": "DNS", "key_algorithm": "EC_prime256v1", **params}
        return str(self.request_certificate(domain_name=domain, **params)["CertificateArn"])

    def issued(self, domain: str = "www.example.com", **params: Any) -> str:
        """Request a certificate and have it issued."""
        arn = self.new(domain, **params)
        self.bench.control("validate", arn=arn)
        self.bench.carry()
        return arn

    def describe(self, arn: str) -> Any:
        return self.describe_certificate(certificate_arn=arn)["Certificate"]

    def status(self, arn: str) -> str:
        return str(self.describe(arn)["Status"])


class Issuer:
    """An authority of somebody else's, for what is imported. Times are in days around the bench's start."""

    def __init__(self, name: str = "Somebody") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, name),
                x509.NameAttribute(NameOID.COMMON_NAME, f"{name} root"),
            ]
        )
        self.certificate = self._sign(self.key.public_key(), self.name, [], -1, 3650)
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
        *names: str,
        common: str | None = None,
        begin: float = -1,
        end: float = 300,
    ) -> bytes:
        """A certificate in PEM."""
        first = names[0] if names else "imported.example.com"
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common or first)])
        made = self._sign(key.public_key(), subject, list(names), begin, end)
        return made.public_bytes(serialization.Encoding.PEM)

    def _sign(self, public: Any, subject: x509.Name, names: list[str], begin: float, end: float) -> x509.Certificate:
        start = datetime.datetime.fromtimestamp(START, datetime.UTC)
        builder = x509.CertificateBuilder(self.name, subject, public, serial_number=1001)
        builder = builder.not_valid_before(start + datetime.timedelta(days=begin))
        builder = builder.not_valid_after(start + datetime.timedelta(days=end))
        if names:
            named = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            builder = builder.add_extension(named, critical=False)
        return builder.sign(self.key, hashes.SHA256())


def pem_of(key: Any, passphrase: bytes | None = None) -> bytes:
    """A private key in PEM."""
    encryption: Any = serialization.NoEncryption()
    if passphrase is not None:
        encryption = serialization.BestAvailableEncryption(passphrase)
    made: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    return made
