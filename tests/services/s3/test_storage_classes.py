"""Storage classes, and restoring objects from archives (S3 user guide, "Restoring an archived object"; RestoreObject)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from awning.contracts import SendToQueue
from awning.services.s3 import errors, storage_classes
from tests.services.s3.support import S3

HOUR, DAY = 3600, 86400
QUEUE = "arn:aws:sqs:us-east-1:111111111111:told"


def freeze(s3: S3, key: str = "k", storage_class: str = "GLACIER", body: bytes = b"frozen", **params: Any) -> None:
    s3.put_object(bucket="box", key=key, body=body, storage_class=storage_class, **params)


def restore(s3: S3, days: int = 3, tier: str | None = "Standard", key: str = "k", **params: Any) -> int:
    """Ask for a copy; return the status."""
    request: dict[str, Any] = {"Days": days}
    if tier is not None:
        request["GlacierJobParameters"] = {"Tier": tier}
    answer = s3.restore_object(bucket="box", key=key, restore_request=request, **params)
    return answer.get("@status", 200)


def told(s3: S3) -> list[dict[str, Any]]:
    return [orjson.loads(letter.body)["Records"][0] for letter in s3.outbox() if isinstance(letter, SendToQueue)]


def listen(s3: S3, *events: str) -> None:
    s3.neighbours.listening[QUEUE] = True
    s3.put_bucket_notification_configuration(
        bucket="box",
        notification_configuration={"QueueConfigurations": [{"Id": "all", "QueueArn": QUEUE, "Events": list(events)}]},
    )
    s3.outbox()


@pytest.mark.parametrize("storage_class", sorted(storage_classes.ALL))
def test_every_class_is_kept_and_shown(s3: S3, storage_class: str) -> None:
    freeze(s3, storage_class=storage_class)
    assert s3.head_object(bucket="box", key="k").get("StorageClass", "STANDARD") == storage_class
    assert s3.list_objects_v2(bucket="box")["Contents"][0]["StorageClass"] == storage_class
    assert s3.list_objects(bucket="box")["Contents"][0]["StorageClass"] == storage_class
    assert s3.list_object_versions(bucket="box")["Versions"][0]["StorageClass"] == storage_class
    shown = s3.get_object_attributes(bucket="box", key="k", object_attributes=["StorageClass"])
    assert shown["StorageClass"] == storage_class
    upload = s3.create_multipart_upload(bucket="box", key="big", storage_class=storage_class)["UploadId"]
    assert s3.list_parts(bucket="box", key="big", upload_id=upload)["StorageClass"] == storage_class


@pytest.mark.parametrize("storage_class", ["EXPRESS_ONEZONE", "OUTPOSTS", "SNOW", "FSX_OPENZFS", "standard", "COLD"])
def test_what_no_object_of_such_a_bucket_has_is_refused(s3: S3, storage_class: str) -> None:
    with pytest.raises(errors.InvalidStorageClass) as raised:
        freeze(s3, storage_class=storage_class)
    assert raised.value.members == {"StorageClassRequested": storage_class}
    with pytest.raises(errors.InvalidStorageClass):
        s3.create_multipart_upload(bucket="box", key="k", storage_class=storage_class)
    s3.put_object(bucket="box", key="there", body=b"x")
    with pytest.raises(errors.InvalidStorageClass):
        s3.copy_object(bucket="box", key="k", copy_source="box/there", storage_class=storage_class)
    assert [entry["Key"] for entry in s3.list_objects_v2(bucket="box")["Contents"]] == ["there"]


@pytest.mark.parametrize("storage_class", sorted(storage_classes.ARCHIVES))
def test_an_archived_object_is_not_read_until_it_is_restored(s3: S3, storage_class: str) -> None:
    freeze(s3, storage_class=storage_class)
    for params in ({}, {"range": "bytes=0-1"}, {"part_number": 1}):
        with pytest.raises(errors.InvalidObjectState) as raised:
            s3.get_object(bucket="box", key="k", **params)
        assert raised.value.members == {"StorageClass": storage_class}
    for copy in (
        lambda: s3.copy_object(bucket="box", key="other", copy_source="box/k"),
        lambda: s3.copy_object(bucket="box", key="k", copy_source="box/k", storage_class="STANDARD"),
        lambda: s3.upload_part_copy(
            bucket="box",
            key="big",
            copy_source="box/k",
            part_number=1,
            upload_id=s3.create_multipart_upload(bucket="box", key="big")["UploadId"],
        ),
    ):
        with pytest.raises(errors.InvalidObjectState, match="source object"):
            copy()
    assert "Restore" not in s3.head_object(bucket="box", key="k")
    assert s3.get_object_tagging(bucket="box", key="k")["TagSet"] == []


@pytest.mark.parametrize(
    ("storage_class", "tier", "seconds"),
    [
        ("GLACIER", "Expedited", 60),
        ("GLACIER", "Standard", 3 * HOUR),
        ("GLACIER", None, 3 * HOUR),
        ("GLACIER", "Bulk", 5 * HOUR),
        ("DEEP_ARCHIVE", "Standard", 12 * HOUR),
        ("DEEP_ARCHIVE", "Bulk", 48 * HOUR),
    ],
)
def test_a_copy_comes_after_its_tiers_time(s3: S3, storage_class: str, tier: str | None, seconds: int) -> None:
    freeze(s3, storage_class=storage_class)
    assert restore(s3, tier=tier) == 202
    s3.clock.time += seconds - 1
    assert s3.head_object(bucket="box", key="k")["Restore"] == 'ongoing-request="true"'
    with pytest.raises(errors.InvalidObjectState):
        s3.get("box", "k")
    s3.clock.time += 1
    assert s3.get("box", "k") == b"frozen"
    assert s3.head_object(bucket="box", key="k")["StorageClass"] == storage_class
    s3.copy_object(bucket="box", key="thawed", copy_source="box/k")
    assert s3.get("box", "thawed") == b"frozen"


def test_a_copy_goes_at_the_midnight_after_its_days(s3: S3) -> None:
    """ "…adding the number of days… and rounding the resulting time to the next day at midnight UTC": 14 November 2023, 22:13."""
    freeze(s3)
    restore(s3, days=1, tier="Expedited")
    s3.clock.time += HOUR
    until = 'ongoing-request="false", expiry-date="Thu, 16 Nov 2023 00:00:00 GMT"'
    assert s3.head_object(bucket="box", key="k")["Restore"] == until
    s3.clock.time = 1_700_092_799
    assert s3.get("box", "k") == b"frozen"
    s3.clock.time = 1_700_092_800
    with pytest.raises(errors.InvalidObjectState):
        s3.get("box", "k")
    assert "Restore" not in s3.head_object(bucket="box", key="k")
    assert restore(s3) == 202


def test_a_copy_that_is_there_is_kept_longer_or_shorter(s3: S3) -> None:
    freeze(s3)
    restore(s3, days=1, tier="Expedited")
    s3.clock.time += HOUR
    assert restore(s3, days=9) == 200
    assert "Fri, 24 Nov 2023" in s3.head_object(bucket="box", key="k")["Restore"]
    assert restore(s3, days=1, tier=None) == 200
    assert "Thu, 16 Nov 2023" in s3.head_object(bucket="box", key="k")["Restore"]


def test_a_restore_under_way_can_only_be_sped_up(s3: S3) -> None:
    freeze(s3)
    assert restore(s3, tier="Bulk") == 202
    for days, tier in ((3, "Bulk"), (4, "Expedited")):
        with pytest.raises(errors.RestoreAlreadyInProgress):
            restore(s3, days=days, tier=tier)
    assert restore(s3, tier="Expedited") == 202
    with pytest.raises(errors.RestoreAlreadyInProgress):
        restore(s3, tier="Standard")
    s3.clock.time += 60
    assert s3.get("box", "k") == b"frozen"


def test_what_cannot_be_restored_is_said(s3: S3) -> None:
    s3.put_object(bucket="box", key="warm", body=b"x", storage_class="GLACIER_IR")
    with pytest.raises(errors.InvalidObjectState, match="not allowed for the object's current storage class"):
        restore(s3, key="warm")
    with pytest.raises(errors.NoSuchKey):
        restore(s3, key="none")
    freeze(s3, storage_class="DEEP_ARCHIVE")
    with pytest.raises(errors.InvalidArgument, match="Retrieval option"):
        restore(s3, tier="Expedited")
    with pytest.raises(errors.InvalidArgument):
        restore(s3, days=0)
    with pytest.raises(errors.MalformedXML):
        restore(s3, tier="Quick")
    with pytest.raises(errors.MalformedXML):
        s3.restore_object(bucket="box", key="k", restore_request={})
    assert "Restore" not in s3.head_object(bucket="box", key="k")


def test_listings_show_restores_where_they_are_asked_to(s3: S3) -> None:
    freeze(s3, "a")
    freeze(s3, "b")
    restore(s3, key="b", tier="Expedited")
    wanted = {"bucket": "box", "optional_object_attributes": ["RestoreStatus"]}

    def shown() -> list[Any]:
        lists = [s3.list_objects(**wanted)["Contents"], s3.list_objects_v2(**wanted)["Contents"]]
        lists.append(s3.list_object_versions(**wanted)["Versions"])
        return [[entry.get("RestoreStatus") for entry in entries] for entries in lists]

    assert shown() == [[None, {"IsRestoreInProgress": True}]] * 3
    assert "RestoreStatus" not in s3.list_objects_v2(bucket="box")["Contents"][1]
    s3.clock.time += 60
    assert shown() == [[None, {"IsRestoreInProgress": False, "RestoreExpiryDate": 1_700_265_600}]] * 3
    with pytest.raises(errors.InvalidArgument):
        s3.list_objects_v2(bucket="box", optional_object_attributes=["Colour"])


def test_a_restore_is_told_when_it_begins_comes_and_goes(s3: S3) -> None:
    """S3 user guide, "Event message structure": glacierEventData is there of s3:ObjectRestore:Completed only."""
    listen(s3, "s3:ObjectRestore:*")
    freeze(s3)
    restore(s3, days=1)
    (post,) = told(s3)
    assert post["eventName"] == "ObjectRestore:Post"
    assert post["s3"]["object"]["size"] == 6
    s3.work()
    assert told(s3) == []
    s3.clock.time += 3 * HOUR
    s3.work()
    (completed,) = told(s3)
    assert completed["eventName"] == "ObjectRestore:Completed"
    assert completed["userIdentity"] == {"principalId": "s3.amazonaws.com"}
    assert completed["glacierEventData"]["restoreEventData"] == {
        "lifecycleRestorationExpiryTime": "2023-11-17T00:00:00.000Z",
        "lifecycleRestoreStorageClass": "GLACIER",
    }
    restore(s3, days=2)
    s3.clock.time += 2 * DAY
    s3.work()
    assert told(s3) == []
    s3.clock.time += 2 * DAY
    s3.work()
    assert [record["eventName"] for record in told(s3)] == ["ObjectRestore:Delete"]
    assert s3.rows("restores") == 0


def test_a_restore_of_what_is_gone_is_forgotten(s3: S3) -> None:
    listen(s3, "s3:ObjectRestore:Completed")
    for key in ("deleted", "replaced"):
        freeze(s3, key)
        restore(s3, key=key)
    s3.delete_object(bucket="box", key="deleted")
    freeze(s3, "replaced")
    s3.clock.time += DAY
    s3.work()
    assert told(s3) == []
    assert s3.rows("restores") == 0
    with pytest.raises(errors.InvalidObjectState):
        s3.get("box", "replaced")


def test_each_version_is_restored_on_its_own(s3: S3) -> None:
    s3.put_bucket_versioning(bucket="box", versioning_configuration={"Status": "Enabled"})
    ids = [
        s3.put_object(bucket="box", key="k", body=body, storage_class="GLACIER")["VersionId"] for body in (b"1", b"2")
    ]
    listen(s3, "s3:ObjectRestore:Completed")
    restore(s3, version_id=ids[0])
    s3.clock.time += DAY
    assert s3.get("box", "k", version_id=ids[0]) == b"1"
    with pytest.raises(errors.InvalidObjectState):
        s3.get("box", "k")
    s3.work()
    assert [record["s3"]["object"]["versionId"] for record in told(s3)] == [ids[0]]
    s3.delete_object(bucket="box", key="k")
    with pytest.raises(errors.DeleteMarkerInTheWay):
        restore(s3)
