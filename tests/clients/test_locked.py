"""Locked by default: what is not signed, not signed right, or not allowed, is refused with AWS's code, and nothing happens."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any
from urllib.parse import urlsplit

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from botocore.exceptions import ClientError

from tests.conftest import LiveRegion


def code(caught: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    response: Any = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def signed(
    live: LiveRegion,
    method: str,
    path: str,
    body: bytes = b"",
    *,
    service: str = "s3",
    headers: dict[str, str] | None = None,
    secret: str = "test",
    signer: type[Any] = botocore.auth.S3SigV4Auth,
) -> botocore.awsrequest.AWSRequest:
    """A request signed by botocore, to be sent as it is or altered first."""
    request = botocore.awsrequest.AWSRequest(method, live.endpoint + path, headers=headers or {}, data=body)
    signer(botocore.credentials.Credentials("test", secret), service, "us-east-1").add_auth(request)
    return request


def send(live: LiveRegion, request: Any, body: bytes | None = None) -> tuple[int, str]:
    """Send a signed request; returns status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=20)
    parts = urlsplit(request.url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    content = (request.data or b"") if body is None else body
    connection.request(request.method, target, content, dict(request.headers.items()))
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


@pytest.mark.parametrize(
    ("service", "call", "unknown", "wrong"),
    [
        ("s3", "list_buckets", ("InvalidAccessKeyId", 403), ("SignatureDoesNotMatch", 403)),
        ("sqs", "list_queues", ("UnrecognizedClientException", 400), ("InvalidSignatureException", 400)),
        ("iam", "list_users", ("InvalidClientTokenId", 403), ("SignatureDoesNotMatch", 403)),
        ("sts", "get_caller_identity", ("InvalidClientTokenId", 403), ("SignatureDoesNotMatch", 403)),
    ],
)
def test_each_protocol_has_its_own_codes(
    region: LiveRegion, service: str, call: str, unknown: tuple[str, int], wrong: tuple[str, int]
) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(region.client(service, key="AKIAIOSFODNN7EXAMPLE"), call)()
    assert code(caught) == unknown
    with pytest.raises(ClientError) as caught:
        getattr(region.client(service, secret="wrong"), call)()
    assert code(caught) == wrong


def test_a_mismatch_shows_the_canonical_request_that_was_computed(region: LiveRegion) -> None:
    request = signed(region, "GET", "/", secret="wrong")
    status, text = send(region, request)
    assert status == 403
    assert "<Code>SignatureDoesNotMatch</Code>" in text
    assert "<CanonicalRequest>GET\n/\n" in text.replace("&#xa;", "\n").replace("&#10;", "\n")
    assert "<AWSAccessKeyId>test</AWSAccessKeyId>" in text


def test_an_altered_body_is_refused_and_not_stored(region: LiveRegion) -> None:
    s3 = region.client("s3")
    s3.create_bucket(Bucket="altered-body")
    request = signed(region, "PUT", "/altered-body/key", b"what was signed")
    status, text = send(region, request, b"what was sent..")
    assert (status, "<Code>XAmzContentSHA256Mismatch</Code>" in text) == (400, True)
    assert "Contents" not in s3.list_objects_v2(Bucket="altered-body")


def test_an_altered_large_body_is_refused_and_not_stored(region: LiveRegion) -> None:
    s3 = region.client("s3")
    s3.create_bucket(Bucket="altered-large")
    request = signed(region, "PUT", "/altered-large/key", b"a" * 3_000_000)
    status, text = send(region, request, b"a" * 2_999_999 + b"b")
    assert (status, "<Code>XAmzContentSHA256Mismatch</Code>" in text) == (400, True)
    assert "Contents" not in s3.list_objects_v2(Bucket="altered-large")


def test_an_altered_signed_header_is_refused(region: LiveRegion) -> None:
    region.client("s3").create_bucket(Bucket="altered-header")
    request = signed(region, "PUT", "/altered-header/key", b"x", headers={"x-amz-meta-colour": "green"})
    request.headers.replace_header("x-amz-meta-colour", "red")
    status, text = send(region, request)
    assert (status, "<Code>SignatureDoesNotMatch</Code>" in text) == (403, True)


def test_an_unsigned_amz_header_is_refused(region: LiveRegion) -> None:
    region.client("s3").create_bucket(Bucket="added-header")
    request = signed(region, "PUT", "/added-header/key", b"x")
    request.headers["x-amz-meta-colour"] = "red"
    status, text = send(region, request)
    assert (status, "<Code>AccessDenied</Code>" in text) == (403, True)


def test_a_request_of_yesterday_is_refused(region: LiveRegion, monkeypatch: pytest.MonkeyPatch) -> None:
    then = time.time() - 86400
    for module in ("botocore.auth", "botocore.compat"):
        monkeypatch.setattr(f"{module}.get_current_datetime", lambda *_, **__: _datetime(then), raising=False)
    request = signed(region, "GET", "/")
    monkeypatch.undo()
    status, text = send(region, request)
    assert (status, "<Code>RequestTimeTooSkewed</Code>" in text) == (403, True)


def _datetime(seconds: float) -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def test_an_expired_presigned_url_is_refused(region: LiveRegion) -> None:
    s3 = region.client("s3")
    s3.create_bucket(Bucket="presigned")
    s3.put_object(Bucket="presigned", Key="key", Body=b"content")
    from botocore.config import Config

    for version in ("s3v4", "s3"):
        url = region.client("s3", config=Config(signature_version=version)).generate_presigned_url(
            "get_object", Params={"Bucket": "presigned", "Key": "key"}, ExpiresIn=2
        )
        request = botocore.awsrequest.AWSRequest("GET", url)
        assert send(region, request) == (200, "content")
        time.sleep(3.1)
        status, text = send(region, request)
        assert (status, "<Code>AccessDenied</Code>" in text, "expired" in text) == (403, True, True)


def test_a_header_signature_of_version_2_is_refused(region: LiveRegion) -> None:
    request = botocore.awsrequest.AWSRequest(
        "GET", region.endpoint + "/", headers={"Authorization": "AWS test:c2lnbmF0dXJl"}
    )
    status, text = send(region, request)
    assert (status, "AWS4-HMAC-SHA256" in text, "<Code>InvalidRequest</Code>" in text) == (400, True, True)


@pytest.mark.parametrize(
    ("host", "action"),
    [
        ("iam", "Action=CreateUser&Version=2010-05-08&UserName=intruder"),
        ("sts", "Action=GetCallerIdentity&Version=2011-06-15"),
        ("sqs.us-east-1", "Action=ListQueues&Version=2012-11-05"),
    ],
)
def test_an_old_presigned_url_of_s3_is_good_for_s3_alone(region: LiveRegion, host: str, action: str) -> None:
    """Its signature does not cover further parameters, which are all that a query service goes by."""
    from botocore.config import Config

    url = region.client("s3", config=Config(signature_version="s3")).generate_presigned_url(
        "get_object", Params={"Bucket": "shared", "Key": "key"}
    )
    request = botocore.awsrequest.AWSRequest("GET", f"{url}&{action}", headers={"Host": f"{host}.localhost:4566"})
    status, text = send(region, request)
    assert (status, "<Code>IncompleteSignature</Code>" in text) == (400, True), text
    users = region.client("iam").list_users()["Users"]
    assert "intruder" not in [user["UserName"] for user in users]


def test_without_a_signature_nothing_private_is_served(region: LiveRegion) -> None:
    region.client("s3").create_bucket(Bucket="private")
    for path in ("/", "/private", "/private/key"):
        status, text = send(region, botocore.awsrequest.AWSRequest("GET", region.endpoint + path))
        assert (status, "<Code>AccessDenied</Code>" in text) == (403, True)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Host": "rebound.evil.example"},
    ],
    ids=str,
)
def test_a_web_page_is_not_root_by_knowing_the_well_known_key(region: LiveRegion, headers: dict[str, str]) -> None:
    request = botocore.awsrequest.AWSRequest(
        "POST",
        region.endpoint + "/",
        headers={"Host": f"127.0.0.1:{region.port}", **headers},
        data=b"Action=ListUsers&Version=2010-05-08",
    )
    request.headers["Content-Type"] = "application/x-www-form-urlencoded"
    botocore.auth.SigV4Auth(botocore.credentials.Credentials("test", "test"), "iam", "us-east-1").add_auth(request)
    status, text = send(region, request)
    assert (status, "AccessDenied" in text) == (403, True), text


def user_client(live: LiveRegion, name: str, service: str, *statements: dict[str, Any]) -> Any:
    iam = live.client("iam")
    iam.create_user(UserName=name)
    if statements:
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return live.client(service, key=made["AccessKeyId"], secret=made["SecretAccessKey"])


def test_a_user_without_permission_is_denied_and_a_change_counts_at_once(region: LiveRegion) -> None:
    sqs = user_client(region, "newcomer", "sqs")
    with pytest.raises(ClientError, match=r"newcomer is not authorized to perform: sqs:CreateQueue"):
        sqs.create_queue(QueueName="newcomers")
    allow = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}}
    region.client("iam").put_user_policy(UserName="newcomer", PolicyName="own", PolicyDocument=json.dumps(allow))
    assert sqs.create_queue(QueueName="newcomers")["QueueUrl"]
    region.client("iam").delete_user_policy(UserName="newcomer", PolicyName="own")
    with pytest.raises(ClientError, match="not authorized"):
        sqs.list_queues()


def test_an_explicit_deny_wins(region: LiveRegion) -> None:
    region.client("s3").create_bucket(Bucket="denied")
    s3 = user_client(
        region,
        "denied-user",
        "s3",
        {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::denied/secret/*"},
    )
    s3.put_object(Bucket="denied", Key="open", Body=b"1")
    with pytest.raises(ClientError, match="explicit deny") as caught:
        s3.put_object(Bucket="denied", Key="secret/key", Body=b"1")
    assert code(caught) == ("AccessDenied", 403)


def test_an_inactive_key_is_refused(region: LiveRegion) -> None:
    sts = user_client(region, "resting", "sts")
    assert sts.get_caller_identity()["Arn"].endswith(":user/resting")
    iam = region.client("iam")
    key = iam.list_access_keys(UserName="resting")["AccessKeyMetadata"][0]["AccessKeyId"]
    iam.update_access_key(UserName="resting", AccessKeyId=key, Status="Inactive")
    with pytest.raises(ClientError) as caught:
        sts.get_caller_identity()
    assert code(caught) == ("InvalidClientTokenId", 403)


@pytest.mark.parametrize(
    ("service", "call", "named"),
    [
        ("s3", lambda s3: s3.get_object_torrent(Bucket="b", Key="k"), "GetObjectTorrent"),
        ("s3", lambda s3: s3.put_object(Bucket="b", Key="k", WriteOffsetBytes=1), "WriteOffsetBytes"),
        ("sns", lambda sns: sns.create_topic(Name="x", Attributes={"KmsMasterKeyId": "k"}), "KmsMasterKeyId"),
        ("iam", lambda iam: iam.enable_organizations_root_sessions(), "EnableOrganizationsRootSessions"),
        ("dynamodb", lambda db: db.list_tables(), "dynamodb"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(region: LiveRegion, service: str, call: Any, named: str) -> None:
    from botocore.config import Config

    with pytest.raises(ClientError, match=named) as caught:
        call(region.client(service, config=Config(retries={"total_max_attempts": 1})))
    assert code(caught)[1] == 501


def test_everyone_is_told_that_a_bucket_does_not_exist(region: LiveRegion) -> None:
    """S3 looks for the bucket before it asks any policy: 404 to strangers too, 403 for one that is there."""
    region.client("s3").create_bucket(Bucket="there-it-is")
    for bucket, key, expected in (
        ("nobody-has-it", "", 404),
        ("nobody-has-it", "/key", 404),
        ("there-it-is", "/key", 403),
    ):
        request = botocore.awsrequest.AWSRequest("HEAD", f"{region.endpoint}/{bucket}{key}")
        assert send(region, request)[0] == expected
    status, text = send(region, botocore.awsrequest.AWSRequest("GET", f"{region.endpoint}/nobody-has-it/key"))
    assert (status, "<Code>NoSuchBucket</Code>" in text) == (404, True)
    stranger = user_client(region, "stranger", "s3")
    with pytest.raises(ClientError) as caught:
        stranger.put_object(Bucket="nobody-has-it", Key="key", Body=b"")
    assert code(caught) == ("NoSuchBucket", 404)


def test_policies_may_go_by_the_account_of_a_resource(region: LiveRegion) -> None:
    """The data perimeter of many a company: deny what is not in our own account."""
    region.client("s3").create_bucket(Bucket="within-the-perimeter")
    region.client("s3", key="111122223333").create_bucket(Bucket="outside-the-perimeter")
    s3 = user_client(
        region,
        "perimeter",
        "s3",
        {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
        {
            "Effect": "Deny",
            "Action": "s3:*",
            "Resource": "*",
            "Condition": {"StringNotEquals": {"aws:ResourceAccount": "000000000000"}},
        },
    )
    s3.put_object(Bucket="within-the-perimeter", Key="key", Body=b"")
    with pytest.raises(ClientError, match="explicit deny"):
        s3.put_object(Bucket="outside-the-perimeter", Key="key", Body=b"")


def test_the_regions_own_pages_hide_no_bucket_s_keys(region: LiveRegion) -> None:
    s3 = region.client("s3")
    s3.create_bucket(Bucket="page-names")
    for key in ("metrics", "_awning/health", "_localstack/health"):
        s3.put_object(Bucket="page-names", Key=key, Body=b"of the bucket")
        host = {"Host": "page-names.s3.localhost:4566"}
        status, _ = send(region, botocore.awsrequest.AWSRequest("GET", f"{region.endpoint}/{key}", headers=host))
        assert status == 403


def test_an_unsigned_form_is_for_the_service_of_its_version(region: LiveRegion) -> None:
    request = botocore.awsrequest.AWSRequest(
        "POST",
        region.endpoint + "/",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        data=b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn:aws:iam::000000000000:role/none"
        b"&RoleSessionName=none&WebIdentityToken=none",
    )
    status, text = send(region, request)
    assert (status, "<Code>InvalidIdentityToken</Code>" in text) == (400, True)


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("list_buckets", {}),
        ("list_objects_v2", {"Bucket": "old-lists", "Prefix": "k"}),
        ("get_bucket_location", {"Bucket": "old-lists"}),
        ("get_object", {"Bucket": "old-lists", "Key": "key"}),
    ],
)
@pytest.mark.parametrize("style", ["path", "virtual"])
def test_an_old_presigned_url_reads_what_boto3_made_it_for(
    region: LiveRegion, operation: str, parameters: dict[str, str], style: str
) -> None:
    from botocore.config import Config

    s3 = region.client("s3")
    s3.create_bucket(Bucket="old-lists")
    s3.put_object(Bucket="old-lists", Key="key", Body=b"content")
    config = Config(signature_version="s3", s3={"addressing_style": style})
    options = {"endpoint_url": f"http://s3.localhost:{region.port}"} if style == "virtual" else {}
    url = region.client("s3", config=config, **options).generate_presigned_url(operation, Params=parameters)
    headers = {"Host": urlsplit(url).netloc}
    status, text = send(region, botocore.awsrequest.AWSRequest("GET", url, headers=headers))
    assert status == 200, text


def test_a_temporary_key_without_its_token_names_nobody(region: LiveRegion) -> None:
    made = region.client("sts").get_session_token()["Credentials"]
    s3 = region.client("s3", key=made["AccessKeyId"], secret=made["SecretAccessKey"])
    with pytest.raises(ClientError) as caught:
        s3.list_buckets()
    assert code(caught) == ("InvalidAccessKeyId", 403)


def test_a_denial_may_go_by_the_tags_that_an_object_has(region: LiveRegion) -> None:
    """Each decision looks at its own object: of a copy at the source, of a deletion at each key."""
    s3 = region.client("s3")
    s3.create_bucket(Bucket="by-tags")
    for key, tagging in (("open", ""), ("secret", "Class=secret")):
        s3.put_object(Bucket="by-tags", Key=key, Body=b"1", Tagging=tagging)
    user = user_client(
        region,
        "by-tags",
        "s3",
        {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
        {
            "Effect": "Deny",
            "Action": ["s3:GetObject", "s3:DeleteObject"],
            "Resource": "*",
            "Condition": {"StringEquals": {"s3:ExistingObjectTag/Class": "secret"}},
        },
    )
    assert user.get_object(Bucket="by-tags", Key="open")["Body"].read() == b"1"
    with pytest.raises(ClientError, match="explicit deny"):
        user.get_object(Bucket="by-tags", Key="secret")
    with pytest.raises(ClientError, match="explicit deny"):
        user.copy_object(Bucket="by-tags", Key="open", CopySource="by-tags/secret")
    done = user.delete_objects(Bucket="by-tags", Delete={"Objects": [{"Key": "open"}, {"Key": "secret"}]})
    assert [entry["Key"] for entry in done["Deleted"]] == ["open"]
    assert [entry["Key"] for entry in done["Errors"]] == ["secret"]


def test_an_answers_header_cannot_be_given_control_characters(region: LiveRegion) -> None:
    s3 = region.client("s3")
    s3.create_bucket(Bucket="controls")
    s3.put_object(Bucket="controls", Key="key", Body=b"1")
    for value in ("a\r\nX-Evil: 1", "a\x7f", "a\x01"):
        with pytest.raises(ClientError) as caught:
            s3.get_object(Bucket="controls", Key="key", ResponseContentDisposition=value)
        assert code(caught) == ("InvalidArgument", 400)


def test_what_was_refused_by_name_has_changed_nothing(region: LiveRegion) -> None:
    s3, sns = region.client("s3"), region.client("sns")
    s3.create_bucket(Bucket="untouched")
    with pytest.raises(ClientError, match="ServerSideEncryption"):
        s3.put_object(Bucket="untouched", Key="key", Body=b"x", ServerSideEncryption="aws:fsx")
    with pytest.raises(ClientError, match="WriteOffsetBytes"):
        s3.put_object(Bucket="untouched", Key="key", Body=b"x" * 200_000, WriteOffsetBytes=1)
    assert "Contents" not in s3.list_objects_v2(Bucket="untouched")
    with pytest.raises(ClientError, match="KmsMasterKeyId"):
        sns.create_topic(Name="untouched", Attributes={"KmsMasterKeyId": "key", "DisplayName": "x"})
    with pytest.raises(ClientError, match="NotFound"):
        sns.get_topic_attributes(TopicArn="arn:aws:sns:us-east-1:000000000000:untouched")
