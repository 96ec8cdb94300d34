"""Lifecycle configurations, and what replies say of them: when an object expires, when an upload is given up.

What is due is carried out by lifecycle_work.py.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.s3 import (
    buckets,
    errors,
    lifecycle_checks,
    lifecycle_rules,
    lifecycle_tables,
    mfa_delete,
    names,
    receiving,
    settings,
)
from awning.services.s3.bucket_tables import Bucket
from awning.services.s3.conditions import of_request
from awning.services.s3.lifecycle_rules import Lifecycle

NAME: Final = "lifecycle"


def of(call: Call, bucket: Bucket) -> Lifecycle | None:
    """Return a bucket's lifecycle as it is used; None where it has none."""
    return settings.compiled(call, bucket, NAME, lifecycle_rules.compile_lifecycle)


def expiration(call: Call, bucket: Bucket, key: bytes, size: int, written: int, tags: bytes | None) -> dict[str, Any]:
    """Return what a reply about a current version adds: when it expires, and by which rule."""
    if bucket.settings is None:
        return {}
    lifecycle = of(call, bucket)
    if lifecycle is None:
        return {}
    found = lifecycle_rules.expiration(lifecycle, key, size, written, tags_of(tags))
    return {} if found is None else {"Expiration": lifecycle_rules.header(found)}


def abortion(call: Call, bucket: Bucket, key: bytes, initiated: int) -> dict[str, Any]:
    """Return what a reply about an upload adds: when it is given up, and by which rule."""
    if bucket.settings is None:
        return {}
    lifecycle = of(call, bucket)
    found = None if lifecycle is None else lifecycle_rules.abortion(lifecycle, key, initiated)
    return {} if found is None else {"AbortDate": found[0], "AbortRuleId": lifecycle_rules.id_in_header(found[1])}


def tags_of(stored: bytes | None) -> lifecycle_rules.Tags:
    """Return an object's tags as rules compare them."""
    return frozenset((key, value) for key, value in orjson.loads(stored)) if stored else lifecycle_rules.NO_TAGS


@operation(
    Needs("s3:PutLifecycleConfiguration", names.of_bucket),
    honours={
        "lifecycle_configuration": ALL,
        "checksum_algorithm": ALL,
        "transition_default_minimum_object_size": ALL,
    },
    anonymous=True,
    context=of_request,
)
def put_bucket_lifecycle_configuration(
    call: Call,
    bucket: str,
    lifecycle_configuration: dict[str, Any] | None = None,
    checksum_algorithm: str | None = None,
    expected_bucket_owner: str | None = None,
    transition_default_minimum_object_size: str | None = None,
) -> dict[str, Any]:
    """Replace a bucket's lifecycle rules; they hold for what it has and for what comes.

    Raises MalformedXML, InvalidArgument, InvalidRequest, InvalidBucketState; nothing is changed then.
    """
    receiving.check_document(call, checksum_algorithm)
    found = buckets.find(call, bucket, expected_bucket_owner)
    mfa_delete.check_lifecycle(call, found)
    least = lifecycle_checks.minimum_size(transition_default_minimum_object_size)
    rules = lifecycle_checks.checked(lifecycle_configuration, call.new_id)
    settings.put(call, found, NAME, {"Rules": rules, "TransitionDefaultMinimumObjectSize": least})
    lifecycle_tables.begin_walk(call.db, found.bucket, int(call.now))
    return {"TransitionDefaultMinimumObjectSize": least}


@operation(Needs("s3:GetLifecycleConfiguration", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_lifecycle_configuration(
    call: Call, bucket: str, expected_bucket_owner: str | None = None
) -> dict[str, Any]:
    """Return a bucket's lifecycle rules as they were put, each with an id. Raises NoSuchLifecycleConfiguration."""
    found = settings.of(call, buckets.find(call, bucket, expected_bucket_owner)).get(NAME)
    if found is None:
        raise errors.NoSuchLifecycleConfiguration("The lifecycle configuration does not exist", BucketName=bucket)
    result: dict[str, Any] = found
    return result


@operation(Needs("s3:PutLifecycleConfiguration", names.of_bucket), anonymous=True, context=of_request)
def delete_bucket_lifecycle(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> None:
    """Take all of a bucket's lifecycle rules away; there may be none."""
    found = buckets.find(call, bucket, expected_bucket_owner)
    settings.put(call, found, NAME, None)
    lifecycle_tables.end_walks(call.db, found.bucket)
