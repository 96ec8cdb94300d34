"""SSE-KMS as clients meet it: keys of KMS for queues, with the permission of producers, consumers and services on the key."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from awning.cli.control import ask
from tests.clients.test_sqs_encryption import PLANTED, files_with
from tests.conftest import LiveRegion

ACCOUNT = "000000000000"


def user(region: LiveRegion, name: str, *actions: str) -> Any:
    """A client of SQS for a new user who may do this."""
    iam = region.client("iam")
    iam.create_user(UserName=name)
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": actions, "Resource": "*"}}
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps(document))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return region.client("sqs", key=made["AccessKeyId"], secret=made["SecretAccessKey"])


def refused(function: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        function(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def bodies(sqs: Any, url: str) -> list[str]:
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
    return sorted(message["Body"] for message in answer.get("Messages", []))


def test_producers_and_consumers_need_the_key(region: LiveRegion, name: str) -> None:
    key = region.client("kms").create_key()["KeyMetadata"]["Arn"]
    region.client("kms").create_alias(AliasName=f"alias/{name}", TargetKeyId=key)
    url = region.client("sqs").create_queue(QueueName=name, Attributes={"KmsMasterKeyId": f"alias/{name}"})["QueueUrl"]
    nobody = user(region, f"{name}-nobody", "sqs:*")
    half = user(region, f"{name}-half", "sqs:*", "kms:GenerateDataKey")
    producer = user(region, f"{name}-producer", "sqs:*", "kms:GenerateDataKey", "kms:Decrypt")
    consumer = user(region, f"{name}-consumer", "sqs:*", "kms:Decrypt")
    for client, action in ((nobody, "GenerateDataKey"), (half, "Decrypt"), (consumer, "GenerateDataKey")):
        code, message = refused(client.send_message, QueueUrl=url, MessageBody="x")
        assert code == "KMS.AccessDeniedException"
        assert f"is not authorized to perform: kms:{action} on resource: {key}" in message
    entries = [{"Id": "a", "MessageBody": "x"}]
    assert refused(nobody.send_message_batch, QueueUrl=url, Entries=entries)[0] == "KMS.AccessDeniedException"
    producer.send_message(QueueUrl=url, MessageBody="x")
    assert refused(nobody.receive_message, QueueUrl=url)[0] == "KMS.AccessDeniedException"
    assert bodies(consumer, url) == ["x"]
    (message,) = consumer.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "2"


def test_conditions_of_the_keys_policy_see_queue_and_service(region: LiveRegion, name: str) -> None:
    iam = f"arn:aws:iam::{ACCOUNT}:root"
    within = {"kms:EncryptionContext:aws:sqs:arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"}
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": iam}, "Action": ["kms:Put*", "kms:Describe*"], "Resource": "*"},
        {
            "Effect": "Allow",
            "Principal": {"AWS": iam},
            "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
            "Resource": "*",
            "Condition": {"StringEquals": {**within, "kms:ViaService": "sqs.us-east-1.amazonaws.com"}},
        },
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    kms, sqs = region.client("kms"), region.client("sqs")
    key = kms.create_key(Policy=policy)["KeyMetadata"]["KeyId"]
    assert refused(kms.generate_data_key, KeyId=key, KeySpec="AES_256")[0] == "AccessDeniedException"
    url = sqs.create_queue(QueueName=name, Attributes={"KmsMasterKeyId": key})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert bodies(sqs, url) == ["x"]
    other = sqs.create_queue(QueueName=f"{name}-other", Attributes={"KmsMasterKeyId": key})["QueueUrl"]
    assert refused(sqs.send_message, QueueUrl=other, MessageBody="x")[0] == "KMS.AccessDeniedException"


def test_states_of_keys(own_region: LiveRegion) -> None:
    region = own_region.start()
    kms, sqs = region.client("kms"), region.client("sqs")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    url = sqs.create_queue(QueueName="q", Attributes={"KmsMasterKeyId": key, "KmsDataKeyReusePeriodSeconds": "60"})[
        "QueueUrl"
    ]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert bodies(sqs, url) == ["x"]
    kms.disable_key(KeyId=key)
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert bodies(sqs, url) == ["x", "x"]
    ask(region.data, "clock", seconds=61)
    for call, params in ((sqs.send_message, {"MessageBody": "y"}), (sqs.receive_message, {})):
        assert refused(call, QueueUrl=url, **params)[0] == "KMS.DisabledException"
    kms.enable_key(KeyId=key)
    assert bodies(sqs, url) == ["x", "x"]
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    ask(region.data, "clock", seconds=61)
    assert refused(sqs.receive_message, QueueUrl=url)[0] == "KMS.InvalidStateException"
    for named, code in (("no-such-key", "KMS.NotFoundException"), ("alias/none", "KMS.NotFoundException")):
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"KmsMasterKeyId": named})
        assert refused(sqs.send_message, QueueUrl=url, MessageBody="y")[0] == code
    pair = kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"KmsMasterKeyId": pair})
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="y")[0] == "KMS.InvalidKeyUsageException"


def test_nothing_is_on_disk_in_the_clear_and_all_of_it_survives(own_region: LiveRegion) -> None:
    sqs = own_region.start().client("sqs")
    dead = sqs.create_queue(QueueName="dead", Attributes={"SqsManagedSseEnabled": "false"})["QueueUrl"]
    policy = json.dumps({"deadLetterTargetArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:dead", "maxReceiveCount": 1})
    attributes = {"KmsMasterKeyId": "alias/aws/sqs", "RedrivePolicy": policy}
    url = sqs.create_queue(QueueName="jobs", Attributes=attributes)["QueueUrl"]
    marked = {"mark": {"DataType": "Binary", "BinaryValue": PLANTED.encode()}}
    sqs.send_message(QueueUrl=url, MessageBody=PLANTED, MessageAttributes=marked)
    sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)
    sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)
    own_region.kill()
    assert files_with(own_region, PLANTED) == []
    sqs = own_region.start().client("sqs")
    dead = f"{own_region.endpoint}/{ACCOUNT}/dead"
    (message,) = sqs.receive_message(QueueUrl=dead, MessageAttributeNames=["All"])["Messages"]
    assert (message["Body"], message["MessageAttributes"]) == (PLANTED, marked)
    assert own_region.stop() == 0
    assert files_with(own_region, PLANTED) == []


def test_a_topic_reaches_an_encrypted_queue_only_by_the_keys_policy(region: LiveRegion, name: str) -> None:
    kms, sns, sqs = region.client("kms"), region.client("sns"), region.client("sqs")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    own = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    topic = sns.create_topic(Name=name)["TopicArn"]
    service = {"Service": "sns.amazonaws.com"}
    said = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": service, "Resource": "*"}}
    said["Statement"]["Action"] = "sqs:SendMessage"  # type: ignore[index]
    dead = sqs.create_queue(QueueName=f"{name}-dead", Attributes={"Policy": json.dumps(said)})["QueueUrl"]
    url = sqs.create_queue(QueueName=name, Attributes={"KmsMasterKeyId": key, "Policy": json.dumps(said)})["QueueUrl"]
    redrive = json.dumps({"deadLetterTargetArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}-dead"})
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}",
        Attributes={"RedrivePolicy": redrive, "RawMessageDelivery": "true"},
    )
    sns.publish(TopicArn=topic, Message="without")
    (lost,) = sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=10)["Messages"]
    assert lost["Body"] == "without"
    actions = ["kms:GenerateDataKey*", "kms:Decrypt"]
    condition = {"ArnEquals": {"aws:SourceArn": topic}}
    own["Statement"].append(
        {"Effect": "Allow", "Principal": service, "Action": actions, "Resource": "*", "Condition": condition}
    )
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(own))
    sns.publish(TopicArn=topic, Message="with")
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"]
    assert message["Body"] == "with"


def test_a_move_task_between_queues_of_different_keys(region: LiveRegion, name: str) -> None:
    kms, sqs = region.client("kms"), region.client("sqs")
    keys = [kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2)]
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"
    dead = sqs.create_queue(QueueName=f"{name}-dead", Attributes={"KmsMasterKeyId": keys[0]})["QueueUrl"]
    policy = json.dumps({"deadLetterTargetArn": f"{arn}-dead", "maxReceiveCount": 1})
    url = sqs.create_queue(QueueName=name, Attributes={"KmsMasterKeyId": keys[1], "RedrivePolicy": policy})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    for _ in range(2):
        sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)
    nobody = user(region, f"{name}-nobody", "sqs:*")
    assert refused(nobody.start_message_move_task, SourceArn=f"{arn}-dead")[0] == "KMS.AccessDeniedException"
    assert bodies(sqs, dead) == ["x"]
    sqs.start_message_move_task(SourceArn=f"{arn}-dead")
    deadline = time.monotonic() + 30
    while not (found := bodies(sqs, url)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found == ["x"]


def test_the_query_protocol_has_the_same_code(region: LiveRegion, name: str) -> None:
    sqs = region.client("sqs")
    url = sqs.create_queue(QueueName=name, Attributes={"KmsMasterKeyId": "alias/none"})["QueueUrl"]
    with pytest.raises(ClientError) as caught:
        sqs.send_message(QueueUrl=url, MessageBody="x")
    headers = caught.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amzn-query-error"] == "KMS.NotFoundException;Sender"
