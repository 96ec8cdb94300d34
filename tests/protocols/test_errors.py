"""Errors in each service's own form, as botocore reads them and as they are on the wire."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest
from botocore.awsrequest import AWSRequest
from botocore.parsers import create_parser

from awning.protocols.errors import NamedError, ServiceError
from awning.protocols.model import Model
from awning.protocols.reply import Reply, write_error
from tests.protocols.peer import CONVERSATIONS, Peer
from tests.protocols.support import json_wire, refused, tree


def read(protocol: str, reply: Reply) -> dict[str, Any]:
    """What botocore's parser makes of an error."""
    headers = AWSRequest(headers={key.decode(): value.decode() for key, value in reply.headers}).headers
    found = {"status_code": reply.status, "headers": headers, "body": reply.body}
    parsed: dict[str, Any] = create_parser(protocol).parse(found, None)
    return parsed


@pytest.mark.parametrize(("service", "protocol"), CONVERSATIONS)
def test_every_modelled_error_is_read_by_its_code(
    service: str, protocol: str, models: dict[str, Model], peers: dict[tuple[str, str], Peer]
) -> None:
    model = models[service]
    for shape in peers[service, protocol].model.error_shapes:
        error = NamedError(shape.name, "It <is> & was so.")
        reply = write_error(model, protocol, error, "request-1", "/somewhere")
        found = read(protocol, reply)
        declared = shape.metadata.get("error", {})
        code = model.known_error(error).query_code if service == "sqs" else declared.get("code", shape.name)
        assert found["Error"]["Code"] == code
        assert found["Error"]["Message"] == "It <is> & was so."
        assert found["ResponseMetadata"]["RequestId"] == "request-1"
        assert reply.status == (declared.get("httpStatusCode") or reply.status)
        assert 400 <= reply.status < 600


def test_a_rooms_error_is_known_by_its_code_too(models: dict[str, Model]) -> None:
    class NoSuchEntity(ServiceError):
        status: int = 499

    reply = write_error(models["iam"], "query", NoSuchEntity("The user with name a cannot be found."), "r")
    assert reply.status == 404
    assert reply.body == (
        b'<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type>'
        b"<Code>NoSuchEntity</Code><Message>The user with name a cannot be found.</Message></Error>"
        b"<RequestId>r</RequestId></ErrorResponse>"
    )
    assert (b"x-amzn-requestid", b"r") in reply.headers


class QueueDoesNotExist(ServiceError):
    headers: ClassVar[list[tuple[bytes, bytes]]] = [(b"x-more", b"1")]  # type: ignore[assignment]


def test_sqs_has_a_code_of_old_for_its_errors(models: dict[str, Model]) -> None:
    error = QueueDoesNotExist("The specified queue does not exist.")
    reply = write_error(models["sqs"], "json", error, "r")
    assert reply.status == 400
    assert json.loads(reply.body) == {
        "__type": "com.amazonaws.sqs#QueueDoesNotExist",
        "message": "The specified queue does not exist.",
    }
    assert dict(reply.headers) == {
        b"content-type": b"application/x-amz-json-1.0",
        b"x-amzn-requestid": b"r",
        b"x-amzn-query-error": b"AWS.SimpleQueueService.NonExistentQueue;Sender",
        b"x-more": b"1",
    }
    reply = write_error(models["sqs"], "query", error, "r")
    assert reply.body == (
        b'<?xml version="1.0"?><ErrorResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><Error><Type>Sender</Type>'
        b"<Code>AWS.SimpleQueueService.NonExistentQueue</Code><Message>The specified queue does not exist.</Message><Detail/>"
        b"</Error><RequestId>r</RequestId></ErrorResponse>"
    )


@pytest.mark.parametrize(
    ("code", "status", "json_type", "query_error"),
    [
        ("InvalidParameterValue", 400, "com.amazon.coral.service#InvalidParameterValueException", "InvalidParameterValue;Sender"),
        ("MissingParameter", 400, "com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter;Sender"),
        ("AccessDenied", 403, "com.amazon.coral.service#AccessDeniedException", "AccessDenied;Sender"),
        ("InternalFailure", 500, "com.amazon.coral.service#InternalFailure", "InternalFailure;Receiver"),
        ("OverLimit", 403, "com.amazonaws.sqs#OverLimit", "OverLimit;Sender"),
        ("QueueNameExists", 400, "com.amazonaws.sqs#QueueNameExists", "QueueAlreadyExists;Sender"),
        ("NotImplemented", 501, "com.amazon.coral.service#NotImplemented", "NotImplemented;Receiver"),
    ],
)  # fmt: skip
def test_types_and_query_codes_of_sqs(
    models: dict[str, Model], code: str, status: int, json_type: str, query_error: str
) -> None:
    reply = write_error(models["sqs"], "json", NamedError(code, "m", status), "r")
    assert reply.status == status
    assert json.loads(reply.body)["__type"] == json_type
    assert dict(reply.headers)[b"x-amzn-query-error"].decode() == query_error


def test_s3s_errors_carry_members_the_resource_and_two_ids(models: dict[str, Model]) -> None:
    error = NamedError(
        "SignatureDoesNotMatch", "It does not.", 403, CanonicalRequest="GET\n/\n<&>", Given=True, Left=None
    )
    reply = write_error(models["s3"], "rest-xml", error, "request-1", "/b/k")
    root = tree(reply.body)
    assert root.tag == "Error"
    assert [(child.tag, child.text) for child in root][:-1] == [
        ("Code", "SignatureDoesNotMatch"),
        ("Message", "It does not."),
        ("CanonicalRequest", "GET\n/\n<&>"),
        ("Given", "true"),
        ("Resource", "/b/k"),
        ("RequestId", "request-1"),
    ]
    assert root[-1].tag == "HostId"
    assert dict(reply.headers)[b"x-amz-id-2"].decode() == root[-1].text
    assert reply.body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<Error>')


def test_s3_renames_our_own_fault(models: dict[str, Model]) -> None:
    reply = write_error(models["s3"], "rest-xml", NamedError("InternalFailure", "", 500), "r")
    assert tree(reply.body)[0].text == "InternalError"
    assert reply.status == 500


def test_no_body_where_http_allows_none(models: dict[str, Model]) -> None:
    s3 = models["s3"]
    for reply in (
        write_error(s3, "rest-xml", NamedError("NoSuchKey"), "r", head=True),
        write_error(s3, "rest-xml", NamedError("NoSuchKey"), "r", operation=s3.operations["HeadObject"]),
        write_error(s3, "rest-xml", NamedError("NotModified", "", 304), "r"),
    ):
        assert reply.body == b""
        assert reply.status in (404, 304)


@pytest.mark.parametrize("protocol", ["rest-xml", "query", "json", "smoke"])
def test_an_error_without_a_service(protocol: str) -> None:
    reply = write_error(None, protocol, NamedError("NotImplemented", "No such service.", 501), "r")
    assert reply.status == 501
    assert b"NotImplemented" in reply.body


def test_an_unknown_target(models: dict[str, Model]) -> None:
    error = refused(models["sqs"], json_wire("Dance", {}))
    assert (error.code, error.status) == ("UnknownOperationException", 400)
    reply = write_error(models["sqs"], "json", error, "r")
    assert json.loads(reply.body)["__type"] == "com.amazon.coral.service#UnknownOperationException"
