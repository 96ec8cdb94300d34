"""Who is root, and where: the well-known keys on loopback alone, own keys everywhere, nobody without a signature."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from awning.cli.control import ask
from tests.conftest import LiveRegion
from tests.faults import raw

OWN = {"AWNING_ROOT_ACCESS_KEY_ID": "OWNROOTKEY", "AWNING_ROOT_SECRET_ACCESS_KEY": "own-root-secret"}


def own_address() -> str | None:
    """Return an address of this machine that is not loopback; nothing is sent for it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        try:
            found.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address: str = found.getsockname()[0]
        return None if address.startswith("127.") else address


def refusal(live: LiveRegion, address: str, key: str, secret: str, service: str = "sts") -> str | None:
    """Return the code that a key is refused with on an address, None where it is taken."""
    client = live.client(
        service,
        key=key,
        secret=secret,
        endpoint_url=f"http://{address}:{live.port}",
        config=Config(retries={"total_max_attempts": 1}),
    )
    try:
        client.get_caller_identity() if service == "sts" else client.list_buckets()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveRegion]:
    live = LiveRegion(tmp_path_factory.mktemp("public") / "data", "--host", "0.0.0.0", environment=OWN).start()
    yield live
    assert live.stop() == 0


needs_address = pytest.mark.skipif(own_address() is None, reason="this machine has loopback addresses only")


@needs_address
@pytest.mark.parametrize(("service", "unknown"), [("sts", "InvalidClientTokenId"), ("s3", "InvalidAccessKeyId")])
def test_the_well_known_keys_are_not_taken_on_a_public_address(public: LiveRegion, service: str, unknown: str) -> None:
    address = own_address()
    assert address is not None
    for key in ("test", "000000000000", "123456789012"):
        assert refusal(public, address, key, "test", service) == unknown
        assert refusal(public, "127.0.0.1", key, "test", service) is None
    for where in (address, "127.0.0.1"):
        assert refusal(public, where, "OWNROOTKEY", "own-root-secret", service) is None
        assert refusal(public, where, "OWNROOTKEY", "test", service) == "SignatureDoesNotMatch"


@needs_address
def test_saying_that_one_comes_from_loopback_is_not_coming_from_there(public: LiveRegion) -> None:
    address = own_address()
    with socket.create_connection((str(address), public.port), timeout=30) as connection:
        head = raw.sign(public, "GET", "/").head
        lies = b"X-Forwarded-For: 127.0.0.1\r\nForwarded: for=127.0.0.1\r\nX-Real-IP: 127.0.0.1\r\n\r\n"
        connection.sendall(head.removesuffix(b"\r\n") + lies)
        status, answer = raw.answer(connection)
    assert (status, b"<Code>InvalidAccessKeyId</Code>" in answer) == (403, True)


@needs_address
def test_a_public_address_shows_health_and_no_figures(public: LiveRegion) -> None:
    found = {}
    for path in ("/_awning/health", "/metrics", "/_awning/control/status", "/_awning/control/stop"):
        connection = http.client.HTTPConnection(str(own_address()), public.port, timeout=30)
        connection.request("POST" if "control" in path else "GET", path, b"{}" if "control" in path else None)
        found[path] = connection.getresponse().status
        connection.close()
    assert found == {
        "/_awning/health": 200,
        "/metrics": 403,
        "/_awning/control/status": 403,
        "/_awning/control/stop": 403,
    }
    connection = http.client.HTTPConnection("127.0.0.1", public.port, timeout=30)
    connection.request("POST", "/_awning/control/stop", b"{}")
    assert connection.getresponse().status == 403
    connection.close()


@needs_address
def test_a_container_may_take_the_well_known_keys_anywhere_and_says_so(tmp_path: Path) -> None:
    allow = {"AWNING_ALLOW_WELL_KNOWN_KEYS": "1"}
    live = LiveRegion(tmp_path / "data", "--host", "0.0.0.0", environment=allow).start()
    address = own_address()
    assert address is not None
    assert refusal(live, address, "test", "test") is None
    assert refusal(live, address, "test", "wrong") == "SignatureDoesNotMatch"
    assert "WARNING: AWNING_ALLOW_WELL_KNOWN_KEYS=1" in live.log.read_text()
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        with socket.create_connection((address, live.port), timeout=30) as connection:
            connection.sendall(raw.sign(live, "GET", "/", headers=headers).head)
            assert raw.answer(connection)[0] == 403
    assert live.stop() == 0


def test_without_permissions_signatures_are_checked_all_the_same(tmp_path: Path) -> None:
    live = LiveRegion(tmp_path / "data", "--iam", "off").start()
    assert "WARNING: --iam off" in live.log.read_text()
    s3 = live.client("s3")
    s3.create_bucket(Bucket="open-to-users")
    s3.put_object(Bucket="open-to-users", Key="key", Body=b"content")
    live.client("iam").create_user(UserName="without-policies")
    key = live.client("iam").create_access_key(UserName="without-policies")["AccessKey"]
    user: dict[str, Any] = {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
    assert live.client("s3", **user).get_object(Bucket="open-to-users", Key="key")["Body"].read() == b"content"
    for head, code in (
        (raw.sign(live, "GET", "/open-to-users/key", secret="wrong").head, b"SignatureDoesNotMatch"),
        (raw.sign(live, "GET", "/open-to-users/key", key="AKIAUNKNOWN", secret="test").head, b"InvalidAccessKeyId"),
        (b"GET /open-to-users/key HTTP/1.1\r\nHost: localhost\r\n\r\n", b"AccessDenied"),
        (b"PUT /open-to-users/new HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx", b"AccessDenied"),
        (b"DELETE /open-to-users/key HTTP/1.1\r\nHost: localhost\r\n\r\n", b"AccessDenied"),
    ):
        status, answer = raw.exchange(live, head)
        assert (status, b"<Code>%b</Code>" % code in answer) == (403, True), answer
    assert [item["Key"] for item in s3.list_objects_v2(Bucket="open-to-users")["Contents"]] == ["key"]
    assert live.stop() == 0


def test_what_was_signed_is_refused_once_its_time_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The region's clock is moved, as the user may move it. What bears no date of its own, the old pre-signed URL, and requests
    go by the real time."""
    live = LiveRegion(tmp_path / "data").start()
    s3 = live.client("s3")
    s3.create_bucket(Bucket="replayed")
    s3.put_object(Bucket="replayed", Key="key", Body=b"content")
    versions = {name: live.client("s3", config=Config(signature_version=name)) for name in ("s3v4", "s3")}
    which = {"Bucket": "replayed", "Key": "key"}
    urls = [client.generate_presigned_url("get_object", which, ExpiresIn=600) for client in versions.values()]
    uploads = [client.generate_presigned_url("put_object", which, ExpiresIn=600) for client in versions.values()]
    signed = [raw.sign(live, "GET", "/replayed/key").head, raw.sign(live, "DELETE", "/replayed/key").head]

    def replay(url: str, method: str = "GET", body: bytes = b"") -> tuple[int, bytes]:
        target = url.split("/", 3)[3]
        head = f"{method} /{target} HTTP/1.1\r\nHost: {url.split('/')[2]}\r\nContent-Length: {len(body)}\r\n\r\n"
        return raw.exchange(live, head.encode(), body)

    assert [replay(url) for url in urls] == [(200, b"content")] * 2
    assert [replay(url, "PUT", b"content")[0] for url in uploads] == [200] * 2
    ask(live.data, "clock", seconds=599 - 30)
    assert [replay(url)[0] for url in urls] == [200] * 2
    assert raw.exchange(live, signed[0])[0] == 200
    ask(live.data, "clock", seconds=60)
    over = [versions["s3"].generate_presigned_url(name, which, ExpiresIn=0) for name in ("get_object", "put_object")]
    for status, answer in [
        *map(replay, (urls[0], over[0])),
        *(replay(u, "PUT", b"new") for u in (uploads[0], over[1])),
    ]:
        assert (status, b"<Code>AccessDenied</Code>" in answer, b"expired" in answer) == (403, True, True)
    old = datetime.fromtimestamp(time.time() - 1000, UTC)
    for module in ("botocore.auth", "botocore.crt.auth"):
        monkeypatch.setattr(
            f"{module}.get_current_datetime",
            lambda remove_tzinfo=True: old.replace(tzinfo=None) if remove_tzinfo else old,
        )
    signed = [raw.sign(live, "GET", "/replayed/key").head, raw.sign(live, "DELETE", "/replayed/key").head]
    queues = raw.sqs(live, "ListQueues")
    monkeypatch.undo()
    for head in signed:
        status, answer = raw.exchange(live, head)
        assert (status, b"<Code>RequestTimeTooSkewed</Code>" in answer) == (403, True)
    status, answer = raw.exchange(live, queues)
    assert (status, b"InvalidSignatureException" in answer) == (400, True)
    assert live.stop() == 0
    live.start()  # the clock is the machine's again
    assert s3.get_object(Bucket="replayed", Key="key")["Body"].read() == b"content"
    assert live.stop() == 0
