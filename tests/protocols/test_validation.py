"""What breaks a model is refused with the service's own codes and words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from awning.protocols.checking import show
from awning.protocols.model import Model
from awning.protocols.registry import build
from awning.protocols.shapes import compile_pattern
from tests.protocols.support import form_wire, json_wire, parse, refused, s3_wire


def told(model: Model, wire: Any) -> tuple[str, str]:
    error = refused(model, wire)
    assert error.status == 400
    return error.code, error.message


def test_a_long_or_empty_name_is_told_its_bounds(models: dict[str, Model]) -> None:
    assert told(models["iam"], form_wire("iam", "CreateUser", UserName="a" * 65)) == (
        "ValidationError",
        "1 validation error detected: Value at 'userName' failed to satisfy constraint: "
        "Member must have length less than or equal to 64",
    )
    assert told(models["iam"], form_wire("iam", "CreateAccessKey", UserName="")) == (
        "ValidationError",
        "1 validation error detected: Value at 'userName' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1",
    )


def test_all_that_is_wrong_is_told_at_once(models: dict[str, Model]) -> None:
    wire = form_wire("sts", "AssumeRole", RoleSessionName="my session", DurationSeconds="10", RoleArn="arn")
    code, message = told(models["sts"], wire)
    assert code == "ValidationError"
    assert message.startswith("3 validation errors detected: ")
    assert "Value 'arn' at 'roleArn' failed to satisfy constraint: Member must have length greater than" in message
    pattern = r"Member must satisfy regular expression pattern: [\w+=,.@-]*"
    assert f"Value 'my session' at 'roleSessionName' failed to satisfy constraint: {pattern}" in message
    assert (
        "Value '10' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than" in message
    )


def test_a_missing_member_is_null(models: dict[str, Model]) -> None:
    assert told(models["iam"], form_wire("iam", "CreateUser")) == (
        "ValidationError",
        "1 validation error detected: Value at 'userName' failed to satisfy constraint: Member must not be null",
    )
    wire = form_wire("iam", "TagUser", UserName="a", **{"Tags.member.1.Key": "k"})
    assert "Value at 'tags.1.member.value' failed to satisfy constraint" in told(models["iam"], wire)[1]


def test_nested_members_are_told_by_their_number(models: dict[str, Model]) -> None:
    tags = {
        "Tags.member.1.Key": "a",
        "Tags.member.1.Value": "",
        "Tags.member.2.Key": "b" * 129,
        "Tags.member.2.Value": "",
    }
    code, message = told(models["iam"], form_wire("iam", "TagUser", UserName="a", **tags))
    assert code == "ValidationError"
    assert (
        "at 'tags.2.member.key' failed to satisfy constraint: Member must have length less than or equal to 128"
        in message
    )


def test_a_tags_characters_are_told_by_their_pattern(models: dict[str, Model]) -> None:
    tags = {"Tags.member.1.Key": "a!", "Tags.member.1.Value": ""}
    assert told(models["iam"], form_wire("iam", "TagUser", UserName="a", **tags)) == (
        "ValidationError",
        "1 validation error detected: Value at 'tags.1.member.key' failed to satisfy constraint: Member must satisfy "
        r"regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+",
    )


def test_items_of_a_list_are_told_together(models: dict[str, Model]) -> None:
    wire = form_wire("iam", "UntagUser", UserName="a", **{"TagKeys.member.1": "ok", "TagKeys.member.2": "x" * 129})
    message = told(models["iam"], wire)[1]
    wanted = (
        "1 validation error detected: Value at 'tagKeys' failed to satisfy constraint: Member must satisfy constraint: "
        "[Member must have length less than or equal to 128, Member must have length greater than or equal to 1, Member "
        r"must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+, Member must not be null]"
    )
    assert message == wanted
    assert told(models["iam"], form_wire("iam", "UntagUser", UserName="a", **{"TagKeys.member.1": "no!"}))[1] == wanted


def test_iam_lists_members_in_an_order_of_its_own(models: dict[str, Model]) -> None:
    wire = form_wire(
        "iam",
        "UpdateAccountPasswordPolicy",
        MaxPasswordAge="1096",
        MinimumPasswordLength="129",
        PasswordReusePrevention="25",
    )
    assert told(models["iam"], wire)[1] == (
        "3 validation errors detected: Value at 'minimumPasswordLength' failed to satisfy constraint: Member must have "
        "value less than or equal to 128; Value at 'passwordReusePrevention' failed to satisfy constraint: Member must "
        "have value less than or equal to 24; Value at 'maxPasswordAge' failed to satisfy constraint: Member must have "
        "value less than or equal to 1095"
    )
    wire = form_wire(
        "iam",
        "CreateOpenIDConnectProvider",
        Url="b" * 256,
        **{"ThumbprintList.member.1": "b" * 41, "ClientIDList.member.1": "b" * 256},
    )
    message = told(models["iam"], wire)[1]
    assert message.index("'clientIDList'") < message.index("'thumbprintList'") < message.index("'url'")


def test_iam_tells_patterns_in_its_own_words(models: dict[str, Model]) -> None:
    assert told(models["iam"], form_wire("iam", "CreateUser", UserName="a b")) == (
        "ValidationError",
        "The specified value for userName is invalid. It must contain only alphanumeric characters and/or the following: "
        "+=,.@_-",
    )
    assert told(models["iam"], form_wire("iam", "CreateUser", UserName="a", Path="here"))[1].startswith(
        "The specified value for path is invalid. It must begin and end with /"
    )


def test_an_enum_and_a_range(models: dict[str, Model]) -> None:
    wire = form_wire("iam", "UpdateAccessKey", AccessKeyId="AKIAIOSFODNN7EXAMPLE", Status="Asleep")
    assert told(models["iam"], wire) == (
        "ValidationError",
        "1 validation error detected: Value at 'status' failed to satisfy constraint: "
        "Member must satisfy enum value set: [Active, Inactive, Expired]",
    )
    wire = form_wire("iam", "ListUsers", MaxItems="1001")
    assert told(models["iam"], wire)[1].endswith(
        "Value at 'maxItems' failed to satisfy constraint: Member must have value less than or equal to 1000"
    )


@pytest.mark.parametrize("value", ["abc", "1.5", "", "0x10", "1e3", "99999999999999999999", "2147483648", "١"])
def test_what_is_no_integer_is_malformed(models: dict[str, Model], value: str) -> None:
    assert told(models["iam"], form_wire("iam", "ListUsers", MaxItems=value))[0] == "MalformedInput"
    code, message = told(models["sqs"], form_wire("sqs", "ReceiveMessage", QueueUrl="u", WaitTimeSeconds=value))
    assert code == "InvalidParameterValue"
    assert message == f"Value {value} for parameter WaitTimeSeconds is invalid. Reason: Must be an Integer."


@pytest.mark.parametrize(
    "wire", [json_wire("SendMessage", {"QueueUrl": "u"}), form_wire("sqs", "SendMessage", QueueUrl="u")]
)
def test_sqs_names_the_parameter_that_is_missing(models: dict[str, Model], wire: Any) -> None:
    assert told(models["sqs"], wire) == ("MissingParameter", "The request must contain the parameter MessageBody.")


def test_sqs_names_the_attribute_that_is_unknown(models: dict[str, Model]) -> None:
    body = {"QueueName": "a", "Attributes": {"Colour": "red"}}
    assert told(models["sqs"], json_wire("CreateQueue", body)) == ("InvalidAttributeName", "Unknown Attribute Colour.")
    body = {"QueueUrl": "a", "AttributeNames": ["All", "Colour"]}
    assert told(models["sqs"], json_wire("GetQueueAttributes", body))[0] == "InvalidAttributeName"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "The request body is not well-formed JSON."),
        (b"[]", "Start of list found where not expected"),
        (b"3", "Unexpected field type"),
        ({"QueueUrl": 3, "MessageBody": "b"}, "NUMBER_VALUE can not be converted to String"),
        ({"QueueUrl": {}, "MessageBody": "b"}, "Start of structure or map found where not expected."),
        ({"QueueUrl": [], "MessageBody": "b"}, "Start of list found where not expected"),
        ({"QueueUrl": "u", "MessageBody": "b", "DelaySeconds": "1"}, "STRING_VALUE can not be converted to Integer"),
        ({"QueueUrl": "u", "MessageBody": "b", "DelaySeconds": True}, "TRUE_VALUE can not be converted to Integer"),
        ({"QueueUrl": "u", "MessageBody": "b", "DelaySeconds": 1.5}, "NUMBER_VALUE can not be converted to Integer"),
        (
            {"QueueUrl": "u", "MessageBody": "b", "DelaySeconds": 1 << 31},
            "NUMBER_VALUE can not be converted to Integer",
        ),
        ({"QueueUrl": "u", "MessageBody": "b", "MessageAttributes": "x"}, "Unexpected field type"),
        ({"QueueUrl": "u", "MessageBody": "b", "MessageAttributes": []}, "Start of list found where not expected"),
        (
            {
                "QueueUrl": "u",
                "MessageBody": "b",
                "MessageAttributes": {"a": {"DataType": "Binary", "BinaryValue": "?"}},
            },
            "STRING_VALUE can not be converted to a Blob: it is not Base64",
        ),
    ],
)
def test_json_of_the_wrong_type(models: dict[str, Model], body: Any, message: str) -> None:
    assert told(models["sqs"], json_wire("SendMessage", body)) == ("SerializationException", message)


def test_a_null_is_absent_and_a_whole_float_an_integer(models: dict[str, Model]) -> None:
    body = {"QueueUrl": "u", "MessageBody": "b", "DelaySeconds": 5.0, "MessageGroupId": None}
    assert parse(models["sqs"], json_wire("SendMessage", body)) == {
        "queue_url": "u",
        "message_body": "b",
        "delay_seconds": 5,
    }
    error = told(models["sqs"], json_wire("DeleteMessageBatch", {"QueueUrl": "u", "Entries": [None]}))
    assert error[0] == "SerializationException"


def described(shape: dict[str, Any]) -> Model:
    """A JSON service with one operation, whose parameter `Thing` is of this shape."""
    return build(
        "example",
        ("json",),
        {
            "metadata": {"protocol": "json", "targetPrefix": "Example", "jsonVersion": "1.1"},
            "operations": {
                "Do": {"name": "Do", "http": {"method": "POST", "requestUri": "/"}, "input": {"shape": "In"}}
            },
            "shapes": {
                "In": {"type": "structure", "members": {"Thing": {"shape": "Thing"}}},
                "Thing": shape,
                "Short": {"type": "string", "min": 2, "max": 3},
            },
        },
    )


@pytest.mark.parametrize(
    ("shape", "value", "problem"),
    [
        (
            {"type": "string", "max": 2},
            "abc",
            "Value 'abc' at 'thing' failed to satisfy constraint: Member must have length less than or equal to 2",
        ),
        ({"type": "blob", "min": 2}, "AA==", "Member must have length greater than or equal to 2"),
        (
            {"type": "double", "max": 2},
            2.5,
            "Value '2.5' at 'thing' failed to satisfy constraint: Member must have value less than or equal to 2",
        ),
        ({"type": "list", "member": {"shape": "Short"}, "max": 1}, ["ab", "cd"], "Value '[ab, cd]' at 'thing'"),
        (
            {"type": "map", "key": {"shape": "Short"}, "value": {"shape": "Short"}},
            {"a": "bc"},
            "Value '{a=bc}' at 'thing' failed to satisfy constraint: Map keys must satisfy constraint: [",
        ),
        (
            {"type": "map", "key": {"shape": "Short"}, "value": {"shape": "Short"}},
            {"ab": "c"},
            "Map value must satisfy constraint: [",
        ),
    ],
)
def test_json_services_answer_with_a_validation_exception(shape: dict[str, Any], value: Any, problem: str) -> None:
    code, message = told(described(shape), json_wire("Do", {"Thing": value}, "Example"))
    assert code == "ValidationException"
    assert message.startswith("1 validation error detected: ")
    assert problem in message


def test_recursive_shapes_are_read_and_checked() -> None:
    model = described({"type": "structure", "members": {"Name": {"shape": "Short"}, "Inner": {"shape": "Thing"}}})
    value: dict[str, Any] = {"Name": "ab", "Inner": {"Name": "cd", "Inner": {"Name": "ef"}}}
    assert parse(model, json_wire("Do", {"Thing": value}, "Example")) == {"thing": value}
    value["Inner"]["Inner"]["Name"] = "x"
    assert "'thing.inner.inner.name'" in told(model, json_wire("Do", {"Thing": value}, "Example"))[1]
    for _ in range(100):
        value = {"Inner": value}
    assert told(model, json_wire("Do", {"Thing": value}, "Example"))[0] == "SerializationException"


def test_timestamps_of_json() -> None:
    model = described({"type": "timestamp"})
    assert parse(model, json_wire("Do", {"Thing": 1.5}, "Example")) == {"thing": 1.5}
    for value in (True, [], 1e300, "tomorrow", json.loads("1e999")):
        raw = json.dumps({"Thing": value}).replace("Infinity", "1e999").encode()
        assert told(model, json_wire("Do", raw, "Example"))[0] == "SerializationException"


def test_a_long_value_is_told_shortened() -> None:
    assert len(show("x" * 100_000)) < 2_000
    assert len(show(["x" * 100] * 100_000)) < 2_000
    assert show({"a": [True, None]}) == "{a=[true, null]}"


def test_patterns_are_javas() -> None:
    assert compile_pattern(r"[\w]+").fullmatch("ä") is None
    tag = compile_pattern(r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*")
    assert tag.fullmatch("Größe 東京:1/2")
    assert tag.fullmatch("a;b") is None


MARS = b"<CreateBucketConfiguration><LocationConstraint>mars</LocationConstraint></CreateBucketConfiguration>"
S3_REFUSALS: list[tuple[str, str, bytes, dict[str, str], str, str]] = [
    ("GET", "/b?max-keys=x", b"", {}, "InvalidArgument", "Provided max-keys not an integer or within integer range"),
    ("GET", "/b?encoding-type=x", b"", {}, "InvalidArgument", "Invalid Encoding Method specified in Request"),
    ("PUT", "/b/k", b"", {"x-amz-storage-class": "x"}, "InvalidStorageClass", "The storage class you specified is not valid"),
    ("PUT", "/b/k", b"", {"x-amz-copy-source": "x"}, "InvalidArgument", "Copy Source must mention the source bucket"),
    ("PUT", "/b/k", b"", {"x-amz-object-lock-retain-until-date": "x"}, "InvalidArgument", "The retain until date must be"),
    ("PUT", "/b/k", b"", {"x-amz-server-side-encryption": "x"}, "InvalidArgument", "The encryption method specified is not"),
    ("PUT", "/b/k?partNumber=x&uploadId=u", b"", {}, "InvalidArgument", "Part number must be an integer between 1 and"),
    ("PUT", "/b/k?partNumber=1", b"", {}, "InvalidRequest", "Missing required parameter for this request: 'uploadId'"),
    ("GET", "/b/k?attributes", b"", {}, "InvalidRequest", "Missing required parameter for this request: 'x-amz-object-att"),
    ("POST", "/b?delete", b"", {}, "MissingRequestBodyError", "Request Body is empty"),
    ("POST", "/b?delete", b"<Delete></Wrong>", {}, "MalformedXML", "The XML you provided was not well-formed"),
    ("POST", "/b?delete", b"<Other/>", {}, "MalformedXML", "The XML"),
    ("POST", "/b?delete", b"<Delete><Colour/></Delete>", {}, "MalformedXML", "The XML"),
    ("POST", "/b?delete", b"<Delete><Object><Key/></Object><Quiet>x</Quiet></Delete>", {}, "MalformedXML", "The XML"),
    ("POST", "/b?delete", b"<Delete><Object/></Delete>", {}, "MalformedXML", "The XML"),
    ("POST", "/b?delete", b"<Delete/>", {}, "MalformedXML", "The XML"),
    ("POST", "/b?delete", b"<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>", {}, "MalformedXML", "The XML"),
    ("PUT", "/b", MARS, {}, "InvalidLocationConstraint", "The specified location-constraint is not valid"),
    ("GET", "/b/%ff", b"", {}, "InvalidURI", "Couldn't parse the specified URI."),
    ("GET", "/b/k?versionId=%ff", b"", {}, "InvalidURI", "Couldn't parse the specified URI."),
    ("PUT", "/b?policy", b"\xff", {}, "InvalidRequest", "The request body is not UTF-8."),
]  # fmt: skip


@pytest.mark.parametrize(("method", "target", "body", "headers", "code", "message"), S3_REFUSALS)
def test_s3_answers_in_its_own_words(
    models: dict[str, Model], method: str, target: str, body: bytes, headers: dict[str, str], code: str, message: str
) -> None:
    found = told(models["s3"], s3_wire(method, target, body, headers))
    assert found[0] == code
    assert found[1].startswith(message)


def test_s3_names_the_argument(models: dict[str, Model]) -> None:
    error = refused(models["s3"], s3_wire("GET", "/b?max-keys=x"))
    assert error.members == {"ArgumentName": "max-keys", "ArgumentValue": "x"}


def test_an_invalid_date_of_a_condition_is_passed_over(models: dict[str, Model]) -> None:
    wire = s3_wire("GET", "/b/k", headers={"If-Modified-Since": "yesterday", "If-Unmodified-Since": "0"})
    assert "if_modified_since" not in parse(models["s3"], wire)
    wire = s3_wire("GET", "/b/k", headers={"If-Modified-Since": "Wed, 21 Oct 2015 07:28:00 GMT"})
    assert parse(models["s3"], wire)["if_modified_since"] == 1445412480.0
