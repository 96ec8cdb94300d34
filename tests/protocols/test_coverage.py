"""What an operation honours: declarations that do not fit stop the start, requests beyond them get 501 by name."""

from __future__ import annotations

from typing import Any

import pytest

from awning.protocols.errors import ServiceError
from awning.protocols.honours import ALL, CoverageError, leaves
from awning.protocols.model import Model
from tests.protocols.support import bind, form_wire, json_wire, parse, refused, s3_wire


def unsupported(error: ServiceError, what: str) -> None:
    assert (error.code, error.status) == ("NotImplemented", 501)
    assert error.message == f"{what} is not supported by awning yet."


@pytest.mark.parametrize(
    ("parameters", "honours", "defaults", "complaint"),
    [
        (("queue_name", "colour"), {}, {}, "no parameter colour"),
        (("queue_name",), {"attributes": ALL}, {}, "attributes, which the function does not take"),
        (("queue_name", "attributes"), {}, {}, "honours must say what of attributes"),
        (("queue_name", "attributes"), {"attributes": {"Policy", "Colour"}}, {}, "no key Colour"),
        (("queue_name", "attributes"), {"attributes": "SOME"}, {}, "'SOME' is not ALL"),
        (("attributes",), {"attributes": ALL}, {}, "does not take queue_name"),
        (("queue_name",), {"queue_name": {"a"}}, {}, "a string is honoured by ALL"),
        (("queue_name",), {}, {"colour": 1}, "defaults has colour"),
        (("queue_name",), {}, {"attributes.Colour": "x"}, "defaults has attributes.Colour"),
        (("queue_name",), {}, {"queue_name": "x"}, "needs no default"),
    ],
)
def test_a_declaration_that_does_not_fit_the_model_fails(
    models: dict[str, Model], parameters: tuple[str, ...], honours: Any, defaults: Any, complaint: str
) -> None:
    with pytest.raises(CoverageError, match=complaint):
        models["sqs"].operations["CreateQueue"].bind(parameters, honours, defaults)


def test_a_nested_declaration_is_checked_down_to_the_leaf(models: dict[str, Model]) -> None:
    with pytest.raises(CoverageError, match=r"create_bucket_configuration\.Bucket: the model has no member Colour"):
        bind(
            models["s3"],
            "CreateBucket",
            "bucket",
            "create_bucket_configuration",
            honours={"create_bucket_configuration": {"Bucket": {"Colour": ALL}}},
        )


def test_a_streaming_payload_need_not_be_taken(models: dict[str, Model]) -> None:
    bound = bind(models["s3"], "PutObject", "bucket", "key")
    assert parse(models["s3"], s3_wire("PUT", "/b/k", b"", {"Content-Length": "3"}), bound) == {
        "bucket": "b",
        "key": "k",
    }


def test_members_of_json_are_refused_by_name(models: dict[str, Model]) -> None:
    bound = bind(models["sqs"], "CreateQueue", "queue_name", "attributes", honours={"attributes": {"DelaySeconds"}})
    error = refused(models["sqs"], json_wire("CreateQueue", {"QueueName": "a", "tags": {"a": "b"}}), bound)
    unsupported(error, "CreateQueue: tags")
    error = refused(models["sqs"], json_wire("CreateQueue", {"QueueName": "a", "Colour": 1}), bound)
    unsupported(error, "CreateQueue: Colour")
    body = {"QueueName": "a", "Attributes": {"DelaySeconds": "1", "FifoQueue": "true"}}
    unsupported(refused(models["sqs"], json_wire("CreateQueue", body), bound), "CreateQueue: Attributes.FifoQueue")
    body = {"QueueName": "a", "Attributes": {"DelaySeconds": "1"}, "tags": None}
    assert parse(models["sqs"], json_wire("CreateQueue", body), bound) == {
        "queue_name": "a",
        "attributes": {"DelaySeconds": "1"},
    }


def test_nested_members_are_refused_by_their_path(models: dict[str, Model]) -> None:
    entry = {"Id": ALL, "MessageBody": ALL, "MessageAttributes": {"StringValue": ALL, "DataType": ALL}}
    bound = bind(models["sqs"], "SendMessageBatch", "queue_url", "entries", honours={"entries": entry})
    sent: dict[str, Any] = {"Id": "1", "MessageBody": "b", "DelaySeconds": 1}
    body = {"QueueUrl": "u", "Entries": [sent]}
    unsupported(
        refused(models["sqs"], json_wire("SendMessageBatch", body), bound), "SendMessageBatch: Entries.DelaySeconds"
    )
    del sent["DelaySeconds"]
    sent["MessageAttributes"] = {"a": {"DataType": "Binary", "BinaryValue": "AAAA"}}
    error = refused(models["sqs"], json_wire("SendMessageBatch", body), bound)
    unsupported(error, "SendMessageBatch: Entries.MessageAttributes.BinaryValue")
    sent["MessageAttributes"] = {"a": {"DataType": "String", "StringValue": "v"}}
    assert parse(models["sqs"], json_wire("SendMessageBatch", body), bound)["entries"] == [sent]


def test_parameters_of_a_form_are_refused_by_name(models: dict[str, Model]) -> None:
    bound = bind(models["iam"], "CreateUser", "user_name")
    error = refused(models["iam"], form_wire("iam", "CreateUser", UserName="a", Path="/a/"), bound)
    unsupported(error, "CreateUser: Path")
    error = refused(models["iam"], form_wire("iam", "CreateUser", UserName="a", Colour="x"), bound)
    unsupported(error, "CreateUser: Colour")
    wire = form_wire("iam", "CreateUser", UserName="a", **{"X-Amz-Date": "x", "Tags.member.1.Key": "a"})
    unsupported(refused(models["iam"], wire, bound), "CreateUser: Tags")
    wire = form_wire("iam", "CreateUser", UserName="a", Signature="x", AWSAccessKeyId="x", **{"X-Amz-Signature": "x"})
    assert parse(models["iam"], wire, bound) == {"user_name": "a"}
    wire = form_wire("iam", "GetAccountSummary", Colour="x")
    unsupported(refused(models["iam"], wire), "GetAccountSummary: Colour")


def test_headers_parameters_and_elements_of_s3_are_refused_by_name(models: dict[str, Model]) -> None:
    s3 = models["s3"]
    bound = bind(s3, "PutObject", "bucket", "key", "storage_class", honours={"storage_class": {"STANDARD"}})
    unsupported(refused(s3, s3_wire("PUT", "/b/k", headers={"x-amz-tagging": "a=b"}), bound), "PutObject: Tagging")
    error = refused(s3, s3_wire("PUT", "/b/k", headers={"x-amz-storage-class": "GLACIER"}), bound)
    unsupported(error, "PutObject: StorageClass=GLACIER")
    unsupported(refused(s3, s3_wire("PUT", "/b/k", headers={"x-amz-meta-a": "b"}), bound), "PutObject: Metadata")
    unsupported(
        refused(s3, s3_wire("PUT", "/b/k", headers={"x-amz-write-offset-bytes": "3"}), bound),
        "PutObject: WriteOffsetBytes",
    )
    bound = bind(s3, "ListObjectsV2", "bucket", "prefix")
    unsupported(refused(s3, s3_wire("GET", "/b?list-type=2&start-after=x"), bound), "ListObjectsV2: StartAfter")
    bound = bind(
        s3,
        "CreateBucket",
        "bucket",
        "create_bucket_configuration",
        honours={"create_bucket_configuration": {"LocationConstraint": ALL}},
    )
    body = b"<CreateBucketConfiguration><Bucket><Type>Directory</Type></Bucket></CreateBucketConfiguration>"
    unsupported(refused(s3, s3_wire("PUT", "/b", body), bound), "CreateBucket: CreateBucketConfiguration.Bucket")
    bound = bind(s3, "CreateBucket", "bucket")
    body = b"<CreateBucketConfiguration/>"
    unsupported(refused(s3, s3_wire("PUT", "/b", body), bound), "CreateBucket: CreateBucketConfiguration")


def test_what_s3s_model_does_not_know_is_passed_over(models: dict[str, Model]) -> None:
    bound = bind(models["s3"], "GetObject", "bucket", "key")
    wire = s3_wire("GET", "/b/k?x-id=GetObject&colour=red", headers={"amz-sdk-request": "attempt=1", "X-Colour": "red"})
    assert parse(models["s3"], wire, bound) == {"bucket": "b", "key": "k"}


def test_a_member_may_be_sent_at_its_default(models: dict[str, Model]) -> None:
    s3, sqs = models["s3"], models["sqs"]
    bound = bind(s3, "PutObject", "bucket", "key", defaults={"acl": "private", "bucket_key_enabled": False})
    headers = {"x-amz-acl": "private", "x-amz-server-side-encryption-bucket-key-enabled": "false"}
    assert parse(s3, s3_wire("PUT", "/b/k", headers=headers), bound) == {"bucket": "b", "key": "k"}
    unsupported(refused(s3, s3_wire("PUT", "/b/k", headers={"x-amz-acl": "public-read"}), bound), "PutObject: ACL")
    bound = bind(
        s3,
        "CreateBucket",
        "bucket",
        "create_bucket_configuration",
        honours={"create_bucket_configuration": {"LocationConstraint": ALL, "Bucket": {"DataRedundancy": ALL}}},
        defaults={"create_bucket_configuration.Bucket.Type": "Directory"},
    )
    body = b"<CreateBucketConfiguration><Bucket><Type>Directory</Type></Bucket></CreateBucketConfiguration>"
    assert parse(s3, s3_wire("PUT", "/b", body), bound)["create_bucket_configuration"] == {"Bucket": {}}
    bound = bind(
        sqs,
        "CreateQueue",
        "queue_name",
        "attributes",
        honours={"attributes": {"DelaySeconds"}},
        defaults={"attributes.SqsManagedSseEnabled": "true", "tags": {}},
    )
    body_json = {"QueueName": "a", "Attributes": {"SqsManagedSseEnabled": "true", "DelaySeconds": "1"}, "tags": {}}
    assert parse(sqs, json_wire("CreateQueue", body_json), bound)["attributes"] == {"DelaySeconds": "1"}
    body_json = {"QueueName": "a", "Attributes": {"SqsManagedSseEnabled": "false"}}
    error = refused(sqs, json_wire("CreateQueue", body_json), bound)
    unsupported(error, "CreateQueue: Attributes.SqsManagedSseEnabled")


def test_enum_values_in_lists_are_honoured_one_by_one(models: dict[str, Model]) -> None:
    s3 = models["s3"]
    bound = bind(
        s3,
        "GetObjectAttributes",
        "bucket",
        "key",
        "object_attributes",
        honours={"object_attributes": {"ETag", "ObjectSize"}},
    )
    wire = s3_wire("GET", "/b/k?attributes", headers={"x-amz-object-attributes": "ETag, ObjectSize"})
    assert parse(s3, wire, bound)["object_attributes"] == ["ETag", "ObjectSize"]
    wire = s3_wire("GET", "/b/k?attributes", headers={"x-amz-object-attributes": "ETag,Checksum"})
    unsupported(refused(s3, wire, bound), "GetObjectAttributes: ObjectAttributes=Checksum")
    sqs = models["sqs"]
    bound = bind(sqs, "GetQueueAttributes", "queue_url", "attribute_names", honours={"attribute_names": {"All"}})
    error = refused(sqs, json_wire("GetQueueAttributes", {"QueueUrl": "u", "AttributeNames": ["All", "Policy"]}), bound)
    unsupported(error, "GetQueueAttributes: AttributeNames=Policy")


def test_the_page_sees_what_is_honoured_below_a_member(models: dict[str, Model]) -> None:
    _, attributes = models["sqs"].operations["CreateQueue"].members["attributes"]
    found = dict(leaves(attributes, {"Policy"}, "Attributes"))
    assert found["Attributes[Policy]"] is True
    assert found["Attributes[FifoQueue]"] is False
    _, configuration = models["s3"].operations["CreateBucket"].members["create_bucket_configuration"]
    told = dict(leaves(configuration, {"Bucket": {"Type": ALL}, "LocationConstraint": ALL}, "Configuration"))
    assert told["Configuration.Bucket.Type"] is True
    assert told["Configuration.Bucket.DataRedundancy"] is False
    assert told["Configuration.LocationConstraint"] is True
