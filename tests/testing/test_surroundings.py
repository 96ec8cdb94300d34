"""A region of a test amid what a machine has set: proxies, variables for another region, files with Python's names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from awning.testing import Region
from tests.conftest import ROOT


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_no_proxy_stands_between_clients_and_a_region(
    region: Region, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    region.client("sqs").create_queue(QueueName="jobs")
    agent = region.client("sqs", config=Config(user_agent_extra="mine"))
    assert agent.list_queues()["QueueUrls"]
    assert agent.meta.config.user_agent_extra == "mine"
    assert list(region.resource("sqs").queues.all())
    monkeypatch.setenv("NO_PROXY", "example.com")
    with region.environment() as variables:
        assert boto3.client("sqs").list_queues()["QueueUrls"]
        assert variables["no_proxy"] == "example.com,127.0.0.1"


def test_variables_for_another_region_do_not_lead_a_tests_region_astray(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWNING_DATA": "/nowhere",
        "AWNING_INIT": "/nowhere",
        "AWNING_MASTER_KEY": "no key",
        "AWNING_ROOT_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "GATEWAY_LISTEN": "0.0.0.0:4566",
        "LS_LOG": "loud",
        "PERSISTENCE": "perhaps",
        "SERVICES": "sqs",
    }.items():
        monkeypatch.setenv(name, value)
    with Region(services=["s3", "sts", "iam"]) as region:
        assert region.client("s3").list_buckets()["Buckets"] == []


def test_a_folder_with_modules_of_pythons_names_does_not_stop_a_region(tmp_path: Path) -> None:
    (tmp_path / "token.py").write_text("raise RuntimeError('this is the application')")
    script = "import sys; sys.path.remove(''); sys.path.insert(0, sys.argv[1])\nfrom awning.testing import Region\n"
    script += "with Region(services=['sqs', 'sts']) as region: print(region.client('sts').get_caller_identity()['Arn'])"
    command = [sys.executable, "-c", script, str(ROOT)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout == "arn:aws:iam::000000000000:root\n", done.stderr


def test_an_account_of_the_suites_own() -> None:
    with Region(account="123456789012") as region:
        assert region.client("sts").get_caller_identity()["Account"] == "123456789012"
        assert region.user().account == region.role().account == "123456789012"
        assert region.client("sts", account="000000000000").get_caller_identity()["Account"] == "000000000000"
        with region.environment():
            assert boto3.client("sts").get_caller_identity()["Account"] == "123456789012"
    with pytest.raises(ValueError, match="12 digits"):
        Region(account="12345678901²")
