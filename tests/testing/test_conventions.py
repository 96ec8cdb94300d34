"""What users of the closed emulator expect: scripts, pages, variables, the line `Ready.`, and its tools, unmodified."""

from __future__ import annotations

import inspect
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from awning.cli import variables
from awning.cli.fault import Fault
from awning.cli.up import KNOWN
from awning.testing import Region
from tests.conftest import LiveRegion


def page(url: str, data: bytes | None = None) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, data, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def script(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def test_scripts_run_at_their_stage_and_their_state_is_shown(tmp_path: Path) -> None:
    init = tmp_path / "init"
    script(init, "boot.d/first.sh", "#!/bin/sh\necho booting\n")
    script(init, "ready.d/1.sh", '#!/bin/sh\necho "to $AWS_ENDPOINT_URL as $AWS_ACCESS_KEY_ID"\nexit 3\n')
    script(init, "ready.d/2.py", "import boto3\nboto3.client('s3').create_bucket(Bucket='seeded')\n")
    script(init, "ready.d/inner/0.sh", "#!/bin/sh\necho inner\n")
    script(init, "ready.d/notes.txt", "no script")
    script(init, "shutdown.d/last.sh", f"#!/bin/sh\necho bye > {tmp_path}/bye\n")
    live = LiveRegion(tmp_path / "data", "--init", str(init)).start()
    assert live.client("s3").list_buckets()["Buckets"][0]["Name"] == "seeded"
    status, shown = page(f"{live.endpoint}/_localstack/init")
    assert (status, shown["completed"]) == (200, {"BOOT": True, "START": True, "READY": True, "SHUTDOWN": False})
    assert page(f"{live.endpoint}/_localstack/init/ready")[1] == {
        "completed": True,
        "scripts": [
            {"stage": "READY", "name": "1.sh", "state": "ERROR"},
            {"stage": "READY", "name": "2.py", "state": "SUCCESSFUL"},
            {"stage": "READY", "name": "inner/0.sh", "state": "SUCCESSFUL"},
        ],
    }
    assert page(f"{live.endpoint}/_localstack/init/lunch")[0] == 404
    assert live.stop() == 0
    assert (tmp_path / "bye").read_text() == "bye\n"
    said = live.log.read_text()
    for line in ("first.sh: booting", f"1.sh: to {live.endpoint} as test", "1.sh: failed with exit code 3", "inner"):
        assert line in said
    assert said.index("booting") < said.index("awning at") < said.index("inner") < said.index("Ready.\n")


def test_what_a_script_leaves_in_the_background_holds_nothing_up(tmp_path: Path) -> None:
    script(
        tmp_path / "init", "ready.d/1.sh", "#!/bin/sh\nsleep 120 &\necho $! > " + str(tmp_path / "pid") + "\necho done"
    )
    live = LiveRegion(tmp_path / "data", environment={"AWNING_INIT": str(tmp_path / "init")}).start()
    left = int((tmp_path / "pid").read_text())
    os.kill(left, signal.SIGTERM)
    assert page(f"{live.endpoint}/_localstack/init/ready")[1]["scripts"][0]["state"] == "SUCCESSFUL"
    assert "1.sh: done" in live.log.read_text()
    assert live.stop() == 0


def test_the_known_pages(region: Region) -> None:
    base = f"{region.endpoint}/_localstack"
    status, health = page(f"{base}/health")
    assert (status, health["services"]["s3"]) == (200, "running")
    info = page(f"{base}/info")[1]
    assert (info["edition"], info["is_license_activated"]) == ("awning", False)
    assert page(f"{base}/diagnose")[0] == 501
    assert page(f"{base}/health", b'{"action": "restart"}')[0] == 501
    assert page(f"{base}/health", b"[]")[0] == 400


def test_kill_stops_the_region(own_region: LiveRegion) -> None:
    own_region.start()
    assert page(f"{own_region.endpoint}/_localstack/health", b'{"action": "kill"}') == (200, {"status": "ok"})
    assert own_region.process is not None
    assert own_region.process.wait(30) == 0


def test_variables_are_read_where_they_mean_something_and_named_where_not() -> None:
    given = variables.read(
        KNOWN,
        {"PERSISTENCE": "0", "LS_LOG": "warn", "LOCALSTACK_HOST": "cloud.example:4566", "EAGER_SERVICE_LOADING": "1"},
    )
    assert (given.temporary, given.level, given.domain) == (True, "error", "cloud.example")
    assert any("EAGER_SERVICE_LOADING" in note for note in given.notes)
    assert not any("PERSISTENCE" in note for note in given.notes if "mean nothing" in note)
    assert variables.read(KNOWN, {"HOME": "/x", "S3_BUCKET": "mine"}).notes == ()
    for wrong in ({"PERSISTENCE": "perhaps"}, {"LS_LOG": "loud"}):
        with pytest.raises(Fault):
            variables.read(KNOWN, wrong)


def test_the_services_that_are_missing_are_named_and_the_others_run() -> None:
    given = variables.read(KNOWN, {"SERVICES": "s3, SQS:4576 lambda,cloudformation"})
    assert given.services == {"s3", "sqs"}
    assert any("cloudformation, lambda" in note for note in given.notes)
    assert variables.read(KNOWN, {"SERVICES": "lambda"}).services == frozenset()
    assert variables.read(KNOWN, {"SERVICES": " "}).services is None
    assert not any("does not have" in note for note in variables.read(KNOWN, {"SERVICES": "s3"}).notes)


def test_a_region_starts_with_the_services_of_somebody_elses_list(tmp_path: Path) -> None:
    live = LiveRegion(tmp_path / "data", environment={"SERVICES": "lambda,s3,sqs"}).start()
    assert "awning does not have: lambda" in live.log.read_text()
    assert set(page(f"{live.endpoint}/_localstack/health")[1]["services"]) == {"iam", "s3", "sqs", "sts"}
    with pytest.raises(ClientError, match="lambda"):
        live.client("lambda").list_functions()
    assert live.stop() == 0


def test_without_persistence_nothing_is_kept(tmp_path: Path) -> None:
    live = LiveRegion(tmp_path / "unused")
    command = [sys.executable, "-m", "awning", "up", "--port", "0", "--exit-with-parent"]
    done = subprocess.run(
        command,
        env=live.env(PERSISTENCE="0", AWNING_DATA=str(tmp_path / "data")),
        input="",
        capture_output=True,
        text=True,
    )
    assert "Nothing is kept" in done.stdout
    folder = re.search(r"data in (\S+)", done.stdout)
    assert folder is not None
    assert not Path(folder[1]).exists()
    assert not (tmp_path / "data").exists()


def awslocal(region: Region, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command = [str(Path(sys.executable).with_name("awslocal")), *arguments]
    environment |= {"LOCALSTACK_HOST": f"127.0.0.1:{region.port}", "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_awslocal_works_unchanged(region: Region, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    awslocal(region, "s3", "mb", "s3://bucket")
    awslocal(region, "s3", "cp", str(tmp_path / "file"), "s3://bucket/key")
    assert awslocal(region, "s3", "cp", "s3://bucket/key", "-") == "content"
    url = json.loads(awslocal(region, "sqs", "create-queue", "--queue-name", "jobs"))["QueueUrl"]
    awslocal(region, "sqs", "send-message", "--queue-url", url, "--message-body", "do it")
    assert "do it" in awslocal(region, "sqs", "receive-message", "--queue-url", url)
    assert "alice" in awslocal(region, "iam", "create-user", "--user-name", "alice")


def test_the_testcontainers_module_would_see_it_ready_and_reach_it(tmp_path: Path) -> None:
    """There need not be Docker here: its pattern is held against our output, and its client's keys against our region, which is
    given the variables that the module gives its container."""
    from testcontainers.community.localstack import LocalStackContainer

    source = inspect.getsource(LocalStackContainer)
    pattern = re.search(r'wait_for_logs\(self, r"(.*?)"', source)
    key = re.search(r'with_env\("AWS_ACCESS_KEY_ID", "(.*?)"\)', source)
    client_key = re.search(r'"aws_access_key_id": "(.*?)"', source)
    assert pattern
    assert key
    assert client_key
    given = {"AWNING_ALLOW_WELL_KNOWN_KEYS": "1", "AWS_ACCESS_KEY_ID": key[1], "AWS_SECRET_ACCESS_KEY": key[1]}
    live = LiveRegion(tmp_path / "data", environment=given).start()
    assert re.search(pattern[1], live.log.read_text())
    keys = {"aws_access_key_id": client_key[1], "aws_secret_access_key": client_key[1]}
    sqs = boto3.client("sqs", endpoint_url=live.endpoint, region_name="us-west-1", **keys)
    assert sqs.create_queue(QueueName="jobs")["QueueUrl"].startswith(live.endpoint)
    assert live.stop() == 0
