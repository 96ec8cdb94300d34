"""An administrator's session with boto3 and the AWS CLI: create, allow, assume, be denied, and take back."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from awning.cli.control import ask
from awning.services.iam.totp import code_at
from tests.conftest import LiveRegion
from tests.services.iam import certs
from tests.services.iam.documents import certificate, metadata, text_of

ACCOUNT = "000000000000"
CLI = str(Path(sys.executable).with_name("aws"))


def document(*actions: str, resource: str = "*") -> str:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(principal: str, **condition: Any) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole", **condition}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def refused(call: Any, **params: Any) -> tuple[str, str]:
    """The code and message with which a call is refused."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    error: Any = caught.value.response["Error"]
    return error["Code"], error["Message"]


def keys(credentials: dict[str, str]) -> dict[str, str]:
    """What LiveRegion.client takes, from an AccessKey or from Credentials."""
    token = credentials.get("SessionToken")
    given = {"key": credentials["AccessKeyId"], "secret": credentials["SecretAccessKey"]}
    return given | ({"aws_session_token": token} if token else {})


def test_a_users_permissions_hold_at_once_and_no_longer_than_they_are_given(region: LiveRegion) -> None:
    iam = region.client("iam")
    iam.create_user(UserName="administrator-alice")
    key = iam.create_access_key(UserName="administrator-alice")["AccessKey"]
    sqs = region.client("sqs", **keys(key))
    code, message = refused(sqs.create_queue, QueueName="administrator-jobs")
    assert code == "AccessDenied"
    assert f"arn:aws:iam::{ACCOUNT}:user/administrator-alice is not authorized to perform: sqs:CreateQueue" in message
    policy = iam.create_policy(PolicyName="administrator-queues", PolicyDocument=document("sqs:*"))["Policy"]["Arn"]
    iam.attach_user_policy(UserName="administrator-alice", PolicyArn=policy)
    sqs.create_queue(QueueName="administrator-jobs")
    iam.create_policy_version(PolicyArn=policy, PolicyDocument=document("sqs:ListQueues"), SetAsDefault=True)
    assert refused(sqs.create_queue, QueueName="administrator-more")[0] == "AccessDenied"
    sqs.list_queues()
    iam.update_access_key(UserName="administrator-alice", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert refused(sqs.list_queues)[0] in ("UnrecognizedClientException", "InvalidClientTokenId")
    iam.update_access_key(UserName="administrator-alice", AccessKeyId=key["AccessKeyId"], Status="Active")
    sqs.list_queues()
    iam.delete_access_key(UserName="administrator-alice", AccessKeyId=key["AccessKeyId"])
    assert refused(sqs.list_queues)[0] in ("UnrecognizedClientException", "InvalidClientTokenId")


def test_a_role_is_assumed_narrowed_and_ended(region: LiveRegion) -> None:
    iam = region.client("iam")
    bob = iam.create_user(UserName="administrator-bob")["User"]["Arn"]
    key = iam.create_access_key(UserName="administrator-bob")["AccessKey"]
    condition = {"Condition": {"StringEquals": {"sts:ExternalId": "contract-7"}}}
    role = iam.create_role(RoleName="administrator-app", AssumeRolePolicyDocument=trust(bob, **condition))["Role"][
        "Arn"
    ]
    iam.attach_role_policy(RoleName="administrator-app", PolicyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess")
    sts = region.client("sts", **keys(key))
    wanted = {"RoleArn": role, "RoleSessionName": "work"}
    assert refused(sts.assume_role, **wanted)[0] == "AccessDenied"
    session = sts.assume_role(**wanted, ExternalId="contract-7")["Credentials"]
    who = region.client("sts", **keys(session)).get_caller_identity()
    assert who["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/administrator-app/work"
    s3 = region.client("s3", **keys(session))
    s3.create_bucket(Bucket="administrator-bucket")
    narrow = sts.assume_role(**wanted, ExternalId="contract-7", Policy=document("s3:ListBucket"))["Credentials"]
    assert (
        refused(region.client("s3", **keys(narrow)).delete_bucket, Bucket="administrator-bucket")[0] == "AccessDenied"
    )
    region.client("s3", **keys(narrow)).list_objects_v2(Bucket="administrator-bucket")
    wrong = keys(session) | {"aws_session_token": narrow["SessionToken"]}
    assert refused(region.client("sts", **wrong).get_caller_identity)[0] == "InvalidClientTokenId"
    s3.delete_bucket(Bucket="administrator-bucket")
    iam.detach_role_policy(RoleName="administrator-app", PolicyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess")
    assert refused(s3.list_buckets)[0] == "AccessDenied"
    iam.delete_role(RoleName="administrator-app")
    assert refused(region.client("sts", **keys(session)).get_caller_identity)[0] == "InvalidClientTokenId"


def test_another_accounts_user_needs_both_sides(region: LiveRegion) -> None:
    here, there = region.client("iam"), region.client("iam", key="111122223333")
    there.create_user(UserName="administrator-carol")
    key = there.create_access_key(UserName="administrator-carol")["AccessKey"]
    role = here.create_role(RoleName="administrator-guest", AssumeRolePolicyDocument=trust("111122223333"))["Role"]
    sts = region.client("sts", **keys(key))
    assert sts.get_caller_identity()["Account"] == "111122223333"
    wanted = {"RoleArn": role["Arn"], "RoleSessionName": "visit"}
    assert refused(sts.assume_role, **wanted)[0] == "AccessDenied"
    there.put_user_policy(
        UserName="administrator-carol", PolicyName="p", PolicyDocument=document("sts:AssumeRole", resource=role["Arn"])
    )
    session = sts.assume_role(**wanted)["Credentials"]
    assert region.client("sts", **keys(session)).get_caller_identity()["Account"] == ACCOUNT


@pytest.mark.slow
def test_the_cli_works_through_a_day_of_an_administrator(region: LiveRegion, tmp_path: Path) -> None:
    def aws(*words: str, **credentials: str) -> tuple[int, Any]:
        environment = region.env(**credentials)
        done = subprocess.run(
            [CLI, *words, "--output", "json"], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, json.loads(done.stdout) if done.stdout.strip() else done.stderr

    policy = tmp_path / "policy.json"
    policy.write_text(document("iam:GetUser", "iam:ListUsers"))
    assert aws("iam", "create-user", "--user-name", "administrator-dora")[0] == 0
    code, made = aws("iam", "create-access-key", "--user-name", "administrator-dora")
    assert code == 0
    own = {
        "AWS_ACCESS_KEY_ID": made["AccessKey"]["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": made["AccessKey"]["SecretAccessKey"],
    }
    put = ["iam", "put-user-policy", "--user-name", "administrator-dora", "--policy-name", "look"]
    assert aws(*put, "--policy-document", f"file://{policy}")[0] == 0
    assert aws("iam", "get-user", **own)[1]["User"]["UserName"] == "administrator-dora"
    code, said = aws("iam", "create-user", "--user-name", "administrator-eve", **own)
    assert code != 0
    assert "(AccessDenied)" in said
    assert "is not authorized to perform: iam:CreateUser" in said
    assert aws("sts", "get-caller-identity", **own)[1]["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/administrator-dora"
    code, said = aws("iam", "delete-user", "--user-name", "administrator-dora")
    assert code != 0
    assert "(DeleteConflict)" in said
    code, said = aws("iam", "list-organizations-features")
    assert code != 0
    assert "(NotImplemented)" in said


def test_identities_survive_a_crash_and_sessions_end_by_the_regions_clock(
    own_region: LiveRegion, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_region.start()
    iam = own_region.client("iam")
    iam.create_user(UserName="alice")
    key = iam.create_access_key(UserName="alice")["AccessKey"]
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust(ACCOUNT))["Role"]["Arn"]
    session = own_region.client("sts").assume_role(RoleArn=role, RoleSessionName="work", DurationSeconds=900)
    own_region.kill()
    own_region.start()
    who = own_region.client("sts", **keys(key)).get_caller_identity()
    assert who["Arn"].endswith(":user/alice")
    sts = own_region.client("sts", **keys(session["Credentials"]))
    assert sts.get_caller_identity()["Arn"].endswith(":assumed-role/r/work")
    ask(own_region.data, "clock", seconds=1000)
    moment = datetime.fromtimestamp(time.time() + 1000, UTC)
    for module in ("botocore.auth", "botocore.crt.auth"):
        monkeypatch.setattr(
            f"{module}.get_current_datetime",
            lambda remove_tzinfo=True: moment.replace(tzinfo=None) if remove_tzinfo else moment,
        )
    assert refused(sts.get_caller_identity)[0] == "ExpiredToken"


@pytest.mark.slow
def test_what_identities_have_survives_crashes_in_between(own_region: LiveRegion) -> None:
    def again() -> tuple[Any, Any]:
        own_region.kill()
        own_region.start()
        return own_region.client("iam"), own_region.client("sts")

    iam = own_region.start().client("iam")
    iam.create_user(UserName="alice")
    iam.create_login_profile(UserName="alice", Password="Before-the-1st-crash")
    iam.update_account_password_policy(AllowUsersToChangePassword=True, PasswordReusePrevention=2)
    key = keys(iam.create_access_key(UserName="alice")["AccessKey"])
    oidc = iam.create_open_id_connect_provider(Url="https://crash.example.com", ClientIDList=["app"])
    described = metadata(text_of(certificate(certs.key())))
    saml = iam.create_saml_provider(Name="crash", SAMLMetadataDocument=described)["SAMLProviderArn"]
    device = iam.create_virtual_mfa_device(VirtualMFADeviceName="crash")["VirtualMFADevice"]
    seed, serial = base64.b32decode(device["Base32StringSeed"]), {"SerialNumber": device["SerialNumber"]}
    iam, _ = again()
    step = int(time.time()) // 30
    two = {"AuthenticationCode1": code_at(seed, step - 1), "AuthenticationCode2": code_at(seed, step)}
    iam.enable_mfa_device(UserName="alice", **serial, **two)
    own = own_region.client("iam", **key)
    own.change_password(OldPassword="Before-the-1st-crash", NewPassword="Before-the-2nd-crash")
    iam.generate_credential_report()
    iam.put_user_policy(UserName="alice", PolicyName="all", PolicyDocument=document("*"))
    sts = own_region.client("sts", **key)
    narrowed = {"Policy": document("sqs:ListQueues"), "Tags": [{"Key": "team", "Value": "red"}]}
    federated = keys(sts.get_federation_token(Name="guest", **narrowed)["Credentials"])
    code = {"TokenCode": code_at(seed, step + 1)}
    proven = keys(sts.get_session_token(**serial, **code)["Credentials"])
    iam, _ = again()
    assert refused(own_region.client("sts", **key).get_session_token, **serial, **code)[0] == "AccessDenied"
    own_region.client("iam", **proven).list_users()
    guest = own_region.client("sts", **federated).get_caller_identity()
    assert guest["Arn"] == f"arn:aws:sts::{ACCOUNT}:federated-user/guest"
    own_region.client("sqs", **federated).list_queues()
    assert refused(own_region.client("sqs", **federated).create_queue, QueueName="crash")[0] == "AccessDenied"
    own = own_region.client("iam", **key)
    change = own.change_password
    wrong = {"OldPassword": "Before-the-1st-crash", "NewPassword": "Something-5-else"}
    assert refused(change, **wrong)[0] == "AccessDenied"
    used = {"OldPassword": "Before-the-2nd-crash", "NewPassword": "Before-the-1st-crash"}
    assert refused(change, **used)[0] == "PasswordPolicyViolation"
    assert b"alice," in iam.get_credential_report()["Content"]
    assert iam.get_open_id_connect_provider(OpenIDConnectProviderArn=oidc["OpenIDConnectProviderArn"])[
        "ClientIDList"
    ] == ["app"]
    assert iam.get_saml_provider(SAMLProviderArn=saml)["SAMLMetadataDocument"] == described
