"""The room's core on plain SQLite: batches as the store has them, deliveries carried at once, a clock that the test moves."""

from __future__ import annotations

import asyncio
import datetime
import inspect
import sqlite3
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from awning.auth.principal import root_of
from awning.contracts import CertificateUsed, Deliver, FindAddress, FindDnsRecords, FindMailSpool
from awning.kit.call import Call, Facts
from awning.kit.deliveries import Undeliverable, decode, encode
from awning.services.acm import SERVICE
from awning.services.acm.memory import build
from awning.store.vault import Vault

ACCOUNT = "111122223333"
OTHER = "444455556666"
START = 1_700_000_000.0
DAY = 86_400.0


class FakeRoom:
    """What a Call needs of its room. `records` are the hosted zones' (None: no room has any), by name."""

    def __init__(self, bench: Bench, spool: Path) -> None:
        self.bench = bench
        self.service = SERVICE
        self.memory: Any = None
        self.vault = Vault(bytes(32), given=True)
        self.seal = self.vault.key("room acm")
        self.epoch = 0
        self.outbox = self
        self.records: dict[str, list[str]] | None = None
        self.spool = spool
        self._random = Random(1)

    @property
    def database(self) -> Any:
        return SimpleNamespace(reader=self.bench.reader, connect=self.bench.connect)

    def random(self, length: int) -> bytes:
        return self._random.randbytes(length)

    def new_id(self) -> str:
        return str(uuid.UUID(bytes=self.random(16), version=4))

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
        raise LookupError(f"No room answers {type(question).__name__}.")

    async def write(
        self, call: Call, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        return self.bench.run(call, function, *args, **kwargs)


class Bench:
    """Runs functions as units: each a transaction of its own. `now` is in seconds. `sent` is what nobody has carried yet."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "acm.db"
        self.now = START
        self.sent: list[Deliver] = []
        self.room: Any = FakeRoom(self, folder / "mail")
        self.writer = self._open()
        for script in SERVICE.schema.migrations:
            self.writer.executescript(script)
        self.reader = self._open()
        self.room.memory = build(self.writer)
        self.operations = SERVICE.operations()
        self.loop = asyncio.new_event_loop()

    def connect(self) -> sqlite3.Connection:
        """A connection for another thread."""
        return sqlite3.connect(self.path, isolation_level=None)

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = OFF")
        return db

    def restart(self) -> None:
        """Forget what is in memory, as a crash does."""
        self.room.memory = build(self.writer)

    def close(self) -> None:
        self.loop.close()
        self.writer.close()
        self.reader.close()

    def make_call(self, account: str = ACCOUNT, region: str = "us-east-1") -> Call:
        return Call(self.room, Facts("r-1", root_of(account), account, region), self.now, self.reader)

    def run(self, call: Call, function: Callable[..., Any], *args: Any, **params: Any) -> Any:
        """Run a function as a unit that is committed."""
        call.db, call.now = self.writer, self.now
        sent = len(self.sent)
        self.writer.execute("BEGIN IMMEDIATE")
        try:
            result = function(call, *args, **params)
        except BaseException:
            self.writer.execute("ROLLBACK")
            del self.sent[sent:]
            raise
        finally:
            call.db = self.reader
        self.writer.execute("COMMIT")
        return result

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
        for work in SERVICE.work:
            while self.run(self.make_call(), work.run):
                pass
        self.carry()

    def later(self, days: float) -> None:
        """Move the clock, and do what falls due."""
        self.now += days * DAY
        self.work()

    def use(self, arn: str, user: str, *, used: bool = True) -> None:
        """Tell the room that something uses a certificate, or no longer."""
        delivery = CertificateUsed(arn, user, user=user, service="elasticloadbalancing", used=used)
        kind, _, _, payload = encode(delivery)
        assert decode(kind, payload) == delivery
        self.run(self.make_call(), SERVICE.accepts[CertificateUsed], delivery)

    def control(self, word: str, **given: Any) -> Any:
        """Ask what the command line asks."""
        return self.run(self.make_call(), SERVICE.controls[word], given)


class Client:
    """An account in a region: boto3's methods, with parameters in snake_case. Permissions are not asked for."""

    def __init__(self, bench: Bench, account: str = ACCOUNT, region: str = "us-east-1") -> None:
        self.bench = bench
        self.account = account
        self.region = region

    def __getattr__(self, name: str) -> Any:
        return partial(self._run, self.bench.operations[name])

    def _run(self, operation: Any, **params: Any) -> Any:
        call = self.bench.make_call(self.account, self.region)
        if inspect.iscoroutinefunction(operation.function):
            return self.bench.loop.run_until_complete(operation.function(call, **params))
        if operation.reads:
            return operation.function(call, **params)
        return self.bench.run(call, operation.function, **params)

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
