"""boto3 on the rooms without a socket: what it would send is parsed, run and answered by the real wire formats."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from awning.auth.principal import Principal
from awning.protocols.errors import ServiceError
from awning.protocols.model import Model
from awning.protocols.registry import Registry
from awning.protocols.reply import write_error
from awning.protocols.wire import Wire
from tests.services.iam.support import House


class _Raw:
    """The body as botocore reads it from urllib3."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Any:
        yield self._body


class Boto:
    """boto3 clients for a house. `by` is who signs; signatures themselves are not part of it."""

    def __init__(self, house: House) -> None:
        self.house = house
        registry = Registry(None)
        self.models: dict[str, Model] = {name: registry.model(name, ("query",)) for name in house.rooms}

    def client(self, name: str, by: Principal | None = None) -> Any:
        client = boto3.client(
            name,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(parameter_validation=False),
        )

        def send(request: Any, **_: Any) -> AWSResponse:
            body = request.body if isinstance(request.body, bytes) else (request.body or "").encode()
            headers = {
                key.lower().encode(): value if isinstance(value, bytes) else value.encode()
                for key, value in request.headers.items()
            }
            reply = self.answer(name, Wire("POST", b"/", b"", headers, body), by)
            sent = {key.decode(): value.decode() for key, value in reply.headers}
            return AWSResponse(request.url, reply.status, sent, _Raw(reply.body))

        client.meta.events.register("before-send", send)
        return client

    def answer(self, name: str, wire: Wire, by: Principal | None) -> Any:
        model = self.models[name]
        declared = self.house.rooms[name].service.operations()
        try:
            match = model.match(wire)
            operation = declared[match.operation.function_name]
            bound = match.operation.bind(operation.parameters, operation.honours, operation.defaults)
            params = bound.parse(match, wire)
            result = getattr(getattr(self.house, name), match.operation.function_name)(by=by, **params)
            return bound.write(result if result is not None else {}, "request", "query")
        except ServiceError as error:
            return write_error(model, "query", error, "request")
