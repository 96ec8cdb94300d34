"""What lifecycles do, by a clock that is moved (S3 user guide, "Expiring objects", "Transitioning objects", "Lifecycle
configuration elements", "Conflicts in lifecycle configurations")."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import orjson
import pytest

from awning.kit.call import Call, service_facts
from awning.services.s3 import errors, lifecycle_tables, lifecycle_work, tables, upload_tables
from tests.services.s3.support import S3
from tests.services.s3.test_lifecycle import put, rule
from tests.services.s3.test_storage_classes import DAY, listen, told

LARGE = b"x" * (128 * 1024)


def keys(s3: S3) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(bucket="box")["Contents"]]


def classes(s3: S3) -> dict[str, str]:
    return {entry["Key"]: entry["StorageClass"] for entry in s3.list_objects_v2(bucket="box")["Contents"]}


def versioned(s3: S3, status: str = "Enabled") -> None:
    s3.put_bucket_versioning(bucket="box", versioning_configuration={"Status": status})


def versions(s3: S3, key: str = "k") -> list[str]:
    """Return a key's version ids, delete markers as "-", the newest first."""
    shown = s3.list_object_versions(bucket="box", prefix=key)
    entries = [(entry["Key"], entry["IsLatest"], entry) for entry in shown["Versions"] + shown["DeleteMarkers"]]
    assert all(found == key for found, _, _ in entries)
    newest = [entry for _, latest, entry in entries if latest]
    assert len(newest) == (1 if entries else 0)
    return ["-" if "ETag" not in entry else entry["VersionId"] for _, _, entry in entries]


def pass_days(s3: S3, days: int) -> None:
    """Go to the first second of a later day, and let what is due be done."""
    s3.clock.time = (s3.clock.time // DAY + days) * DAY
    s3.work()


def write(s3: S3, key: str = "k", body: bytes = b"x", **params: Any) -> str | None:
    answer: dict[str, Any] = s3.put_object(bucket="box", key=key, body=body, **params)
    return answer.get("VersionId")


def test_an_object_expires_at_the_midnight_after_its_days(s3: S3) -> None:
    put(s3, rule(Expiration={"Days": 3}, Filter={"Prefix": "a"}))
    for key in ("a1", "a2", "b"):
        write(s3, key)
    pass_days(s3, 3)
    assert keys(s3) == ["a1", "a2", "b"]
    pass_days(s3, 1)
    assert keys(s3) == ["b"]
    assert s3.rows("contents") == 1


def test_nothing_is_done_by_a_rule_that_is_disabled_or_gone(s3: S3) -> None:
    write(s3)
    put(s3, rule(Status="Disabled"))
    pass_days(s3, 5)
    put(s3, rule())
    s3.delete_bucket_lifecycle(bucket="box")
    pass_days(s3, 5)
    assert keys(s3) == ["k"]


def test_a_rule_holds_for_what_there_was_before(s3: S3) -> None:
    write(s3)
    pass_days(s3, 5)
    put(s3, rule(Expiration={"Days": 3}))
    s3.work()
    assert keys(s3) == []


def test_a_date_that_has_passed_goes_on_to_expire_what_comes(s3: S3) -> None:
    write(s3)
    put(s3, rule(Expiration={"Date": 1_577_836_800}))
    s3.work()
    assert keys(s3) == []
    write(s3)
    s3.work()
    assert keys(s3) == ["k"]
    pass_days(s3, 1)
    assert keys(s3) == []


def test_objects_go_down_the_ladder(s3: S3) -> None:
    moves = [{"Days": 30, "StorageClass": "STANDARD_IA"}, {"Days": 60, "StorageClass": "GLACIER"}]
    put(s3, rule(Transitions=moves, Expiration=None))
    write(s3, body=LARGE)
    write(s3, "frozen", LARGE, storage_class="DEEP_ARCHIVE")
    pass_days(s3, 30)
    assert classes(s3) == {"k": "STANDARD", "frozen": "DEEP_ARCHIVE"}
    pass_days(s3, 1)
    assert classes(s3) == {"k": "STANDARD_IA", "frozen": "DEEP_ARCHIVE"}
    assert s3.get("box", "k") == LARGE
    pass_days(s3, 30)
    assert classes(s3) == {"k": "GLACIER", "frozen": "DEEP_ARCHIVE"}
    with pytest.raises(errors.InvalidObjectState):
        s3.get("box", "k")


def test_small_objects_stay_unless_a_rule_speaks_of_sizes(s3: S3) -> None:
    """ "Objects smaller than 128 KB will not transition to any storage class" by default (transition considerations)."""
    archive = [{"Days": 0, "StorageClass": "GLACIER"}]
    write(s3, "small")
    put(s3, rule(Transitions=archive, Expiration=None))
    pass_days(s3, 1)
    assert classes(s3) == {"small": "STANDARD"}
    put(s3, rule(Transitions=archive, Expiration=None, Filter={"ObjectSizeLessThan": 5}))
    pass_days(s3, 1)
    assert classes(s3) == {"small": "GLACIER"}


def test_small_objects_go_to_archives_where_the_older_default_was_chosen(s3: S3) -> None:
    write(s3, "g")
    write(s3, "i")
    put(
        s3,
        rule(ID="g", Transitions=[{"Days": 0, "StorageClass": "GLACIER"}], Expiration=None, Filter={"Prefix": "g"}),
        rule(ID="i", Transitions=[{"Days": 0, "StorageClass": "GLACIER_IR"}], Expiration=None, Filter={"Prefix": "i"}),
        transition_default_minimum_object_size="varies_by_storage_class",
    )
    pass_days(s3, 1)
    assert classes(s3) == {"g": "GLACIER", "i": "STANDARD"}


def test_of_what_is_due_at_once_deletion_comes_first_and_then_the_lowest_class(s3: S3) -> None:
    put(
        s3,
        rule(ID="ir", Transitions=[{"Days": 1, "StorageClass": "GLACIER_IR"}], Expiration=None),
        rule(ID="deep", Transitions=[{"Days": 1, "StorageClass": "DEEP_ARCHIVE"}], Expiration=None),
        rule(ID="end", Expiration={"Days": 1}, Filter={"Prefix": "gone"}),
    )
    write(s3, "gone", LARGE)
    write(s3, "stays", LARGE)
    listen(s3, "s3:LifecycleTransition", "s3:LifecycleExpiration:*")
    pass_days(s3, 2)
    assert classes(s3) == {"stays": "DEEP_ARCHIVE"}
    records = told(s3)
    assert [(record["eventName"], record["s3"]["object"]["key"]) for record in records] == [
        ("LifecycleExpiration:Delete", "gone"),
        ("LifecycleTransition", "stays"),
    ]
    about = {"transitionEventData": {"destinationStorageClass": "DEEP_ARCHIVE"}}
    assert records[1]["lifecycleEventData"] == about
    assert records[0]["userIdentity"] == {"principalId": "s3.amazonaws.com"}
    assert records[0]["requestParameters"] == {"sourceIPAddress": "s3.amazonaws.com"}
    assert "size" not in records[0]["s3"]["object"]


def test_tags_and_sizes_decide(s3: S3) -> None:
    put(s3, rule(Filter={"And": {"Tags": [{"Key": "a", "Value": "1"}], "ObjectSizeGreaterThan": 1}}))
    write(s3, "both", b"xx", tagging="a=1&b=2")
    write(s3, "small", b"x", tagging="a=1")
    write(s3, "other", b"xx", tagging="a=2")
    write(s3, "none", b"xx")
    pass_days(s3, 2)
    assert keys(s3) == ["none", "other", "small"]


# Versions ------------------------------------------------------------------------------------------------------------


def test_a_current_version_expires_into_a_delete_marker(s3: S3) -> None:
    versioned(s3)
    put(s3, rule())
    id_ = write(s3)
    listen(s3, "s3:LifecycleExpiration:*")
    pass_days(s3, 2)
    assert versions(s3) == [id_, "-"]
    (record,) = told(s3)
    assert record["eventName"] == "LifecycleExpiration:DeleteMarkerCreated"
    assert record["s3"]["object"]["versionId"] not in (id_, None)
    pass_days(s3, 5)
    assert versions(s3) == [id_, "-"]


def test_a_null_version_expires_for_good_where_versioning_is_suspended(s3: S3) -> None:
    versioned(s3)
    id_ = write(s3)
    versioned(s3, "Suspended")
    write(s3)
    put(s3, rule())
    pass_days(s3, 2)
    assert versions(s3) == [id_, "-"]
    assert s3.rows("contents") == 1


def test_older_versions_go_by_the_time_since_they_were_replaced(s3: S3) -> None:
    versioned(s3)
    put(s3, rule(Expiration=None, NoncurrentVersionExpiration={"NoncurrentDays": 5}))
    first = write(s3)
    pass_days(s3, 10)
    second = write(s3)
    pass_days(s3, 5)
    assert versions(s3) == [second, first]
    pass_days(s3, 1)
    assert versions(s3) == [second]


def test_some_newer_versions_are_kept(s3: S3) -> None:
    versioned(s3)
    kept = {"NoncurrentDays": 1, "NewerNoncurrentVersions": 2}
    put(s3, rule(Expiration=None, NoncurrentVersionExpiration=kept))
    ids = [write(s3) for _ in range(6)]
    pass_days(s3, 2)
    assert versions(s3) == ids[:2:-1]
    s3.delete_object(bucket="box", key="k")
    pass_days(s3, 2)
    assert versions(s3) == [*ids[:3:-1], "-"]


def test_older_versions_go_down_the_ladder(s3: S3) -> None:
    versioned(s3)
    moves = [{"NoncurrentDays": 2, "StorageClass": "GLACIER", "NewerNoncurrentVersions": 1}]
    put(s3, rule(Expiration=None, NoncurrentVersionTransitions=moves))
    for _ in range(3):
        write(s3, body=LARGE)
    pass_days(s3, 3)
    shown = [entry["StorageClass"] for entry in s3.list_object_versions(bucket="box")["Versions"]]
    assert shown == ["STANDARD", "STANDARD", "GLACIER"]


def test_a_delete_marker_goes_once_it_hides_nothing(s3: S3) -> None:
    versioned(s3)
    id_ = write(s3)
    s3.delete_object(bucket="box", key="k")
    s3.delete_object(bucket="box", key="only")
    put(s3, rule(Expiration={"ExpiredObjectDeleteMarker": True}, Filter={"Prefix": "k"}))
    pass_days(s3, 1)
    assert versions(s3) == [id_, "-"]
    s3.delete_object(bucket="box", key="k", version_id=id_)
    listen(s3, "s3:LifecycleExpiration:Delete")
    pass_days(s3, 1)
    assert versions(s3) == []
    assert versions(s3, "only") == ["-"]
    assert [record["s3"]["object"]["key"] for record in told(s3)] == ["k"]


def test_days_clean_up_delete_markers_that_are_old_enough(s3: S3) -> None:
    """ "When you specify the Days tag, Amazon S3 automatically performs ExpiredObjectDeleteMarker cleanup when the delete markers
    are old enough to satisfy the age criteria." """
    versioned(s3)
    put(s3, rule(Expiration={"Days": 3}))
    s3.delete_object(bucket="box", key="k")
    pass_days(s3, 3)
    assert versions(s3) == ["-"]
    pass_days(s3, 1)
    assert versions(s3) == []


def test_a_marker_goes_with_the_last_version_that_it_hid(s3: S3) -> None:
    versioned(s3)
    put(
        s3,
        rule(Expiration={"ExpiredObjectDeleteMarker": True}, NoncurrentVersionExpiration={"NoncurrentDays": 1}),
    )
    for _ in range(3):
        write(s3)
    s3.delete_object(bucket="box", key="k")
    pass_days(s3, 2)
    assert versions(s3) == []
    assert s3.rows("contents") == 0
    s3.delete_bucket(bucket="box")


def lock(s3: S3, key: str, **extras: Any) -> None:
    def mark(call: Call) -> None:
        for content in call.db.execute("SELECT content FROM versions WHERE key = ?", (key.encode(),)).fetchall():
            tables.set_extras(call.db, content[0], orjson.dumps(extras))

    s3.loop.run_until_complete(s3.room.write(s3.call(), mark))


def test_what_is_locked_stays_until_it_no_longer_is(s3: S3) -> None:
    versioned(s3)
    put(s3, rule(Expiration=None, NoncurrentVersionExpiration={"NoncurrentDays": 1}))
    for key in ("held", "kept"):
        write(s3, key)
        write(s3, key)
    lock(s3, "held", hold="ON")
    lock(s3, "kept", retention=["COMPLIANCE", s3.clock.time + 5 * DAY])
    pass_days(s3, 3)
    assert (len(versions(s3, "held")), len(versions(s3, "kept"))) == (2, 2)
    pass_days(s3, 4)
    assert (len(versions(s3, "held")), len(versions(s3, "kept"))) == (2, 1)
    lock(s3, "held", hold="OFF")
    pass_days(s3, 1)
    assert len(versions(s3, "held")) == 1


# Uploads -------------------------------------------------------------------------------------------------------------


def test_uploads_that_take_too_long_are_given_up(s3: S3) -> None:
    put(s3, rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 2}, Filter={"Prefix": "p/"}, Expiration=None))
    for key in ("p/a", "p/a", "q"):
        upload = s3.create_multipart_upload(bucket="box", key=key)["UploadId"]
        s3.upload_part(bucket="box", key=key, upload_id=upload, part_number=1, body=b"x" * 100_000)
    pass_days(s3, 2)
    assert len(s3.list_multipart_uploads(bucket="box")["Uploads"]) == 3
    pass_days(s3, 1)
    assert [entry["Key"] for entry in s3.list_multipart_uploads(bucket="box")["Uploads"]] == ["q"]
    assert len(s3.files()) == s3.rows("contents") == 1


# Steps ---------------------------------------------------------------------------------------------------------------


def step(s3: S3) -> bool:
    made: bool = s3.loop.run_until_complete(
        s3.room.write(s3.room.call(service_facts("s3")), lifecycle_work.walk_lifecycles)
    )
    return made


def test_a_walk_goes_in_small_steps_from_wherever_it_came_to(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle_work, "WINDOW", 7)
    monkeypatch.setattr(lifecycle_work, "LOOKED_AT", 5)
    monkeypatch.setattr(lifecycle_work, "DONE", 3)
    for at in range(30):
        write(s3, f"{at:02}", tagging=f"third={at % 3}")
    put(s3, rule(Filter={"Tag": {"Key": "third", "Value": "0"}}))
    s3.clock.time += 2 * DAY
    left = [30]
    while step(s3):
        left.append(len(keys(s3)))
    assert left[-1] == 20
    assert all(before - after <= 3 for before, after in pairwise(left))
    assert len(left) > 6


def test_versions_of_one_key_are_counted_across_steps(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle_work, "LOOKED_AT", 2)
    monkeypatch.setattr(lifecycle_work, "DONE", 2)
    versioned(s3)
    ids = [write(s3) for _ in range(12)]
    kept = {"NoncurrentDays": 1, "NewerNoncurrentVersions": 5}
    put(s3, rule(Expiration=None, NoncurrentVersionExpiration=kept))
    pass_days(s3, 2)
    assert versions(s3) == ids[:5:-1]


def test_a_walk_skips_what_no_rule_is_about(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle_work, "WINDOW", 3)
    for at in range(60):
        write(s3, f"a{at:02}")
    for key in ("m", "z1"):
        write(s3, key)
    put(s3, rule(Filter={"Prefix": "m"}), rule(ID="two", Filter={"Prefix": "z"}))
    s3.clock.time += 2 * DAY
    steps = 0
    while step(s3):
        steps += 1
    assert keys(s3)[-1] == "a59"
    assert steps < 10


def test_a_walk_is_made_once_a_day(s3: S3) -> None:
    put(s3, rule())
    s3.work()
    assert not step(s3)
    s3.clock.time += DAY
    assert step(s3)
    s3.work()
    assert not step(s3)


def test_each_bucket_walks_by_its_own_rules(s3: S3) -> None:
    s3.create_bucket(bucket="other")
    for bucket in ("box", "other"):
        s3.put_object(bucket=bucket, key="k", body=b"x")
    put(s3, rule(Expiration={"Days": 9}))
    s3.put_bucket_lifecycle_configuration(bucket="other", lifecycle_configuration={"Rules": [rule()]})
    pass_days(s3, 2)
    assert keys(s3) == ["k"]
    assert s3.list_objects_v2(bucket="other")["Contents"] == []


def test_the_walks_reads_use_the_order_of_their_tables(s3: S3) -> None:
    db = s3.room.database.reader
    seen: list[str] = []
    plans: list[str] = []
    db.set_trace_callback(seen.append)
    lifecycle_tables.window_end(db, 1, b"a", 10)
    lifecycle_tables.current_between(db, 1, b"a", b"b", 1, 10)
    lifecycle_tables.versions_behind(db, 1, b"a", None, 10)
    lifecycle_tables.versions_behind(db, 1, b"a", 5, 10)
    lifecycle_tables.due_walk(db, 1)
    lifecycle_tables.due_restores(db, 1, 10)
    lifecycle_tables.uploads_behind(db, 1, b"a", 5, 10)
    upload_tables.uploads_from(db, 1, b"a", None, "u", 10)
    upload_tables.uploads_from(db, 1, b"a", b"b", "u", 10)
    db.set_trace_callback(None)
    for statement in seen:
        plans += [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()]
    assert len(seen) == 9
    for bounded in (plans[1], plans[-1]):  # no further than the window, whatever lies behind it
        assert bounded.endswith("AND key<?)")
    assert not [plan for plan in plans if plan.startswith("SCAN") or "TEMP B-TREE" in plan]


def test_a_step_that_takes_long_goes_no_further(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    for at in range(10):
        write(s3, f"{at}")
    monkeypatch.setattr(lifecycle_work, "SECONDS", 0.0)
    put(s3, rule())
    s3.clock.time += 2 * DAY
    left = [10]
    while step(s3):
        left.append(len(keys(s3)) if s3.rows("objects") else 0)
    assert left[:11] == list(range(10, -1, -1))
