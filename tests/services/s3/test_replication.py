"""Replication: configurations, what goes and what does not, and that order and repetition do not matter.

S3 API reference, PutBucketReplication; S3 user guide, "What does Amazon S3 replicate?".
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from awning.kit.call import service_facts
from awning.kit.deliveries import TryAgain
from awning.kit.errors import ServiceError
from awning.services.s3 import errors, replicating, replication
from tests.services.s3.replicated import (
    ROLE,
    carry,
    carry_all,
    configure,
    give_role,
    letters,
    make_buckets,
    rule,
    status,
    versions,
)
from tests.services.s3.sealed import KINDS
from tests.services.s3.support import S3


@pytest.fixture
def both(s3: S3) -> S3:
    """`box`, and `there` in another region, which have versions; nothing is replicated yet."""
    make_buckets(s3, "box")
    far = s3.call(region="eu-west-1")
    s3.create_bucket(as_=far, bucket="there", create_bucket_configuration={"LocationConstraint": "eu-west-1"})
    s3.put_bucket_versioning(
        as_=s3.call(region="eu-west-1"), bucket="there", versioning_configuration={"Status": "Enabled"}
    )
    give_role(s3)
    return s3


def there(s3: S3, name: str, **params: Any) -> Any:
    return getattr(s3, name)(as_=s3.call(region="eu-west-1"), bucket="there", **params)


def first(**more: Any) -> dict[str, Any]:
    """A rule of the first version of configurations."""
    return {"Status": "Enabled", "Prefix": "", **more, "Destination": {"Bucket": "arn:aws:s3:::there"}}


KMS = {"SseKmsEncryptedObjects": {"Status": "Enabled"}}
TIME = {"Status": "Enabled", "Time": {"Minutes": 15}}
TAG = {"Key": "a", "Value": "1"}
WRONG: list[tuple[list[dict[str, Any]], str, str]] = [
    ([], "MalformedXML", ""),
    ([rule("none")], "InvalidRequest", "Destination bucket must exist."),
    ([rule("box")], "InvalidRequest", "cannot be the same"),
    ([rule(Destination={"Bucket": "there"})], "InvalidArgument", "Invalid bucket ARN"),
    ([rule(Status="On")], "MalformedXML", ""),
    ([rule(ID="x" * 256)], "InvalidArgument", "255"),
    ([rule(), rule(Priority=2)], "InvalidArgument", "Rule Id must be unique"),
    ([rule(), rule(ID="2")], "InvalidRequest", "Found duplicate priority 1"),
    ([rule(Priority=None)], "InvalidRequest", "Priority must be specified"),
    ([rule(Priority=-1)], "InvalidRequest", "Priority must be between"),
    ([rule(DeleteMarkerReplication=None)], "InvalidRequest", "DeleteMarkerReplication must be specified"),
    ([rule(Filter={"Tag": TAG})], "InvalidRequest", "not supported if any Tag filter"),
    ([rule(Prefix="a")], "InvalidRequest", "Prefix cannot be used"),
    ([rule(Filter={"Prefix": "a", "Tag": TAG})], "MalformedXML", ""),
    ([rule(Filter={"Prefix": "a" * 1025})], "InvalidArgument", "maximum size of a prefix"),
    ([rule(), first(ID="2")], "InvalidRequest", "Filter must be specified"),
    ([first(Priority=1)], "InvalidRequest", "Priority cannot be used"),
    (
        [first(DeleteMarkerReplication={"Status": "Disabled"})],
        "InvalidRequest",
        "DeleteMarkerReplication cannot be used",
    ),
    ([first(Prefix="a"), first(Prefix="ab")], "InvalidRequest", "overlapping"),
    ([rule(SourceSelectionCriteria=KMS)], "InvalidRequest", "EncryptionConfiguration must be specified"),
    (
        [rule(SourceSelectionCriteria=KMS, Destination={"EncryptionConfiguration": {}})],
        "InvalidRequest",
        "ReplicaKmsKeyID must be specified",
    ),
    (
        [rule(Destination={"EncryptionConfiguration": {"ReplicaKmsKeyID": "k"}})],
        "InvalidRequest",
        "SseKmsEncryptedObjects must be specified",
    ),
    ([rule(Destination={"AccessControlTranslation": {"Owner": "Destination"}})], "InvalidRequest", "Account element"),
    ([rule(Destination={"Account": "222222222222"})], "InvalidArgument", "must match the destination bucket owner"),
    ([rule(Destination={"Account": "me"})], "InvalidArgument", "valid account ID"),
    ([rule(Destination={"StorageClass": "SNOW"})], "MalformedXML", ""),
    ([rule(Destination={"ReplicationTime": TIME})], "InvalidRequest", "Metrics"),
    (
        [rule(Destination={"Metrics": {"Status": "Enabled", "EventThreshold": {"Minutes": 5}}})],
        "InvalidArgument",
        "15",
    ),
    ([rule(ID=str(number), Priority=number) for number in range(1001)], "InvalidRequest", "1000"),
]


@pytest.mark.parametrize(("rules", "code", "text"), WRONG, ids=[f"{code} {text}" for _, code, text in WRONG])
def test_what_is_wrong_is_refused_and_changes_nothing(both: S3, rules: list[Any], code: str, text: str) -> None:
    given = [{name: value for name, value in each.items() if value is not None} for each in rules]
    with pytest.raises(ServiceError) as refused:
        configure(both, *given)
    assert refused.value.code == code
    assert text in refused.value.message
    with pytest.raises(errors.ReplicationConfigurationNotFoundError):
        both.get_bucket_replication(bucket="box")


def test_both_buckets_must_keep_versions(s3: S3) -> None:
    s3.create_bucket(bucket="there")
    with pytest.raises(
        errors.InvalidRequest, match="Versioning must be 'Enabled' on the bucket to apply a replication"
    ):
        configure(s3, rule())
    make_buckets(s3, "box")
    with pytest.raises(errors.InvalidRequest, match="Destination bucket must have versioning enabled"):
        configure(s3, rule())


def test_a_configuration_is_returned_as_it_was_put_and_deleted(both: S3) -> None:
    made = rule(Filter={"And": {"Prefix": "a", "Tags": [TAG]}}, DeleteMarkerReplication={"Status": "Disabled"})
    made["Destination"]["Metrics"] = {"Status": "Enabled"}
    configure(both, made)
    assert both.get_bucket_replication(bucket="box")["ReplicationConfiguration"] == {"Role": ROLE, "Rules": [made]}
    with pytest.raises(errors.InvalidBucketState):
        both.put_bucket_versioning(bucket="box", versioning_configuration={"Status": "Suspended"})
    configure(both, first(), bucket="box")
    (kept,) = both.get_bucket_replication(bucket="box")["ReplicationConfiguration"]["Rules"]
    assert kept.pop("ID")
    assert kept == first()
    both.delete_bucket_replication(bucket="box")
    both.delete_bucket_replication(bucket="box")
    both.put_bucket_versioning(bucket="box", versioning_configuration={"Status": "Suspended"})


def test_what_goes_and_what_does_not(both: S3) -> None:
    configure(
        both, rule(Filter={"And": {"Prefix": "a", "Tags": [TAG]}}, DeleteMarkerReplication={"Status": "Disabled"})
    )
    both.put_object(bucket="box", key="a1", body=b"1", tagging="a=1&b=2")
    both.put_object(bucket="box", key="a2", body=b"1", tagging="b=2")
    both.put_object(bucket="box", key="b", body=b"1", tagging="a=1")
    both.put_object(bucket="box", key="a3", body=b"1", tagging="a=1", storage_class="GLACIER")
    both.put_object(bucket="box", key="a4", body=b"1", tagging="a=1", **KINDS["sse-c"])
    both.put_object(bucket="box", key="a5", body=b"1", tagging="a=1", **KINDS["sse-kms"])
    both.delete_object(bucket="box", key="a1")
    sent = letters(both)
    assert [(each.key, each.what) for each in sent] == [("a1", "OBJECT_PUT")]
    assert status(both, "a2") is None
    assert [carry(both, each) for each in sent] == [None]
    assert there(both, "head_object", key="a1")["ReplicationStatus"] == "REPLICA"
    assert letters(both) == [], "a replica does not go on"


def test_of_rules_for_one_destination_the_highest_priority_decides(both: S3) -> None:
    make_buckets(both, "third")
    configure(
        both,
        rule(ID="low", Priority=1, Destination={"StorageClass": "GLACIER"}),
        rule(ID="high", Priority=9, Filter={"Prefix": "a"}, Destination={"StorageClass": "STANDARD_IA"}),
        rule("third", ID="other", Priority=5),
    )
    both.put_object(bucket="box", key="a", body=b"1")
    both.put_object(bucket="box", key="b", body=b"1")
    sent = letters(both)
    assert carry(both, sent[0]) is None
    assert status(both, "a") == "PENDING", "one of two"
    assert [carry(both, each) for each in sent[1:]] == [None] * 3
    assert status(both, "a") == "COMPLETED"
    assert there(both, "head_object", key="a")["StorageClass"] == "STANDARD_IA"
    assert there(both, "head_object", key="b")["StorageClass"] == "GLACIER"
    assert "StorageClass" not in both.head_object(bucket="third", key="a")


@pytest.mark.parametrize(
    ("denied", "reason"),
    [
        ("s3:GetReplicationConfiguration", "SrcBucketReplicationConfigMissing"),
        ("s3:ListBucket", "SrcHeadObjectNotPermitted"),
        ("s3:GetObjectVersionForReplication", "SrcGetObjectNotPermitted"),
        ("s3:GetObjectVersionAcl", "SrcGetAclNotPermitted"),
        ("s3:ReplicateObject", "DstPutObjectNotPermitted"),
    ],
)
def test_a_denial_fails_it_and_says_why(both: S3, denied: str, reason: str) -> None:
    """S3 user guide, "Amazon S3 replication failure reasons"."""
    configure(both, rule())
    give_role(both, denied)
    both.put_object(bucket="box", key="a", body=b"1" * 200_000)
    assert carry_all(both) == [reason]
    assert status(both, "a") == "FAILED"
    assert versions_there(both) == []


def test_what_is_gone_meanwhile(both: S3) -> None:
    configure(both, rule())
    made = both.put_object(bucket="box", key="a", body=b"1")["VersionId"]
    both.delete_object(bucket="box", key="a", version_id=made)
    assert carry_all(both) == [None]
    both.put_object(bucket="box", key="b", body=b"1" * 100_000)
    sent = letters(both)
    there(both, "put_bucket_versioning", versioning_configuration={"Status": "Suspended"})
    assert [carry(both, each) for each in sent] == ["DstBucketUnversioned"]
    there(both, "delete_bucket")
    assert [carry(both, each) for each in sent] == ["DstBucketNotFound"]
    both.delete_bucket_replication(bucket="box")
    assert [carry(both, each) for each in sent] == ["SrcBucketReplicationConfigMissing"]
    both.neighbours.roles.clear()
    both.work()
    assert len(both.files()) == 1, "nothing is left of what failed"


def test_a_lock_needs_one_at_the_destination(s3: S3) -> None:
    s3.create_bucket(bucket="locked", object_lock_enabled_for_bucket=True)
    make_buckets(s3, "there")
    with pytest.raises(errors.InvalidRequest, match="Object Lock"):
        configure(s3, rule(), bucket="locked")


def locked_pair(s3: S3) -> S3:
    """`from` and `to`, both with object lock; what comes to `to` without a lock is kept for a day."""
    for name in ("from", "to"):
        s3.create_bucket(bucket=f"locks-{name}", object_lock_enabled_for_bucket=True)
    kept = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
    s3.put_object_lock_configuration(
        bucket="locks-to", object_lock_configuration={"ObjectLockEnabled": "Enabled", "Rule": kept}
    )
    give_role(s3)
    configure(s3, rule("locks-to"), bucket="locks-from")
    return s3


def test_no_change_of_the_original_weakens_the_lock_that_the_destination_gave(s3: S3) -> None:
    """Compliance cannot be shortened by any user; without a lock at the source the destination's default stands."""
    locked_pair(s3)
    version = s3.put_object(bucket="locks-from", key="a", body=b"1")["VersionId"]
    (letter,) = letters(s3)
    assert carry(s3, letter) is None
    kept = s3.get_object_retention(bucket="locks-to", key="a")
    assert kept["Retention"]["Mode"] == "COMPLIANCE"
    s3.put_object_legal_hold(bucket="locks-to", key="a", legal_hold={"Status": "ON"})
    assert carry(s3, letter) is None, "once more"
    s3.put_object_tagging(bucket="locks-from", key="a", tagging={"TagSet": [TAG]})
    assert carry_all(s3) == [None]
    soon = {"Mode": "GOVERNANCE", "RetainUntilDate": s3.clock.time + 60}
    s3.put_object_retention(bucket="locks-from", key="a", retention=soon)
    assert carry_all(s3) == [None]
    assert s3.get_object_retention(bucket="locks-to", key="a") == kept
    assert s3.get_object_legal_hold(bucket="locks-to", key="a") == {"LegalHold": {"Status": "ON"}}
    with pytest.raises(errors.AccessDenied):
        s3.delete_object(bucket="locks-to", key="a", version_id=version, bypass_governance_retention=True)


@pytest.mark.parametrize("denied", ["", "s3:BypassGovernanceRetention"])
def test_governance_that_was_shortened_follows_where_the_role_may_bypass_it(s3: S3, denied: str) -> None:
    locked_pair(s3)
    give_role(s3, *filter(None, [denied]))
    long, short = ({"Mode": "GOVERNANCE", "RetainUntilDate": s3.clock.time + days * 86_400} for days in (9, 3))
    s3.put_object(
        bucket="locks-from",
        key="a",
        body=b"1",
        content_md5="xMpCOKC5I4INzFCab3WEmw==",
        object_lock_mode="GOVERNANCE",
        object_lock_retain_until_date=long["RetainUntilDate"],
        object_lock_legal_hold_status="ON",
    )
    assert carry_all(s3) == [None]
    s3.put_object_retention(bucket="locks-from", key="a", retention=short, bypass_governance_retention=True)
    s3.put_object_legal_hold(bucket="locks-from", key="a", legal_hold={"Status": "OFF"})
    assert carry_all(s3) == [None, None]
    kept = s3.get_object_retention(bucket="locks-to", key="a")["Retention"]
    assert kept == (long if denied else short)
    assert s3.get_object_legal_hold(bucket="locks-to", key="a") == {"LegalHold": {"Status": "OFF"}}


@pytest.mark.parametrize("own", ["same bytes", "other bytes", "a marker"])
def test_a_null_version_of_the_destinations_own_is_no_replica(s3: S3, own: str) -> None:
    for name in ("from", "to"):
        s3.create_bucket(bucket=f"null-{name}")
        s3.put_object(bucket=f"null-{name}", key="a", body=b"2" if (own, name) == ("other bytes", "to") else b"1")
    if own == "a marker":
        s3.put_bucket_versioning(bucket="null-to", versioning_configuration={"Status": "Suspended"})
        s3.delete_object(bucket="null-to", key="a")
    for name in ("from", "to"):
        s3.put_bucket_versioning(bucket=f"null-{name}", versioning_configuration={"Status": "Enabled"})
    give_role(s3)
    configure(s3, rule("null-to"), bucket="null-from")
    s3.put_object_tagging(bucket="null-from", key="a", tagging={"TagSet": [TAG]})
    before = versions(s3, "null-to")
    call = s3.room.call(service_facts("s3"))
    s3.loop.run_until_complete(s3.room.write(call, replication.replicate_existing, ({"bucket": "null-from"},)))
    assert carry_all(s3) == ["SrcObjectNotEligible"]
    assert status(s3, "a", "null-from") == "FAILED"
    assert versions(s3, "null-to") == before
    if own != "a marker":
        assert s3.get_object_tagging(bucket="null-to", key="a")["TagSet"] == []


@pytest.mark.parametrize("interrupted", [False, True])
def test_many_parts_are_written_down_in_slices_and_shown_at_once(
    both: S3, monkeypatch: pytest.MonkeyPatch, interrupted: bool
) -> None:
    monkeypatch.setattr(replicating, "_PAGE", 2)
    configure(both, rule())
    upload = both.create_multipart_upload(bucket="box", key="m")["UploadId"]
    named = {"bucket": "box", "key": "m", "upload_id": upload}
    body = b"x" * (5 << 20)
    parts = [{"PartNumber": n, "ETag": both.upload_part(**named, part_number=n, body=body)["ETag"]} for n in (1, 3, 4)]
    both.complete_multipart_upload(**named, multipart_upload={"Parts": parts})
    (letter,) = letters(both)
    slices: list[int] = []
    lay = replicating._lay_slice

    def watched(call: Any, layout: bytes, copies: Any, laid: list[int]) -> None:
        if slices and interrupted:
            raise TryAgain("The role was taken away.", 0.0)
        lay(call, layout, copies, laid)
        slices.append(laid[0])
        assert laid[0] in both.room.memory.reading(), "it is not swept meanwhile"

    monkeypatch.setattr(replicating, "_lay_slice", watched)
    before = both.rows("contents")
    if interrupted:
        with pytest.raises(TryAgain):
            carry(both, letter)
        assert versions_there(both) == []
        both.work()
        assert (both.rows("contents"), both.rows("parts"), both.rows("doomed_contents")) == (before, 3, 0)
        assert len(both.files()) == 3, "nothing is left of what failed"
        slices.clear()
        interrupted = False
    assert carry(both, letter) is None
    both.work()
    assert len(slices) == 2
    assert both.room.memory.making == set()
    assert both.rows("parts") == 6
    assert both.read(there(both, "get_object", key="m")) == body * 3
    assert there(both, "head_object", key="m", part_number=3)["PartsCount"] == 3


def test_a_replica_that_was_deleted_is_not_made_again_by_a_change(both: S3) -> None:
    configure(both, rule())
    made = both.put_object(bucket="box", key="a", body=b"1")["VersionId"]
    assert carry_all(both) == [None]
    there(both, "delete_object", key="a", version_id=made)
    both.put_object_tagging(bucket="box", key="a", tagging={"TagSet": [TAG]})
    assert carry_all(both) == ["DstObjectHardDeleted"]
    assert status(both, "a") == "FAILED"


def test_a_lifecycle_leaves_alone_what_is_still_to_be_replicated(both: S3) -> None:
    """S3 user guide, "Getting replication status information"."""
    configure(both, rule())
    lifecycle = {"Rules": [{"Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}}]}
    both.put_bucket_lifecycle_configuration(bucket="box", lifecycle_configuration=lifecycle)
    both.put_object(bucket="box", key="a", body=b"1")
    sent = letters(both)
    both.clock.time += 4 * 86_400
    both.work()
    assert status(both, "a") == "PENDING"
    assert [carry(both, each) for each in sent] == [None]
    both.clock.time += 86_400
    both.work()
    with pytest.raises(errors.NoSuchKey):
        both.head_object(bucket="box", key="a")
    assert letters(both) == [], "a lifecycle's delete marker stays here"


def versions_there(s3: S3, prefix: str = "") -> list[tuple[Any, ...]]:
    class Far:
        def list_object_versions(self, **params: Any) -> Any:
            return s3.list_object_versions(as_=s3.call(region="eu-west-1"), **params)

    return versions(Far(), "there", prefix)  # type: ignore[arg-type]


STEP = st.tuples(st.sampled_from(("put", "large", "hide", "tag", "carry", "again")), st.integers(0, 2))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=3, max_size=20), order=st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(both: S3, steps: list[tuple[str, int]], order: Any) -> None:
    """Held against the obvious model: in the end the destination has what the source has."""
    folder = f"{len(both.list_objects_v2(bucket='box', delimiter='/', prefix='')['CommonPrefixes'])}/"
    both.put_object(bucket="box", key=f"{folder}first")
    letters(both)
    configure(both, rule(Filter={"Prefix": f"{folder}k"}))
    waiting: list[Any] = []
    carried: list[Any] = []
    for number, (what, which) in enumerate(steps):
        key = f"{folder}k{which}"
        both.clock.time += 1
        if what in ("put", "large"):
            both.put_object(bucket="box", key=key, body=b"%d" % number * (1 if what == "put" else 40_000))
        elif what == "hide":
            both.delete_object(bucket="box", key=key)
        elif what == "tag":
            try:
                tags = {"TagSet": [{"Key": "n", "Value": str(number)}]}
                both.put_object_tagging(bucket="box", key=key, tagging=tags)
            except ServiceError:
                pass
        waiting += letters(both)
        order.shuffle(waiting)
        if what == "carry" and waiting:
            carried.append(waiting.pop())
            assert carry(both, carried[-1]) is None
        elif what == "again" and carried:
            assert carry(both, order.choice(carried)) is None
    assert [carry(both, letter) for letter in waiting] == [None] * len(waiting)
    of_source = [each for each in versions(both, "box", folder) if not each[0].endswith("first")]
    assert versions_there(both, folder) == of_source
    for key, version, _, etag, *_ in of_source:
        if etag is not None:
            named = {"key": key, "version_id": version}
            assert both.read(there(both, "get_object", **named)) == both.get("box", **named)
            here = both.get_object_tagging(bucket="box", **named)
            assert here == there(both, "get_object_tagging", **named)
            assert both.head_object(bucket="box", **named)["ReplicationStatus"] == "COMPLETED"
