"""The AWS SDK for JavaScript (test.mjs), by HTTP and HTTPS, in both styles of naming a bucket."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent / "js"


@pytest.mark.parametrize("style", ["path", "virtual"])
def test_the_javascript_sdk(region: Any, tls: bool, name: str, style: str, installed: Callable[[str], Path]) -> None:
    installed("tests/clients/js/node_modules/@aws-sdk/client-s3")
    scheme = "https" if tls else "http"
    done = subprocess.run(
        ["node", "test.mjs", style, name, f"{scheme}://s3.localhost:{region.port}"],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        env=region.env(tls=tls),
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("all is well\n")
