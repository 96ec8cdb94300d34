"""What a redrive policy and a redrive allow policy may say, and how it is refused."""

from __future__ import annotations

import json

import pytest

from awning.kit.errors import ServiceError
from awning.services.sqs.redrive import (
    ALLOW_ALL,
    Redrive,
    RedriveAllow,
    check_target,
    read_allow,
    read_redrive,
    write_redrive,
)

TARGET = "arn:aws:sqs:us-east-1:111122223333:dead"
SOURCE = "arn:aws:sqs:us-east-1:111122223333:jobs"


def policy(**given: object) -> str:
    return json.dumps({"deadLetterTargetArn": TARGET, "maxReceiveCount": 3, **given})


@pytest.mark.parametrize("most", [1, 1000, "1", "1000"])
def test_a_redrive_policy_counts_in_numbers_or_text(most: object) -> None:
    redrive = read_redrive(policy(maxReceiveCount=most))
    assert redrive == Redrive(TARGET, int(str(most)))
    assert json.loads(write_redrive(redrive)) == {"deadLetterTargetArn": TARGET, "maxReceiveCount": int(str(most))}


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        ("nonsense", "InvalidAttributeValue", "Redrive policy is not a valid JSON map."),
        ("[]", "InvalidAttributeValue", "Redrive policy is not a valid JSON map."),
        (json.dumps({"deadLetterTargetArn": TARGET}), "InvalidParameterValue", "mandatory attribute: maxReceiveCount."),
        ('{"maxReceiveCount": 1}', "InvalidParameterValue", "mandatory attribute: deadLetterTargetArn."),
        (policy(maxReceiveCount=0), "InvalidParameterValue", "maxReceiveCount: 0, valid values are from 1 to 1000"),
        (policy(maxReceiveCount=1001), "InvalidParameterValue", "maxReceiveCount: 1001, valid values are from 1"),
        (policy(maxReceiveCount="-1"), "InvalidParameterValue", "maxReceiveCount: -1, valid values are from 1"),
        (policy(maxReceiveCount=True), "InvalidParameterValue", "Invalid value for maxReceiveCount: True"),
        (policy(maxReceiveCount=1.5), "InvalidParameterValue", "Invalid value for maxReceiveCount: 1.5"),
        (policy(deadLetterTargetArn="dummy"), "InvalidParameterValue", "Invalid value for deadLetterTargetArn."),
        (policy(deadLetterTargetArn=7), "InvalidParameterValue", "Invalid value for deadLetterTargetArn."),
        (policy(further=1), "InvalidParameterValue", "Only following attributes are supported"),
    ],
)
def test_what_is_wrong_with_a_redrive_policy_is_said(text: str, code: str, reason: str) -> None:
    with pytest.raises(ServiceError) as raised:
        read_redrive(text)
    assert raised.value.code == code
    assert reason in raised.value.message


def test_an_allow_policy_names_all_none_or_some() -> None:
    assert read_allow('{"redrivePermission": "allowAll"}') is ALLOW_ALL
    assert not read_allow('{"redrivePermission": "denyAll"}').admits(SOURCE)
    some = read_allow(json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": [SOURCE]}))
    assert some.admits(SOURCE)
    assert not some.admits(TARGET)


@pytest.mark.parametrize(
    ("given", "code", "reason"),
    [
        ("nonsense", "InvalidAttributeValue", "unsupported format"),
        ({"redrivePermission": "perhaps"}, "InvalidAttributeValue", "unsupported format"),
        ({"redrivePermission": "denyAll", "more": 1}, "InvalidAttributeValue", "unsupported format"),
        ({"redrivePermission": "byQueue", "sourceQueueArns": SOURCE}, "InvalidAttributeValue", "unsupported format"),
        ({"redrivePermission": "byQueue", "sourceQueueArns": ["x"]}, "InvalidAttributeValue", "unsupported format"),
        (
            {"redrivePermission": "allowAll", "sourceQueueArns": [SOURCE]},
            "InvalidParameterValue",
            "set redrivePermission",
        ),
        ({"redrivePermission": "byQueue"}, "InvalidParameterValue", "specify one or more sourceQueueArns"),
        ({"redrivePermission": "byQueue", "sourceQueueArns": []}, "InvalidParameterValue", "specify one or more"),
        ({"redrivePermission": "byQueue", "sourceQueueArns": [SOURCE] * 11}, "InvalidParameterValue", "specify is 10."),
    ],
)
def test_what_is_wrong_with_an_allow_policy_is_said(given: object, code: str, reason: str) -> None:
    with pytest.raises(ServiceError) as raised:
        read_allow(given if isinstance(given, str) else json.dumps(given))
    assert raised.value.code == code
    assert reason in raised.value.message


@pytest.mark.parametrize(
    ("target", "allow", "reason"),
    [
        (TARGET, None, "Dead letter target does not exist."),
        ("arn:aws:sqs:us-east-1:999999999999:dead", ALLOW_ALL, "owner should be same as the source"),
        ("arn:aws:sqs:eu-west-1:111122223333:dead", ALLOW_ALL, "same region"),
        (TARGET + ".fifo", ALLOW_ALL, "same type of queue"),
        (TARGET, RedriveAllow(frozenset()), "RedriveAllowPolicy does not permit"),
    ],
)
def test_a_target_must_be_fit_for_its_source(target: str, allow: RedriveAllow | None, reason: str) -> None:
    check_target(policy(), SOURCE, ALLOW_ALL)
    with pytest.raises(ServiceError, match=reason) as raised:
        check_target(policy(deadLetterTargetArn=target), SOURCE, allow)
    assert raised.value.code == "InvalidParameterValue"
