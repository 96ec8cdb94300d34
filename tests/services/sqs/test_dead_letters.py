"""Dead-letter queues at work: who may have which, when a message goes there, and what it keeps."""

from __future__ import annotations

import json
from typing import Any

import pytest

from awning.kit.errors import ServiceError
from tests.services.sqs.support import ACCOUNT, Bench, Client, OneQueue

DEAD = f"arn:aws:sqs:us-east-1:{ACCOUNT}:dead"


def redrive(most: int = 1, target: str = DEAD) -> str:
    return json.dumps({"deadLetterTargetArn": target, "maxReceiveCount": most})


@pytest.fixture
def dead(client: Client) -> OneQueue:
    return OneQueue(client, "dead")


@pytest.fixture
def jobs(client: Client, dead: OneQueue) -> OneQueue:
    return OneQueue(client, "jobs", RedrivePolicy=redrive(), VisibilityTimeout="0")


def test_a_message_goes_there_instead_of_being_received_too_often(client: Client, dead: OneQueue) -> None:
    jobs = OneQueue(client, "jobs", RedrivePolicy=redrive(3), VisibilityTimeout="0")
    sent = jobs.send("poison")
    assert [jobs.bodies() for _ in range(3)] == [["poison"]] * 3
    assert dead.counts() == (0, 0, 0)
    assert jobs.bodies() == []
    assert (jobs.counts(), dead.counts()) == ((0, 0, 0), (1, 0, 0))
    assert dead.receive()[0]["MessageId"] == sent["MessageId"]


def test_what_it_keeps_and_what_it_says(bench: Bench, jobs: OneQueue, dead: OneQueue) -> None:
    attributes = {"kind": {"DataType": "String", "StringValue": "x"}}
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1"}}
    jobs.send("poison", message_attributes=attributes, message_system_attributes=trace)
    first = jobs.receive(attribute_names=["All"])[0]["Attributes"]
    bench.now += 5
    jobs.receive()
    found = dead.receive(attribute_names=["All"], message_attribute_names=["All"])[0]
    assert found["Body"] == "poison"
    assert found["MessageAttributes"] == attributes
    assert found["Attributes"] == {
        "SenderId": first["SenderId"],
        "SentTimestamp": first["SentTimestamp"],
        "ApproximateReceiveCount": "2",
        "ApproximateFirstReceiveTimestamp": str(int(bench.now * 1000)),
        "AWSTraceHeader": "Root=1",
        "DeadLetterQueueSourceArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:jobs",
    }


def test_its_age_counts_from_when_it_was_sent(bench: Bench, jobs: OneQueue, dead: OneQueue) -> None:
    dead.set(MessageRetentionPeriod="60")
    jobs.send()
    bench.now += 59
    jobs.receive()
    jobs.receive()
    assert dead.counts() == (1, 0, 0)
    bench.now += 1
    assert dead.receive() == []
    assert dead.counts() == (0, 0, 0)


def test_the_rest_of_the_line_is_served_in_the_same_receive(jobs: OneQueue, dead: OneQueue) -> None:
    jobs.send("poison")
    jobs.receive()
    jobs.send("good")
    assert jobs.bodies() == ["good"]
    assert dead.bodies() == ["poison"]


def test_an_old_handle_no_longer_deletes_it(jobs: OneQueue, dead: OneQueue) -> None:
    jobs.send()
    message = jobs.receive()[0]
    jobs.receive()
    jobs.delete(message)
    assert dead.counts() == (1, 0, 0)
    with pytest.raises(ServiceError) as raised:
        dead.delete(message)
    assert raised.value.code == "ReceiptHandleIsInvalid"


def test_a_waiting_receiver_of_the_dead_letter_queue_is_woken(bench: Bench, jobs: OneQueue, dead: OneQueue) -> None:
    jobs.send()
    jobs.receive()
    bench.wakes.clear()
    jobs.receive()
    assert (bench.memory.queues[DEAD].key, 1) in bench.wakes


def test_it_is_delivered_as_before_where_the_dead_letter_queue_is_gone(jobs: OneQueue, dead: OneQueue) -> None:
    jobs.send("kept")
    jobs.client.delete_queue(queue_url=dead.url)
    assert [jobs.bodies() for _ in range(4)] == [["kept"]] * 4


def test_it_stands_in_one_queue_only_whatever_becomes_of_the_batch(
    bench: Bench, jobs: OneQueue, dead: OneQueue
) -> None:
    jobs.send("poison")
    jobs.receive()
    with bench.batch(fails=True):
        assert jobs.receive() == []
    assert (jobs.counts(), dead.counts()) == ((1, 0, 0), (0, 0, 0))
    assert jobs.receive() == []
    assert (jobs.counts(), dead.counts()) == ((0, 0, 0), (1, 0, 0))
    bench.restart()
    assert (jobs.counts(), dead.counts()) == ((0, 0, 0), (1, 0, 0))
    assert dead.receive(attribute_names=["ApproximateReceiveCount"])[0]["Attributes"] == {
        "ApproximateReceiveCount": "2"
    }


def test_a_purge_before_does_not_reach_it(jobs: OneQueue, dead: OneQueue) -> None:
    jobs.send("poison")
    jobs.client.purge_queue(queue_url=dead.url)
    jobs.receive()
    jobs.receive()
    assert dead.bodies() == ["poison"]


def test_many_at_once_are_handed_over_in_steps(bench: Bench, jobs: OneQueue, dead: OneQueue) -> None:
    for _ in range(150):
        jobs.send("poison")
    for _ in range(15):
        assert len(jobs.receive(10, visibility_timeout=30)) == 10
    bench.now += 31
    assert jobs.receive(10) == []
    assert dead.counts()[0] in range(100, 111)
    assert jobs.receive(10) == []
    assert (jobs.counts(), dead.counts()) == ((0, 0, 0), (150, 0, 0))


def test_a_dead_letter_queue_may_have_one_of_its_own(client: Client, dead: OneQueue) -> None:
    grave = OneQueue(client, "grave")
    dead.set(RedrivePolicy=redrive(1, DEAD.replace("dead", "grave")), VisibilityTimeout="0")
    jobs = OneQueue(client, "jobs", RedrivePolicy=redrive(), VisibilityTimeout="0")
    jobs.send()
    assert [len(jobs.receive()), len(jobs.receive()), len(dead.receive()), len(dead.receive())] == [1, 0, 1, 0]
    attributes = grave.receive(attribute_names=["All"])[0]["Attributes"]
    assert attributes["DeadLetterQueueSourceArn"] == DEAD
    assert attributes["ApproximateReceiveCount"] == "3"


# Who may have which


def code_of(function: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ServiceError) as raised:
        function(**params)
    return raised.value.code, raised.value.message


def test_the_target_must_be_there_and_let_the_source(client: Client) -> None:
    given = {"queue_name": "jobs", "attributes": {"RedrivePolicy": redrive()}}
    code, text = code_of(client.create_queue, **given)
    assert code == "InvalidParameterValue"
    assert (
        text == f"Value {redrive()} for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist."
    )
    dead = OneQueue(client, "dead", RedriveAllowPolicy='{"redrivePermission": "denyAll"}')
    assert code_of(client.create_queue, **given)[0] == "InvalidParameterValue"
    allowed = {"redrivePermission": "byQueue", "sourceQueueArns": [DEAD.replace("dead", "jobs")]}
    dead.set(RedriveAllowPolicy=json.dumps(allowed))
    client.create_queue(**given)
    assert code_of(client.create_queue, **{**given, "queue_name": "others"})[0] == "InvalidParameterValue"
    dead.set(RedriveAllowPolicy="")
    client.create_queue(**{**given, "queue_name": "others"})


def test_policies_are_given_out_in_one_form_and_taken_away_by_an_empty_one(client: Client, dead: OneQueue) -> None:
    given = json.dumps({"maxReceiveCount": "7", "deadLetterTargetArn": DEAD}, indent=1)
    jobs = OneQueue(client, "jobs", RedrivePolicy=given)
    assert jobs.attributes("RedrivePolicy") == {
        "RedrivePolicy": f'{{"deadLetterTargetArn":"{DEAD}","maxReceiveCount":7}}'
    }
    OneQueue(client, "jobs", RedrivePolicy=redrive(7))
    assert (
        code_of(client.create_queue, queue_name="jobs", attributes={"RedrivePolicy": redrive(8)})[0]
        == "QueueNameExists"
    )
    jobs.set(RedrivePolicy="")
    assert jobs.attributes("RedrivePolicy") == {}


def test_the_sources_of_a_dead_letter_queue_are_listed_in_pages(client: Client, dead: OneQueue) -> None:
    def listed(**params: Any) -> tuple[list[str], str | None]:
        result = client.list_dead_letter_source_queues(queue_url=dead.url, **params)
        return [url.rsplit("/", 1)[1] for url in result["queueUrls"]], result.get("NextToken")

    assert listed() == ([], None)
    for name in ("c", "a", "b"):
        OneQueue(client, name, RedrivePolicy=redrive())
    OneQueue(client, "other")
    assert listed() == (["a", "b", "c"], None)
    first, token = listed(max_results=2)
    assert first == ["a", "b"]
    assert listed(max_results=2, next_token=token) == (["c"], None)
    assert code_of(listed, max_results=1001)[0] == "InvalidParameterValue"
    OneQueue(client, "a").set(RedrivePolicy="")
    client.delete_queue(queue_url=OneQueue(client, "b").url)
    assert listed() == (["c"], None)
