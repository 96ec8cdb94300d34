"""Object lock, rule by rule. S3 user guide, "Locking objects with Object Lock" and "Object Lock considerations"; the errors
are as recorded from S3."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from awning.protocols.errors import ServiceError
from awning.services.s3 import bucket_tables, errors, history, locks
from awning.services.s3.locks import DAY
from tests.services.s3.support import S3, user

LOCKED = "Access Denied because object protected by object lock."
CRC = base64.b64encode(bytes(8)).decode()  # CRC64NVME of nothing


@pytest.fixture
def safe(s3: S3) -> S3:
    """A room with a bucket `safe` that has object lock."""
    s3.create_bucket(bucket="safe", object_lock_enabled_for_bucket=True)
    return s3


def put(s3: S3, key: str = "k", body: bytes = b"x", **params: Any) -> str:
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    version: str = s3.put_object(bucket="safe", key=key, body=body, content_md5=md5, **params)["VersionId"]
    return version


def retain(s3: S3, version: str | None, mode: str, days: float, **params: Any) -> None:
    until = s3.clock.time + days * DAY
    retention = {"Mode": mode, "RetainUntilDate": until}
    s3.put_object_retention(bucket="safe", key="k", version_id=version, retention=retention, **params)


def delete(s3: S3, version: str | None, **params: Any) -> Any:
    return s3.delete_object(bucket="safe", key="k", version_id=version, **params)


def refused(kind: type[ServiceError], text: str, call: Any, *arguments: Any, **params: Any) -> ServiceError:
    with pytest.raises(kind) as raised:
        call(*arguments, **params)
    assert raised.value.message == text
    return raised.value


# The bucket ----------------------------------------------------------------------------------------------------------


def test_a_bucket_made_with_object_lock_keeps_versions(safe: S3) -> None:
    assert safe.get_bucket_versioning(bucket="safe") == {"Status": "Enabled"}
    shown = safe.get_object_lock_configuration(bucket="safe")
    assert shown == {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}
    error = refused(
        errors.InvalidBucketState,
        "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
        safe.put_bucket_versioning, bucket="safe", versioning_configuration={"Status": "Suspended"},
    )  # fmt: skip
    assert error.status == 409
    safe.put_bucket_versioning(bucket="safe", versioning_configuration={"Status": "Enabled"})


def test_object_lock_comes_to_a_bucket_that_keeps_versions(s3: S3) -> None:
    enabled = {"ObjectLockEnabled": "Enabled"}
    words = "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration"
    for status in (None, "Suspended"):
        if status:
            s3.put_bucket_versioning(bucket="box", versioning_configuration={"Status": status})
        refused(
            errors.InvalidBucketState, words, s3.put_object_lock_configuration,
            bucket="box", object_lock_configuration=enabled,
        )  # fmt: skip
    with pytest.raises(errors.ObjectLockConfigurationNotFoundError):
        s3.get_object_lock_configuration(bucket="box")
    s3.put_bucket_versioning(bucket="box", versioning_configuration={"Status": "Enabled"})
    s3.put_object_lock_configuration(bucket="box", object_lock_configuration=enabled)
    assert s3.get_object_lock_configuration(bucket="box") == {"ObjectLockConfiguration": enabled}


@pytest.mark.parametrize(
    "configuration",
    [
        None,
        {},
        {"Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}},
        {"ObjectLockEnabled": "Disabled"},
        {"ObjectLockEnabled": "Enabled", "Rule": {}},
        {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {}}},
        {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE"}}},
        {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "governance", "Days": 1}}},
        {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1, "Years": 1}}},
    ],
)
def test_configurations_that_are_none(safe: S3, configuration: Any) -> None:
    with pytest.raises(errors.MalformedXML):
        safe.put_object_lock_configuration(bucket="safe", object_lock_configuration=configuration)


@pytest.mark.parametrize(
    ("period", "words"),
    [
        ({"Days": 0}, "Default retention period must be a positive integer value."),
        ({"Years": -1}, "Default retention period must be a positive integer value."),
        ({"Days": 36_501}, "Default retention period too large."),
        ({"Years": 101}, "Default retention period too large."),
    ],
)
def test_periods_have_their_bounds(safe: S3, period: dict[str, int], words: str) -> None:
    rule = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", **period}}}
    error = refused(
        errors.InvalidArgument, words, safe.put_object_lock_configuration,
        bucket="safe", object_lock_configuration=rule,
    )  # fmt: skip
    assert error.members == {"ArgumentName": next(iter(period))}


@pytest.mark.parametrize(("period", "days"), [({"Days": 3}, 3), ({"Years": 2}, 730)])
def test_new_versions_are_retained_by_default(safe: S3, period: dict[str, int], days: int) -> None:
    old = put(safe)
    rule = {"Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", **period}}}
    configuration = {"ObjectLockEnabled": "Enabled", **rule}
    safe.put_object_lock_configuration(bucket="safe", object_lock_configuration=configuration)
    assert safe.get_object_lock_configuration(bucket="safe") == {"ObjectLockConfiguration": configuration}
    new = put(safe)
    until = int(safe.clock.time) + days * DAY
    shown = safe.get_object_retention(bucket="safe", key="k")
    assert shown == {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": until}}
    with pytest.raises(errors.NoSuchObjectLockConfiguration):
        safe.get_object_retention(bucket="safe", key="k", version_id=old)
    own = put(safe, object_lock_mode="COMPLIANCE", object_lock_retain_until_date=safe.clock.time + 60)
    assert safe.head_object(bucket="safe", key="k", version_id=own)["ObjectLockMode"] == "COMPLIANCE"
    held = put(safe, object_lock_legal_hold_status="ON")
    assert safe.head_object(bucket="safe", key="k", version_id=held)["ObjectLockMode"] == "GOVERNANCE"
    safe.copy_object(bucket="safe", key="copy", copy_source=f"safe/k?versionId={own}")
    copied = safe.head_object(bucket="safe", key="copy")
    assert (copied["ObjectLockMode"], "ObjectLockLegalHoldStatus" in copied) == ("GOVERNANCE", False)
    refused(errors.AccessDenied, LOCKED, delete, safe, new)
    safe.clock.time = until + 1
    delete(safe, new)


# Versions ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
def test_a_retained_version_stays_until_its_time(safe: S3, mode: str) -> None:
    version = put(safe)
    retain(safe, version, mode, 10)
    refused(errors.AccessDenied, LOCKED, delete, safe, version)
    marker = delete(safe, None)
    assert marker["DeleteMarker"] is True
    delete(safe, marker["VersionId"])  # markers are not protected
    put(safe)  # nor is it in the way of another version
    if mode == "COMPLIANCE":
        refused(errors.AccessDenied, LOCKED, delete, safe, version, bypass_governance_retention=True)
        safe.clock.time += 10 * DAY
        delete(safe, version)
    else:
        delete(safe, version, bypass_governance_retention=True)


def test_a_legal_hold_knows_no_time_and_no_bypass(safe: S3) -> None:
    version = put(safe, object_lock_legal_hold_status="ON")
    safe.clock.time += 1000 * DAY
    for bypass in (None, True):
        refused(errors.AccessDenied, LOCKED, delete, safe, version, bypass_governance_retention=bypass)
    assert safe.get_object_legal_hold(bucket="safe", key="k") == {"LegalHold": {"Status": "ON"}}
    safe.put_object_legal_hold(bucket="safe", key="k", legal_hold={"Status": "OFF"})
    assert safe.get_object_legal_hold(bucket="safe", key="k") == {"LegalHold": {"Status": "OFF"}}
    assert safe.head_object(bucket="safe", key="k")["ObjectLockLegalHoldStatus"] == "OFF"
    delete(safe, version)


@pytest.mark.parametrize(
    ("mode", "days", "new", "new_days", "bypass", "allowed"),
    [
        ("GOVERNANCE", 2, "GOVERNANCE", 3, None, True),
        ("GOVERNANCE", 2, "GOVERNANCE", 1, None, False),
        ("GOVERNANCE", 2, "GOVERNANCE", 1, False, False),
        ("GOVERNANCE", 2, "GOVERNANCE", 1, True, True),
        ("GOVERNANCE", 2, "COMPLIANCE", 3, None, False),
        ("GOVERNANCE", 2, "COMPLIANCE", 1, True, True),
        ("GOVERNANCE", 2, None, 0, None, False),
        ("GOVERNANCE", 2, None, 0, True, True),
        ("COMPLIANCE", 2, "COMPLIANCE", 3, None, True),
        ("COMPLIANCE", 2, "COMPLIANCE", 2, None, True),
        ("COMPLIANCE", 2, "COMPLIANCE", 1, True, False),
        ("COMPLIANCE", 2, "GOVERNANCE", 3, True, False),
        ("COMPLIANCE", 2, None, 0, True, False),
    ],
)  # fmt: skip
def test_a_retention_is_extended_by_anybody_and_shortened_by_few(
    safe: S3, mode: str, days: int, new: str | None, new_days: int, bypass: bool | None, allowed: bool
) -> None:
    version = put(safe)
    retain(safe, None, mode, days)
    retention = {"Mode": new, "RetainUntilDate": safe.clock.time + new_days * DAY} if new else {}
    wanted = {"bucket": "safe", "key": "k", "retention": retention, "bypass_governance_retention": bypass}
    if allowed:
        safe.put_object_retention(**wanted)
    else:
        refused(errors.AccessDenied, LOCKED, safe.put_object_retention, **wanted)
    if not allowed or new is not None:
        kept, until = (new, new_days) if allowed else (mode, days)
        assert safe.get_object_retention(bucket="safe", key="k", version_id=version)["Retention"] == {
            "Mode": kept, "RetainUntilDate": safe.clock.time + until * DAY}  # fmt: skip
    else:
        with pytest.raises(errors.NoSuchObjectLockConfiguration):
            safe.get_object_retention(bucket="safe", key="k", version_id=version)
        delete(safe, version)


def test_what_is_over_binds_nobody(safe: S3) -> None:
    version = put(safe)
    retain(safe, version, "COMPLIANCE", 1)
    safe.clock.time += 2 * DAY
    assert safe.head_object(bucket="safe", key="k")["ObjectLockMode"] == "COMPLIANCE"
    retain(safe, version, "GOVERNANCE", 1)
    delete(safe, version, bypass_governance_retention=True)


def test_many_are_deleted_but_what_is_locked(safe: S3) -> None:
    free, governed, held = put(safe), put(safe), put(safe, object_lock_legal_hold_status="ON")
    retain(safe, governed, "GOVERNANCE", 1)
    asked = {"Objects": [{"Key": "k", "VersionId": version} for version in (free, governed, held)]}
    call = safe.call()
    answer = safe.delete_objects(as_=call, bucket="safe", delete=asked)
    assert [entry["VersionId"] for entry in answer["Deleted"]] == [free]
    assert answer["Errors"] == [
        {"Key": "k", "VersionId": version, "Code": "AccessDenied", "Message": LOCKED} for version in (governed, held)
    ]
    asked["Objects"].pop(0)
    answer = safe.delete_objects(bucket="safe", delete=asked, bypass_governance_retention=True)
    assert [entry["VersionId"] for entry in answer["Deleted"]] == [governed]
    assert [entry["VersionId"] for entry in answer["Errors"]] == [held]


def test_bypassing_means_nothing_where_nothing_is_locked(s3: S3) -> None:
    """A client that empties any bucket by its versions (as test suites do) may ask for it all the same."""
    words = "x-amz-bypass-governance-retention is only applicable to Object Lock enabled buckets."
    one = {"Objects": [{"Key": "k"}]}
    for bypass in (True, False):
        flag = {"bucket": "box", "bypass_governance_retention": bypass}
        error = refused(errors.InvalidArgument, words, s3.delete_object, key="k", **flag)
        assert error.members == {"ArgumentName": "x-amz-bypass-governance-retention"}
        refused(errors.InvalidArgument, words, s3.delete_objects, delete=one, **flag)
    named = {"Objects": [{"Key": "k", "VersionId": "null"}]}
    assert s3.delete_objects(bucket="box", delete=named, bypass_governance_retention=True)["Errors"] == []


def test_nothing_that_removes_versions_removes_a_locked_one(safe: S3) -> None:
    """What lifecycles and null versions go through: history, whoever calls it."""
    version = put(safe, object_lock_legal_hold_status="ON")
    call = safe.call()
    found = safe.loop.run_until_complete(safe.room.write(call, _bucket))

    def remove(call: Any) -> Any:
        return history.remove(call, found, b"k", version, None, bypass=True)

    with pytest.raises(errors.AccessDenied):
        safe.loop.run_until_complete(safe.room.write(safe.call(), remove))
    assert safe.get("safe", "k") == b"x"


def test_a_locked_null_version_is_not_overwritten(s3: S3) -> None:
    """It came before versioning; a bucket with object lock is never suspended again, and says so before it may be."""
    s3.put_object(bucket="box", key="k", body=b"old")
    s3.put_bucket_versioning(bucket="box", versioning_configuration={"Status": "Enabled"})
    s3.put_object_lock_configuration(bucket="box", object_lock_configuration={"ObjectLockEnabled": "Enabled"})
    s3.put_object_legal_hold(bucket="box", key="k", version_id="null", legal_hold={"Status": "ON"})
    s3.put_object(bucket="box", key="k", body=b"new")
    s3.delete_object(bucket="box", key="k")
    assert s3.get("box", "k", version_id="null") == b"old"

    def suspended(call: Any) -> Any:
        found = _bucket(call, "box")._replace(versioning="Suspended")
        return history.hide(call, found, b"k", current=False)

    with pytest.raises(errors.AccessDenied):
        s3.loop.run_until_complete(s3.room.write(s3.call(), suspended))
    assert s3.get("box", "k", version_id="null") == b"old"


def _bucket(call: Any, name: str = "safe") -> Any:
    return bucket_tables.find_bucket(call.db, name)


# Requests ------------------------------------------------------------------------------------------------------------


def test_mode_and_date_come_together(safe: S3) -> None:
    words = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied"
    for given, missing in (
        ({"object_lock_mode": "GOVERNANCE"}, "x-amz-object-lock-retain-until-date"),
        ({"object_lock_retain_until_date": 9e9}, "x-amz-object-lock-mode"),
    ):
        for call in (safe.put_object, safe.create_multipart_upload):
            error = refused(errors.InvalidArgument, words, call, bucket="safe", key="k", **given)
            assert error.members == {"ArgumentName": missing}
    error = refused(
        errors.InvalidArgument, "The retain until date must be in the future!", safe.put_object,
        bucket="safe", key="k", object_lock_mode="GOVERNANCE", object_lock_retain_until_date=safe.clock.time,
    )  # fmt: skip
    assert error.members["ArgumentName"] == "x-amz-object-lock-retain-until-date"


def test_a_write_with_a_lock_brings_a_digest(safe: S3) -> None:
    words = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters"
    held = {"bucket": "safe", "key": "k", "object_lock_legal_hold_status": "ON"}
    for body in (b"small", bytes(70_000)):
        refused(errors.InvalidRequest, words, safe.put_object, body=body, **held)
    safe.put_object(body=b"", checksum_crc64_nvme=CRC, **held)
    safe.put_object(bucket="safe", key="free", body=b"no lock, no digest")
    rule = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}
    safe.put_object_lock_configuration(bucket="safe", object_lock_configuration=rule)
    refused(errors.InvalidRequest, words, safe.put_object, bucket="safe", key="k", body=b"x")
    assert safe.files() == []


def test_a_write_with_a_lock_is_signed_by_version_4(safe: S3) -> None:
    for signed in (None, "v2-query"):
        refused(
            errors.InvalidArgument,
            "Put Object requests with Object Lock parameters require AWS Signature Version 4",
            safe.put_object, as_=safe.call(signed=signed), bucket="safe", key="k", body=b"",
            checksum_crc64_nvme=CRC, object_lock_legal_hold_status="ON",
        )  # fmt: skip


def test_a_bucket_without_object_lock_takes_no_locks(s3: S3) -> None:
    s3.put_object(bucket="box", key="k", body=b"x")
    for call in (s3.put_object, s3.create_multipart_upload):
        refused(
            errors.InvalidRequest, "Bucket is missing ObjectLockConfiguration", call,
            bucket="box", key="k", object_lock_legal_hold_status="ON",
        )  # fmt: skip
    words = "Bucket is missing Object Lock Configuration"
    named = {"bucket": "box", "key": "k"}
    retention = {"Mode": "GOVERNANCE", "RetainUntilDate": s3.clock.time + 1}
    refused(errors.InvalidRequest, words, s3.get_object_retention, **named)
    refused(errors.InvalidRequest, words, s3.get_object_legal_hold, **named)
    refused(errors.InvalidRequest, words, s3.put_object_retention, retention=retention, **named)
    refused(errors.InvalidRequest, words, s3.put_object_legal_hold, legal_hold={"Status": "ON"}, **named)


def test_documents_that_are_none(safe: S3) -> None:
    put(safe)
    named = {"bucket": "safe", "key": "k"}
    for retention in (None, {"Mode": "GOVERNANCE"}, {"RetainUntilDate": 9e9}, {"Mode": "x", "RetainUntilDate": 9e9}):
        with pytest.raises(errors.MalformedXML):
            safe.put_object_retention(retention=retention, **named)
    for hold in (None, {}, {"Status": "on"}):
        with pytest.raises(errors.MalformedXML):
            safe.put_object_legal_hold(legal_hold=hold, **named)
    past = {"Mode": "GOVERNANCE", "RetainUntilDate": 1_577_836_800}
    words = "The retain until date must be in the future!"
    error = refused(errors.InvalidArgument, words, safe.put_object_retention, retention=past, **named)
    assert error.members == {"ArgumentName": "RetainUntilDate", "ArgumentValue": "Tue Dec 31 16:00:00 PST 2019"}
    with pytest.raises(errors.NoSuchKey):
        safe.get_object_retention(bucket="safe", key="other")
    delete(safe, None)
    with pytest.raises(errors.DeleteMarkerInTheWay):
        safe.get_object_retention(**named)


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (1_710_064_799, "Sun Mar 10 01:59:59 PST 2024"),
        (1_710_064_800, "Sun Mar 10 03:00:00 PDT 2024"),
        (1_730_624_399, "Sun Nov 03 01:59:59 PDT 2024"),
        (1_730_624_400, "Sun Nov 03 01:00:00 PST 2024"),
    ],
)
def test_dates_in_errors_go_by_the_clock_of_seattle(time: float, text: str) -> None:
    assert locks.pacific(time) == text


# Uploads, copies, replies, permissions -------------------------------------------------------------------------------


def test_an_upload_is_locked_as_it_was_begun_or_by_default(safe: S3) -> None:
    named = {"bucket": "safe", "key": "k"}
    lock = {"object_lock_mode": "COMPLIANCE", "object_lock_retain_until_date": safe.clock.time + DAY}
    upload = safe.create_multipart_upload(**named, **lock, object_lock_legal_hold_status="ON")["UploadId"]
    part = {**named, "upload_id": upload, "part_number": 1}
    refused(
        errors.InvalidRequest,
        "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Part requests with Object Lock parameters",
        safe.upload_part, **part, body=b"x",
    )  # fmt: skip
    md5 = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    etag = safe.upload_part(**part, body=b"x", content_md5=md5)["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    rule = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}
    safe.put_object_lock_configuration(bucket="safe", object_lock_configuration=rule)
    version = safe.complete_multipart_upload(**named, upload_id=upload, multipart_upload=parts)["VersionId"]
    head = safe.head_object(**named, version_id=version)
    assert (head["ObjectLockMode"], head["ObjectLockLegalHoldStatus"]) == ("COMPLIANCE", "ON")
    refused(errors.AccessDenied, LOCKED, delete, safe, version)
    upload = safe.create_multipart_upload(**named)["UploadId"]
    safe.upload_part(**named, upload_id=upload, part_number=1, body=b"x", content_md5=md5)
    safe.complete_multipart_upload(**named, upload_id=upload, multipart_upload=parts)
    assert safe.get_object_retention(**named)["Retention"]["Mode"] == "GOVERNANCE"


def test_a_copy_brings_its_own_lock(safe: S3) -> None:
    put(safe, object_lock_mode="COMPLIANCE", object_lock_retain_until_date=safe.clock.time + DAY)
    safe.copy_object(bucket="safe", key="plain", copy_source="safe/k")
    assert "ObjectLockMode" not in safe.head_object(bucket="safe", key="plain")
    until = safe.clock.time + 2 * DAY
    safe.copy_object(
        bucket="safe", key="own", copy_source="safe/k", object_lock_mode="GOVERNANCE",
        object_lock_retain_until_date=until, object_lock_legal_hold_status="OFF",
    )  # fmt: skip
    head = safe.head_object(bucket="safe", key="own")
    assert (head["ObjectLockMode"], head["ObjectLockLegalHoldStatus"]) == ("GOVERNANCE", "OFF")
    assert safe.get_object(bucket="safe", key="own")["ObjectLockRetainUntilDate"].endswith(".000Z")


def test_a_lock_is_shown_to_who_may_see_it(safe: S3) -> None:
    put(
        safe, object_lock_legal_hold_status="ON", object_lock_mode="GOVERNANCE",
        object_lock_retain_until_date=safe.clock.time + DAY,
    )  # fmt: skip
    shown = {"ObjectLockMode", "ObjectLockRetainUntilDate"}, {"ObjectLockLegalHoldStatus"}
    for denied, members in zip(("s3:GetObjectRetention", "s3:GetObjectLegalHold"), shown, strict=True):
        for call in (safe.get_object, safe.head_object):
            head = call(bucket="safe", key="k", deny=lambda action, arn, denied=denied: action == denied)
            assert {name for name in head if name.startswith("ObjectLock")} == (shown[0] | shown[1]) - members


def test_who_may_not_bypass_deletes_none_of_many(safe: S3) -> None:
    version = put(safe)
    answer = safe.delete_objects(
        bucket="safe", delete={"Objects": [{"Key": "k", "VersionId": version}]}, bypass_governance_retention=True,
        deny=lambda action, arn: action == "s3:BypassGovernanceRetention",
        as_=safe.call(principal=user()),
    )  # fmt: skip
    assert [entry["Code"] for entry in answer["Errors"]] == ["AccessDenied"]
    assert safe.get("safe", "k") == b"x"
