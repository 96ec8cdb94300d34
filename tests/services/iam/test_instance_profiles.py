"""Instance profiles: one role each, at most, and gone only once it is out."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from awning.kit.errors import AccessDenied
from tests.services.iam.support import ACCOUNT
from tests.services.iam.wire import Boto

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}},
    }
)


@pytest.fixture
def iam(house):
    return Boto(house).client("iam")


def refused(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_profile_has_one_role_and_goes_without_it(iam):
    made = iam.create_instance_profile(InstanceProfileName="web", Path="/apps/")["InstanceProfile"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:instance-profile/apps/web"
    assert made["InstanceProfileId"].startswith("AIPA")
    assert made["Roles"] == []
    assert "Tags" not in made
    for name in ("one", "two"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    iam.add_role_to_instance_profile(InstanceProfileName="web", RoleName="one")
    found = iam.get_instance_profile(InstanceProfileName="WEB")["InstanceProfile"]
    assert [role["RoleName"] for role in found["Roles"]] == ["one"]
    assert found["Tags"] == []
    assert refused(iam.add_role_to_instance_profile, InstanceProfileName="web", RoleName="two") == (
        "LimitExceeded",
        "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1",
    )
    conflict = ("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
    assert refused(iam.delete_instance_profile, InstanceProfileName="web") == conflict
    assert refused(iam.delete_role, RoleName="one") == conflict
    listed = iam.list_instance_profiles_for_role(RoleName="one")["InstanceProfiles"]
    assert [one["InstanceProfileName"] for one in listed] == ["web"]
    assert iam.list_instance_profiles_for_role(RoleName="two")["InstanceProfiles"] == []
    assert refused(iam.remove_role_from_instance_profile, InstanceProfileName="web", RoleName="two") == (
        "NoSuchEntity",
        "Role two in Instance Profile web cannot be found.",
    )
    iam.remove_role_from_instance_profile(InstanceProfileName="web", RoleName="one")
    iam.delete_role(RoleName="one")
    iam.delete_instance_profile(InstanceProfileName="web")
    assert refused(iam.get_instance_profile, InstanceProfileName="web") == (
        "NoSuchEntity",
        "Instance Profile web cannot be found.",
    )


def test_names_are_taken_once_and_checked(iam):
    iam.create_instance_profile(InstanceProfileName="web")
    assert refused(iam.create_instance_profile, InstanceProfileName="web") == (
        "EntityAlreadyExists",
        "Instance Profile web already exists.",
    )
    assert refused(iam.create_instance_profile, InstanceProfileName="w/eb")[0] == "ValidationError"
    assert refused(iam.create_instance_profile, InstanceProfileName="x" * 129)[0] == "ValidationError"
    assert refused(iam.create_instance_profile, InstanceProfileName="other", Path="apps")[0] == "ValidationError"


def test_profiles_are_listed_below_a_path_in_pages(iam):
    for number in range(5):
        iam.create_instance_profile(InstanceProfileName=f"p{number}", Path="/a/" if number % 2 else "/b/")
    below = iam.list_instance_profiles(PathPrefix="/b/")["InstanceProfiles"]
    assert [one["InstanceProfileName"] for one in below] == ["p0", "p2", "p4"]
    pages = iam.get_paginator("list_instance_profiles").paginate(PaginationConfig={"PageSize": 2})
    names = [[one["InstanceProfileName"] for one in page["InstanceProfiles"]] for page in pages]
    assert names == [["p0", "p1"], ["p2", "p3"], ["p4"]]


def test_tags_of_a_profile_are_told_apart_by_case(iam):
    made = iam.create_instance_profile(InstanceProfileName="web", Tags=[{"Key": "team", "Value": "red"}])
    assert made["InstanceProfile"]["Tags"] == [{"Key": "team", "Value": "red"}]
    iam.tag_instance_profile(InstanceProfileName="web", Tags=[{"Key": "Team", "Value": "blue"}])
    tags = iam.list_instance_profile_tags(InstanceProfileName="web")["Tags"]
    assert tags == [{"Key": "Team", "Value": "blue"}, {"Key": "team", "Value": "red"}]
    iam.untag_instance_profile(InstanceProfileName="web", TagKeys=["team"])
    assert iam.list_instance_profile_tags(InstanceProfileName="web")["Tags"] == [{"Key": "Team", "Value": "blue"}]


def test_a_role_is_put_into_a_profile_only_by_who_may_pass_it(house):
    house.iam.create_instance_profile(instance_profile_name="web")
    house.iam.create_role(role_name="app", assume_role_policy_document=TRUST)
    house.iam.create_user(user_name="alice")
    key = house.iam.create_access_key(user_name="alice")["AccessKey"]

    def may(*statements):
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        house.iam.put_user_policy(user_name="alice", policy_name="p", policy_document=document)
        return house.as_key(key)

    add = {"Effect": "Allow", "Action": "iam:AddRoleToInstanceProfile", "Resource": "*"}
    wanted = {"instance_profile_name": "web", "role_name": "app"}
    with pytest.raises(AccessDenied, match="iam:PassRole"):
        house.iam.add_role_to_instance_profile(by=may(add), **wanted)
    only = {"Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}}
    passing = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}
    with pytest.raises(AccessDenied, match="iam:PassRole"):
        house.iam.add_role_to_instance_profile(by=may(add, passing | only), **wanted)
    only["Condition"]["StringEquals"]["iam:PassedToService"] = "ec2.amazonaws.com"
    house.iam.add_role_to_instance_profile(by=may(add, passing | only), **wanted)
