"""The head of a request: bytes in, Head out, or a Refusal. Pure.

The grammar of RFC 9112 stands in one regular expression, stricter than any parser that forgives; what passes it is
read by httptools, whose parser (llhttp) must agree. The outcome never depends on how the bytes were split.
"""

from __future__ import annotations

import re

import httptools

from awning.net.limits import Limits, Refusal

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_TARGET = rb"[\x21\x24-\x3b\x3d\x3f-\x7e]"  # visible, without " # < >
_VALUE = rb"[\t\x20-\x7e\x80-\xff]"
_METHOD_BYTES = 32

FIELDS = re.compile(rb"(?:" + _TOKEN + rb"++:" + _VALUE + rb"*+\r\n)*")
"""Header or trailer fields, each with its line end."""

_HEAD = re.compile(
    rb"(" + _TOKEN + rb"{1,%d}+) (" % _METHOD_BYTES + _TARGET + rb"++) HTTP/1\.([01])\r\n" + FIELDS.pattern + rb"\r\n"
)
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb"++) (" + _TARGET + rb"++) HTTP/([0-9])\.([0-9])")
_ILLEGAL = re.compile(rb"(?<!\r)\n|\r[^\n]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_TRAILING_BLANKS = re.compile(rb"[ \t]++\r\n")
_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'*+();=%-]*+|\[[0-9A-Fa-f:.]++\])(?::[0-9]{0,5}+)?")
_ABSOLUTE = re.compile(rb"https?://([^/?]*+)(.*)")


class Head:
    """A request's head. `path` and `query` are the target's parts; `keep` says whether the connection may serve
    another.
    """

    __slots__ = (
        "chunked",
        "content_length",
        "expects_continue",
        "headers",
        "keep",
        "method",
        "minor",
        "path",
        "query",
        "size",
        "target",
    )

    def __init__(self) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.method = ""
        self.target = b""
        self.path = b""
        self.query = b""
        self.minor = 1
        self.size = 0
        self.keep = True
        self.chunked = False
        self.expects_continue = False
        self.content_length: int | None = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one field from httptools."""
        name = name.lower()
        headers = self.headers
        if name in headers:
            headers[name] = headers[name] + b"," + value
        else:
            headers[name] = value


def read(data: bytes, start: int, limits: Limits) -> Head | None:
    """Read the head that begins at `start`; None where more bytes are needed. `Head.size` is its length.

    Raises Refusal: 400 (against the grammar), 414, 417, 431, 501, 505.
    """
    match = _HEAD.match(data, start)
    if match is None:
        _check_unfinished(data, start, limits)
        return None
    method, target, minor = match.groups()
    if len(target) > limits.target_bytes:
        raise Refusal(414, "target too long")
    end = match.end()
    if end - start > limits.header_bytes:
        raise Refusal(431, "head too large")
    text = data[start:end]
    if text.count(b"\n") - 2 > limits.header_count:
        raise Refusal(431, "too many header fields")
    if b" \r\n" in text or b"\t\r\n" in text:
        text = _TRAILING_BLANKS.sub(b"\r\n", text)  # httptools leaves them in the values
    head = Head()
    _collect(head, text)
    head.method = method.decode()
    head.target = target
    head.size = end - start
    if minor == b"0":
        head.minor = 0
    _split_target(head)
    _check_framing(head)
    return head


def _collect(head: Head, text: bytes) -> None:
    parser = httptools.HttpRequestParser(head)
    try:
        parser.feed_data(text)
    except httptools.HttpParserUpgrade:
        # The head is complete, and we serve no upgrade; CONNECT is refused with its target.
        return
    except httptools.HttpParserInvalidMethodError:
        raise Refusal(501, "unknown method") from None
    except httptools.HttpParserError as error:
        raise Refusal(400, "malformed request") from error


def _split_target(head: Head) -> None:
    target = head.target
    if target[0] == 0x2F:
        head.path, _, head.query = target.partition(b"?")
    elif head.method == "CONNECT":
        raise Refusal(501, "no tunnels")
    elif target == b"*" and head.method == "OPTIONS":
        head.path = target
    elif match := _ABSOLUTE.fullmatch(target):
        if match[1].lower() != head.headers.get(b"host", b"").lower():
            raise Refusal(400, "target and Host differ")
        path, _, head.query = match[2].partition(b"?")
        head.path = path or b"/"
    else:
        raise Refusal(400, "malformed target")


def _check_framing(head: Head) -> None:
    """Decide where the body ends, and whether another request may follow. A repeated field shows by its comma."""
    headers = head.headers
    host = headers.get(b"host")
    if host is None:
        if head.minor:
            raise Refusal(400, "missing Host")
    elif not _HOST.fullmatch(host):
        raise Refusal(400, "malformed Host")
    coding = headers.get(b"transfer-encoding")
    length = headers.get(b"content-length")
    if coding is not None:
        if length is not None:
            raise Refusal(400, "both Content-Length and Transfer-Encoding")
        if coding != b"chunked" or not head.minor:
            raise Refusal(400, "unknown Transfer-Encoding")
        head.chunked = True
        head.content_length = None
    elif length is not None:
        if not length.isdigit() or len(length) > 15:
            raise Refusal(400, "malformed Content-Length")
        head.content_length = int(length)
    connection = headers.get(b"connection")
    if connection is not None:
        options = [option.strip(b" \t") for option in connection.lower().split(b",")]
        head.keep = b"close" not in options and (head.minor == 1 or b"keep-alive" in options)
    elif not head.minor:
        head.keep = False
    expect = headers.get(b"expect")
    if expect is not None and head.minor:
        if expect.lower() != b"100-continue":
            raise Refusal(417, "unknown expectation")
        head.expects_continue = True


def _check_unfinished(data: bytes, start: int, limits: Limits) -> None:
    """Return where a good head may still come; raise the Refusal of what is wrong.

    Judged from front to back on a bounded part, so that a verdict on the first bytes is the verdict on all of them.
    """
    bound = start + limits.target_bytes + 128
    line_end = data.find(b"\n", start, bound)
    line = data[start : bound if line_end < 0 else line_end + 1]
    if line[:1] in (b"\r", b"\n"):
        raise Refusal(400, "blank line before the request")
    if _ILLEGAL.search(line):
        raise Refusal(400, "illegal byte in the head")
    if line_end < 0:
        if len(data) >= bound:
            raise Refusal(414, "target too long")
        return
    _check_request_line(line[:-2], limits)
    rest_end = data.find(b"\r\n\r\n", line_end - 1, start + limits.header_bytes)
    rest = data[line_end + 1 : start + limits.header_bytes if rest_end < 0 else rest_end + 4]
    if _ILLEGAL.search(rest):
        raise Refusal(400, "illegal byte in the head")
    if rest_end >= 0:
        raise Refusal(400, "malformed header field")
    if len(data) - start > limits.header_bytes:
        raise Refusal(431, "head too large")


def _check_request_line(line: bytes, limits: Limits) -> None:
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise Refusal(400, "malformed request line")
    if len(match[1]) > _METHOD_BYTES:
        raise Refusal(501, "unknown method")
    if len(match[2]) > limits.target_bytes:
        raise Refusal(414, "target too long")
    if match[3] != b"1" or match[4] not in (b"0", b"1"):
        raise Refusal(505, "unknown HTTP version")
