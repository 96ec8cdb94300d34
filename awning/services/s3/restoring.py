"""Restoring: RestoreObject, and the pass that tells when a copy out of an archive has come and gone.

Whether a copy can be read follows from the time alone; the pass only tells of it.
"""

from __future__ import annotations

from typing import Any

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.s3 import (
    bucket_tables,
    errors,
    event_records,
    history,
    lifecycle_tables,
    names,
    notifications,
    objects,
    receiving,
    storage_classes,
    tables,
    version_ids,
    version_tables,
)
from awning.services.s3.bucket_tables import Bucket
from awning.services.s3.conditions import of_request
from awning.services.s3.lifecycle_tables import Restored
from awning.services.s3.storage_classes import DAY, Restore
from awning.services.s3.tables import Object

STEP = 40
"""Restores looked after in one batch."""
ACCEPTED = 202


@operation(
    Needs("s3:RestoreObject", names.of_object),
    honours={
        "restore_request": {"Days": ALL, "GlacierJobParameters": ALL, "Tier": ALL},
        "checksum_algorithm": ALL,
    },
    anonymous=True,
    context=of_request,
)
def restore_object(
    call: Call,
    bucket: str,
    key: str,
    version_id: str | None = None,
    restore_request: dict[str, Any] | None = None,
    checksum_algorithm: str | None = None,
    expected_bucket_owner: str | None = None,
) -> dict[str, Any]:
    """Order a copy out of an archive, for some days; or keep one longer, or have one sooner that is on its way.

    Raises InvalidObjectState for an object that is in no archive, RestoreAlreadyInProgress, InvalidArgument, MalformedXML.
    """
    receiving.check_document(call, checksum_algorithm)
    found, stored = objects.unhidden(call, bucket, expected_bucket_owner, key, version_id)
    if stored.storage_class not in storage_classes.ARCHIVES:
        raise errors.InvalidObjectState(
            "Restore is not allowed for the object's current storage class", stored.storage_class
        )
    tier, days = _asked(restore_request or {})
    restore = storage_classes.restore_of(stored.extras)
    accepted = True
    if restore is None or call.now >= restore.until:
        restore = storage_classes.begin(stored.storage_class, tier, days, call.now)
    elif restore.going_on(call.now):
        restore = _sooner(restore, stored, tier, days, call.now)
    else:
        accepted = False
        restore = restore._replace(days=days, until=storage_classes.next_midnight(call.now + days * DAY))
    tables.set_extras(call.db, stored.content, storage_classes.with_restore(stored.extras, restore))
    named = None if stored.version in (None, version_ids.NULL) else stored.version
    place = Restored(stored.content, found.bucket, names.key_bytes(key), named)
    lifecycle_tables.put_restore(call.db, place, restore.due())
    if accepted and found.notification is not None:
        notifications.notify(call, found, "ObjectRestore:Post", key, stored.size, stored.etag, stored.version)
    return {"@status": ACCEPTED} if accepted else {}


def _asked(request: dict[str, Any]) -> tuple[str, int]:
    """Return the tier and the days of a request. Raises MalformedXML, InvalidArgument."""
    tier = (request.get("GlacierJobParameters") or {}).get("Tier") or request.get("Tier") or "Standard"
    if tier not in storage_classes.TIERS or "Days" not in request:
        raise errors.MalformedXML
    days: int = request["Days"]
    if days < 1:
        raise errors.InvalidArgument("restoration days should be at least 1", "Days", days)
    return tier, days


def _sooner(restore: Restore, stored: Object, tier: str, days: int, now: float) -> Restore:
    """Return a restore under way by a faster tier (S3 user guide, "Upgrading the speed of an in-progress restore").

    Raises RestoreAlreadyInProgress for anything else.
    """
    tiers = storage_classes.TIERS
    if days != restore.days or tiers.index(tier) <= tiers.index(restore.tier):
        raise errors.RestoreAlreadyInProgress
    faster = storage_classes.begin(stored.storage_class, tier, days, now)
    return faster if faster.ready < restore.ready else restore._replace(tier=tier)


# The pass ------------------------------------------------------------------------------------------------------------


def finish_restores(call: Call) -> bool:
    """Tell of some copies that have come, and of some that have gone."""
    due = lifecycle_tables.due_restores(call.db, call.now, STEP)
    for restored in due:
        _finish(call, restored)
    return len(due) == STEP


def _finish(call: Call, restored: Restored) -> None:
    bucket = bucket_tables.bucket_of(call.db, restored.bucket)
    stored = None if bucket is None else _still(call, bucket, restored)
    restore = None if stored is None else storage_classes.restore_of(stored.extras)
    if bucket is None or stored is None or restore is None:
        lifecycle_tables.drop_restore(call.db, restored.content)
        return
    if not restore.told and restore.ready <= call.now:
        expiry = event_records.when(restore.until)
        about = {"lifecycleRestorationExpiryTime": expiry, "lifecycleRestoreStorageClass": stored.storage_class}
        _tell(
            call, bucket, restored, stored, "ObjectRestore:Completed", {"glacierEventData": {"restoreEventData": about}}
        )
        restore = restore._replace(told=True)
    if restore.until <= call.now:
        _tell(call, bucket, restored, stored, "ObjectRestore:Delete", None)
        lifecycle_tables.drop_restore(call.db, restored.content)
        tables.set_extras(call.db, stored.content, storage_classes.with_restore(stored.extras, None))
        return
    tables.set_extras(call.db, stored.content, storage_classes.with_restore(stored.extras, restore))
    lifecycle_tables.put_restore(call.db, restored, restore.due())


def _still(call: Call, bucket: Bucket, restored: Restored) -> Object | None:
    """Return the version whose content it still is."""
    wanted, age = (None, None) if restored.version is None else history.wanted(restored.version)
    found = version_tables.find(call.db, bucket.bucket, restored.key, wanted, age, body=False)
    return found if isinstance(found, Object) and found.content == restored.content else None


def _tell(
    call: Call, bucket: Bucket, restored: Restored, stored: Object, event: str, more: dict[str, Any] | None
) -> None:
    if bucket.notification is not None:
        key = restored.key.decode("utf-8", "surrogateescape")
        version = restored.version or (None if bucket.versioning is None else version_ids.NULL)
        notifications.notify(call, bucket, event, key, stored.size, stored.etag, version, more)
