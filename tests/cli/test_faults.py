"""What the user can mend: one clear line, exit code 2, nothing touched."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, LiveRegion


def awning(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "awning", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AWNING_"))},
            **environment,
        },
    )


def assert_one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("awning: ")
    for word in words:
        assert word in done.stderr


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_taken_port(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert_one_line(awning("up", "--port", port, "--data", tmp_path / "data"), f"Port {port} is taken", "--port")


def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_text("mine")
    assert_one_line(awning("up", "--port", 0, "--data", file), str(file))
    assert file.read_text() == "mine"


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_data_folder_without_rights(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0)
    assert_one_line(awning("up", "--port", 0, "--data", folder), str(folder))


def test_a_folder_of_something_else_is_not_touched(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "letters.txt").write_text("dear diary")
    assert_one_line(awning("up", "--port", 0, "--data", folder), str(folder))
    assert tree(folder) == {"letters.txt": b"dear diary"}


def test_a_second_process_on_one_data_folder(own_region: LiveRegion) -> None:
    own_region.start()
    assert own_region.process is not None
    done = awning("up", "--port", 0, "--data", own_region.data)
    assert_one_line(done, str(own_region.data), str(own_region.process.pid))
    assert own_region.client("sts").get_caller_identity()["Account"] == "000000000000"


def test_a_data_folder_of_a_newer_version(own_region: LiveRegion) -> None:
    own_region.start()
    own_region.stop()
    marker = own_region.data / "region.json"
    content = json.loads(marker.read_text())
    newer = {name: value + 1000 if isinstance(value, int) else value for name, value in content.items()}
    assert newer != content
    marker.write_text(json.dumps(newer))
    before = tree(own_region.data)
    assert_one_line(awning("up", "--port", 0, "--data", own_region.data), str(own_region.data), "newer")
    assert tree(own_region.data) == before


@pytest.mark.parametrize("how", ["newer", "damaged"])
def test_a_room_that_cannot_be_read(own_region: LiveRegion, how: str) -> None:
    own_region.start()
    own_region.stop()
    room = own_region.data / "rooms" / "sqs.db"
    content = bytearray(room.read_bytes())
    if how == "newer":
        content[60:64] = (1000).to_bytes(4, "big")  # SQLite's user_version
    else:
        content[:16] = bytes(16)
    room.write_bytes(content)
    before = tree(own_region.data)
    assert_one_line(awning("up", "--port", 0, "--data", own_region.data), str(room), how)
    assert tree(own_region.data) == before


def test_a_public_address_needs_a_root_key_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert_one_line(awning("up", "--host", "0.0.0.0", "--port", 0, "--data", folder), "AWNING_ROOT_ACCESS_KEY_ID")
    assert not folder.exists()


def test_half_a_root_key(tmp_path: Path) -> None:
    done = awning("up", "--port", 0, "--data", tmp_path / "data", AWNING_ROOT_ACCESS_KEY_ID="AKIAEXAMPLE")
    assert_one_line(done, "AWNING_ROOT_SECRET_ACCESS_KEY")


def test_an_unknown_service(tmp_path: Path) -> None:
    assert_one_line(awning("up", "--services", "s3,teleport", "--data", tmp_path / "data"), "teleport", "sqs")


def test_a_data_folder_with_too_long_a_path(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 30)
    assert_one_line(awning("up", "--port", 0, "--data", folder), str(folder), "shorter")


@pytest.mark.parametrize("command", ["down", "status"])
def test_no_region_runs(command: str, tmp_path: Path) -> None:
    assert_one_line(awning(command, "--data", tmp_path / "data"), "No region runs")
    assert not (tmp_path / "data").exists()


def test_no_certificate_yet(tmp_path: Path) -> None:
    assert_one_line(awning("ca", "--data", tmp_path / "data"), "awning up")


def test_a_running_region_keeps_its_certificate_authority(own_region: LiveRegion) -> None:
    own_region.start()
    own_region.client("s3").create_bucket(Bucket="kept")
    assert_one_line(awning("reset", "--yes", "--all", "--data", own_region.data), "awning down")
    assert own_region.client("s3").list_buckets()["Buckets"][0]["Name"] == "kept"


def test_a_snapshot_is_not_loaded_over_data(own_region: LiveRegion, tmp_path: Path) -> None:
    own_region.start()
    saved = tmp_path / "region.tar"
    words = {"AWNING_SNAPSHOT_PASSPHRASE": "p"}
    assert awning("snapshot", "save", saved, "--data", own_region.data, **words).returncode == 0
    own_region.stop()
    before = tree(own_region.data)
    assert_one_line(awning("snapshot", "load", saved, "--data", own_region.data, **words), str(own_region.data))
    assert tree(own_region.data) == before


def test_a_file_that_is_no_snapshot(tmp_path: Path) -> None:
    file = tmp_path / "region.tar"
    file.write_bytes(b"not a snapshot" * 100)
    assert_one_line(awning("snapshot", "load", file, "--data", tmp_path / "data"), str(file))
    assert not (tmp_path / "data").exists()


def test_a_snapshot_needs_a_passphrase_or_a_word_that_it_has_none(own_region: LiveRegion, tmp_path: Path) -> None:
    own_region.start()
    saved, new = tmp_path / "region.tar", tmp_path / "new"
    assert_one_line(awning("snapshot", "save", saved, "--data", own_region.data), "AWNING_SNAPSHOT_PASSPHRASE")
    assert not saved.exists()
    assert_one_line(
        awning("snapshot", "save", saved, "--passphrase-file", tmp_path / "none", "--data", own_region.data)
    )
    words = {"AWNING_SNAPSHOT_PASSPHRASE": "p"}
    assert awning("snapshot", "save", saved, "--data", own_region.data, **words).returncode == 0
    assert_one_line(awning("snapshot", "load", saved, "--data", new), "passphrase")
    assert_one_line(awning("snapshot", "load", saved, "--data", new, AWNING_SNAPSHOT_PASSPHRASE="q"), "passphrase")
    assert not new.exists()
    assert awning("snapshot", "save", saved, "--without-key", "--data", own_region.data).returncode == 0
    assert awning("snapshot", "load", saved, "--data", new).returncode == 0
    assert_one_line(awning("up", "--port", "0", "--data", new), "master key")


def test_a_region_without_its_master_key_does_not_start(own_region: LiveRegion) -> None:
    own_region.start()
    own_region.stop()
    (own_region.data / "master.key").rename(own_region.data.parent / "elsewhere")
    before = tree(own_region.data)
    assert_one_line(awning("up", "--port", "0", "--data", own_region.data), "master.key", "AWNING_MASTER_KEY")
    assert tree(own_region.data) == before
    key = (own_region.data.parent / "elsewhere").read_text().strip()
    assert "outside" in awning("doctor", "--data", own_region.data, AWNING_MASTER_KEY=key).stdout


def test_whether_objects_are_encrypted_is_said_by_on_or_off(tmp_path: Path) -> None:
    said = awning("up", "--port", "0", "--data", tmp_path / "data", AWNING_DEFAULT_ENCRYPTION="maybe")
    assert_one_line(said, "AWNING_DEFAULT_ENCRYPTION=maybe")
