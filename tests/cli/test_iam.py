"""`awning iam explain` and `suggest`, on a live region."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from awning.services.iam.totp import code_at, step_of
from tests.conftest import ROOT, LiveRegion


def iam(region: LiveRegion, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "awning", "iam", *arguments, "--data", str(region.data)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, env={**os.environ, "COLUMNS": "200"}
    )


def user(region: LiveRegion, name: str, policy: dict[str, Any] | None) -> dict[str, Any]:
    client = region.client("iam")
    client.create_user(UserName=name)
    if policy is not None:
        client.put_user_policy(UserName=name, PolicyName="mine", PolicyDocument=json.dumps(policy))
    key = client.create_access_key(UserName=name)["AccessKey"]
    return {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}


def statement(sid: str, effect: str, action: str, resource: str) -> dict[str, str]:
    return {"Sid": sid, "Effect": effect, "Action": action, "Resource": resource}


def test_explain_names_the_statement_and_why_the_others_do_not_apply(region: LiveRegion) -> None:
    region.client("s3").create_bucket(Bucket="explained")
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            statement("Reads", "Allow", "s3:GetObject", "arn:aws:s3:::explained/*"),
            statement("Elsewhere", "Allow", "s3:PutObject", "arn:aws:s3:::other/*"),
        ],
    }
    s3 = region.client("s3", **user(region, "explained", policy))
    with pytest.raises(ClientError) as denied:
        s3.put_object(Bucket="explained", Key="k", Body=b"x")
    said = iam(region, "explain", denied.value.response["ResponseMetadata"]["RequestId"]).stdout
    assert "s3:PutObject on arn:aws:s3:::explained/k for arn:aws:iam::000000000000:user/explained" in said
    assert "no identity-based policy allows it" in said
    assert said.splitlines()[1].startswith("Denied: no identity-based policy allows it")
    assert "statement Reads: Allow does not apply, for its actions do not include s3:PutObject" in said
    assert (
        "statement Elsewhere: Allow does not apply, for its resources do not include arn:aws:s3:::explained/k" in said
    )
    region.client("s3").put_object(Bucket="explained", Key="k", Body=b"x")
    done = s3.get_object(Bucket="explained", Key="k")["ResponseMetadata"]["RequestId"]
    said = json.loads(iam(region, "explain", done, "--json").stdout)
    assert [(each["action"], each["allowed"], each["statement"]) for each in said["decisions"]] == [
        ("s3:GetObject", True, "Reads")
    ]


def test_explain_finds_the_latest_denial(region: LiveRegion) -> None:
    """Not every client shows a request's id: the AWS CLI does only in its debug output."""
    region.client("s3").create_bucket(Bucket="none-of-mine")
    denied = region.client("s3", **user(region, "latest", None))
    with pytest.raises(ClientError):
        denied.list_objects_v2(Bucket="none-of-mine")
    other = region.client("sqs", **user(region, "later", None))
    with pytest.raises(ClientError):
        other.create_queue(QueueName="no")
    assert "sqs:CreateQueue on" in iam(region, "explain").stdout
    who = "arn:aws:iam::000000000000:user/latest"
    assert f"s3:ListBucket on arn:aws:s3:::none-of-mine for {who}" in iam(region, "explain", "--principal", who).stdout
    nobody = iam(region, "explain", "--principal", f"{who}st")
    assert nobody.returncode == 2
    assert f"Nothing was denied to {who}st" in nobody.stderr
    assert iam(region, "explain", "some-id", "--principal", who).returncode == 2


def test_explain_says_when_it_does_not_know(region: LiveRegion) -> None:
    done = iam(region, "explain", "00000000-0000-4000-8000-000000000000")
    assert done.returncode == 2
    assert done.stderr.startswith("awning: The region knows no decision")
    assert done.stderr.count("\n") == 1


def test_what_is_suggested_is_enough_and_no_more(own_region: LiveRegion) -> None:
    own_region.start()
    everything = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    key = user(own_region, "worker", everything)

    def work(key: dict[str, Any]) -> None:
        s3, sqs = own_region.client("s3", **key), own_region.client("sqs", **key)
        url = sqs.get_queue_url(QueueName="jobs")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="job")
        s3.put_object(Bucket="results", Key="one", Body=b"1")
        s3.get_object(Bucket="results", Key="one")

    own_region.client("s3").create_bucket(Bucket="results")
    own_region.client("sqs").create_queue(QueueName="jobs")
    work(key)
    own_region.stop()
    own_region.start()
    done = iam(own_region, "suggest", "--principal", "arn:aws:iam::000000000000:user/worker")
    assert done.returncode == 0, done.stderr
    policy = json.loads(done.stdout)
    assert policy["Statement"] == [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": "arn:aws:s3:::results/one",
        },
        {
            "Effect": "Allow",
            "Action": ["sqs:GetQueueUrl", "sqs:SendMessage"],
            "Resource": "arn:aws:sqs:us-east-1:000000000000:jobs",
        },
    ]
    narrow = user(own_region, "narrow", policy)
    work(narrow)
    with pytest.raises(ClientError, match="AccessDenied"):
        own_region.client("s3", **narrow).put_object(Bucket="results", Key="two", Body=b"2")
    said = iam(own_region, "suggest", "--principal", "arn:aws:iam::000000000000:user/narrow", "--denied").stdout
    assert "arn:aws:s3:::results/two" in said
    idle = user(own_region, "idle", {**everything, "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}})
    with pytest.raises(ClientError, match="AccessDenied"):
        own_region.client("s3", **idle).put_object(Bucket="results", Key="two", Body=b"2")
    denied = iam(own_region, "suggest", "--principal", "arn:aws:iam::000000000000:user/idle")
    assert denied.returncode == 2
    assert "--denied" in denied.stderr
    unknown = iam(own_region, "suggest", "--principal", "arn:aws:iam::000000000000:user/nobody")
    assert unknown.returncode == 2
    assert "user/worker" in unknown.stderr


def test_the_root_gets_a_second_factor(region: LiveRegion) -> None:
    client = region.client("iam")
    serial = "arn:aws:iam::000000000000:mfa/by-command"
    made = json.loads(iam(region, "mfa", "make", "--name", "by-command", "--json").stdout)
    assert made["serial"] == serial
    seed = base64.b32decode(made["secret"])
    step = step_of(time.time())
    codes = [code_at(seed, step - 1), code_at(seed, step)]
    wrong = iam(region, "mfa", "enable", *codes[::-1], "--name", "by-command")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "Authentication code for device is not valid" in wrong.stderr
    assert iam(region, "mfa", "enable", codes[0]).returncode == 2
    done = iam(region, "mfa", "enable", *codes, "--name", "by-command")
    assert (done.returncode, done.stdout) == (0, f"{serial}\n")
    assert serial in [one["SerialNumber"] for one in client.list_mfa_devices()["MFADevices"]]
    assert iam(region, "mfa", "remove", "--name", "by-command").returncode == 0
    assert serial not in [one["SerialNumber"] for one in client.list_mfa_devices()["MFADevices"]]
