"""A room whose buckets replicate: the role, and letters that are carried when the test says so."""

from __future__ import annotations

import json
from typing import Any

from awning.auth.policy import compile_policy
from awning.auth.principal import Principal
from awning.contracts import ReplicateVersion, RoleFacts
from awning.kit.call import service_facts
from awning.kit.deliveries import Undeliverable
from awning.services.s3 import replicating
from tests.services.s3.support import ACCOUNT, S3

ROLE = f"arn:aws:iam::{ACCOUNT}:role/replicates"
TRUST = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}


def give_role(s3: S3, *denied: str) -> None:
    """Have the role that may do all but some actions."""
    statements = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    statements += [{"Effect": "Deny", "Action": action, "Resource": "*"} for action in denied]
    policy = compile_policy(document(*statements), id="all", kind="identity")
    principal = Principal("role", ACCOUNT, ROLE, ROLE, "AROAX", "replicates", policies=(policy,))
    s3.neighbours.roles[ROLE] = RoleFacts(ACCOUNT, "replicates", ROLE, "AROAX", document(TRUST), 3600, principal)


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def rule(target: str = "there", **more: Any) -> dict[str, Any]:
    return {
        "ID": "all",
        "Priority": 1,
        "Status": "Enabled",
        "Filter": {},
        "DeleteMarkerReplication": {"Status": "Enabled"},
        **more,
        "Destination": {"Bucket": f"arn:aws:s3:::{target}", **more.get("Destination", {})},
    }


def configure(s3: S3, *rules: dict[str, Any], bucket: str = "box") -> None:
    s3.put_bucket_replication(bucket=bucket, replication_configuration={"Role": ROLE, "Rules": list(rules)})


def make_buckets(s3: S3, *names: str, **more: Any) -> None:
    """Make versioned buckets; `box` is there already."""
    for name in names:
        if name != "box":
            s3.create_bucket(bucket=name, **more)
        s3.put_bucket_versioning(bucket=name, versioning_configuration={"Status": "Enabled"})


def letters(s3: S3) -> list[ReplicateVersion]:
    """Take out of the outbox what is to be replicated."""
    return [each for each in s3.outbox() if isinstance(each, ReplicateVersion)]


def carry(s3: S3, letter: ReplicateVersion) -> str | None:
    """Carry a letter, or give it up as the courier would; return why."""
    facts = service_facts("s3")
    try:
        s3.loop.run_until_complete(replicating.carry(s3.room.call(facts), letter))
    except Undeliverable as error:
        reason = f"{type(error).__name__}: {error}"
        s3.loop.run_until_complete(s3.room.write(s3.room.call(facts), replicating.given_up, (letter, reason)))
        return str(error).partition(":")[0]
    return None


def carry_all(s3: S3) -> list[str | None]:
    return [carry(s3, letter) for letter in letters(s3)]


def status(s3: S3, key: str, bucket: str = "box") -> str | None:
    found: str | None = s3.head_object(bucket=bucket, key=key).get("ReplicationStatus")
    return found


def versions(s3: S3, bucket: str, prefix: str = "") -> list[tuple[Any, ...]]:
    """Return all that a listing says of a bucket's versions and delete markers that replication keeps."""
    said = s3.list_object_versions(bucket=bucket, prefix=prefix)
    both = [*said["Versions"], *said["DeleteMarkers"]]
    kept = ("Key", "VersionId", "IsLatest", "ETag", "Size", "LastModified")
    return sorted((tuple(each.get(name) for name in kept) for each in both), key=lambda each: each[:2])
