"""Login profiles and ChangePassword: what the account's rules refuse, what is stored, and who may change what."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from tests.services.iam.support import ACCOUNT
from tests.services.iam.wire import Boto

PASSWORD = "Correct-horse-1"


@pytest.fixture
def iam(house):
    client = Boto(house).client("iam")
    client.create_user(UserName="alice")
    return client


@pytest.fixture
def alice(house, iam):
    iam.create_login_profile(UserName="alice", Password=PASSWORD)
    key = house.iam.create_access_key(user_name="alice")["AccessKey"]
    return lambda: Boto(house).client("iam", house.as_key(key))


def refused(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_login_profile_from_its_creation_to_its_end(house, iam):
    made = iam.create_login_profile(UserName="alice", Password=PASSWORD)["LoginProfile"]
    assert (made["UserName"], made["PasswordResetRequired"]) == ("alice", False)
    assert refused(iam.create_login_profile, UserName="alice", Password=PASSWORD) == (
        "EntityAlreadyExists",
        "Login Profile for user alice already exists.",
    )
    iam.update_login_profile(UserName="alice", PasswordResetRequired=True)
    assert iam.get_login_profile(UserName="alice")["LoginProfile"] == {**made, "PasswordResetRequired": True}
    assert refused(iam.delete_user, UserName="alice") == (
        "DeleteConflict",
        "Cannot delete entity, must delete login profile first.",
    )
    (row,) = house.rooms["iam"].db.execute("SELECT * FROM resources").fetchall()
    assert PASSWORD not in repr(row)
    iam.delete_login_profile(UserName="alice")
    gone = ("NoSuchEntity", "Login Profile for User alice cannot be found.")
    assert refused(iam.get_login_profile, UserName="alice") == gone
    assert refused(iam.update_login_profile, UserName="alice", Password=PASSWORD) == gone
    assert refused(iam.delete_login_profile, UserName="alice") == gone
    assert refused(iam.create_login_profile, UserName="nobody", Password=PASSWORD)[0] == "NoSuchEntity"
    iam.delete_user(UserName="alice")


@pytest.mark.parametrize(
    ("password", "message"),
    [
        ("Ab1!", "Password should have a minimum length of 8"),
        (
            "lowercase1",
            "Password should meet 1 more of the following requirements: Password should have at least one uppercase "
            "letter, Password should have at least one symbol",
        ),
    ],
)
def test_an_account_without_rules_wants_eight_characters_of_three_kinds(iam, password, message):
    assert refused(iam.create_login_profile, UserName="alice", Password=password) == (
        "PasswordPolicyViolation",
        message,
    )


@pytest.mark.parametrize(
    ("rule", "password", "missing"),
    [
        ("RequireUppercaseCharacters", "abc-123", "one uppercase letter"),
        ("RequireLowercaseCharacters", "ABC-123", "one lowercase letter"),
        ("RequireNumbers", "Abc-xyz", "one number"),
        ("RequireSymbols", "Abc1234", "one symbol"),
    ],
)
def test_each_of_an_accounts_rules_refuses_what_lacks_its_kind(iam, rule, password, missing):
    iam.update_account_password_policy(**{rule: True})
    violation = ("PasswordPolicyViolation", f"Password should have at least {missing}")
    assert refused(iam.create_login_profile, UserName="alice", Password=password) == violation
    iam.update_account_password_policy(MinimumPasswordLength=7)
    iam.create_login_profile(UserName="alice", Password=password)


def test_the_latest_passwords_are_not_used_again(iam):
    iam.update_account_password_policy(PasswordReusePrevention=2)
    iam.create_login_profile(UserName="alice", Password="first-1")
    iam.update_login_profile(UserName="alice", Password="second-2")
    for used in ("first-1", "second-2"):
        assert refused(iam.update_login_profile, UserName="alice", Password=used)[0] == "PasswordPolicyViolation"
    iam.update_login_profile(UserName="alice", Password="third-3")
    iam.update_login_profile(UserName="alice", Password="first-1")


def test_a_user_changes_its_own_password_where_the_account_or_a_policy_says_so(iam, alice):
    change = {"OldPassword": PASSWORD, "NewPassword": "Another-word-2"}
    assert refused(alice().change_password, **change)[0] == "AccessDenied"
    iam.update_account_password_policy(AllowUsersToChangePassword=True)
    wrong = {**change, "OldPassword": "not this one"}
    assert refused(alice().change_password, **wrong) == ("AccessDenied", "The old password was incorrect.")
    iam.update_login_profile(UserName="alice", PasswordResetRequired=True)
    alice().change_password(**change)
    assert iam.get_login_profile(UserName="alice")["LoginProfile"]["PasswordResetRequired"] is False
    assert refused(alice().change_password, **change) == ("AccessDenied", "The old password was incorrect.")
    assert refused(iam.change_password, **change)[0] == "InvalidUserType"
    forbidden = {"Effect": "Deny", "Action": "iam:ChangePassword", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": forbidden})
    iam.put_user_policy(UserName="alice", PolicyName="p", PolicyDocument=document)
    again = {"OldPassword": "Another-word-2", "NewPassword": "Yet-another-3"}
    assert "not authorized" in refused(alice().change_password, **again)[1]


def test_what_an_account_lets_its_users_do_to_themselves_they_may_not_do_to_others(house, iam, alice):
    iam.update_account_password_policy(AllowUsersToChangePassword=True)
    iam.create_user(UserName="bob")
    guard = house.call("iam").guarded_by(f"arn:aws:iam::{ACCOUNT}:user/bob")
    assert guard is not None
    assert guard.account == ACCOUNT
    assert refused(alice().update_login_profile, UserName="alice", Password="Another-2")[0] == "AccessDenied"
