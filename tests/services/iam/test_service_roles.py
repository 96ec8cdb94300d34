"""Service-linked roles, which only their service changes, and service-specific credentials."""

from __future__ import annotations

import hashlib
import json

import pytest
from botocore.exceptions import ClientError

from awning.services.iam import managed
from awning.services.iam.linked_services import LINKED, POLICIES
from tests.services.iam.support import ACCOUNT
from tests.services.iam.wire import Boto

BATCH = "AWSServiceRoleForBatch"
READ = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}
)


@pytest.fixture
def iam(house):
    return Boto(house).client("iam")


def refused(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_services_role_from_its_creation_to_its_end(iam):
    made = iam.create_service_linked_role(AWSServiceName="batch.amazonaws.com", Description="for jobs")["Role"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/batch.amazonaws.com/{BATCH}"
    (statement,) = made["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "batch.amazonaws.com"}
    assert iam.list_attached_role_policies(RoleName=BATCH)["AttachedPolicies"] == [
        {
            "PolicyName": "BatchServiceRolePolicy",
            "PolicyArn": "arn:aws:iam::aws:policy/aws-service-role/BatchServiceRolePolicy",
        }
    ]
    assert refused(iam.create_service_linked_role, AWSServiceName="batch.amazonaws.com") == (
        "InvalidInput",
        f"Service role name {BATCH} has been taken in this account, please try a different suffix.",
    )
    task = iam.delete_service_linked_role(RoleName=BATCH)["DeletionTaskId"]
    assert task.startswith(f"task/aws-service-role/batch.amazonaws.com/{BATCH}/")
    assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"
    assert refused(iam.get_role, RoleName=BATCH)[0] == "NoSuchEntity"
    assert refused(iam.get_service_linked_role_deletion_status, DeletionTaskId=task + "x")[0] == "NoSuchEntity"


def test_an_account_has_several_roles_only_of_services_that_say_so(iam):
    made = iam.create_service_linked_role(AWSServiceName="autoscaling.amazonaws.com", CustomSuffix="mine")["Role"]
    assert made["RoleName"] == "AWSServiceRoleForAutoScaling_mine"
    assert refused(iam.create_service_linked_role, AWSServiceName="ecs.amazonaws.com", CustomSuffix="mine") == (
        "InvalidInput",
        "Custom suffix is not allowed for ecs.amazonaws.com",
    )
    assert refused(iam.create_service_linked_role, AWSServiceName="somewhere")[0] == "InvalidInput"


def test_nobody_changes_a_services_role_but_its_description(iam):
    iam.create_service_linked_role(AWSServiceName="batch.amazonaws.com")
    iam.create_instance_profile(InstanceProfileName="profile")
    policy = "arn:aws:iam::aws:policy/aws-service-role/BatchServiceRolePolicy"
    for change, given in [
        (iam.attach_role_policy, {"PolicyArn": policy}),
        (iam.detach_role_policy, {"PolicyArn": policy}),
        (iam.put_role_policy, {"PolicyName": "p", "PolicyDocument": READ}),
        (iam.delete_role_policy, {"PolicyName": "p"}),
        (iam.update_assume_role_policy, {"PolicyDocument": READ}),
        (iam.put_role_permissions_boundary, {"PermissionsBoundary": policy}),
        (iam.delete_role_permissions_boundary, {}),
        (iam.update_role, {"MaxSessionDuration": 7200}),
        (iam.add_role_to_instance_profile, {"InstanceProfileName": "profile"}),
        (iam.delete_role, {}),
    ]:
        assert refused(change, RoleName=BATCH, **given) == (
            "UnmodifiableEntity",
            f"Cannot perform the operation on the protected role '{BATCH}' - this role is only modifiable by AWS",
        )
    iam.update_role(RoleName=BATCH, Description="said anew")
    assert iam.get_role(RoleName=BATCH)["Role"]["Description"] == "said anew"


def test_only_a_service_has_a_role_in_the_path_of_services(house, iam):
    trust = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"},
        }
    )
    given = {"RoleName": "own", "AssumeRolePolicyDocument": trust, "Path": "/aws-service-role/batch.amazonaws.com/"}
    assert refused(iam.create_role, **given)[0] == "InvalidInput"
    iam.create_role(RoleName="plain", AssumeRolePolicyDocument=trust)
    assert refused(iam.delete_service_linked_role, RoleName="plain")[0] == "InvalidInput"


def test_every_services_policy_is_there():
    for service, one in LINKED.items():
        assert service == one.service
        assert one.policy is not None
        assert managed.find(f"{managed.PREFIX}{POLICIES}{one.policy}") is not None


def test_credentials_for_one_service(house, iam):
    iam.create_user(UserName="alice")
    wanted = {"UserName": "alice", "ServiceName": "codecommit.amazonaws.com"}
    made = iam.create_service_specific_credential(**wanted)["ServiceSpecificCredential"]
    name = made["ServiceSpecificCredentialId"]
    assert (made["ServiceUserName"], made["Status"]) == (f"alice-at-{ACCOUNT}", "Active")
    assert (name[:4], len(name), len(made["ServicePassword"])) == ("ACCA", 21, 60)
    iam.update_service_specific_credential(UserName="alice", ServiceSpecificCredentialId=name, Status="Inactive")
    (listed,) = iam.list_service_specific_credentials(**wanted)["ServiceSpecificCredentials"]
    assert listed["Status"] == "Inactive"
    assert "ServicePassword" not in listed
    again = iam.reset_service_specific_credential(UserName="alice", ServiceSpecificCredentialId=name)
    password = again["ServiceSpecificCredential"]["ServicePassword"]
    assert password != made["ServicePassword"]
    (row,) = house.rooms["iam"].db.execute("SELECT facts FROM resources").fetchall()
    assert password not in row[0]
    assert hashlib.sha256(password.encode()).hexdigest() in row[0]
    other = {**wanted, "ServiceName": "cassandra.amazonaws.com"}
    assert iam.list_service_specific_credentials(**other)["ServiceSpecificCredentials"] == []
    iam.create_service_specific_credential(**wanted)
    assert refused(iam.create_service_specific_credential, **wanted)[0] == "LimitExceeded"
    iam.create_service_specific_credential(**other)
    assert refused(iam.delete_user, UserName="alice") == (
        "DeleteConflict",
        "Cannot delete entity, must remove referenced objects first.",
    )
    iam.delete_service_specific_credential(UserName="alice", ServiceSpecificCredentialId=name)
    assert refused(iam.delete_service_specific_credential, UserName="alice", ServiceSpecificCredentialId=name) == (
        "NoSuchEntity",
        f"No such credential {name} exists",
    )


def test_credentials_of_other_services_and_wrong_ids_are_refused(iam):
    assert refused(iam.create_service_specific_credential, UserName="nobody", ServiceName="lambda.amazonaws.com") == (
        "NoSuchEntity",
        "The user with name nobody cannot be found.",
    )
    iam.create_user(UserName="alice")
    assert refused(iam.create_service_specific_credential, UserName="alice", ServiceName="lambda.amazonaws.com") == (
        "NoSuchEntity",
        "No such service lambda.amazonaws.com is supported for Service Specific Credentials",
    )
    code, _ = refused(iam.create_service_specific_credential, UserName="alice", ServiceName="bedrock.amazonaws.com")
    assert code == "NotImplemented"
    wrong = {"UserName": "alice", "ServiceSpecificCredentialId": "a-credential-with-hyphens"}
    assert refused(iam.reset_service_specific_credential, **wrong) == (
        "ValidationError",
        "1 validation error detected: Value at 'serviceSpecificCredentialId' failed to satisfy constraint: Member must "
        "satisfy regular expression pattern: [\\w]+",
    )
