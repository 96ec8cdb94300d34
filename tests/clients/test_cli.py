"""The AWS command line, unmodified, with AWS_ENDPOINT_URL."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Aws = Callable[..., Any]


def test_s3_copies_and_syncs(aws: Aws, name: str, tmp_path: Path) -> None:
    source, target = tmp_path / "up", tmp_path / "down"
    (source / "deep" / "er").mkdir(parents=True)
    files = {"one.txt": b"1", "deep/two ü.bin": bytes(range(256)) * 40, "deep/er/three": b""}
    for path, data in files.items():
        (source / path).write_bytes(data)
    bucket = f"s3://{name}"
    assert "make_bucket" in aws("s3", "mb", bucket)
    aws("s3", "cp", str(source / "one.txt"), f"{bucket}/copied.txt")
    assert "copied.txt" in aws("s3", "ls", f"{bucket}/")
    aws("s3", "sync", str(source), f"{bucket}/tree")
    aws("s3", "sync", f"{bucket}/tree", str(target))
    assert {str(p.relative_to(target)): p.read_bytes() for p in target.rglob("*") if p.is_file()} == files
    assert aws("s3", "sync", f"{bucket}/tree", str(target)) == ""
    aws("s3", "rb", bucket, fails="BucketNotEmpty")
    aws("s3", "rb", "--force", bucket)
    assert name not in aws("s3", "ls")


def test_empty_files_do_not_hold_up_those_after_them(aws_http: Aws, name: str, tmp_path: Path) -> None:
    """The next upload on the connection fails where an empty one is answered without 100 Continue."""
    for number in range(12):
        (tmp_path / f"{number:02}").write_bytes(b"" if number % 2 else b"x" * number)
    aws_http("s3", "mb", f"s3://{name}")
    (tmp_path / "config").write_text("[default]\ns3 =\n  max_concurrent_requests = 1\n")
    configured = {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_MAX_ATTEMPTS": "1"}
    printed = aws_http("s3", "sync", "--exclude", "config", str(tmp_path), f"s3://{name}", **configured)
    assert printed.count("upload: ") == 12
    assert "Failed to parse headers" not in printed


def test_s3api_shows_what_was_stored(aws: Aws, name: str, tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"by the command line")
    aws("s3api", "create-bucket", "--bucket", name)
    arguments = ["--bucket", name, "--key", "k"]
    put = aws("s3api", "put-object", *arguments, "--body", str(body), "--metadata", "colour=blue")
    head = aws("s3api", "head-object", *arguments)
    assert (head["ETag"], head["Metadata"], head["ContentLength"]) == (put["ETag"], {"colour": "blue"}, 19)
    aws("s3api", "get-object", *arguments, str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == b"by the command line"
    listed = aws("s3api", "list-objects-v2", "--bucket", name, "--query", "Contents[].Key")
    assert listed == ["k"]
    aws("s3api", "get-object", "--bucket", name, "--key", "other", str(tmp_path / "x"), fails="NoSuchKey")


def test_sqs_carries_a_message(aws: Aws, name: str) -> None:
    url = aws("sqs", "create-queue", "--queue-name", name, "--attributes", "VisibilityTimeout=60")["QueueUrl"]
    sent = aws("sqs", "send-message", "--queue-url", url, "--message-body", "hello")
    [message] = aws("sqs", "receive-message", "--queue-url", url)["Messages"]
    assert message["MessageId"] == sent["MessageId"]
    aws("sqs", "delete-message", "--queue-url", url, "--receipt-handle", message["ReceiptHandle"])
    attributes = aws("sqs", "get-queue-attributes", "--queue-url", url, "--attribute-names", "All")["Attributes"]
    assert (attributes["VisibilityTimeout"], attributes["ApproximateNumberOfMessagesNotVisible"]) == ("60", "0")
    aws("sqs", "delete-queue", "--queue-url", url)


def test_iam_lets_a_user_in(aws_http: Aws, name: str) -> None:
    aws_http("iam", "create-user", "--user-name", name)
    key = aws_http("iam", "create-access-key", "--user-name", name)["AccessKey"]
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]}
    policy = ["--policy-name", "queues", "--policy-document", json.dumps(document)]
    aws_http("iam", "put-user-policy", "--user-name", name, *policy)
    mine = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    identity = aws_http("sts", "get-caller-identity", **mine)
    assert identity["Arn"] == f"arn:aws:iam::000000000000:user/{name}"
    aws_http("sqs", "create-queue", "--queue-name", name, **mine)
    aws_http("s3", "mb", f"s3://{name}", fails="AccessDenied", **mine)


def test_a_wrong_secret_is_refused(aws_http: Aws) -> None:
    aws_http("s3", "ls", fails="SignatureDoesNotMatch", AWS_SECRET_ACCESS_KEY="wrong")


def test_dead_letters_go_there_and_back(aws_http: Aws, name: str) -> None:
    dead, jobs = f"{name}-dead", f"{name}-jobs"
    aws_http("sqs", "create-queue", "--queue-name", dead)
    arn = f"arn:aws:sqs:us-east-1:000000000000:{dead}"
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    attributes = json.dumps({"RedrivePolicy": policy, "VisibilityTimeout": "0"})
    url = aws_http("sqs", "create-queue", "--queue-name", jobs, "--attributes", attributes)["QueueUrl"]
    aws_http("sqs", "send-message", "--queue-url", url, "--message-body", "poison")
    assert aws_http("sqs", "receive-message", "--queue-url", url)["Messages"]
    assert aws_http("sqs", "receive-message", "--queue-url", url) == ""
    assert aws_http("sqs", "start-message-move-task", "--source-arn", arn)["TaskHandle"]
    (message,) = aws_http("sqs", "receive-message", "--queue-url", url, "--wait-time-seconds", "20")["Messages"]
    assert message["Body"] == "poison"
    (task,) = aws_http("sqs", "list-message-move-tasks", "--source-arn", arn)["Results"]
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 1)
    aws_http("sqs", "start-message-move-task", "--source-arn", "nonsense", fails="InvalidParameterValue")
