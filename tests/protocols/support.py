"""Short ways to say a request in each wire format, and to catch what refuses it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest

from awning.protocols.errors import ServiceError
from awning.protocols.honours import Honours
from awning.protocols.model import BoundOperation, Model
from awning.protocols.wire import Wire
from tests.protocols.peer import everything

VERSIONS = {"iam": "2010-05-08", "sts": "2011-06-15", "sqs": "2012-11-05"}


def json_wire(operation: str, body: Any, target: str = "AmazonSQS") -> Wire:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {b"x-amz-target": f"{target}.{operation}".encode(), b"content-type": b"application/x-amz-json-1.0"}
    return Wire("POST", b"/", b"", headers, raw)


def form_wire(service: str, operation: str, method: str = "POST", path: bytes = b"/", **parameters: Any) -> Wire:
    form = urlencode({"Action": operation, "Version": VERSIONS[service], **parameters}).encode()
    if method == "GET":
        return Wire("GET", path, form, {b"host": b"localhost:4566"}, b"")
    headers = {b"host": b"localhost:4566", b"content-type": b"application/x-www-form-urlencoded"}
    return Wire(method, path, b"", headers, form)


def s3_wire(method: str, target: str, body: bytes = b"", headers: Mapping[str, str | bytes] | None = None) -> Wire:
    path, _, query = target.encode().partition(b"?")
    raw = {
        name.lower().encode(): value if isinstance(value, bytes) else value.encode()
        for name, value in (headers or {}).items()
    }
    return Wire(method, path, query, raw, body)


def parse(model: Model, wire: Wire, bound: BoundOperation | None = None) -> dict[str, Any]:
    """Match and parse; with everything honoured unless `bound` says otherwise."""
    match = model.match(wire)
    return (bound or everything(match.operation)).parse(match, wire)


def refused(model: Model, wire: Wire, bound: BoundOperation | None = None) -> ServiceError:
    """The error that a request is refused with."""
    with pytest.raises(ServiceError) as caught:
        parse(model, wire, bound)
    return caught.value


def bind(
    model: Model,
    operation: str,
    *parameters: str,
    honours: Mapping[str, Honours] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> BoundOperation:
    return model.operations[operation].bind(parameters, honours or {}, defaults or {})


def tree(body: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(body)
