"""Canonical forms of a request's path, query and headers, as Signature Version 4 hashes them. Bytes in, bytes out.

Source: "Create a signed AWS API request" in the IAM user guide; S3's exception in its API reference, "sig-v4-header-based-auth".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from operator import itemgetter
from urllib.parse import quote_from_bytes, unquote_to_bytes

_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_PLAIN_PATH = _UNRESERVED + b"/"

_ESCAPE = rb"%(?:[0189A-F][0-9A-F]|2[0-9A-CF]|3[A-F]|[46]0|5[B-E]|7[B-DF])"
_WORD = rb"(?:[A-Za-z0-9._~-]++|" + _ESCAPE + rb")*"
_is_clean_path = re.compile(rb"(?:[A-Za-z0-9._~/-]++|" + _ESCAPE + rb")*").fullmatch
_is_clean_query = re.compile(_WORD + rb"=" + _WORD + rb"(?:&" + _WORD + rb"=" + _WORD + rb")*").fullmatch

Pairs = list[tuple[bytes, bytes]]


def encode_path(path: bytes) -> bytes:
    """Percent-encode all but the unreserved characters and slashes."""
    if not path.translate(None, _PLAIN_PATH):
        return path
    return quote_from_bytes(path, safe="/-._~").encode("ascii")


def s3_path(path: bytes) -> bytes:
    """S3's canonical URI: the path as it was sent, decoded and encoded once; neither dots nor slashes are folded."""
    if _is_clean_path(path):
        return path
    return encode_path(unquote_to_bytes(path))


def service_path(path: bytes) -> bytes:
    """Every other service's canonical URI: normalised (RFC 3986, 5.2.4, and no empty segments), then encoded once more."""
    if path in (b"/", b""):
        return b"/"
    segments: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            if segments:
                segments.pop()
        elif segment not in (b"", b"."):
            segments.append(segment)
    if not segments:
        return b"/"
    slash = b"/" if path.endswith((b"/", b"/.", b"/..")) else b""
    return encode_path(b"/" + b"/".join(segments) + slash)


def split_query(query: bytes) -> Pairs:
    """Split a query into its pairs, still encoded; a key without a value has an empty one."""
    pairs: Pairs = []
    for part in query.split(b"&"):
        if part:
            key, _, value = part.partition(b"=")
            pairs.append((key, value))
    return pairs


def decode(text: bytes) -> bytes:
    """Undo percent-encoding; a plus sign is a space, as S3 and every form parser read it."""
    if b"+" in text:
        text = text.replace(b"+", b" ")
    return unquote_to_bytes(text) if b"%" in text else text


def encode_part(text: bytes) -> bytes:
    """Decode, then encode a key or value of a query."""
    if not text.translate(None, _UNRESERVED):
        return text
    return quote_from_bytes(decode(text), safe="-._~").encode("ascii")


def join_pairs(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Sort encoded pairs by key, then value, and join them."""
    return b"&".join([key + b"=" + value for key, value in sorted(pairs)])


def canonical_query(query: bytes) -> bytes:
    """The canonical query string: every key and value decoded, encoded and sorted."""
    if not _is_clean_query(query):
        return canonical_pairs(split_query(query))
    if b"&" not in query:
        return query
    return b"&".join([b"".join(pair) for pair in sorted([part.partition(b"=") for part in query.split(b"&")])])


def canonical_pairs(pairs: Pairs) -> bytes:
    """The canonical query string of pairs that are still encoded as they were sent."""
    return join_pairs([(encode_part(key), encode_part(value)) for key, value in pairs])


def sent_query(query: bytes) -> bytes:
    """The query as it was sent, only sorted: what clients sign that do not encode all that they should."""
    return join_pairs(split_query(query))


def fold(value: bytes) -> bytes:
    """Trim a header's value and fold runs of white space into one space."""
    return b" ".join(value.split())


class Lines:
    """Writes the canonical headers of one list of names (lower case), in its order. A header that is not there counts as
    empty. Values are stripped already (see Request)."""

    __slots__ = ("_form", "_names", "_values")

    def __init__(self, names: tuple[bytes, ...]) -> None:
        self._names = names
        self._form = b"\n".join([name.replace(b"%", b"%%") + b":%b" for name in names])
        self._values = itemgetter(*names) if len(names) > 1 else lambda headers: (headers[names[0]],)

    def write(self, headers: Mapping[bytes, bytes]) -> bytes:
        """Return a line `name:value` for each, without the last line's end."""
        try:
            text: bytes = self._form % self._values(headers)
        except KeyError:
            text = b""
        if not text or b"  " in text or b"\t" in text:
            return self._form % tuple([fold(headers.get(name, b"")) for name in self._names])
        return text
