"""A change of what decides (policies of every kind, boundaries, groups, roles, keys) counts for the very next request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import LiveRegion

ACCOUNT = "000000000000"


class Member:
    """A user of its own, with clients of its key."""

    def __init__(self, region: LiveRegion, name: str) -> None:
        self.name = name
        self.iam = region.client("iam")
        self.arn = self.iam.create_user(UserName=name)["User"]["Arn"]
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        self.key = key["AccessKeyId"]
        own = {"key": self.key, "secret": key["SecretAccessKey"]}
        self.sqs, self.s3, self.sts = (region.client(service, **own) for service in ("sqs", "s3", "sts"))

    def may_list(self) -> bool:
        return may(self.sqs.list_queues)


def may(call: Any, **params: Any) -> bool:
    try:
        call(**params)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (400, 403):
            raise
        return False
    return True


def document(effect: str = "Allow", action: str = "sqs:*", resource: str = "*", **more: Any) -> str:
    statement = {"Effect": effect, "Action": action, "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def member(region: LiveRegion, name: str) -> Member:
    return Member(region, name)


def test_a_users_policy(member: Member) -> None:
    for effect, expected in (("Allow", True), ("Deny", False), ("Allow", True)):
        member.iam.put_user_policy(UserName=member.name, PolicyName="p", PolicyDocument=document(effect))
        assert member.may_list() is expected
    member.iam.put_user_policy(UserName=member.name, PolicyName="q", PolicyDocument=document("Deny"))
    assert not member.may_list()
    member.iam.delete_user_policy(UserName=member.name, PolicyName="q")
    assert member.may_list()
    member.iam.delete_user_policy(UserName=member.name, PolicyName="p")
    assert not member.may_list()


def test_a_groups_policy(member: Member, name: str) -> None:
    iam = member.iam
    iam.create_group(GroupName=name)
    iam.put_group_policy(GroupName=name, PolicyName="p", PolicyDocument=document())
    assert not member.may_list()
    iam.add_user_to_group(GroupName=name, UserName=name)
    assert member.may_list()
    iam.put_group_policy(GroupName=name, PolicyName="p", PolicyDocument=document("Deny"))
    assert not member.may_list()
    iam.put_group_policy(GroupName=name, PolicyName="p", PolicyDocument=document())
    assert member.may_list()
    iam.remove_user_from_group(GroupName=name, UserName=name)
    assert not member.may_list()


def test_a_managed_policys_version(member: Member, name: str) -> None:
    iam = member.iam
    arn = iam.create_policy(PolicyName=name, PolicyDocument=document())["Policy"]["Arn"]
    iam.attach_user_policy(UserName=name, PolicyArn=arn)
    assert member.may_list()
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=document("Deny"))
    assert member.may_list(), "another version changes nothing until it is the default one"
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v2")
    assert not member.may_list()
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    assert member.may_list()
    iam.detach_user_policy(UserName=name, PolicyArn=arn)
    assert not member.may_list()


def test_a_boundary(member: Member, name: str) -> None:
    iam = member.iam
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document())
    arn = iam.create_policy(PolicyName=name, PolicyDocument=document(action="s3:*"))["Policy"]["Arn"]
    assert member.may_list()
    iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=arn)
    assert not member.may_list()
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=document(), SetAsDefault=True)
    assert member.may_list()
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    assert not member.may_list()
    iam.delete_user_permissions_boundary(UserName=name)
    assert member.may_list()


def test_a_queues_policy(region: LiveRegion, member: Member, name: str) -> None:
    sqs = region.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"

    def send() -> bool:
        return may(member.sqs.send_message, QueueUrl=url, MessageBody="m")

    assert not send()
    for effect, expected in (("Allow", True), ("Deny", False), ("Allow", True)):
        text = document(effect, "sqs:SendMessage", arn, Principal={"AWS": member.arn})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": text})
        assert send() is expected
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    assert not send()


def test_a_buckets_policy(region: LiveRegion, member: Member, name: str) -> None:
    s3 = region.client("s3")
    s3.create_bucket(Bucket=name)

    def look() -> bool:
        return may(member.s3.list_objects_v2, Bucket=name)

    assert not look()
    for effect, expected in (("Allow", True), ("Deny", False), ("Allow", True)):
        text = document(effect, "s3:ListBucket", f"arn:aws:s3:::{name}", Principal={"AWS": member.arn})
        s3.put_bucket_policy(Bucket=name, Policy=text)
        assert look() is expected
    s3.delete_bucket_policy(Bucket=name)
    assert not look()


def test_a_roles_trust_its_policies_and_its_end(region: LiveRegion, member: Member, name: str) -> None:
    iam = member.iam

    def trust(effect: str) -> str:
        statement = {"Effect": effect, "Principal": {"AWS": member.arn}, "Action": "sts:AssumeRole"}
        return json.dumps({"Version": "2012-10-17", "Statement": statement})

    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust("Allow"))["Role"]["Arn"]
    wanted = {"RoleArn": arn, "RoleSessionName": "s1"}
    session = member.sts.assume_role(**wanted)["Credentials"]
    sqs = region.client(
        "sqs", key=session["AccessKeyId"], secret=session["SecretAccessKey"], aws_session_token=session["SessionToken"]
    )
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust("Deny"))
    assert not may(member.sts.assume_role, **wanted)
    assert not may(sqs.list_queues)
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document())
    assert may(sqs.list_queues)
    iam.delete_role_policy(RoleName=name, PolicyName="p")
    assert not may(sqs.list_queues)
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document())
    assert may(sqs.list_queues)
    iam.delete_role_policy(RoleName=name, PolicyName="p")
    iam.delete_role(RoleName=name)
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust("Allow"))
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document())
    assert not may(sqs.list_queues), "the sessions of a role end with it, whoever has its name now"


def test_a_key(member: Member, name: str) -> None:
    member.iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document())
    for status, expected in (("Active", True), ("Inactive", False), ("Active", True)):
        member.iam.update_access_key(UserName=name, AccessKeyId=member.key, Status=status)
        assert member.may_list() is expected
    member.iam.delete_access_key(UserName=name, AccessKeyId=member.key)
    assert not member.may_list()
