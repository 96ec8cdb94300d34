"""The global condition keys on a live region: each with its real value, and absent where it has none."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import LiveRegion


def denied(call: Callable[..., Any], **params: Any) -> bool:
    try:
        call(**params)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("AccessDenied", "AccessDeniedException", "AuthorizationError"):
            raise
        return True
    return False


@pytest.fixture
def member(region: LiveRegion, name: str) -> dict[str, Any]:
    """A user with a tag, and its key."""
    iam = region.client("iam")
    user = iam.create_user(UserName=name, Tags=[{"Key": "Team", "Value": "red"}])["User"]
    return {**user, **iam.create_access_key(UserName=name)["AccessKey"]}


def holds(region: LiveRegion, member: dict[str, Any], condition: dict[str, Any], **options: Any) -> bool:
    """Whether a request of the user meets a condition: its policy is put, and decides the very next request."""
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*", "Condition": condition},
        ],
    }
    region.client("iam").put_user_policy(
        UserName=member["UserName"], PolicyName="p", PolicyDocument=json.dumps(document)
    )
    client = region.client("sqs", key=member["AccessKeyId"], secret=member["SecretAccessKey"], **options)
    return not denied(client.list_queues)


def test_what_a_users_request_is_known_by(region: LiveRegion, member: dict[str, Any]) -> None:
    account = member["Arn"].split(":")[4]
    now = int(time.time())
    for condition, expected in (
        ({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, True),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, False),
        ({"Bool": {"aws:SecureTransport": "false"}}, True),
        ({"Bool": {"aws:SecureTransport": "true"}}, False),
        ({"DateLessThan": {"aws:CurrentTime": "2099-01-01T00:00:00Z"}}, True),
        ({"DateGreaterThan": {"aws:CurrentTime": "2099-01-01T00:00:00Z"}}, False),
        ({"NumericLessThan": {"aws:EpochTime": str(now + 3600)}}, True),
        ({"NumericGreaterThan": {"aws:EpochTime": str(now + 3600)}}, False),
        ({"ArnEquals": {"aws:PrincipalArn": member["Arn"]}}, True),
        ({"ArnEquals": {"aws:PrincipalArn": member["Arn"] + "x"}}, False),
        ({"StringEquals": {"aws:PrincipalAccount": account}}, True),
        ({"StringEquals": {"aws:PrincipalTag/team": "red"}}, True),
        ({"StringEquals": {"aws:PrincipalTag/team": "blue"}}, False),
        ({"StringEquals": {"aws:PrincipalType": "User"}}, True),
        ({"StringEquals": {"aws:userid": member["UserId"]}}, True),
        ({"StringEquals": {"aws:username": "${aws:username}"}}, True),
        ({"StringEquals": {"aws:username": member["UserName"]}}, True),
        ({"StringEquals": {"aws:RequestedRegion": "us-east-1"}}, True),
        ({"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}, False),
        ({"StringEquals": {"aws:ResourceAccount": account}}, True),
        ({"StringLike": {"aws:UserAgent": "Boto3/*"}}, True),
        ({"StringLike": {"aws:UserAgent": "curl/*"}}, False),
        ({"Bool": {"aws:ViaAWSService": "false"}}, True),
        ({"Bool": {"aws:PrincipalIsAWSService": "false"}}, True),
    ):
        assert holds(region, member, condition) is expected, condition


@pytest.mark.parametrize(
    "key",
    [
        "aws:CalledVia", "aws:CalledViaFirst", "aws:CalledViaLast", "aws:FederatedProvider", "aws:MultiFactorAuthAge",
        "aws:MultiFactorAuthPresent", "aws:PrincipalOrgID", "aws:PrincipalServiceName", "aws:Referer", "aws:RequestTag/team",
        "aws:ResourceTag/team", "aws:SourceIdentity", "aws:SourceOrgID", "aws:SourceVpc", "aws:SourceVpce", "aws:TagKeys",
        "aws:TokenIssueTime", "aws:VpcSourceIp", "aws:PrincipalTag/none",
    ],
)  # fmt: skip
def test_what_a_users_request_is_not_known_by(region: LiveRegion, member: dict[str, Any], key: str) -> None:
    assert holds(region, member, {"Null": {key: "true"}})


def test_tls_is_a_secure_transport(region: LiveRegion, member: dict[str, Any]) -> None:
    assert holds(region, member, {"Bool": {"aws:SecureTransport": "true"}}, tls=True)


def test_what_a_session_is_known_by(region: LiveRegion, member: dict[str, Any], name: str) -> None:
    iam, account = region.client("iam"), member["Arn"].split(":")[4]
    trust = {"Effect": "Allow", "Principal": {"AWS": member["Arn"]}, "Action": "sts:*"}
    role = iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust}),
        Tags=[{"Key": "team", "Value": "of the role"}, {"Key": "kind", "Value": "role"}],
    )["Role"]
    sts = region.client("sts", key=member["AccessKeyId"], secret=member["SecretAccessKey"])
    session = sts.assume_role(
        RoleArn=role["Arn"], RoleSessionName="s1", Tags=[{"Key": "Team", "Value": "green"}], SourceIdentity="alice"
    )["Credentials"]
    sqs = region.client(
        "sqs", key=session["AccessKeyId"], secret=session["SecretAccessKey"], aws_session_token=session["SessionToken"]
    )
    for condition, expected in (
        ({"ArnEquals": {"aws:PrincipalArn": role["Arn"]}}, True),
        ({"StringEquals": {"aws:PrincipalType": "AssumedRole"}}, True),
        ({"StringEquals": {"aws:userid": f"{role['RoleId']}:s1"}}, True),
        ({"StringEquals": {"aws:PrincipalTag/team": "green", "aws:PrincipalTag/kind": "role"}}, True),
        ({"StringEquals": {"aws:SourceIdentity": "alice"}}, True),
        ({"StringEquals": {"aws:PrincipalAccount": account}}, True),
        ({"DateGreaterThan": {"aws:TokenIssueTime": "2020-01-01T00:00:00Z"}}, True),
        ({"Bool": {"aws:MultiFactorAuthPresent": "false"}}, True),
        ({"Null": {"aws:MultiFactorAuthAge": "false"}}, False),
        ({"Null": {"aws:username": "false"}}, False),
    ):
        document = {
            "Version": "2012-10-17",
            "Statement": {"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*", "Condition": condition},
        }
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(document))
        assert denied(sqs.list_queues) is not expected, condition


def test_tags_of_a_role_that_is_assumed_and_of_a_user_that_is_changed(
    region: LiveRegion, member: dict[str, Any], name: str
) -> None:
    iam = region.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": member["Arn"].split(":")[4]}, "Action": "sts:AssumeRole"}
    roles = {
        team: iam.create_role(
            RoleName=f"{name}-{team}",
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust}),
            Tags=[{"Key": "team", "Value": team}],
        )["Role"]["Arn"]
        for team in ("red", "blue")
    }
    own = {"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}
    only = {"ForAllValues:StringEquals": {"aws:TagKeys": ["project"]}, "Null": {"aws:TagKeys": "false"}}
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*", "Condition": own},
            {"Effect": "Allow", "Action": ["iam:TagUser", "iam:UntagUser"], "Resource": "*", "Condition": only},
        ],
    }
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(document))
    key = {"key": member["AccessKeyId"], "secret": member["SecretAccessKey"]}
    sts, mine = region.client("sts", **key), region.client("iam", **key)
    assert not denied(sts.assume_role, RoleArn=roles["red"], RoleSessionName="s1")
    assert denied(sts.assume_role, RoleArn=roles["blue"], RoleSessionName="s1")
    assert not denied(mine.tag_user, UserName=name, Tags=[{"Key": "project", "Value": "x"}])
    assert denied(mine.tag_user, UserName=name, Tags=[{"Key": "team", "Value": "x"}])
    assert not denied(mine.untag_user, UserName=name, TagKeys=["project"])
    assert denied(mine.untag_user, UserName=name, TagKeys=["project", "team"])


def test_a_policy_change_takes_effect_on_the_next_request(region: LiveRegion, member: dict[str, Any]) -> None:
    yes, no = {"StringLike": {"aws:username": "*"}}, {"StringLike": {"aws:username": "nobody"}}
    for _ in range(5):
        assert holds(region, member, yes)
        assert not holds(region, member, no)


def test_a_policy_does_not_mean_the_successor_of_whom_it_names(
    region: LiveRegion, member: dict[str, Any], name: str
) -> None:
    iam, s3 = region.client("iam"), region.client("s3")
    statement = {"Effect": "Allow", "Principal": {"AWS": member["Arn"]}}
    document = {"Version": "2012-10-17"}
    grant = {**statement, "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{name}"}
    s3.create_bucket(Bucket=name)
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [grant]}))
    trust = json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Action": "sts:AssumeRole"}]})
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    sqs, sns = region.client("sqs"), region.client("sns")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name=name)["TopicArn"]
    for resource, action in ((queue, "sqs:SendMessage"), (topic, "sns:Publish")):
        text = json.dumps({**document, "Statement": [{**statement, "Action": action, "Resource": resource}]})
        if resource == queue:
            sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": text})
        else:
            sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=text)

    def may(key: dict[str, Any]) -> set[bool]:
        own = {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
        sts = region.client("sts", **own)
        return {
            not denied(region.client("s3", **own).list_objects_v2, Bucket=name),
            not denied(sts.assume_role, RoleArn=arn, RoleSessionName="s1"),
            not denied(region.client("sqs", **own).send_message, QueueUrl=url, MessageBody="m"),
            not denied(region.client("sns", **own).publish, TopicArn=topic, Message="m"),
        }

    def named() -> set[str]:
        bucket = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])
        role = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        of_queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
        of_topic = sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"]
        found = (bucket, role, json.loads(of_queue), json.loads(of_topic))
        return {document["Statement"][0]["Principal"]["AWS"] for document in found}

    assert (may(member), named()) == ({True}, {member["Arn"]})
    iam.delete_access_key(UserName=name, AccessKeyId=member["AccessKeyId"])
    iam.delete_user(UserName=name)
    assert named() == {member["UserId"]}
    assert iam.create_user(UserName=name)["User"]["Arn"] == member["Arn"]
    successor = iam.create_access_key(UserName=name)["AccessKey"]
    assert (may(successor), named()) == ({False}, {member["UserId"]})
    account = member["Arn"].split(":")[4]
    sqs.add_permission(QueueUrl=url, Label="more", AWSAccountIds=[account], Actions=["ReceiveMessage"])
    sns.add_permission(TopicArn=topic, Label="more", AWSAccountId=[account], ActionName=["Subscribe"])
    assert (may(successor), named()) == ({False}, {member["UserId"]}), "adding a statement binds no name anew"


def test_a_referer_is_what_the_request_says(region: LiveRegion, member: dict[str, Any]) -> None:
    document = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Action": "sqs:ListQueues",
            "Resource": "*",
            "Condition": {"StringLike": {"aws:Referer": "https://example.com/*"}},
        },
    }
    region.client("iam").put_user_policy(
        UserName=member["UserName"], PolicyName="p", PolicyDocument=json.dumps(document)
    )
    sqs = region.client("sqs", key=member["AccessKeyId"], secret=member["SecretAccessKey"])
    assert denied(sqs.list_queues)
    sqs.meta.events.register(
        "before-call.sqs.ListQueues",
        lambda params, **_: params["headers"].update({"Referer": "https://example.com/page"}),
    )
    assert not denied(sqs.list_queues)
    sqs.meta.events.register_last(
        "before-call.sqs.ListQueues",
        lambda params, **_: params["headers"].update({"Referer": "https://example.org/page"}),
    )
    assert denied(sqs.list_queues)


def test_tags_of_any_characters_and_case_decide(region: LiveRegion, member: dict[str, Any], name: str) -> None:
    url = region.client("sqs").create_queue(QueueName=name, tags={"Größe/α": "x", "=@": "y"})["QueueUrl"]
    sqs = region.client("sqs", key=member["AccessKeyId"], secret=member["SecretAccessKey"])
    for condition, expected in (
        ({"StringEquals": {"aws:RequestTag/team/Größe": "x"}}, True),
        ({"StringEquals": {"aws:RequestTag/TEAM/größe": "x"}}, True),
        ({"StringEquals": {"aws:RequestTag/team": "x"}}, False),
        ({"StringEquals": {"aws:RequestTag/a b+c:d=e@-._": ""}}, True),
        ({"StringEquals": {"aws:ResourceTag/größe/α": "x", "aws:ResourceTag/=@": "y"}}, True),
        ({"StringEquals": {"aws:ResourceTag/größe": "x"}}, False),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["team/Größe", "a b+c:d=e@-._"]}}, True),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["TEAM/größe", "A B+C:D=E@-._"]}}, False),
        ({"ForAllValues:StringEqualsIgnoreCase": {"aws:TagKeys": ["TEAM/größe", "A B+C:D=E@-._"]}}, True),
    ):
        statement = {"Effect": "Allow", "Action": "sqs:TagQueue", "Resource": "*", "Condition": condition}
        document = {"Version": "2012-10-17", "Statement": statement}
        region.client("iam").put_user_policy(
            UserName=member["UserName"], PolicyName="p", PolicyDocument=json.dumps(document)
        )
        tags = {"team/Größe": "x", "a b+c:d=e@-._": ""}
        assert denied(sqs.tag_queue, QueueUrl=url, Tags=tags) is not expected, condition
