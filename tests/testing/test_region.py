"""Region: its clients and identities, its clock, its life and its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from awning.testing import NotReady, Region
from tests.conftest import ROOT


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_clients_of_regions_and_accounts_are_apart(region: Region) -> None:
    region.client("sqs").create_queue(QueueName="here")
    region.client("sqs", region_name="eu-west-1").create_queue(QueueName="there")
    region.client("sqs", account="111122223333").create_queue(QueueName="theirs")
    names = [
        [url.rpartition("/")[2] for url in client.list_queues()["QueueUrls"]]
        for client in (
            region.client("sqs"),
            region.client("sqs", region_name="eu-west-1"),
            region.client("sqs", account="111122223333"),
        )
    ]
    assert names == [["here"], ["there"], ["theirs"]]
    assert next(queue.url for queue in region.resource("sqs").queues.all()).endswith("/here")
    with pytest.raises(ValueError, match="12 digits"):
        region.client("sqs", account="42")


def test_a_client_with_policies_may_do_that_and_nothing_else(region: Region) -> None:
    root = region.client("s3")
    root.create_bucket(Bucket="orders")
    root.put_object(Bucket="orders", Key="1", Body=b"one")
    reader = region.client(
        "s3", policies=[{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::orders/*"}]
    )
    assert reader.get_object(Bucket="orders", Key="1")["Body"].read() == b"one"
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.put_object(Bucket="orders", Key="2", Body=b"two")
    with pytest.raises(ClientError, match="AccessDenied"):
        region.user().client("s3").list_buckets()


def test_a_role_acts_with_its_policies(region: Region) -> None:
    role = region.role({"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}, name="worker", account="111122223333")
    assert role.arn == "arn:aws:sts::111122223333:assumed-role/worker/test"
    assert role.account == "111122223333"
    assert role.client("sqs").create_queue(QueueName="jobs")["QueueUrl"].endswith("/111122223333/jobs")
    with pytest.raises(ClientError, match="AccessDenied"):
        role.client("s3").list_buckets()


def test_the_environment_leads_other_clients_here_and_is_put_back(
    region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://elsewhere.example")
    assert region.session().client("sts").get_caller_identity()["Arn"] == "arn:aws:iam::000000000000:root"
    before, session = dict(os.environ), boto3.DEFAULT_SESSION
    with region.environment(region_name="eu-central-1"):
        boto3.client("sqs").create_queue(QueueName="jobs")
        boto3.client("s3").list_buckets()
        user = region.user()
        with region.environment(user), pytest.raises(ClientError, match="AccessDenied"):
            boto3.client("sqs").list_queues()
        assert boto3.client("sqs").list_queues()["QueueUrls"][0].endswith("/jobs")
    assert dict(os.environ) == before
    assert boto3.DEFAULT_SESSION is session
    assert region.client("sqs", region_name="eu-central-1").list_queues()["QueueUrls"]


def test_the_clock_makes_what_is_due_happen_at_once(region: Region) -> None:
    sqs = region.client("sqs")
    url = sqs.create_queue(QueueName="jobs", Attributes={"MessageRetentionPeriod": "86400"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="hello")
    assert sqs.receive_message(QueueUrl=url, VisibilityTimeout=600)["Messages"]
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    region.clock.advance(seconds=601, at_once=True)
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "hello"
    before = region.clock.now()
    assert region.clock.advance(days=1, hours=1) - before >= timedelta(days=1, hours=1)
    count = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert count["ApproximateNumberOfMessages"] == "0"
    with pytest.raises(ValueError, match="only moves forward"):
        region.clock.advance(days=-1)


def test_requests_are_good_under_a_moved_clock_and_signed_urls_end_by_it(region: Region) -> None:
    s3 = region.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="key", Body=b"content")
    old = s3.generate_presigned_url("get_object", {"Bucket": "bucket", "Key": "key"}, ExpiresIn=3600)
    assert status_of(old) == 200
    region.clock.advance(days=30)
    assert status_of(old) == 403
    fresh = s3.generate_presigned_url("get_object", {"Bucket": "bucket", "Key": "key"}, ExpiresIn=3600)
    assert status_of(fresh) == 200
    region.clock.advance(minutes=50)
    assert status_of(fresh) == 200
    region.clock.advance(minutes=20)
    assert status_of(fresh) == 403
    assert s3.list_buckets()["Buckets"][0]["Name"] == "bucket"


def test_clients_of_the_environment_sign_urls_that_a_moved_clock_ends(region: Region) -> None:
    with region.environment():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="key", Body=b"content")
        url = s3.generate_presigned_url("get_object", {"Bucket": "bucket", "Key": "key"}, ExpiresIn=3600)
        form = s3.generate_presigned_post("bucket", "posted", ExpiresIn=3600)
        assert "X-Amz-Expires=3600" in url
        assert "x-amz-date" in form["fields"]
        region.clock.advance(hours=2)
        assert status_of(url) == 403
        assert post(form) == 403
        assert post(s3.generate_presigned_post("bucket", "posted", ExpiresIn=3600)) == 204


def post(form: dict[str, object]) -> int:
    assert isinstance(form["fields"], dict)
    fields = {**form["fields"], "file": "content"}
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in fields.items()
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    request = urllib.request.Request(str(form["url"]), f"{parts}--b--\r\n".encode(), headers)
    try:
        return int(urllib.request.urlopen(request, timeout=10).status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_role_session_ends_by_the_regions_clock(region: Region) -> None:
    role = region.role({"Effect": "Allow", "Action": "*", "Resource": "*"})
    role.client("s3").list_buckets()
    region.clock.advance(minutes=61)
    with pytest.raises(ClientError, match=r"ExpiredToken|InvalidAccessKeyId"):
        role.client("s3").list_buckets()
    assert region.role({"Effect": "Allow", "Action": "*", "Resource": "*"}, name="again").client("s3").list_buckets()


def test_what_a_topic_publishes_is_in_its_queues_once_the_region_has_settled(region: Region) -> None:
    sns, sqs = region.client("sns"), region.client("sqs")
    topic = sns.create_topic(Name="sold")["TopicArn"]
    queues = [sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("billing", "stock")]
    for queue in queues:
        arn = f"arn:aws:sqs:us-east-1:000000000000:{queue.rpartition('/')[2]}"
        allowed = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    for number in range(1, 31):
        sns.publish(TopicArn=topic, Message="book")
        region.settle()
        for queue in queues:
            count = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])
            assert count["Attributes"] == {"ApproximateNumberOfMessages": str(number)}


def test_a_reset_shows_the_real_time_again(region: Region) -> None:
    region.clock.advance(days=365, at_once=True)
    region.reset()
    assert abs(region.clock.now().timestamp() - time.time()) < 60


def test_a_region_that_cannot_start_says_why() -> None:
    with pytest.raises(NotReady, match="There is no service cobol"):
        Region(services=["cobol"]).start()


def runs(pid: str) -> bool:
    """Whether a process is there that has not ended; one that nobody has waited for yet has no command line any more."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_region_ends_with_its_parent_however_that_ends(short_folder: Path) -> None:
    script = """
        import sys, time
        from awning.testing import Region
        region = Region().start()
        print(region.pid, region.data.parent, flush=True)
        time.sleep(60)
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(short_folder)},
    )
    assert parent.stdout is not None
    pid, _, folder = parent.stdout.readline().strip().partition(" ")
    assert Path(folder).exists()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 20
    while (Path(folder).exists() or runs(pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(folder).exists()
    assert not runs(pid)
    assert list(short_folder.iterdir()) == []
