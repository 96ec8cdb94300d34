"""Access logs: which bucket's requests are written down where, and how the records get there.

Records are gathered in memory for a few seconds, then leave by the outbox, and become objects by the ordinary PutObject: a kill
loses the last few seconds, a stop in good order nothing. AWS promises less (user guide, "Best-effort server log delivery").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from awning.auth.acl import Listed
from awning.auth.principal import Principal
from awning.contracts import DeliverLog, Sender
from awning.kit.call import Call
from awning.kit.deliveries import Undeliverable
from awning.kit.operation import ALL, Needs, operation
from awning.kit.senders import decide_for
from awning.kit.watching import Seen
from awning.services.s3 import (
    bucket_tables,
    buckets,
    errors,
    lists,
    log_records,
    names,
    objects,
    owners,
    receiving,
    settings,
)
from awning.services.s3.bucket_tables import Bucket
from awning.services.s3.conditions import of_request
from awning.services.s3.policies import guard

SERVICE: Final = "logging.s3.amazonaws.com"
STEP: Final = 8
"""Objects' worth of records that leave at once."""


def note(call: Call, seen: Seen, bucket: Bucket, key: str | None) -> None:
    """Write a request down, if its bucket's log is on. Not in a batch."""
    if settings.of(call, bucket).get("logging") is not None:
        line = log_records.write(seen, bucket.name, key, bucket.account, bucket.region)
        call.memory.gathered.add(bucket.name, seen.at, line)


def send_due(call: Call) -> bool:
    """Let some records leave that have waited long enough, or are many."""
    if call.memory.gathered.due(call.now):
        _send(call)
    found: bool = call.memory.gathered.due(call.now)
    return found


def send_all(call: Call) -> None:
    """For Service.leave: let all records leave; the next start makes objects of them."""
    while call.memory.gathered.lines:
        _send(call)


def _send(call: Call) -> None:
    """Let some records leave, in this transaction. Should it fail they are lost, as a record is no promise."""
    for name, day, text in call.memory.gathered.take(STEP):
        bucket = bucket_tables.find_bucket(call.db, name)
        logging = settings.of(call, bucket).get("logging") if bucket is not None else None
        if bucket is None or logging is None:
            continue
        source = {"account": bucket.account, "region": bucket.region, "bucket": name}
        key = log_records.object_key(logging, source, day, call.now, call.random(8).hex().upper())
        target = names.bucket_arn(logging["TargetBucket"])
        grants = tuple(_grants(logging))
        call.send(DeliverLog(target, source=name, account=bucket.account, key=key, text=text, grants=grants))


async def deliver(call: Call, log: DeliverLog) -> None:
    """For Service.carries: make records an object. Raises Undeliverable where the target does not let S3's log delivery write."""
    name = names.bucket_of_arn(log.arn)
    bucket = bucket_tables.find_bucket(call.db, name)
    if bucket is None or bucket.account != log.account:  # another account's may stand under its name by now
        raise Undeliverable(f"There is no bucket {name} for the access log of {log.source}.")
    if not _may_write(call, bucket, log):
        raise Undeliverable(f"The bucket {name} does not let {SERVICE} write the access log of {log.source}.")
    call.account, call.region = bucket.account, bucket.region
    call.principal = Principal("service", "", SERVICE, SERVICE, SERVICE, SERVICE)
    call.body = _Text(log.text.encode("utf-8", "surrogateescape"))
    asked: dict[str, Any] = {"content_type": "text/plain"}
    for member, permission in (
        ("grant_read", "READ"),
        ("grant_read_acp", "READ_ACP"),
        ("grant_full_control", lists.FULL),
    ):
        given = ", ".join(grantee for grantee, wanted in log.grants if wanted == permission)
        if given and owners.mode(call, bucket) != owners.ENFORCED:
            asked[member] = given
    try:
        await objects.put_object(call, name, log.key, **asked)
    except errors.ServiceError as error:
        raise Undeliverable(f"The access log of {log.source} was refused by {name}: {error.code}.") from error


class _Text:
    """A body that is here already (see awning.kit.call.Body)."""

    def __init__(self, whole: bytes) -> None:
        self.whole: bytes | None = whole
        self.length: int | None = len(whole)
        self.trailers: dict[str, str] = {}

    async def blocks(self) -> Any:
        yield self.whole


def _may_write(call: Call, bucket: Bucket, log: DeliverLog) -> bool:
    """Whether the target's list or policy lets S3's log delivery write there, and nothing denies it."""
    says = guard(call, log.arn)
    if says is None:
        return False
    listed = None
    if says.acls is not None:
        listed = Listed(bucket.account, lists.compiled(owners.grants_of_bucket(call, bucket), "bucket", False))
    sender = Sender(SERVICE, names.bucket_arn(log.source), log.account)
    arn = names.object_arn(bucket.name, log.key)
    return decide_for(sender, "s3:PutObject", arn, says, call.now, listed=listed).allowed


def _grants(logging: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield a configuration's grants as x-amz-grant-* headers name grantees."""
    for grant in logging.get("TargetGrants") or ():
        grantee = grant.get("Grantee") or {}
        name = next((f'{wire}="{grantee[member]}"' for wire, member in _GRANTEES if grantee.get(member)), None)
        if name is not None:
            yield name, grant.get("Permission", "")


_GRANTEES: Final = (("id", "ID"), ("uri", "URI"), ("emailAddress", "EmailAddress"))


# Configuring ---------------------------------------------------------------------------------------------------------


@operation(
    Needs("s3:PutBucketLogging", names.of_bucket),
    honours={"bucket_logging_status": ALL, "checksum_algorithm": ALL},
    anonymous=True,
    context=of_request,
)
def put_bucket_logging(
    call: Call,
    bucket: str,
    bucket_logging_status: dict[str, Any],
    content_md5: str | None = None,
    checksum_algorithm: str | None = None,
    expected_bucket_owner: str | None = None,
) -> None:
    """Write a bucket's requests down in another bucket, or, without LoggingEnabled, no more.

    As on AWS it is not asked whether the target lets log delivery write: that may be said later. Raises MalformedXML,
    InvalidTargetBucketForLogging, CrossLocationLoggingProhibitted (so spelt).
    """
    receiving.check_document(call, checksum_algorithm)
    found = buckets.find(call, bucket, expected_bucket_owner)
    wanted: dict[str, Any] | None = bucket_logging_status.get("LoggingEnabled")
    if wanted is not None:
        wanted = {"TargetPrefix": "", **wanted}
        _check(call, found, wanted)
    settings.put(call, found, "logging", wanted)
    call.after(call.room.watch_as_wanted)


def _check(call: Call, source: Bucket, wanted: Mapping[str, Any]) -> None:
    name = wanted.get("TargetBucket")
    if not name:
        raise errors.MalformedXML
    target = bucket_tables.find_bucket(call.db, name)
    if target is None:
        raise errors.InvalidTargetBucketForLogging("The target bucket for logging does not exist", name)
    if target.account != source.account:
        raise errors.InvalidTargetBucketForLogging(
            "The owner for the bucket to be logged and the target bucket must be the same.", name
        )
    if target.region != source.region:
        places = {"TargetBucketLocation": target.region}
        if source.region != "us-east-1":
            places = {"SourceBucketLocation": source.region, **places}
        raise errors.CrossLocationLoggingProhibitted("Cross S3 location logging not allowed. ", **places)
    key_format = wanted.get("TargetObjectKeyFormat")
    if key_format is not None and len(key_format) != 1:
        raise errors.MalformedXML
    if wanted.get("TargetGrants") and owners.mode(call, target) == owners.ENFORCED:
        raise errors.InvalidArgument(
            "Bucket with bucket owner enforced object ownership cannot have target grants", "TargetGrants", name
        )


@operation(Needs("s3:GetBucketLogging", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_logging(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> dict[str, Any]:
    """Return where a bucket's requests are written down; nothing where they aren't."""
    found = settings.of(call, buckets.find(call, bucket, expected_bucket_owner)).get("logging")
    return {} if found is None else {"LoggingEnabled": found}
