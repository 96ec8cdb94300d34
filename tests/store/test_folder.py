"""A data folder is made whole, locked, and left alone where it is not for us."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from awning.store.errors import LockedFolder, NewerFolder, UnreadableFolder
from awning.store.folder import FORMAT, DataFolder


def picture(path: Path) -> dict[str, bytes | None]:
    return {str(each): each.read_bytes() if each.is_file() else None for each in sorted(path.rglob("*"))}


def test_a_new_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path / "deep" / "data")
    assert json.loads((folder.path / "region.json").read_text()) == {"format": FORMAT}
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert folder.database("sqs").parent.is_dir()
    assert folder.blobs("s3").parent.is_dir()
    assert folder.ca.is_dir()
    assert int((folder.path / "awning.lock").read_text()) == os.getpid()
    folder.close()
    folder.close()
    DataFolder.open(tmp_path / "deep" / "data").close()


def test_a_locked_folder_names_its_owner_and_is_free_when_he_dies(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from awning.store.folder import DataFolder
folder = DataFolder.open(Path(sys.argv[1]))
print("locked", flush=True)
sys.stdin.read()
"""
    owner = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "locked\n"
    before = picture(tmp_path)
    with pytest.raises(LockedFolder) as refused:
        DataFolder.open(tmp_path)
    assert refused.value.pid == owner.pid
    assert picture(tmp_path) == before
    owner.kill()
    owner.communicate()
    DataFolder.open(tmp_path).close()


def test_a_newer_folder_is_refused_and_not_touched(tmp_path: Path) -> None:
    (tmp_path / "region.json").write_text(json.dumps({"format": FORMAT + 1}))
    before = picture(tmp_path)
    with pytest.raises(NewerFolder) as refused:
        DataFolder.open(tmp_path)
    assert (refused.value.found, refused.value.known) == (FORMAT + 1, FORMAT)
    assert picture(tmp_path) == before


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "1"}', '{"format": true}', '{"format": 0}'])
def test_a_damaged_region_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "region.json").write_text(content)
    before = picture(tmp_path)
    with pytest.raises(UnreadableFolder):
        DataFolder.open(tmp_path)
    assert picture(tmp_path) == before


def test_somebody_elses_folder_is_refused_and_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("ten years of work")
    before = picture(tmp_path)
    with pytest.raises(UnreadableFolder):
        DataFolder.open(tmp_path)
    with pytest.raises(UnreadableFolder):
        DataFolder.open(tmp_path / "thesis.tex")
    assert picture(tmp_path) == before


def test_what_a_crash_while_making_it_left_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "awning.lock").touch()
    (tmp_path / "rooms").mkdir()
    (tmp_path / "region.json.new").write_text("{")
    DataFolder.open(tmp_path).close()
    assert json.loads((tmp_path / "region.json").read_text()) == {"format": FORMAT}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_permissions_is_unreadable(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UnreadableFolder):
        DataFolder.open(tmp_path)
