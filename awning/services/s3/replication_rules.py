"""Replication rules: which objects and delete markers go where, and as what. Pure.

S3 user guide, "Replication configuration file elements", "What does Amazon S3 replicate?".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson

from awning.services.s3 import names

PENDING: Final = "PENDING"
COMPLETED: Final = "COMPLETED"
FAILED: Final = "FAILED"
REPLICA: Final = "REPLICA"
EXTRA: Final = "replication"
"""What a content's extras call its replication: REPLICA, or by the destination bucket's name what has become of it there."""

Tags = frozenset[tuple[str, str]]


class Rule(NamedTuple):
    """An enabled rule. `bucket`: the destination's name. `markers`: delete markers go too; `kms`: so do objects under keys of
    KMS, and stand under `kms_key` there; `modifications`: what is changed of replicas goes as well. `account`: the destination's
    owner; None where it is not said. `owner_override`: that owner gets the replicas. `threshold`: seconds that replication may
    take."""

    id: str
    priority: int
    prefix: bytes
    tags: Tags
    bucket: str
    markers: bool
    kms: bool
    modifications: bool
    storage_class: str | None
    kms_key: str | None
    account: str | None
    owner_override: bool
    metrics: bool
    threshold: int | None


class Replication(NamedTuple):
    """A configuration as it is used: the role's ARN, and the enabled rules, those that win first."""

    role: str
    rules: tuple[Rule, ...]


def compile_replication(configuration: Mapping[str, Any]) -> Replication:
    """Compile a configuration that was found right."""
    rules = [_rule(rule) for rule in configuration["Rules"] if rule["Status"] == "Enabled"]
    rules.sort(key=lambda rule: -rule.priority)
    return Replication(configuration["Role"], tuple(rules))


def _rule(rule: Mapping[str, Any]) -> Rule:
    filter_ = rule.get("Filter")
    prefix: str = rule.get("Prefix") or ""
    tags: list[Mapping[str, str]] = []
    if filter_ is not None:
        both = filter_.get("And") or {}
        prefix = filter_.get("Prefix") or both.get("Prefix") or ""
        tags = both.get("Tags") or ([filter_["Tag"]] if filter_.get("Tag") else [])
    target = rule["Destination"]
    criteria = rule.get("SourceSelectionCriteria") or {}
    timed = _enabled(target.get("ReplicationTime"))
    return Rule(
        id=rule["ID"],
        priority=rule.get("Priority", 0),
        prefix=prefix.encode("utf-8", "surrogateescape"),
        tags=frozenset((tag["Key"], tag["Value"]) for tag in tags),
        bucket=names.bucket_of_arn(target["Bucket"]),
        markers=filter_ is None or _enabled(rule.get("DeleteMarkerReplication")),
        kms=_enabled(criteria.get("SseKmsEncryptedObjects")),
        modifications=_enabled(criteria.get("ReplicaModifications")),
        storage_class=target.get("StorageClass"),
        kms_key=(target.get("EncryptionConfiguration") or {}).get("ReplicaKmsKeyID"),
        account=target.get("Account"),
        owner_override=(target.get("AccessControlTranslation") or {}).get("Owner") == "Destination",
        metrics=_enabled(target.get("Metrics")),
        threshold=target["ReplicationTime"]["Time"]["Minutes"] * 60 if timed else None,
    )


def _enabled(element: Mapping[str, Any] | None) -> bool:
    return element is not None and element.get("Status") == "Enabled"


def of_object(replication: Replication, key: bytes, tags: Tags, by_kms: bool) -> list[Rule]:
    """Return the rules by which a new object goes, one for each destination: of several the one with the highest priority."""
    found: dict[str, Rule] = {}
    for rule in replication.rules:
        if key.startswith(rule.prefix) and rule.tags <= tags and (rule.kms or not by_kms):
            found.setdefault(rule.bucket, rule)
    return list(found.values())


def of_marker(replication: Replication, key: bytes) -> list[Rule]:
    """As of_object(), for a delete marker."""
    found: dict[str, Rule] = {}
    for rule in replication.rules:
        if rule.markers and key.startswith(rule.prefix):
            found.setdefault(rule.bucket, rule)
    return list(found.values())


def by_name(replication: Replication, id_: str, bucket: str) -> Rule | None:
    """Return the rule of an id, or else one that has the same destination; None where nothing goes there any more."""
    there = [rule for rule in replication.rules if rule.bucket == bucket]
    return next((rule for rule in there if rule.id == id_), there[0] if there else None)


# What a content's extras say -----------------------------------------------------------------------------------------


def of_extras(extras: bytes | None) -> str | dict[str, str] | None:
    """Return what extras say of replication (see EXTRA); None where it is nothing."""
    if extras is None or b'"replication"' not in extras:
        return None
    found: str | dict[str, str] | None = orjson.loads(extras).get(EXTRA)
    return found


def status(extras: bytes | None) -> str | None:
    """Return a version's replication status. With several destinations it is done only where it is done in all, and failed where
    it failed in one (S3 user guide, "Getting replication status information")."""
    found = of_extras(extras)
    if found is None or isinstance(found, str):
        return found
    states = set(found.values())
    return next((state for state in (FAILED, PENDING) if state in states), COMPLETED)


def unfinished(extras: bytes | None) -> bool:
    """Whether a version still is to be replicated, or could not be: a lifecycle leaves it alone."""
    return status(extras) in (PENDING, FAILED)


def marked(extras: bytes | None, states: Mapping[str, str]) -> bytes:
    """Return extras that say what has become of some destinations."""
    found = orjson.loads(extras) if extras else {}
    before = found.get(EXTRA)
    found[EXTRA] = {**before, **states} if isinstance(before, dict) else dict(states)
    return orjson.dumps(found)
