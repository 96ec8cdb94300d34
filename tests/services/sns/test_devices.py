"""Text messages and mobile push: settings, numbers, applications, endpoints, and the log that all messages end in."""

from __future__ import annotations

import re
from typing import Any

import pytest

from awning.kit.errors import NotImplementedHere
from awning.services.sns import outgoing
from awning.services.sns.errors import (
    EndpointDisabledException,
    InvalidParameterException,
    NotFoundException,
    PlatformApplicationDisabledException,
    ResourceNotFoundException,
    UserErrorException,
    VerificationException,
)
from tests.services.sns.support import ACCOUNT, Bench, Client

NUMBER = "+15555550100"
KEYS = {"PlatformPrincipal": "certificate", "PlatformCredential": "very secret"}


def log(bench: Bench, **given: Any) -> list[dict[str, Any]]:
    return list(outgoing.show(bench.make_call(), given)["entries"])


@pytest.fixture
def application(client: Client) -> str:
    made = client.create_platform_application(name="app", platform="APNS", attributes=KEYS)
    return str(made["PlatformApplicationArn"])


@pytest.fixture
def endpoint(client: Client, application: str) -> str:
    made = client.create_platform_endpoint(platform_application_arn=application, token="t1", custom_user_data="mine")
    return str(made["EndpointArn"])


def test_a_text_to_a_number_is_logged(bench: Bench, client: Client) -> None:
    sender = {"AWS.SNS.SMS.SenderID": {"DataType": "String", "StringValue": "awning"}}
    said = client.publish(phone_number=NUMBER, message="hello", message_attributes=sender)
    (entry,) = log(bench)
    assert (entry["kind"], entry["target"], entry["body"]) == ("sms", NUMBER, "hello")
    assert (entry["message"], entry["account"], entry["at"]) == (said["MessageId"], ACCOUNT, bench.now)
    assert entry["about"] == "AWS.SNS.SMS.SenderID=awning"
    for wrong in ("0123", "+1", "hello", "+" + "1" * 16):
        with pytest.raises(InvalidParameterException, match="not valid to publish to"):
            client.publish(phone_number=wrong, message="m")


def test_a_subscribed_number_gets_its_own_message(bench: Bench, client: Client) -> None:
    topic = client.topic()
    arn = client.subscribe(topic_arn=topic, protocol="sms", endpoint=NUMBER)["SubscriptionArn"]
    assert client.attributes(arn)["PendingConfirmation"] == "false"
    client.publish(topic_arn=topic, message='{"default": "d", "sms": "short"}', message_structure="json")
    (entry,) = log(bench, kind="sms", target=NUMBER)
    assert (entry["body"], entry["topic"]) == ("short", topic)
    client.subscribe(topic_arn=topic, protocol="sms", endpoint="+15/55-123.4567")
    for wrong in ("hello", "+15--551234567", "/15-551234567", "15551234567.", "NAA+15551234567"):
        with pytest.raises(InvalidParameterException, match="Invalid SMS endpoint"):
            client.subscribe(topic_arn=topic, protocol="sms", endpoint=wrong)


def test_settings_of_texts(client: Client) -> None:
    assert client.get_sms_attributes() == {"attributes": {"MonthlySpendLimit": "1"}}
    client.set_sms_attributes(attributes={"DefaultSMSType": "Transactional", "DefaultSenderID": "awning"})
    assert client.get_sms_attributes(attributes=["DefaultSMSType"]) == {
        "attributes": {"DefaultSMSType": "Transactional"}
    }
    for wrong in ({"test": "test"}, {"DefaultSMSType": "x"}, {"DefaultSenderID": "far too long a name"}):
        with pytest.raises(InvalidParameterException):
            client.set_sms_attributes(attributes=wrong)
    with pytest.raises(NotImplementedHere, match="UsageReportS3Bucket"):
        client.set_sms_attributes(attributes={"UsageReportS3Bucket": "b"})


def test_numbers_are_verified_by_what_the_log_says(bench: Bench, client: Client) -> None:
    client.create_sms_sandbox_phone_number(phone_number=NUMBER)
    password = re.findall(r"\d{6}$", log(bench)[0]["body"])[0]
    assert client.list_sms_sandbox_phone_numbers() == {"PhoneNumbers": [{"PhoneNumber": NUMBER, "Status": "Pending"}]}
    with pytest.raises(VerificationException):
        client.verify_sms_sandbox_phone_number(phone_number=NUMBER, one_time_password="x" + password[1:])
    client.verify_sms_sandbox_phone_number(phone_number=NUMBER, one_time_password=password)
    assert client.list_sms_sandbox_phone_numbers()["PhoneNumbers"][0]["Status"] == "Verified"
    with pytest.raises(UserErrorException):
        client.create_sms_sandbox_phone_number(phone_number=NUMBER)
    client.delete_sms_sandbox_phone_number(phone_number=NUMBER)
    with pytest.raises(ResourceNotFoundException):
        client.delete_sms_sandbox_phone_number(phone_number=NUMBER)


def test_the_sandbox_has_ten_numbers(client: Client) -> None:
    for number in range(10):
        client.create_sms_sandbox_phone_number(phone_number=f"{NUMBER}{number}")
    with pytest.raises(UserErrorException):
        client.create_sms_sandbox_phone_number(phone_number=NUMBER)
    page = client.list_sms_sandbox_phone_numbers(max_results=6)
    rest = client.list_sms_sandbox_phone_numbers(max_results=6, next_token=page["NextToken"])
    assert len(page["PhoneNumbers"]) + len(rest["PhoneNumbers"]) == 10
    assert "NextToken" not in rest


def test_nobody_has_opted_out(client: Client) -> None:
    assert client.check_if_phone_number_is_opted_out(phone_number=NUMBER) == {"isOptedOut": False}
    assert client.list_phone_numbers_opted_out() == {"phoneNumbers": []}
    client.opt_in_phone_number(phone_number=NUMBER)
    with pytest.raises(InvalidParameterException):
        client.opt_in_phone_number(phone_number="x")
    assert client.list_origination_numbers() == {"PhoneNumbers": []}
    assert client.get_sms_sandbox_account_status() == {"IsInSandbox": False}


def test_credentials_are_sealed_and_never_shown(bench: Bench, client: Client, application: str) -> None:
    found = client.get_platform_application_attributes(platform_application_arn=application)["Attributes"]
    assert found == {"Enabled": "true"}
    assert client.list_platform_applications()["PlatformApplications"] == [
        {"PlatformApplicationArn": application, "Attributes": found}
    ]
    assert b"very secret" not in bench.path.read_bytes() + bench.path.with_name("sns.db-wal").read_bytes()


@pytest.mark.parametrize(
    ("platform", "attributes"),
    [
        ("SMOKE", KEYS),
        ("APNS", {}),
        ("APNS", {"PlatformCredential": "x"}),
        ("GCM", {"PlatformCredential": "x", "No": "x"}),
    ],
)
def test_applications_that_are_refused(client: Client, platform: str, attributes: dict[str, str]) -> None:
    with pytest.raises(InvalidParameterException):
        client.create_platform_application(name="app", platform=platform, attributes=attributes)
    with pytest.raises(InvalidParameterException):
        client.create_platform_application(name="a b", platform="GCM", attributes=KEYS)


def test_an_endpoint_is_known_by_its_token(client: Client, application: str, endpoint: str) -> None:
    again = {"platform_application_arn": application, "token": "t1"}
    assert client.create_platform_endpoint(**again, custom_user_data="mine")["EndpointArn"] == endpoint
    with pytest.raises(InvalidParameterException, match="already exists with the same Token, but different attributes"):
        client.create_platform_endpoint(**again, custom_user_data="yours")
    assert client.get_endpoint_attributes(endpoint_arn=endpoint)["Attributes"] == {
        "Enabled": "true",
        "Token": "t1",
        "CustomUserData": "mine",
    }
    other = client.create_platform_endpoint(platform_application_arn=application, token="t2")["EndpointArn"]
    with pytest.raises(InvalidParameterException, match="same Token"):
        client.set_endpoint_attributes(endpoint_arn=other, attributes={"Token": "t1"})
    listed = client.list_endpoints_by_platform_application(platform_application_arn=application)["Endpoints"]
    assert [one["EndpointArn"] for one in listed] == [endpoint, other]


def test_a_push_is_logged_as_its_platform_would_get_it(bench: Bench, client: Client, endpoint: str) -> None:
    client.publish(target_arn=endpoint, message='{"APNS": "for apples", "default": "d"}', message_structure="json")
    (entry,) = log(bench, kind="push")
    assert (entry["target"], entry["body"], entry["about"]) == (endpoint, "for apples", "APNS t1")


def test_a_disabled_endpoint_takes_nothing(client: Client, application: str, endpoint: str) -> None:
    client.set_platform_application_attributes(platform_application_arn=application, attributes={"Enabled": "false"})
    with pytest.raises(PlatformApplicationDisabledException):
        client.publish(target_arn=endpoint, message="m")
    client.set_endpoint_attributes(endpoint_arn=endpoint, attributes={"Enabled": "false"})
    with pytest.raises(EndpointDisabledException):
        client.publish(target_arn=endpoint, message="m")


def test_a_subscribed_endpoint_gets_messages_until_it_is_deleted(bench: Bench, client: Client, endpoint: str) -> None:
    topic = client.topic()
    subscribe = {"topic_arn": topic, "protocol": "application", "endpoint": endpoint}
    client.subscribe(**subscribe)
    client.publish(topic_arn=topic, message="one")
    client.delete_endpoint(endpoint_arn=endpoint)
    client.delete_endpoint(endpoint_arn=endpoint)
    client.publish(topic_arn=topic, message="two")
    assert [(one["body"], "not delivered" in one["about"]) for one in log(bench)] == [("one", False), ("two", True)]
    with pytest.raises(InvalidParameterException, match="Endpoint does not exist for endpoint"):
        client.subscribe(**{**subscribe, "topic_arn": client.topic("other")})


def test_a_deleted_application_takes_its_endpoints_along(client: Client, application: str, endpoint: str) -> None:
    client.delete_platform_application(platform_application_arn=application)
    client.delete_platform_application(platform_application_arn=application)
    with pytest.raises(NotFoundException):
        client.get_endpoint_attributes(endpoint_arn=endpoint)
    with pytest.raises(NotFoundException):
        client.get_platform_application_attributes(platform_application_arn=application)


def test_the_log_keeps_the_newest_entries(bench: Bench, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "KEPT", 5)
    for number in range(8):
        client.publish(phone_number=NUMBER, message=str(number))
    assert bench.run(bench.make_call(), outgoing.trim) is False
    assert [entry["body"] for entry in log(bench)] == ["3", "4", "5", "6", "7"]
    assert [entry["body"] for entry in log(bench, limit=2)] == ["6", "7"]
    with pytest.raises(ValueError, match="limit"):
        log(bench, limit=0)
