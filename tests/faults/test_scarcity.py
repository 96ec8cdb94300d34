"""No file descriptors left, killed while it starts, a clock that jumps: a region gets over it."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from awning.cli.control import ask
from tests.conftest import ROOT, LiveRegion
from tests.faults import raw
from tests.faults.audit import assert_clean
from tests.faults.conftest import MakeRegion
from tests.faults.figures import share


def open_files(live: LiveRegion) -> int:
    assert live.process is not None
    return len(os.listdir(f"/proc/{live.process.pid}/fd"))


def test_without_descriptors_requests_fail_and_nothing_is_lost(make_region: MakeRegion) -> None:
    live = make_region("--log-level", "error").start()
    assert live.process is not None
    s3 = live.client("s3", config=Config(retries={"total_max_attempts": 1}, read_timeout=10))
    s3.create_bucket(Bucket="scarce")
    s3.put_object(Bucket="scarce", Key="large", Body=bytes(200_000))
    limits = resource.prlimit(live.process.pid, resource.RLIMIT_NOFILE)
    stored = {"large"}
    for spare in (0, 1, 2, 3, 8):
        resource.prlimit(live.process.pid, resource.RLIMIT_NOFILE, (open_files(live) + spare, limits[1]))
        with contextlib.ExitStack() as stack:
            for _ in range(100):
                stack.enter_context(raw.connect(live))
            for number in range(5):
                key = f"{spare}-{number}"
                with contextlib.suppress(ClientError, BotoCoreError):
                    s3.put_object(Bucket="scarce", Key=key, Body=bytes(100_000))
                    stored.add(key)
            with contextlib.suppress(ClientError, BotoCoreError):
                assert len(s3.get_object(Bucket="scarce", Key="large")["Body"].read()) == 200_000
            assert share(live, 1.0) < 0.3, "the region spins"
        resource.prlimit(live.process.pid, resource.RLIMIT_NOFILE, limits)
        assert {item["Key"] for item in s3.list_objects_v2(Bucket="scarce")["Contents"]} == stored
    assert not any(key.startswith("0-") for key in stored), "there were descriptors left"
    for key in stored:
        s3.get_object(Bucket="scarce", Key=key)["Body"].read()
    assert_clean(live.data)
    assert live.stop() == 0


def kill_while_starting(data: Path, seconds: float) -> None:
    command = [sys.executable, "-m", "awning", "up", "--port", "0", "--data", str(data)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)


@pytest.mark.slow
def test_a_region_killed_while_it_starts_for_the_first_time_starts_the_next(
    make_region: MakeRegion, tmp_path: Path
) -> None:
    chance = random.Random(8)
    for number in range(12):
        live = make_region(data=tmp_path / f"data-{number}")
        for _ in range(2):
            kill_while_starting(live.data, chance.uniform(0.15, 0.6))
        live.start()
        live.client("s3", tls=True).create_bucket(Bucket="first")
        assert_clean(live.data)
        live.kill()


def test_a_clock_that_jumps_ends_waiting_and_what_is_too_old(make_region: MakeRegion) -> None:
    live = make_region().start()
    sqs = live.client("sqs")
    url = sqs.create_queue(QueueName="old", Attributes={"MessageRetentionPeriod": "3600"})["QueueUrl"]
    delayed = sqs.create_queue(QueueName="delayed")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="gone by then")
    sqs.send_message(QueueUrl=delayed, MessageBody="due by then", DelaySeconds=900)
    credentials = role_session(live)
    waiting = [waiter(live, delayed), waiter(live, sqs.create_queue(QueueName="empty")["QueueUrl"])]
    time.sleep(0.2)
    ask(live.data, "clock", seconds=2 * 86400)
    assert b"due by then" in raw.answer(waiting[0])[1]
    assert raw.answer(waiting[1]) == (200, b"{}")
    for each in waiting:
        each.close()
    # A client's clock stays where it was, and its requests are good all the same.
    with raw.connect(live) as connection:
        connection.sendall(raw.sqs(live, "ListQueues"))
        assert raw.answer(connection)[0] == 200
    live.stop()
    live.start()
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["QueueArn"].endswith(":old")
    with pytest.raises(ClientError, match="InvalidClientTokenId"):  # its time was over, and it was forgotten
        live.client("sts", **credentials).get_caller_identity()
    assert live.stop() == 0


def waiter(live: LiveRegion, url: str) -> socket.socket:
    connection = raw.connect(live)
    connection.sendall(raw.sqs(live, "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20))
    return connection


def role_session(live: LiveRegion) -> dict[str, Any]:
    trust = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}}'
    arn = live.client("iam").create_role(RoleName="jump", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    live.client("iam").create_user(UserName="jumper")
    made = live.client("sts").assume_role(RoleArn=arn, RoleSessionName="session")["Credentials"]
    return {
        "key": made["AccessKeyId"],
        "secret": made["SecretAccessKey"],
        "aws_session_token": made["SessionToken"],
    }
