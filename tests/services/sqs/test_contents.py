"""Encryption at rest: what stands in the database of what messages say, and that they are given out as they were sent."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from awning.services.sqs import SERVICE
from awning.services.sqs.errors import InvalidAttributeValue
from awning.services.sqs.peeking import peek
from awning.services.sqs.tables import all_queues
from awning.store.vault import Unsealable, Vault
from tests.services.sqs.support import ACCOUNT, Bench, Client, OneQueue

BODY = "planted in the body"
ATTRIBUTES = {
    "text": {"DataType": "String", "StringValue": "planted in an attribute"},
    "raw": {"DataType": "Binary", "BinaryValue": b"planted in another"},
}


def on_disk(bench: Bench) -> bytes:
    """All bytes of the database and its log."""
    return b"".join(path.read_bytes() for path in sorted(bench.path.parent.glob(f"{bench.path.name}*")))


def tells(bench: Bench) -> bool:
    raw = on_disk(bench)
    md5 = bench.reader.execute("SELECT md5 FROM messages").fetchall()
    return b"planted" in raw or any(digest for (digest,) in md5)


def given_out(queue: OneQueue) -> list[Any]:
    messages = queue.receive(10, message_attribute_names=["All"], visibility_timeout=0)
    return [(m["Body"], m["MD5OfBody"], m.get("MessageAttributes"), m.get("MD5OfMessageAttributes")) for m in messages]


def send(queue: OneQueue, **params: Any) -> Any:
    return queue.send(BODY, message_attributes=ATTRIBUTES, **params)


def test_what_is_sent_stands_sealed_on_disk_and_is_given_out_as_it_was(bench: Bench, queue: OneQueue) -> None:
    sent = send(queue)
    queue.send("ü")
    assert not tells(bench)
    expected = [
        (BODY, sent["MD5OfMessageBody"], ATTRIBUTES, sent["MD5OfMessageAttributes"]),
        ("ü", "c03410a5204b21cd8229ff754688d743", None, None),
    ]
    assert given_out(queue) == expected
    bench.restart()
    assert given_out(queue) == expected
    shown = bench.run(bench.make_call(), peek, given={"account": ACCOUNT, "region": "us-east-1", "name": "jobs"})
    assert [message["body"] for message in shown["messages"]] == [BODY, "ü"]
    assert shown["messages"][0]["attributes"]["text"] == ATTRIBUTES["text"]


def test_without_encryption_it_stands_there(bench: Bench, client: Client) -> None:
    queue = OneQueue(client, SqsManagedSseEnabled="false")
    sent = send(queue)
    assert tells(bench)
    assert given_out(queue) == [(BODY, sent["MD5OfMessageBody"], ATTRIBUTES, sent["MD5OfMessageAttributes"])]


def test_a_change_is_for_messages_that_are_sent_later(bench: Bench, queue: OneQueue) -> None:
    queue.send("sealed")
    queue.set(SqsManagedSseEnabled="False")
    queue.send("plain")
    queue.set(SqsManagedSseEnabled="true")
    queue.send("sealed again")
    assert [sealed for (sealed,) in bench.reader.execute("SELECT sealed FROM messages ORDER BY number")] == [1, 0, 1]
    assert queue.bodies() == ["sealed", "plain", "sealed again"]


@pytest.mark.parametrize(("source", "dead"), [("true", "true"), ("true", "false"), ("false", "true")])
@pytest.mark.parametrize("suffix", ["", ".fifo"])
def test_a_message_that_moves_is_sealed_as_its_new_queue_says(
    bench: Bench, client: Client, source: str, dead: str, suffix: str
) -> None:
    fifo = {"FifoQueue": "true"} if suffix else {}
    names = {"message_group_id": "g", "message_deduplication_id": "d"} if suffix else {}
    target = OneQueue(client, f"dead{suffix}", SqsManagedSseEnabled=dead, **fifo)
    arn = target.attributes("QueueArn")["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    queue = OneQueue(client, f"jobs{suffix}", SqsManagedSseEnabled=source, RedrivePolicy=policy, **fifo)
    sent = send(queue, **names)
    expected = [(BODY, sent["MD5OfMessageBody"], ATTRIBUTES, sent["MD5OfMessageAttributes"])]
    assert given_out(queue) == expected
    assert given_out(queue) == []
    assert [sealed for (sealed,) in bench.reader.execute("SELECT sealed FROM messages")] == [dead == "true"]
    assert given_out(target) == expected
    client.start_message_move_task(source_arn=arn)
    bench.run(bench.make_call(), next(work.run for work in SERVICE.work if work.name == "move messages"))
    assert [sealed for (sealed,) in bench.reader.execute("SELECT sealed FROM messages")] == [source == "true"]
    assert given_out(queue) == expected


def test_a_sealed_message_is_of_its_own_number_queue_and_region(bench: Bench, client: Client, queue: OneQueue) -> None:
    queue.send("first")
    queue.send("second")
    bench.writer.execute("UPDATE messages SET body = (SELECT body FROM messages WHERE number = 1) WHERE number = 2")
    with pytest.raises(Unsealable):
        queue.receive(2)
    other = OneQueue(client, "other")
    other.send("third")
    bench.writer.execute("UPDATE messages SET queue = 1 WHERE number = 3")
    bench.restart()
    with pytest.raises(Unsealable):
        queue.receive(3)
    bench.writer.execute("DELETE FROM messages WHERE number > 1")
    bench.restart()
    bench.room.vault = Vault(b"x" * 32, given=True)
    with pytest.raises(Unsealable):
        queue.receive()


def test_what_is_said_of_encryption(client: Client, queue: OneQueue) -> None:
    assert queue.attributes("SqsManagedSseEnabled") == {"SqsManagedSseEnabled": "true"}
    queue.set(SqsManagedSseEnabled="false")
    assert queue.attributes("SqsManagedSseEnabled") == {"SqsManagedSseEnabled": "false"}
    assert OneQueue(client, "jobs", SqsManagedSseEnabled="false").url == queue.url
    with pytest.raises(InvalidAttributeValue, match=r"Invalid value for the parameter SqsManagedSseEnabled\."):
        queue.set(SqsManagedSseEnabled="maybe")


def test_a_queue_of_before_is_not_encrypted_and_gives_out_its_messages(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "old.db")
    for script in SERVICE.schema.migrations[:5]:
        db.executescript(script)
    db.execute(
        "INSERT INTO queues (account, region, name, attributes, tags, secret, created, modified, purged_through)"
        " VALUES ('1', 'us-east-1', 'old', '{\"DelaySeconds\":\"0\"}', '{}', x'00', 1, 1, 0)"
    )
    db.execute("INSERT INTO messages (queue, sent, id, sender, md5, body) VALUES (1, 1, 'a', 's', x'00', 'old')")
    for script in SERVICE.schema.migrations[5:]:
        db.executescript(script)
    (row,) = all_queues(db)
    assert row.attributes == {"DelaySeconds": "0", "SqsManagedSseEnabled": "false"}
    assert db.execute("SELECT body, sealed FROM messages").fetchall() == [("old", 0)]
    db.close()
