"""XML from clients: a tree of elements out of a body, with everything refused that a request never needs.

No document types, no entities of their own, no encoding but UTF-8; the depth is bounded before any reader sees it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError, XMLParser

MAX_DEPTH: Final = 64
MAX_TAGS: Final = 200_000
"""Opening and closing tags; the largest honest document, CompleteMultipartUpload of 10,000 parts, has about 100,000."""
XSI: Final = "{http://www.w3.org/2001/XMLSchema-instance}"
_DECLARED: Final = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([^"']*)["']""")
_UTF8: Final = (b"utf-8", b"utf8", b"us-ascii", b"ascii")

Fail = Callable[[str], Exception]


def parse(body: bytes, fail: Fail) -> Element:
    """Return the root element. Raises what `fail(reason)` returns, for a document that is malformed or not welcome."""
    if body[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in body:
        raise fail("not UTF-8")
    declared = _DECLARED.match(body[:200])
    if declared and declared[1].lower() not in _UTF8:
        raise fail("not UTF-8")
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise fail("document types are not accepted")
    if body.count(b"<") > MAX_TAGS:
        raise fail(f"more than {MAX_TAGS} tags")
    try:
        parser = XMLParser(encoding="utf-8")
        parser.feed(body)
        root: Element = parser.close()
    except (ParseError, ValueError) as error:
        raise fail(str(error)) from error
    level = [root]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in node]
        if not level:
            return root
    raise fail(f"nested deeper than {MAX_DEPTH} elements")


def local(tag: str) -> str:
    """A tag without its namespace."""
    return tag[tag.index("}") + 1 :] if tag[:1] == "{" else tag


def children(node: Any, fail: Fail) -> dict[str, Any]:
    """Return an element's children by name: an element, or a list of them where a name is repeated."""
    if type(node) is list:
        raise fail("an element is repeated")
    found: dict[str, Any] = {}
    for child in node:
        tag = child.tag
        name = tag[tag.index("}") + 1 :] if tag[:1] == "{" else tag
        known = found.get(name)
        if known is None:
            found[name] = child
        elif type(known) is list:
            known.append(child)
        else:
            found[name] = [known, child]
    return found


def text_of(node: Any, fail: Fail) -> str:
    """Return the text of an element that has nothing but text."""
    if type(node) is list or len(node):
        raise fail("a single value was expected")
    return node.text or ""
