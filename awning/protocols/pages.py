"""Errors as pages for people, in the form of S3's website endpoints. Pure: an error in, a reply out.

Source: S3 user guide, "Configuring a custom error document", and the pages that S3 sends.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from http import HTTPStatus

from awning.protocols.errors import ServiceError
from awning.protocols.rest import s3_identity
from awning.protocols.wire import Reply

_PLAIN = {"AccessDenied": "Access Denied"}
"""Messages that tell a stranger no more than this."""


def facts_of(error: ServiceError) -> list[tuple[str, str]]:
    """Return what a visitor is told of an error: name and value."""
    message = _PLAIN.get(error.code, error.message)
    return [("Code", error.code), ("Message", message), *((name, str(value)) for name, value in error.members.items())]


def error_headers(error: ServiceError) -> list[tuple[bytes, bytes]]:
    """Return an error as headers, which also go with a site's own page for it."""
    (_, code), (_, message), *details = facts_of(error)
    pairs = [("x-amz-error-code", code), ("x-amz-error-message", message)]
    pairs += [(f"x-amz-error-detail-{name}", value) for name, value in details]
    return [(name.encode(), value.encode("utf-8")) for name, value in pairs if value.isprintable()]


def write_page(error: ServiceError, request_id: str, further: ServiceError | None = None, head: bool = False) -> Reply:
    """Write an error as a page. further: what kept the site's own page for it from being shown. head: without a body."""
    identity = s3_identity(request_id)
    title = f"{error.status} {HTTPStatus(error.status).phrase}"
    ids = [("RequestId", request_id), ("HostId", identity[1][1].decode())]
    lines = ["<html>", f"<head><title>{title}</title></head>", "<body>", f"<h1>{title}</h1>"]
    lines += _listed([*facts_of(error), *ids])
    if further is not None:
        lines.append("<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>")
        lines += _listed(facts_of(further))
    lines += ["<hr/>", "</body>", "</html>", ""]
    headers = [*identity, *error_headers(error), *error.headers, (b"content-type", b"text/html; charset=utf-8")]
    return Reply(error.status, headers, b"" if head else "\n".join(lines).encode("utf-8", "replace"))


def _listed(facts: Sequence[tuple[str, str]]) -> list[str]:
    return ["<ul>", *(f"<li>{escape(name)}: {escape(value)}</li>" for name, value in facts), "</ul>"]
