"""A whole region on a disk that fails or is full: errors instead of replies, reads go on, nothing acknowledged is lost."""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import LiveRegion
from tests.faults.audit import assert_clean
from tests.faults.conftest import MakeRegion
from tests.faults.fsync.driver import Faults
from tests.faults.writers import OPTIONS, listing

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def health(live: LiveRegion) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=20)
    connection.request("GET", "/_awning/health")
    answer = connection.getresponse()
    content = json.loads(answer.read())
    connection.close()
    return answer.status, content["services"]


def refused(call: Callable[..., Any], **parameters: Any) -> str | None:
    """Return what a 503 says, None where the call succeeds. Other errors are raised."""
    try:
        call(**parameters)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ServiceUnavailable":
            raise
        return str(error.response["Error"]["Message"])
    return None


class Tenant:
    """Writes to every room, a resource of a new number each time, and remembers what was acknowledged."""

    def __init__(self, live: LiveRegion) -> None:
        self.sent: set[str] = set()
        self.users: set[str] = set()
        self.objects: set[str] = set()
        self.number = 0
        self.connect(live)
        self.s3.create_bucket(Bucket="disk")
        self.url = self.sqs.create_queue(QueueName="disk", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]

    def connect(self, live: LiveRegion) -> None:
        self.s3, self.sqs, self.iam = (live.client(name, **OPTIONS) for name in ("s3", "sqs", "iam"))

    def send(self) -> str | None:
        return self._try(self.sent, lambda name: refused(self.sqs.send_message, QueueUrl=self.url, MessageBody=name))

    def create_user(self) -> str | None:
        return self._try(self.users, lambda name: refused(self.iam.create_user, UserName=name))

    def put(self, size: int = 1000) -> str | None:
        return self._try(
            self.objects, lambda name: refused(self.s3.put_object, Bucket="disk", Key=name, Body=content(name, size))
        )

    def _try(self, kept: set[str], call: Callable[[str], str | None]) -> str | None:
        self.number += 1
        name = f"n-{self.number}"
        said = call(name)
        if said is None:
            kept.add(name)
        return said

    def check(self) -> None:
        """All that was acknowledged is there, and nothing else."""
        listed = listing(self.s3, "disk")
        assert set(listed) == self.objects
        for name in listed:
            answer = self.s3.get_object(Bucket="disk", Key=name)
            assert answer["Body"].read() == content(name, answer["ContentLength"])
        assert {user["UserName"] for user in self.iam.list_users()["Users"]} == self.users
        self.check_messages()

    def check_messages(self) -> None:
        url = self.sqs.get_queue_url(QueueName="disk")["QueueUrl"]
        found: list[str] = []
        while batch := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600).get(
            "Messages"
        ):
            found += [message["Body"] for message in batch]
        assert sorted(found) == sorted(self.sent)


def content(name: str, size: int) -> bytes:
    return (name.encode() * (size // len(name) + 1))[:size]


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    (tmp_path / "data").mkdir()
    return Faults(tmp_path / "faults", tmp_path / "data")


@needs_compiler
@pytest.mark.parametrize("what", ["fsync", "write"])
@pytest.mark.parametrize("room", ["s3", "sqs", "iam"])
def test_a_failing_disk_stops_the_writes_of_its_room_and_no_other(
    make_region: MakeRegion, faults: Faults, room: str, what: str
) -> None:
    live = make_region(environment=faults.environment()).start()
    tenant = Tenant(live)
    steps = {"s3": tenant.put, "sqs": tenant.send, "iam": tenant.create_user}
    for step in steps.values():
        assert [step() for _ in range(3)] == [None] * 3
    fail = faults.fail_fsync if what == "fsync" else faults.fail_write
    fail(errno.EIO, path=f"{room}.db-wal")
    assert steps[room](), "a failed fsync was acknowledged"
    faults.heal()
    for _ in range(3):
        assert "until it is started again" in (steps[room]() or "")
    status, states = health(live)
    assert (status, states.pop(room), set(states.values())) == (503, "broken", {"running"})
    for name in steps.keys() - {room}:
        assert steps[name]() is None
    # Reads go on. Receiving a message hides it from others, so it counts as a write.
    assert set(listing(tenant.s3, "disk")) == tenant.objects
    assert {user["UserName"] for user in tenant.iam.list_users()["Users"]} == tenant.users
    shown = tenant.sqs.get_queue_attributes(QueueUrl=tenant.url, AttributeNames=["ApproximateNumberOfMessages"])
    assert shown["Attributes"]["ApproximateNumberOfMessages"] == str(len(tenant.sent))
    assert (live.data / "rooms" / f"{room}.db.suspect").exists()
    assert live.stop() == 0
    live.start()
    assert not (live.data / "rooms" / f"{room}.db.suspect").exists()
    assert health(live)[0] == 200
    tenant.connect(live)
    for step in steps.values():
        assert step() is None
    tenant.check()
    assert_clean(live.data)


@needs_compiler
def test_a_blob_that_cannot_be_synced_is_an_error_for_its_client_alone(make_region: MakeRegion, faults: Faults) -> None:
    live = make_region(environment=faults.environment()).start()
    tenant = Tenant(live)
    for path in ("blobs/s3/tmp/", "blobs/s3/"):
        for size in (100_000, 3_000_000):
            faults.fail_fsync(errno.EIO, path=path)
            assert tenant.put(size)
            faults.fail_write(errno.EIO, path="blobs/s3/")
            assert tenant.put(size)
            assert tenant.put(size) is None
    assert health(live)[0] == 200
    tenant.check()
    assert_clean(live.data)


@needs_compiler
@pytest.mark.parametrize("left", [0, 5_000, 90_000, 1_200_000])
def test_a_full_disk_refuses_and_goes_on_when_there_is_space_again(
    make_region: MakeRegion, faults: Faults, left: int
) -> None:
    live = make_region(environment=faults.environment()).start()
    tenant = Tenant(live)
    for _ in range(2):
        faults.leave_space(left)
        said = [step() for _ in range(8) for step in (tenant.send, tenant.create_user, tenant.put)]
        said += [tenant.put(size) for size in (100_000, 1_500_000, 100_000)]
        assert any(said)
        if not left:
            assert all(said)
        assert set(listing(tenant.s3, "disk")) == tenant.objects
        assert health(live)[0] == 200
        faults.heal()
        for size in (100, 100_000, 1_500_000):
            assert tenant.put(size) is None
        assert tenant.send() is None
        assert tenant.create_user() is None
    assert_clean(live.data)
    tenant.check()
    live.kill()
    live.start()
    tenant.connect(live)
    tenant.check()
    assert_clean(live.data)


@needs_compiler
def test_a_blob_whose_row_finds_no_space_is_removed_at_once(make_region: MakeRegion, faults: Faults) -> None:
    live = make_region(environment=faults.environment()).start()
    tenant = Tenant(live)
    tenant.put(100_000)
    faults.fail_write(errno.ENOSPC, path="s3.db-wal", always=True)
    for size in (100_000, 3_000_000):
        assert "full" in (tenant.put(size) or "")
    # Sweeping needs no space of its own for these, so that a full disk is relieved of them.
    assert_clean(live.data)
    faults.heal()
    assert tenant.put(100_000) is None
    tenant.check()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)]
    if os.getuid() != 0 or shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.slow
def test_a_small_disk_that_runs_full_serves_on_and_takes_writes_once_objects_are_deleted(
    make_region: MakeRegion, small_disk: Path
) -> None:
    live = make_region(data=small_disk / "data").start()
    tenant = Tenant(live)
    while tenant.put(1_000_000) is None:
        assert tenant.number < 100
    assert health(live)[0] == 200
    assert tenant.send() is None
    assert set(listing(tenant.s3, "disk")) == tenant.objects
    for name in sorted(tenant.objects)[:5]:
        tenant.s3.delete_object(Bucket="disk", Key=name)
        tenant.objects.discard(name)
    assert_clean(live.data)
    assert tenant.put(500_000) is None
    assert tenant.send() is None
    tenant.check()


@pytest.mark.slow
def test_a_disk_that_others_fill_to_the_last_byte(make_region: MakeRegion, small_disk: Path, tmp_path: Path) -> None:
    live = make_region(data=small_disk / "data")
    live.log = tmp_path / "log"
    tenant = Tenant(live.start())
    for step in (tenant.put, tenant.send, tenant.create_user):
        assert step() is None
    fill(small_disk / "others")
    while tenant.put(60_000) is None or tenant.put(100) is None:
        assert tenant.number < 1000
    while tenant.send() is None:
        assert tenant.number < 50_000
    assert health(live)[0] == 200
    assert set(listing(tenant.s3, "disk")) == tenant.objects
    live.kill()
    for index in (live.data / "rooms").glob("*-shm"):
        index.unlink()
    fill(small_disk / "others")
    with pytest.raises(RuntimeError, match=r"ended with 2:\nawning: [^\n]* the disk is full\.\n$"):
        live.start()
    (small_disk / "others").unlink()
    live.start()
    tenant.connect(live)
    for step in (tenant.put, tenant.send, tenant.create_user):
        assert step() is None
    tenant.check()
    assert_clean(live.data)


def fill(path: Path) -> None:
    """Write a file until the disk takes no more."""
    with open(path, "ab", buffering=0) as file:
        for size in (1 << 20, 4096):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
