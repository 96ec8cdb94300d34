"""Bucket policies, the public access block, and the guard."""

from __future__ import annotations

import json
from typing import Any

import pytest

from awning.services.s3 import errors, policies
from tests.services.s3.support import ACCOUNT, OTHER, S3, user

OPEN = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::box/*"}


def text(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def test_put_get_delete(s3: S3) -> None:
    with pytest.raises(errors.NoSuchBucketPolicy):
        s3.get_bucket_policy(bucket="box")
    policy = text({**OPEN, "Principal": {"AWS": OTHER}})
    s3.put_bucket_policy(bucket="box", policy=policy)
    assert s3.get_bucket_policy(bucket="box") == {"Policy": policy}
    assert s3.get_bucket_policy_status(bucket="box") == {"PolicyStatus": {"IsPublic": False}}
    s3.delete_bucket_policy(bucket="box")
    s3.delete_bucket_policy(bucket="box")
    with pytest.raises(errors.NoSuchBucketPolicy):
        s3.get_bucket_policy_status(bucket="box")
    assert s3.rows("policies") == 0


@pytest.mark.parametrize(
    "policy",
    [
        "",
        "nonsense",
        "[]",
        text({**OPEN, "Resource": "arn:aws:s3:::other/*"}),
        text({**OPEN, "Resource": "arn:aws:s3:::boxes/*"}),
        text({**OPEN, "Resource": "*"}),
        text({**OPEN, "Action": "sqs:SendMessage"}),
        text({**OPEN, "Action": "s3:ListBucket"}),
        text({**OPEN, "Resource": "arn:aws:s3:::box"}),
        text({key: value for key, value in OPEN.items() if key != "Principal"}),
        text({**OPEN, "Effect": "Perhaps"}),
        text({**OPEN, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/nobody"}}),
        text({**OPEN, "Principal": {"AWS": "arn:aws:s3:::box"}}),
        text(*[{**OPEN, "Sid": f"{'x' * 200}{n}", "Principal": {"AWS": OTHER}} for n in range(100)]),
    ],
)
def test_policies_that_are_none(s3: S3, policy: str) -> None:
    s3.delete_public_access_block(bucket="box")
    with pytest.raises(errors.MalformedPolicy):
        s3.put_bucket_policy(bucket="box", policy=policy)
    assert s3.rows("policies") == 0


def test_a_principal_must_exist(s3: S3) -> None:
    arn = f"arn:aws:iam::{OTHER}:user/ann"
    s3.neighbours.known.add(arn)
    s3.put_bucket_policy(bucket="box", policy=text({**OPEN, "Principal": {"AWS": [arn, f"arn:aws:iam::{OTHER}:root"]}}))


def test_a_new_bucket_blocks_public_policies(s3: S3) -> None:
    assert s3.get_public_access_block(bucket="box")["PublicAccessBlockConfiguration"] == dict.fromkeys(
        ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
    )
    with pytest.raises(errors.AccessDenied):
        s3.put_bucket_policy(bucket="box", policy=text(OPEN))
    s3.put_public_access_block(bucket="box", public_access_block_configuration={"RestrictPublicBuckets": True})
    s3.put_bucket_policy(bucket="box", policy=text(OPEN))
    assert s3.get_bucket_policy_status(bucket="box") == {"PolicyStatus": {"IsPublic": True}}
    guard = policies.guard(s3.call(), "arn:aws:s3:::box/k")
    assert guard is not None
    assert guard.block_public
    s3.delete_public_access_block(bucket="box")
    with pytest.raises(errors.NoSuchPublicAccessBlockConfiguration):
        s3.get_public_access_block(bucket="box")
    guard = policies.guard(s3.call(), "arn:aws:s3:::box")
    assert guard is not None
    assert not guard.block_public


def test_only_the_owners_account_handles_the_policy(s3: S3) -> None:
    stranger = s3.call(OTHER)
    for name, params in (
        ("put_bucket_policy", {"policy": text(OPEN)}),
        ("get_bucket_policy", {}),
        ("delete_bucket_policy", {}),
    ):
        with pytest.raises(errors.MethodNotAllowed):
            getattr(s3, name)(bucket="box", as_=stranger, **params)


def test_the_guard_follows_the_policy(s3: S3) -> None:
    assert policies.guard(s3.call(), "arn:aws:s3:::nowhere") is None
    assert policies.guard(s3.call(), "arn:aws:sqs:us-east-1:1:box") is None
    plain = policies.guard(s3.call(), "arn:aws:s3:::box/k/l")
    assert plain is not None
    assert (plain.account, plain.policy) == (ACCOUNT, None)
    seen = []
    for action in ("s3:GetObject", "s3:PutObject"):
        s3.put_bucket_policy(bucket="box", policy=text({**OPEN, "Principal": {"AWS": OTHER}, "Action": action}))
        guard = policies.guard(s3.call(), "arn:aws:s3:::box/k")
        assert guard is not None
        assert guard is not None
        assert guard.policy is not None
        seen.append(guard.policy.statements[0].actions)
    assert [list(actions) for actions in seen] == [["s3:GetObject"], ["s3:PutObject"]]


def test_what_a_policy_may_ask_of_a_request(s3: S3) -> None:
    def context(name: str, params: dict[str, Any], **facts: Any) -> dict[str, Any]:
        find = s3.operations[name].context
        assert find is not None
        found = dict(find(s3.call(principal=user(), **facts), params))
        return {key: value for key, value in found.items() if not callable(value)}

    headers = {b"authorization": b"AWS4-HMAC-SHA256 Credential=x", b"x-amz-content-sha256": b"UNSIGNED-PAYLOAD"}
    assert context("list_objects_v2", {"prefix": "a/", "delimiter": "/", "max_keys": 5}, headers=headers) == {
        "s3:authType": "REST-HEADER",
        "s3:signatureversion": "AWS4-HMAC-SHA256",
        "s3:x-amz-content-sha256": "UNSIGNED-PAYLOAD",
        "s3:prefix": "a/",
        "s3:delimiter": "/",
        "s3:max-keys": 5,
    }
    found = context("put_object", {"acl": "private", "if_none_match": "*", "tagging": "a=1&b=2"}, signed="v4-query")
    assert found == {
        "s3:authType": "REST-QUERY-STRING",
        "s3:signatureversion": "AWS4-HMAC-SHA256",
        "s3:x-amz-acl": "private",
        "s3:if-none-match": "*",
        "s3:RequestObjectTagKeys": ["a", "b"],
        "s3:RequestObjectTag/a": "1",
        "s3:RequestObjectTag/b": "2",
    }
    found = context("put_object", {}, signed="v4-header", signed_at=s3.clock.time - 1.5, operation="PutObject")
    assert (found["s3:signatureAge"], found["s3:ObjectCreationOperation"]) == ("1500", "true")
    found = context("upload_part", {}, signed="v2-query", signed_at=0.0, operation="UploadPart")
    assert ("s3:signatureAge" in found, found["s3:ObjectCreationOperation"]) == (False, "false")
    for text in ("box/a%20b", "/box/a b", "%2Fbox/a b?versionId=null"):
        found = context("copy_object", {"copy_source": text})
        assert found["s3:x-amz-copy-source"] == "box/a b", "a condition can't be escaped by another way of writing it"
