"""Browser forms as boto3 prepares them: both signature versions, the replies, and all that must not be stored."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.client import Config
from botocore.exceptions import ClientError

from tests.conftest import LiveRegion

LARGE = bytes(range(256)) * 4096 * 3
Answer = tuple[int, dict[str, str], bytes]


def body_of(fields: dict[str, str], file: bytes | None, filename: str = "b.txt") -> bytes:
    parts = [
        f'--frontier\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'.encode() for n, v in fields.items()
    ]
    if file is not None:
        head = f'--frontier\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\n'
        parts.append(head.encode() + file + b"\r\n")
    return b"".join(parts) + b"--frontier--\r\n"


def post(
    live: LiveRegion,
    bucket: str,
    fields: dict[str, str],
    file: bytes | None = b"content",
    headers: dict[str, str] | None = None,
    path: str | None = None,
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=20)
    given = {"Content-Type": "multipart/form-data; boundary=frontier", **(headers or {})}
    connection.request("POST", f"/{bucket}" if path is None else path, body_of(fields, file), given)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, {n.lower(): v for n, v in answer.getheaders()}, content


def code(answer: Answer) -> tuple[int, str]:
    found = re.search(rb"<Code>(.*?)</Code>", answer[2])
    return answer[0], found[1].decode() if found else ""


@pytest.fixture(params=["s3v4", "s3"])
def client(region: LiveRegion, request: pytest.FixtureRequest) -> Any:
    return region.client("s3", config=Config(signature_version=request.param))


@pytest.fixture
def bucket(region: LiveRegion, name: str) -> str:
    region.client("s3").create_bucket(Bucket=name)
    return name


def stored(region: LiveRegion, bucket: str) -> list[str]:
    return [entry["Key"] for entry in region.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])]


@pytest.mark.parametrize("file", [b"", b"content", LARGE], ids=["empty", "small", "large"])
def test_a_form_stores_its_file(region, client, bucket, file):
    form = client.generate_presigned_post(
        bucket,
        "up/${filename}",
        {"Content-Type": "text/plain", "x-amz-meta-city": "Bern"},
        [{"Content-Type": "text/plain"}, {"x-amz-meta-city": "Bern"}, ["content-length-range", 0, len(LARGE)]],
    )
    status, headers, content = post(region, bucket, form["fields"], file)
    assert (status, content) == (204, b"")
    got = region.client("s3").get_object(Bucket=bucket, Key="up/b.txt")
    assert got["Body"].read() == file
    assert (got["ContentType"], got["Metadata"]) == ("text/plain", {"city": "Bern"})
    assert headers["etag"] == got["ETag"]
    assert headers["location"].endswith(f"/{bucket}/up/b.txt")


def test_a_virtual_host_names_the_bucket(region, client, bucket):
    form = client.generate_presigned_post(bucket, "k")
    host = {"Host": f"{bucket}.s3.localhost:{region.port}"}
    assert post(region, bucket, form["fields"], headers=host, path="/")[0] == 204
    assert stored(region, bucket) == ["k"]


def test_the_form_says_how_it_is_answered(region, bucket):
    client = region.client("s3")

    def send(**fields: str) -> Answer:
        form = client.generate_presigned_post(bucket, "a b&c", fields, [{n: v} for n, v in fields.items()])
        return post(region, bucket, form["fields"])

    assert send(success_action_status="200")[0] == 200
    assert send(success_action_status="999")[0] == 204
    status, headers, content = send(success_action_status="201")
    assert (status, headers["content-type"]) == (201, "application/xml")
    assert b"<PostResponse><Location>" in content
    assert f"<Bucket>{bucket}</Bucket><Key>a b&amp;c</Key><ETag>&quot;".encode() in content
    for name in ("success_action_redirect", "redirect"):
        status, headers, _ = send(**{name: "https://example.com/done?x=1"})
        asked = parse_qs(urlsplit(headers["location"]).query)
        assert status == 303
        assert (asked["x"], asked["bucket"], asked["key"]) == (["1"], [bucket], ["a b&c"])
        assert asked["etag"][0].startswith('"')
    assert send(success_action_redirect="no url")[0] == 204


@pytest.mark.parametrize("file", [b"x" * 11, LARGE, b"x"], ids=["large", "streamed", "small"])
def test_a_file_of_another_length_is_refused(region, client, bucket, file):
    form = client.generate_presigned_post(bucket, "k", Conditions=[["content-length-range", 2, 10]])
    answer = post(region, bucket, form["fields"], file)
    assert code(answer) == (400, "EntityTooSmall" if len(file) < 2 else "EntityTooLarge")
    form = client.generate_presigned_post(bucket, "k", Conditions=[["content-length-range", len(LARGE) + 1, 10**9]])
    assert code(post(region, bucket, form["fields"], LARGE)) == (400, "EntityTooSmall")
    assert stored(region, bucket) == []


def test_nothing_is_stored_where_anything_is_wrong(region, client, bucket):
    form = client.generate_presigned_post(bucket, "k")["fields"]
    policy = json.loads(base64.b64decode(form["policy"]))
    policy["conditions"].append(["starts-with", "$key", ""])
    tampered = {**form, "policy": base64.b64encode(json.dumps(policy).encode()).decode()}
    expired = client.generate_presigned_post(bucket, "k", ExpiresIn=-10)["fields"]
    without_key = {name: value for name, value in form.items() if name != "key"}
    elsewhere = client.generate_presigned_post("another", "k")["fields"]
    expected = [
        (tampered, (403, "SignatureDoesNotMatch")),
        ({**form, "key": "other"}, (403, "AccessDenied")),
        ({**form, "x-amz-meta-more": "1"}, (403, "AccessDenied")),
        (expired, (403, "AccessDenied")),
        (elsewhere, (403, "AccessDenied")),
        (without_key, (400, "InvalidArgument")),
        ({"key": "k"}, (403, "AccessDenied")),
        ({"key": "k", "policy": form["policy"]}, (400, "InvalidArgument")),
    ]
    for fields, answer in expected:
        assert code(post(region, bucket, fields)) == answer
    assert code(post(region, bucket, form, None)) == (400, "InvalidArgument")
    assert b"exactly one file upload" in post(region, bucket, form, None)[2]
    assert stored(region, bucket) == []


@pytest.mark.parametrize(
    ("field", "value", "answer"),
    [
        ("x-amz-server-side-encryption", "AES512", (400, "InvalidArgument")),
        ("x-amz-copy-source", "/other/key", (501, "NotImplemented")),
        ("x-amz-unheard-of", "1", (501, "NotImplemented")),
        ("acl", "public-read", (400, "AccessControlListNotSupported")),
        ("Content-MD5", base64.b64encode(b"0" * 16).decode(), (400, "BadDigest")),
        ("x-amz-checksum-crc32", "AAAAAA==", (400, "BadDigest")),
        ("x-amz-checksum-md4", "AAAAAA==", (400, "InvalidRequest")),
        ("Cache-Control", "a\r\nb", (400, "InvalidArgument")),
        ("tagging", "<Tagging><Tag/></Tagging>", (400, "MalformedXML")),
    ],
)
@pytest.mark.parametrize("file", [b"content", LARGE], ids=["small", "large"])
def test_a_field_means_what_put_object_means_by_it(region, bucket, field, value, answer, file):
    form = region.client("s3").generate_presigned_post(bucket, "k", {field: value}, [{field: value}])
    assert code(post(region, bucket, form["fields"], file)) == answer
    assert stored(region, bucket) == []


@pytest.mark.parametrize(
    ("algorithm", "status"), [("SHA256", 204), ("CRC32", 400), ("MD4", 400)], ids=["same", "other", "unknown"]
)
def test_a_form_may_bring_a_checksum_and_say_which_it_is(region, bucket, algorithm, status):
    digest = base64.b64encode(hashlib.sha256(b"content").digest()).decode()
    fields = {"x-amz-checksum-algorithm": algorithm, "x-amz-checksum-sha256": digest}
    client = region.client("s3")
    form = client.generate_presigned_post(bucket, "k", fields, [{n: v} for n, v in fields.items()])["fields"]
    assert post(region, bucket, form, b"content")[0] == status
    if status == 204:
        assert client.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumSHA256"] == digest
        assert code(post(region, bucket, {**form, "x-amz-checksum-sha256": digest[::-1]})) == (403, "AccessDenied")
    else:
        assert stored(region, bucket) == []


def test_a_form_may_bring_tags_and_a_storage_class(region, bucket):
    client = region.client("s3")
    tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b c</Value></Tag></TagSet></Tagging>"
    fields = {"tagging": tags, "x-amz-storage-class": "STANDARD_IA"}
    form = client.generate_presigned_post(bucket, "k", fields, [{n: v} for n, v in fields.items()])
    assert post(region, bucket, form["fields"])[0] == 204
    assert client.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a", "Value": "b c"}]
    assert client.head_object(Bucket=bucket, Key="k")["StorageClass"] == "STANDARD_IA"


def test_a_foreign_page_gets_nothing_with_the_well_known_keys(region, client, bucket):
    form = client.generate_presigned_post(bucket, "k")["fields"]
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert code(post(region, bucket, form, headers=headers)) == (403, "AccessDenied")
    assert stored(region, bucket) == []


def test_a_form_needs_leave_to_put(region, name, bucket):
    iam = region.client("iam")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    mine = region.client("s3", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    form = mine.generate_presigned_post(bucket, "k")["fields"]
    assert code(post(region, bucket, form)) == (403, "AccessDenied")
    statement = {
        "Effect": "Allow",
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"StringEquals": {"s3:authType": "POST"}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="forms", PolicyDocument=document)
    assert post(region, bucket, form, headers={"Origin": "https://a.page.example"})[0] == 204
    with pytest.raises(ClientError):
        mine.put_object(Bucket=bucket, Key="k2")
    session = region.client("sts", key=key["AccessKeyId"], secret=key["SecretAccessKey"]).get_session_token()
    temporary = session["Credentials"]
    brief = region.client(
        "s3",
        key=temporary["AccessKeyId"],
        secret=temporary["SecretAccessKey"],
        aws_session_token=temporary["SessionToken"],
    )
    form = brief.generate_presigned_post(bucket, "k3")["fields"]
    assert post(region, bucket, form)[0] == 204
    del form["x-amz-security-token"]
    assert post(region, bucket, form)[0] == 403


def test_anyone_may_fill_in_a_form_where_the_bucket_says_so(region, bucket):
    client = region.client("s3")
    assert code(post(region, bucket, {"key": "k"})) == (403, "AccessDenied")
    client.delete_public_access_block(Bucket=bucket)
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/in/*",
    }
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert post(region, bucket, {"key": "in/k"}, LARGE)[0] == 204
    assert code(post(region, bucket, {"key": "out/k"}, LARGE)) == (403, "AccessDenied")
    assert stored(region, bucket) == ["in/k"]
