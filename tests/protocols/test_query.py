"""The query format: forms, SQS's own names in them, and its XML. Samples are those of the SQS API of 2012-11-05."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from awning.protocols.errors import ServiceError
from awning.protocols.model import Model
from awning.protocols.wire import Wire
from tests.protocols.support import VERSIONS, form_wire, parse, refused, tree

NOT_FOUND = "Could not find operation"
SQS = "{http://queue.amazonaws.com/doc/2012-11-05/}"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_create_queue_as_documented(models: dict[str, Model], method: str) -> None:
    wire = form_wire(
        "sqs",
        "CreateQueue",
        method,
        QueueName="MyQueue",
        **{
            "Attribute.1.Name": "VisibilityTimeout",
            "Attribute.1.Value": "40",
            "Tag.1.Key": "Team",
            "Tag.1.Value": "A+B",
        },
    )
    assert models["sqs"].match(wire).protocol == "query"
    assert parse(models["sqs"], wire) == {
        "queue_name": "MyQueue",
        "attributes": {"VisibilityTimeout": "40"},
        "tags": {"Team": "A+B"},
    }


def test_send_message_as_documented(models: dict[str, Model]) -> None:
    body = (
        b"Action=SendMessage&QueueUrl=http%3A%2F%2Flocalhost%3A4566%2F000000000000%2FMyQueue"
        b"&MessageBody=This+is+a+test+message&MessageAttribute.1.Name=my_attribute_name_1"
        b"&MessageAttribute.1.Value.StringValue=my_attribute_value_1&MessageAttribute.1.Value.DataType=String"
        b"&MessageAttribute.2.Name=b&MessageAttribute.2.Value.BinaryValue=AAE%3D&MessageAttribute.2.Value.DataType=Binary"
        b"&MessageSystemAttribute.1.Name=AWSTraceHeader&MessageSystemAttribute.1.Value.StringValue=Root%3D1"
        b"&MessageSystemAttribute.1.Value.DataType=String"
        b"&DelaySeconds=45&Expires=2020-12-20T22%3A52%3A43PST&Version=2012-11-05"
    )
    wire = Wire("POST", b"/", b"", {b"content-type": b"application/x-www-form-urlencoded; charset=utf-8"}, body)
    assert parse(models["sqs"], wire) == {
        "queue_url": "http://localhost:4566/000000000000/MyQueue",
        "message_body": "This is a test message",
        "delay_seconds": 45,
        "message_attributes": {
            "my_attribute_name_1": {"StringValue": "my_attribute_value_1", "DataType": "String"},
            "b": {"BinaryValue": b"\0\1", "DataType": "Binary"},
        },
        "message_system_attributes": {"AWSTraceHeader": {"StringValue": "Root=1", "DataType": "String"}},
    }


def test_the_queue_may_be_named_by_the_path(models: dict[str, Model]) -> None:
    wire = form_wire(
        "sqs", "ReceiveMessage", "GET", b"/000000000000/MyQueue", AttributeName="All", MaxNumberOfMessages="5"
    )
    assert parse(models["sqs"], wire) == {
        "queue_url": "http://localhost:4566/000000000000/MyQueue",
        "attribute_names": ["All"],
        "max_number_of_messages": 5,
    }
    assert parse(models["sqs"], form_wire("sqs", "ListQueues", "GET", b"/000000000000/")) == {}
    for action in ("ListQueues", "CreateQueue"):
        with pytest.raises(ServiceError, match=f"The action {action} is not valid for this endpoint"):
            parse(models["sqs"], form_wire("sqs", action, "GET", b"/000000000000/MyQueue", QueueName="x"))


def test_batches_and_lists_as_documented(models: dict[str, Model]) -> None:
    entries = {
        "SendMessageBatchRequestEntry.2.Id": "second",
        "SendMessageBatchRequestEntry.2.MessageBody": "two",
        "SendMessageBatchRequestEntry.1.Id": "first",
        "SendMessageBatchRequestEntry.1.MessageBody": "one",
        "SendMessageBatchRequestEntry.10.Id": "third",
        "SendMessageBatchRequestEntry.10.MessageBody": "three",
    }
    got = parse(models["sqs"], form_wire("sqs", "SendMessageBatch", QueueUrl="u", **entries))
    assert [entry["Id"] for entry in got["entries"]] == ["first", "second", "third"]
    permission = {"AWSAccountId.1": "125074342641", "ActionName.1": "SendMessage", "ActionName.2": "ReceiveMessage"}
    got = parse(models["sqs"], form_wire("sqs", "AddPermission", QueueUrl="u", Label="l", **permission))
    assert (got["aws_account_ids"], got["actions"]) == (["125074342641"], ["SendMessage", "ReceiveMessage"])
    names = {"AttributeName.1": "All", "MessageSystemAttributeName.1": "SenderId", "MessageAttributeName.1": "a.*"}
    got = parse(models["sqs"], form_wire("sqs", "ReceiveMessage", QueueUrl="u", **names))
    assert got["message_system_attribute_names"] == ["SenderId"]
    got = parse(models["sqs"], form_wire("sqs", "UntagQueue", QueueUrl="u", **{"TagKey.1": "a", "TagKey.2": "b"}))
    assert got["tag_keys"] == ["a", "b"]


def test_send_messages_reply_as_documented(models: dict[str, Model]) -> None:
    result = {
        "MD5OfMessageBody": "fafb00f5732ab283681e124bf8747ed1",
        "MessageId": "5fea7756-0ea4-451a-a703-a558b933e274",
    }
    reply = models["sqs"].operations["SendMessage"].write(result, "27daac76-34dd-47df-bd01-1f6e873584a0", "query")
    assert reply.body == (
        b'<?xml version="1.0"?><SendMessageResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><SendMessageResult>'
        b"<MD5OfMessageBody>fafb00f5732ab283681e124bf8747ed1</MD5OfMessageBody>"
        b"<MessageId>5fea7756-0ea4-451a-a703-a558b933e274</MessageId></SendMessageResult>"
        b"<ResponseMetadata><RequestId>27daac76-34dd-47df-bd01-1f6e873584a0</RequestId></ResponseMetadata>"
        b"</SendMessageResponse>"
    )
    assert (b"content-type", b"text/xml") in reply.headers


def test_received_messages_as_documented(models: dict[str, Model]) -> None:
    message = {"MessageId": "m", "Body": "a\rb<", "Attributes": {"SenderId": "1", "SentTimestamp": "2"}}
    reply = models["sqs"].operations["ReceiveMessage"].write({"Messages": [message, message]}, "r", "query")
    found = tree(reply.body).findall(f"{SQS}ReceiveMessageResult/{SQS}Message")
    assert len(found) == 2
    assert [(a[0].text, a[1].text) for a in found[0].findall(f"{SQS}Attribute")] == [
        ("SenderId", "1"),
        ("SentTimestamp", "2"),
    ]
    assert b"<Body>a&#xD;b&lt;</Body>" in reply.body


def test_an_operation_without_output_has_no_result(models: dict[str, Model]) -> None:
    reply = models["iam"].operations["DeleteUser"].write({}, "r", "query")
    assert reply.body == (
        b'<DeleteUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ResponseMetadata><RequestId>r</RequestId>'
        b"</ResponseMetadata></DeleteUserResponse>"
    )


def form(text: str, service: str = "iam") -> Wire:
    return Wire("POST", b"/", b"", {}, f"{text}&Version={VERSIONS[service]}".encode())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("UserName=a&UserName=b", "given more than once"),
        ("UserName=a&UserName.b=c", "both a value and a structure"),
        ("UserName.b=c&UserName=a", "both a value and a structure"),
        ("UserName.b=c", "UserName is a single value"),
        ("UserName=%ff", "not UTF-8"),
        ("UserName=%ED%A0%80", "not UTF-8"),
        ("UserName=a&Tags.1.Key=a", "named member.1"),
        ("UserName=a&Tags.member=a", "A structure was expected"),
        ("UserName=a&Tags=a", "named member.1"),
        ("UserName=a&Tags.member.x.Key=a", "not a number"),
        ("UserName=a&Tags.member.-1.Key=a", "not a number"),
        ("UserName=a&Tags.member.9999999999999999999.Key=a", "not a number"),
        ("UserName=a&Tags.member.%D9%A1.Key=a", "not a number"),
        ("UserName=a&Tags.member.1.Key=a&Tags.member.01.Key=b", "the same number"),
        ("UserName=a&Tags.member.1=a", "A structure was expected"),
        ("UserName=a&" + "Tags." * 40 + "b=c", "too many parts"),
        ("&".join(f"a{n}=b" for n in range(20_001)), "more than 20000 parameters"),
    ],
)
def test_a_form_that_says_no_request_is_malformed(models: dict[str, Model], text: str, reason: str) -> None:
    error = refused(models["iam"], form(f"Action=CreateUser&{text}"))
    assert (error.code, error.status) == ("MalformedInput", 400)
    assert reason in error.message


@pytest.mark.parametrize(
    "attributes",
    [
        {"Attribute.1.Name": "Policy"},
        {"Attribute.1.Value": "x"},
        {"Attribute.1": "x"},
        {"Attribute.1.Name.x": "Policy", "Attribute.1.Value": "x"},
        {"Attribute.1.Name": "a", "Attribute.1.Value": "b", "Attribute.1.Colour": "c"},
        {"Attribute.1.Name": "a", "Attribute.1.Value": "b", "Attribute.2.Name": "a", "Attribute.2.Value": "c"},
    ],
)
def test_a_map_needs_whole_entries(models: dict[str, Model], attributes: dict[str, str]) -> None:
    error = refused(models["sqs"], form_wire("sqs", "CreateQueue", QueueName="a", **attributes))
    assert (error.code, error.status) == ("MalformedQueryString", 400)


def test_an_empty_list_is_sent_as_an_empty_value(models: dict[str, Model]) -> None:
    assert parse(models["iam"], form_wire("iam", "UntagUser", UserName="a", TagKeys=""))["tag_keys"] == []


@pytest.mark.parametrize(
    ("service", "form", "code", "message"),
    [
        ("iam", {"Action": "Dance", "Version": "2010-05-08"}, "InvalidAction", f"{NOT_FOUND} Dance for version 2010-05-08"),
        ("iam", {"Action": "ListUsers"}, "InvalidAction", f"{NOT_FOUND} ListUsers for version NO_VERSION_SPECIFIED"),
        ("iam", {"Action": "ListUsers", "Version": "1"}, "InvalidAction", f"{NOT_FOUND} ListUsers for version 1"),
        ("iam", {"Version": "2010-05-08"}, "MissingAction", "The request must contain the parameter Action."),
        ("sqs", {"Action": "Dance"}, "InvalidAction", "The action Dance is not valid for this endpoint."),
    ],
)  # fmt: skip
def test_an_unknown_operation(models: dict[str, Model], service: str, form: Any, code: str, message: str) -> None:
    error = refused(models[service], Wire("POST", b"/", b"", {}, urlencode(form).encode()))
    assert (error.code, error.message, error.status) == (code, message, 400)


def test_other_methods_are_not_allowed(models: dict[str, Model]) -> None:
    error = refused(models["iam"], Wire("PUT", b"/", b"Action=ListUsers&Version=2010-05-08", {}, b""))
    assert error.status == 405


def test_a_parameter_in_both_query_and_body_is_refused(models: dict[str, Model]) -> None:
    wire = Wire("POST", b"/", b"UserName=a", {}, b"Action=CreateUser&Version=2010-05-08&UserName=b")
    assert refused(models["iam"], wire).code == "MalformedInput"
