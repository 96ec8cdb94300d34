"""boto3 with SQS, IAM and STS, and what it sees when it is refused."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def policy(effect: str, action: str, resource: str) -> str:
    statement = {"Effect": effect, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def user(region: Any, name: str) -> dict[str, str]:
    """A user without any policy: its access key, as options of `region.client`."""
    iam = region.client("iam")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}


def test_messages_come_and_go(region: Any, tls: bool, name: str) -> None:
    sqs = region.client("sqs", tls=tls)
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    assert url.startswith(region.tls_endpoint if tls else region.endpoint)
    assert sqs.get_queue_url(QueueName=name)["QueueUrl"] == url
    attribute = {"kind": {"DataType": "String", "StringValue": "greeting"}}
    sent = sqs.send_message(QueueUrl=url, MessageBody="hello ü", MessageAttributes=attribute)
    [message] = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], "hello ü")
    assert message["MessageAttributes"]["kind"]["StringValue"] == "greeting"
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    [again] = sqs.receive_message(QueueUrl=url, AttributeNames=["ApproximateReceiveCount"])["Messages"]
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])
    numbers = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert numbers["ApproximateNumberOfMessages"] == numbers["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_batches_report_each_entry(region: Any, name: str) -> None:
    sqs = region.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    entries = [{"Id": str(i), "MessageBody": f"message {i}"} for i in range(10)]
    assert len(sqs.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == 10
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert sorted(message["Body"] for message in messages) == sorted(entry["MessageBody"] for entry in entries)
    handles = [{"Id": str(i), "ReceiptHandle": message["ReceiptHandle"]} for i, message in enumerate(messages)]
    assert len(sqs.delete_message_batch(QueueUrl=url, Entries=handles)["Successful"]) == len(messages)


def test_a_long_poll_ends_with_the_message_that_it_waits_for(region: Any, name: str) -> None:
    sqs = region.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    found: list[str] = []

    def wait() -> None:
        answer = region.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=20)
        found.extend(message["Body"] for message in answer.get("Messages", []))

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.3)
    sqs.send_message(QueueUrl=url, MessageBody="here")
    waiting.join(15)  # less than the poll's own 20 seconds
    assert found == ["here"]


def test_the_caller_is_known(region: Any, tls: bool) -> None:
    identity = region.client("sts", tls=tls).get_caller_identity()
    assert (identity["Account"], identity["Arn"]) == ("000000000000", "arn:aws:iam::000000000000:root")
    other = region.client("sts", tls=tls, key="111122223333").get_caller_identity()
    assert other["Arn"] == "arn:aws:iam::111122223333:root"


def test_a_user_may_what_its_policies_allow(region: Any, user: dict[str, str], name: str) -> None:
    region.client("s3").create_bucket(Bucket=name)
    mine = region.client("s3", **user)
    with pytest.raises(ClientError) as error:
        mine.put_object(Bucket=name, Key="k", Body=b"")
    assert code(error) == "AccessDenied"
    iam = region.client("iam")
    allowed = policy("Allow", "s3:*", f"arn:aws:s3:::{name}/*")
    iam.put_user_policy(UserName=name, PolicyName="allow", PolicyDocument=allowed)
    mine.put_object(Bucket=name, Key="k", Body=b"mine")
    denied = iam.create_policy(
        PolicyName=name, PolicyDocument=policy("Deny", "s3:GetObject", f"arn:aws:s3:::{name}/*")
    )["Policy"]
    iam.attach_user_policy(UserName=name, PolicyArn=denied["Arn"])
    with pytest.raises(ClientError) as error:
        mine.get_object(Bucket=name, Key="k")
    assert code(error) == "AccessDenied"
    mine.put_object(Bucket=name, Key="k", Body=b"still")


def test_a_role_is_assumed_with_a_narrower_session(region: Any, name: str) -> None:
    iam = region.client("iam")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "sts:AssumeRole"}
        ],
    }
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=policy("Allow", "sqs:*", "*"))
    iam.create_user(UserName=name)
    assume = policy("Allow", "sts:AssumeRole", role["Arn"])
    iam.put_user_policy(UserName=name, PolicyName="assume", PolicyDocument=assume)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    sts = region.client("sts", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    lent = sts.assume_role(
        RoleArn=role["Arn"], RoleSessionName="session", Policy=policy("Allow", "sqs:ListQueues", "*")
    )["Credentials"]
    session = {
        "key": lent["AccessKeyId"],
        "secret": lent["SecretAccessKey"],
        "aws_session_token": lent["SessionToken"],
    }
    arn = region.client("sts", **session).get_caller_identity()["Arn"]
    assert arn == f"arn:aws:sts::000000000000:assumed-role/{name}/session"
    region.client("sqs", **session).list_queues()
    with pytest.raises(ClientError) as error:
        region.client("sqs", **session).create_queue(QueueName=name)
    assert code(error) in ("AccessDenied", "AccessDeniedException")


@pytest.mark.parametrize(
    ("service", "method", "wrong_secret", "unknown_key"),
    [
        ("s3", "list_buckets", "SignatureDoesNotMatch", "InvalidAccessKeyId"),
        ("sqs", "list_queues", "InvalidSignatureException", "UnrecognizedClientException"),
        ("iam", "list_users", "SignatureDoesNotMatch", "InvalidClientTokenId"),
        ("sts", "get_caller_identity", "SignatureDoesNotMatch", "InvalidClientTokenId"),
    ],
)
def test_a_wrong_key_is_refused_in_the_services_own_words(
    region: Any, user: dict[str, str], service: str, method: str, wrong_secret: str, unknown_key: str
) -> None:
    with pytest.raises(ClientError) as error:
        getattr(region.client(service, key=user["key"], secret="wrong"), method)()
    assert code(error) == wrong_secret
    with pytest.raises(ClientError) as error:
        getattr(region.client(service, key="AKIAIOSFODNN7EXAMPLE", secret="wrong"), method)()
    assert code(error) == unknown_key


def test_what_is_not_there_answers_by_name(region: Any, name: str) -> None:
    sqs = region.client("sqs")
    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as error:
        sqs.get_queue_url(QueueName=name)
    assert code(error) == "AWS.SimpleQueueService.NonExistentQueue"
    iam = region.client("iam")
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_user(UserName=name)


def test_an_unsupported_operation_is_refused_by_name(region: Any, name: str) -> None:
    s3 = region.client("s3")
    s3.create_bucket(Bucket=name)
    with pytest.raises(ClientError) as error:
        s3.get_bucket_inventory_configuration(Bucket=name, Id="x")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert code(error) == "NotImplemented"
    assert "GetBucketInventoryConfiguration" in str(error.value)
