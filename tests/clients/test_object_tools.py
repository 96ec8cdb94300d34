"""Tools that people keep their files in S3 with, each in a full round: s3cmd, rclone, restic, s3fs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Tool = Callable[..., str]


def tool(program: str) -> str:
    """Where a program is; set-up installs it where Debian's packages are."""
    found = shutil.which(program)
    if found is None and sys.platform != "linux":
        pytest.skip(f"{program} is not installed")
    if found is None:
        pytest.fail(f"{program} is missing: run `make setup`")
    return found


def run(environment: dict[str, str], *command: str, fails: str = "", **options: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False, **options)
    said = done.stdout + done.stderr
    assert (done.returncode != 0) is bool(fails), said
    assert fails in said
    return done.stdout


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with small files, an empty one, odd names, and one that tools send in parts."""
    root = tmp_path / "tree"
    for number in range(20):
        place = root / f"folder {number % 3}" / f"größe-{number}.txt"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"content {number}\n" * number)
    (root / "a+b=c&d.bin").write_bytes(b"\0\xff" * 1000)
    (root / "large.bin").write_bytes(os.urandom(12 << 20))
    return root


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


# s3cmd ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def s3cmd(region: Any, tmp_path: Path) -> Tool:
    program = tool("s3cmd")
    host = f"127.0.0.1:{region.port}"
    config = tmp_path / "s3cfg"
    config.write_text(
        f"[default]\naccess_key = test\nsecret_key = test\nhost_base = {host}\nhost_bucket = {host}\n"
        f"use_https = False\nmultipart_chunk_size_mb = 5\n"
    )
    return lambda *arguments, **options: run(region.env(), program, "-c", str(config), *arguments, **options)


def test_s3cmd(s3cmd: Tool, region: Any, name: str, tree: Path, tmp_path: Path) -> None:
    bucket = f"s3://{name}"
    s3cmd("mb", bucket)
    assert f"  {bucket}\n" in s3cmd("ls")
    s3cmd("sync", "--no-mime-magic", f"{tree}/", f"{bucket}/tree/")
    assert s3cmd("sync", "--no-mime-magic", f"{tree}/", f"{bucket}/tree/").count("upload:") == 0
    back = tmp_path / "back"
    back.mkdir()
    s3cmd("sync", f"{bucket}/tree/", f"{back}/")
    assert digests(back) == digests(tree)
    assert "DIR" in s3cmd("ls", f"{bucket}/tree/")
    s3cmd("put", "--add-header=Cache-Control: no-store", "--no-mime-magic", str(tree / "a+b=c&d.bin"), f"{bucket}/one")
    s3cmd("cp", f"{bucket}/one", f"{bucket}/two", fails="AccessControlListNotSupported")  # it copies the list, too
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    region.client("s3").put_bucket_ownership_controls(Bucket=name, OwnershipControls=rules)
    s3cmd("cp", f"{bucket}/one", f"{bucket}/two")
    s3cmd("mv", f"{bucket}/two", f"{bucket}/three")
    said = s3cmd("info", f"{bucket}/three")
    assert "File size: 2000" in said
    assert region.client("s3").head_object(Bucket=name, Key="three")["CacheControl"] == "no-store"
    s3cmd("get", f"{bucket}/three", str(tmp_path / "three"))
    assert (tmp_path / "three").read_bytes() == (tree / "a+b=c&d.bin").read_bytes()
    s3cmd("rb", bucket, fails="BucketNotEmpty")
    s3cmd("del", "--recursive", "--force", bucket)
    s3cmd("rb", bucket)
    s3cmd("ls", bucket, fails="NoSuchBucket")


# rclone --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def rclone(region: Any, tls: bool) -> Tool:
    program = tool("rclone")
    options = {
        "TYPE": "s3",
        "PROVIDER": "Other",
        "ACCESS_KEY_ID": "test",
        "SECRET_ACCESS_KEY": "test",
        "REGION": "us-east-1",
        "ENDPOINT": region.tls_endpoint if tls else region.endpoint,
        "FORCE_PATH_STYLE": "true",
        "UPLOAD_CUTOFF": "8M",
    }
    environment = {**region.env(tls=tls), **{f"RCLONE_CONFIG_AWNING_{name}": value for name, value in options.items()}}
    environment |= {"RCLONE_CONFIG": os.devnull, "RCLONE_CA_CERT": str(region.ca)}
    environment.pop("AWS_CA_BUNDLE", None)  # rclone's transport takes none of it
    return lambda *arguments, **options: run(environment, program, *arguments, **options)


def test_rclone(rclone: Tool, name: str, tree: Path, tmp_path: Path) -> None:
    there = f"awning:{name}"
    rclone("mkdir", there)
    rclone("sync", str(tree), f"{there}/tree")
    rclone("check", "--download", str(tree), f"{there}/tree")
    (tree / "large.bin").write_bytes(os.urandom(9 << 20))
    (tree / "a+b=c&d.bin").unlink()
    rclone("sync", "--checksum", str(tree), f"{there}/tree")
    rclone("check", str(tree), f"{there}/tree")
    assert set(rclone("lsf", "-R", "--files-only", f"{there}/tree").splitlines()) == set(digests(tree))
    rclone("copyto", f"{there}/tree/large.bin", f"{there}/copied.bin")
    rclone("moveto", f"{there}/copied.bin", f"{there}/moved.bin")
    part = rclone("cat", "--offset", "100", "--count", "10", f"{there}/tree/folder 1/größe-19.txt")
    assert part == ("content 19\n" * 19)[100:110]
    back = tmp_path / "back"
    rclone("copy", f"{there}/tree", str(back))
    assert digests(back) == digests(tree)
    rclone("purge", there)
    rclone("lsd", there, fails="directory not found")


# restic --------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_restic(region: Any, name: str, tls: bool, tree: Path, tmp_path: Path) -> None:
    """A repository of backups: made, added to, restored, checked byte by byte, thinned out."""
    program = tool("restic")
    endpoint = region.tls_endpoint if tls else region.endpoint
    environment = {
        **region.env(tls=tls),
        "RESTIC_REPOSITORY": f"s3:{endpoint}/{name}/backups",
        "RESTIC_PASSWORD": "a good one",
        "RESTIC_CACHE_DIR": str(tmp_path / "cache"),
    }

    def restic(*arguments: str, **options: Any) -> str:
        trust = ("--cacert", str(region.ca)) if tls else ()
        return run(environment, program, *trust, *arguments, **options)

    restic("init")
    restic("init", fails="already")
    restic("backup", str(tree))
    (tree / "new.txt").write_text("new")
    restic("backup", str(tree))
    assert "2 snapshots" in restic("snapshots", "--compact")
    restic("restore", "latest", "--target", str(tmp_path / "restored"))
    assert digests(tmp_path / "restored" / tree.relative_to("/")) == digests(tree)
    restic("forget", "--keep-last", "1", "--prune")
    assert "no errors were found" in restic("check", "--read-data")


# s3fs ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def mounted(region: Any, name: str, tmp_path: Path) -> Iterator[Path]:
    """A bucket as a folder."""
    program = tool("s3fs")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("this machine has no FUSE")
    region.client("s3").create_bucket(Bucket=name)
    folder, secrets = tmp_path / "mounted", tmp_path / "passwd"
    folder.mkdir()
    secrets.write_text("test:test")
    secrets.chmod(0o600)
    options = f"passwd_file={secrets},url={region.endpoint},use_path_request_style,endpoint=us-east-1,multipart_size=5"
    said = tmp_path / "said"
    with said.open("w") as file:
        command = [program, name, str(folder), "-f", "-o", options]
        process = subprocess.Popen(command, env=region.env(), stdout=file, stderr=subprocess.STDOUT)
    try:
        for _ in range(400):
            if os.path.ismount(folder):
                break
            if process.poll() is not None:
                assert "ermission denied" in said.read_text() or "not permitted" in said.read_text(), said.read_text()
                pytest.skip("this machine lets nobody mount")
            time.sleep(0.025)
        else:
            pytest.fail(said.read_text())
        yield folder
    finally:
        subprocess.run(["fusermount", "-u", str(folder)], check=False)
        process.wait(60)


def test_s3fs(mounted: Path, region: Any, name: str, tree: Path) -> None:
    """A bucket as a folder: copied into, listed, renamed, appended to, removed; and what the bucket has of it."""
    shutil.copytree(tree, mounted / "tree")
    assert digests(mounted / "tree") == digests(tree)
    s3 = region.client("s3")
    stored = s3.get_object(Bucket=name, Key="tree/large.bin")["Body"].read()
    assert stored == (tree / "large.bin").read_bytes()
    (mounted / "tree" / "folder 0").rename(mounted / "renamed")
    assert len(list((mounted / "renamed").iterdir())) == 7
    with (mounted / "log.txt").open("a") as log:
        log.write("one\n")
    with (mounted / "log.txt").open("a") as log:
        log.write("two\n")
    assert s3.get_object(Bucket=name, Key="log.txt")["Body"].read() == b"one\ntwo\n"
    (mounted / "log.txt").chmod(0o600)
    assert (mounted / "log.txt").stat().st_mode & 0o777 == 0o600
    s3.put_object(Bucket=name, Key="from/elsewhere", Body=b"here")
    assert (mounted / "from" / "elsewhere").read_bytes() == b"here"
    shutil.rmtree(mounted / "tree")
    assert not (mounted / "tree").exists()
    assert s3.list_objects_v2(Bucket=name, Prefix="tree").get("KeyCount") == 0
