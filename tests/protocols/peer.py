"""botocore's side of a conversation: its serializers and parsers, without its client."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote_plus, urlencode

from botocore.awsrequest import AWSRequest
from botocore.model import OperationModel, ServiceModel, StructureShape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from awning.protocols.honours import ALL, needs_entry
from awning.protocols.model import BoundOperation, ModelOperation
from awning.protocols.registry import read_botocore
from awning.protocols.sqs_query import query_copy
from awning.protocols.wire import Reply, Wire

SERVED = (("s3", ("rest-xml",)), ("sqs", ("json", "query")), ("iam", ("query",)), ("sts", ("query",)))
CONVERSATIONS = [(service, protocol) for service, protocols in SERVED for protocol in protocols]


class Peer:
    """One service in one wire format, as botocore speaks it."""

    def __init__(self, service: str, protocol: str) -> None:
        description = read_botocore(service)
        if service == "sqs" and protocol == "query":
            description = query_copy("sqs", description)
        self.model = ServiceModel(description, service)
        self._serializer = create_serializer(protocol, include_validation=False)
        self._parser = create_parser(protocol)

    def operation(self, name: str) -> OperationModel:
        return self.model.operation_model(name)

    def request(self, name: str, parameters: dict[str, Any]) -> Wire:
        """What botocore would put on the wire."""
        made = self._serializer.serialize_to_request(parameters, self.operation(name))
        body, query = made["body"], made["query_string"]
        if isinstance(body, dict):
            body = urlencode(body)
        if isinstance(query, dict):
            pairs = [(key, value) for key, several in query.items() for value in _several(several)]
            query = "&".join(f"{quote_plus(str(key))}={quote_plus(str(value))}" for key, value in pairs)
        path, _, own = made["url_path"].partition("?")
        headers = AWSRequest(headers=made["headers"]).headers.items()
        return Wire(
            made["method"],
            path.encode(),
            "&".join(part for part in (own, query) if part).encode(),
            {
                key.lower().encode(): value if isinstance(value, bytes) else str(value).encode()
                for key, value in headers
            },
            body if isinstance(body, bytes) else body.encode(),
        )

    def reply(self, name: str, reply: Reply) -> dict[str, Any]:
        """What botocore makes of a reply."""
        headers = AWSRequest(headers={key.decode(): value.decode() for key, value in reply.headers}).headers
        found = {"status_code": reply.status, "headers": headers, "body": reply.body}
        parsed: dict[str, Any] = self._parser.parse(found, self.operation(name).output_shape)
        return parsed

    def error(self, reply: Reply, shape: StructureShape) -> dict[str, Any]:
        """What botocore makes of an error; `modelled` is what it makes of it by its shape."""
        headers = AWSRequest(headers={key.decode(): value.decode() for key, value in reply.headers}).headers
        found = {"status_code": reply.status, "headers": headers, "body": reply.body}
        parsed: dict[str, Any] = self._parser.parse(found, None)
        parsed["modelled"] = self._parser.parse(found, shape)
        return parsed


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def everything(operation: ModelOperation) -> BoundOperation:
    """The operation with all that its model has honoured."""
    names = [name for name, (_, shape) in operation.members.items() if not shape.streams]
    return operation.bind(tuple(names), {n: ALL for n in names if needs_entry(operation.members[n][1])}, {})
