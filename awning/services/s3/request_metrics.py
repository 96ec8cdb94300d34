"""Request metrics: which requests of a bucket are counted, and the counts.

They are shown on /metrics, by bucket and filter, until there is a room for CloudWatch. Counting begins anew with each start.
Source: S3 user guide, "Monitoring metrics with Amazon CloudWatch", "Creating a metrics configuration that filters by prefix…".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

import orjson

from awning.kit.call import Call
from awning.kit.operation import ALL, Honours, Needs, operation
from awning.kit.watching import Seen
from awning.services.s3 import buckets, errors, names, point_tables, settings, tables
from awning.services.s3.bucket_tables import Bucket
from awning.services.s3.conditions import of_request
from awning.services.s3.counting import Meter

MOST: Final = 1000
PAGE: Final = 100
LONGEST_ID: Final = 64
_HONOURS: Final[Honours] = {
    "Id": ALL,
    "Filter": {
        "Prefix": ALL,
        "Tag": ALL,
        "AccessPointArn": ALL,
        "And": {"Prefix": ALL, "Tags": ALL, "AccessPointArn": ALL},
    },
}
_LISTS: Final = frozenset({"ListObjects", "ListObjectsV2", "ListObjectVersions", "ListMultipartUploads", "ListParts"})
_KINDS: Final = {
    "GET": "GetRequests",
    "PUT": "PutRequests",
    "HEAD": "HeadRequests",
    "POST": "PostRequests",
    "DELETE": "DeleteRequests",
}

# Counting ------------------------------------------------------------------------------------------------------------


def note(call: Call, seen: Seen, bucket: Bucket, key: str | None) -> None:
    """Count a request for each configuration whose filter it passes. Not in a batch."""
    configurations = settings.of(call, bucket).get("metrics")
    if not configurations:
        return
    kind = "ListRequests" if seen.operation in _LISTS else _KINDS.get(seen.request.method, "AllRequests")
    found: dict[str, str] | None = None
    for id_, configuration in configurations.items():
        prefix, tags, point = _asked(configuration.get("Filter"))
        if point and point != seen.through:
            continue
        if (prefix or tags) and (key is None or not key.startswith(prefix)):
            continue
        if tags:
            found = _tags(call, bucket, key or "") if found is None else found
            if any(found.get(name) != value for name, value in tags.items()):
                continue
        meter = call.memory.meters.setdefault((bucket.name, id_), Meter())
        meter.add(kind, seen.status, seen.received, seen.sent, seen.first * 1000, seen.whole * 1000)


def _asked(given: Mapping[str, Any] | None) -> tuple[str, dict[str, str], str | None]:
    """Return the prefix, the tags and the access point that a filter asks for."""
    both = (given or {}).get("And") or given or {}
    tags = both.get("Tags") or ([both["Tag"]] if both.get("Tag") else [])
    return both.get("Prefix") or "", {tag["Key"]: tag["Value"] for tag in tags}, both.get("AccessPointArn")


def _tags(call: Call, bucket: Bucket, key: str) -> dict[str, str]:
    stored = tables.find_object(call.db, bucket.bucket, key.encode("utf-8", "surrogateescape"))
    return dict(orjson.loads(stored.tags)) if stored is not None and stored.tags else {}


def gauges(call: Call) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What was counted, for Service.gauges."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for (bucket, id_), meter in call.memory.meters.items():
        for metric, value in meter.values.items():
            found["s3_request_metrics", (("bucket", bucket), ("filter", id_), ("metric", metric))] = value
    return found


# Configuring ---------------------------------------------------------------------------------------------------------


@operation(
    Needs("s3:PutMetricsConfiguration", names.of_bucket),
    honours={"metrics_configuration": _HONOURS},
    anonymous=True,
    context=of_request,
)
def put_bucket_metrics_configuration(
    call: Call, bucket: str, id: str, metrics_configuration: dict[str, Any], expected_bucket_owner: str | None = None
) -> None:
    """Count requests that pass a filter, or all. Raises MalformedXML, InvalidArgument, TooManyConfigurations."""
    found = buckets.find(call, bucket, expected_bucket_owner)
    if not id or len(id) > LONGEST_ID or metrics_configuration.get("Id") != id:
        raise errors.InvalidArgument("The ID in the configuration must match the ID in the request.", "id", id)
    wanted = metrics_configuration.get("Filter")
    if wanted is not None and len(wanted) != 1:
        raise errors.MalformedXML
    both = (wanted or {}).get("And")
    if both is not None and len(both.get("Tags") or ()) + ("Prefix" in both) + ("AccessPointArn" in both) < 2:
        raise errors.MalformedXML
    _, tags, point = _asked(wanted)
    if point is not None:
        _check_point(call, found, point)
    names.check_tags([{"Key": key, "Value": value} for key, value in tags.items()], 10)
    configurations = dict(settings.of(call, found).get("metrics") or {})
    if id not in configurations and len(configurations) >= MOST:
        raise errors.TooManyConfigurations
    configurations[id] = metrics_configuration
    settings.put(call, found, "metrics", configurations)
    call.after(call.room.watch_as_wanted)


@operation(Needs("s3:GetMetricsConfiguration", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_metrics_configuration(
    call: Call, bucket: str, id: str, expected_bucket_owner: str | None = None
) -> dict[str, Any]:
    """Return a configuration as it was put. Raises NoSuchConfiguration."""
    return {"MetricsConfiguration": _existing(call, buckets.find(call, bucket, expected_bucket_owner), id)[id]}


@operation(Needs("s3:GetMetricsConfiguration", names.of_bucket), reads=True, anonymous=True, context=of_request)
def list_bucket_metrics_configurations(
    call: Call, bucket: str, continuation_token: str | None = None, expected_bucket_owner: str | None = None
) -> dict[str, Any]:
    """List a bucket's configurations by their ids, 100 at a time."""
    found = settings.of(call, buckets.find(call, bucket, expected_bucket_owner)).get("metrics") or {}
    after = _after(continuation_token) if continuation_token else ""
    rest = [id_ for id_ in sorted(found) if id_ > after]
    result: dict[str, Any] = {
        "IsTruncated": len(rest) > PAGE,
        "MetricsConfigurationList": [found[id_] for id_ in rest[:PAGE]],
    }
    if continuation_token:
        result["ContinuationToken"] = continuation_token
    if len(rest) > PAGE:
        result["NextContinuationToken"] = base64.urlsafe_b64encode(b"m1" + rest[PAGE - 1].encode()).decode()
    return result


@operation(Needs("s3:PutMetricsConfiguration", names.of_bucket), anonymous=True, context=of_request)
def delete_bucket_metrics_configuration(
    call: Call, bucket: str, id: str, expected_bucket_owner: str | None = None
) -> None:
    """Count no more for a configuration; what was counted is gone. Raises NoSuchConfiguration."""
    found = buckets.find(call, bucket, expected_bucket_owner)
    left = dict(_existing(call, found, id))
    del left[id]
    settings.put(call, found, "metrics", left or None)
    call.after(call.room.watch_as_wanted)
    call.after(lambda: call.memory.meters.pop((bucket, id), None))


def _check_point(call: Call, bucket: Bucket, arn: str) -> None:
    """Raises InvalidArgument for the ARN of what is no access point of the bucket."""
    found = point_tables.point_named(call.db, arn)
    if found is None or found.bucket != bucket.bucket:
        raise errors.InvalidArgument("Invalid Access Point ARN", "AccessPointArn", arn)


def _existing(call: Call, bucket: Bucket, id_: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = settings.of(call, bucket).get("metrics") or {}
    if id_ not in found:
        raise errors.NoSuchConfiguration
    return found


def _after(token: str) -> str:
    try:
        raw = base64.urlsafe_b64decode(token)
    except (binascii.Error, ValueError):
        raw = b""
    if not raw.startswith(b"m1"):
        raise errors.InvalidArgument("The continuation token provided is incorrect", "continuation-token", token)
    return raw[2:].decode("utf-8", "replace")
