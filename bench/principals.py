"""Says what a crowd costs: `python -m bench.principals`. A region has two users and two roles, then 5,000 of each.

A signed send to a queue is measured for one user, one role's session, all users in turn and all sessions in turn.
It ends with 1 where one of the first two costs a tenth more in the crowd than before.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bench import cpu
from bench.generator import Request, replay, write_requests
from bench.recorder import REGION, make_client, wire
from bench.servers import ROOT, SERVERS, Running, running

_MOST_RATIO = 1.1
_THREADS = 4


class Desk:
    """A running region with a queue, its users and roles so far, and the requests that they make."""

    def __init__(self, up: Running, folder: Path) -> None:
        self.up = up
        self._folder = folder
        self._clients = {
            service: make_client(service, up.endpoint, "test", "test") for service in ("iam", "sqs", "sts")
        }
        self._queue = self._clients["sqs"].create_queue(QueueName="crowd")["QueueUrl"]
        self._policy = json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:*:*:crowd"},
            }
        )
        self.users: list[Credentials] = []
        self.sessions: list[Credentials] = []

    def grow(self, count: int) -> None:
        """Have so many users and so many roles, each with a key or a session, and a policy."""
        with ThreadPoolExecutor(_THREADS) as pool:
            self.users += pool.map(self._user, range(len(self.users), count))
            self.sessions += pool.map(self._session, range(len(self.sessions), count))

    def _user(self, number: int) -> Credentials:
        iam, name = self._clients["iam"], f"user-{number}"
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="send", PolicyDocument=self._policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return Credentials(key["AccessKeyId"], key["SecretAccessKey"])

    def _session(self, number: int) -> Credentials:
        name = f"role-{number}"
        trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": trust})
        iam = self._clients["iam"]
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
        iam.put_role_policy(RoleName=name, PolicyName="send", PolicyDocument=self._policy)
        found = self._clients["sts"].assume_role(RoleArn=arn, RoleSessionName="bench")["Credentials"]
        return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])

    def send(self, credentials: Credentials) -> Request:
        """A signed SendMessage."""
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.SendMessage"}
        body = json.dumps({"QueueUrl": self._queue, "MessageBody": "x" * 100})
        headers["Host"] = self.up.endpoint.partition("//")[2]
        request = AWSRequest("POST", f"{self.up.endpoint}/", headers=headers, data=body)
        SigV4Auth(credentials, "sqs", REGION).add_auth(request)
        return wire(request.prepare())

    def cost(self, senders: list[Credentials], seconds: float) -> float:
        """The server's processor time for a send, in µs."""
        path = self._folder / "principals.requests"
        write_requests(path, [self.send(credentials) for credentials in senders])
        replay(path, self.up.port, seconds=0.5)
        before = cpu.seconds(self.up.pid)
        done = replay(path, self.up.port, seconds=seconds)
        if done.failed or done.broken:
            sys.exit(f"{done.failed} requests failed: {done.first_error}")
        return (cpu.seconds(self.up.pid) - before) * 1e6 / done.requests


def measure(desk: Desk, crowd: int, seconds: float) -> dict[str, Any]:
    desk.grow(2)
    found: dict[str, Any] = {"user before": desk.cost(desk.users[:1], seconds)}
    found["session before"] = desk.cost(desk.sessions[:1], seconds)
    resident, begun = cpu.resident_mib(desk.up.pid), time.perf_counter()
    desk.grow(crowd)
    print(
        f"{crowd:,} users and roles made in {time.perf_counter() - begun:.0f} s;"
        f" {cpu.resident_mib(desk.up.pid) - resident:.0f} MiB more resident"
    )
    found["user"] = desk.cost(desk.users[:1], seconds)
    found["session"] = desk.cost(desk.sessions[:1], seconds)
    found["all users in turn"] = desk.cost(desk.users, seconds)
    found["all sessions in turn"] = desk.cost(desk.sessions, seconds)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.principals", description=__doc__)
    parser.add_argument("--crowd", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    options = parser.parse_args()
    (ROOT / "build").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=ROOT / "build", prefix="principals-"))
    try:
        with running(SERVERS["awning"], folder) as up:
            found = measure(Desk(up, folder), options.crowd, options.seconds)
        with running(SERVERS["awning"], folder) as up:
            print(f"ready {up.start_seconds:.2f} s after the next start")
    finally:
        shutil.rmtree(folder)
    for what, cost in found.items():
        print(f"{cost:6.1f} µs  {what}")
    ratios = [found[who] / found[f"{who} before"] for who in ("user", "session")]
    print(f"in the crowd, of what it cost before: user {ratios[0]:.2f}, session {ratios[1]:.2f}")
    return 0 if max(ratios) <= _MOST_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
