"""A Celery application on its SQS transport: tasks that note what they did in a file, some of which fail at first."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from celery import Celery

app = Celery("jobs", broker=f"sqs://test:test@{urlsplit(os.environ['AWS_ENDPOINT_URL']).netloc}")
app.conf.update(
    task_acks_late=True,
    task_default_queue=os.environ["CELERY_QUEUE"],
    worker_prefetch_multiplier=2,
    worker_enable_remote_control=False,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "region": "us-east-1",
        "is_secure": False,
        "visibility_timeout": 6,
        "wait_time_seconds": 1,
        "polling_interval": 0.1,
    },
)


@app.task(bind=True, max_retries=5)
def note(self: Any, number: int) -> None:
    """Write a line to the file; every fifth number fails the first two times."""
    if number % 5 == 0 and self.request.retries < 2:
        raise self.retry(countdown=0.5)
    time.sleep(0.02)
    with Path(os.environ["CELERY_NOTES"]).open("a") as notes:
        notes.write(f"{number} {self.request.retries}\n")
