"""Permissions on IAM itself: resources by path and name, and IAM's own condition keys."""

from __future__ import annotations

import json

import pytest

from awning.contracts import FindCredential, FindSession
from awning.kit.errors import AccessDenied
from awning.services.iam import tables
from tests.services.iam.support import ACCOUNT

POLICIES = "arn:aws:iam::aws:policy/"


def statement(effect, actions, resource="*", **condition):
    return {"Effect": effect, "Action": actions, "Resource": resource, **condition}


@pytest.fixture
def caller(house):
    """Makes the user `caller` with these statements; returns its principal."""

    def make(*statements):
        house.iam.create_user(user_name="caller", path="/staff/", tags=[{"Key": "Frozen", "Value": "yes"}])
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        house.iam.put_user_policy(user_name="caller", policy_name="p", policy_document=document)
        return house.as_key(house.iam.create_access_key(user_name="caller")["AccessKey"])

    return make


def test_a_path_bounds_what_may_be_done(house, caller):
    by = caller(statement("Allow", "iam:*", f"arn:aws:iam::{ACCOUNT}:user/team/*"))
    house.iam.create_user(user_name="in", path="/team/", by=by)
    house.iam.delete_user(user_name="in", by=by)
    with pytest.raises(AccessDenied, match="user/other/out"):
        house.iam.create_user(user_name="out", path="/other/", by=by)
    house.iam.create_user(user_name="out", path="/other/")
    for operation in ("get_user", "delete_user", "create_access_key"):
        with pytest.raises(AccessDenied, match="user/other/out"):
            getattr(house.iam, operation)(user_name="OUT", by=by)


def test_a_rename_needs_permission_on_both_names(house, caller):
    by = caller(statement("Allow", "iam:UpdateUser", f"arn:aws:iam::{ACCOUNT}:user/team/*"))
    house.iam.create_user(user_name="a", path="/team/")
    with pytest.raises(AccessDenied, match="user/admins/a"):
        house.iam.update_user(user_name="a", new_path="/admins/", by=by)
    house.iam.update_user(user_name="a", new_user_name="b", by=by)


def test_only_some_policies_may_be_attached(house, caller):
    only = {"Condition": {"ArnEquals": {"iam:PolicyARN": POLICIES + "ReadOnlyAccess"}}}
    by = caller(statement("Allow", "iam:AttachUserPolicy", **only))
    house.iam.attach_user_policy(user_name="caller", policy_arn=POLICIES + "ReadOnlyAccess", by=by)
    with pytest.raises(AccessDenied):
        house.iam.attach_user_policy(user_name="caller", policy_arn=POLICIES + "AdministratorAccess", by=by)


def test_a_boundary_may_be_required_of_what_is_created(house, caller):
    bounded = {"Condition": {"StringEquals": {"iam:PermissionsBoundary": POLICIES + "ReadOnlyAccess"}}}
    by = caller(statement("Allow", ["iam:CreateUser", "iam:PutUserPolicy"], **bounded))
    with pytest.raises(AccessDenied):
        house.iam.create_user(user_name="free", by=by)
    house.iam.create_user(user_name="held", permissions_boundary=POLICIES + "ReadOnlyAccess", by=by)
    document = json.dumps({"Version": "2012-10-17", "Statement": statement("Allow", "s3:*")})
    house.iam.put_user_policy(user_name="held", policy_name="p", policy_document=document, by=by)
    house.iam.create_user(user_name="free")
    with pytest.raises(AccessDenied):
        house.iam.put_user_policy(user_name="free", policy_name="p", policy_document=document, by=by)


def test_tags_of_request_and_resource_are_conditions(house, caller):
    red = {"Condition": {"StringEquals": {"aws:RequestTag/team": "red"}}}
    own = {"Condition": {"StringEquals": {"iam:ResourceTag/team": "red"}}}
    by = caller(
        statement("Allow", ["iam:CreateUser", "iam:TagUser"], **red), statement("Allow", "iam:DeleteUser", **own)
    )
    with pytest.raises(AccessDenied):
        house.iam.create_user(user_name="blue", tags=[{"Key": "team", "Value": "blue"}], by=by)
    house.iam.create_user(user_name="red", tags=[{"Key": "Team", "Value": "red"}], by=by)
    house.iam.create_user(user_name="blue", tags=[{"Key": "team", "Value": "blue"}])
    with pytest.raises(AccessDenied):
        house.iam.delete_user(user_name="blue", by=by)
    house.iam.delete_user(user_name="red", by=by)


def test_leaving_out_the_name_does_not_leave_out_the_callers_tags(house, caller):
    frozen = {"Condition": {"StringEquals": {"aws:ResourceTag/frozen": "yes"}}}
    by = caller(statement("Allow", "iam:*"), statement("Deny", "iam:CreateAccessKey", **frozen))
    for name in ({}, {"user_name": "caller"}):
        with pytest.raises(AccessDenied, match="explicit deny"):
            house.iam.create_access_key(by=by, **name)


def test_no_secret_stands_in_what_is_printed(house, caller):
    by = caller(statement("Allow", "s3:*"))
    key = house.iam.create_access_key(user_name="caller")["AccessKey"]
    session = house.sts.get_session_token(by=by)["Credentials"]
    shown = [
        repr(house.ask(FindCredential(key["AccessKeyId"]))),
        repr(house.ask(FindSession(session["AccessKeyId"]))),
        repr(tables.find_key(house.rooms["iam"].db, key["AccessKeyId"])),
    ]
    for secret in (key["SecretAccessKey"], session["SecretAccessKey"], session["SessionToken"]):
        assert not any(secret in text for text in shown)
