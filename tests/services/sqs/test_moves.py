"""Message move tasks: what starts one, how fast it goes, where messages end, and how it ends itself."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from awning.kit.errors import ServiceError
from awning.services.sqs.moves import carry_out
from awning.services.sqs.work import forget_deleted_queues
from tests.services.sqs.support import ACCOUNT, Bench, Client, OneQueue


def arn(name: str) -> str:
    return f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"


DEAD = arn("dead")


class Redriven:
    """A queue called jobs with its dead-letter queue."""

    def __init__(self, bench: Bench, client: Client) -> None:
        self.bench = bench
        self.client = client
        self.dead = OneQueue(client, "dead")
        self.jobs = self.source("jobs")

    def source(self, name: str) -> OneQueue:
        policy = json.dumps({"deadLetterTargetArn": DEAD, "maxReceiveCount": 1})
        return OneQueue(self.client, name, RedrivePolicy=policy, VisibilityTimeout="0")

    def poison(self, count: int, queue: OneQueue | None = None) -> None:
        """Send messages, and receive them until they are in the dead-letter queue."""
        queue = queue or self.jobs
        for number in range(count):
            queue.send(f"poison {number}")
            assert queue.receive()
            assert not queue.receive()

    def start(self, **params: Any) -> str:
        result = self.client.start_message_move_task(source_arn=DEAD, **params)
        return str(result["TaskHandle"])

    def steps(self) -> int:
        """Run the pass until it asks for no more at once; return how often."""
        count = 1
        while self.bench.run(self.bench.make_call(), carry_out):
            count += 1
        return count

    def tasks(self, count: int = 10) -> list[dict[str, Any]]:
        return list(self.client.list_message_move_tasks(source_arn=DEAD, max_results=count).get("Results", []))


@pytest.fixture
def redriven(bench: Bench, client: Client) -> Redriven:
    return Redriven(bench, client)


def refused(function: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ServiceError) as raised:
        function(**params)
    return raised.value.code, raised.value.message


def test_messages_go_back_to_where_each_came_from(redriven: Redriven) -> None:
    others = redriven.source("others")
    redriven.poison(2)
    redriven.poison(3, others)
    handle = redriven.start()
    (task,) = redriven.tasks()
    assert task == {
        "TaskHandle": handle,
        "Status": "RUNNING",
        "SourceArn": DEAD,
        "ApproximateNumberOfMessagesMoved": 0,
        "ApproximateNumberOfMessagesToMove": 5,
        "StartedTimestamp": int(redriven.bench.now * 1000),
    }
    assert json.loads(base64.b64decode(handle))["sourceArn"] == DEAD
    redriven.steps()
    assert (redriven.dead.counts(), redriven.jobs.counts(), others.counts()) == ((0, 0, 0), (2, 0, 0), (3, 0, 0))
    (task,) = redriven.tasks()
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 5)
    assert "TaskHandle" not in task


def test_what_was_moved_is_a_new_message(redriven: Redriven) -> None:
    attributes = {"kind": {"DataType": "Binary", "BinaryValue": b"\x00"}}
    old = redriven.jobs.send("poison", message_attributes=attributes)
    redriven.jobs.receive()
    redriven.jobs.receive()
    redriven.bench.now += 100
    redriven.start()
    redriven.steps()
    (found,) = redriven.jobs.receive(attribute_names=["All"], message_attribute_names=["All"])
    assert found["MessageId"] != old["MessageId"]
    assert found["MessageAttributes"] == attributes
    assert found["Attributes"]["SentTimestamp"] == str(int(redriven.bench.now * 1000))
    assert found["Attributes"]["ApproximateReceiveCount"] == "1"
    assert "DeadLetterQueueSourceArn" not in found["Attributes"]


def test_a_destination_takes_messages_of_any_origin(redriven: Redriven) -> None:
    target = OneQueue(redriven.client, "target")
    redriven.poison(1)
    redriven.dead.send("sent directly")
    redriven.start(destination_arn=arn("target"))
    redriven.bench.wakes.clear()
    redriven.steps()
    assert sorted(target.bodies()) == ["poison 0", "sent directly"]
    assert (redriven.bench.memory.queues[arn("target")].key, 1) in redriven.bench.wakes
    assert redriven.tasks()[0]["DestinationArn"] == arn("target")


def test_its_speed_is_kept_to(redriven: Redriven) -> None:
    redriven.poison(12)
    redriven.start(max_number_of_messages_per_second=2)
    moved = []
    for _ in range(8):
        redriven.steps()
        moved.append(redriven.jobs.counts()[0])
        redriven.bench.now += 1
    assert moved == [1, 3, 5, 7, 9, 11, 12, 12]
    assert redriven.tasks()[0]["MaxNumberOfMessagesPerSecond"] == 2


def test_it_does_not_race_to_make_up_for_a_stop(redriven: Redriven) -> None:
    redriven.poison(12)
    redriven.start(max_number_of_messages_per_second=2)
    redriven.bench.now += 3600
    redriven.bench.restart()
    redriven.steps()
    assert redriven.jobs.counts()[0] == 2


def test_a_crash_neither_loses_nor_doubles(redriven: Redriven) -> None:
    redriven.poison(60)
    redriven.start()
    with redriven.bench.batch(fails=True):
        assert redriven.bench.run(redriven.bench.make_call(), carry_out)
    assert (redriven.dead.counts()[0], redriven.jobs.counts()[0]) == (60, 0)
    assert redriven.bench.run(redriven.bench.make_call(), carry_out)
    redriven.bench.restart()
    assert redriven.tasks()[0]["ApproximateNumberOfMessagesMoved"] == 25
    redriven.steps()
    assert (redriven.dead.counts()[0], redriven.jobs.counts()[0]) == (0, 60)
    found = [body for _ in range(6) for body in redriven.jobs.bodies(10, visibility_timeout=60)]
    assert sorted(found) == sorted(f"poison {number}" for number in range(60))


def test_each_step_is_bounded(redriven: Redriven) -> None:
    redriven.poison(60)
    redriven.start()
    assert redriven.steps() == 3


def test_what_comes_later_is_not_moved(redriven: Redriven) -> None:
    redriven.poison(1)
    redriven.start()
    redriven.poison(1)
    redriven.steps()
    assert (redriven.dead.counts()[0], redriven.tasks()[0]["Status"]) == (1, "COMPLETED")


def test_one_of_unknown_origin_fails_it_and_stays(redriven: Redriven) -> None:
    redriven.dead.send("sent directly")
    redriven.start()
    redriven.steps()
    (task,) = redriven.tasks()
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "CouldNotDetermineMessageSource")
    assert redriven.dead.bodies() == ["sent directly"]


def test_a_queue_that_is_gone_fails_it(redriven: Redriven) -> None:
    target = OneQueue(redriven.client, "target")
    redriven.poison(2)
    redriven.start(destination_arn=arn("target"))
    redriven.client.delete_queue(queue_url=target.url)
    redriven.steps()
    (task,) = redriven.tasks()
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "AWS.SimpleQueueService.NonExistentQueue")
    assert redriven.dead.counts()[0] == 2


def test_it_is_cancelled(redriven: Redriven) -> None:
    redriven.poison(3)
    handle = redriven.start(max_number_of_messages_per_second=1)
    redriven.steps()
    result = redriven.client.cancel_message_move_task(task_handle=handle)
    assert result == {"ApproximateNumberOfMessagesMoved": 1}
    assert redriven.tasks()[0]["Status"] == "CANCELLING"
    gone = "ResourceNotFoundException", "Task does not exist."
    assert refused(redriven.client.cancel_message_move_task, task_handle=handle) == gone
    redriven.bench.now += 5
    redriven.steps()
    assert redriven.tasks()[0]["Status"] == "CANCELLED"
    assert (redriven.dead.counts()[0], redriven.jobs.counts()[0]) == (2, 1)


@pytest.mark.parametrize(
    "handle",
    ["nonsense", "e30=", base64.b64encode(b"[]").decode(), base64.b64encode(b'{"taskId":1,"sourceArn":2}').decode()],
)
def test_a_handle_must_be_one(redriven: Redriven, handle: str) -> None:
    code, text = refused(redriven.client.cancel_message_move_task, task_handle=handle)
    assert (code, text) == ("InvalidParameterValue", "Value for parameter TaskHandle is invalid.")


def test_a_task_must_be_there(redriven: Redriven) -> None:
    handle = base64.b64encode(json.dumps({"taskId": "x", "sourceArn": DEAD}).encode()).decode()
    assert refused(redriven.client.cancel_message_move_task, task_handle=handle)[0] == "ResourceNotFoundException"


def test_one_at_a_time_for_a_source(redriven: Redriven) -> None:
    redriven.poison(1)
    redriven.start()
    code, text = refused(redriven.start)
    assert code == "InvalidParameterValue"
    assert text.startswith("There is already a task running.")
    redriven.steps()
    redriven.start()


@pytest.mark.parametrize(
    ("params", "code", "text"),
    [
        ({"source_arn": arn("none")}, "ResourceNotFoundException", "for the SourceArn parameter doesn't exist."),
        ({"source_arn": "nonsense"}, "InvalidParameterValue", "You must use this format to specify the SourceArn"),
        ({"source_arn": arn("jobs")}, "InvalidParameterValue", "must be configured as a Dead Letter Queue."),
        (
            {"destination_arn": arn("none")},
            "ResourceNotFoundException",
            "for the DestinationArn parameter doesn't exist.",
        ),
        ({"destination_arn": ""}, "InvalidParameterValue", "You must use this format to specify the DestinationArn"),
        ({"destination_arn": DEAD}, "InvalidParameterValue", "cannot be the same."),
        ({"max_number_of_messages_per_second": 0}, "InvalidParameterValue", "between 1 and 500."),
        ({"max_number_of_messages_per_second": 501}, "InvalidParameterValue", "between 1 and 500."),
    ],
)
def test_what_cannot_be_started(redriven: Redriven, params: dict[str, Any], code: str, text: str) -> None:
    said = refused(redriven.client.start_message_move_task, **{"source_arn": DEAD, **params})
    assert said[0] == code
    assert said[1].endswith(text) or said[1].startswith(text)
    assert redriven.tasks() == []


def test_the_newest_ten_are_listed_newest_first_and_forgotten_after_two_weeks(redriven: Redriven) -> None:
    bench = redriven.bench
    for _ in range(13):
        redriven.start()
        redriven.steps()
        bench.now += 1
    started = [task["StartedTimestamp"] for task in redriven.tasks()]
    assert started == [int((bench.now - back) * 1000) for back in range(1, 11)]
    assert len(redriven.client.list_message_move_tasks(source_arn=DEAD)["Results"]) == 1
    for count in (0, 11):
        assert refused(redriven.tasks, count=count)[0] == "InvalidParameterValue"
    code, _ = refused(redriven.client.list_message_move_tasks, source_arn=arn("none"))
    assert code == "ResourceNotFoundException"
    bench.now += 15 * 86_400
    bench.run(bench.make_call(), forget_deleted_queues)
    assert redriven.tasks() == []
