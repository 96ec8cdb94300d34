"""boto3 and the access to S3: lists between accounts, anonymous readers, browsers' forms, and the explanation of a decision."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.conftest import ROOT, LiveRegion

OWNER, FRIEND, STRANGER = "000000000000", "222222222222", "333333333333"


def refused(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**params)
    return str(error.value.response["Error"]["Code"])


class Accounts:
    """Clients of some accounts' roots, and of nobody."""

    def __init__(self, region: LiveRegion) -> None:
        self.owner, self.friend, self.stranger = (region.client("s3", key=one) for one in (OWNER, FRIEND, STRANGER))
        self.nobody = region.client("s3", config=Config(signature_version=UNSIGNED))
        self.all = (self.owner, self.friend, self.stranger, self.nobody)

    def ids(self) -> tuple[str, str]:
        first, second = (client.list_buckets()["Owner"]["ID"] for client in (self.owner, self.friend))
        return first, second

    def readers(self, **params: Any) -> list[bool]:
        found = []
        for client in self.all:
            try:
                client.get_object(**params)
            except ClientError as error:
                found.append(error.response["Error"]["Code"])
            else:
                found.append("")
        assert set(found) <= {"", "AccessDenied"}
        return [not code for code in found]


@pytest.fixture
def accounts(region: LiveRegion) -> Accounts:
    return Accounts(region)


@pytest.fixture
def bucket(accounts: Accounts, name: str) -> str:
    """A bucket with lists, in which nothing is blocked."""
    accounts.owner.create_bucket(Bucket=name, ObjectOwnership="ObjectWriter")
    accounts.owner.delete_public_access_block(Bucket=name)
    return name


def test_who_reads_by_a_list(accounts: Accounts, bucket: str) -> None:
    put = accounts.owner.put_object
    me, friend = accounts.ids()
    put(Bucket=bucket, Key="private", Body=b"x")
    put(Bucket=bucket, Key="public", Body=b"x", ACL="public-read")
    put(Bucket=bucket, Key="signed", Body=b"x", ACL="authenticated-read")
    put(Bucket=bucket, Key="friend", Body=b"x", GrantRead=f'id="{friend}"')
    assert accounts.readers(Bucket=bucket, Key="private") == [True, False, False, False]
    assert accounts.readers(Bucket=bucket, Key="public") == [True, True, True, True]
    assert accounts.readers(Bucket=bucket, Key="signed") == [True, True, True, False]
    assert accounts.readers(Bucket=bucket, Key="friend") == [True, True, False, False]
    policy = {
        "Owner": {"ID": me},
        "Grants": [{"Grantee": {"ID": friend, "Type": "CanonicalUser"}, "Permission": "READ"}],
    }
    accounts.owner.put_object_acl(Bucket=bucket, Key="private", AccessControlPolicy=policy)
    assert accounts.owner.get_object_acl(Bucket=bucket, Key="private")["Grants"] == policy["Grants"]
    assert accounts.readers(Bucket=bucket, Key="private") == [True, True, False, False]
    assert refused(accounts.friend.get_object_acl, Bucket=bucket, Key="private") == "AccessDenied"
    assert (
        refused(accounts.friend.copy_object, Bucket=bucket, Key="c", CopySource=f"{bucket}/private") == "AccessDenied"
    )
    accounts.owner.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    assert (
        refused(accounts.stranger.copy_object, Bucket=bucket, Key="c", CopySource=f"{bucket}/private") == "AccessDenied"
    )
    accounts.friend.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/private")
    assert accounts.readers(Bucket=bucket, Key="c") == [False, True, False, False]
    assert accounts.nobody.list_objects_v2(Bucket=bucket)["KeyCount"] == 5
    with urllib.request.urlopen(f"{accounts.nobody.meta.endpoint_url}/{bucket}/public") as reply:
        assert reply.read() == b"x"


def test_what_a_guest_brings(accounts: Accounts, bucket: str) -> None:
    """A guest's parts, copies and versions are its own; it can't reach what others have."""
    accounts.owner.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old = accounts.owner.put_object(Bucket=bucket, Key="k", Body=b"secret")["VersionId"]
    assert refused(accounts.friend.put_object, Bucket=bucket, Key="new", Body=b"x") == "AccessDenied"
    _, friend = accounts.ids()
    accounts.owner.put_bucket_acl(Bucket=bucket, GrantWrite=f'id="{friend}"')
    accounts.friend.put_object(Bucket=bucket, Key="k", Body=b"mine", ACL="public-read")
    assert accounts.readers(Bucket=bucket, Key="k") == [True] * 4
    for client in (accounts.friend, accounts.stranger, accounts.nobody):
        for call in (client.get_object, client.get_object_acl, client.delete_object):
            assert refused(call, Bucket=bucket, Key="k", VersionId=old) == "AccessDenied"
        source = {"Bucket": bucket, "Key": "k", "VersionId": old}
        assert refused(client.copy_object, Bucket=bucket, Key="stolen", CopySource=source) == "AccessDenied"
    upload = accounts.friend.create_multipart_upload(Bucket=bucket, Key="large")["UploadId"]
    where = {"Bucket": bucket, "Key": "large", "UploadId": upload}
    source = {"Bucket": bucket, "Key": "k", "VersionId": old}
    assert refused(accounts.friend.upload_part_copy, **where, PartNumber=1, CopySource=source) == "AccessDenied"
    part = accounts.friend.upload_part(**where, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    assert refused(accounts.stranger.complete_multipart_upload, **where, MultipartUpload=parts) == "AccessDenied"
    accounts.friend.complete_multipart_upload(**where, MultipartUpload=parts)
    assert accounts.readers(Bucket=bucket, Key="large") == [False, True, False, False]
    assert refused(accounts.owner.put_object_acl, Bucket=bucket, Key="large", ACL="public-read") == "AccessDenied"
    accounts.owner.delete_object(Bucket=bucket, Key="large")


def test_a_form_brings_a_list(accounts: Accounts, bucket: str) -> None:
    form = accounts.owner.generate_presigned_post(bucket, "k", {"acl": "public-read"}, [{"acl": "public-read"}])
    assert post(form["url"], form["fields"]) == 204
    assert accounts.readers(Bucket=bucket, Key="k") == [True] * 4
    unsigned = {"key": "unsigned", "acl": "public-read"}
    assert post(form["url"], unsigned) == 403
    accounts.owner.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    assert post(form["url"], unsigned) == 204
    assert accounts.readers(Bucket=bucket, Key="unsigned") == [True] * 4
    assert post(form["url"], {"key": "own"}) == 204
    assert accounts.readers(Bucket=bucket, Key="own") == [False] * 4


def post(url: str, fields: dict[str, str]) -> int:
    """Post a form as a browser does; return the status."""
    boundary = "a-boundary"
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()]
    file = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nx\r\n--{boundary}--\r\n'
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    request = urllib.request.Request(url, "".join([*parts, file]).encode(), headers)
    try:
        with urllib.request.urlopen(request) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_blocks_and_lists(accounts: Accounts, bucket: str) -> None:
    accounts.owner.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="public-read")
    for setting, readers in (("IgnorePublicAcls", [True, False, False, False]), ("BlockPublicAcls", [True] * 4)):
        accounts.owner.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={setting: True})
        assert accounts.readers(Bucket=bucket, Key="k") == readers
    assert refused(accounts.owner.put_object, Bucket=bucket, Key="n", Body=b"", ACL="public-read") == "AccessDenied"
    assert refused(accounts.owner.put_bucket_acl, Bucket=bucket, ACL="authenticated-read") == "AccessDenied"


def test_the_explanation_names_the_list(region: LiveRegion, accounts: Accounts, bucket: str) -> None:
    accounts.owner.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="public-read")
    request = accounts.nobody.get_object(Bucket=bucket, Key="k")["ResponseMetadata"]["RequestId"]
    said = subprocess.run(
        [sys.executable, "-m", "awning", "iam", "explain", request, "--data", str(region.data)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "ACL" in said.stdout


def test_an_account_asks_for_its_users(region: LiveRegion, accounts: Accounts, bucket: str) -> None:
    """What a list grants to an account its administrators hand on: a user without a policy has none of it."""
    accounts.owner.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="public-read")
    iam = region.client("iam", key=FRIEND)
    iam.create_user(UserName=bucket)
    key = iam.create_access_key(UserName=bucket)["AccessKey"]
    client = region.client("s3", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    assert refused(client.get_object, Bucket=bucket, Key="k") == "AccessDenied"
    allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_user_policy(UserName=bucket, PolicyName="reads", PolicyDocument=document)
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


@pytest.fixture(params=["prefix", "plain"])
def control(request: pytest.FixtureRequest, region: LiveRegion, localhost_names: None) -> Any:
    """S3 Control of an account that no other test has, with and without the account's label before the host's name."""
    client = region.client("s3control", key="444444444444", endpoint_url=f"http://localhost:{region.port}")
    if request.param == "plain":
        client.meta.events.register("before-sign.s3-control", without_account)
    return client


def without_account(request: Any, **_: Any) -> None:
    request.url = request.url.replace("//444444444444.", "//", 1)


def test_an_account_blocks_public_access(region: LiveRegion, control: Any, name: str) -> None:
    account = {"AccountId": "444444444444"}
    assert refused(control.get_public_access_block, **account) == "NoSuchPublicAccessBlockConfiguration"
    assert refused(control.get_public_access_block, AccountId=FRIEND) == "AccessDenied"
    owner, nobody = region.client("s3", key="444444444444"), Accounts(region).nobody
    owner.create_bucket(Bucket=name, ObjectOwnership="ObjectWriter")
    owner.delete_public_access_block(Bucket=name)
    owner.put_object(Bucket=name, Key="k", Body=b"x", ACL="public-read")
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{name}"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
    owner.put_bucket_policy(Bucket=name, Policy=policy)
    nobody.get_object(Bucket=name, Key="k")
    nobody.list_objects_v2(Bucket=name)
    settings = dict.fromkeys(
        ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
    )
    control.put_public_access_block(**account, PublicAccessBlockConfiguration=settings)
    assert control.get_public_access_block(**account)["PublicAccessBlockConfiguration"] == settings
    assert refused(nobody.get_object, Bucket=name, Key="k") == "AccessDenied"
    assert refused(nobody.list_objects_v2, Bucket=name) == "AccessDenied"
    assert refused(owner.put_object_acl, Bucket=name, Key="k", ACL="public-read") == "AccessDenied"
    assert refused(owner.put_bucket_policy, Bucket=name, Policy=policy) == "AccessDenied"
    assert refused(owner.get_public_access_block, Bucket=name) == "NoSuchPublicAccessBlockConfiguration"
    control.delete_public_access_block(**account)
    nobody.get_object(Bucket=name, Key="k")
    nobody.list_objects_v2(Bucket=name)


def test_who_asks_pays(accounts: Accounts, bucket: str) -> None:
    _, _friend = accounts.ids()
    accounts.owner.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    accounts.owner.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="public-read")
    accounts.owner.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})
    assert accounts.readers(Bucket=bucket, Key="k") == [True, False, False, False]
    assert "RequestCharged" not in accounts.owner.get_object(Bucket=bucket, Key="k", RequestPayer="requester")
    guest, pays = accounts.friend, {"Bucket": bucket, "RequestPayer": "requester"}
    for got in (
        guest.get_object(**pays, Key="k"),
        guest.head_object(**pays, Key="k"),
        guest.put_object(**pays, Key="new", Body=b"x"),
        guest.list_objects_v2(**pays),
        guest.copy_object(**pays, Key="copy", CopySource=f"{bucket}/k"),
        guest.delete_objects(**pays, Delete={"Objects": [{"Key": "copy"}]}),
    ):
        assert got["RequestCharged"] == "requester"
    for call, params in (
        (guest.list_objects, {}),
        (guest.put_object, {"Key": "n", "Body": b""}),
        (guest.delete_objects, {"Delete": {"Objects": [{"Key": "new"}]}}),
        (guest.copy_object, {"Key": "n", "CopySource": f"{bucket}/k"}),
        (accounts.nobody.get_object, {"Key": "k", "RequestPayer": "requester"}),
    ):
        assert refused(call, Bucket=bucket, **params) == "AccessDenied"
    url = guest.generate_presigned_url("get_object", Params={**pays, "Key": "k"})
    request = urllib.request.Request(url, headers={"x-amz-request-payer": "requester"})
    with urllib.request.urlopen(request) as reply:
        assert reply.read() == b"x"
        assert reply.headers["x-amz-request-charged"] == "requester"


@pytest.mark.parametrize("style", ["path", "virtual"])
def test_everything_may_be_signed_beforehand(
    region: LiveRegion, bucket: str, localhost_names: None, style: str
) -> None:
    """Who has a URL may do what its signer may, with just the headers that were signed."""
    config = Config(s3={"addressing_style": style}, signature_version="s3v4")
    client = region.client("s3", endpoint_url=f"http://s3.localhost:{region.port}", config=config)

    def call(operation: str, method: str, body: bytes | None = None, **params: Any) -> tuple[int, Any, bytes]:
        url = client.generate_presigned_url(operation, Params={"Bucket": bucket, **params}, HttpMethod=method)
        return fetch(url, method, body, {})

    assert call("put_object", "PUT", b"hello", Key="k")[0] == 200
    acl = {"Key": "open", "ACL": "public-read", "ContentType": "text/x", "Metadata": {"a": "b"}, "Tagging": "t=1"}
    url = client.generate_presigned_url("put_object", Params={"Bucket": bucket, **acl})
    assert fetch(url, "PUT", b"open", {"content-type": "text/other"})[0] == 403
    headers = {"x-amz-acl": "public-read", "content-type": "text/x", "x-amz-meta-a": "b", "x-amz-tagging": "t=1"}
    assert fetch(url, "PUT", b"open", headers)[0] == 200
    assert Accounts(region).readers(Bucket=bucket, Key="open") == [True] * 4
    head = client.head_object(Bucket=bucket, Key="open")
    assert (head["ContentType"], head["Metadata"], head["TagCount"]) == ("text/x", {"a": "b"}, 1)
    assert call("get_object", "GET", Key="k")[2] == b"hello"
    got = call("get_object", "GET", Key="k", ResponseContentType="text/y", ResponseContentDisposition="inline; x=1")
    assert (got[1]["content-type"], got[1]["content-disposition"]) == ("text/y", "inline; x=1")
    assert call("head_object", "HEAD", Key="k")[0] == 200
    assert b"<Key>k</Key>" in call("list_objects_v2", "GET", Prefix="k")[2]
    assert b"AllUsers" in call("get_object_acl", "GET", Key="open")[2]
    upload = client.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    status, etag, _ = call("upload_part", "PUT", b"part", Key="parts", UploadId=upload, PartNumber=1)
    assert status == 200
    document = (
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"
        f"<ETag>{etag['etag']}</ETag></Part></CompleteMultipartUpload>"
    )
    assert call("complete_multipart_upload", "POST", document.encode(), Key="parts", UploadId=upload)[0] == 200
    assert call("get_object", "GET", Key="parts")[2] == b"part"
    assert call("delete_object", "DELETE", Key="k")[0] == 204
    assert call("get_object", "GET", Key="k")[0] == 404
    url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "parts"})
    assert fetch(url.replace("parts", "other"), "GET", None, {})[0] == 403
    assert fetch(url, "DELETE", None, {})[0] == 403
    assert fetch(url.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), "GET", None, {})[0] == 400


def fetch(url: str, method: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, Any, bytes]:
    request = urllib.request.Request(url, body, headers, method=method)
    if body is not None and "content-type" not in headers:
        request.add_header("Content-Type", "")
    try:
        with urllib.request.urlopen(request) as reply:
            return reply.status, reply.headers, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_tags_of_buckets_decide_where_they_are_to(region: LiveRegion, name: str, localhost_names: None) -> None:
    """ "Enabling ABAC in general purpose buckets", "Using tags with S3 general purpose buckets"."""
    account, arn = {"AccountId": "555555555555"}, f"arn:aws:s3:::{name}"
    endpoint = f"http://localhost:{region.port}"
    owner = region.client("s3", key="555555555555")
    control = region.client("s3control", key="555555555555", endpoint_url=endpoint)
    owner.create_bucket(Bucket=name)
    owner.put_object(Bucket=name, Key="k", Body=b"x")
    owner.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "Team", "Value": "red"}]})
    iam = region.client("iam", key="555555555555")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    user = region.client("s3", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    by_tag = [
        {"Effect": "Allow", "Action": action, "Resource": "*", "Condition": {"StringEquals": {tag: "blue"}}}
        for action, tag in (("s3:GetObject", "s3:BucketTag/Team"), ("s3:ListBucket", "aws:ResourceTag/Team"))
    ]
    iam.put_user_policy(
        UserName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": by_tag})
    )

    def may() -> bool:
        try:
            user.list_objects_v2(Bucket=name)
        except ClientError:
            assert refused(user.get_object, Bucket=name, Key="k") == "AccessDenied"
            return False
        return bool(user.get_object(Bucket=name, Key="k"))

    assert owner.get_bucket_abac(Bucket=name)["AbacStatus"] == {"Status": "Disabled"}
    control.tag_resource(**account, ResourceArn=arn, Tags=[{"Key": "Team", "Value": "blue"}, {"Key": "b", "Value": ""}])
    assert len(control.list_tags_for_resource(**account, ResourceArn=arn)["Tags"]) == 2
    assert not may(), "tags do not count yet"
    owner.put_bucket_abac(Bucket=name, AbacStatus={"Status": "Enabled"})
    assert owner.get_bucket_abac(Bucket=name)["AbacStatus"] == {"Status": "Enabled"}
    assert may()
    assert refused(owner.put_bucket_tagging, Bucket=name, Tagging={"TagSet": []}) == "MethodNotAllowed"
    assert refused(owner.delete_bucket_tagging, Bucket=name) == "MethodNotAllowed"
    control.untag_resource(**account, ResourceArn=arn, TagKeys=["Team"])
    assert not may()
    assert owner.get_bucket_tagging(Bucket=name)["TagSet"] == [{"Key": "b", "Value": ""}]
    stranger = region.client("s3control", key=STRANGER, endpoint_url=endpoint)
    assert refused(stranger.list_tags_for_resource, AccountId=STRANGER, ResourceArn=arn) == "AccessDenied"
    assert refused(stranger.tag_resource, AccountId=STRANGER, ResourceArn=arn, Tags=[]) == "AccessDenied"
    assert refused(control.list_tags_for_resource, **account, ResourceArn=f"{arn}/k") == "NotImplemented"
