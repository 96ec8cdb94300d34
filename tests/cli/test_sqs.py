"""`awning sqs`: what it shows, sends, drains and redrives, and how it says no."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_faults import assert_one_line, awning
from tests.conftest import LiveRegion

DEAD = "arn:aws:sqs:us-east-1:000000000000:"


@pytest.fixture
def sqs(region: LiveRegion) -> Any:
    return region.client("sqs")


def count(sqs: Any, url: str) -> tuple[str, ...]:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return tuple(attributes[name] for name in names)


def test_peek_shows_messages_and_changes_nothing(region: LiveRegion, sqs: Any) -> None:
    url = sqs.create_queue(QueueName="peeked")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="first")
    sqs.send_message(QueueUrl=url, MessageBody="second\n[red]line[/red] " + "x" * 200)
    sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=900)
    assert sqs.receive_message(QueueUrl=url, VisibilityTimeout=600)["Messages"][0]["Body"] == "first"
    for queue in ("peeked", url, f"{DEAD}peeked"):
        shown = json.loads(awning("sqs", "peek", queue, "--json", "--data", region.data).stdout)
        assert [(message["body"][:6], message["state"], message["received"]) for message in shown["messages"]] == [
            ("second", "visible", 0),
            ("first", "in flight", 1),
            ("later", "delayed", 0),
        ]
        assert (shown["visible"], shown["in_flight"], shown["delayed"]) == (1, 1, 1)
    table = awning("sqs", "peek", "peeked", "--limit", 1, "--data", region.data, COLUMNS="200")
    assert "second [red]line[/red]" in table.stdout
    assert "first" not in table.stdout
    assert "peeked: 1 visible, 1 in flight, 1 delayed" in table.stdout
    assert count(sqs, url) == ("1", "1")
    found = sqs.receive_message(QueueUrl=url, AttributeNames=["ApproximateReceiveCount"])["Messages"]
    assert found[0]["Attributes"]["ApproximateReceiveCount"] == "1"


def test_what_is_drained_can_be_sent_again(region: LiveRegion, sqs: Any, tmp_path: Path) -> None:
    url = sqs.create_queue(QueueName="drained")["QueueUrl"]
    sent = awning("sqs", "send", "drained", *(f"body {number} ü" for number in range(23)), "--data", region.data)
    assert (sent.returncode, sent.stderr) == (0, "Sent 23 messages to drained.\n")
    attributes = {"raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}}
    sqs.send_message(QueueUrl=url, MessageBody="with attributes", MessageAttributes=attributes)
    file = tmp_path / "messages.jsonl"
    some = awning("sqs", "drain", "drained", "--to", file, "--limit", 4, "--data", region.data)
    assert some.stderr == "Drained 4 messages from drained.\n"
    assert count(sqs, url) == ("20", "0")
    rest = awning("sqs", "drain", "drained", "--to", file, "--data", region.data)
    assert rest.stderr == "Drained 20 messages from drained.\n"
    assert count(sqs, url) == ("0", "0")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert sorted(line["Body"] for line in lines) == sorted([f"body {n} ü" for n in range(23)] + ["with attributes"])
    assert awning("sqs", "send", "drained", "--from", file, "--data", region.data).returncode == 0
    again = awning("sqs", "drain", "drained", "--data", region.data)
    assert len(again.stdout.splitlines()) == 24
    (one,) = [json.loads(line) for line in again.stdout.splitlines() if "with attributes" in line]
    assert one["MessageAttributes"] == {"raw": {"DataType": "Binary", "BinaryValue": "AP8="}}


def test_what_cannot_be_written_stays(region: LiveRegion, sqs: Any) -> None:
    url = sqs.create_queue(QueueName="kept")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="kept")
    full = awning("sqs", "drain", "kept", "--to", "/dev/full", "--data", region.data)
    assert_one_line(full, "could not be written", "stay in the queue")
    assert count(sqs, url) == ("0", "1")


def test_a_dead_letter_queue_is_redriven(region: LiveRegion, sqs: Any) -> None:
    dead = sqs.create_queue(QueueName="grave")["QueueUrl"]
    policy = json.dumps({"deadLetterTargetArn": f"{DEAD}grave", "maxReceiveCount": 1})
    jobs = sqs.create_queue(QueueName="digger", Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "0"})[
        "QueueUrl"
    ]
    for _ in range(3):
        sqs.send_message(QueueUrl=jobs, MessageBody="poison")
        sqs.receive_message(QueueUrl=jobs)
        sqs.receive_message(QueueUrl=jobs)
    assert count(sqs, dead) == ("3", "0")
    done = awning("sqs", "redrive", "grave", "--data", region.data)
    assert (done.returncode, done.stderr) == (0, "Moved 3 of 3 messages from grave.\n")
    assert (count(sqs, dead), count(sqs, jobs)) == (("0", "0"), ("3", "0"))
    sqs.send_message(QueueUrl=dead, MessageBody="of unknown origin")
    failed = awning("sqs", "redrive", "grave", "--rate", 100, "--data", region.data)
    assert failed.returncode == 1
    assert "FAILED: CouldNotDetermineMessageSource" in failed.stderr
    assert awning("sqs", "redrive", "grave", "--to", "digger", "--data", region.data).returncode == 0
    assert count(sqs, jobs) == ("4", "0")


def test_what_the_user_can_mend_is_one_line(region: LiveRegion, sqs: Any, tmp_path: Path) -> None:
    sqs.create_queue(QueueName="plain")
    here = ("--data", region.data)
    assert_one_line(awning("sqs", "peek", "nowhere", *here), "There is no queue nowhere", "us-east-1")
    assert_one_line(awning("sqs", "peek", "plain", "--limit", 0, *here), "between 1 and 1000")
    assert_one_line(awning("sqs", "peek", "plain", "--account", "12", *here), "12 digits")
    assert_one_line(awning("sqs", "peek", "arn:aws:s3:::plain", *here), "not a queue's ARN")
    assert_one_line(awning("sqs", "send", "nowhere", "hi", *here), "The specified queue does not exist")
    assert_one_line(awning("sqs", "send", "plain", *here), "--from")
    assert_one_line(awning("sqs", "send", "plain", "hi", "--delay", 901, *here), "DelaySeconds")
    (tmp_path / "bad").write_text("nonsense\n")
    assert_one_line(awning("sqs", "send", "plain", "--from", tmp_path / "bad", *here), "line 1")
    assert_one_line(awning("sqs", "send", "plain", "--from", tmp_path / "none", *here), "No such file")
    assert_one_line(awning("sqs", "drain", "plain", "--to", tmp_path / "no" / "file", *here), "No such file")
    assert_one_line(awning("sqs", "redrive", "plain", *here), "Dead Letter Queue")
    assert_one_line(awning("sqs", "redrive", "plain", "--rate", 0, *here), "between 1 and 500")
    assert_one_line(awning("sqs", "peek", "plain", "--data", tmp_path / "empty"), "No region runs")


def test_another_account_and_region_are_reached(region: LiveRegion) -> None:
    other = region.client("sqs", key="111122223333", region_name="eu-west-1")
    other.create_queue(QueueName="abroad")
    where = ("--account", "111122223333", "--region", "eu-west-1", "--data", region.data)
    assert awning("sqs", "send", "abroad", "hi", *where).returncode == 0
    assert '"visible": 1' in awning("sqs", "peek", "abroad", "--json", *where).stdout
