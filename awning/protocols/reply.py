"""Replies that no operation wrote: errors, in the form that the service's clients understand."""

from __future__ import annotations

from awning.protocols import facts
from awning.protocols.errors import ServiceError
from awning.protocols.model import FORMATS, KnownError, Model, ModelOperation
from awning.protocols.wire import ErrorContext, Reply

__all__ = ["Reply", "write_error"]


def write_error(
    model: Model | None,
    protocol: str,
    error: ServiceError,
    request_id: str,
    resource: str | None = None,
    operation: ModelOperation | None = None,
    head: bool = False,
) -> Reply:
    """Write an error in a service's own form.

    model: None where no service was found. protocol: one of the model's, or what Model.protocol says. resource: the path that
    was asked for (S3). operation: None where none was matched. head: the request was HEAD, whose reply has no body.
    """
    if model is None:
        code = error.code
        known = KnownError(code, code, code, error.status, False, None)
        context = ErrorContext(facts.of("", protocol), {}, resource, head)
    else:
        known = model.known_error(error)
        metadata = model.metadata(protocol if protocol in model.protocols else model.protocols[0])
        head = head or (operation is not None and operation.method == "HEAD")
        context = ErrorContext(model.facts, metadata, resource, head)
    reply = FORMATS[protocol if protocol in FORMATS else "rest-xml"].error(known, error, request_id, context)
    reply.headers.extend(error.headers)
    return reply
