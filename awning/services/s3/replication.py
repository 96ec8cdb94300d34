"""Replication: how it is configured, and what a write, a deletion or a change sends on its way.

What is to be replicated says so in its own transaction, and leaves by the outbox; replicating.py brings it there.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

import orjson

from awning.contracts import ReplicateVersion
from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.s3 import (
    bucket_tables,
    buckets,
    encryption,
    errors,
    history,
    locks,
    names,
    receiving,
    replication_checks,
    replication_rules,
    settings,
    storage_classes,
    tables,
    version_ids,
    version_tables,
)
from awning.services.s3.bucket_tables import Bucket
from awning.services.s3.conditions import of_passing, of_request
from awning.services.s3.replication_rules import PENDING, REPLICA, Replication, Rule, Tags
from awning.services.s3.tables import Object

NAME: Final = "replication"
_EXISTING_STEP: Final = 50
"""Versions that one step of replicating what is there already looks at."""


# What is sent on its way ---------------------------------------------------------------------------------------------


def of(call: Call, bucket: Bucket) -> Replication | None:
    """Return a bucket's replication as it is used; None where it has none."""
    return settings.compiled(call, bucket, NAME, replication_rules.compile_replication)


def rules_for(
    call: Call, bucket: Bucket, key: bytes, tags: bytes | None, seal: bytes | None, storage_class: str
) -> Sequence[Rule]:
    """Return the rules by which a new object of a bucket with settings is to be replicated."""
    replication = of(call, bucket)
    if replication is None or bucket.versioning != history.ENABLED:
        return ()
    if encryption.is_customers(seal) or storage_class in storage_classes.ARCHIVES:
        return ()
    return replication_rules.of_object(replication, key, tags_of(tags), encryption.is_of_kms(seal))


def pending(extras: bytes | None, rules: Sequence[Rule]) -> bytes | None:
    """Return the extras of what is to be replicated by some rules, if by any."""
    if not rules:
        return extras
    return replication_rules.marked(extras, {rule.bucket: PENDING for rule in rules})


def send(
    call: Call,
    bucket: Bucket,
    key: bytes,
    version: str | None,
    rules: Sequence[Rule],
    what: str,
    there: Container[str] = (),
) -> None:
    """Send a version on its way, in this transaction. `what`: as events call it ("OBJECT_PUT"). `there`: the destinations that
    have it, where only a change is to be brought."""
    for rule in rules:
        call.send(
            ReplicateVersion(
                names.bucket_arn(rule.bucket),
                source=bucket.bucket,
                key=quote_from_bytes(key),
                version=version or version_ids.NULL,
                rule=rule.id,
                what=what,
                at=call.now,
                whole=rule.bucket not in there,
            )
        )


def key_of(letter: ReplicateVersion) -> bytes:
    """Return the key that a letter is about."""
    return unquote_to_bytes(letter.key)


def on_marker(call: Call, bucket: Bucket, key: bytes, version: str) -> None:
    """A client hid a key of a bucket with settings."""
    replication = of(call, bucket)
    if replication is not None and bucket.versioning == history.ENABLED:
        send(call, bucket, key, version, replication_rules.of_marker(replication, key), "OBJECT_DELETE_MARKER")


def on_change(call: Call, bucket: Bucket, key: str, stored: Object, what: str) -> None:
    """Something that is replicated too was changed of a version: its tags, its list, its lock."""
    if stored.extras is None or bucket.settings is None:
        return
    before = replication_rules.of_extras(stored.extras)
    replication = None if before is None else of(call, bucket)
    if before is None or replication is None:
        return
    if before == REPLICA:
        rules = [rule for rule in _by_prefix(replication, names.key_bytes(key)) if rule.modifications]
    else:
        rules = [rule for rule in _by_prefix(replication, names.key_bytes(key)) if rule.bucket in before]
    if not rules:
        return
    there = {rule.bucket for rule in rules} if isinstance(before, str) else _done(before)
    if before != REPLICA:
        extras = tables.extras_of_content(call.db, stored.content)
        tables.set_extras(call.db, stored.content, pending(extras, rules))
    send(call, bucket, names.key_bytes(key), stored.version, rules, what, there)


def _done(states: Mapping[str, str]) -> set[str]:
    return {bucket for bucket, state in states.items() if state == replication_rules.COMPLETED}


def _by_prefix(replication: Replication, key: bytes) -> list[Rule]:
    """The rules for a key, whatever tags it has now: one for each destination."""
    found: dict[str, Rule] = {}
    for rule in replication.rules:
        if key.startswith(rule.prefix):
            found.setdefault(rule.bucket, rule)
    return list(found.values())


def tags_of(stored: bytes | None) -> Tags:
    """Return an object's tags as rules compare them."""
    return frozenset((key, value) for key, value in orjson.loads(stored)) if stored else frozenset()


def shown(extras: bytes) -> dict[str, Any]:
    """Return what GET and HEAD say of a version's replication."""
    found = replication_rules.status(extras)
    return {} if found is None else {"ReplicationStatus": found}


# What is there already -----------------------------------------------------------------------------------------------


def replicate_existing(call: Call, given: Mapping[str, Any]) -> dict[str, Any]:
    """For Service.controls: send versions and delete markers on their way that are there already and are not, or could not be,
    replicated; `given` is a bucket's name, and where the last step ended.

    Returns how many were sent, and where the next step begins: None at the end. Raises ValueError.
    """
    bucket = bucket_tables.find_bucket(call.db, str(given.get("bucket")))
    if bucket is None:
        raise ValueError(f"There is no bucket {given.get('bucket')}.")
    replication = of(call, bucket)
    if replication is None:
        raise ValueError(f"The bucket {bucket.name} has no replication configuration.")
    key, age = unquote_to_bytes(str(given.get("key") or "")), given.get("age")
    rows = []
    if age is not None:
        rows = version_tables.versions_of(call.db, bucket.bucket, key, age, _EXISTING_STEP)
        key += b"\0"
    if len(rows) < _EXISTING_STEP:
        rows += version_tables.versions_from(call.db, bucket.bucket, key, None, _EXISTING_STEP - len(rows))
    sent = 0
    for row in rows:
        if row.content is None:
            rules = replication_rules.of_marker(replication, row.key)
            send(call, bucket, row.key, row.version, rules, "OBJECT_DELETE_MARKER")
            sent += bool(rules)
        else:
            sent += _send_existing(call, bucket, row.key, row.version, row.content, row.storage_class)
    full = len(rows) == _EXISTING_STEP
    return {
        "sent": sent,
        "key": quote_from_bytes(rows[-1].key) if full else None,
        "age": rows[-1].age if full else None,
    }


def _send_existing(
    call: Call, bucket: Bucket, key: bytes, version: str | None, content: int, storage_class: str
) -> bool:
    facts = tables.facts_of(call.db, content)
    state = replication_rules.of_extras(facts.extras)
    if state == REPLICA:
        return False
    done = {} if state is None or isinstance(state, str) else state
    rules = [
        rule
        for rule in rules_for(call, bucket, key, facts.tags, facts.seal, storage_class)
        if done.get(rule.bucket) not in (PENDING, replication_rules.COMPLETED)
    ]
    if not rules:
        return False
    tables.set_extras(call.db, content, pending(facts.extras, rules))
    send(call, bucket, key, version, rules, "OBJECT_PUT")
    return True


# Configuring ---------------------------------------------------------------------------------------------------------


def _role(call: Call, params: Mapping[str, Any]) -> str | None:
    """For Needs: the role that is passed to S3."""
    role: str | None = (params.get("replication_configuration") or {}).get("Role")
    return role or None


_STATUS: Final = {"Status": ALL}


@operation(
    Needs("s3:PutReplicationConfiguration", names.of_bucket),
    Needs("iam:PassRole", _role),
    honours={
        "replication_configuration": {
            "Role": ALL,
            "Rules": {
                "ID": ALL,
                "Priority": ALL,
                "Prefix": ALL,
                "Filter": ALL,
                "Status": ALL,
                "SourceSelectionCriteria": ALL,
                "ExistingObjectReplication": {"Status": {"Disabled"}},
                "Destination": ALL,
                "DeleteMarkerReplication": _STATUS,
            },
        },
        "checksum_algorithm": ALL,
    },
    anonymous=True,
    context=of_passing,
)
def put_bucket_replication(
    call: Call,
    bucket: str,
    replication_configuration: dict[str, Any],
    content_md5: str | None = None,
    checksum_algorithm: str | None = None,
    token: str | None = None,
    expected_bucket_owner: str | None = None,
) -> None:
    """Replicate a bucket's new objects from now on, as a role, by rules. Both buckets must be versioned.

    Raises InvalidRequest, InvalidArgument, MalformedXML; nothing is changed then.
    """
    receiving.check_document(call, checksum_algorithm)
    found = buckets.find(call, bucket, expected_bucket_owner)
    if found.versioning != history.ENABLED:
        raise errors.InvalidRequest(
            "Versioning must be 'Enabled' on the bucket to apply a replication configuration", BucketName=bucket
        )
    kept = replication_checks.checked(replication_configuration, bucket, call.new_id)
    for rule in kept["Rules"]:
        _check_target(call, found, rule["Destination"])
    settings.put(call, found, NAME, kept)


def _check_target(call: Call, source: Bucket, destination: Mapping[str, Any]) -> None:
    """Raises InvalidRequest, InvalidArgument for a destination that cannot take replicas."""
    target = bucket_tables.find_bucket(call.db, names.bucket_of_arn(destination["Bucket"]))
    if target is None:
        raise errors.InvalidRequest("Destination bucket must exist.")
    if target.versioning != history.ENABLED:
        raise errors.InvalidRequest("Destination bucket must have versioning enabled.")
    account = destination.get("Account")
    if account is not None and account != target.account:
        raise errors.InvalidArgument(
            "The AWS Account specified in the Account element must match the destination bucket owner.",
            "Account",
            account,
        )
    if locks.of_bucket(call, source) is not None and locks.of_bucket(call, target) is None:
        raise errors.InvalidRequest(
            "Object Lock must be enabled on the destination bucket because it is enabled on the source bucket."
        )


@operation(Needs("s3:GetReplicationConfiguration", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_replication(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> dict[str, Any]:
    """Return a bucket's replication rules as they were put, each with an id. Raises ReplicationConfigurationNotFoundError."""
    found = settings.of(call, buckets.find(call, bucket, expected_bucket_owner)).get(NAME)
    if found is None:
        raise errors.ReplicationConfigurationNotFoundError(
            "The replication configuration was not found", BucketName=bucket
        )
    return {"ReplicationConfiguration": found}


@operation(Needs("s3:PutReplicationConfiguration", names.of_bucket), anonymous=True, context=of_request)
def delete_bucket_replication(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> None:
    """Take all of a bucket's replication rules away; there may be none."""
    settings.put(call, buckets.find(call, bucket, expected_bucket_owner), NAME, None)
