"""boto3 and access points: by alias, ARN and host name; who gets anything by one, and whom a policy keeps out.

S3 user guide, "Managing access to shared datasets with access points", "Configuring IAM policies for using access points".
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.conftest import ROOT, LiveRegion

OWNER, OTHER = "000000000000", "222222222222"


def refused(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**params)
    return str(error.value.response["Error"]["Code"])


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def statement(effect: str, who: Any, actions: Any, resources: Any, **condition: Any) -> dict[str, Any]:
    found = {"Effect": effect, "Principal": who, "Action": actions, "Resource": resources}
    return {**found, "Condition": condition} if condition else found


class Scene:
    """A bucket with one object, `k`, and clients that address points under *.localhost."""

    def __init__(self, region: LiveRegion, name: str) -> None:
        self.region, self.name = region, name
        self.s3 = region.client("s3")
        self.s3.create_bucket(Bucket=name)
        self.s3.put_object(Bucket=name, Key="k", Body=b"content")
        self.bucket = [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
        self.iam = region.client("iam")

    def client(self, service: str = "s3", **options: Any) -> Any:
        return self.region.client(service, endpoint_url=f"http://localhost:{self.region.port}", **options)

    def control(self, account: str = OWNER) -> Any:
        return self.client("s3control", key=account)

    def point(self, name: str, account: str = OWNER, bucket: str | None = None, **options: Any) -> Any:
        return self.control(account).create_access_point(
            AccountId=account, Name=name, Bucket=bucket or self.name, **options
        )

    def policy(self, name: str, *statements: dict[str, Any], account: str = OWNER) -> None:
        self.control(account).put_access_point_policy(AccountId=account, Name=name, Policy=document(*statements))

    def delegate(self, account: str = OWNER) -> None:
        """Have the bucket leave decisions to an account's points."""
        whom = {"StringEquals": {"s3:DataAccessPointAccount": account}}
        policy = document(statement("Allow", {"AWS": "*"}, "*", self.bucket, **whom))
        self.s3.put_bucket_policy(Bucket=self.name, Policy=policy)

    def user(self, name: str, *allowed: tuple[Any, Any]) -> Any:
        """A client of a user, `name` made unique, with these actions on these resources."""
        full = f"{self.name}-{name}"
        self.iam.create_user(UserName=full)
        rules = [{"Effect": "Allow", "Action": actions, "Resource": resources} for actions, resources in allowed]
        if rules:
            self.iam.put_user_policy(UserName=full, PolicyName="p", PolicyDocument=document(*rules))
        key = self.iam.create_access_key(UserName=full)["AccessKey"]
        return self.client(key=key["AccessKeyId"], secret=key["SecretAccessKey"])

    def arn_of(self, name: str) -> str:
        return f"arn:aws:iam::{OWNER}:user/{self.name}-{name}"


@pytest.fixture
def scene(region: LiveRegion, name: str, localhost_names: None) -> Scene:
    return Scene(region, name)


def ways(scene: Scene, made: Any, name: str) -> Iterable[tuple[Any, str]]:
    """Clients and bucket names by which a point is reached."""
    yield scene.region.client("s3"), made["Alias"]
    yield scene.client(), made["AccessPointArn"]
    virtual = Config(s3={"addressing_style": "virtual"})
    port = scene.region.port
    yield scene.region.client("s3", endpoint_url=f"http://s3.localhost:{port}", config=virtual), made["Alias"]
    yield scene.region.client("s3", endpoint_url=f"http://s3.localhost:{port}"), made["AccessPointArn"]
    hosts = f"http://s3-accesspoint.us-east-1.localhost:{port}"
    yield scene.region.client("s3", endpoint_url=hosts, config=virtual), f"{name}-{OWNER}"


def test_every_way_to_an_object(scene: Scene) -> None:
    made = scene.point(f"{scene.name}-p")
    for number, (client, named) in enumerate(ways(scene, made, f"{scene.name}-p")):
        key = f"a/ä {number}"
        client.put_object(Bucket=named, Key=key, Body=b"x" * 100_000, Tagging="a=b")
        assert client.get_object(Bucket=named, Key=key)["Body"].read() == b"x" * 100_000
        assert scene.s3.head_object(Bucket=scene.name, Key=key)["ContentLength"] == 100_000
        listed = client.list_objects_v2(Bucket=named, Prefix="a/")
        assert (listed["Name"], listed["Contents"][-1]["Key"]) == (scene.name, key)
        assert client.head_bucket(Bucket=named)["AccessPointAlias"] is named.endswith("-s3alias")
        upload = client.create_multipart_upload(Bucket=named, Key="m")
        assert upload["Bucket"] == scene.name
        part = {"Bucket": named, "Key": "m", "UploadId": upload["UploadId"], "PartNumber": 1}
        etag = client.upload_part(**part, Body=b"part")["ETag"]
        parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        done = client.complete_multipart_upload(
            Bucket=named, Key="m", UploadId=upload["UploadId"], MultipartUpload=parts
        )
        assert done["Bucket"] == scene.name
        source = named if named.startswith("arn:") else made["Alias"]
        client.copy_object(Bucket=named, Key="copy", CopySource={"Bucket": source, "Key": key})
        assert client.get_object_tagging(Bucket=named, Key="copy")["TagSet"] == [{"Key": "a", "Value": "b"}]
        gone = client.delete_objects(Bucket=named, Delete={"Objects": [{"Key": "copy"}, {"Key": "m"}]})
        assert len(gone["Deleted"]) == 2
        assert refused(client.get_object, Bucket=named, Key="none") == "NoSuchKey"
    assert scene.s3.head_bucket(Bucket=scene.name)["AccessPointAlias"] is False


def test_what_no_point_is_there_for(scene: Scene) -> None:
    """ "Access point compatibility": no bucket is configured, or deleted, through one."""
    alias = scene.point(f"{scene.name}-p")["Alias"]
    assert refused(scene.s3.delete_bucket, Bucket=alias) == "MethodNotAllowed"
    assert refused(scene.s3.get_bucket_tagging, Bucket=alias) == "MethodNotAllowed"
    assert refused(scene.s3.put_bucket_policy, Bucket=alias, Policy="{}") == "MethodNotAllowed"
    assert scene.s3.get_bucket_location(Bucket=alias)["LocationConstraint"] is None
    assert scene.s3.get_bucket_acl(Bucket=alias)["Owner"]
    assert refused(scene.s3.create_bucket, Bucket=alias) == "InvalidBucketName"
    assert refused(scene.s3.get_object, Bucket="none-abc-s3alias", Key="k") == "InvalidAccessPointAliasError"
    nowhere = f"arn:aws:s3:us-east-1:{OWNER}:accesspoint/{scene.name}-none"
    assert refused(scene.client().get_object, Bucket=nowhere, Key="k") == "NoSuchAccessPoint"
    for other in ("lambda-abc--ol-s3", "mfzwi23gnjvgw.mrap", "zone--use1-az4--x-s3"):
        assert refused(scene.s3.list_objects_v2, Bucket=other) == "NotImplemented" or other.endswith("--x-s3")
    old = scene.region.client("s3", config=Config(signature_version="s3"))
    assert refused(old.get_object, Bucket=alias, Key="k") == "InvalidRequest"


def test_the_point_and_the_bucket_must_allow(scene: Scene) -> None:
    point = f"{scene.name}-p"
    made = scene.point(point)
    arn, alias = made["AccessPointArn"], made["Alias"]
    ann = scene.user("ann")
    read = statement("Allow", {"AWS": scene.arn_of("ann")}, "s3:GetObject", f"{arn}/object/*")
    scene.policy(point, read)
    assert refused(ann.get_object, Bucket=alias, Key="k") == "AccessDenied", "the bucket does not allow it"
    scene.delegate()
    assert ann.get_object(Bucket=alias, Key="k")["Body"].read() == b"content"
    assert refused(ann.get_object, Bucket=scene.name, Key="k") == "AccessDenied", "straight, the bucket says nothing"
    assert refused(ann.put_object, Bucket=alias, Key="k", Body=b"") == "AccessDenied", "the point does not allow it"
    assert refused(ann.get_object, Bucket=alias, Key="none") == "AccessDenied", "she may not list"
    source = {"Bucket": alias, "Key": "k"}
    assert refused(ann.copy_object, Bucket=alias, Key="c", CopySource=source) == "AccessDenied"
    scene.policy(point, read, statement("Deny", "*", "s3:GetObject", f"{arn}/object/k"))
    assert refused(ann.get_object, Bucket=alias, Key="k") == "AccessDenied"
    assert refused(scene.s3.get_object, Bucket=alias, Key="k") == "AccessDenied", "a denial holds for root as well"
    assert scene.s3.get_object(Bucket=scene.name, Key="k"), "and only through the point"
    outcome = scene.s3.delete_objects(Bucket=alias, Delete={"Objects": [{"Key": "other"}]})
    assert not outcome.get("Errors")
    scene.policy(point, read, statement("Deny", "*", "s3:DeleteObject", f"{arn}/object/*"))
    outcome = scene.s3.delete_objects(Bucket=alias, Delete={"Objects": [{"Key": "k"}]})
    assert outcome["Errors"][0]["Code"] == "AccessDenied"
    scene.policy(point, read)
    denies = statement("Deny", "*", "s3:GetObject", f"arn:aws:s3:::{scene.name}/*")
    scene.s3.put_bucket_policy(Bucket=scene.name, Policy=document(denies))
    assert refused(ann.get_object, Bucket=alias, Key="k") == "AccessDenied"
    assert refused(scene.s3.get_object, Bucket=alias, Key="k") == "AccessDenied"


def test_identity_policies_name_the_point(scene: Scene) -> None:
    point = f"{scene.name}-p"
    made = scene.point(point)
    arn, alias = made["AccessPointArn"], made["Alias"]
    by_point = scene.user("point", ("s3:GetObject", f"{arn}/object/*"))
    by_bucket = scene.user("bucket", ("s3:GetObject", f"arn:aws:s3:::{scene.name}/*"))
    listing = scene.user("lists", ("s3:ListBucket", arn))
    assert by_point.get_object(Bucket=alias, Key="k")
    assert refused(by_point.get_object, Bucket=scene.name, Key="k") == "AccessDenied"
    assert refused(by_bucket.get_object, Bucket=alias, Key="k") == "AccessDenied"
    assert by_bucket.get_object(Bucket=scene.name, Key="k")
    assert listing.list_objects_v2(Bucket=alias)["KeyCount"] == 1
    assert refused(listing.get_object, Bucket=alias, Key="k") == "AccessDenied"
    only = statement("Deny", "*", "s3:*", scene.bucket, StringNotEquals={"s3:DataAccessPointArn": f"{arn}x"})
    scene.s3.put_bucket_policy(Bucket=scene.name, Policy=document(only))
    assert refused(by_point.get_object, Bucket=alias, Key="k") == "AccessDenied"
    only["Condition"] = {"StringNotEquals": {"s3:DataAccessPointArn": arn}}
    scene.s3.put_bucket_policy(Bucket=scene.name, Policy=document(only))
    assert by_point.get_object(Bucket=alias, Key="k")
    assert refused(scene.s3.get_object, Bucket=scene.name, Key="k") == "AccessDenied"
    straight = {"Bucket": scene.name, "Key": "k"}
    assert refused(scene.s3.copy_object, Bucket=alias, Key="c", CopySource=straight) == "AccessDenied", (
        "the keys of the way to the destination are none of the source's"
    )
    scene.s3.copy_object(Bucket=alias, Key="c", CopySource={"Bucket": alias, "Key": "k"})
    scene.client().copy_object(Bucket=arn, Key="c", CopySource={"Bucket": arn, "Key": "k"})


def test_tags_of_objects_count_behind_a_point(scene: Scene) -> None:
    point = f"{scene.name}-p"
    made = scene.point(point)
    arn, alias = made["AccessPointArn"], made["Alias"]
    scene.s3.put_object(Bucket=scene.name, Key="red", Body=b"x", Tagging="colour=red")
    scene.delegate()
    ann = scene.user("ann")
    where = {"StringEquals": {"s3:ExistingObjectTag/colour": "red", "s3:AccessPointNetworkOrigin": "Internet"}}
    scene.policy(point, statement("Allow", {"AWS": scene.arn_of("ann")}, "s3:GetObject", f"{arn}/object/*", **where))
    assert ann.get_object(Bucket=alias, Key="red")
    assert refused(ann.get_object, Bucket=alias, Key="k") == "AccessDenied"


def test_a_point_in_another_account(scene: Scene) -> None:
    """ "Creating access points for general purpose buckets in other accounts"."""
    point = f"{scene.name}-p"
    assert refused(scene.point, name=point, account=OTHER) == "InvalidRequest", "the bucket's account is not named"
    made = scene.point(point, OTHER, BucketAccountId=OWNER)
    other = scene.client(key=OTHER)
    assert refused(other.get_object, Bucket=made["Alias"], Key="k") == "AccessDenied"
    assert refused(scene.s3.get_object, Bucket=made["Alias"], Key="k") == "AccessDenied", "it is the other's point"
    scene.delegate(OTHER)
    assert other.get_object(Bucket=made["AccessPointArn"], Key="k")["Body"].read() == b"content"
    assert refused(other.get_object, Bucket=scene.name, Key="k") == "AccessDenied"
    taken = f"{scene.name}-taken"
    other.create_bucket(Bucket=taken)
    own = scene.point(f"{scene.name}-own", OTHER, taken)
    straight = {"Bucket": scene.name, "Key": "k"}
    assert refused(other.copy_object, Bucket=own["Alias"], Key="c", CopySource=straight) == "AccessDenied"
    assert other.copy_object(Bucket=own["Alias"], Key="c", CopySource={"Bucket": made["Alias"], "Key": "k"})
    described = scene.control(OTHER).get_access_point(AccountId=OTHER, Name=point)
    assert (described["Bucket"], described["BucketAccountId"]) == (scene.name, OWNER)
    scene.s3.delete_object(Bucket=scene.name, Key="k")
    scene.s3.delete_bucket(Bucket=scene.name)
    scene.s3.create_bucket(Bucket=scene.name)
    scene.s3.put_object(Bucket=scene.name, Key="k", Body=b"new")
    scene.delegate(OTHER)
    assert refused(other.get_object, Bucket=made["Alias"], Key="k") == "NoSuchBucket", "another bucket of the name"


def test_the_public_comes_through_only_where_nothing_blocks_it(scene: Scene) -> None:
    point = f"{scene.name}-p"
    nobody = scene.client(config=Config(signature_version=UNSIGNED))
    off = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), False)
    made = scene.point(point, PublicAccessBlockConfiguration=off)
    arn, alias = made["AccessPointArn"], made["Alias"]
    everyone = statement("Allow", "*", "s3:GetObject", f"{arn}/object/*")
    with pytest.raises(ClientError, match="BlockPublicPolicy"):
        scene.policy(point, everyone)  # the bucket blocks
    scene.s3.delete_public_access_block(Bucket=scene.name)
    scene.policy(point, everyone)
    assert refused(nobody.get_object, Bucket=alias, Key="k") == "AccessDenied"
    scene.delegate()
    assert nobody.get_object(Bucket=alias, Key="k")
    status = scene.control().get_access_point_policy_status(AccountId=OWNER, Name=point)
    assert status["PolicyStatus"] == {"IsPublic": True}
    scene.s3.put_public_access_block(Bucket=scene.name, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    assert refused(nobody.get_object, Bucket=alias, Key="k") == "AccessDenied"
    scene.s3.delete_public_access_block(Bucket=scene.name)
    scene.s3.put_bucket_policy(
        Bucket=scene.name, Policy=document(statement("Allow", "*", "s3:GetObject", scene.bucket[1]))
    )
    closed = scene.point(f"{point}-2")["Alias"]
    assert nobody.get_object(Bucket=scene.name, Key="k")
    assert refused(nobody.get_object, Bucket=closed, Key="k") == "AccessDenied"
    scene.s3.put_bucket_ownership_controls(
        Bucket=scene.name, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    )
    public = {"Key": "listed", "Body": b"x", "ACL": "public-read"}
    assert refused(scene.s3.put_object, Bucket=closed, **public) == "AccessDenied", "the point takes no public lists"
    scene.s3.put_object(Bucket=alias, **public)


def test_a_point_made_again_leads_elsewhere(scene: Scene) -> None:
    point, second = f"{scene.name}-p", f"{scene.name}-2"
    alias = scene.point(point)["Alias"]
    assert refused(scene.s3.delete_bucket, Bucket=scene.name) == "BucketNotEmpty"
    scene.s3.delete_object(Bucket=scene.name, Key="k")
    assert refused(scene.s3.delete_bucket, Bucket=scene.name) == "BucketHasAccessPointsAttached"
    scene.control().delete_access_point(AccountId=OWNER, Name=point)
    scene.s3.create_bucket(Bucket=second)
    scene.s3.put_object(Bucket=second, Key="k", Body=b"second")
    again = scene.point(point, bucket=second)
    assert again["Alias"] != alias
    assert refused(scene.s3.get_object, Bucket=alias, Key="k") == "InvalidAccessPointAliasError"
    assert scene.client().get_object(Bucket=again["AccessPointArn"], Key="k")["Body"].read() == b"second"
    scene.s3.delete_bucket(Bucket=scene.name)


def test_a_bucket_with_a_points_host_name_comes_first(scene: Scene) -> None:
    """Under an endpoint of the user's an SDK's host for a point may be that of a bucket too."""
    short = scene.name[-12:]
    made = scene.point(short)
    endpoint = f"http://s3.localhost:{scene.region.port}"
    client = scene.region.client("s3", endpoint_url=endpoint)
    assert client.get_object(Bucket=made["AccessPointArn"], Key="k")["Body"].read() == b"content"
    scene.s3.create_bucket(Bucket=f"{short}-{OWNER}")
    scene.s3.put_object(Bucket=f"{short}-{OWNER}", Key="k", Body=b"the bucket's")
    virtual = scene.region.client("s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "virtual"}))
    assert virtual.get_object(Bucket=f"{short}-{OWNER}", Key="k")["Body"].read() == b"the bucket's"
    assert scene.client().get_object(Bucket=made["AccessPointArn"], Key="k")["Body"].read() == b"content"


def test_a_denial_is_explained_with_both_policies(scene: Scene) -> None:
    point = f"{scene.name}-p"
    made = scene.point(point)
    arn = made["AccessPointArn"]
    ann = scene.user("ann")
    allow = statement("Allow", {"AWS": scene.arn_of("ann")}, "s3:GetObject", f"{arn}/object/*")
    scene.policy(point, {**allow, "Sid": "AtThePoint"})
    keeps = statement("Deny", "*", "s3:GetObject", f"arn:aws:s3:::{scene.name}/*")
    scene.s3.put_bucket_policy(Bucket=scene.name, Policy=document({**keeps, "Sid": "Below"}))
    with pytest.raises(ClientError) as denied:
        ann.get_object(Bucket=made["Alias"], Key="k")
    assert f"{arn}/object/k" in str(denied.value)
    id_ = denied.value.response["ResponseMetadata"]["RequestId"]
    command = [sys.executable, "-m", "awning", "iam", "explain", id_, "--data", str(scene.region.data)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "resource policy the bucket policy, statement Below: Deny applies" in told
    assert "resource policy the access point policy, statement AtThePoint: Allow applies" in told


def test_control(scene: Scene) -> None:
    control, account = scene.control(), {"AccountId": OWNER}
    point = f"{scene.name}-p"
    made = scene.point(point, Tags=[{"Key": "a", "Value": "b"}])
    arn = f"arn:aws:s3:us-east-1:{OWNER}:accesspoint/{point}"
    assert made["AccessPointArn"] == arn
    assert made["Alias"].endswith("-s3alias")
    assert len(made["Alias"]) <= 63
    under_s3 = scene.region.client("s3control", endpoint_url=f"http://s3.localhost:{scene.region.port}")
    assert under_s3.get_access_point(**account, Name=point)["AccessPointArn"] == arn
    found = control.get_access_point(**account, Name=point)
    assert found["PublicAccessBlockConfiguration"]["RestrictPublicBuckets"] is True
    assert found["Endpoints"]["ipv4"] == "s3-accesspoint.us-east-1.amazonaws.com"
    assert refused(scene.point, name=point) == "AccessPointAlreadyOwnedByYou"
    unchecked = scene.client("s3control", config=Config(parameter_validation=False))
    for bad in ("sa", "xn-_test-alias", "Upper", "x" * 51):
        with pytest.raises(ClientError) as error:
            unchecked.create_access_point(**account, Name=bad, Bucket=scene.name)
        assert error.value.response["Error"]["Code"] == "InvalidURI"
        assert error.value.response["Error"]["URI"] == f"accesspoint/{bad}"
    for bad in ("-abc", "abc-", "a.b", "abc-s3alias"):
        assert refused(scene.point, name=bad) == "InvalidRequest"
    assert refused(scene.point, name="abc", bucket=f"{scene.name}-none") == "InvalidRequest"
    vpc = {"VpcConfiguration": {"VpcId": "vpc-1"}}
    assert refused(scene.point, name="abc", **vpc) == "NotImplemented"
    scene.point(f"{point}-2")
    one = control.list_access_points(**account, Bucket=scene.name, MaxResults=1)
    two = control.list_access_points(**account, Bucket=scene.name, MaxResults=1, NextToken=one["NextToken"])
    names = [entry["Name"] for entry in one["AccessPointList"] + two["AccessPointList"]]
    assert (names, "NextToken" in two) == ([point, f"{point}-2"], False)
    for call in (control.get_access_point_policy, control.get_access_point_policy_status):
        assert refused(call, **account, Name=point) == "NoSuchAccessPointPolicy"
        assert refused(call, **account, Name="none") == "NoSuchAccessPoint"
    policy = document(statement("Allow", {"AWS": OWNER}, "s3:GetObject", f"{arn}/object/*"))
    control.put_access_point_policy(**account, Name=point, Policy=policy)
    assert control.get_access_point_policy(**account, Name=point)["Policy"] == policy
    status = control.get_access_point_policy_status(**account, Name=point)
    assert status["PolicyStatus"] == {"IsPublic": False}
    for resource in (f"arn:aws:s3:::{scene.name}/*", f"{arn}x/object/*", f"{arn}/k"):
        wrong = document(statement("Allow", {"AWS": OWNER}, "s3:GetObject", resource))
        assert refused(control.put_access_point_policy, **account, Name=point, Policy=wrong) == "MalformedPolicy"
    control.delete_access_point_policy(**account, Name=point)
    assert refused(control.get_access_point_policy, **account, Name=point) == "NoSuchAccessPointPolicy"
    assert control.list_tags_for_resource(**account, ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    control.tag_resource(**account, ResourceArn=arn, Tags=[{"Key": "c", "Value": ""}])
    control.untag_resource(**account, ResourceArn=arn, TagKeys=["a"])
    assert control.list_tags_for_resource(**account, ResourceArn=arn)["Tags"] == [{"Key": "c", "Value": ""}]
    assert refused(control.list_tags_for_resource, **account, ResourceArn=f"{arn}x") == "NoSuchResource"
    with pytest.raises(ClientError, match="reserved for system tags"):
        control.tag_resource(**account, ResourceArn=arn, Tags=[{"Key": "aws:c", "Value": ""}])
    other = scene.control(OTHER)
    assert refused(other.get_access_point, AccountId=OWNER, Name=point) == "AccessDenied"
    assert refused(other.delete_access_point, AccountId=OWNER, Name=point) == "AccessDenied"
    assert refused(other.get_access_point, AccountId=OTHER, Name=point) == "NoSuchAccessPoint"
    control.delete_access_point(**account, Name=point)
    assert refused(control.delete_access_point, **account, Name=point) == "NoSuchAccessPoint"
    with pytest.raises(ClientError, match="at least one configuration"):
        control.put_public_access_block(**account, PublicAccessBlockConfiguration={})


def test_points_are_apart_by_region_and_account(scene: Scene) -> None:
    west = scene.region.client(
        "s3control", endpoint_url=f"http://localhost:{scene.region.port}", region_name="us-west-2"
    )
    assert refused(west.create_access_point, AccountId=OWNER, Name="same", Bucket=scene.name) == "InvalidRequest"
    scene.region.client("s3", region_name="us-west-2").create_bucket(
        Bucket=f"{scene.name}-w", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    point = f"{scene.name}-p"
    there = west.create_access_point(AccountId=OWNER, Name=point, Bucket=f"{scene.name}-w")
    here = scene.point(point)
    assert there["AccessPointArn"] != here["AccessPointArn"]
    client = scene.client()
    client.put_object(Bucket=there["AccessPointArn"], Key="k", Body=b"west")
    assert client.get_object(Bucket=there["AccessPointArn"], Key="k")["Body"].read() == b"west"
    assert client.get_object(Bucket=here["AccessPointArn"], Key="k")["Body"].read() == b"content"
    assert scene.s3.get_object(Bucket=there["Alias"], Key="k")["Body"].read() == b"west", "boto3 is told the region"
