"""Records the requests that boto3 makes, byte for byte, without sending them.

botocore itself builds and signs; only what its HTTP library would add on the wire is added here.
"""

import copy
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from botocore.loaders import Loader

from bench.generator import Request

REGION = "us-east-1"


class _Recorded(BaseException):
    """Leaves botocore before it sends; not an Exception, so that its retry handler lets it pass."""


def wire(request: AWSPreparedRequest) -> Request:
    """The bytes that botocore's HTTP library would send for a prepared request."""
    url = urlsplit(request.url)
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    lines = [f"{request.method} {target} HTTP/1.1", "Accept-Encoding: identity"]
    for name, value in request.headers.items():
        lines.append(f"{name}: {value.decode() if isinstance(value, bytes) else value}")
    body = request.body
    if body is None:
        body = b""
    elif isinstance(body, str):
        body = body.encode()
    elif not isinstance(body, bytes | bytearray):
        body.seek(0)
        body = body.read()
    return Request("\r\n".join([*lines, "", ""]).encode(), bytes(body))


class Recorder:
    """Clients of one user that record instead of sending."""

    def __init__(self, endpoint: str, access_key: str, secret_key: str) -> None:
        self._endpoint, self._access_key, self._secret_key = endpoint, access_key, secret_key
        self._clients: dict[tuple[str, bool], Any] = {}
        self._last: Request | None = None

    def record(self, service: str, method: str, *, query_protocol: bool = False, **params: Any) -> Request:
        """The request that the client's `method(**params)` would send now; valid for 15 minutes."""
        client = self._clients.get((service, query_protocol))
        if client is None:
            client = make_client(service, self._endpoint, self._access_key, self._secret_key, query_protocol)
            client.meta.events.register("before-send", self._take)
            self._clients[service, query_protocol] = client
        try:
            getattr(client, method)(**params)
        except _Recorded:
            pass
        assert self._last is not None
        recorded, self._last = self._last, None
        return recorded

    def _take(self, request: AWSPreparedRequest, **_: Any) -> None:
        self._last = wire(request)
        raise _Recorded


class _QueryLoader(Loader):  # type: ignore[misc]
    """botocore's models with SQS as SDKs older than November 2023 knew it: over the query protocol."""

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        model = super().load_service_model(service_name, type_name, api_version)
        if (service_name, type_name) != ("sqs", "service-2"):
            return model
        model = copy.deepcopy(model)
        metadata = model["metadata"]
        metadata["protocol"], metadata["protocols"] = "query", ["query"]
        for key in ("jsonVersion", "awsQueryCompatible", "targetPrefix"):
            metadata.pop(key, None)
        return model


def make_client(
    service: str, endpoint: str, access_key: str = "test", secret_key: str = "test", query_protocol: bool = False
) -> Any:
    """A boto3 client; by default that of the well-known root of account 000000000000."""
    core = botocore.session.Session()
    if query_protocol:
        core.register_component("data_loader", _QueryLoader(include_default_search_paths=True))
    session = boto3.Session(botocore_session=core, region_name=REGION)
    return session.client(
        service,
        endpoint_url=endpoint,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, read_timeout=60),
    )
