"""Replication by boto3: across regions and accounts, as a role whose policies decide.

S3 user guide, "Replicating objects within and across Regions".
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from awning.cli.main import main
from tests.replicas import (
    READS,
    WRITES,
    allow,
    configure,
    document,
    for_buckets,
    latest,
    make_bucket,
    make_role,
    rule,
    settled,
    until,
    versions,
)

OTHER = "999988887777"
PART = 5 * 1024 * 1024


@pytest.fixture
def other(region: Any) -> Any:
    """The root of another account, in another region."""
    return region.client("s3", key=OTHER, secret="test", region_name="eu-west-1")


def pair(region: Any, name: str, *more: dict[str, Any], **options: Any) -> tuple[Any, Any, str, str]:
    """Two buckets of one account in two regions, the first replicating into the second."""
    s3, far = region.client("s3"), region.client("s3", region_name="eu-central-1")
    source, target = make_bucket(s3, f"{name}-from", **options), make_bucket(far, f"{name}-to", **options)
    role = make_role(region.client("iam"), f"{name}-role", *for_buckets(source, target), *more)
    configure(s3, source, role, rule(target))
    return s3, far, source, target


def test_a_round_across_regions(region: Any) -> None:
    s3, far, source, target = pair(region, "round")
    put = s3.put_object(
        Bucket=source, Key="a", Body=b"one", Metadata={"who": "ann"}, ContentType="text/x", Tagging="t=1&u=2"
    )
    large = b"x" * 300_000
    s3.put_object(Bucket=source, Key="large", Body=large, ChecksumAlgorithm="SHA256")
    s3.copy_object(Bucket=source, Key="copy", CopySource=f"{source}/a")
    assert [settled(s3, source, key) for key in ("a", "large", "copy")] == ["COMPLETED"] * 3
    here, there = (client.get_object(Bucket=name, Key="a") for client, name in ((s3, source), (far, target)))
    assert there["ReplicationStatus"] == "REPLICA"
    same = ("ETag", "LastModified", "Metadata", "ContentType", "VersionId", "TagCount", "ContentLength")
    assert {name: there[name] for name in same} == {name: here[name] for name in same}
    assert there["VersionId"] == put["VersionId"]
    assert there["Body"].read() == b"one"
    assert len(far.get_object_tagging(Bucket=target, Key="a")["TagSet"]) == 2
    read = far.get_object(Bucket=target, Key="large", ChecksumMode="ENABLED")
    assert read["Body"].read() == large
    assert read["ChecksumSHA256"]
    s3.delete_object(Bucket=source, Key="a")
    assert until(lambda: len(versions(far, target)) == 4)
    assert versions(far, target) == versions(s3, source)
    s3.delete_object(Bucket=source, Key="a", VersionId=put["VersionId"])
    s3.put_object(Bucket=source, Key="b")
    assert settled(s3, source, "b") == "COMPLETED"
    assert ("a", put["VersionId"], False) in versions(far, target), "a version's deletion is not replicated"
    with pytest.raises(ClientError) as hidden:
        far.get_object(Bucket=target, Key="a")
    assert hidden.value.response["Error"]["Code"] == "NoSuchKey"


def test_a_multipart_object_keeps_its_parts(region: Any) -> None:
    s3, far, source, target = pair(region, "parts")
    upload = s3.create_multipart_upload(Bucket=source, Key="m", ChecksumAlgorithm="CRC32")["UploadId"]
    done = []
    for number, body in ((2, b"a" * PART), (7, b"b" * 1000)):
        part = s3.upload_part(
            Bucket=source, Key="m", UploadId=upload, PartNumber=number, Body=body, ChecksumAlgorithm="CRC32"
        )
        done.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]})
    made = s3.complete_multipart_upload(Bucket=source, Key="m", UploadId=upload, MultipartUpload={"Parts": done})
    assert settled(s3, source, "m") == "COMPLETED"
    there = far.get_object(Bucket=target, Key="m")
    assert (there["ETag"], there["VersionId"]) == (made["ETag"], made["VersionId"])
    assert there["ETag"].endswith('-2"')
    assert there["Body"].read() == b"a" * PART + b"b" * 1000
    assert far.get_object(Bucket=target, Key="m", PartNumber=2)["Body"].read() == b"b" * 1000
    parts = far.get_object_attributes(Bucket=target, Key="m", ObjectAttributes=["ObjectParts"])["ObjectParts"]
    assert [each["ChecksumCRC32"] for each in parts["Parts"]] == [each["ChecksumCRC32"] for each in done]


def test_what_is_changed_later_follows(region: Any) -> None:
    s3, far, source, target = pair(region, "later", ObjectLockEnabledForBucket=True)
    day = datetime(2091, 1, 1, tzinfo=UTC)
    made = s3.put_object(
        Bucket=source, Key="k", Body=b"1", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=day, Tagging="a=1"
    )["VersionId"]
    assert settled(s3, source, "k") == "COMPLETED"
    head = far.head_object(Bucket=target, Key="k", VersionId=made)
    assert (head["ObjectLockMode"], head["ObjectLockRetainUntilDate"]) == ("GOVERNANCE", day)
    s3.put_object_legal_hold(Bucket=source, Key="k", LegalHold={"Status": "ON"})
    assert settled(s3, source, "k") == "COMPLETED"
    assert far.get_object_legal_hold(Bucket=target, Key="k")["LegalHold"] == {"Status": "ON"}
    s3.put_object_tagging(Bucket=source, Key="k", Tagging={"TagSet": [{"Key": "b", "Value": "2"}]})
    assert settled(s3, source, "k") == "COMPLETED"
    assert far.get_object_tagging(Bucket=target, Key="k")["TagSet"] == [{"Key": "b", "Value": "2"}]
    s3.delete_object_tagging(Bucket=source, Key="k")
    assert settled(s3, source, "k") == "COMPLETED"
    assert far.get_object_tagging(Bucket=target, Key="k")["TagSet"] == []


def test_across_accounts_the_destinations_policy_decides(region: Any, other: Any) -> None:
    """S3 user guide, "Configuring replication for buckets in different accounts", "Changing the replica owner"."""
    s3 = region.client("s3")
    source, target = make_bucket(s3, "mine-from"), make_bucket(other, "theirs-to")
    role = make_role(region.client("iam"), "mine-role", *for_buckets(source, target))
    owned = {"Account": OTHER, "AccessControlTranslation": {"Owner": "Destination"}}
    configure(s3, source, role, rule(target, Destination=owned))
    s3.put_object(Bucket=source, Key="k", Body=b"1")
    assert settled(s3, source, "k") == "FAILED"
    assert versions(other, target) == []
    granted = {**allow(WRITES, f"arn:aws:s3:::{target}/*"), "Principal": {"AWS": role}}
    other.put_bucket_policy(Bucket=target, Policy=document(granted))
    s3.put_object(Bucket=source, Key="k", Body=b"2")
    assert settled(s3, source, "k") == "COMPLETED"
    assert other.get_object(Bucket=target, Key="k")["Body"].read() == b"2"
    with pytest.raises(ClientError) as wrong:
        configure(s3, source, role, rule(target, Destination={"Account": "123412341234"}))
    assert wrong.value.response["Error"]["Code"] == "InvalidArgument"


def test_the_roles_policies_decide(region: Any) -> None:
    """S3 user guide, "Setting up permissions for live replication": without those for tags the rest is replicated."""
    s3, iam = region.client("s3"), region.client("iam")
    source, target = make_bucket(s3, "role-from"), make_bucket(s3, "role-to")
    places = (f"arn:aws:s3:::{source}", f"arn:aws:s3:::{source}/*", f"arn:aws:s3:::{target}/*")
    role = make_role(iam, "role-role", allow(("s3:PutObject",), "*"))
    configure(s3, source, role, rule(target))

    def outcome(*statements: dict[str, Any]) -> str:
        iam.put_role_policy(RoleName="role-role", PolicyName="replicates", PolicyDocument=document(*statements))
        s3.put_object(Bucket=source, Key="k", Tagging="a=1")
        return settled(s3, source, "k")

    needed = (*READS, "s3:ReplicateObject")
    assert outcome(allow(needed, *places)) == "COMPLETED"
    assert s3.get_object_tagging(Bucket=target, Key="k")["TagSet"] == []
    assert outcome(allow((*needed, "s3:GetObjectVersionTagging", "s3:ReplicateTags"), *places)) == "COMPLETED"
    assert len(s3.get_object_tagging(Bucket=target, Key="k")["TagSet"]) == 1
    for missing in needed:
        assert outcome(allow(tuple(each for each in needed if each != missing), *places)) == "FAILED", missing
    denial = {"Effect": "Deny", "Action": "s3:ReplicateObject", "Resource": f"arn:aws:s3:::{target}/k"}
    assert outcome(allow(needed, *places), denial) == "FAILED"
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.update_assume_role_policy(RoleName="role-role", PolicyDocument=document(trust))
    assert outcome(allow(needed, *places)) == "FAILED"


def test_objects_under_keys_of_kms_when_asked(region: Any) -> None:
    """S3 user guide, "Replicating encrypted objects"."""
    s3, far, source, target = pair(region, "sealed")
    kms, far_kms = region.client("kms"), region.client("kms", region_name="eu-central-1")
    key, far_key = (client.create_key()["KeyMetadata"]["Arn"] for client in (kms, far_kms))
    sealed = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    s3.put_object(Bucket=source, Key="not-asked", Body=b"1", **sealed)
    s3.put_object(Bucket=source, Key="plain", Body=b"1")
    assert settled(s3, source, "plain") == "COMPLETED"
    assert "ReplicationStatus" not in s3.head_object(Bucket=source, Key="not-asked")
    asked = rule(
        target,
        SourceSelectionCriteria={"SseKmsEncryptedObjects": {"Status": "Enabled"}},
        Destination={"EncryptionConfiguration": {"ReplicaKmsKeyID": far_key}},
    )
    role = s3.get_bucket_replication(Bucket=source)["ReplicationConfiguration"]["Role"]
    configure(s3, source, role, asked)
    body = b"secret" * 100_000
    s3.put_object(Bucket=source, Key="k", Body=body, **sealed)
    assert settled(s3, source, "k") == "FAILED"
    iam = region.client("iam")
    iam.put_role_policy(
        RoleName="sealed-role",
        PolicyName="keys",
        PolicyDocument=document(
            allow(("kms:Decrypt",), key, Condition={"StringLike": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}),
            allow(
                ("kms:Encrypt",), far_key, Condition={"StringLike": {"kms:ViaService": "s3.eu-central-1.amazonaws.com"}}
            ),
        ),
    )
    s3.put_object(Bucket=source, Key="k", Body=body, **sealed)
    assert settled(s3, source, "k") == "COMPLETED"
    there = far.get_object(Bucket=target, Key="k")
    assert (there["SSEKMSKeyId"], there["ServerSideEncryption"]) == (far_key, "aws:kms")
    assert there["Body"].read() == body
    assert there["ETag"] == s3.head_object(Bucket=source, Key="k")["ETag"]


def test_a_failure_is_told_and_logged_and_can_be_made_good(region: Any) -> None:
    """S3 user guide, "Receiving replication failure events with Amazon S3 Event Notifications"."""
    s3, far, source, target = pair(region, "told")
    sqs = region.client("sqs")
    url = sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:000000000000:told"
    policy = {**allow(("sqs:SendMessage",), arn), "Principal": {"Service": "s3.amazonaws.com"}}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document(policy)})
    s3.put_bucket_notification_configuration(
        Bucket=source,
        NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:Replication:*"]}]},
        SkipDestinationValidation=True,
    )
    role = s3.get_bucket_replication(Bucket=source)["ReplicationConfiguration"]["Role"]
    configure(s3, source, role, rule(target, Destination={"Metrics": {"Status": "Enabled"}}))
    region.client("iam").delete_role_policy(RoleName="told-role", PolicyName="replicates")
    made = s3.put_object(Bucket=source, Key="k 1", Body=b"1")
    assert settled(s3, source, "k 1") == "FAILED"
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"]
    (record,) = json.loads(message["Body"])["Records"]
    assert record["eventName"] == "Replication:OperationFailedReplication"
    assert record["s3"]["object"]["versionId"] == made["VersionId"]
    about = record["replicationEventData"]
    assert about.pop("requestTime")
    assert about == {
        "replicationRuleId": "all",
        "destinationBucket": f"arn:aws:s3:::{target}",
        "s3Operation": "OBJECT_PUT",
        "failureReason": "SrcBucketReplicationConfigMissing",
    }
    assert "s3:GetReplicationConfiguration" in region.log.read_text()
    assert versions(far, target) == []


def test_what_is_there_already_by_the_command(region: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """S3 user guide, "Replicating existing objects": all versions, those of before versioning too."""
    s3 = region.client("s3")
    source, target = "before-from", make_bucket(s3, "before-to")
    s3.create_bucket(Bucket=source)
    s3.put_object(Bucket=source, Key="old", Body=b"of before")
    make = {"Bucket": source, "VersioningConfiguration": {"Status": "Enabled"}}
    s3.put_bucket_versioning(**make)
    for number in range(60):
        s3.put_object(Bucket=source, Key=f"k{number % 7}", Body=b"%d" % number)
    s3.delete_object(Bucket=source, Key="k1")
    command = ["s3", "replicate", source, "--data", str(region.data)]
    assert main(command) == 2, "there are no rules"
    role = make_role(region.client("iam"), "before-role", *for_buckets(source, target))
    configure(s3, source, role, rule(target))
    s3.put_object(Bucket=source, Key="new", Body=b"new")
    assert settled(s3, source, "new") == "COMPLETED"
    assert versions(s3, target) == [each for each in versions(s3, source) if each[0] == "new"]
    assert main(command) == 0
    assert "62 versions and delete markers" in capsys.readouterr().out
    assert until(lambda: versions(s3, target) == versions(s3, source))
    assert s3.get_object(Bucket=target, Key="old", VersionId="null")["Body"].read() == b"of before"
    assert latest(s3, source) == latest(s3, target)
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("1 "), "the delete marker, of which nothing is noted"


def test_what_failed_is_made_good_by_the_command(region: Any) -> None:
    s3 = region.client("s3")
    source, target = make_bucket(s3, "good-from"), make_bucket(s3, "good-to")
    iam = region.client("iam")
    role = make_role(iam, "good-role", allow(("s3:PutObject",), "*"))
    configure(s3, source, role, rule(target))
    s3.put_object(Bucket=source, Key="k", Body=b"1")
    assert settled(s3, source, "k") == "FAILED"
    iam.put_role_policy(
        RoleName="good-role", PolicyName="replicates", PolicyDocument=document(*for_buckets(source, target))
    )
    assert main(["s3", "replicate", source, "--data", str(region.data)]) == 0
    assert settled(s3, source, "k") == "COMPLETED"


def test_changes_of_replicas_go_back_when_asked(region: Any) -> None:
    """S3 user guide, "Replicating metadata changes with replica modification sync"."""
    s3 = region.client("s3")
    one, two = make_bucket(s3, "both-one"), make_bucket(s3, "both-two")
    statements = (*for_buckets(one, two), *for_buckets(two, one))
    role = make_role(region.client("iam"), "both-role", *statements)
    synced = {"SourceSelectionCriteria": {"ReplicaModifications": {"Status": "Enabled"}}}
    configure(s3, one, role, rule(two, **synced))
    configure(s3, two, role, rule(one, **synced))
    s3.put_object(Bucket=one, Key="k", Body=b"1")
    assert settled(s3, one, "k") == "COMPLETED"
    assert s3.head_object(Bucket=two, Key="k")["ReplicationStatus"] == "REPLICA"
    tags = {"TagSet": [{"Key": "by", "Value": "replica"}]}
    s3.put_object_tagging(Bucket=two, Key="k", Tagging=tags)
    assert until(lambda: s3.get_object_tagging(Bucket=one, Key="k")["TagSet"] == tags["TagSet"])
    assert len(versions(s3, one)) == len(versions(s3, two)) == 1
