"""Queues by boto3, and by the query protocol as older SDKs speak it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.conftest import LiveRegion

OWNER = "000000000000"
STRANGER = "444455556666"


def refused(call: Any, **params: Any) -> tuple[str, int]:
    """The code and HTTP status with which a call is refused."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    response: Any = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_a_queues_life(region: LiveRegion) -> None:
    sqs = region.client("sqs")
    url = sqs.create_queue(QueueName="life", Attributes={"VisibilityTimeout": "60"}, tags={"a": "b"})["QueueUrl"]
    assert url == f"{region.endpoint}/{OWNER}/life"
    assert sqs.get_queue_url(QueueName="life")["QueueUrl"] == url
    assert url in sqs.list_queues(QueueNamePrefix="li")["QueueUrls"]
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"a": "b"}
    attributes = {
        "text": {"DataType": "String", "StringValue": "日本"},
        "raw": {"DataType": "Binary", "BinaryValue": bytes(range(256))},
    }
    sent = sqs.send_message(QueueUrl=url, MessageBody="a < b & c\n", MessageAttributes=attributes)
    (message,) = sqs.receive_message(
        QueueUrl=url, AttributeNames=["SentTimestamp", "SenderId"], MessageAttributeNames=["All"]
    )["Messages"]
    assert message["Body"] == "a < b & c\n"
    assert message["MessageAttributes"] == attributes
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert message["Attributes"].keys() == {"SentTimestamp", "SenderId"}
    handle = message["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    (message,) = sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["ApproximateReceiveCount"])["Messages"]
    assert message["Attributes"] == {"ApproximateReceiveCount": "2"}
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessagesNotVisible"] == counts["ApproximateNumberOfMessages"] == "0"
    sqs.delete_queue(QueueUrl=url)
    assert refused(sqs.get_queue_url, QueueName="life") == ("AWS.SimpleQueueService.NonExistentQueue", 400)
    assert refused(sqs.create_queue, QueueName="life") == ("AWS.SimpleQueueService.QueueDeletedRecently", 400)


def test_batches(region: LiveRegion) -> None:
    sqs = region.client("sqs")
    url = sqs.create_queue(QueueName="batches")["QueueUrl"]
    entries = [{"Id": str(number), "MessageBody": f"m{number}"} for number in range(10)]
    entries[3]["MessageBody"] = "\x01"
    result = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert len(result["Successful"]) == 9
    assert [(entry["Id"], entry["Code"]) for entry in result["Failed"]] == [("3", "InvalidMessageContents")]
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert len(messages) == 9
    gone = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(messages)]
    assert len(sqs.delete_message_batch(QueueUrl=url, Entries=gone)["Successful"]) == 9
    error = sqs.exceptions.TooManyEntriesInBatchRequest
    with pytest.raises(error):
        sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": str(n), "ReceiptHandle": "x"} for n in range(11)])


def test_a_long_poll_across_connections(region: LiveRegion) -> None:
    sqs = region.client("sqs")
    url = sqs.create_queue(QueueName="long-poll")["QueueUrl"]
    with ThreadPoolExecutor(4) as pool:
        polls = [pool.submit(region.client("sqs").receive_message, QueueUrl=url, WaitTimeSeconds=20) for _ in range(4)]
        for number in range(4):
            sqs.send_message(QueueUrl=url, MessageBody=str(number))
        bodies = [message["Body"] for poll in polls for message in poll.result(15)["Messages"]]
    assert sorted(bodies) == ["0", "1", "2", "3"]
    assert "Messages" not in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)


def test_a_queues_policy_lets_another_account_in(region: LiveRegion) -> None:
    sqs = region.client("sqs")
    stranger = region.client("sqs", key=STRANGER)
    url = sqs.create_queue(QueueName="shared")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    send = {"QueueUrl": url, "MessageBody": "hi"}
    assert refused(stranger.send_message, **send)[0] == "AccessDenied"
    sqs.add_permission(QueueUrl=url, Label="in", AWSAccountIds=[STRANGER], Actions=["SendMessage"])
    stranger.send_message(**send)
    assert refused(stranger.receive_message, QueueUrl=url)[0] == "AccessDenied"
    sqs.remove_permission(QueueUrl=url, Label="in")
    assert refused(stranger.send_message, **send)[0] == "AccessDenied"
    everything = {"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    assert stranger.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "hi"
    assert refused(stranger.delete_queue, QueueUrl=url)[0] == "AccessDenied"
    denied = {"Effect": "Deny", "Principal": "*", "Action": "sqs:PurgeQueue", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everything, denied]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    assert refused(stranger.purge_queue, QueueUrl=url)[0] == "AccessDenied"


def test_a_policy_names_only_users_and_roles_that_there_are(region: LiveRegion) -> None:
    sqs, iam = region.client("sqs"), region.client("iam")
    url = sqs.create_queue(QueueName="named")["QueueUrl"]
    alice = f"arn:aws:iam::{OWNER}:user/queues-alice"

    def policy(*principals: str, member: str = "Principal") -> str:
        effect = "Allow" if member == "Principal" else "Deny"
        statement = {"Effect": effect, member: {"AWS": [*principals]}, "Action": "sqs:*", "Resource": "*"}
        return json.dumps({"Version": "2012-10-17", "Statement": statement})

    def attributes() -> dict[str, str]:
        return dict(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]).get("Attributes", {}))

    for document in (policy(STRANGER, alice), policy(alice, member="NotPrincipal"), policy("AIDAUNKNOWN")):
        for call, named in (
            (sqs.set_queue_attributes, {"QueueUrl": url}),
            (sqs.create_queue, {"QueueName": "named-2"}),
        ):
            with pytest.raises(ClientError, match=r"Invalid value for the parameter Policy\.") as caught:
                call(**named, Attributes={"Policy": document})
            response: Any = caught.value.response
            assert response["Error"]["Code"] == "InvalidAttributeValue"
    assert attributes() == {}
    assert refused(sqs.get_queue_url, QueueName="named-2")[0] == "AWS.SimpleQueueService.NonExistentQueue"
    iam.create_user(UserName="queues-alice")
    both = policy(STRANGER, f"arn:aws:iam::{STRANGER}:root", alice)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": both})
    iam.delete_user(UserName="queues-alice")
    sqs.add_permission(QueueUrl=url, Label="in", AWSAccountIds=[STRANGER], Actions=["SendMessage"])
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    assert attributes() == {}


def test_what_cannot_be_set_is_refused_and_changes_nothing(region: LiveRegion) -> None:
    sqs = region.client("sqs")
    url = sqs.create_queue(QueueName="plain")["QueueUrl"]
    assert refused(sqs.set_queue_attributes, QueueUrl=url, Attributes={"QueueArn": "a"}) == (
        "InvalidAttributeName",
        400,
    )
    unused = {"KmsMasterKeyId": ""}
    sqs.set_queue_attributes(QueueUrl=url, Attributes=unused)
    assert not sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"].keys() & unused.keys()
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    assert refused(sqs.get_queue_url, QueueName="other")[0] == "AWS.SimpleQueueService.NonExistentQueue"


def test_the_query_protocol(region: LiveRegion) -> None:
    def query(path: str, **params: str) -> tuple[int, str]:
        body = urlencode({"Version": "2012-11-05", **params})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        request = AWSRequest("POST", region.endpoint + path, data=body, headers=headers)
        SigV4Auth(Credentials("test", "test"), "sqs", "us-east-1").add_auth(request)
        sent = urllib.request.Request(region.endpoint + path, body.encode(), dict(request.headers.items()))
        try:
            with urllib.request.urlopen(sent, timeout=20) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    status, reply = query("/", Action="CreateQueue", QueueName="old")
    assert (status, f"<QueueUrl>{region.endpoint}/{OWNER}/old</QueueUrl>" in reply) == (200, True)
    status, reply = query(f"/{OWNER}/old", Action="SendMessage", MessageBody="a & b")
    assert "<MD5OfMessageBody>" in reply
    status, reply = query(f"/{OWNER}/old", **{"Action": "ReceiveMessage", "AttributeName.1": "All"})
    assert "<Body>a &amp; b</Body>" in reply
    assert "<Attribute><Name>SenderId</Name>" in reply
    status, reply = query(f"/{OWNER}/absent", Action="ReceiveMessage")
    assert (status, "<Code>AWS.SimpleQueueService.NonExistentQueue</Code>" in reply) == (400, True)


def test_what_is_in_flight_stays_so_over_a_stop_and_is_delivered_again_after_a_crash(own_region: LiveRegion) -> None:
    sqs = own_region.start().client("sqs")
    sqs.create_queue(QueueName="jobs")
    path = f"/{OWNER}/jobs"
    sqs.send_message(QueueUrl=own_region.endpoint + path, MessageBody="a")
    sqs.receive_message(QueueUrl=own_region.endpoint + path, VisibilityTimeout=43_200)
    assert own_region.stop() == 0
    sqs = own_region.start().client("sqs")
    url = own_region.endpoint + path
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (counts["ApproximateNumberOfMessages"], counts["ApproximateNumberOfMessagesNotVisible"]) == ("0", "1")
    sqs.send_message(QueueUrl=url, MessageBody="b")
    own_region.kill()
    sqs = own_region.start().client("sqs")
    messages = sqs.receive_message(QueueUrl=own_region.endpoint + path, MaxNumberOfMessages=10)["Messages"]
    assert [message["Body"] for message in messages] == ["a", "b"]
