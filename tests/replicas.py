"""Buckets that replicate into one another, by clients: the role, the rules, and waiting for what arrives."""

from __future__ import annotations

import json
import time
from typing import Any

READS = (
    "s3:GetReplicationConfiguration",
    "s3:ListBucket",
    "s3:GetObjectVersionForReplication",
    "s3:GetObjectVersionAcl",
)
READS_MORE = ("s3:GetObjectVersionTagging", "s3:GetObjectRetention", "s3:GetObjectLegalHold")
WRITES = ("s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags", "s3:ObjectOwnerOverrideToBucketOwner")
TRUST = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(actions: tuple[str, ...], *resources: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources), **more}


def make_role(iam: Any, name: str, *statements: dict[str, Any], trust: dict[str, Any] | None = None) -> str:
    """Make a role that S3 may assume; return its ARN."""
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust or TRUST))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="replicates", PolicyDocument=document(*statements))
    return arn


def for_buckets(source: str, *targets: str) -> tuple[dict[str, Any], ...]:
    """The statements that the user guide gives a role that replicates one bucket into others."""
    of_source = (f"arn:aws:s3:::{source}", f"arn:aws:s3:::{source}/*")
    return allow((*READS, *READS_MORE), *of_source), allow(WRITES, *(f"arn:aws:s3:::{name}/*" for name in targets))


def make_bucket(s3: Any, name: str, **more: Any) -> str:
    region = s3.meta.region_name
    if region != "us-east-1":
        more["CreateBucketConfiguration"] = {"LocationConstraint": region}
    s3.create_bucket(Bucket=name, **more)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def rule(target: str, id_: str = "all", priority: int = 1, **more: Any) -> dict[str, Any]:
    """A rule of the latest version of configurations; `Destination` is added to, all else replaced."""
    return {
        "ID": id_,
        "Priority": priority,
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "DeleteMarkerReplication": {"Status": "Enabled"},
        **more,
        "Destination": {"Bucket": f"arn:aws:s3:::{target}", **more.get("Destination", {})},
    }


def configure(s3: Any, source: str, role: str, *rules: dict[str, Any]) -> None:
    s3.put_bucket_replication(Bucket=source, ReplicationConfiguration={"Role": role, "Rules": list(rules)})


def settled(s3: Any, bucket: str, key: str, version: str | None = None, seconds: float = 20.0) -> str:
    """Return an object's replication status once it is no longer pending."""
    named = {} if version is None else {"VersionId": version}
    until = time.monotonic() + seconds
    while True:
        state: str = s3.head_object(Bucket=bucket, Key=key, **named).get("ReplicationStatus", "")
        if state != "PENDING" or time.monotonic() > until:
            return state
        time.sleep(0.01)


def until(check: Any, seconds: float = 20.0) -> Any:
    """Return what `check()` returns, once that is true, or when the time is over."""
    end = time.monotonic() + seconds
    while True:
        found = check()
        if found or time.monotonic() > end:
            return found
        time.sleep(0.01)


def versions(s3: Any, bucket: str) -> list[tuple[str, str, bool]]:
    """Return (key, version, is it a delete marker) of all that a bucket has, in a listing's order of keys."""
    found = []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found += [(each["Key"], each["VersionId"], False) for each in page.get("Versions", [])]
        found += [(each["Key"], each["VersionId"], True) for each in page.get("DeleteMarkers", [])]
    return sorted(found)


def latest(s3: Any, bucket: str) -> dict[str, str]:
    """Return by key the version that is current; keys that a delete marker hides are left out."""
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    return {each["Key"]: each["VersionId"] for page in pages for each in page.get("Versions", []) if each["IsLatest"]}
