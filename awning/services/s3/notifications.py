"""Notifications: what a bucket tells of its objects to queues and topics, and how that is configured.

What is told leaves in the transaction of what it tells of. Lambda functions and EventBridge wait for their rooms.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from awning.contracts import Deliver, MayPublish, MaySend, PublishToTopic, Sender, SendToQueue
from awning.kit.call import Call
from awning.kit.operation import ALL, Honours, Needs, operation
from awning.protocols.rest import s3_identity
from awning.services.s3 import bucket_tables, buckets, errors, event_records, names, receiving
from awning.services.s3.bucket_tables import Bucket
from awning.services.s3.conditions import of_request
from awning.services.s3.event_records import Cause, Place, Target

MOST_CONFIGURATIONS = 100
LONGEST_ID = 255
LONGEST_VALUE = 1024
SERVICE = "s3.amazonaws.com"
SUBJECT = "Amazon S3 Notification"
_ARN = re.compile(r"arn:(?P<partition>[^:]+):(?P<service>[^:]+):(?P<region>[^:]*):(?P<account>[^:]*):(?P<name>.+)")
_NAME: Final = {"sqs": re.compile(r"[\w-]{1,80}", re.ASCII), "sns": re.compile(r"[\w-]{1,256}", re.ASCII)}
_TRACE = re.compile(rb"[!-~]{1,1000}")
_OVERLAP = "Configurations overlap. Configurations on the same bucket cannot share a common event type."
_AMBIGUOUS = (
    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are "
    "overlapping for the same event type."
)
_MEMBERS: Final = (
    ("TopicConfigurations", "TopicArn", "Topic", "sns", "topic"),
    ("QueueConfigurations", "QueueArn", "Queue", "sqs", "queue"),
)
_ENTRY: Final[Mapping[str, Honours]] = {"Id": ALL, "Events": frozenset(event_records.MEANS), "Filter": ALL}

# Telling -------------------------------------------------------------------------------------------------------------


def notify(
    call: Call,
    bucket: Bucket,
    event: str,
    key: str,
    size: int | None = None,
    etag: str | None = None,
    version: str | None = None,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Tell an event of an object ("ObjectCreated:Put") to whom the bucket's configuration names, in this transaction.

    For buckets that have a `notification`. size, etag, more: only what S3 tells of such an event.
    """
    assert bucket.notification is not None
    listeners = call.memory.listeners(call.db, bucket, bucket.notification)
    wanting = event_records.wanting(listeners, event, key)
    if not wanting:
        return
    number = None
    if event_records.is_sequenced(event):
        number = bucket_tables.next_sequence(call.db, bucket.bucket, event_records.least_number(call.now))
    part = event_records.object_part(key, size, etag, version, number)
    place, cause = Place(bucket.name, listeners.owner, bucket.region), _cause(call)
    for target in wanting:
        text = event_records.message(event, target.id, place, cause, part, more)
        call.send(_letter(call, bucket, target, text))


def _cause(call: Call) -> Cause:
    """What an event comes of; where no client asked for it, S3 itself."""
    facts, principal = call.facts, call.principal
    own = principal.kind == "service"
    (_, request), (_, host) = s3_identity(call.random(8).hex().upper() if own else facts.request_id)
    return Cause(principal, principal.arn if own else facts.source_ip, call.now, request.decode(), host.decode())


def _letter(call: Call, bucket: Bucket, target: Target, text: str) -> Deliver:
    arn = names.bucket_arn(bucket.name)
    if target.topic:
        return PublishToTopic(
            target.arn,
            service=SERVICE,
            source_arn=arn,
            source_account=bucket.account,
            message=text,
            subject=SUBJECT,
        )
    trace = call.facts.headers.get(b"x-amzn-trace-id")
    return SendToQueue(
        target.arn,
        service=SERVICE,
        source_arn=arn,
        source_account=bucket.account,
        body=text,
        trace=trace.decode() if trace is not None and _TRACE.fullmatch(trace) else None,
    )


# Configuring ---------------------------------------------------------------------------------------------------------


@operation(
    Needs("s3:PutBucketNotification", names.of_bucket),
    honours={
        "notification_configuration": {
            "TopicConfigurations": {**_ENTRY, "TopicArn": ALL},
            "QueueConfigurations": {**_ENTRY, "QueueArn": ALL},
        }
    },
    anonymous=True,
    context=of_request,
)
def put_bucket_notification_configuration(
    call: Call,
    bucket: str,
    notification_configuration: dict[str, Any],
    expected_bucket_owner: str | None = None,
    skip_destination_validation: bool | None = None,
) -> None:
    """Replace whom a bucket notifies, all at once; each destination is asked whether it would listen, and told a test event.

    Raises InvalidArgument, naming what is wrong; nothing is changed then.
    """
    receiving.check_document(call, None)
    found = buckets.find(call, bucket, expected_bucket_owner)
    configuration = _checked(call, found, notification_configuration)
    targets = event_records.read_targets(configuration)
    _check_overlaps(targets)
    if not skip_destination_validation:
        _check_destinations(call, found, targets)
        for target in targets:
            call.send(_letter(call, found, target, event_records.test_message(bucket, _cause(call))))
    made = call.new_id() if targets else None
    bucket_tables.set_notification(call.db, found, made, orjson.dumps(configuration))
    call.after(call.memory.known.clear)


@operation(Needs("s3:GetBucketNotification", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_notification_configuration(
    call: Call, bucket: str, expected_bucket_owner: str | None = None
) -> dict[str, Any]:
    """Return the configuration as it was put, with an id for each that was put without one; none at all is empty."""
    stored = bucket_tables.notification_in(call.db, buckets.find(call, bucket, expected_bucket_owner).bucket)
    configuration: dict[str, Any] = orjson.loads(stored) if stored else {}
    return configuration


def _checked(call: Call, bucket: Bucket, given: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration as it is kept, if its form is right. Raises MalformedXML, InvalidArgument, InvalidRequest."""
    kept: dict[str, list[dict[str, Any]]] = {}
    seen: set[str] = set()
    if sum(len(given.get(member) or ()) for member, *_ in _MEMBERS) > MOST_CONFIGURATIONS:
        raise errors.InvalidRequest(
            f"Too many configurations submitted. The maximum number of configurations is {MOST_CONFIGURATIONS}"
        )
    for member, name, wire, service, _ in _MEMBERS:
        for entry in given.get(member) or ():
            if not entry.get(name) or not entry.get("Events"):
                raise errors.MalformedXML
            id_ = entry.get("Id") or b64encode(call.new_id().encode()).decode()
            if len(id_) > LONGEST_ID:
                raise errors.InvalidArgument(f"ID length exceeded allowed limit of {LONGEST_ID}", "Id", id_)
            if id_ in seen:
                raise errors.InvalidArgument("Same ID used for multiple configurations. IDs must be unique.", "Id", id_)
            seen.add(id_)
            _check_arn(entry[name], wire, service, bucket.region)
            _check_events(entry["Events"])
            made = {"Id": id_, name: entry[name], "Events": entry["Events"]}
            if entry.get("Filter") is not None:
                made["Filter"] = {"Key": {"FilterRules": list(_rules(entry))}}
            kept.setdefault(member, []).append(made)
    return kept


def _check_arn(arn: str, wire: str, service: str, region: str) -> None:
    parts = _ARN.fullmatch(arn)
    if parts is None:
        raise errors.InvalidArgument("The ARN could not be parsed", wire, arn)
    right = parts["partition"] == "aws" and parts["service"] == service and re.fullmatch(r"\d{12}", parts["account"])
    if right and parts["name"].endswith(".fifo"):
        noun = "SQS queues" if service == "sqs" else "SNS topics"
        raise errors.InvalidArgument(f"FIFO {noun} are not supported.", wire, arn)
    if not right or not _NAME[service].fullmatch(parts["name"]):
        raise errors.InvalidArgument("The ARN is not well formed", wire, arn)
    if parts["region"] != region:
        raise errors.InvalidArgument(
            "The notification destination service region is not valid for the bucket location constraint", wire, arn
        )


def _check_events(events: list[str]) -> None:
    """Each must be known; what is known and cannot come about here has been refused by name before."""
    meant: set[str] = set()
    for event in events:
        means = event_records.MEANS.get(event)
        if means is None:
            raise errors.InvalidArgument("The event is not supported for notifications", "Event", event)
        if means & meant:
            raise errors.InvalidArgument(_OVERLAP, "Event", ", ".join(events))
        meant |= means


def _rules(entry: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Yield a filter's rules as S3 shows them: Prefix or Suffix, however that was written, each at most once."""
    seen: set[str] = set()
    for rule in event_records.rules_of(entry):
        if "Name" not in rule or "Value" not in rule:
            raise errors.MalformedXML
        name, value = rule["Name"], rule["Value"]
        shown = name.capitalize()
        if shown not in ("Prefix", "Suffix"):
            raise errors.InvalidArgument("filter rule name must be either prefix or suffix", "FilterRule.Name", name)
        if shown in seen:
            raise errors.InvalidArgument(
                f"Cannot specify more than one {shown.lower()} rule in a filter.", "FilterRule.Name", name
            )
        if len(value.encode("utf-8", "surrogateescape")) > LONGEST_VALUE:
            raise errors.InvalidArgument(
                f"Size of filter rule value cannot exceed {LONGEST_VALUE} bytes in UTF-8 representation",
                "FilterRule.Value",
                value,
            )
        seen.add(shown)
        yield {"Name": shown, "Value": value}


def _check_overlaps(targets: list[Target]) -> None:
    """One event of one object is told once only. Raises InvalidArgument."""
    pair = event_records.overlapping(targets)
    if pair is not None:
        one, other = pair
        means = event_records.MEANS
        shared = next((a, b) for a in one.named for b in other.named if means[a] & means[b])
        filtered = one.prefix or one.suffix or other.prefix or other.suffix
        raise errors.InvalidArgument(_AMBIGUOUS if filtered else _OVERLAP, "Event", ", ".join(shared))


def _check_destinations(call: Call, bucket: Bucket, targets: list[Target]) -> None:
    """Each destination must be there, and its policy let S3 write to it for this bucket. Raises InvalidDestinations."""
    sender = Sender(SERVICE, names.bucket_arn(bucket.name), bucket.account)
    refused: dict[str, str] = {}
    for target in targets:
        noun = "topic" if target.topic else "queue"
        try:
            may = call.ask(MayPublish(target.arn, sender) if target.topic else MaySend(target.arn, sender))
        except LookupError as error:
            raise errors.NotImplementedHere(
                f"A notification to a {noun}: this region runs without its service."
            ) from error
        if may is None:
            refused[target.arn] = f"The destination {noun} does not exist"
        elif not may:
            refused[target.arn] = (
                f"Permissions on the destination {noun} do not allow S3 to publish notifications from this bucket"
            )
    if refused:
        raise errors.InvalidDestinations(refused.items())
