"""Event notifications: whom an event is told to, and in what words. Pure: no clock, no database.

Source: S3 user guide, "Event notification types and destinations", "Configuring event notifications using object key name
filtering", "Event message structure".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import combinations
from typing import Any, Final, NamedTuple
from urllib.parse import quote_plus, unquote_plus

import orjson

from awning.auth.members import canonical_user
from awning.auth.principal import Principal

_FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "ObjectCreated": ("Put", "Post", "Copy", "CompleteMultipartUpload"),
    "ObjectRemoved": ("Delete", "DeleteMarkerCreated"),
    "ObjectTagging": ("Put", "Delete"),
    "ObjectRestore": ("Post", "Completed", "Delete"),
    "LifecycleExpiration": ("Delete", "DeleteMarkerCreated"),
    "Replication": (
        "OperationFailedReplication",
        "OperationMissedThreshold",
        "OperationReplicatedAfterThreshold",
        "OperationNotTracked",
    ),
}
_SINGLE: Final = ("LifecycleTransition", "ObjectAcl:Put", "ReducedRedundancyLostObject")

MEANS: Final[Mapping[str, frozenset[str]]] = {
    **{f"s3:{family}:*": frozenset(f"{family}:{kind}" for kind in kinds) for family, kinds in _FAMILIES.items()},
    **{f"s3:{family}:{kind}": frozenset({f"{family}:{kind}"}) for family, kinds in _FAMILIES.items() for kind in kinds},
    **{f"s3:{event}": frozenset({event}) for event in _SINGLE},
}
"""What a configuration may name, and the events that it means: all that can come about here. Lost objects never do, nor is a
replication ever not tracked."""

_SEQUENCED: Final = ("ObjectCreated", "ObjectRemoved", "LifecycleExpiration")
_VERSIONS: Final = {"ObjectCreated": "2.1", "ObjectRemoved": "2.1", "Replication": "2.2"}
NOTHING_MD5: Final = "d41d8cd98f00b204e9800998ecf8427e"
"""What events call a delete marker's ETag."""
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Target(NamedTuple):
    """One configuration: what is told to whom. `named` as the client wrote it, `events` what that means, without "s3:"."""

    id: str
    arn: str
    topic: bool
    named: tuple[str, ...]
    events: frozenset[str]
    prefix: str
    suffix: str


class Listeners(NamedTuple):
    """A bucket's configuration as it is used. `targets`: by event, who wants to hear of it. `owner`: the owner's customer id."""

    owner: str
    targets: Mapping[str, tuple[Target, ...]]


class Cause(NamedTuple):
    """The request that an event comes of: who sent it from where, when (seconds since the epoch), and its two ids."""

    principal: Principal
    address: str
    now: float
    request_id: str
    host_id: str


class Place(NamedTuple):
    """The bucket that it happened in, and its owner's customer id."""

    name: str
    owner: str
    region: str


# Configurations ------------------------------------------------------------------------------------------------------


def read_targets(configuration: Mapping[str, Any]) -> list[Target]:
    """Return the targets of a configuration that was found right (as the model has it)."""
    found = []
    for member, name, topic in (("TopicConfigurations", "TopicArn", True), ("QueueConfigurations", "QueueArn", False)):
        for entry in configuration.get(member) or ():
            rules = {rule["Name"].lower(): unquote_plus(rule["Value"]) for rule in rules_of(entry)}
            events = frozenset(one for event in entry["Events"] for one in MEANS[event])
            found.append(
                Target(
                    entry["Id"],
                    entry[name],
                    topic,
                    tuple(entry["Events"]),
                    events,
                    rules.get("prefix", ""),
                    rules.get("suffix", ""),
                )
            )
    return found


def rules_of(entry: Mapping[str, Any]) -> list[dict[str, str]]:
    """The filter rules of one configuration."""
    key: Mapping[str, Any] = (entry.get("Filter") or {}).get("Key") or {}
    return key.get("FilterRules") or []


def compile_listeners(configuration: Mapping[str, Any], account: str) -> Listeners:
    """Sort a configuration's targets by the events that they want; the bucket is this account's."""
    found: dict[str, tuple[Target, ...]] = {}
    for target in read_targets(configuration):
        for event in target.events:
            found[event] = (*found.get(event, ()), target)
    return Listeners(customer_id(account), found)


def overlapping(targets: Iterable[Target]) -> tuple[Target, Target] | None:
    """Return two targets that one event of one object would be told to both, if there are such."""
    for one, other in combinations(targets, 2):
        if (
            one.events & other.events
            and (one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix))
            and (one.suffix.endswith(other.suffix) or other.suffix.endswith(one.suffix))
        ):
            return one, other
    return None


def wanting(listeners: Listeners, event: str, key: str) -> list[Target]:
    """Return who wants to hear of this event of this object."""
    return [
        target
        for target in listeners.targets.get(event, ())
        if key.startswith(target.prefix) and key.endswith(target.suffix)
    ]


# What is told --------------------------------------------------------------------------------------------------------


def is_sequenced(event: str) -> bool:
    """Whether events of this kind tell their order: those by which an object comes or goes."""
    return event.startswith(_SEQUENCED)


def sequencer(number: int) -> str:
    """Write an event's number in its bucket as hexadecimal digits, always as many."""
    return f"{number:018X}"


def least_number(now: float) -> int:
    """The least number for an event at this time: 2^30 of them a second, so that restored buckets go on higher."""
    return int(now * (1 << 30))


def object_part(
    key: str, size: int | None, etag: str | None, version: str | None, number: int | None
) -> dict[str, Any]:
    """Return a record's `object`: its key URL-encoded as in forms, but for slashes; what is None is left out."""
    part: dict[str, Any] = {"key": quote_plus(key, safe="/", errors="surrogateescape")}
    if size is not None:
        part["size"] = size
    if etag is not None:
        part["eTag"] = etag.strip('"')
    if version is not None:
        part["versionId"] = version
    if number is not None:
        part["sequencer"] = sequencer(number)
    return part


def message(
    event: str, target: str, place: Place, cause: Cause, part: Mapping[str, Any], more: Mapping[str, Any] | None = None
) -> str:
    """Return the message that tells one event, in the documented order of members. `target`: the configuration's id; `more`:
    what its record has besides."""
    record = {
        "eventVersion": _VERSIONS.get(event.partition(":")[0], "2.3"),
        "eventSource": "aws:s3",
        "awsRegion": place.region,
        "eventTime": when(cause.now),
        "eventName": event,
        "userIdentity": {"principalId": principal_id(cause.principal)},
        "requestParameters": {"sourceIPAddress": cause.address},
        "responseElements": {"x-amz-request-id": cause.request_id, "x-amz-id-2": cause.host_id},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": target,
            "bucket": {
                "name": place.name,
                "ownerIdentity": {"principalId": place.owner},
                "arn": f"arn:aws:s3:::{place.name}",
            },
            "object": part,
        },
        **(more or {}),
    }
    return orjson.dumps({"Records": [record]}).decode()


def test_message(bucket: str, cause: Cause) -> str:
    """Return the message by which a destination is tried."""
    told = {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": when(cause.now),
        "Bucket": bucket,
        "RequestId": cause.request_id,
        "HostId": cause.host_id,
    }
    return orjson.dumps(told).decode()


def when(now: float) -> str:
    """Write a time as events do: 1970-01-01T00:00:00.000Z."""
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")[:23] + "Z"


def principal_id(principal: Principal) -> str:
    """Who caused an event, as records call them: AWS:AIDA… for a user, AWS:AROA…:session for a role's session; S3 by its name."""
    if principal.kind == "service":
        return principal.arn
    return "Anonymous" if principal.kind == "anonymous" else f"AWS:{principal.user_id}"


def customer_id(account: str) -> str:
    """The customer id of a bucket's owner: 14 letters and digits, always the same for one account."""
    number = int(canonical_user(account)[:18], 16)
    made = ""
    for _ in range(13):
        number, digit = divmod(number, 36)
        made += _DIGITS[digit]
    return f"A{made}"
