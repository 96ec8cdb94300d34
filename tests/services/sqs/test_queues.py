"""Queues: names, addresses, attributes, lists, purge, tags, permissions."""

from __future__ import annotations

import base64
import json

import pytest

from awning.kit.errors import AccessDenied
from awning.services.sqs.address import locate, region_in
from awning.services.sqs.errors import (
    InvalidAddress,
    InvalidAttributeName,
    InvalidAttributeValue,
    InvalidParameterValue,
    OverLimit,
    PurgeQueueInProgress,
    QueueDeletedRecently,
    QueueDoesNotExist,
    QueueNameExists,
)
from awning.services.sqs.memory import guard
from tests.services.sqs.support import ACCOUNT, START, Bench, Client, OneQueue


def urls(result: dict[str, list[str]]) -> list[str]:
    return [url.rsplit("/", 1)[1] for url in result.get("QueueUrls", [])]


def test_a_url_has_the_host_that_the_client_used(client: Client) -> None:
    client.host = "sqs.eu-west-1.localhost:4566"
    assert client.create_queue(queue_name="a")["QueueUrl"] == f"http://sqs.eu-west-1.localhost:4566/{ACCOUNT}/a"
    client.host = "127.0.0.1:80"
    assert client.get_queue_url(queue_name="a")["QueueUrl"] == f"http://127.0.0.1:80/{ACCOUNT}/a"


@pytest.mark.parametrize("name", ["", "a" * 81, "a b", "a.b", "jobs.fifo", "ä"])
def test_a_name_has_80_letters_digits_hyphens_and_underscores(client: Client, name: str) -> None:
    with pytest.raises(InvalidParameterValue, match="alphanumeric"):
        client.create_queue(queue_name=name)


def test_the_longest_name(client: Client) -> None:
    client.create_queue(queue_name="a" * 80)
    client.get_queue_url(queue_name="a" * 80)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:4566/111122223333/jobs",
        "https://sqs.us-east-1.amazonaws.com/111122223333/jobs",
        "https://us-east-1.queue.amazonaws.com/111122223333/jobs",
        "https://queue.amazonaws.com/111122223333/jobs",
        "http://queue.localhost:4566/111122223333/jobs/",
        "http://sqs.us-east-1.localhost.localstack.cloud:4566/111122223333/jobs",
        "http://localhost:4566/queue/us-east-1/111122223333/jobs",
        "http://localhost:4566/queue/111122223333/jobs",
        "/111122223333/jobs",
        "jobs",
    ],
)
def test_every_form_of_url_finds_the_queue(client: Client, queue: OneQueue, url: str) -> None:
    client.send_message(queue_url=url, message_body="hi")
    assert queue.bodies() == ["hi"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "my jobs",
        "http://localhost:4566/",
        "http://localhost:4566/jobs",
        "http://localhost:4566/1/jobs",
        "https://sqs.eu-west-1.amazonaws.com/111122223333/jobs",
        "https://eu-west-1.queue.amazonaws.com/111122223333/jobs",
        "http://localhost:4566/queue/eu-west-1/111122223333/jobs",
        "http://localhost/111122223333/a/b",
        "ftp://localhost/111122223333/jobs",
    ],
)
def test_what_is_not_a_queues_address_here(client: Client, queue: OneQueue, url: str) -> None:
    with pytest.raises(InvalidAddress):
        client.send_message(queue_url=url, message_body="hi")


def test_regions_in_hosts() -> None:
    assert region_in("sqs.ap-southeast-2.amazonaws.com") == "ap-southeast-2"
    assert region_in("us-gov-west-1.queue.amazonaws.com") == "us-gov-west-1"
    assert region_in("queue.amazonaws.com") == "us-east-1"
    assert region_in("sqs.example.com") is None
    assert locate("http://queue.internal/111122223333/x", "eu-central-1") == ("111122223333", "x")


def test_a_queue_that_is_not_there(client: Client, queue: OneQueue) -> None:
    with pytest.raises(QueueDoesNotExist):
        client.send_message(queue_url=queue.url + "2", message_body="hi")
    with pytest.raises(QueueDoesNotExist):
        client.get_queue_url(queue_name="other")
    with pytest.raises(QueueDoesNotExist):
        client.get_queue_attributes(queue_url=queue.url + "2")


def test_accounts_and_regions_are_apart(bench: Bench, client: Client, queue: OneQueue) -> None:
    there = OneQueue(Client(bench, region="eu-west-1"))
    other = OneQueue(Client(bench, account="444455556666"))
    queue.send("here")
    assert there.bodies() == other.bodies() == []
    assert queue.bodies() == ["here"]
    with pytest.raises(QueueDoesNotExist):
        Client(bench, account="444455556666").get_queue_url(queue_name="jobs2")
    owner = {"queue_name": "jobs", "queue_owner_aws_account_id": ACCOUNT}
    assert Client(bench, account="444455556666").get_queue_url(**owner)["QueueUrl"] == queue.url


def test_a_new_queue_has_the_documented_defaults(queue: OneQueue) -> None:
    assert queue.attributes() == {
        "VisibilityTimeout": "30",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "DelaySeconds": "0",
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
        "CreatedTimestamp": str(int(START)),
        "LastModifiedTimestamp": str(int(START)),
        "QueueArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:jobs",
    }


def test_only_the_attributes_that_were_asked_for(client: Client, queue: OneQueue) -> None:
    assert queue.attributes("DelaySeconds", "RedrivePolicy") == {"DelaySeconds": "0"}
    assert client.get_queue_attributes(queue_url=queue.url) == {}
    with pytest.raises(InvalidAttributeName, match=r"Unknown Attribute Colour\."):
        queue.attributes("Colour")


def test_creating_again_with_the_same_attributes_gives_the_same_queue(client: Client) -> None:
    first = OneQueue(client, VisibilityTimeout="60")
    first.send("kept")
    assert OneQueue(client, VisibilityTimeout="60").url == first.url
    assert OneQueue(client).url == first.url
    assert first.bodies() == ["kept"]


def test_creating_again_with_another_value_is_refused(client: Client, queue: OneQueue) -> None:
    with pytest.raises(QueueNameExists) as caught:
        OneQueue(client, VisibilityTimeout="31")
    assert caught.value.message == (
        "A queue already exists with the same name and a different value for attribute VisibilityTimeout"
    )


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("VisibilityTimeout", 0, 43200),
        ("MaximumMessageSize", 1024, 1048576),
        ("MessageRetentionPeriod", 60, 1209600),
        ("DelaySeconds", 0, 900),
        ("ReceiveMessageWaitTimeSeconds", 0, 20),
    ],
)
def test_the_limits_of_attributes(client: Client, queue: OneQueue, name: str, least: int, most: int) -> None:
    for value in (least, most):
        queue.set(**{name: str(value)})
        assert queue.attributes(name) == {name: str(value)}
    for wrong in (str(least - 1), str(most + 1), "", "x", "1.5", " 1", "٣"):
        with pytest.raises(InvalidAttributeValue, match=name):
            queue.set(**{name: wrong})
        with pytest.raises(InvalidAttributeValue, match=name):
            OneQueue(client, "another", **{name: wrong})
    with pytest.raises(QueueDoesNotExist):
        client.get_queue_url(queue_name="another")


def test_a_change_of_attributes_is_in_force_at_once_and_dated(bench: Bench, queue: OneQueue) -> None:
    bench.now += 10
    queue.set(VisibilityTimeout="5")
    assert queue.attributes("LastModifiedTimestamp", "CreatedTimestamp") == {
        "CreatedTimestamp": str(int(START)),
        "LastModifiedTimestamp": str(int(START) + 10),
    }
    queue.send()
    assert queue.bodies() == ["hi"]
    bench.now += 5
    assert queue.bodies() == ["hi"]


def test_a_failed_commit_leaves_attributes_as_they_were(bench: Bench, queue: OneQueue) -> None:
    with bench.batch(fails=True):
        queue.set(VisibilityTimeout="0")
    queue.send()
    assert queue.bodies() == ["hi"]
    assert queue.bodies() == []
    assert queue.attributes("VisibilityTimeout") == {"VisibilityTimeout": "30"}


def test_a_failed_commit_leaves_no_queue(bench: Bench, client: Client) -> None:
    with bench.batch(fails=True):
        queue = OneQueue(client)
        queue.send()
    with pytest.raises(QueueDoesNotExist):
        queue.send()
    OneQueue(client, VisibilityTimeout="1").send()


def test_a_read_does_not_see_what_is_not_committed(bench: Bench, client: Client) -> None:
    with bench.batch():
        OneQueue(client)
        with pytest.raises(QueueDoesNotExist):
            client.get_queue_url(queue_name="jobs")
        assert urls(client.list_queues()) == []
    assert urls(client.list_queues()) == ["jobs"]


def test_a_deleted_queue_is_gone_with_its_messages_and_its_name_for_a_minute(bench: Bench, client: Client) -> None:
    queue = OneQueue(client)
    queue.send()
    client.delete_queue(queue_url=queue.url)
    for operation in (queue.send, queue.receive, queue.attributes):
        with pytest.raises(QueueDoesNotExist):
            operation()
    bench.now += 59.9
    with pytest.raises(QueueDeletedRecently, match="60 seconds"):
        OneQueue(client)
    bench.now += 0.1
    assert OneQueue(client).bodies() == []


def test_a_failed_commit_brings_a_deleted_queue_back(bench: Bench, client: Client, queue: OneQueue) -> None:
    queue.send("kept")
    with bench.batch(fails=True):
        client.delete_queue(queue_url=queue.url)
    assert queue.bodies() == ["kept"]


def test_deleting_a_queue_wakes_all_who_wait_for_it(bench: Bench, client: Client, queue: OneQueue) -> None:
    client.delete_queue(queue_url=queue.url)
    assert len(bench.wakes) == 1
    assert bench.wakes[0][1] > 1_000_000


def test_lists_are_by_name_with_prefix_and_pages(client: Client) -> None:
    for name in ("b1", "a", "b3", "b2", "B", "c_1", "cx1"):
        client.create_queue(queue_name=name)
    assert urls(client.list_queues()) == ["B", "a", "b1", "b2", "b3", "c_1", "cx1"]
    assert urls(client.list_queues(queue_name_prefix="b")) == ["b1", "b2", "b3"]
    assert urls(client.list_queues(queue_name_prefix="c_")) == ["c_1"]
    assert client.list_queues(queue_name_prefix="zz") == {}
    first = client.list_queues(queue_name_prefix="b", max_results=2)
    assert urls(first) == ["b1", "b2"]
    second = client.list_queues(queue_name_prefix="b", max_results=2, next_token=first["NextToken"])
    assert urls(second) == ["b3"]
    assert "NextToken" not in second
    assert "NextToken" not in client.list_queues(max_results=7)
    for wrong in (0, 1001):
        with pytest.raises(InvalidParameterValue, match="MaxResults"):
            client.list_queues(max_results=wrong)
    with pytest.raises(InvalidParameterValue, match="token"):
        client.list_queues(max_results=1, next_token="ä")


def test_a_purge_removes_waiting_delayed_and_in_flight_messages(bench: Bench, client: Client, queue: OneQueue) -> None:
    queue.send("flying")
    (flying,) = queue.receive()
    queue.send("waiting")
    queue.send("delayed", delay_seconds=5)
    client.purge_queue(queue_url=queue.url)
    assert queue.counts() == (0, 0, 0)
    queue.send("new")
    bench.now += 50
    queue.delete(flying)
    assert queue.counts() == (1, 0, 0)
    bench.restart()
    assert queue.bodies() == ["new"]


def test_one_purge_in_60_seconds(bench: Bench, client: Client, queue: OneQueue) -> None:
    client.purge_queue(queue_url=queue.url)
    bench.now += 59.9
    with pytest.raises(PurgeQueueInProgress, match="Only one PurgeQueue operation on jobs is allowed every 60 seconds"):
        client.purge_queue(queue_url=queue.url)
    bench.now += 0.1
    client.purge_queue(queue_url=queue.url)


def test_a_failed_commit_takes_a_purge_back(bench: Bench, client: Client, queue: OneQueue) -> None:
    queue.send("kept")
    with bench.batch(fails=True):
        client.purge_queue(queue_url=queue.url)
        queue.send("lost")
    assert queue.bodies() == ["kept"]
    client.purge_queue(queue_url=queue.url)


def test_tags(client: Client) -> None:
    client.create_queue(queue_name="jobs", tags={"team": "a"})
    url = client.get_queue_url(queue_name="jobs")["QueueUrl"]
    client.tag_queue(queue_url=url, tags={"team": "b", "stage": ""})
    assert client.list_queue_tags(queue_url=url) == {"Tags": {"team": "b", "stage": ""}}
    client.untag_queue(queue_url=url, tag_keys=["team", "absent"])
    assert client.list_queue_tags(queue_url=url) == {"Tags": {"stage": ""}}
    client.untag_queue(queue_url=url, tag_keys=["stage"])
    assert client.list_queue_tags(queue_url=url) == {}
    for wrong in ({"": "x"}, {"k" * 129: ""}, {"k": "v" * 257}, {"aws:k": ""}, {str(n): "" for n in range(51)}):
        with pytest.raises(InvalidParameterValue):
            client.tag_queue(queue_url=url, tags=wrong)


def test_permissions_write_the_policy(client: Client, queue: OneQueue) -> None:
    client.add_permission(queue_url=queue.url, label="a", aws_account_ids=["444455556666"], actions=["SendMessage"])
    actions = ["ReceiveMessage", "DeleteMessage"]
    client.add_permission(queue_url=queue.url, label="b", aws_account_ids=["4" * 12, "5" * 12], actions=actions)
    arn = queue.attributes()["QueueArn"]
    assert json.loads(queue.attributes("Policy")["Policy"]) == {
        "Version": "2008-10-17",
        "Id": f"{arn}/SQSDefaultPolicy",
        "Statement": [
            {
                "Sid": "a",
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::444455556666:root"},
                "Action": "SQS:SendMessage",
                "Resource": arn,
            },
            {
                "Sid": "b",
                "Effect": "Allow",
                "Principal": {"AWS": [f"arn:aws:iam::{'4' * 12}:root", f"arn:aws:iam::{'5' * 12}:root"]},
                "Action": ["SQS:ReceiveMessage", "SQS:DeleteMessage"],
                "Resource": arn,
            },
        ],
    }
    client.remove_permission(queue_url=queue.url, label="a")
    client.remove_permission(queue_url=queue.url, label="b")
    assert queue.attributes("Policy") == {}


def test_what_permissions_refuse(client: Client, queue: OneQueue) -> None:
    def add(label: str = "a", accounts: tuple[str, ...] = ("4" * 12,), actions: tuple[str, ...] = ("*",)) -> None:
        client.add_permission(queue_url=queue.url, label=label, aws_account_ids=accounts, actions=actions)

    add()
    for wrong in (add, lambda: add("a b"), lambda: add("b", ("4",)), lambda: add("b", (), ()), lambda: add("b" * 81)):
        with pytest.raises(InvalidParameterValue):
            wrong()
    with pytest.raises(InvalidParameterValue, match="Only the queue owner is allowed to invoke this action"):
        add("b", actions=("CreateQueue",))
    with pytest.raises(OverLimit, match="8 Actions"):
        add("b", actions=("SendMessage",) * 8)
    with pytest.raises(InvalidParameterValue, match="can't find label"):
        client.remove_permission(queue_url=queue.url, label="b")
    for number in range(19):
        add(f"s{number}")
    with pytest.raises(OverLimit):
        add("s19")


def test_a_policy_is_set_compiled_and_removed(bench: Bench, queue: OneQueue) -> None:
    arn = queue.attributes()["QueueArn"]
    with pytest.raises(InvalidAttributeValue, match="Policy"):
        queue.set(Policy="{")
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    queue.set(Policy=policy)
    assert queue.attributes("Policy") == {"Policy": policy}
    found = guard(bench.make_call(), arn)
    assert found is not None
    assert found.account == ACCOUNT
    assert found.policy is not None
    queue.set(Policy="")
    assert queue.attributes("Policy") == {}
    found = guard(bench.make_call(), arn)
    assert found is not None
    assert found.policy is None
    assert guard(bench.make_call(), arn + "x") is None


def test_what_belongs_to_the_owner_is_refused_to_others_whatever_the_policy_says(bench: Bench, queue: OneQueue) -> None:
    other = Client(bench, account="444455556666")
    label = {"label": "a", "aws_account_ids": ["4" * 12], "actions": ["*"]}
    for operation, params in {
        "delete_queue": {},
        "set_queue_attributes": {"attributes": {"DelaySeconds": "1"}},
        "tag_queue": {"tags": {"a": "b"}},
        "untag_queue": {"tag_keys": ["a"]},
        "list_queue_tags": {},
        "add_permission": label,
        "remove_permission": {"label": "a"},
    }.items():
        with pytest.raises(AccessDenied):
            getattr(other, operation)(queue_url=queue.url, **params)
    other.send_message(queue_url=queue.url, message_body="hi")


def test_each_operation_needs_its_permission_on_its_queue(bench: Bench, queue: OneQueue) -> None:
    batches = {"send_message_batch", "delete_message_batch", "change_message_visibility_batch"}
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:jobs"
    handle = base64.b64encode(json.dumps({"taskId": "x", "sourceArn": arn}).encode()).decode()
    params = {
        "queue_url": queue.url,
        "queue_name": "jobs",
        "tags": {"a": "b"},
        "source_arn": arn,
        "destination_arn": arn,
        "task_handle": handle,
    }
    for name, operation in bench.operations.items():
        action = "".join(word.capitalize() for word in name.removesuffix("_batch").split("_"))
        assert operation.needs[0].action == f"sqs:{action}"
        assert name in batches or not name.endswith("_batch")
        for need in operation.needs:
            assert not isinstance(need.resource, str)
            needed = need.resource(bench.make_call(), params)
            assert needed == (f"arn:aws:sqs:us-east-1:{ACCOUNT}:*" if name == "list_queues" else arn)
    create = bench.operations["create_queue"].needs[1]
    assert create.action == "sqs:TagQueue"
    assert callable(create.resource)
    assert create.resource(bench.make_call(), {"queue_name": "jobs"}) is None
