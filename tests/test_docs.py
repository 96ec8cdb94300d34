"""Documents that cannot lie: the README's tour is run, every command is named in it, and links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from awning.cli.main import COMMANDS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_every_command_is_in_the_readme() -> None:
    assert [name for name in COMMANDS if f"`awning {name}" not in README] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.slow
def test_the_tour_of_the_readme_works(own_region, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    own_region.start()
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    assert len(blocks) >= 5
    script = "set -euo pipefail\n" + "".join(block for block in blocks).replace(
        'export PATH="$PWD/.venv/bin:$PATH"\n', ""
    )
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "AWNING_DATA": str(own_region.data),
            "AWS_EC2_METADATA_DISABLED": "true",
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "arn:aws:iam::000000000000:root" in done.stdout
    assert done.stdout.count("hello, region") == 2
    assert "do it" in done.stdout
    assert "denied, as it should be" in done.stdout
    assert (tmp_path / "region.tar").stat().st_size > 0
