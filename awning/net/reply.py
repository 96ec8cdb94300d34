"""The head of a response: what a handler said, made safe and framed. Pure."""

from __future__ import annotations

import re
from http import HTTPStatus

from awning.net.messages import FileSlice, Response

_NAME = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_VALUE = rb"[\t\x20-\x7e\x80-\xff]*+"
_FIELD = re.compile(_NAME + rb": " + _VALUE + rb"\r\n")
_OWN = rb"(?i:connection|content-length|date|keep-alive|trailer|transfer-encoding|upgrade)"
_ORDINARY = re.compile(rb"(?:(?!" + _OWN + rb":)" + _FIELD.pattern + rb")*")
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_CONNECTION = {
    (0, False): b"Connection: close\r\n\r\n",
    (0, True): b"Connection: keep-alive\r\n\r\n",
    (1, False): b"Connection: close\r\n\r\n",
    (1, True): b"\r\n",
}


def head(response: Response, framing: bytes, minor: int, keep: bool, date: bytes) -> bytes:
    """Return the head. `framing` is the field that says where the body ends, `date` the Date field; both whole lines.

    Raises ValueError for what a handler must not send: a line break or NUL, a name that isn't a token, a field that is
    the connection's own, a status outside 200-599.
    """
    status_line = _STATUS_LINES.get(response.status)
    if status_line is None or response.status < 200:
        if not 200 <= response.status <= 599:
            raise ValueError(f"A response cannot have the status {response.status}.")
        status_line = b"HTTP/1.1 %d \r\n" % response.status
    fields = b"".join([b"%b: %b\r\n" % field for field in response.headers])
    if fields.count(b"\n") != len(response.headers) or not _ORDINARY.fullmatch(fields):
        fields, date = _others(response, date)
    return b"%b%b%b%b%b" % (status_line, fields, date, framing, _CONNECTION[minor, keep])


def _others(response: Response, date: bytes) -> tuple[bytes, bytes]:
    """Return the fields without Content-Length, which is in the framing, and the Date field where the handler gave
    none.
    """
    fields: list[bytes] = []
    for name, value in response.headers:
        field = b"%b: %b\r\n" % (name, value)
        if not _FIELD.fullmatch(field):
            raise ValueError(f"This is no header field: {name!r}: {value!r}")
        lower = name.lower()
        if lower == b"content-length":
            continue
        if lower == b"date":
            date = b""
        elif not _ORDINARY.fullmatch(field):
            raise ValueError(f"The connection itself writes the field {name.decode()}.")
        fields.append(field)
    return b"".join(fields), date


def announced_length(response: Response) -> int | None:
    """Return the Content-Length that the handler gave. Raises ValueError where it isn't one number."""
    given = [value for name, value in response.headers if name.lower() == b"content-length"]
    if not given:
        return None
    if len(given) > 1 or not given[0].isdigit():
        raise ValueError(f"A response has one Content-Length, a number, not {given!r}.")
    return int(given[0])


def body_length(response: Response) -> int | None:
    """Return how long the body is, None for an iterator of unknown length.

    Raises ValueError where another length was announced, TypeError for what isn't a body.
    """
    announced = announced_length(response)
    body = response.body
    if isinstance(body, bytes):
        length = len(body)
    elif isinstance(body, FileSlice):
        length = body.length
    elif hasattr(body, "__anext__"):
        return announced
    else:
        raise TypeError(f"A response's body is bytes, a FileSlice or an asynchronous iterator, not {type(body)}.")
    if announced is not None and announced != length:
        raise ValueError(f"Content-Length says {announced}, the body has {length} bytes.")
    return length


def framing_without_body(response: Response) -> bytes:
    """Return the framing field of a response that never has a body: to HEAD, or with status 204 or 304.

    The length is what the handler announced, or else the length of the body that a GET would have had.
    """
    if response.status == 204:
        return b""
    length = announced_length(response)
    if length is None and response.status != 304 and response.body:
        length = body_length(response)
    return b"" if length is None else b"Content-Length: %d\r\n" % length
