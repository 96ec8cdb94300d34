"""Which services an identity may use by which policies, and when it last did."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from awning.contracts import LastUse
from tests.services.iam.support import ACCOUNT
from tests.services.iam.wire import Boto

READ_S3 = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"


def document(**statement):
    return json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Resource": "*", **statement}})


@pytest.fixture
def iam(house):
    client = Boto(house).client("iam")
    client.create_user(UserName="alice")
    client.create_group(GroupName="staff")
    client.add_user_to_group(UserName="alice", GroupName="staff")
    client.attach_group_policy(GroupName="staff", PolicyArn=READ_S3)
    client.put_user_policy(UserName="alice", PolicyName="own", PolicyDocument=document(Action=["sqs:Send*", "xray:*"]))
    return client


def services(iam, arn):
    job = iam.generate_service_last_accessed_details(Arn=arn)["JobId"]
    shown = iam.get_service_last_accessed_details(JobId=job)
    assert (shown["JobStatus"], shown["IsTruncated"]) == ("COMPLETED", False)
    return job, {line["ServiceNamespace"]: line for line in shown["ServicesLastAccessed"]}


def test_a_users_services_and_when_each_was_used(house, iam):
    id = iam.get_user(UserName="alice")["User"]["UserId"]
    house.used[f"{id} s3"] = LastUse(house.now - 60, "s3", "eu-west-1")
    _, lines = services(iam, ALICE)
    assert list(lines) == ["s3", "s3-object-lambda", "sqs", "xray"]
    assert lines["s3"]["LastAuthenticated"].timestamp() == house.now - 60
    assert (lines["s3"]["LastAuthenticatedEntity"], lines["s3"]["LastAuthenticatedRegion"]) == (ALICE, "eu-west-1")
    assert (lines["s3"]["ServiceName"], lines["s3"]["TotalAuthenticatedEntities"]) == ("Amazon S3", 1)
    assert "LastAuthenticated" not in lines["sqs"]
    assert lines["sqs"]["TotalAuthenticatedEntities"] == 0


@pytest.mark.parametrize("arn", [f"arn:aws:iam::{ACCOUNT}:group/staff", READ_S3])
def test_who_of_a_group_or_by_a_policy_used_a_service(house, iam, arn):
    iam.create_user(UserName="bob")
    iam.add_user_to_group(UserName="bob", GroupName="staff")
    id = iam.get_user(UserName="bob")["User"]["UserId"]
    house.used[f"{id} s3"] = LastUse(house.now, "s3", "us-east-1")
    job, lines = services(iam, arn)
    assert lines["s3"]["LastAuthenticatedEntity"].endswith("user/bob")
    shown = iam.get_service_last_accessed_details_with_entities(JobId=job, ServiceNamespace="s3")["EntityDetailsList"]
    assert [(one["EntityInfo"]["Name"], "LastAuthenticated" in one) for one in shown] == [
        ("alice", False),
        ("bob", True),
    ]
    assert shown[1]["EntityInfo"]["Type"] == "USER"


def test_policies_that_open_a_service(iam):
    given = {"Arn": ALICE, "ServiceNamespaces": ["sqs", "s3", "ec2"]}
    entries = iam.list_policies_granting_service_access(**given)["PoliciesGrantingServiceAccess"]
    assert {entry["ServiceNamespace"]: entry["Policies"] for entry in entries} == {
        "ec2": [],
        "s3": [{"PolicyName": "AmazonS3ReadOnlyAccess", "PolicyType": "MANAGED", "PolicyArn": READ_S3}],
        "sqs": [{"PolicyName": "own", "PolicyType": "INLINE", "EntityType": "USER", "EntityName": "alice"}],
    }


def test_everything_but_some(iam):
    iam.create_user(UserName="carol")
    given = {"UserName": "carol", "PolicyName": "p"}
    iam.put_user_policy(**given, PolicyDocument=document(NotAction=["iam:*", "s3:GetObject"]))
    _, lines = services(iam, f"arn:aws:iam::{ACCOUNT}:user/carol")
    assert "iam" not in lines
    assert {"s3", "sqs", "ec2"} <= set(lines)


def test_unknown_identities_jobs_and_finer_reports_are_refused(iam):
    def code(call, **params):
        with pytest.raises(ClientError) as caught:
            call(**params)
        return caught.value.response["Error"]["Code"]

    generate = iam.generate_service_last_accessed_details
    assert code(generate, Arn=f"arn:aws:iam::{ACCOUNT}:user/nobody") == "NoSuchEntity"
    assert code(generate, Arn=f"arn:aws:iam::{ACCOUNT}:something/else") == "InvalidInput"
    assert code(generate, Arn=ALICE, Granularity="ACTION_LEVEL") == "NotImplemented"
    assert code(iam.get_service_last_accessed_details, JobId="0" * 36) == "NoSuchEntity"


def test_the_version_of_global_tokens_stands_in_the_summary(iam):
    iam.set_security_token_service_preferences(GlobalEndpointTokenVersion="v2Token")
    assert iam.get_account_summary()["SummaryMap"]["GlobalEndpointTokenVersion"] == 2
