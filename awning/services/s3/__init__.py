"""The room of Amazon S3: buckets, objects, multipart uploads, listings, bucket policies, event notifications."""

from __future__ import annotations

from collections.abc import Mapping

from awning.contracts import DeliverLog, LastDeletionStep, ReplicateVersion
from awning.kit.call import Call
from awning.kit.service import Service, Work
from awning.services.s3 import (
    acceleration,
    access_lists,
    access_logs,
    access_points,
    accounts,
    bucket_tables,
    bucket_tags,
    buckets,
    conditions,
    copying,
    cors,
    default_encryption,
    deleting,
    lifecycle,
    listing,
    locking,
    mfa_delete,
    multipart,
    notifications,
    objects,
    payer,
    points,
    policies,
    reading,
    reencryption,
    renaming,
    replicating,
    replication,
    request_metrics,
    restoring,
    tables,
    uploads,
    versions,
    watching,
    websites,
)
from awning.services.s3.lifecycle_work import walk_lifecycles
from awning.services.s3.memory import Memory
from awning.services.s3.restoring import finish_restores
from awning.services.s3.schema import SCHEMA
from awning.services.s3.work import forget_completed, sweep_deleted

Labels = tuple[tuple[str, str], ...]


def gauges(call: Call) -> Mapping[tuple[str, Labels], float]:
    """Objects and bytes of each bucket, and what is counted of its requests."""
    found: dict[tuple[str, Labels], float] = {}
    for bucket, count, size in bucket_tables.counters(call.db):
        labels = (("bucket", bucket),)
        found["s3_bucket_objects", labels] = count
        found["s3_bucket_bytes", labels] = size
    found["s3_access_log_dropped", ()] = call.memory.gathered.dropped
    return {**found, **request_metrics.gauges(call)}


SERVICE = Service(
    name="s3",
    model="s3",
    protocols=("rest-xml",),
    modules=(
        buckets,
        policies,
        access_lists,
        payer,
        objects,
        reading,
        copying,
        deleting,
        listing,
        multipart,
        uploads,
        versions,
        default_encryption,
        reencryption,
        locking,
        renaming,
        notifications,
        cors,
        websites,
        lifecycle,
        restoring,
        acceleration,
        access_logs,
        request_metrics,
        replication,
    ),
    schema=SCHEMA,
    memory=Memory,
    guard=policies.guard,
    readdress=points.readdress,
    tags=bucket_tags.of_arn,
    everywhere={"request_payer": "requester"},
    cors=cors.answer,
    site=websites.visit,
    watch=watching.wanted,
    carries={DeliverLog: access_logs.deliver, ReplicateVersion: replicating.carry},
    given_up=replicating.given_up,
    controls={"replicate": replication.replicate_existing},
    leave=access_logs.send_all,
    condition_keys=conditions.KEYS,
    work=(
        Work("walk_lifecycles", walk_lifecycles, every=1.0),
        Work("finish_restores", finish_restores, every=1.0),
        Work("sweep_deleted", sweep_deleted, every=1.0),
        Work("forget_completed", forget_completed, every=3600.0),
        Work("access_logs", access_logs.send_due, every=1.0),
    ),
    keeps=lambda call, blobs: tables.known_blobs(call.db, blobs),
    answers={LastDeletionStep: mfa_delete.last_step},
    global_=True,
    gauges=gauges,
)

CONTROL = SERVICE.speaking("s3control", (accounts, access_points))
"""The room as "AWS S3 Control" has it: what an account says of all its buckets. docs/decisions/0018."""
