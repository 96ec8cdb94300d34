"""Event notifications by the clients that users have: boto3, the AWS command line, a browser's form."""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

Aws = Callable[..., Any]
CREATED = "s3:ObjectCreated:*"


def open_queue(region: Any, name: str) -> tuple[str, str]:
    """A queue that S3 may write to: its URL and ARN."""
    sqs = region.client("sqs")
    arn = f"arn:aws:sqs:us-east-1:000000000000:{name}"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return sqs.create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"], arn


def event(region: Any, url: str) -> dict[str, Any]:
    """Receive the next message."""
    sqs = region.client("sqs")
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10, AttributeNames=["All"])["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    body: dict[str, Any] = json.loads(message["Body"])
    return body | {"Trace": message["Attributes"].get("AWSTraceHeader")}


@pytest.fixture
def bucket(region: Any, name: str) -> str:
    region.client("s3").create_bucket(Bucket=name)
    return name


def test_the_command_line_configures_notifications(region: Any, aws: Aws, name: str) -> None:
    url, arn = open_queue(region, name)
    aws("s3api", "create-bucket", "--bucket", name)
    configuration = {
        "QueueConfigurations": [
            {
                "Id": "mine",
                "QueueArn": arn,
                "Events": [CREATED, "s3:ObjectTagging:Put"],
                "Filter": {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".jpg"}]}},
            }
        ]
    }
    what = ["--bucket", name, "--notification-configuration", json.dumps(configuration)]
    aws("s3api", "put-bucket-notification-configuration", *what)
    assert event(region, url)["Event"] == "s3:TestEvent"
    configuration["QueueConfigurations"][0]["Filter"]["Key"]["FilterRules"][0]["Name"] = "Suffix"  # type: ignore[index]
    assert aws("s3api", "get-bucket-notification-configuration", "--bucket", name) == configuration
    aws("s3api", "put-object", "--bucket", name, "--key", "a.txt")
    aws("s3api", "put-object", "--bucket", name, "--key", "a b.jpg")
    (record,) = event(region, url)["Records"]
    assert (record["s3"]["object"]["key"], record["s3"]["configurationId"]) == ("a+b.jpg", "mine")
    aws("s3api", "put-bucket-notification-configuration", "--bucket", name, "--notification-configuration", "{}")
    assert aws("s3api", "get-bucket-notification-configuration", "--bucket", name) == ""


@pytest.mark.parametrize(
    ("configuration", "what"),
    [
        (
            {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": "arn:aws:lambda:x", "Events": [CREATED]}]},
            "LambdaFunctionConfigurations",
        ),
        ({"EventBridgeConfiguration": {}}, "EventBridgeConfiguration"),
        (
            {"QueueConfigurations": [{"QueueArn": "arn:aws:sqs:x", "Events": ["s3:IntelligentTiering"]}]},
            "Events=s3:IntelligentTiering",
        ),
    ],
)
def test_what_does_not_stand_yet_is_refused_by_name(
    region: Any, bucket: str, configuration: dict[str, Any], what: str
) -> None:
    s3 = region.client("s3")
    with pytest.raises(ClientError) as caught:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert what in caught.value.response["Error"]["Message"]


def test_an_error_names_the_argument(region: Any, bucket: str) -> None:
    s3 = region.client("s3")

    def error(**entry: Any) -> dict[str, Any]:
        with pytest.raises(ClientError) as caught:
            s3.put_bucket_notification_configuration(
                Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [entry]}
            )
        found: dict[str, Any] = caught.value.response["Error"]
        return {name: found[name] for name in found if name not in ("RequestId", "HostId", "Resource")}

    assert error(QueueArn="invalid-queue", Events=[CREATED]) == {
        "Code": "InvalidArgument",
        "Message": "The ARN could not be parsed",
        "ArgumentName": "Queue",
        "ArgumentValue": "invalid-queue",
    }
    arn = "arn:aws:sqs:us-east-1:000000000000:is-not-there"
    assert error(QueueArn=arn, Events=[CREATED]) == {
        "Code": "InvalidArgument",
        "Message": "Unable to validate the following destination configurations",
        "ArgumentName1": arn,
        "ArgumentValue1": "The destination queue does not exist",
    }
    assert error(QueueArn=arn, Events=["s3:Nothing"]) == {
        "Code": "InvalidArgument",
        "Message": "The event is not supported for notifications",
        "ArgumentName": "Event",
        "ArgumentValue": "s3:Nothing",
    }
    rules = [{"Name": "INVALID", "Value": "x"}]
    assert error(QueueArn=arn, Events=[CREATED], Filter={"Key": {"FilterRules": rules}}) == {
        "Code": "InvalidArgument",
        "Message": "filter rule name must be either prefix or suffix",
        "ArgumentName": "FilterRule.Name",
        "ArgumentValue": "INVALID",
    }


def test_the_operation_of_old_configures_the_same(region: Any, bucket: str) -> None:
    """PutBucketNotification is the same request, with one event's element named twice."""
    url, arn = open_queue(region, bucket)
    s3 = region.client("s3")
    configuration = {"QueueConfiguration": {"Id": "old", "Events": [CREATED], "Queue": arn}}
    s3.put_bucket_notification(Bucket=bucket, NotificationConfiguration=configuration)
    assert event(region, url)["Event"] == "s3:TestEvent"
    (kept,) = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    assert kept == {"Id": "old", "QueueArn": arn, "Events": [CREATED]}
    assert s3.get_bucket_notification(Bucket=bucket)["QueueConfiguration"]["Queue"] == arn


def test_a_form_is_told_as_a_post_and_a_signed_url_as_a_put(region: Any, bucket: str) -> None:
    url, arn = open_queue(region, bucket)
    s3 = region.client("s3")
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": [CREATED]}]}
    )
    event(region, url)
    form = s3.generate_presigned_post(bucket, "posted")
    edge = uuid.uuid4().hex
    parts = [
        f'--{edge}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in form["fields"].items()
    ]
    file = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nhello\r\n--{edge}--\r\n'
    headers = {"Content-Type": f"multipart/form-data; boundary={edge}"}
    with urllib.request.urlopen(urllib.request.Request(form["url"], "".join([*parts, file]).encode(), headers)):
        (record,) = event(region, url)["Records"]
    assert (record["eventName"], record["s3"]["object"]["size"]) == ("ObjectCreated:Post", 5)
    signed = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "signed"})
    trace = "Root=1-3152b799-8954dae64eda91bc9a23a7e8;Parent=7fa8c0f79203be72;Sampled=1"
    with urllib.request.urlopen(
        urllib.request.Request(signed, b"hello", {"X-Amzn-Trace-Id": trace, "Content-Type": ""}, method="PUT")
    ):
        told = event(region, url)
    assert told["Records"][0]["eventName"] == "ObjectCreated:Put"
    assert told["Trace"] == trace


def test_what_a_users_program_did_is_told_with_its_id(region: Any, bucket: str) -> None:
    url, arn = open_queue(region, bucket)
    s3, iam = region.client("s3"), region.client("iam")
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": [CREATED]}]}
    )
    event(region, url)
    user = iam.create_user(UserName=bucket)["User"]
    key = iam.create_access_key(UserName=bucket)["AccessKey"]
    statement = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}
    iam.put_user_policy(
        UserName=bucket,
        PolicyName="put",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement}),
    )
    theirs = region.client("s3", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    theirs.put_object(Bucket=bucket, Key="k", Body=b"x")
    (record,) = event(region, url)["Records"]
    assert record["userIdentity"] == {"principalId": f"AWS:{user['UserId']}"}
    assert record["requestParameters"] == {"sourceIPAddress": "127.0.0.1"}
