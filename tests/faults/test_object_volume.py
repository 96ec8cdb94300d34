"""Much through the AWS CLI: two hundred thousand small objects in parallel, and one that does not fit into memory.

AWNING_SOAK_OBJECTS (200000) says how many small objects the soak has.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import LiveRegion
from tests.faults import raw
from tests.faults.audit import assert_clean
from tests.faults.conftest import MakeRegion

CLIENTS = 4
LARGEST_RESIDENT = 150 * 1024 * 1024
BLOCK = 1 << 20


def start(live: LiveRegion, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    program = str(Path(sys.executable).with_name("aws"))
    return subprocess.Popen([program, *arguments], env=live.env(), stderr=subprocess.PIPE, **options)


def finish(processes: Sequence[subprocess.Popen[bytes]]) -> list[bytes]:
    """Wait for commands, all of which must be content; return what they printed."""
    with ThreadPoolExecutor(len(processes)) as pool:
        said = list(pool.map(lambda process: process.communicate(), processes))
    for process, (_, complaint) in zip(processes, said, strict=True):
        assert process.returncode == 0, complaint[-2000:]
        assert not complaint, complaint[-2000:]
    return [out for out, _ in said]


def many(live: LiveRegion, folder: Path, count: int) -> None:
    """Upload, list, download some of, and delete `count` objects, by several commands at a time."""
    shares = [folder / f"share-{at}" for at in range(CLIENTS)]
    for number in range(count):
        path = shares[number % CLIENTS] / f"{number // 1000:03}" / f"{number:06}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"small object {number}")
    live.client("s3").create_bucket(Bucket="many")
    quiet = ("--only-show-errors", "--recursive")
    finish([start(live, "s3", "cp", str(share), f"s3://many/{share.name}/", *quiet) for share in shares])
    (listing,) = finish([start(live, "s3", "ls", "s3://many", "--recursive", "--summarize", stdout=subprocess.PIPE)])
    assert f"Total Objects: {count}\n".encode() in listing
    back = folder / "back"
    finish([start(live, "s3", "cp", "s3://many/share-1/000/", str(back), *quiet)])
    assert {path.name: path.read_text() for path in back.iterdir()} == {
        path.name: path.read_text() for path in (shares[1] / "000").iterdir()
    }
    finish([start(live, "s3", "rm", f"s3://many/{share.name}/", *quiet) for share in shares])
    assert live.client("s3").list_objects_v2(Bucket="many")["KeyCount"] == 0
    live.client("s3").delete_bucket(Bucket="many")


def highest_resident(live: LiveRegion) -> int:
    """Return the most bytes that the region ever had resident."""
    assert live.process is not None
    status = Path(f"/proc/{live.process.pid}/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def large(live: LiveRegion, folder: Path, size: int) -> None:
    """Upload and download an object in parts, as the AWS CLI does, then another in one piece."""
    path = folder / "large.bin"
    with path.open("wb") as file:
        file.truncate(size)
        for at in range(0, size, 64 * BLOCK):
            file.seek(at)
            file.write(os.urandom(1000))
    s3 = live.client("s3")
    s3.create_bucket(Bucket="large")
    quiet = "--only-show-errors"
    finish([start(live, "s3", "cp", str(path), "s3://large/parts", quiet)])
    finish([start(live, "s3", "cp", "s3://large/parts", str(folder / "back"), quiet)])
    assert digest(folder / "back") == digest(path)
    (folder / "back").unlink()
    with raw.connect(live) as connection, connection.makefile("rb") as answers, path.open("rb") as file:
        connection.sendall(raw.sign(live, "PUT", "/large/whole", length=size).head)
        while block := file.read(BLOCK):
            connection.sendall(block)
        status, body = raw.read_answer(answers)
        assert status == 200, body
    whole = hashlib.sha256()
    for block in s3.get_object(Bucket="large", Key="whole")["Body"].iter_chunks(BLOCK):
        whole.update(block)
    assert whole.hexdigest() == digest(path)
    held = highest_resident(live)
    print(f"{size / 2**30:.2f} GiB there and back, in parts and in one piece: at most {held / 2**20:.0f} MiB resident")
    assert held < LARGEST_RESIDENT
    s3.delete_object(Bucket="large", Key="parts")
    s3.delete_object(Bucket="large", Key="whole")


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.mark.slow
def test_many_small_objects(make_region: MakeRegion, tmp_path: Path) -> None:
    live = make_region("--log-level", "error").start()
    many(live, tmp_path, 2_000)
    assert_clean(live.data)


@pytest.mark.soak
def test_two_hundred_thousand_small_objects(make_region: MakeRegion, tmp_path: Path) -> None:
    live = make_region("--log-level", "error").start()
    many(live, tmp_path, int(os.environ.get("AWNING_SOAK_OBJECTS", "200000")))
    assert_clean(live.data)


@pytest.mark.slow
def test_a_large_object_is_not_held_in_memory(make_region: MakeRegion, tmp_path: Path) -> None:
    live = make_region("--log-level", "error").start()
    large(live, tmp_path, 400 * BLOCK)
    assert_clean(live.data)


@pytest.mark.soak
def test_five_gigabytes_are_not_held_in_memory(make_region: MakeRegion, tmp_path: Path) -> None:
    live = make_region("--log-level", "error").start()
    large(live, tmp_path, 5 * 1024 * BLOCK)
    assert_clean(live.data)
