"""Object lock, as boto3 sees it: a round, and policies that demand or limit retention."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

LOCKED = "Access Denied because object protected by object lock."


@pytest.fixture
def safe(region: Any, name: str) -> Any:
    """A client, with a bucket of the test's name that has object lock."""
    s3 = region.client("s3")
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return s3


def refused(call: Any, **params: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as raised:
        call(**params)
    response = raised.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


def days(number: float) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=number)


def test_a_round_by_boto3(safe: Any, name: str) -> None:
    rule = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 2}}}
    safe.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=rule)
    assert safe.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"] == rule
    named = {"Bucket": name, "Key": "k ü"}
    version = safe.put_object(**named, Body=b"1")["VersionId"]
    head = safe.head_object(**named)
    assert head["ObjectLockRetainUntilDate"] == head["LastModified"] + timedelta(days=2)
    assert (head["ObjectLockMode"], head.get("ObjectLockLegalHoldStatus")) == ("GOVERNANCE", None)
    until = days(5)
    safe.put_object_retention(**named, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until})
    shown = safe.get_object_retention(**named)["Retention"]
    assert shown == {"Mode": "GOVERNANCE", "RetainUntilDate": until}
    shorter = {"Mode": "GOVERNANCE", "RetainUntilDate": days(1)}
    assert refused(safe.put_object_retention, **named, Retention=shorter) == (403, "AccessDenied", LOCKED)
    safe.put_object_retention(**named, Retention=shorter, BypassGovernanceRetention=True)
    safe.put_object_legal_hold(**named, LegalHold={"Status": "ON"})
    assert safe.get_object_legal_hold(**named)["LegalHold"] == {"Status": "ON"}
    gone = {"Key": "k ü", "VersionId": version}
    answer = safe.delete_objects(Bucket=name, Delete={"Objects": [gone]}, BypassGovernanceRetention=True)
    assert answer["Errors"] == [{**gone, "Code": "AccessDenied", "Message": LOCKED}]
    safe.put_object_legal_hold(**named, LegalHold={"Status": "OFF"})
    assert refused(safe.delete_object, **named, VersionId=version) == (403, "AccessDenied", LOCKED)
    safe.put_object_retention(**named, Retention={}, BypassGovernanceRetention=True)
    assert refused(safe.get_object_retention, **named)[:2] == (404, "NoSuchObjectLockConfiguration")
    safe.delete_object(**named, VersionId=version)


def test_what_is_wrong_with_a_header_is_said(safe: Any, name: str) -> None:
    named = {"Bucket": name, "Key": "k", "Body": b"1"}
    words = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied"
    assert refused(safe.put_object, **named, ObjectLockMode="GOVERNANCE") == (400, "InvalidArgument", words)
    given = {"ObjectLockMode": "strict", "ObjectLockRetainUntilDate": days(1)}
    assert refused(safe.put_object, **named, **given) == (400, "InvalidArgument", "Unknown wormMode directive.")
    words = "Legal Hold must be either of 'ON' or 'OFF'"
    assert refused(safe.put_object, **named, ObjectLockLegalHoldStatus="on") == (400, "InvalidArgument", words)

    def wrong_date(request: Any, **_: Any) -> None:
        request.headers["x-amz-object-lock-retain-until-date"] = "tomorrow"
        request.headers["x-amz-object-lock-mode"] = "GOVERNANCE"

    safe.meta.events.register("before-sign.s3.PutObject", wrong_date)
    words = "The retain until date must be provided in ISO 8601 format"
    assert refused(safe.put_object, **named) == (400, "InvalidArgument", words)


@pytest.mark.parametrize("configuration", [{"ObjectLockEnabled": "Disabled"}, {"Rule": {}}, {}])
def test_a_document_that_is_none_is_malformed(safe: Any, name: str, configuration: Any) -> None:
    answer = refused(safe.put_object_lock_configuration, Bucket=name, ObjectLockConfiguration=configuration)
    assert answer[:2] == (400, "MalformedXML")


def test_a_form_brings_a_lock(region: Any, safe: Any, name: str) -> None:
    signer = region.client("s3", config=Config(signature_version="s3v4"))
    fields = {
        "x-amz-object-lock-mode": "GOVERNANCE",
        "x-amz-object-lock-retain-until-date": days(1).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "Content-MD5": "xMpCOKC5I4INzFCab3WEmw==",
    }
    form = signer.generate_presigned_post(name, "k", Fields=fields, Conditions=[{key: fields[key]} for key in fields])
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in form["fields"].items()
    )
    body = f'{parts}--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n1\r\n--b--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    try:
        urllib.request.urlopen(urllib.request.Request(form["url"], body.encode(), headers)).close()
    except urllib.error.HTTPError as error:
        raise AssertionError(error.read().decode()) from error
    assert safe.head_object(Bucket=name, Key="k")["ObjectLockMode"] == "GOVERNANCE"


@pytest.mark.parametrize(
    ("operator", "key", "value", "refuses"),
    [
        ("NumericGreaterThan", "s3:object-lock-remaining-retention-days", "10", {"date": 12}),
        ("StringNotEquals", "s3:object-lock-mode", "GOVERNANCE", {"mode": "COMPLIANCE"}),
        ("DateGreaterThan", "s3:object-lock-retain-until-date", "2050-01-01T00:00:00Z", {"date": 20_000}),
        ("StringEquals", "s3:object-lock-legal-hold", "ON", {"hold": "ON"}),
    ],
)
def test_policies_see_the_lock(
    safe: Any, name: str, operator: str, key: str, value: str, refuses: dict[str, Any]
) -> None:
    """As in "Setting limits on retention periods with a bucket policy"; by a header and by an operation of its own."""
    actions = ["s3:PutObjectLegalHold"] if "hold" in refuses else ["s3:PutObjectRetention"]
    safe.put_object(Bucket=name, Key="there", Body=b"1")
    safe.put_bucket_policy(Bucket=name, Policy=json.dumps({"Statement": {
        "Effect": "Deny", "Principal": "*", "Action": actions, "Resource": f"arn:aws:s3:::{name}/*",
        "Condition": {operator: {key: value}}}}))  # fmt: skip

    def lock(call: Any, date: float = 9, mode: str = "GOVERNANCE", hold: str = "OFF") -> Any:
        headers = {"ObjectLockMode": mode, "ObjectLockRetainUntilDate": days(date), "ObjectLockLegalHoldStatus": hold}
        return call(safe.put_object, Bucket=name, Key="k", Body=b"1", **headers)

    def put(call: Any, date: float = 9, mode: str = "GOVERNANCE", hold: str = "OFF") -> Any:
        if "hold" in refuses:
            return call(safe.put_object_legal_hold, Bucket=name, Key="there", LegalHold={"Status": hold})
        retention = {"Mode": mode, "RetainUntilDate": days(date)}
        return call(safe.put_object_retention, Bucket=name, Key="there", Retention=retention)

    for way in (lock, put):
        way(lambda call, **params: call(**params))
        assert way(refused, **refuses)[:2] == (403, "AccessDenied")
