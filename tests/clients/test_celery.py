"""A real Celery worker on its SQS transport: tasks with retries, and a worker that is killed amid its work."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import LiveRegion

FOLDER = Path(__file__).parent
TASKS = 50


def worker(environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    arguments = ["-A", "celery_app", "worker", "-P", "solo", "-l", "INFO", "--without-gossip", "--without-mingle"]
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "celery", *arguments], cwd=FOLDER, env=environment, stdout=output, stderr=output
        )


def wait_for(notes: Path, count: int, process: subprocess.Popen[bytes], log: Path) -> Counter[str]:
    """Wait until so many tasks have been done; return how often each."""
    for _ in range(1800):
        done = Counter(line.split()[0] for line in notes.read_text().splitlines())
        if len(done) >= count:
            return done
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(f"{len(done)} of {count} tasks were done:\n{log.read_text()[-4000:]}")


@pytest.mark.slow
def test_every_task_is_done_though_some_fail_and_a_worker_is_killed(
    region: LiveRegion, tmp_path: Path, name: str
) -> None:
    notes, log = tmp_path / "notes", tmp_path / "worker.log"
    notes.touch()
    environment = region.env(CELERY_NOTES=str(notes), CELERY_QUEUE=name)
    publish = f"from celery_app import note\nfor number in range({TASKS}): note.delay(number)"
    subprocess.run([sys.executable, "-c", publish], cwd=FOLDER, env=environment, check=True, timeout=60)
    sqs = region.client("sqs")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    process = worker(environment, log)
    try:
        wait_for(notes, 10, process, log)
        process.kill()  # what it holds is delivered again when its visibility timeout is over
        process.wait()
        process = worker(environment, log)
        done = wait_for(notes, TASKS, process, log)
        assert set(done) == {str(number) for number in range(TASKS)}
        tries = dict(line.split() for line in notes.read_text().splitlines())
        assert {tries[str(number)] for number in range(0, TASKS, 5)} == {"2"}
        assert {tries[str(number)] for number in range(TASKS) if number % 5} == {"0"}
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        for _ in range(400):
            left = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
            if set(left.values()) == {"0"}:
                break
            time.sleep(0.05)
        assert left == dict.fromkeys(names, "0")
    finally:
        process.kill()
        process.wait()
