"""Browser forms: botocore's pre-signed posts, the S3 API reference's example, and every way a form can break its policy."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from botocore.auth import HmacV1PostAuth, S3SigV4PostAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from awning.auth.post_policy import FormRule, form_claims, verify_form
from awning.auth.refused import Reason, Refused
from tests.auth.support import HOST, KEY, SECRET

NOW = 1_700_000_000.0
SOON = "2023-11-15T00:00:00.000Z"
SIGNERS = [S3SigV4PostAuth, HmacV1PostAuth]


def form(
    signer: type, conditions: list[Any], fields: dict[str, str], token: str | None = None, **policy: Any
) -> dict[str, str]:
    made = AWSRequest(method="POST", url=HOST + "/bucket")
    document = {"expiration": SOON, "conditions": [{"bucket": "bucket"}, *conditions], **policy}
    made.context["s3-presign-post-fields"] = dict(fields)
    made.context["s3-presign-post-policy"] = document
    credentials = Credentials(KEY, SECRET, token)
    (signer(credentials) if signer is HmacV1PostAuth else signer(credentials, "s3", "us-east-1")).add_auth(made)
    return made.context["s3-presign-post-fields"]


def check(fields: dict[str, str], secret: str = SECRET, now: float = NOW, bucket: str = "bucket") -> FormRule:
    claims = form_claims(fields)
    assert claims is not None
    assert claims.access_key_id == KEY
    return verify_form(claims, fields, secret, now, bucket=bucket)


def refusal(fields: dict[str, str], **options: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        check(fields, **options)
    return caught.value


@pytest.mark.parametrize("signer", SIGNERS)
def test_a_form_is_proven_and_says_how_long_the_file_may_be(signer):
    conditions = [{"key": "a.txt"}, ["content-length-range", 1, 10]]
    rule = check(form(signer, conditions, {"key": "a.txt"}, token="t"))
    assert (rule.smallest, rule.largest) == (1, 10)
    rule.check_length(1)
    rule.check_length(10)
    for length, reason in ((0, Reason.TOO_SMALL), (11, Reason.TOO_LARGE)):
        with pytest.raises(Refused) as caught:
            rule.check_length(length)
        assert caught.value.reason is reason


@pytest.mark.parametrize("signer", SIGNERS)
def test_another_secret_policy_or_signature_is_refused(signer):
    fields = form(signer, [{"key": "a"}], {"key": "a"})
    assert refusal(fields, secret=SECRET + "x").reason is Reason.MISMATCH
    policy = base64.b64encode(base64.b64decode(fields["policy"]).replace(b'"a"', b'"b"')).decode()
    assert refusal({**fields, "policy": policy}).reason is Reason.MISMATCH
    name = "signature" if "signature" in fields else "x-amz-signature"
    assert refusal({**fields, name: fields[name][:-2] + "é"}).reason is Reason.MISMATCH


@pytest.mark.parametrize("signer", SIGNERS)
def test_a_form_is_good_until_its_policy_expires(signer):
    fields = form(signer, [{"key": "a"}], {"key": "a"})
    refused = refusal(fields, now=1_700_006_400.0)
    assert refused.reason is Reason.POLICY_EXPIRED
    assert refused.message == "Invalid according to Policy: Policy expired."


@pytest.mark.parametrize(
    ("conditions", "fields", "message"),
    [
        ([["eq", "$key", "b"]], {"key": "a"}, 'Policy Condition failed: ["eq", "$key", "b"]'),
        ([["starts-with", "$key", "b/"]], {"key": "a/b/"}, 'Policy Condition failed: ["starts-with", "$key", "b/"]'),
        ([{"key": "a"}], {"key": "a", "acl": "private"}, "Extra input fields: acl"),
        ([{"key": "a"}, {"acl": "private"}], {"key": "a"}, 'Policy Condition failed: ["eq", "$acl", "private"]'),
        (
            [{"key": "a"}, ["starts-with", "$Content-Type", "image/"]],
            {"key": "a", "Content-Type": "image/png, text/html"},
            'Policy Condition failed: ["starts-with", "$Content-Type", "image/"]',
        ),
    ],
)
def test_a_form_that_breaks_its_policy_is_refused(conditions, fields, message):
    refused = refusal(form(S3SigV4PostAuth, conditions, fields))
    assert refused.reason is Reason.POLICY_FAILED
    assert refused.message == f"Invalid according to Policy: {message}"


@pytest.mark.parametrize(
    ("conditions", "fields"),
    [
        ([["starts-with", "$key", ""]], {"key": "anything"}),
        ([["starts-with", "$key", "user/"]], {"key": "user/x"}),
        (
            [{"key": "a"}, ["starts-with", "$Content-Type", "image/"]],
            {"key": "a", "Content-Type": "image/png,image/gif"},
        ),
        ([{"key": "a"}], {"key": "a", "x-ignore-me": "x"}),
        ([{"KEY": "a"}], {"Key": "a"}),
    ],
)
def test_a_form_that_keeps_to_its_policy_is_taken(conditions, fields):
    check(form(S3SigV4PostAuth, conditions, fields))


def test_the_bucket_is_the_one_that_the_form_was_sent_to():
    fields = form(S3SigV4PostAuth, [{"key": "a"}], {"key": "a"})
    assert refusal(fields, bucket="other").reason is Reason.POLICY_FAILED
    assert refusal({**fields, "bucket": "bucket"}, bucket="other").reason is Reason.POLICY_FAILED


@pytest.mark.parametrize(
    "document",
    [
        "no json",
        "[]",
        {"conditions": []},
        {"expiration": "soon", "conditions": []},
        {"expiration": "2023-11-15T00:00:00", "conditions": []},
        {"expiration": 5, "conditions": []},
        {"expiration": SOON},
        {"expiration": SOON, "conditions": {}},
        {"expiration": SOON, "conditions": [], "more": 1},
        {"expiration": SOON, "conditions": ["x"]},
        {"expiration": SOON, "conditions": [{"a": "b", "c": "d"}]},
        {"expiration": SOON, "conditions": [["like", "$a", "b"]]},
        {"expiration": SOON, "conditions": [["eq", "a", "b"]]},
        {"expiration": SOON, "conditions": [["eq", "$a", 5]]},
        {"expiration": SOON, "conditions": [["eq", "$a"]]},
        {"expiration": SOON, "conditions": [["content-length-range", 5, 1]]},
        {"expiration": SOON, "conditions": [["content-length-range", "a", 1]]},
    ],
)
def test_a_malformed_policy_is_refused(document):
    text = document if isinstance(document, str) else json.dumps(document)
    fields = {"AWSAccessKeyId": KEY, "policy": base64.b64encode(text.encode()).decode(), "key": "a"}
    from awning.auth.sigv2 import sign

    fields["signature"] = sign(SECRET, fields["policy"].encode())
    assert refusal(fields).reason is Reason.POLICY_MALFORMED


def test_a_form_without_signature_is_anonymous_and_a_half_signed_one_refused():
    assert form_claims({"key": "a", "file": "x"}) is None
    whole = form(S3SigV4PostAuth, [{"key": "a"}], {"key": "a"})
    for name in ("x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature", "policy"):
        with pytest.raises(Refused):
            form_claims({key: value for key, value in whole.items() if key != name})
    with pytest.raises(Refused):
        form_claims({"policy": "x", "key": "a"})
    with pytest.raises(Refused):
        form_claims({"AWSAccessKeyId": "x", "policy": "x"})
    with pytest.raises(Refused):
        form_claims({"key": "a", "Key": "b"})


def test_the_references_example_is_proven():
    policy = (
        "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4"
        "YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9"
        "LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3Nm"
        "dWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1"
        "aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMt"
        "d2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEy"
        "MjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7Ingt"
        "YW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9"
    )
    fields = {
        "key": "user/user1/${filename}",
        "acl": "public-read",
        "success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html",
        "Content-Type": "image/jpeg",
        "x-amz-meta-uuid": "14365123651274",
        "x-amz-server-side-encryption": "AES256",
        "X-Amz-Credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request",
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Date": "20151229T000000Z",
        "x-amz-meta-tag": "",
        "Policy": policy,
        "X-Amz-Signature": "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e",
    }
    claims = form_claims(fields)
    assert claims is not None
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    rule = verify_form(claims, fields, secret, 1_451_400_000.0, bucket="sigv4examplebucket")
    assert rule.largest is None
