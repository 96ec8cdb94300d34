"""multipart/form-data: the same fields and file however the body is cut; bounded, and refused where it is no form."""

from __future__ import annotations

from itertools import pairwise

import pytest

from awning.protocols.errors import ServiceError
from awning.protocols.forms import MOST_BEFORE_FILE, FormParser, boundary_of

FILE = b"a\r\n--bound\r\n-\r\n--BOUNDARY" + bytes(range(256)) + b"\r\n"


def part(name: str, value: bytes, more: str = "") -> bytes:
    return f'--boundary\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value + b"\r\n"


BODY = (
    part("key", b"a/${filename}")
    + part("Empty", b"")
    + part("x-amz-meta-city", "Zürich".encode())
    + part("file", FILE, '; filename="C:\\dir\\b.txt"\r\nContent-Type: text/plain')
    + part("late", b"passed over")
    + b"--boundary--\r\n"
)


def parse(body: bytes, cuts: list[int]) -> tuple[FormParser, bytes]:
    parser = FormParser(b"boundary")
    found = b""
    edges = [0, *cuts, len(body)]
    for start, end in pairwise(edges):
        found += parser.feed(body[start:end])
    parser.finish()
    return parser, found


def refusal(body: bytes) -> str:
    with pytest.raises(ServiceError) as caught:
        parse(body, [])
    return caught.value.code


def test_a_form_is_the_same_wherever_it_is_cut():
    for cut in range(len(BODY)):
        parser, found = parse(BODY, [cut])
        assert found == FILE
        assert parser.fields == {"key": "a/${filename}", "empty": "", "x-amz-meta-city": "Zürich"}
        assert (parser.filename, parser.complete) == ("b.txt", True)
    assert parse(BODY, list(range(1, len(BODY))))[1] == FILE


def test_what_stands_before_the_file_is_counted():
    parser, _ = parse(BODY, [])
    assert parser.before_file == BODY.index(FILE)
    assert parse(BODY, list(range(1, len(BODY))))[0].before_file >= BODY.index(FILE) - 1


def test_an_empty_file_is_a_file():
    parser, found = parse(part("key", b"k") + part("file", b"") + b"--boundary--", [])
    assert (found, parser.complete) == (b"", True)


def test_a_form_without_a_file_ends():
    parser, found = parse(part("key", b"k") + b"--boundary--\r\n", [])
    assert (found, parser.in_file, parser.ended) == (b"", False, True)


def test_fields_are_bounded():
    assert refusal(part("a", b"x" * MOST_BEFORE_FILE) + part("file", b"")) == "MaxPostPreDataLengthExceededError"
    parser = FormParser(b"boundary")
    for _ in range(MOST_BEFORE_FILE // 100):
        parser.feed(b"x" * 100)
    with pytest.raises(ServiceError) as caught:
        parser.feed(b"x" * 100)
    assert caught.value.code == "MaxPostPreDataLengthExceededError"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form",
        BODY[: BODY.index(b"late") - 60],
        part("key", b"\xff") + part("file", b"") + b"--boundary--",
        b"--boundary\r\nContent-Type: text/plain\r\n\r\nx\r\n--boundary--",
        b'--boundary\r\nContent-Disposition: attachment; name="key"\r\n\r\nx\r\n--boundary--',
        b"--boundary\r\nContent-Disposition: form-data\r\n\r\nx\r\n--boundary--",
        b"--boundaryx\r\n" + BODY[12:],
        part("file", b"a\r\n--boundaryx") + b"--boundary--",
    ],
)
def test_what_is_no_form_is_refused(body):
    assert refusal(body) == "MalformedPOSTRequest"


def test_a_field_comes_once():
    assert refusal(part("key", b"a") + part("KEY", b"b") + part("file", b"")) == "InvalidArgument"


def test_the_boundary_is_in_the_content_type():
    assert boundary_of(b"multipart/form-data; boundary=abc") == b"abc"
    assert boundary_of(b'multipart/form-data; charset=utf-8; Boundary="a b"') == b"a b"
    with pytest.raises(ServiceError):
        boundary_of(b"multipart/form-data")
