"""Encryption of objects as clients meet it: keys of KMS and their policies, policies that demand it, forms, snapshots."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from tests.clients.test_forms import post
from tests.conftest import LiveRegion

ACCOUNT = "000000000000"
PLANTED = b"nobody may read this on the disk; " * 40_000
KEY = bytes(range(32))
OWN = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": KEY}
SMALL_PARTS = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)


@pytest.fixture
def bucket(region: LiveRegion, name: str) -> str:
    region.client("s3").create_bucket(Bucket=name)
    return name


def user(region: LiveRegion, name: str, *actions: str) -> Any:
    """A client of S3 for a new user who may do this."""
    iam = region.client("iam")
    iam.create_user(UserName=name)
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": actions, "Resource": "*"}}
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps(document))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return region.client("s3", key=made["AccessKeyId"], secret=made["SecretAccessKey"])


def refused(function: Any, **params: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        function(**params)
    error = caught.value.response["Error"]
    return caught.value.response["ResponseMetadata"]["HTTPStatusCode"], error["Code"], error["Message"]


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"ServerSideEncryption": "aws:kms"},
        {"ServerSideEncryption": "aws:kms:dsse"},
        OWN,
    ],
    ids=["sse-s3", "sse-kms", "dsse-kms", "sse-c"],
)
def test_the_transfer_manager_goes_both_ways(region: LiveRegion, bucket: str, extra: dict[str, Any]) -> None:
    """Uploads in parts, downloads by ranges in parallel, copies in parts; then the disk is searched for what was sent."""
    s3 = region.client("s3")
    data = PLANTED * 9  # 12 MB
    s3.upload_fileobj(io.BytesIO(data), bucket, "k", ExtraArgs=extra, Config=SMALL_PARTS)
    reads = extra if "SSECustomerKey" in extra else {}
    there = io.BytesIO()
    s3.download_fileobj(bucket, "k", there, ExtraArgs=reads, Config=SMALL_PARTS)
    assert there.getvalue() == data
    head = s3.head_object(Bucket=bucket, Key="k", **reads)
    assert head["ContentLength"] == len(data)
    assert head.get("ServerSideEncryption") == (None if reads else extra.get("ServerSideEncryption", "AES256"))
    given = {**extra, **{f"CopySource{name}": value for name, value in reads.items()}}
    s3.copy({"Bucket": bucket, "Key": "k"}, bucket, "copy", ExtraArgs=given, Config=SMALL_PARTS)
    assert s3.get_object(Bucket=bucket, Key="copy", **reads)["Body"].read() == data
    s3.put_object(Bucket=bucket, Key="small", Body=PLANTED[:2000], **extra)
    assert s3.get_object(Bucket=bucket, Key="small", Range="bytes=34-67", **reads)["Body"].read() == PLANTED[:34]
    for path in region.data.rglob("*"):
        if path.is_file():
            assert PLANTED[:34] not in path.read_bytes(), path


def test_a_clients_own_key_over_tls_and_not(region: LiveRegion, bucket: str) -> None:
    """From this machine plain HTTP does; boto3 adds the key's MD5."""
    for tls in (False, True):
        s3 = region.client("s3", tls=tls)
        put = s3.put_object(Bucket=bucket, Key="k", Body=b"1", **OWN)
        assert put["SSECustomerKeyMD5"] == base64.b64encode(hashlib.md5(KEY).digest()).decode()
        assert s3.get_object(Bucket=bucket, Key="k", **OWN)["Body"].read() == b"1"
        other = {**OWN, "SSECustomerKey": bytes(32)}
        assert refused(s3.get_object, Bucket=bucket, Key="k", **other)[:2] == (403, "AccessDenied")
        assert refused(s3.get_object, Bucket=bucket, Key="k")[:2] == (400, "InvalidRequest")
        assert refused(s3.head_object, Bucket=bucket, Key="k")[0] == 400
        assert refused(s3.head_object, Bucket=bucket, Key="k", **other)[0] == 403


def test_who_writes_and_who_reads_needs_the_key(region: LiveRegion, bucket: str, name: str) -> None:
    """S3 user guide, "Using server-side encryption with AWS KMS keys", "Permissions"."""
    kms, root = region.client("kms"), region.client("s3")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=key)
    nobody = user(region, f"{name}-nobody", "s3:*")
    writer = user(region, f"{name}-writer", "s3:*", "kms:GenerateDataKey")
    reader = user(region, f"{name}-reader", "s3:*", "kms:Decrypt")
    asked = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": f"alias/{name}"}
    for client in (nobody, reader):
        status, code, message = refused(client.put_object, Bucket=bucket, Key="k", Body=b"1", **asked)
        assert (status, code) == (403, "AccessDenied")
        assert f"is not authorized to perform: kms:GenerateDataKey on resource: {key}" in message
    put = writer.put_object(Bucket=bucket, Key="k", Body=b"1", **asked)
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"]) == ("aws:kms", key)
    for client in (nobody, writer):
        status, code, message = refused(client.get_object, Bucket=bucket, Key="k")
        assert (status, code) == (403, "AccessDenied")
        assert f"is not authorized to perform: kms:Decrypt on resource: {key}" in message
        assert client.head_object(Bucket=bucket, Key="k")["SSEKMSKeyId"] == key
    assert reader.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    upload = writer.create_multipart_upload(Bucket=bucket, Key="m", **asked)["UploadId"]
    part = {"Bucket": bucket, "Key": "m", "UploadId": upload, "PartNumber": 1, "Body": b"1"}
    assert "kms:Decrypt" in refused(writer.upload_part, **part)[2]
    assert reader.upload_part(**part)["SSEKMSKeyId"] == key
    kms.disable_key(KeyId=key)
    assert refused(root.get_object, Bucket=bucket, Key="k") == (400, "KMS.DisabledException", f"{key} is disabled.")
    kms.schedule_key_deletion(KeyId=key)
    assert refused(root.get_object, Bucket=bucket, Key="k") == (
        400,
        "KMS.KMSInvalidStateException",
        f"{key} is pending deletion.",
    )


def test_keys_that_there_are_not(region: LiveRegion, bucket: str) -> None:
    s3 = region.client("s3")
    missing = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/134f2428-cec1-4b25-a1ae-9048164dba47"
    elsewhere = region.client("kms", region_name="us-west-2").create_key()["KeyMetadata"]["Arn"]
    for given, message in (
        ("fake-key-id", "Invalid keyId 'fake-key-id'"),
        (missing, f"Key '{missing}' does not exist"),
        (missing.rpartition("/")[2], f"Key '{missing}' does not exist"),
        (elsewhere, "Invalid arn us-west-2"),
    ):
        asked = {"Bucket": bucket, "Key": "k", "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": given}
        expected = (400, "KMS.NotFoundException", message)
        assert refused(s3.put_object, **asked) == expected
        assert refused(s3.create_multipart_upload, **asked) == expected
    rsa = region.client("kms").create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["Arn"]
    found = refused(s3.put_object, Bucket=bucket, Key="k", ServerSideEncryption="aws:kms", SSEKMSKeyId=rsa)
    assert found[:2] == (400, "KMS.InvalidKeyUsageException")


def test_a_key_policy_sees_service_and_context(region: LiveRegion, bucket: str) -> None:
    """The key's policy may bind it to S3 (kms:ViaService) and to an object (kms:EncryptionContext:aws:s3:arn)."""
    root = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    within = {
        "kms:ViaService": "s3.us-east-1.amazonaws.com",
        "kms:EncryptionContext:aws:s3:arn": f"arn:aws:s3:::{bucket}/here",
        "kms:EncryptionContext:team": "blue",
    }
    statements = [
        {"Effect": "Allow", "Principal": root, "Action": ["kms:Put*", "kms:Describe*"], "Resource": "*"},
        {
            "Effect": "Allow",
            "Principal": root,
            "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
            "Resource": "*",
            "Condition": {"StringEquals": within},
        },
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    key = region.client("kms").create_key(Policy=policy)["KeyMetadata"]["KeyId"]
    s3 = region.client("s3")
    context = base64.b64encode(b'{"team": "blue"}').decode()
    asked = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key, "SSEKMSEncryptionContext": context}
    assert refused(s3.put_object, Bucket=bucket, Key="there", **asked)[1] == "AccessDenied"
    s3.put_object(Bucket=bucket, Key="here", Body=b"1", **asked)
    assert s3.get_object(Bucket=bucket, Key="here")["Body"].read() == b"1"


def test_a_bucket_policy_may_demand_encryption(region: LiveRegion, bucket: str) -> None:
    """The condition keys s3:x-amz-server-side-encryption and its two sisters; what a bucket does by default is no header."""
    s3 = region.client("s3")
    everything = f"arn:aws:s3:::{bucket}/*"

    def demand(condition: dict[str, Any]) -> None:
        statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": everything, **condition}
        s3.put_bucket_policy(
            Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": {"Sid": "S", **statement}})
        )

    algorithm = "s3:x-amz-server-side-encryption"
    demand({"Condition": {"StringNotEquals": {algorithm: "aws:kms"}}})
    for wrong in ({}, {"ServerSideEncryption": "AES256"}):
        assert refused(s3.put_object, Bucket=bucket, Key="k", **wrong)[:2] == (403, "AccessDenied")
    key = s3.put_object(Bucket=bucket, Key="k", ServerSideEncryption="aws:kms")["SSEKMSKeyId"]
    described = region.client("kms").describe_key(KeyId=key)["KeyMetadata"]
    assert described["Description"] == "Default key that protects my S3 objects when no other key is defined"
    assert described["KeyManager"] == "AWS"
    demand({"Condition": {"Null": {f"{algorithm}-customer-algorithm": "true"}}})
    assert refused(s3.create_multipart_upload, Bucket=bucket, Key="k")[:2] == (403, "AccessDenied")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", **OWN)["UploadId"]
    part = {"Bucket": bucket, "Key": "k", "UploadId": upload, "PartNumber": 1, "Body": b"1"}
    assert refused(s3.upload_part, **part)[:2] == (403, "AccessDenied")
    s3.upload_part(**part, **OWN)
    demand({"Condition": {"ArnNotEqualsIfExists": {f"{algorithm}-aws-kms-key-id": key}}})
    s3.put_object(Bucket=bucket, Key="k", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    other = region.client("kms").create_key()["KeyMetadata"]["Arn"]
    wrong = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": other}
    assert refused(s3.put_object, Bucket=bucket, Key="k", **wrong)[:2] == (403, "AccessDenied")
    s3.delete_bucket_policy(Bucket=bucket)


def test_an_object_is_put_under_another_key_where_it_is(region: LiveRegion, bucket: str, name: str) -> None:
    """UpdateObjectEncryption, with the permissions that its API reference names."""
    s3 = region.client("s3")
    key = region.client("kms").create_key()["KeyMetadata"]["Arn"]
    put = s3.put_object(Bucket=bucket, Key="k", Body=PLANTED)
    asked = {"Bucket": bucket, "Key": "k", "ObjectEncryption": {"SSEKMS": {"KMSKeyArn": key}}}
    half = user(region, f"{name}-half", "s3:*", "kms:GenerateDataKey")
    status, code, message = refused(half.update_object_encryption, **asked)
    assert (status, code) == (403, "AccessDenied")
    assert "kms:Encrypt" in message
    full = user(region, f"{name}-full", "s3:*", "kms:GenerateDataKey", "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*")
    full.update_object_encryption(**asked)
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["SSEKMSKeyId"], got["ETag"]) == (key, put["ETag"])
    assert got["Body"].read() == PLANTED
    region.client("kms").disable_key(KeyId=key)
    assert refused(s3.get_object, Bucket=bucket, Key="k")[1] == "KMS.DisabledException"


def test_default_encryption_of_a_bucket(region: LiveRegion, bucket: str) -> None:
    s3 = region.client("s3")
    default = [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"] == {"Rules": default}
    key = region.client("kms").create_key()["KeyMetadata"]
    by_kms = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key["KeyId"]}
    rule = {
        "ApplyServerSideEncryptionByDefault": by_kms,
        "BucketKeyEnabled": True,
        "BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]},
    }
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"] == {"Rules": [rule]}
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    assert (put["SSEKMSKeyId"], put["BucketKeyEnabled"]) == (key["Arn"], True)
    assert refused(s3.put_object, Bucket=bucket, Key="k", **OWN)[:2] == (403, "AccessDenied")
    s3.delete_bucket_encryption(Bucket=bucket)
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"1")["ServerSideEncryption"] == "AES256"


def test_forms_say_how_their_file_is_encrypted(region: LiveRegion, bucket: str) -> None:
    """S3 API reference, "POST Object": the form's fields and the reply's headers."""
    s3 = region.client("s3")
    md5 = base64.b64encode(hashlib.md5(KEY).digest()).decode()
    name = "x-amz-server-side-encryption"
    forms: list[tuple[dict[str, str], dict[str, str], dict[str, Any]]] = [
        ({}, {name: "AES256"}, {}),
        ({name: "aws:kms"}, {name: "aws:kms"}, {}),
        (
            {
                f"{name}-customer-algorithm": "AES256",
                f"{name}-customer-key": base64.b64encode(KEY).decode(),
                f"{name}-customer-key-MD5": md5,
            },
            {f"{name}-customer-algorithm": "AES256", f"{name}-customer-key-md5": md5},
            OWN,
        ),
    ]
    for fields, shown, reads in forms:
        form = s3.generate_presigned_post(bucket, "k", dict(fields), [{field: text} for field, text in fields.items()])
        status, headers, _ = post(region, bucket, form["fields"], PLANTED)
        assert status == 204
        assert shown.items() <= headers.items()
        assert s3.get_object(Bucket=bucket, Key="k", **reads)["Body"].read() == PLANTED


def test_objects_outlive_a_restart_and_travel_in_a_snapshot(own_region: LiveRegion, tmp_path: Path) -> None:
    """A snapshot carries the master key under a passphrase; where it is loaded, what it opens is read as before."""
    own_region.start()
    s3 = own_region.client("s3")
    s3.create_bucket(Bucket="box")
    kinds: dict[str, dict[str, Any]] = {
        "s3": {},
        "kms": {"ServerSideEncryption": "aws:kms"},
        "bucket-key": {"ServerSideEncryption": "aws:kms", "BucketKeyEnabled": True},
        "dsse": {"ServerSideEncryption": "aws:kms:dsse"},
        "own": OWN,
    }
    for key, params in kinds.items():
        s3.put_object(Bucket="box", Key=key, Body=PLANTED, **params)

    def check(region: LiveRegion) -> None:
        client = region.client("s3")
        for key in kinds:
            reads = OWN if key == "own" else {}
            assert client.get_object(Bucket="box", Key=key, **reads)["Body"].read() == PLANTED

    own_region.stop()
    own_region.start()
    check(own_region)
    file = tmp_path / "region.snapshot"
    awning = [sys.executable, "-m", "awning", "snapshot"]
    environment = own_region.env(AWNING_SNAPSHOT_PASSPHRASE="correct horse")
    saved = [*awning, "save", str(file), "--data", str(own_region.data)]
    subprocess.run(saved, check=True, env=environment, capture_output=True)
    own_region.stop()
    other = LiveRegion(tmp_path / "elsewhere")
    loaded = [*awning, "load", str(file), "--data", str(other.data)]
    subprocess.run(loaded, check=True, env=environment, capture_output=True)
    assert (other.data / "master.key").read_bytes() == (own_region.data / "master.key").read_bytes()
    other.start()
    try:
        check(other)
    finally:
        other.stop()


def test_the_default_layer_is_a_switch(tmp_path: Path) -> None:
    live = LiveRegion(tmp_path / "data", "--default-encryption", "off").start()
    try:
        s3 = live.client("s3")
        s3.create_bucket(Bucket="box")
        assert "ServerSideEncryption" not in s3.put_object(Bucket="box", Key="k", Body=PLANTED)
        assert "ServerSideEncryption" not in s3.get_object(Bucket="box", Key="k")
        found = refused(s3.get_bucket_encryption, Bucket="box")
        assert found[:2] == (404, "ServerSideEncryptionConfigurationNotFoundError")
        asked = s3.put_object(Bucket="box", Key="asked", Body=PLANTED, ServerSideEncryption="AES256")
        assert asked["ServerSideEncryption"] == "AES256"
    finally:
        live.stop()
    again = LiveRegion(tmp_path / "data").start()
    try:
        s3 = again.client("s3")
        for key in ("k", "asked"):
            assert s3.get_object(Bucket="box", Key=key)["Body"].read() == PLANTED
        assert "ServerSideEncryption" not in s3.head_object(Bucket="box", Key="k")
    finally:
        again.stop()
