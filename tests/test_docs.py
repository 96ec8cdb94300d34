"""Documents that cannot lie: the README's tour is run, every command is named in it, and links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from awning.cli.main import COMMANDS
from tests.conftest import LiveRegion

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_every_command_is_in_the_readme() -> None:
    assert [name for name in COMMANDS if f"`awning {name}" not in README] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


def run_blocks(document: str, own_region: LiveRegion, folder: Path) -> str:
    """Run a document's sh blocks as one script beside a region of its own; return what it printed."""
    own_region.start()
    blocks = re.findall(r"```sh\n(.*?)```", document, re.DOTALL)
    assert len(blocks) >= 5
    script = "set -euo pipefail\n" + "".join(blocks).replace('export PATH="$PWD/.venv/bin:$PATH"\n', "")
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "AWNING_DATA": str(own_region.data),
            "AWS_EC2_METADATA_DISABLED": "true",
            "COLUMNS": "200",
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_tour_of_the_readme_works(own_region: LiveRegion, tmp_path: Path) -> None:
    said = run_blocks(README, own_region, tmp_path)
    assert "arn:aws:iam::000000000000:root" in said
    assert said.count("hello, region") == 2
    assert "do it" in said
    assert "denied, as it should be" in said
    assert (tmp_path / "region.tar").stat().st_size > 0


@pytest.mark.slow
def test_an_administrators_hour_goes_as_it_says(own_region: LiveRegion, tmp_path: Path) -> None:
    said = run_blocks((ROOT / "docs" / "guides" / "administrator.md").read_text(), own_region, tmp_path)
    after = -1
    for text in (
        "arn:aws:iam::000000000000:user/ada",
        "revenue: 42",
        "denied, as it should be",
        "s3:DeleteObject on arn:aws:s3:::reports/2026/report.txt for arn:aws:iam::000000000000:user/ada",
        "statement Read",
        "s3:GetObject\tallowed",
        "s3:DeleteObject\timplicitDeny",
        "arn:aws:sts::000000000000:assumed-role/cleaner/spring-cleaning",
        "a cleaner puts nothing back",
        "not through the ceiling",
        "not with ada's key ring",
        "revenue: 42",
        '"s3:GetObject"',
        "her key is no more",
        "not before what she has is gone",
    ):
        found = said.find(text, after + 1)
        assert found > after, f"{text!r} is missing, or not where it should be, in:\n{said}"
        after = found


@pytest.mark.slow
def test_a_website_in_a_bucket_works_as_it_says(own_region: LiveRegion, tmp_path: Path) -> None:
    said = run_blocks((ROOT / "docs" / "guides" / "websites.md").read_text(), own_region, tmp_path)
    after = -1
    for text in (
        "<h1>At home</h1>",
        "302 to http://site.s3-website-us-east-1.localhost:",
        "<h1>Lost</h1>\n403",
        "Access-Control-Allow-Origin: https://app.example.com",
        "WEBSITE.GET.OBJECT",
        'filter="pages",metric="GetRequests"} 1',
    ):
        found = said.find(text, after + 1)
        assert found > after, f"{text!r} is missing, or not where it should be, in:\n{said}"
        after = found
