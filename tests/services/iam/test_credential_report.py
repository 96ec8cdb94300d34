"""The credential report: who has which credentials, and when each was last used."""

from __future__ import annotations

import csv
import io

import pytest
from botocore.exceptions import ClientError

from awning.contracts import LastUse
from tests.services.iam.certs import certificate, key
from tests.services.iam.support import ACCOUNT
from tests.services.iam.wire import Boto

COLUMNS = (
    "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,"
    "mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,"
    "access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,"
    "access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,cert_1_last_rotated,cert_2_active,"
    "cert_2_last_rotated"
)
NOW = "2023-11-14T22:13:20+00:00"


@pytest.fixture
def iam(house):
    return Boto(house).client("iam")


def report(iam):
    """The lines by user, of a report made now."""
    iam.generate_credential_report()
    shown = iam.get_credential_report()
    assert shown["ReportFormat"] == "text/csv"
    text = shown["Content"].decode()
    assert text.splitlines()[0] == COLUMNS
    return {line["user"]: line for line in csv.DictReader(io.StringIO(text))}


def code(call):
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_there_is_a_report_once_it_was_asked_for_and_for_four_hours(house, iam):
    assert code(iam.get_credential_report) == ("ReportNotPresent", 410)
    first = iam.generate_credential_report()
    assert (first["State"], first["Description"]) == (
        "STARTED",
        "No report exists. Starting a new report generation task",
    )
    again = iam.generate_credential_report()
    assert (again["State"], "Description" in again) == ("COMPLETE", False)
    assert iam.get_credential_report()["GeneratedTime"].timestamp() == house.now
    house.now += 4 * 3600
    assert code(iam.get_credential_report) == ("ReportExpired", 410)
    assert iam.generate_credential_report()["State"] == "STARTED"
    iam.get_credential_report()


def test_a_user_without_credentials_and_the_root(iam):
    iam.create_user(UserName="alice")
    lines = report(iam)
    assert list(lines) == ["<root_account>", "alice"]
    alice = lines["alice"]
    assert alice["arn"] == f"arn:aws:iam::{ACCOUNT}:user/alice"
    assert alice["user_creation_time"] == NOW
    assert {name for name, value in alice.items() if value == "false"} == {
        "password_enabled",
        "mfa_active",
        "access_key_1_active",
        "access_key_2_active",
        "cert_1_active",
        "cert_2_active",
    }
    assert sum(value == "N/A" for value in alice.values()) == 13
    assert lines["<root_account>"]["arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    assert lines["<root_account>"]["password_enabled"] == "not_supported"


def test_all_credentials_of_a_user(house, iam):
    iam.create_user(UserName="alice")
    iam.update_account_password_policy(MaxPasswordAge=1)
    iam.create_login_profile(UserName="alice", Password="Correct-horse-1")
    first = iam.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"]
    house.now += 1
    iam.create_access_key(UserName="alice")
    iam.update_access_key(UserName="alice", AccessKeyId=first, Status="Inactive")
    house.used[first] = LastUse(1_700_000_000.0, "s3", "eu-west-1")
    iam.upload_signing_certificate(UserName="alice", CertificateBody=certificate("c", key(), house.now))
    alice = report(iam)["alice"]
    assert (alice["password_enabled"], alice["password_last_used"]) == ("true", "no_information")
    assert (alice["password_last_changed"], alice["password_next_rotation"]) == (NOW, "2023-11-15T22:13:20+00:00")
    assert [alice[f"access_key_1_{name}"] for name in ("active", "last_rotated", "last_used_date")] == [
        "false",
        NOW,
        NOW,
    ]
    assert (alice["access_key_1_last_used_region"], alice["access_key_1_last_used_service"]) == ("eu-west-1", "s3")
    assert (alice["access_key_2_active"], alice["access_key_2_last_used_date"]) == ("true", "N/A")
    assert (alice["cert_1_active"], alice["cert_1_last_rotated"]) == ("true", "2023-11-14T22:13:21+00:00")
    assert alice["cert_2_active"] == "false"


def test_a_report_has_more_users_than_are_read_at_once(iam):
    for number in range(60):
        iam.create_user(UserName=f"user-{number:02}")
    assert len(report(iam)) == 61
