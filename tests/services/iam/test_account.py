"""The account as a whole: alias, summary, authorization details, and when keys and roles were last used."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from awning.auth.principal import root_of
from awning.contracts import LastUse
from tests.services.iam.support import ACCOUNT, OTHER
from tests.services.iam.wire import Boto

LIST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}]}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture
def iam(house):
    return Boto(house).client("iam")


def refused(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_an_account_has_one_alias_which_no_other_has(house, iam):
    other = Boto(house).client("iam", root_of(OTHER))
    assert iam.list_account_aliases()["AccountAliases"] == []
    iam.create_account_alias(AccountAlias="first")
    iam.create_account_alias(AccountAlias="second")
    assert iam.list_account_aliases()["AccountAliases"] == ["second"]
    other.create_account_alias(AccountAlias="first")
    assert refused(other.create_account_alias, AccountAlias="second")[0] == "EntityAlreadyExists"
    assert refused(other.delete_account_alias, AccountAlias="second")[0] == "NoSuchEntity"
    for wrong in ("ab", "Capital", "double--hyphen", "-leading", "x" * 64):
        assert refused(iam.create_account_alias, AccountAlias=wrong)[0] == "ValidationError"
    iam.delete_account_alias(AccountAlias="second")
    assert iam.list_account_aliases()["AccountAliases"] == []


def test_the_summary_counts_what_is_there(iam):
    before = iam.get_account_summary()["SummaryMap"]
    iam.create_user(UserName="alice")
    iam.create_group(GroupName="staff")
    iam.create_role(RoleName="app", AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.create_instance_profile(InstanceProfileName="web")
    policy = iam.create_policy(PolicyName="p", PolicyDocument=json.dumps(LIST))["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=policy, PolicyDocument=json.dumps(LIST))
    after = iam.get_account_summary()["SummaryMap"]
    changed = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    assert changed == {
        "Users": 1, "Groups": 1, "Roles": 1, "InstanceProfiles": 1, "Policies": 1, "PolicyVersionsInUse": 2,
    }  # fmt: skip
    assert after["AccessKeysPerUserQuota"] == 2
    assert after["PolicySizeQuota"] == 6144


def test_the_rules_for_passwords_are_set_whole_and_deleted(iam):
    missing = ("NoSuchEntity", f"The Password Policy with domain name {ACCOUNT} cannot be found.")
    assert refused(iam.get_account_password_policy) == missing
    iam.update_account_password_policy(MinimumPasswordLength=10, RequireSymbols=True, MaxPasswordAge=60)
    found = iam.get_account_password_policy()["PasswordPolicy"]
    assert (found["MinimumPasswordLength"], found["ExpirePasswords"], found["MaxPasswordAge"]) == (10, True, 60)
    iam.update_account_password_policy()
    assert iam.get_account_password_policy()["PasswordPolicy"] == {
        "AllowUsersToChangePassword": False,
        "ExpirePasswords": False,
        "MinimumPasswordLength": 6,
        "RequireLowercaseCharacters": False,
        "RequireNumbers": False,
        "RequireSymbols": False,
        "RequireUppercaseCharacters": False,
    }
    iam.delete_account_password_policy()
    assert refused(iam.get_account_password_policy) == missing
    assert refused(iam.delete_account_password_policy) == (
        "NoSuchEntity",
        "The account policy with name PasswordPolicy cannot be found.",
    )
    code, message = refused(iam.update_account_password_policy, MinimumPasswordLength=200, MaxPasswordAge=2000)
    assert code == "ValidationError"
    assert message.startswith("2 validation errors detected: Value")


def populate(iam):
    iam.create_user(UserName="alice", Tags=[{"Key": "team", "Value": "red"}])
    iam.put_user_policy(UserName="alice", PolicyName="inline", PolicyDocument=json.dumps(LIST))
    iam.create_group(GroupName="staff")
    iam.add_user_to_group(GroupName="staff", UserName="alice")
    iam.put_group_policy(GroupName="staff", PolicyName="shared", PolicyDocument=json.dumps(LIST))
    iam.create_role(RoleName="app", AssumeRolePolicyDocument=json.dumps(TRUST), Path="/apps/")
    iam.create_instance_profile(InstanceProfileName="web")
    iam.add_role_to_instance_profile(InstanceProfileName="web", RoleName="app")
    policy = iam.create_policy(PolicyName="p", PolicyDocument=json.dumps(LIST))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="app", PolicyArn=policy)
    iam.create_policy_version(PolicyArn=policy, PolicyDocument=json.dumps(LIST), SetAsDefault=True)


def test_authorization_details_show_every_policy(iam):
    populate(iam)
    details = iam.get_account_authorization_details(Filter=["User", "Group", "Role", "LocalManagedPolicy"])
    (user,), (group,) = details["UserDetailList"], details["GroupDetailList"]
    assert user["UserPolicyList"] == [{"PolicyName": "inline", "PolicyDocument": LIST}]
    assert (user["GroupList"], user["AttachedManagedPolicies"]) == (["staff"], [])
    assert user["Tags"] == [{"Key": "team", "Value": "red"}]
    assert group["GroupPolicyList"] == [{"PolicyName": "shared", "PolicyDocument": LIST}]
    (role,), (policy,) = details["RoleDetailList"], details["Policies"]
    assert role["AssumeRolePolicyDocument"] == TRUST
    assert role["AttachedManagedPolicies"] == [{"PolicyName": "p", "PolicyArn": policy["Arn"]}]
    assert [one["InstanceProfileName"] for one in role["InstanceProfileList"]] == ["web"]
    assert role["InstanceProfileList"][0]["Roles"][0]["RoleName"] == "app"
    assert (role["RolePolicyList"], role["RoleLastUsed"]) == ([], {})
    versions = [(one["VersionId"], one["IsDefaultVersion"], one["Document"]) for one in policy["PolicyVersionList"]]
    assert versions == [("v2", True, LIST), ("v1", False, LIST)]
    assert policy["AttachmentCount"] == 1
    assert details["IsTruncated"] is False


def test_a_filter_leaves_the_other_kinds_out(iam):
    populate(iam)
    details = iam.get_account_authorization_details(Filter=["Role"])
    assert [role["RoleName"] for role in details["RoleDetailList"]] == ["app"]
    assert (details["UserDetailList"], details["GroupDetailList"], details["Policies"]) == ([], [], [])
    of_aws = iam.get_account_authorization_details(Filter=["AWSManagedPolicy"])["Policies"]
    assert "AdministratorAccess" in [policy["PolicyName"] for policy in of_aws]
    assert all(policy["Arn"].startswith("arn:aws:iam::aws:policy/") for policy in of_aws)


def test_authorization_details_come_in_pages_without_gaps(iam):
    populate(iam)
    for number in range(4):
        iam.create_user(UserName=f"user{number}")
    pages = iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": 2})
    found = [
        item.get("UserName") or item.get("GroupName") or item.get("RoleName") or item["PolicyName"]
        for page in pages
        for name in ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")
        for item in page[name]
    ]
    assert found[:8] == ["alice", "user0", "user1", "user2", "user3", "staff", "app", "p"]
    assert len(found) == len(set(found))
    assert "PowerUserAccess" in found


def test_last_use_of_a_key_and_of_a_role(house, iam):
    iam.create_user(UserName="alice")
    key = iam.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"]
    unused = iam.get_access_key_last_used(AccessKeyId=key)
    assert unused["UserName"] == "alice"
    assert unused["AccessKeyLastUsed"] == {"ServiceName": "N/A", "Region": "N/A"}
    house.used[key] = LastUse(house.now, "s3", "eu-west-1")
    used = iam.get_access_key_last_used(AccessKeyId=key)["AccessKeyLastUsed"]
    assert (used["ServiceName"], used["Region"], used["LastUsedDate"].timestamp()) == ("s3", "eu-west-1", house.now)
    role = iam.create_role(RoleName="app", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
    assert iam.get_role(RoleName="app")["Role"]["RoleLastUsed"] == {}
    house.used[role["RoleId"]] = LastUse(house.now, "sqs", "us-east-1")
    assert iam.get_role(RoleName="app")["Role"]["RoleLastUsed"]["Region"] == "us-east-1"


def test_the_last_use_of_a_key_that_is_not_the_accounts_is_denied(house, iam):
    other = Boto(house).client("iam", root_of(OTHER))
    other.create_user(UserName="eve")
    key = other.create_access_key(UserName="eve")["AccessKey"]["AccessKeyId"]
    code, message = refused(iam.get_access_key_last_used, AccessKeyId=key)
    assert code == "AccessDenied"
    assert message == (
        f"User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform iam:GetAccessKeyLastUsed on resource: "
        f"access key {key}"
    )
