"""Writers that remember what was acknowledged to them, so that after a crash it can be held against what is there.

Each writer has resources of its own. An operation under way when the region dies may have happened or not; an acknowledged
one must have.
"""

from __future__ import annotations

import hashlib
import json
import random
import threading
import time
from collections.abc import Callable
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from tests import replicas
from tests.conftest import LiveRegion
from tests.permissions.examples import self_signed

PART = 5 * 1024 * 1024
OPTIONS = {"config": Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30)}

Make = Callable[..., Any]


class Writer(threading.Thread):
    """Runs `step()` until the region goes away. `faults` are answers that should not have come.

    `expected`: from now on the region may go away.
    """

    def __init__(self, name: str, make: Make, seed: int) -> None:
        super().__init__(name=name, daemon=True)
        self.make = make
        self.random = random.Random(f"{name}-{seed}")
        self.faults: list[str] = []
        self.done = 0
        self.halt = threading.Event()
        self.expected = threading.Event()

    def prepare(self) -> None:
        """Create what the writer writes to; the region runs."""

    def step(self) -> None:
        raise NotImplementedError

    def check(self) -> None:
        """After the restart: raise AssertionError where what was acknowledged does not hold."""
        raise NotImplementedError

    def run(self) -> None:
        while not self.halt.is_set():
            try:
                self.step()
            except (AssertionError, ClientError) as error:
                self.faults.append(f"{self.name}: {error}")
                return
            except BotoCoreError as error:
                if not self.expected.is_set():
                    self.faults.append(f"{self.name}: {error}")
                return
            self.done += 1


class Objects(Writer):
    """Puts, overwrites and deletes, small (inline) and larger (a file)."""

    def prepare(self) -> None:
        self.s3 = self.make("s3", **OPTIONS)
        self.s3.create_bucket(Bucket=self.name)
        self.known: dict[str, str | None] = {}
        self.open: tuple[str, str | None] | None = None

    def step(self) -> None:
        key = f"folder/{self.random.randrange(40)}"
        fate = self.random.random()
        if fate < 0.25:
            self.open = (key, None)
            if fate < 0.1:
                self.s3.delete_objects(Bucket=self.name, Delete={"Objects": [{"Key": key}], "Quiet": True})
            else:
                self.s3.delete_object(Bucket=self.name, Key=key)
        else:
            size = self.random.choice((0, 10, 1000, 60_000, 70_000, 400_000))
            content = self.random.randbytes(size)
            self.open = (key, digest(content))
            self.s3.put_object(Bucket=self.name, Key=key, Body=content)
        self.known[key] = self.open[1]
        self.open = None

    def check(self) -> None:
        s3 = self.make("s3", **OPTIONS)
        listed = listing(s3, self.name)
        for key, expected in self.known.items():
            allowed = {expected} | ({self.open[1]} if self.open and self.open[0] == key else set())
            found = None
            if key in listed:
                answer = s3.get_object(Bucket=self.name, Key=key)
                content = answer["Body"].read()
                assert len(content) == answer["ContentLength"] == listed[key]["Size"]
                assert answer["ETag"] == listed[key]["ETag"] == f'"{hashlib.md5(content).hexdigest()}"'
                found = digest(content)
            assert found in allowed, f"{self.name}/{key}: {found} is none of {allowed}"
            if found is None:
                assert refusal(s3.head_object, Bucket=self.name, Key=key) == "404"
        surprises = set(listed) - set(self.known) - ({self.open[0]} if self.open else set())
        assert not surprises
        rolled = s3.list_objects_v2(Bucket=self.name, Delimiter="/")
        assert [each["Prefix"] for each in rolled.get("CommonPrefixes", [])] == (["folder/"] if listed else [])
        assert [item["Key"] for item in s3.list_objects(Bucket=self.name).get("Contents", [])] == sorted(listed)


class Uploads(Writer):
    """Multipart uploads: the parts that were taken are there, the completed object is whole or not there."""

    def prepare(self) -> None:
        self.s3 = self.make("s3", **OPTIONS)
        self.s3.create_bucket(Bucket=self.name)
        self.known: dict[str, str] = {}
        self.open: tuple[str, str] | None = None
        self.unfinished: dict[str, tuple[str, dict[int, str]]] = {}
        self.aborted: set[str] = set()

    def step(self) -> None:
        key = f"upload-{self.done}"
        parts = [self.random.randbytes(PART), self.random.randbytes(1000)]
        upload = self.s3.create_multipart_upload(Bucket=self.name, Key=key)["UploadId"]
        tags: list[str] = []
        self.unfinished[upload] = (key, {})
        for number, part in enumerate(parts, 1):
            tags.append(
                self.s3.upload_part(Bucket=self.name, Key=key, UploadId=upload, PartNumber=number, Body=part)["ETag"]
            )
            self.unfinished[upload][1][number] = tags[-1]
        fate = self.random.random()
        if fate < 0.2:
            return
        del self.unfinished[upload]
        if fate < 0.4:
            self.s3.abort_multipart_upload(Bucket=self.name, Key=key, UploadId=upload)
            self.aborted.add(upload)
            return
        self.open = (key, digest(b"".join(parts)))
        self.s3.complete_multipart_upload(
            Bucket=self.name,
            Key=key,
            UploadId=upload,
            MultipartUpload={"Parts": [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]},
        )
        self.known[key] = self.open[1]
        self.open = None

    def check(self) -> None:
        s3 = self.make("s3", **OPTIONS)
        allowed = dict(self.known)
        if self.open:
            allowed[self.open[0]] = self.open[1]
        listed = [item["Key"] for item in s3.list_objects_v2(Bucket=self.name).get("Contents", [])]
        assert set(self.known) <= set(listed) <= set(allowed)
        for key in listed:
            assert digest(s3.get_object(Bucket=self.name, Key=key)["Body"].read()) == allowed[key]
        uploads = {each["UploadId"] for each in s3.list_multipart_uploads(Bucket=self.name).get("Uploads", [])}
        assert set(self.unfinished) <= uploads
        assert not uploads & self.aborted
        for upload, (key, tags) in self.unfinished.items():
            parts = s3.list_parts(Bucket=self.name, Key=key, UploadId=upload).get("Parts", [])
            assert tags.items() <= {part["PartNumber"]: part["ETag"] for part in parts}.items()


class Versions(Writer):
    """Overwrites and deletes where versions are kept, small and large: each that was acknowledged stays, the newest first."""

    def prepare(self) -> None:
        self.s3 = self.make("s3", **OPTIONS)
        self.s3.create_bucket(Bucket=self.name)
        self.s3.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})
        self.known: dict[str, list[tuple[str, str | None]]] = {f"key-{number}": [] for number in range(5)}
        self.open: tuple[str, str] | None = None

    def step(self) -> None:
        key = self.random.choice(list(self.known))
        there = self.known[key]
        fate = self.random.random()
        if fate < 0.2 and there:
            gone = there.pop(self.random.randrange(len(there)))
            self.open = (key, gone[0])
            self.s3.delete_object(Bucket=self.name, Key=key, VersionId=gone[0])
        elif fate < 0.4:
            self.open = (key, "")
            there.insert(0, (self.s3.delete_object(Bucket=self.name, Key=key)["VersionId"], None))
        else:
            content = self.random.randbytes(self.random.choice((0, 1000, 70_000, 300_000)))
            self.open = (key, "")
            put = self.s3.put_object(Bucket=self.name, Key=key, Body=content)
            there.insert(0, (put["VersionId"], digest(content)))
        self.open = None

    def check(self) -> None:
        s3 = self.make("s3", **OPTIONS)
        listed: dict[str, list[str]] = {key: [] for key in self.known}
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=self.name, PaginationConfig={"PageSize": 7})
        latest: dict[str, str] = {}
        markers: set[str] = set()
        for page in pages:
            both = page.get("Versions", []) + page.get("DeleteMarkers", [])
            markers |= {one["VersionId"] for one in page.get("DeleteMarkers", [])}
            for one in both:
                listed[one["Key"]].append(one["VersionId"])
                if one["IsLatest"]:
                    assert one["Key"] not in latest
                    latest[one["Key"]] = one["VersionId"]
        for key, expected in self.known.items():
            maybe = self.open is not None and self.open[0] == key
            extra = set(listed[key]) - {version for version, _ in expected}
            assert len(extra) <= maybe, f"{self.name}/{key}: {extra}"
            assert {version for version, _ in expected} <= set(listed[key])
            for version, content in expected:
                assert (version in markers) == (content is None)
                if content is not None:
                    got = s3.get_object(Bucket=self.name, Key=key, VersionId=version)
                    assert digest(got["Body"].read()) == content
            if expected and not maybe:
                assert latest[key] == expected[0][0]
                assert (refusal(s3.head_object, Bucket=self.name, Key=key) is None) == (expected[0][1] is not None)


class Replicated(Writer):
    """Writes, hides and tags in a bucket that replicates: each acknowledged version arrives, as it is and with its id."""

    def prepare(self) -> None:
        self.s3 = self.make("s3", **OPTIONS)
        self.target = f"{self.name}-to"
        replicas.make_bucket(self.s3, self.name)
        replicas.make_bucket(self.s3, self.target)
        statements = replicas.for_buckets(self.name, self.target)
        role = replicas.make_role(self.make("iam", **OPTIONS), self.name, *statements)
        replicas.configure(self.s3, self.name, role, replicas.rule(self.target))
        self.known: dict[str, tuple[str, str | None]] = {}

    def step(self) -> None:
        key = f"key-{self.random.randrange(5)}"
        fate = self.random.random()
        if fate < 0.2:
            self.known[self.s3.delete_object(Bucket=self.name, Key=key)["VersionId"]] = (key, None)
        elif fate < 0.4 and self.known:
            version, (key, content) = self.random.choice(list(self.known.items()))
            tags = {"TagSet": [{"Key": "done", "Value": str(self.done)}]}
            if content is not None:
                self.s3.put_object_tagging(Bucket=self.name, Key=key, VersionId=version, Tagging=tags)
        else:
            body = self.random.randbytes(self.random.choice((0, 1000, 70_000, 300_000)))
            put = self.s3.put_object(Bucket=self.name, Key=key, Body=body, Tagging="done=never")
            self.known[put["VersionId"]] = (key, digest(body))

    def check(self) -> None:
        s3 = self.make("s3", **OPTIONS)

        def arrived() -> bool:
            return replicas.versions(s3, self.target) == replicas.versions(s3, self.name)

        assert replicas.until(arrived), f"{self.name}: what is in the two buckets is not the same"
        here = {version: marker for _, version, marker in replicas.versions(s3, self.name)}
        for version, (key, content) in self.known.items():
            assert here[version] == (content is None)
            if content is None:
                continue
            assert replicas.settled(s3, self.name, key, version) == "COMPLETED"
            got = s3.get_object(Bucket=self.target, Key=key, VersionId=version)
            assert digest(got["Body"].read()) == content
            tags = [s3.get_object_tagging(Bucket=name, Key=key, VersionId=version) for name in (self.name, self.target)]
            assert tags[0]["TagSet"] == tags[1]["TagSet"]
        assert replicas.latest(s3, self.name) == replicas.latest(s3, self.target)


class Messages(Writer):
    """Sends, receives and deletes on a queue: an acknowledged message is there unless its delete was called."""

    def prepare(self) -> None:
        self.sqs = self.make("sqs", **OPTIONS)
        self.url = self.sqs.create_queue(QueueName=self.name, Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
        self.sent: set[str] = set()
        self.deleting: set[str] = set()
        self.deleted: set[str] = set()
        self.open: set[str] = set()

    def step(self) -> None:
        fate = self.random.random()
        if fate < 0.4:
            self.open = {f"{self.name}-{self.done}"}
            self.sqs.send_message(QueueUrl=self.url, MessageBody=next(iter(self.open)))
        elif fate < 0.6:
            self.open = {f"{self.name}-{self.done}-{at}" for at in range(4)}
            entries = [{"Id": str(at), "MessageBody": body} for at, body in enumerate(self.open)]
            assert len(self.sqs.send_message_batch(QueueUrl=self.url, Entries=entries)["Successful"]) == 4
        if fate < 0.6:
            self.sent |= self.open
            self.open = set()
            return
        for message in self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=3).get("Messages", []):
            assert message["Body"] not in self.deleted, "a deleted message came back"
            self.deleting.add(message["Body"])
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
            self.deleted.add(message["Body"])

    def check(self) -> None:
        sqs = self.make("sqs", **OPTIONS)
        url = sqs.get_queue_url(QueueName=self.name)["QueueUrl"]
        found: set[str] = set()
        while batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600).get("Messages"):
            found |= {message["Body"] for message in batch}
        assert self.sent - self.deleting <= found, f"lost: {sorted(self.sent - self.deleting - found)[:5]}"
        assert not found & self.deleted, f"came back: {sorted(found & self.deleted)[:5]}"
        assert found <= self.sent | self.open


class Policies(Writer):
    """A user's policy, changed again and again between allow and deny: what was acknowledged is in force."""

    def prepare(self) -> None:
        self.iam = self.make("iam", **OPTIONS)
        self.iam.create_user(UserName=self.name)
        made = self.iam.create_access_key(UserName=self.name)["AccessKey"]
        self.key, self.secret = made["AccessKeyId"], made["SecretAccessKey"]
        self.make("s3", **OPTIONS).create_bucket(Bucket=self.name)
        self.known = -1
        self.open = -1

    def step(self) -> None:
        self.open = self.done
        self.iam.put_user_policy(UserName=self.name, PolicyName="changing", PolicyDocument=statement(self.open))
        self.known = self.open

    def check(self) -> None:
        iam = self.make("iam", **OPTIONS)
        if self.known < 0:
            return
        found = iam.get_user_policy(UserName=self.name, PolicyName="changing")["PolicyDocument"]
        version = int(found["Statement"][0]["Sid"].removeprefix("Version"))
        assert version in (self.known, self.open)
        s3 = self.make("s3", key=self.key, secret=self.secret, **OPTIONS)
        expected = "AccessDenied" if version % 2 else None
        assert refusal(s3.list_objects_v2, Bucket=self.name) == expected, "the policy that is stored is not in force"


class Keys(Writer):
    """A key of KMS: what it sealed opens, its state, its alias and its grants are the acknowledged ones, old material is kept."""

    def prepare(self) -> None:
        self.kms = self.make("kms", **OPTIONS)
        self.id = self.kms.create_key(Description=self.name)["KeyMetadata"]["KeyId"]
        other = self.kms.create_key(Description=self.name)["KeyMetadata"]["KeyId"]
        self.targets = (self.id, other)
        self.alias = f"alias/{self.name}"
        self.kms.create_alias(AliasName=self.alias, TargetKeyId=self.id)
        self.sealed: list[tuple[bytes, bytes]] = []
        self.granted: set[str] = set()
        self.known: dict[str, Any] = {"alias": self.id, "rotation": False, "rotations": 0, "other": "Enabled"}
        self.open: tuple[str, Any] | None = None

    def step(self) -> None:
        fate = self.random.random()
        if fate < 0.3:
            content = self.random.randbytes(30)
            self.sealed.append((self.kms.encrypt(KeyId=self.id, Plaintext=content)["CiphertextBlob"], content))
        elif fate < 0.45:
            root = "arn:aws:iam::000000000000:root"
            self.open = ("grant", "")
            made = self.kms.create_grant(KeyId=self.id, GranteePrincipal=root, Operations=["Decrypt"])
            self.granted.add(made["GrantId"])
        elif fate < 0.55 and self.granted:
            self.open = ("grant", self.granted.pop())
            self.kms.revoke_grant(KeyId=self.id, GrantId=self.open[1])
        elif fate < 0.7:
            self._change("alias", self.random.choice(self.targets))
            self.kms.update_alias(AliasName=self.alias, TargetKeyId=self.open_value)
        elif fate < 0.75 and self.known["rotations"] < 10:
            self._change("rotations", self.known["rotations"] + 1)
            self.kms.rotate_key_on_demand(KeyId=self.id)
        elif fate < 0.85:
            self._change("rotation", not self.known["rotation"])
            set_to = self.kms.enable_key_rotation if self.open_value else self.kms.disable_key_rotation
            set_to(KeyId=self.id)
        else:
            self._change("other", "Disabled" if self.known["other"] == "Enabled" else "Enabled")
            change = self.kms.enable_key if self.open_value == "Enabled" else self.kms.disable_key
            change(KeyId=self.targets[1])
        if self.open is not None and self.open[0] in self.known:
            self.known[self.open[0]] = self.open_value
        self.open = None

    def _change(self, what: str, value: Any) -> None:
        self.open = (what, value)

    @property
    def open_value(self) -> Any:
        assert self.open is not None
        return self.open[1]

    def check(self) -> None:
        kms = self.make("kms", **OPTIONS)
        for sealed, content in self.sealed:
            assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == content
        grants = {grant["GrantId"] for grant in kms.list_grants(KeyId=self.id, Limit=1000)["Grants"]}
        assert self.granted <= grants
        assert len(grants - self.granted) <= (self.open is not None and self.open[0] == "grant")
        found = {
            "alias": kms.describe_key(KeyId=self.alias)["KeyMetadata"]["KeyId"],
            "rotation": kms.get_key_rotation_status(KeyId=self.id)["KeyRotationEnabled"],
            "rotations": len(kms.list_key_rotations(KeyId=self.id)["Rotations"]),
            "other": kms.describe_key(KeyId=self.targets[1])["KeyMetadata"]["KeyState"],
        }
        for what, value in self.known.items():
            allowed = (value, self.open[1]) if self.open is not None and self.open[0] == what else (value,)
            assert found[what] in allowed, f"{self.name}: {what} is {found[what]}, none of {allowed}"


class Certificates(Writer):
    """Certificates of ACM, imported or requested for names of the region's own: which there are; their keys fit.

    What was requested is issued after the restart at the latest, once.
    """

    def prepare(self) -> None:
        self.acm = self.make("acm", **OPTIONS)
        self.pairs = [self_signed(f"{self.name}-{number}.example.com") for number in range(3)]
        self.imported: dict[str, bytes] = {}
        self.requested: set[str] = set()
        self.deleted: set[str] = set()
        self.open: tuple[str, Any] | None = None

    def step(self) -> None:
        fate = self.random.random()
        if fate < 0.3:
            arn = self.random.choice([None, *self.imported])
            certificate, key = self.random.choice(self.pairs)
            self.open = ("import", (arn, certificate))
            where = {} if arn is None else {"CertificateArn": arn}
            made = self.acm.import_certificate(Certificate=certificate, PrivateKey=key, **where)
            self.imported[made["CertificateArn"]] = certificate
        elif fate < 0.5 and len(self.requested) < 10:
            self.open = ("request", None)
            made = self.acm.request_certificate(
                DomainName=f"{self.name}-{self.done}.localhost.localstack.cloud",
                ValidationMethod="DNS",
                KeyAlgorithm="EC_prime256v1",
                Options={"Export": "ENABLED"},
            )
            self.requested.add(made["CertificateArn"])
        elif fate < 0.7 and (self.imported or self.requested):
            arn = self.random.choice(sorted({*self.imported, *self.requested}))
            self.open = ("delete", arn)
            self.acm.delete_certificate(CertificateArn=arn)
            self.imported.pop(arn, None)
            self.requested.discard(arn)
            self.deleted.add(arn)
        elif self.requested:
            # Exported, it may be renewed: another key under the same name.
            arn = self.random.choice(sorted(self.requested))
            if refusal(self.acm.export_certificate, CertificateArn=arn, Passphrase=b"word") is None:
                refusal(self.acm.renew_certificate, CertificateArn=arn)
        self.open = None

    def check(self) -> None:
        acm = self.make("acm", **OPTIONS)
        kind, value = self.open or ("", None)
        for arn, certificate in self.imported.items():
            if (kind, value) == ("delete", arn) and refusal(acm.get_certificate, CertificateArn=arn):
                continue
            allowed = {certificate, *([value[1]] if kind == "import" and value[0] == arn else [])}
            assert acm.get_certificate(CertificateArn=arn)["Certificate"].encode() in allowed
        for arn in self.requested:
            if (kind, value) != ("delete", arn) or refusal(acm.describe_certificate, CertificateArn=arn) is None:
                self._check_issued(acm, arn)
        for arn in self.deleted:
            assert refusal(acm.describe_certificate, CertificateArn=arn) == "ResourceNotFoundException"

    def _check_issued(self, acm: Any, arn: str) -> None:
        deadline = time.monotonic() + 60
        while (found := acm.describe_certificate(CertificateArn=arn)["Certificate"])["Status"] != "ISSUED":
            assert found["Status"] == "PENDING_VALIDATION"
            assert time.monotonic() < deadline
            time.sleep(0.1)
        made = acm.export_certificate(CertificateArn=arn, Passphrase=b"word")
        key = load_pem_private_key(made["PrivateKey"].encode(), b"word")
        assert key.public_key() == load_pem_x509_certificate(made["Certificate"].encode()).public_key()


KINDS: tuple[type[Writer], ...] = (
    Objects,
    Objects,
    Versions,
    Replicated,
    Uploads,
    Messages,
    Messages,
    Policies,
    Keys,
    Certificates,
)


def make_writers(live: LiveRegion, number: int) -> list[Writer]:
    """Return a writer of each kind, which all have what they write to."""

    def make(service: str, **options: Any) -> Any:
        return live.client(service, **options)

    writers = [kind(f"{kind.__name__.lower()}-{number}-{at}", make, number) for at, kind in enumerate(KINDS)]
    for writer in writers:
        writer.prepare()
    return writers


def write_until_killed(live: LiveRegion, writers: list[Writer], seconds: float) -> None:
    for writer in writers:
        writer.start()
    time.sleep(seconds)
    for writer in writers:
        writer.expected.set()
    live.kill()
    for writer in writers:
        writer.halt.set()
        writer.join(60)
        assert not writer.is_alive()


def listing(s3: Any, bucket: str) -> dict[str, Any]:
    """Return a bucket's objects by key, as the listing has them; small pages, so that their seams are tried as well."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 7})
    return {item["Key"]: item for page in pages for item in page.get("Contents", [])}


def refusal(call: Callable[..., Any], **parameters: Any) -> str | None:
    """Return the code of the error that a call raises, None where it succeeds."""
    try:
        call(**parameters)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None


def statement(number: int) -> str:
    effect = "Deny" if number % 2 else "Allow"
    allowed = {"Sid": f"Version{number}", "Effect": effect, "Action": "s3:*", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed]})


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
