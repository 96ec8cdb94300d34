"""The commands against a region that runs."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from awning.region import ROOMS
from awning.store.vault import Vault
from tests.cli.test_faults import awning
from tests.conftest import LiveRegion


def test_status_shows_what_runs(own_region: LiveRegion) -> None:
    own_region.start()
    shown = awning("status", "--data", own_region.data)
    assert shown.returncode == 0
    names = [service.name for service in ROOMS if service.name == service.home]
    for name in (*names, "running", str(own_region.port)):
        assert name in shown.stdout
    state = json.loads(awning("status", "--json", "--data", own_region.data).stdout)
    assert state["services"] == dict.fromkeys(names, "running")


def test_env_sets_a_shell_up(own_region: LiveRegion) -> None:
    own_region.start()
    printed = awning("env", "--data", own_region.data).stdout
    script = f'{printed}\necho "$AWS_ENDPOINT_URL $AWS_ACCESS_KEY_ID $AWS_REGION"'
    said = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.split() == [own_region.endpoint, "test", "us-east-1"]
    assert "unset AWS_ENDPOINT_URL" in awning("env", "--unset").stdout


def test_ca_prints_the_root_that_https_is_verified_by(own_region: LiveRegion) -> None:
    own_region.start()
    context = ssl.create_default_context(cadata=awning("ca", "--data", own_region.data).stdout)
    with urllib.request.urlopen(f"{own_region.tls_endpoint}/_awning/health", context=context, timeout=10) as answer:
        assert json.load(answer)["services"]["s3"] == "running"


def test_down_stops_and_the_next_start_finds_everything(own_region: LiveRegion) -> None:
    own_region.start()
    own_region.client("sqs").create_queue(QueueName="jobs")
    assert awning("down", "--data", own_region.data).returncode == 0
    assert own_region.stop() == 0
    own_region.start()
    assert own_region.client("sqs").get_queue_url(QueueName="jobs")["QueueUrl"].endswith("/000000000000/jobs")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_cleanly(own_region: LiveRegion, number: int) -> None:
    own_region.start()
    assert own_region.process is not None
    own_region.process.send_signal(number)
    assert own_region.process.wait(30) == 0
    assert not (own_region.data / "control.sock").exists()
    assert own_region.log.read_text().endswith("Stopped.\n")


def test_a_stop_answers_who_waits(own_region: LiveRegion) -> None:
    own_region.start()
    sqs = own_region.client("sqs")
    url = sqs.create_queue(QueueName="empty")["QueueUrl"]
    answers: list[object] = []
    waiting = threading.Thread(target=lambda: answers.append(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)))
    waiting.start()
    while 'awning_waiting_calls{room="sqs"} 1' not in metrics(own_region):
        time.sleep(0.02)
    assert own_region.stop() == 0
    waiting.join(10)
    assert len(answers) == 1


def metrics(live: LiveRegion) -> str:
    with urllib.request.urlopen(f"{live.endpoint}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def test_a_snapshot_brings_a_region_back(own_region: LiveRegion, tmp_path: Path) -> None:
    own_region.start()
    s3 = own_region.client("s3")
    s3.create_bucket(Bucket="kept")
    large = os.urandom(300_000)
    s3.put_object(Bucket="kept", Key="small", Body=b"small")
    s3.put_object(Bucket="kept", Key="large", Body=large)
    saved = tmp_path / "region.tar"
    words = tmp_path / "passphrase"
    words.write_text("a good one\n")
    given = ("--passphrase-file", words)
    assert awning("snapshot", "save", saved, *given, "--data", own_region.data).returncode == 0
    s3.delete_object(Bucket="kept", Key="large")
    other = LiveRegion(tmp_path / "other")
    assert awning("snapshot", "load", saved, *given, "--data", other.data).returncode == 0
    other.start()
    try:
        again = other.client("s3")
        assert again.get_object(Bucket="kept", Key="large")["Body"].read() == large
        assert again.get_object(Bucket="kept", Key="small")["Body"].read() == b"small"
    finally:
        other.stop()


def test_reset_deletes_what_a_stopped_region_held(own_region: LiveRegion) -> None:
    own_region.start()
    own_region.client("s3").create_bucket(Bucket="gone")
    root = own_region.ca.read_text()
    own_region.stop()
    assert awning("reset", "--yes", "--data", own_region.data).returncode == 0
    own_region.start()
    assert own_region.client("s3").list_buckets()["Buckets"] == []
    assert own_region.ca.read_text() == root


def test_doctor_names_the_remedies(tmp_path: Path) -> None:
    done = awning("doctor", "--data", tmp_path / "data", "--port", 0)
    assert "AWS_ENDPOINT_URL is not set" in " ".join(done.stdout.split())
    assert not (tmp_path / "data").exists()


def test_doctor_examines_the_master_key(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)

    def says(**environment: str) -> tuple[int, str]:
        done = awning("doctor", "--data", data, "--port", 0, COLUMNS="500", **environment)
        return done.returncode, " ".join(done.stdout.split())

    Vault.open(data, {})
    good, text = says()
    assert "The master key is there." in text
    (data / "master.key").chmod(0o640)
    bad, text = says()
    assert "The master key can be read by others" in text
    assert "has mode 0640; `chmod 600` it" in text
    assert (good, bad) == (0, 1)
    (data / "master.key").chmod(0o600)
    for other in ("A" * 43 + "=", "no key"):
        bad, text = says(AWNING_MASTER_KEY=other)
        assert bad == 1
        assert "AWNING_MASTER_KEY" in text
    (data / "master.key").unlink()
    bad, text = says()
    assert bad == 1
    assert "its master key is not there" in text


def test_only_the_named_services_run(tmp_path: Path) -> None:
    live = LiveRegion(tmp_path / "data", "--services", "sqs").start()
    try:
        live.client("sqs").create_queue(QueueName="jobs")
        with pytest.raises(Exception, match="s3 is not part of this region"):
            live.client("s3").list_buckets()
    finally:
        live.stop()


@pytest.mark.parametrize("form", ["text", "json"])
def test_each_request_is_one_line_of_the_log(tmp_path: Path, form: str) -> None:
    live = LiveRegion(tmp_path / "data", *(["--log-json"] if form == "json" else [])).start()
    live.client("sqs").create_queue(QueueName="jobs")
    live.stop()
    lines = [line for line in live.log.read_text().splitlines() if "sqs.CreateQueue" in line]
    assert len(lines) == 1
    if form == "json":
        entry = json.loads(lines[0])
        assert (entry["status"], entry["account"], entry["operation"]) == (200, "000000000000", "sqs.CreateQueue")
        assert entry["request_id"]
        assert entry["ms"] > 0
    else:
        assert " 200 sqs.CreateQueue 000000000000 " in lines[0]
