"""Background passes and the figures for /metrics: bounded, and only what is dead is deleted."""

from __future__ import annotations

from awning.services.sqs.memory import Sweep, leave
from awning.services.sqs.work import forget_deleted_queues, forget_receives, gauges, survey, sweep
from tests.services.sqs.support import ACCOUNT, Bench, Client, OneQueue


def rows(bench: Bench) -> int:
    count: int = bench.reader.execute("SELECT count(*) FROM messages").fetchone()[0]
    return count


def look(bench: Bench) -> None:
    """A whole survey."""
    while bench.run(bench.make_call(), survey):
        pass


def run(bench: Bench) -> bool:
    """One step of the sweep, after a survey."""
    look(bench)
    more: bool = bench.run(bench.make_call(), sweep)
    return more


def test_expired_messages_are_deleted_wherever_they_stand(bench: Bench, client: Client) -> None:
    queue = OneQueue(client, MessageRetentionPeriod="60")
    long = OneQueue(client, "long")
    queue.send("flying")
    queue.receive(visibility_timeout=600)
    queue.send("waiting")
    queue.send("delayed past its retention", delay_seconds=100)
    long.send("kept")
    bench.now += 59.999
    assert not run(bench)
    assert rows(bench) == 4
    bench.now += 0.001
    assert not run(bench)
    assert queue.counts() == (0, 0, 1)
    bench.now += 60
    assert not run(bench)
    assert rows(bench) == 1
    assert queue.counts() == (0, 0, 0)
    assert queue.bodies() == []
    assert long.bodies() == ["kept"]


def test_rows_of_purged_and_deleted_queues_are_swept_in_slices(bench: Bench, client: Client) -> None:
    purged, deleted, kept = OneQueue(client, "purged"), OneQueue(client, "deleted"), OneQueue(client, "kept")
    for number in range(1_200):
        for queue in (purged, deleted):
            queue.send(str(number))
    kept.send("kept")
    client.purge_queue(queue_url=purged.url)
    client.delete_queue(queue_url=deleted.url)
    purged.send("new")
    assert run(bench)
    assert rows(bench) == 2_402 - 1_000
    assert run(bench)
    assert not run(bench)
    assert rows(bench) == 2
    assert bench.memory.sweep == Sweep()
    assert (purged.bodies(), kept.bodies()) == (["new"], ["kept"])


def test_a_crash_does_not_forget_what_is_to_be_swept(bench: Bench, client: Client) -> None:
    queue = OneQueue(client)
    for _ in range(5):
        queue.send()
    client.purge_queue(queue_url=queue.url)
    bench.restart()
    assert not run(bench)
    assert rows(bench) == 0


def test_a_failed_commit_leaves_the_sweep_where_it_was(bench: Bench, client: Client) -> None:
    queue = OneQueue(client, MessageRetentionPeriod="60")
    for _ in range(1_001):
        queue.send()
    client.purge_queue(queue_url=queue.url)
    queue.send("old")
    bench.now += 60
    with bench.batch(fails=True):
        assert run(bench)
        assert not run(bench)
    assert queue.counts() == (1, 0, 0)
    assert run(bench)
    assert not run(bench)
    assert rows(bench) == 0
    assert queue.counts() == (0, 0, 0)


def test_a_sweep_looks_no_further_than_the_first_young_message(bench: Bench, client: Client) -> None:
    queue = OneQueue(client)
    for _ in range(1_001):
        queue.send()
    assert not run(bench)
    assert bench.memory.sweep == Sweep()


def test_names_of_deleted_queues_are_forgotten_after_a_minute(bench: Bench, client: Client, queue: OneQueue) -> None:
    client.delete_queue(queue_url=queue.url)
    bench.now += 59.999
    bench.run(bench.make_call(), forget_deleted_queues)
    assert bench.reader.execute("SELECT count(*) FROM deleted_queues").fetchone() == (1,)
    bench.now += 0.001
    bench.run(bench.make_call(), forget_deleted_queues)
    assert bench.reader.execute("SELECT count(*) FROM deleted_queues").fetchone() == (0,)


def test_gauges_say_how_many_messages_stand_in_the_fullest_queues(bench: Bench, client: Client) -> None:
    for number in range(105):
        client.create_queue(queue_name=f"q{number}")
    queue = OneQueue(client)
    queue.send()
    queue.send()
    queue.send(delay_seconds=1)
    queue.receive()
    assert gauges(bench.make_call()) == {}
    look(bench)
    figures = gauges(bench.make_call())
    assert len(figures) == 300
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:jobs"
    for state in ("visible", "in_flight", "delayed"):
        assert figures["awning_sqs_messages", (("queue", arn), ("state", state))] == 1


def test_a_crash_does_not_find_what_an_earlier_stop_kept_of_receives(bench: Bench, queue: OneQueue) -> None:
    for _ in range(1_200):
        queue.send()
    for _ in range(120):
        queue.receive(10, visibility_timeout=43_000)
    bench.run(bench.make_call(), leave)
    bench.restart()
    assert queue.counts() == (0, 1_200, 0)
    assert bench.run(bench.make_call(), forget_receives)
    assert not bench.run(bench.make_call(), forget_receives)
    bench.restart()
    assert queue.counts() == (1_200, 0, 0)


def test_a_survey_looks_at_a_thousand_queues_at_a_time(bench: Bench, client: Client) -> None:
    short = OneQueue(client, "short", MessageRetentionPeriod="60")
    for number in range(2_000):
        client.create_queue(queue_name=f"q{number}")
    full, empty = OneQueue(client, "full"), OneQueue(client, "empty", MessageRetentionPeriod="60")
    full.send()
    assert [bench.run(bench.make_call(), survey) for _ in range(3)] == [True, True, False]
    memory = bench.memory
    assert memory.survey.shortest == 345_600_000
    assert memory.survey.fullest[0] == memory.queues[full.attributes()["QueueArn"]].id
    short.send()
    assert bench.run(bench.make_call(), survey)
    assert memory.survey.shortest == 345_600_000
    client.delete_queue(queue_url=empty.url)
    client.delete_queue(queue_url=full.url)
    assert not any("full" in labels[0][1] for _, labels in gauges(bench.make_call()))
    with bench.batch(fails=True):
        assert bench.run(bench.make_call(), survey)
        assert not bench.run(bench.make_call(), survey)
    assert memory.survey.shortest == 345_600_000
    look(bench)
    assert memory.survey.shortest == 60_000
    assert len(memory.survey.fullest) == 100
    assert memory.survey.at == 0
