"""Every error that SQS documents and a client can bring about: its name, in JSON and in the query protocol, and its status."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.conftest import LiveRegion
from tests.protocols.peer import Peer

ARN = "arn:aws:sqs:us-east-1:000000000000:"
PREFIX = "AWS.SimpleQueueService."
LONG = 1_048_577

Row = tuple[str, dict[str, Any], str, str, int]


def entries(*ids: str, **given: Any) -> list[dict[str, Any]]:
    return [{"Id": id, **(given or {"MessageBody": "hi"})} for id in ids]


def attribute(value: Any = "1", kind: str = "String", name: str = "a") -> dict[str, Any]:
    member = "BinaryValue" if isinstance(value, bytes) else "StringValue"
    return {name: {"DataType": kind, member: value}}


WRONG, WRONG_QUERY = "InvalidParameterValueException", "InvalidParameterValue"
LIMITS = {
    "VisibilityTimeout": ("-1", "43201", "x"),
    "MaximumMessageSize": ("1023", "1048577"),
    "MessageRetentionPeriod": ("59", "1209601"),
    "DelaySeconds": ("-1", "901"),
    "ReceiveMessageWaitTimeSeconds": ("-1", "21"),
}


def about_queues(url: str) -> list[Row]:
    """Operation, parameters, and how it is refused: JSON type, query code, status."""

    def setting(name: str, value: str, code: str, query: str = "") -> Row:
        return "SetQueueAttributes", {"QueueUrl": url, "Attributes": {name: value}}, code, query or code, 400

    elsewhere = url.rsplit("/", 1)[0] + "/none"
    return [
        *(setting(name, value, "InvalidAttributeValue") for name, values in LIMITS.items() for value in values),
        setting("Nonsense", "1", "InvalidAttributeName"),
        setting("Policy", "nonsense", "InvalidAttributeValue"),
        setting("RedrivePolicy", "nonsense", "InvalidAttributeValue"),
        setting("RedrivePolicy", '{"maxReceiveCount": 1}', WRONG, WRONG_QUERY),
        setting("RedriveAllowPolicy", "{}", "InvalidAttributeValue"),
        ("GetQueueAttributes", {"QueueUrl": url, "AttributeNames": ["X"]}, *["InvalidAttributeName"] * 2, 400),
        ("GetQueueUrl", {"QueueName": "none"}, "QueueDoesNotExist", PREFIX + "NonExistentQueue", 400),
        ("DeleteQueue", {"QueueUrl": elsewhere}, "QueueDoesNotExist", PREFIX + "NonExistentQueue", 400),
        ("DeleteQueue", {"QueueUrl": "http://localhost/nonsense"}, "InvalidAddress", "InvalidAddress", 404),
        ("CreateQueue", {"QueueName": "a b"}, WRONG, WRONG_QUERY, 400),
        ("CreateQueue", {"QueueName": "x" * 81}, WRONG, WRONG_QUERY, 400),
        (
            "CreateQueue",
            {"QueueName": url.rsplit("/", 1)[1], "Attributes": {"DelaySeconds": "1"}},
            "QueueNameExists",
            "QueueAlreadyExists",
            400,
        ),
        ("PurgeQueue", {"QueueUrl": url}, "PurgeQueueInProgress", PREFIX + "PurgeQueueInProgress", 403),
    ]


def about_messages(url: str) -> list[Row]:
    """The same for what is sent."""

    def send(json_type: str, query: str = "", /, **given: Any) -> Row:
        return "SendMessage", {"QueueUrl": url, "MessageBody": "hi", **given}, json_type, query or json_type, 400

    return [
        send("MissingRequiredParameterException", "MissingParameter", MessageBody=""),
        send("InvalidMessageContents", MessageBody="\x0b"),
        send(WRONG, WRONG_QUERY, MessageBody="x" * LONG),
        send(WRONG, WRONG_QUERY, DelaySeconds=901),
        send(WRONG, WRONG_QUERY, MessageDeduplicationId="x"),
        send(WRONG, WRONG_QUERY, MessageGroupId="x" * 129),
        send(WRONG, WRONG_QUERY, MessageAttributes=attribute(kind="Bool")),
        send(WRONG, WRONG_QUERY, MessageAttributes=attribute("x", "Number")),
        send(WRONG, WRONG_QUERY, MessageAttributes=attribute("1e129", "Number")),
        send(WRONG, WRONG_QUERY, MessageAttributes=attribute("", "String.custom")),
        send(WRONG, WRONG_QUERY, MessageAttributes=attribute(b"", "Binary.png")),
        send(WRONG, WRONG_QUERY, MessageAttributes=attribute("x", "Binary")),
        *(
            send(WRONG, WRONG_QUERY, MessageAttributes=attribute(name=name))
            for name in ("AWS.x", ".x", "a..b", "x" * 257)
        ),
        send(
            WRONG, WRONG_QUERY, MessageAttributes={k: v for n in range(11) for k, v in attribute(name=f"a{n}").items()}
        ),
        send(WRONG, WRONG_QUERY, MessageSystemAttributes=attribute("1", "Number", "AWSTraceHeader")),
    ]


def about_the_rest(url: str) -> list[Row]:
    """The same for batches, receives, move tasks, permissions and tags."""

    def batch(operation: str, several: list[dict[str, Any]], code: str) -> Row:
        return operation, {"QueueUrl": url, "Entries": several}, code, PREFIX + code, 400

    def receive(name: str, value: Any, code: str = WRONG) -> Row:
        return "ReceiveMessage", {"QueueUrl": url, name: value}, code, code.removesuffix("Exception"), 400

    handle = {"QueueUrl": url, "ReceiptHandle": "made up"}
    return [
        batch("SendMessageBatch", [], "EmptyBatchRequest"),
        batch("SendMessageBatch", entries(*map(str, range(11))), "TooManyEntriesInBatchRequest"),
        batch("SendMessageBatch", entries("a", "a"), "BatchEntryIdsNotDistinct"),
        batch("SendMessageBatch", entries("a b"), "InvalidBatchEntryId"),
        batch("SendMessageBatch", entries("x" * 81), "InvalidBatchEntryId"),
        batch("SendMessageBatch", entries("a", "b", MessageBody="x" * (LONG // 2 + 1)), "BatchRequestTooLong"),
        batch("DeleteMessageBatch", entries("a", "a", ReceiptHandle="x"), "BatchEntryIdsNotDistinct"),
        batch("ChangeMessageVisibilityBatch", [], "EmptyBatchRequest"),
        receive("MaxNumberOfMessages", 0),
        receive("MaxNumberOfMessages", 11),
        receive("WaitTimeSeconds", 21),
        receive("VisibilityTimeout", 43_201),
        receive("AttributeNames", ["X"], "InvalidAttributeName"),
        ("DeleteMessage", handle, "ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 400),
        ("ChangeMessageVisibility", {**handle, "VisibilityTimeout": 1}, *["ReceiptHandleIsInvalid"] * 2, 400),
        ("ChangeMessageVisibility", {**handle, "VisibilityTimeout": 43_201}, WRONG, WRONG_QUERY, 400),
        ("ListQueues", {"MaxResults": 1001}, WRONG, WRONG_QUERY, 400),
        ("ListDeadLetterSourceQueues", {"QueueUrl": url, "MaxResults": 0}, WRONG, WRONG_QUERY, 400),
        ("StartMessageMoveTask", {"SourceArn": ARN + "none"}, *["ResourceNotFoundException"] * 2, 404),
        ("StartMessageMoveTask", {"SourceArn": ARN + url.rsplit("/", 1)[1]}, WRONG, WRONG_QUERY, 400),
        ("CancelMessageMoveTask", {"TaskHandle": "made up"}, WRONG, WRONG_QUERY, 400),
        (
            "AddPermission",
            {"QueueUrl": url, "Label": "l", "AWSAccountIds": ["000000000000"], "Actions": ["DeleteQueue"]},
            WRONG,
            WRONG_QUERY,
            400,
        ),
        (
            "AddPermission",
            {"QueueUrl": url, "Label": "l", "AWSAccountIds": ["000000000000"], "Actions": ["SendMessage"] * 8},
            "OverLimit",
            "OverLimit",
            403,
        ),
        ("RemovePermission", {"QueueUrl": url, "Label": "none"}, WRONG, WRONG_QUERY, 400),
        ("TagQueue", {"QueueUrl": url, "Tags": {"aws:x": "1"}}, WRONG, WRONG_QUERY, 400),
        ("TagQueue", {"QueueUrl": url, "Tags": {str(n): "1" for n in range(51)}}, WRONG, WRONG_QUERY, 400),
    ]


def rows(url: str) -> list[Row]:
    return [*about_queues(url), *about_messages(url), *about_the_rest(url)]


def answer(region: LiveRegion, protocol: str, operation: str, params: dict[str, Any]) -> tuple[int, str]:
    """Status and body of a call's answer."""
    wire = Peer("sqs", protocol).request(operation, params)
    headers = {name.decode(): value.decode() for name, value in wire.headers.items()}
    request = AWSRequest("POST", f"{region.endpoint}/", data=wire.body, headers=headers)
    SigV4Auth(Credentials("test", "test"), "sqs", "us-east-1").add_auth(request)
    sent = urllib.request.Request(request.url, wire.body, dict(request.headers), method="POST")
    try:
        with urllib.request.urlopen(sent, timeout=20) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_every_error_has_its_name_in_both_protocols(region: LiveRegion, name: str) -> None:
    sqs = region.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    sqs.purge_queue(QueueUrl=url)
    wrong = []
    for operation, params, json_type, query_code, status in rows(url):
        found, body = answer(region, "json", operation, params)
        said = json.loads(body).get("__type", "").rpartition("#")[2]
        if (found, said) != (status, json_type):
            wrong.append(
                f"JSON {operation} {str(params)[:150]}: {found} {said}, not {status} {json_type}: {body[:200]}"
            )
        if json.loads(body).get("message", json.loads(body).get("Message")) in (None, ""):
            wrong.append(f"JSON {operation}: no message")
        found, body = answer(region, "query", operation, params)
        code = re.search(r"<Code>(.*?)</Code>", body)
        if (found, code and code[1]) != (status, query_code):
            wrong.append(f"query {operation} {str(params)[:150]}: {found} {body[:300]}, not {status} {query_code}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("protocol", ["json", "query"])
def test_a_message_that_is_visible_again_can_be_hidden(region: LiveRegion, name: str, protocol: str) -> None:
    sqs = region.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="hi")
    (message,) = sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
    params = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 60}
    status, _ = answer(region, protocol, "ChangeMessageVisibility", params)
    assert status == 200
    assert "Messages" not in sqs.receive_message(QueueUrl=url)


@pytest.mark.parametrize("size", [1_048_576])
def test_a_message_of_a_whole_mebibyte(region: LiveRegion, name: str, size: int) -> None:
    sqs = region.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x" * size)
    half = entries("a", "b", MessageBody="y" * (size // 2))
    assert len(sqs.send_message_batch(QueueUrl=url, Entries=half)["Successful"]) == 2
    found = [sqs.receive_message(QueueUrl=url)["Messages"][0] for _ in range(3)]
    assert sorted(len(message["Body"]) for message in found) == [size // 2, size // 2, size]


def test_dead_letters_and_moves_by_the_old_protocol(region: LiveRegion, name: str) -> None:
    sqs = region.client("sqs")
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    policy = json.dumps({"deadLetterTargetArn": f"{ARN}{name}-dead", "maxReceiveCount": 1})
    url = sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "0"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    assert sqs.receive_message(QueueUrl=url)["Messages"]
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]
    _, body = answer(region, "query", "ListDeadLetterSourceQueues", {"QueueUrl": dead})
    assert f"<QueueUrl>{url}</QueueUrl>" in body
    _, body = answer(region, "query", "StartMessageMoveTask", {"SourceArn": f"{ARN}{name}-dead"})
    assert "<TaskHandle>" in body
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    assert message["Body"] == "poison"
    _, body = answer(region, "query", "ListMessageMoveTasks", {"SourceArn": f"{ARN}{name}-dead"})
    assert "<Status>COMPLETED</Status>" in body
    assert "<ApproximateNumberOfMessagesMoved>1</ApproximateNumberOfMessagesMoved>" in body
