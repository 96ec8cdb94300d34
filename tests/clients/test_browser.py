"""A browser: a page of another origin uploads by a form and by a pre-signed URL under CORS, and a website is read."""

from __future__ import annotations

import hashlib
import json
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)

PAGE = """<!doctype html><meta charset="utf-8"><title>tried</title><script>
const given = %s;
async function tried(name, attempt) {
  try { return [name, await attempt()]; } catch (error) { return [name, "failed: " + error]; }
}
async function all() {
  const form = new FormData();
  for (const [name, value] of Object.entries(given.form.fields)) form.append(name, value);
  form.append("file", new Blob(["from a form"], {type: "text/plain"}), "größe.txt");
  const found = Object.fromEntries([
    await tried("form", async () => (await fetch(given.form.url, {method: "POST", body: form})).status),
    await tried("put", async () => {
      const done = await fetch(given.put, {method: "PUT", body: "from a page", headers: {"x-amz-meta-from": "page"}});
      return [done.status, done.headers.get("etag")];
    }),
    await tried("get", async () => (await fetch(given.get)).text()),
    await tried("range", async () => (await fetch(given.get, {headers: {Range: "bytes=0-3"}})).text()),
    await tried("delete", async () => (await fetch(given.delete, {method: "DELETE"})).status),
    await tried("no rules", async () => (await fetch(given.closed)).status),
    await tried("frame", () => new Promise((resolve) => {
      const frame = document.createElement("iframe");
      frame.onload = () => resolve("loaded");
      frame.src = given.site;
      document.body.append(frame);
    })),
  ]);
  await fetch("/report", {method: "POST", body: JSON.stringify(found)});
}
addEventListener("load", all);
</script><body></body>"""

SITE = """<!doctype html><title>home</title><link rel="stylesheet" href="/style.css"><img src="pixel.svg">
<script>fetch("%s/report", {method: "POST", mode: "no-cors", body: JSON.stringify({
  home: location.pathname, title: document.title})})</script>"""


class House:
    """Serves one page, and gathers what pages report."""

    def __init__(self) -> None:
        self.reports: queue.Queue[dict[str, Any]] = queue.Queue()
        self.page = b""
        house = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(house.page if self.path == "/" else b"")

            def do_POST(self) -> None:
                house.reports.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self._answer(b"")

            def _answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/html; charset=utf-8")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def house() -> Iterator[House]:
    made = House()
    yield made
    made.server.shutdown()
    made.server.server_close()


def browse(url: str, profile: Path) -> subprocess.Popen[bytes]:
    program = shutil.which("chromium")
    if program is None and sys.platform != "linux":
        pytest.skip("chromium is not installed")
    if program is None:
        pytest.fail("chromium is missing: run `make setup`")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(
        [program, *OPTIONS, f"--user-data-dir={profile}", "--remote-debugging-port=0", url], **quiet
    )


def website(s3: Any, name: str, house: House) -> None:
    """A bucket that anyone may read as a website."""
    s3.create_bucket(Bucket=name)
    s3.delete_public_access_block(Bucket=name)
    anyone = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"}
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [anyone]}))
    documents = {"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "lost.html"}}
    s3.put_bucket_website(Bucket=name, WebsiteConfiguration=documents)
    page = SITE % house.origin
    s3.put_object(Bucket=name, Key="docs/index.html", Body=page.encode(), ContentType="text/html; charset=utf-8")
    s3.put_object(Bucket=name, Key="style.css", Body=b"body { color: red }", ContentType="text/css")
    s3.put_object(Bucket=name, Key="old.html", Body=b"", WebsiteRedirectLocation="/docs/")


@pytest.mark.slow
def test_a_browser_uploads_and_reads(region: Any, name: str, house: House, tmp_path: Path) -> None:
    s3 = region.client(
        "s3", config=Config(signature_version="s3v4")
    )  # the older one binds the type that a browser adds
    site = f"{name}-site"
    website(s3, site, house)
    s3.create_bucket(Bucket=name)
    s3.create_bucket(Bucket=f"{name}-closed")
    s3.put_object(Bucket=f"{name}-closed", Key="k", Body=b"x")
    rule = {
        "AllowedOrigins": [house.origin],
        "AllowedMethods": ["GET", "PUT", "POST", "DELETE"],
        "AllowedHeaders": ["*"],
        "ExposeHeaders": ["ETag"],
    }
    s3.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": [rule]})
    at = {"Bucket": name, "Key": "put.txt"}
    given = {
        "form": s3.generate_presigned_post(name, "forms/${filename}"),
        "put": s3.generate_presigned_url("put_object", {**at, "Metadata": {"from": "page"}}),
        "get": s3.generate_presigned_url("get_object", at),
        "delete": s3.generate_presigned_url("delete_object", at),
        "closed": s3.generate_presigned_url("get_object", {"Bucket": f"{name}-closed", "Key": "k"}),
        "site": f"http://{site}.s3-website-us-east-1.localhost:{region.port}/old.html",
    }
    house.page = (PAGE % json.dumps(given)).encode()
    process = browse(house.origin, tmp_path / "profile")
    try:
        reports = [house.reports.get(timeout=60), house.reports.get(timeout=60)]
    finally:
        process.kill()
        process.wait()
    home, found = sorted(reports, key=len)
    assert home == {"home": "/docs/", "title": "home"}
    assert s3.get_object(Bucket=name, Key="forms/größe.txt")["Body"].read() == b"from a form"
    assert found.pop("put") == [200, f'"{hashlib.md5(b"from a page").hexdigest()}"']
    assert found.pop("no rules").startswith("failed: TypeError")
    assert found == {"form": 204, "get": "from a page", "range": "from", "delete": 204, "frame": "loaded"}
    assert s3.list_objects_v2(Bucket=name)["KeyCount"] == 1
