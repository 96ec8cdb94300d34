"""Storage classes and lifecycles, as boto3 and the AWS command line see them, by a region's clock that is moved."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from awning.cli.control import ask

DAY = 86400


@pytest.fixture
def clocked(own_region: Any) -> Any:
    """A region whose clock no other test minds."""
    own_region.start()
    return own_region


def told(error: Any) -> tuple[int, str]:
    return error.value.response["ResponseMetadata"]["HTTPStatusCode"], error.value.response["Error"]["Code"]


def test_a_round_by_boto3(clocked: Any) -> None:
    s3 = clocked.client("s3")
    s3.create_bucket(Bucket="frozen")
    with pytest.raises(ClientError) as none:
        s3.get_bucket_lifecycle_configuration(Bucket="frozen")
    assert told(none) == (404, "NoSuchLifecycleConfiguration")
    assert none.value.response["Error"]["BucketName"] == "frozen"
    rules = [
        {
            "ID": "all of it",
            "Status": "Enabled",
            "Filter": {"And": {"Prefix": "a", "Tags": [{"Key": "t", "Value": "1"}], "ObjectSizeGreaterThan": 1}},
            "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}],
            "Expiration": {"Days": 9},
            "NoncurrentVersionTransitions": [{"NoncurrentDays": 30, "StorageClass": "STANDARD_IA"}],
            "NoncurrentVersionExpiration": {"NoncurrentDays": 61, "NewerNoncurrentVersions": 3},
        },
        {"ID": "2", "Status": "Disabled", "Filter": {}, "Expiration": {"Date": datetime(2001, 1, 1, tzinfo=UTC)}},
        {
            "ID": "3",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        },
    ]
    put = s3.put_bucket_lifecycle_configuration(Bucket="frozen", LifecycleConfiguration={"Rules": rules})
    assert put["TransitionDefaultMinimumObjectSize"] == "all_storage_classes_128K"
    assert s3.get_bucket_lifecycle_configuration(Bucket="frozen")["Rules"] == rules
    upload = s3.create_multipart_upload(Bucket="frozen", Key="a")
    assert upload["AbortRuleId"] == "3"
    assert upload["AbortDate"].timestamp() % DAY == 0
    stored = s3.put_object(Bucket="frozen", Key="a", Body=b"ice", Tagging="t=1")
    assert stored["Expiration"] == s3.head_object(Bucket="frozen", Key="a")["Expiration"]
    assert stored["Expiration"].endswith('00:00:00 GMT", rule-id="all of it"')
    ask(clocked.data, "clock", seconds=2 * DAY)
    assert s3.head_object(Bucket="frozen", Key="a")["StorageClass"] == "GLACIER"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="frozen")
    with pytest.raises(ClientError) as archived:
        s3.get_object(Bucket="frozen", Key="a")
    assert told(archived) == (403, "InvalidObjectState")
    assert archived.value.response["Error"]["StorageClass"] == "GLACIER"
    order = {"Days": 1, "GlacierJobParameters": {"Tier": "Expedited"}}
    asked = s3.restore_object(Bucket="frozen", Key="a", RestoreRequest=order)
    assert asked["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert s3.head_object(Bucket="frozen", Key="a")["Restore"] == 'ongoing-request="true"'
    ask(clocked.data, "clock", seconds=61)
    assert s3.get_object(Bucket="frozen", Key="a")["Body"].read() == b"ice"
    (listed,) = s3.list_objects_v2(Bucket="frozen", OptionalObjectAttributes=["RestoreStatus"])["Contents"]
    assert listed["RestoreStatus"]["IsRestoreInProgress"] is False
    assert listed["RestoreStatus"]["RestoreExpiryDate"].timestamp() % DAY == 0
    asked = s3.restore_object(Bucket="frozen", Key="a", RestoreRequest=order)
    assert asked["ResponseMetadata"]["HTTPStatusCode"] == 200
    ask(clocked.data, "clock", seconds=9 * DAY)
    assert "Contents" not in s3.list_objects_v2(Bucket="frozen")
    s3.delete_bucket_lifecycle(Bucket="frozen")
    s3.delete_bucket(Bucket="frozen")


def test_the_older_form_of_a_rule(clocked: Any) -> None:
    """PutBucketLifecycle, the deprecated operation: a prefix of the rule's own, and one transition."""
    s3 = clocked.client("s3")
    s3.create_bucket(Bucket="older")
    old = {"ID": "o", "Prefix": "logs/", "Status": "Enabled", "Transition": {"Days": 30, "StorageClass": "GLACIER"}}
    s3.put_bucket_lifecycle(Bucket="older", LifecycleConfiguration={"Rules": [old]})
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket="older")["Rules"]
    assert rule == {**{name: old[name] for name in ("ID", "Prefix", "Status")}, "Transitions": [old["Transition"]]}
    assert s3.get_bucket_lifecycle(Bucket="older")["Rules"] == [old]


def test_an_id_that_no_header_can_carry_is_encoded(clocked: Any) -> None:
    s3 = clocked.client("s3")
    s3.create_bucket(Bucket="ids")
    rule = {"ID": 'ü "1"\n2 (100 %)', "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}}
    abort = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}
    s3.put_bucket_lifecycle_configuration(Bucket="ids", LifecycleConfiguration={"Rules": [{**rule, **abort}]})
    encoded = "%C3%BC %221%22%0A2 (100 %)"
    assert s3.put_object(Bucket="ids", Key="k", Body=b"")["Expiration"].endswith(f'rule-id="{encoded}"')
    assert s3.create_multipart_upload(Bucket="ids", Key="k")["AbortRuleId"] == encoded
    assert s3.get_bucket_lifecycle_configuration(Bucket="ids")["Rules"] == [{**rule, **abort}]


def test_a_selection_from_an_archive_is_refused_by_name(clocked: Any) -> None:
    s3 = clocked.client("s3")
    s3.create_bucket(Bucket="select")
    s3.put_object(Bucket="select", Key="k", Body=b"x", StorageClass="GLACIER")
    with pytest.raises(ClientError) as refused:
        s3.restore_object(Bucket="select", Key="k", RestoreRequest={"Type": "SELECT", "Tier": "Standard"})
    assert told(refused) == (501, "NotImplemented")


def test_intelligent_tiering_analytics_and_inventory_are_refused_by_name(clocked: Any) -> None:
    s3 = clocked.client("s3")
    s3.create_bucket(Bucket="later")
    tiers = {"Id": "i", "Status": "Enabled", "Tierings": [{"Days": 90, "AccessTier": "ARCHIVE_ACCESS"}]}
    for call in (
        lambda: s3.put_bucket_intelligent_tiering_configuration(
            Bucket="later", Id="i", IntelligentTieringConfiguration=tiers
        ),
        lambda: s3.list_bucket_intelligent_tiering_configurations(Bucket="later"),
        lambda: s3.list_bucket_analytics_configurations(Bucket="later"),
        lambda: s3.list_bucket_inventory_configurations(Bucket="later"),
    ):
        with pytest.raises(ClientError) as refused:
            call()
        assert told(refused) == (501, "NotImplemented")


def test_the_command_line_puts_and_shows_rules(region: Any, name: str, aws: Any, tmp_path: Path) -> None:
    region.client("s3").create_bucket(Bucket=name)
    rules = {"Rules": [{"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "x"}, "Expiration": {"Days": 2}}]}
    document = tmp_path / "rules.json"
    document.write_text(json.dumps(rules))
    given = ("--lifecycle-configuration", f"file://{document}")
    aws("s3api", "put-bucket-lifecycle-configuration", "--bucket", name, *given)
    shown = aws("s3api", "get-bucket-lifecycle-configuration", "--bucket", name)
    assert shown == {**rules, "TransitionDefaultMinimumObjectSize": "all_storage_classes_128K"}
