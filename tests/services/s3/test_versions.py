"""Buckets that never were versioned: every object is its null version, and no other version exists."""

from __future__ import annotations

from typing import Any

import pytest

from awning.services.s3 import errors, version_ids
from tests.services.s3.support import ACCOUNT, S3


def keys(page: dict[str, Any]) -> list[str]:
    return [entry["Key"] for entry in page["Versions"]]


def test_each_object_is_its_latest_null_version(s3: S3) -> None:
    s3.put_object(bucket="box", key="a", body=b"1")
    page = s3.list_object_versions(bucket="box")
    (version,) = page["Versions"]
    assert (version["Key"], version["VersionId"], version["IsLatest"], version["Size"]) == ("a", "null", True, 1)
    assert page["IsTruncated"] is False
    assert "NextKeyMarker" not in page


def test_versions_are_paged_by_key_and_rolled_up(s3: S3) -> None:
    for key in ("a", "b/1", "b/2", "c d", "e"):
        s3.put_object(bucket="box", key=key, body=b"")
    seen: list[str] = []
    marker: dict[str, Any] = {}
    while True:
        page = s3.list_object_versions(bucket="box", delimiter="/", max_keys=1, encoding_type="url", **marker)
        seen += keys(page) + [entry["Prefix"] for entry in page["CommonPrefixes"]]
        if not page["IsTruncated"]:
            break
        marker = {"key_marker": page["NextKeyMarker"].replace("%20", " ")}
        if "NextVersionIdMarker" in page:
            marker["version_id_marker"] = page["NextVersionIdMarker"]
    assert seen == ["a", "b/", "c%20d", "e"]
    assert keys(s3.list_object_versions(bucket="box", prefix="b/", key_marker="b/1")) == ["b/2"]


@pytest.mark.parametrize("marker", [{"version_id_marker": "null"}, {"key_marker": "a", "version_id_marker": "other"}])
def test_a_version_marker_belongs_to_a_key(s3: S3, marker: dict[str, str]) -> None:
    with pytest.raises(errors.InvalidArgument):
        s3.list_object_versions(bucket="box", **marker)


READS = ("get_object", "head_object", "get_object_tagging", "get_object_acl", "delete_object_tagging", "delete_object")


@pytest.mark.parametrize("name", READS)
def test_the_null_version_is_the_object_and_there_is_no_other(s3: S3, name: str) -> None:
    s3.put_object(bucket="box", key="a", body=b"1")
    with pytest.raises(errors.InvalidArgument, match="Invalid version id specified"):
        getattr(s3, name)(bucket="box", key="a", version_id="other")
    for version in ("3L4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY", version_ids.make(1, bytes(8))):
        with pytest.raises(errors.InvalidArgument, match="Invalid version id specified"):
            getattr(s3, name)(bucket="box", key="a", version_id=version)
    getattr(s3, name)(bucket="box", key="a", version_id="null")


@pytest.mark.parametrize(
    "name", ["get_object", "head_object", "get_object_tagging", "put_object_tagging", "delete_object"]
)
def test_a_version_needs_the_permission_for_versions(s3: S3, name: str) -> None:
    current, version = s3.operations[name].needs[:2]
    params = {"bucket": "box", "key": "a"}
    assert callable(current.resource)
    assert callable(version.resource)
    for given, first, second in ((params, "arn", None), ({**params, "version_id": "null"}, None, "arn")):
        assert bool(current.resource(s3.call(), given)) is bool(first)
        assert bool(version.resource(s3.call(), given)) is bool(second)
    assert version.action in (current.action + "Version", current.action.replace("Tagging", "VersionTagging"))


def test_delete_objects_takes_null_versions(s3: S3) -> None:
    s3.put_object(bucket="box", key="a", body=b"1")
    s3.put_object(bucket="box", key="b", body=b"1")
    asked = [{"Key": "a", "VersionId": "null"}, {"Key": "b", "VersionId": "other"}]
    digest = {"headers": {b"content-md5": b""}}
    refused = s3.call(**digest)
    with pytest.raises(errors.InvalidDigest):
        s3.delete_objects(bucket="box", delete={"Objects": asked}, body=b"", as_=refused)
    headers = {b"content-md5": b"1B2M2Y8AsgTpgAmY7PhCfg=="}
    only = s3.delete_objects(
        bucket="box",
        delete={"Objects": asked},
        body=b"",
        as_=s3.call(headers=headers),
        deny=lambda action, arn: action == "s3:DeleteObjectVersion",
    )
    assert [entry["Code"] for entry in only["Errors"]] == ["AccessDenied", "AccessDenied"]
    result = s3.delete_objects(bucket="box", delete={"Objects": asked}, body=b"", as_=s3.call(headers=headers))
    assert result["Deleted"] == [{"Key": "a", "VersionId": "null"}]
    assert [(e["Key"], e["VersionId"], e["Code"]) for e in result["Errors"]] == [("b", "other", "NoSuchVersion")]
    assert keys(s3.list_object_versions(bucket="box")) == ["b"]


def test_the_owner_has_full_control_and_nobody_else(s3: S3) -> None:
    s3.put_object(bucket="box", key="a", body=b"1")
    acl = s3.get_bucket_acl(bucket="box")
    owner = s3.list_buckets()["Owner"]["ID"]
    assert acl == s3.get_object_acl(bucket="box", key="a")
    assert acl["Owner"] == {"ID": owner}
    assert acl["Grants"] == [{"Grantee": {"ID": owner, "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}]
    with pytest.raises(errors.NoSuchKey):
        s3.get_object_acl(bucket="box", key="none")


NONE = {
    "get_bucket_cors": errors.NoSuchCORSConfiguration,
    "get_bucket_website": errors.NoSuchWebsiteConfiguration,
    "get_bucket_lifecycle_configuration": errors.NoSuchLifecycleConfiguration,
    "get_bucket_replication": errors.ReplicationConfigurationNotFoundError,
    "get_object_lock_configuration": errors.ObjectLockConfigurationNotFoundError,
    "get_bucket_notification_configuration": {},
    "get_bucket_logging": {},
    "get_bucket_accelerate_configuration": {},
    "get_bucket_request_payment": {"Payer": "BucketOwner"},
}


@pytest.mark.parametrize("name", NONE)
def test_what_cannot_be_configured_is_not_configured(s3: S3, name: str) -> None:
    answer: Any = NONE[name]
    if isinstance(answer, dict):
        assert getattr(s3, name)(bucket="box") == answer
    else:
        with pytest.raises(answer) as caught:
            getattr(s3, name)(bucket="box")
        assert caught.value.status == 404
    with pytest.raises(errors.NoSuchBucket):
        getattr(s3, name)(bucket="none")
    with pytest.raises(errors.AccessDenied):
        getattr(s3, name)(bucket="box", expected_bucket_owner="9" + ACCOUNT[1:])


def test_ownership_may_be_set_to_what_it_is(s3: S3) -> None:
    s3.put_bucket_ownership_controls(
        bucket="box", ownership_controls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    with pytest.raises(errors.MalformedXML):
        s3.put_bucket_ownership_controls(bucket="box", ownership_controls={"Rules": []})
