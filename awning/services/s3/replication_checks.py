"""What a replication configuration must be like. Errors in S3's own words; where its buckets are is looked up elsewhere.

S3 API reference, PutBucketReplication, and "List of replication-related error codes" in "Error responses".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from awning.services.s3 import errors, names, storage_classes

MOST_RULES: Final = 1000
LONGEST_ID: Final = 255
LONGEST_PREFIX: Final = 1024
MOST_PRIORITY: Final = 2**31 - 1
MINUTES: Final = 15
_STATES: Final = ("Enabled", "Disabled")
_ROLE: Final = re.compile(r"arn:aws:iam::\d{12}:role/.+")
_SCHEMA: Final = (
    "for this version of Cross Region Replication configuration schema. Please refer to S3 Developer Guide for more "
    "information."
)


def checked(configuration: Mapping[str, Any], source: str, new_id: Callable[[], str]) -> dict[str, Any]:
    """Return a configuration as it is kept: each rule has an id. `source`: the bucket's name.

    Raises MalformedXML, InvalidRequest, InvalidArgument.
    """
    role, rules = configuration.get("Role"), configuration.get("Rules") or []
    if role is None or not rules:
        raise errors.MalformedXML
    if len(rules) > MOST_RULES:
        raise errors.InvalidRequest(
            f"The number of replication rules must not exceed the allowed limit of {MOST_RULES} rules."
        )
    if not _ROLE.fullmatch(role):
        raise errors.InvalidArgument("Invalid Amazon Resource Name (ARN)", "Role", role)
    latest = any(rule.get("Filter") is not None for rule in rules)
    kept = [_rule(rule, source, latest, new_id) for rule in rules]
    _check_unique(kept, latest)
    return {"Role": role, "Rules": kept}


def _rule(rule: Mapping[str, Any], source: str, latest: bool, new_id: Callable[[], str]) -> dict[str, Any]:
    """Return a rule as it is kept. `latest`: the configuration is of the latest version: its rules have filters."""
    if rule.get("Status") not in _STATES or not rule.get("Destination"):
        raise errors.MalformedXML
    id_ = rule.get("ID") or new_id()
    if len(id_) > LONGEST_ID:
        raise errors.InvalidArgument(f"ID length should not exceed allowed limit of {LONGEST_ID}", "ID", id_)
    if latest:
        _check_filter(rule)
    else:
        _check_first(rule)
    criteria = rule.get("SourceSelectionCriteria")
    if criteria is not None:
        _check_criteria(criteria, latest)
    _check_destination(rule["Destination"], source, latest)
    encryption = rule["Destination"].get("EncryptionConfiguration")
    wanted = ((criteria or {}).get("SseKmsEncryptedObjects") or {}).get("Status")
    if encryption is not None and wanted is None:
        raise errors.InvalidRequest("SseKmsEncryptedObjects must be specified if EncryptionConfiguration is present.")
    if wanted == "Enabled":
        if encryption is None:
            raise errors.InvalidRequest(
                "EncryptionConfiguration must be specified if SseKmsEncryptedObjects tag is present."
            )
        if not encryption.get("ReplicaKmsKeyID"):
            raise errors.InvalidRequest("ReplicaKmsKeyID must be specified if SseKmsEncryptedObjects tag is present.")
    return {**rule, "ID": id_}


def _check_first(rule: Mapping[str, Any]) -> None:
    """The first version of configurations: rules have prefixes, or are for all objects, and nothing that came later."""
    _check_prefix(rule.get("Prefix") or "")
    for member in ("Priority", "DeleteMarkerReplication"):
        if rule.get(member) is not None:
            raise errors.InvalidRequest(f"{member} cannot be used {_SCHEMA}")


def _check_filter(rule: Mapping[str, Any]) -> None:
    filter_ = rule.get("Filter")
    if filter_ is None:
        raise errors.InvalidRequest(f"Filter must be specified {_SCHEMA}")
    if rule.get("Prefix") is not None:
        raise errors.InvalidRequest(f"Prefix cannot be used {_SCHEMA}")
    if rule.get("Priority") is None:
        raise errors.InvalidRequest(f"Priority must be specified {_SCHEMA}")
    if not 0 <= rule["Priority"] <= MOST_PRIORITY:
        raise errors.InvalidRequest(f"Priority must be between 0 and {MOST_PRIORITY}.")
    markers = rule.get("DeleteMarkerReplication")
    if markers is None:
        raise errors.InvalidRequest(f"DeleteMarkerReplication must be specified {_SCHEMA}")
    if markers.get("Status") not in _STATES:
        raise errors.MalformedXML
    named = [name for name in ("Prefix", "Tag", "And") if filter_.get(name) is not None]
    if len(named) > 1:
        raise errors.MalformedXML
    both = filter_.get("And") or {}
    _check_prefix(filter_.get("Prefix") or both.get("Prefix") or "")
    tags = both.get("Tags") or ([filter_["Tag"]] if filter_.get("Tag") else [])
    if "And" in named and len(tags) + (both.get("Prefix") is not None) < 2:
        raise errors.MalformedXML
    if any("Key" not in tag or "Value" not in tag for tag in tags):
        raise errors.MalformedXML
    names.check_tags(tags, 10)
    if tags and markers["Status"] == "Enabled":
        raise errors.InvalidRequest(
            "Delete marker replication is not supported if any Tag filter is specified. Please refer to S3 Developer Guide for "
            "more information."
        )


def _check_prefix(prefix: str) -> None:
    if len(prefix.encode("utf-8", "surrogateescape")) > LONGEST_PREFIX:
        raise errors.InvalidArgument(
            f"The maximum size of a prefix is {LONGEST_PREFIX}.", "Prefix", prefix[:LONGEST_PREFIX]
        )


def _check_criteria(criteria: Mapping[str, Any], latest: bool) -> None:
    known = [criteria.get(name) for name in ("SseKmsEncryptedObjects", "ReplicaModifications")]
    given = [each for each in known if each is not None]
    if not given or any(each.get("Status") not in _STATES for each in given):
        raise errors.MalformedXML
    if criteria.get("ReplicaModifications") is not None and not latest:
        raise errors.InvalidRequest(f"ReplicaModifications cannot be used {_SCHEMA}")


def _check_destination(target: Mapping[str, Any], source: str, latest: bool) -> None:
    name = names.bucket_of_arn(target.get("Bucket") or "")
    if not name or target["Bucket"] != names.bucket_arn(name):
        raise errors.InvalidArgument("Invalid bucket ARN.", "Bucket", target.get("Bucket") or "")
    if name == source:
        raise errors.InvalidRequest("Destination bucket cannot be the same as the source bucket.")
    if target.get("Account") == "":
        raise errors.InvalidArgument("The Account element is empty. It must contain a valid account ID.", "Account")
    if target.get("Account") is not None and not re.fullmatch(r"\d{12}", target["Account"]):
        raise errors.InvalidArgument(
            "The Account element must contain a valid account ID.", "Account", target["Account"]
        )
    translation = target.get("AccessControlTranslation")
    if translation is not None:
        if translation.get("Owner") != "Destination":
            raise errors.MalformedXML
        if target.get("Account") is None:
            raise errors.InvalidRequest(
                "If the Owner in AccessControlTranslation has a value, the Account element must be specified."
            )
    storage_class = target.get("StorageClass")
    if storage_class is not None and storage_class not in storage_classes.ALL:
        raise errors.MalformedXML
    _check_times(target, latest)


def _check_times(target: Mapping[str, Any], latest: bool) -> None:
    """Replication Time Control needs metrics, and knows one time."""
    time, metrics = target.get("ReplicationTime"), target.get("Metrics")
    for name, element, member in (("ReplicationTime", time, "Time"), ("Metrics", metrics, "EventThreshold")):
        if element is None:
            continue
        if not latest:
            raise errors.InvalidRequest(f"{name} cannot be used {_SCHEMA}")
        if element.get("Status") not in _STATES:
            raise errors.MalformedXML
        minutes = (element.get(member) or {}).get("Minutes")
        if minutes is not None and minutes != MINUTES:
            raise errors.InvalidArgument(f"The only valid value for Minutes is {MINUTES}.", "Minutes", minutes)
        if minutes is None and name == "ReplicationTime":
            raise errors.MalformedXML
    if time is not None and time["Status"] == "Enabled" and (metrics is None or metrics["Status"] != "Enabled"):
        raise errors.InvalidRequest("ReplicationTime and Metrics must both be enabled.")


def _check_unique(rules: Sequence[Mapping[str, Any]], latest: bool) -> None:
    seen: set[str] = set()
    priorities: set[int] = set()
    for rule in rules:
        if rule["ID"] in seen:
            raise errors.InvalidArgument("Rule Id must be unique.", "ID", rule["ID"])
        seen.add(rule["ID"])
        if not latest:
            continue
        if rule["Priority"] in priorities:
            raise errors.InvalidRequest(f"Found duplicate priority {rule['Priority']}.")
        priorities.add(rule["Priority"])
    if latest:
        return
    if len({rule["Destination"]["Bucket"] for rule in rules}) > 1:
        raise errors.InvalidRequest("Number of distinct destination bucket ARNs cannot exceed 1")
    prefixes = sorted(rule.get("Prefix") or "" for rule in rules)
    for one, other in pairwise(prefixes):
        if other.startswith(one):
            raise errors.InvalidRequest(f"Found overlapping prefixes '{one}' and '{other}'")
