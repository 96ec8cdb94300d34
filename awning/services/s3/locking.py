"""Object lock's operations: the bucket's configuration, and the retention and the legal hold of a version.

What a lock means is decided in locks.py.
"""

from __future__ import annotations

from typing import Any, Final

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.s3 import (
    buckets,
    conditions,
    errors,
    history,
    locks,
    names,
    objects,
    receiving,
    replication,
    settings,
    tables,
)
from awning.services.s3.bucket_tables import Bucket
from awning.services.s3.conditions import of_lock, of_request
from awning.services.s3.locks import Lock, Retention
from awning.services.s3.tables import Object

LONGEST: Final = {"Days": 36_500, "Years": 100}


@operation(
    Needs("s3:PutBucketObjectLockConfiguration", names.of_bucket),
    honours={
        "object_lock_configuration": {
            "ObjectLockEnabled": ALL,
            "Rule": {"DefaultRetention": {"Mode": ALL, "Days": ALL, "Years": ALL}},
        },
        "checksum_algorithm": ALL,
    },
    anonymous=True,
    context=of_request,
)
def put_object_lock_configuration(
    call: Call,
    bucket: str,
    object_lock_configuration: dict[str, Any] | None = None,
    content_md5: str | None = None,
    checksum_algorithm: str | None = None,
    expected_bucket_owner: str | None = None,
) -> dict[str, Any]:
    """Let versions be locked, and say how long new ones are retained. Once a bucket has object lock it keeps it."""
    receiving.check_document(call, checksum_algorithm)
    found = buckets.find(call, bucket, expected_bucket_owner)
    configuration = object_lock_configuration or {}
    if configuration.get("ObjectLockEnabled") != "Enabled":
        raise errors.MalformedXML
    rule = _rule(configuration["Rule"]) if "Rule" in configuration else {}
    if found.versioning != history.ENABLED:
        raise errors.InvalidBucketState(
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration"
        )
    settings.put(call, found, locks.SETTING, rule)
    return {}


def _rule(rule: dict[str, Any] | None) -> dict[str, Any]:
    """Return the default retention of a rule. Raises MalformedXML, InvalidArgument."""
    kept: dict[str, Any] = (rule or {}).get("DefaultRetention") or {}
    periods = [name for name in LONGEST if name in kept]
    if kept.get("Mode") not in (locks.GOVERNANCE, locks.COMPLIANCE) or len(periods) != 1:
        raise errors.MalformedXML
    (name,) = periods
    if kept[name] <= 0:
        raise errors.InvalidArgument("Default retention period must be a positive integer value.", name)
    if kept[name] > LONGEST[name]:
        raise errors.InvalidArgument("Default retention period too large.", name)
    return {"Mode": kept["Mode"], name: kept[name]}


@operation(
    Needs("s3:GetBucketObjectLockConfiguration", names.of_bucket), reads=True, anonymous=True, context=of_request
)
def get_object_lock_configuration(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> dict[str, Any]:
    """Return whether versions may be locked, and for how long new ones are. Raises ObjectLockConfigurationNotFoundError."""
    found = buckets.find(call, bucket, expected_bucket_owner)
    rule = settings.of(call, found).get(locks.SETTING)
    if rule is None:
        raise errors.ObjectLockConfigurationNotFoundError(bucket)
    shown = {"Rule": {"DefaultRetention": rule}} if rule else {}
    return {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", **shown}}


def _locked(call: Call, bucket: str, owner: str | None, key: str, version: str | None) -> tuple[Bucket, Object, Lock]:
    """Return a bucket, a version of it, and that one's lock. Raises InvalidRequest where its bucket has no object lock."""
    found = buckets.find(call, bucket, owner)
    if locks.of_bucket(call, found) is None:
        raise errors.InvalidRequest("Bucket is missing Object Lock Configuration")
    _, stored = objects.unhidden(call, bucket, owner, key, version)
    return found, stored, locks.of_extras(stored.extras)


def _keep(call: Call, bucket: Bucket, key: str, stored: Object, lock: Lock) -> None:
    tables.set_extras(call.db, stored.content, locks.with_lock(stored.extras, lock))
    replication.on_change(call, bucket, key, stored, "OBJECT_LOCK")


@operation(
    Needs("s3:PutObjectRetention", names.of_object),
    Needs("s3:BypassGovernanceRetention", names.of_bypass),
    honours={"retention": {"Mode": ALL, "RetainUntilDate": ALL}, "checksum_algorithm": ALL},
    anonymous=True,
    context=of_lock,
)
def put_object_retention(
    call: Call,
    bucket: str,
    key: str,
    retention: dict[str, Any] | None = None,
    version_id: str | None = None,
    bypass_governance_retention: bool | None = None,
    content_md5: str | None = None,
    checksum_algorithm: str | None = None,
    expected_bucket_owner: str | None = None,
) -> dict[str, Any]:
    """Retain a version, or retain it longer; an empty retention takes it away. Raises AccessDenied for what the lock forbids."""
    receiving.check_document(call, checksum_algorithm)
    buckets.find(call, bucket, expected_bucket_owner)
    if retention is None or ("Mode" in retention) != ("RetainUntilDate" in retention):
        raise errors.MalformedXML
    if retention and retention["Mode"] not in (locks.GOVERNANCE, locks.COMPLIANCE):
        raise errors.MalformedXML
    found, stored, lock = _locked(call, bucket, expected_bucket_owner, key, version_id)
    wanted = None
    if retention:
        wanted = Retention(retention["Mode"], conditions.seconds(retention["RetainUntilDate"]))
        locks.check_future(call, wanted.until)
    if not lock.allows(wanted, call.now, bool(bypass_governance_retention)):
        raise locks.locked()
    _keep(call, found, key, stored, lock._replace(retention=wanted))
    return {}


@operation(Needs("s3:GetObjectRetention", names.of_object), reads=True, anonymous=True, context=of_request)
def get_object_retention(
    call: Call, bucket: str, key: str, version_id: str | None = None, expected_bucket_owner: str | None = None
) -> dict[str, Any]:
    """Return until when a version is, or was, retained. Raises NoSuchObjectLockConfiguration."""
    _, _, lock = _locked(call, bucket, expected_bucket_owner, key, version_id)
    if lock.retention is None:
        raise errors.NoSuchObjectLockConfiguration
    return {"Retention": {"Mode": lock.retention.mode, "RetainUntilDate": lock.retention.until}}


@operation(
    Needs("s3:PutObjectLegalHold", names.of_object),
    honours={"legal_hold": {"Status": ALL}, "checksum_algorithm": ALL},
    anonymous=True,
    context=of_lock,
)
def put_object_legal_hold(
    call: Call,
    bucket: str,
    key: str,
    legal_hold: dict[str, Any] | None = None,
    version_id: str | None = None,
    content_md5: str | None = None,
    checksum_algorithm: str | None = None,
    expected_bucket_owner: str | None = None,
) -> dict[str, Any]:
    """Hold a version, or let it go."""
    receiving.check_document(call, checksum_algorithm)
    buckets.find(call, bucket, expected_bucket_owner)
    status = (legal_hold or {}).get("Status")
    if status not in (locks.ON, "OFF"):
        raise errors.MalformedXML
    found, stored, lock = _locked(call, bucket, expected_bucket_owner, key, version_id)
    _keep(call, found, key, stored, lock._replace(hold=status))
    return {}


@operation(Needs("s3:GetObjectLegalHold", names.of_object), reads=True, anonymous=True, context=of_request)
def get_object_legal_hold(
    call: Call, bucket: str, key: str, version_id: str | None = None, expected_bucket_owner: str | None = None
) -> dict[str, Any]:
    """Return whether a version is held. Raises NoSuchObjectLockConfiguration where it never was."""
    _, _, lock = _locked(call, bucket, expected_bucket_owner, key, version_id)
    if lock.hold is None:
        raise errors.NoSuchObjectLockConfiguration
    return {"LegalHold": {"Status": lock.hold}}
