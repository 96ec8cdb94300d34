"""An administrator's session as boto3 sees it: shapes, codes and statuses on the wire."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from botocore.exceptions import ClientError

from awning.services.iam import managed
from tests.services.iam.support import ACCOUNT
from tests.services.iam.wire import Boto

ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
LIST_USERS = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*"}]}


def trust(principal: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def boto(house):
    return Boto(house)


def test_an_administrators_session(house, boto):
    iam = boto.client("iam")
    user = iam.create_user(UserName="alice", Path="/team/", Tags=[{"Key": "team", "Value": "red"}])["User"]
    assert isinstance(user["CreateDate"], datetime)
    assert iam.get_user(UserName="alice")["User"] == user
    key = iam.create_access_key(UserName="alice")["AccessKey"]
    iam.put_user_policy(UserName="alice", PolicyName="list", PolicyDocument=json.dumps(LIST_USERS))
    assert iam.get_user_policy(UserName="alice", PolicyName="list")["PolicyDocument"] == LIST_USERS
    alice = house.as_key(key)
    own = boto.client("iam", alice)
    assert [one["UserName"] for one in own.list_users()["Users"]] == ["alice"]
    with pytest.raises(ClientError) as denied:
        own.delete_user(UserName="alice")
    assert denied.value.response["Error"]["Code"] == "AccessDenied"
    assert denied.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403

    role = iam.create_role(RoleName="app", AssumeRolePolicyDocument=trust(user["Arn"]), Description="d")["Role"]
    assert role["AssumeRolePolicyDocument"] == json.loads(trust(user["Arn"]))
    iam.attach_role_policy(RoleName="app", PolicyArn=ADMIN)
    reply = boto.client("sts", alice).assume_role(RoleArn=role["Arn"], RoleSessionName="work", DurationSeconds=900)
    session = house.as_key(reply["Credentials"])
    assert (reply["Credentials"]["Expiration"].timestamp() - house.now) == 900
    who = boto.client("sts", session).get_caller_identity()
    assert who["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/app/work"
    assert who["Account"] == ACCOUNT
    boto.client("iam", session).delete_user_policy(UserName="alice", PolicyName="list")
    with pytest.raises(ClientError, match=r"AccessDenied.*not authorized to perform: iam:ListUsers on resource"):
        boto.client("iam", house.as_key(key)).list_users()


def test_every_list_of_a_policys_life(boto):
    iam = boto.client("iam")
    made = iam.create_policy(PolicyName="p", PolicyDocument=json.dumps(LIST_USERS), Description="text")["Policy"]
    assert (made["AttachmentCount"], made["IsAttachable"], made["DefaultVersionId"]) == (0, True, "v1")
    iam.create_policy_version(PolicyArn=made["Arn"], PolicyDocument=json.dumps(LIST_USERS), SetAsDefault=True)
    version = iam.get_policy_version(PolicyArn=made["Arn"], VersionId="v2")["PolicyVersion"]
    assert (version["Document"], version["IsDefaultVersion"]) == (LIST_USERS, True)
    iam.create_group(GroupName="g")
    iam.create_user(UserName="u", PermissionsBoundary=made["Arn"])
    iam.add_user_to_group(GroupName="g", UserName="u")
    iam.attach_group_policy(GroupName="g", PolicyArn=made["Arn"])
    assert iam.list_attached_group_policies(GroupName="g")["AttachedPolicies"] == [
        {"PolicyName": "p", "PolicyArn": made["Arn"]}
    ]
    assert iam.list_entities_for_policy(PolicyArn=made["Arn"])["PolicyGroups"][0]["GroupName"] == "g"
    assert iam.get_policy(PolicyArn=made["Arn"])["Policy"]["PermissionsBoundaryUsageCount"] == 1
    assert [one["GroupName"] for one in iam.list_groups_for_user(UserName="u")["Groups"]] == ["g"]
    assert [one["UserName"] for one in iam.get_group(GroupName="g")["Users"]] == ["u"]
    pages = iam.get_paginator("list_policies").paginate(PaginationConfig={"PageSize": 3})
    names = [policy["PolicyName"] for page in pages for policy in page["Policies"]]
    assert len(names) == len(set(names)) == 1 + len(list(managed.every()))
    resource = iam.list_policies(Scope="Local", OnlyAttached=True)
    assert [policy["PolicyName"] for policy in resource["Policies"]] == ["p"]


@pytest.mark.parametrize(
    ("operation", "params", "code", "status"),
    [
        ("get_user", {"UserName": "none"}, "NoSuchEntity", 404),
        ("create_user", {"UserName": "ALICE"}, "EntityAlreadyExists", 409),
        ("create_user", {"UserName": "a b"}, "ValidationError", 400),
        ("create_user", {"UserName": "a" * 65}, "ValidationError", 400),
        ("create_user", {"UserName": "b", "Path": "x"}, "ValidationError", 400),
        ("delete_user", {"UserName": "alice"}, "DeleteConflict", 409),
        ("create_policy", {"PolicyName": "p", "PolicyDocument": "{}"}, "MalformedPolicyDocument", 400),
        ("get_policy", {"PolicyArn": "nonsense-of-twenty-characters"}, "ValidationError", 400),
        ("get_policy", {"PolicyArn": "nonsense"}, "ValidationError", 400),
        ("list_users", {"Marker": "x!"}, "ValidationError", 400),
        ("list_users", {"MaxItems": 1001}, "ValidationError", 400),
        ("update_access_key", {"AccessKeyId": "A" * 20, "Status": "Expired"}, "NotImplemented", 501),
        ("create_access_key", {"UserName": "alice"}, "LimitExceeded", 409),
    ],
)
def test_errors_have_iams_codes_and_statuses(boto, operation, params, code, status):
    iam = boto.client("iam")
    iam.create_user(UserName="alice")
    for _ in range(2):
        iam.create_access_key(UserName="alice")
    with pytest.raises(ClientError) as refused:
        getattr(iam, operation)(**params)
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert refused.value.response["Error"]["Message"]


def test_errors_of_sts_have_its_codes(boto):
    iam, sts = boto.client("iam"), boto.client("sts")
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust(ACCOUNT))["Role"]["Arn"]

    def code(**params):
        with pytest.raises(ClientError) as refused:
            sts.assume_role(**{"RoleArn": role, "RoleSessionName": "work"} | params)
        return refused.value.response["Error"]["Code"]

    assert code(RoleSessionName="a b") == "ValidationError"
    assert code(DurationSeconds=1) == "ValidationError"
    assert code(Policy="{}") == "MalformedPolicyDocument"
    assert code(Policy=json.dumps(LIST_USERS) + " " * 3000) == "PackedPolicyTooLarge"
    assert code(RoleArn=role + "x") == "AccessDenied"
    assert code(SerialNumber="GAHT12345678", TokenCode="123456") == "AccessDenied"
