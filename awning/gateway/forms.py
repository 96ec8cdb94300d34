"""Browser forms (POST Object): the request becomes the PutObject that it stands for, signed by its policy document.

Nothing here stores anything; the file's bytes pass through, and what the policy says of their number holds before their end.
Source: "POST Object" and "Browser-Based Uploads Using POST" of the S3 API reference.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urlencode, urlsplit

from awning.auth.claims import Claims
from awning.auth.post_policy import FormRule, form_claims, verify_form
from awning.auth.refused import Refused
from awning.auth.signature import check_credential
from awning.gateway.body import body_error, gather
from awning.kit.errors import NotImplementedHere
from awning.net.messages import BodyError, Request
from awning.protocols import xmlread
from awning.protocols.errors import NamedError, ServiceError
from awning.protocols.forms import FormParser, boundary_of
from awning.protocols.model import ModelOperation, Wire
from awning.protocols.reply import Reply
from awning.protocols.xmlwrite import escape

if TYPE_CHECKING:
    from awning.gateway.access import Access
    from awning.gateway.exchange import Exchange

_BLOCK: Final = 1024 * 1024
_PLAIN: Final = frozenset(
    {
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-md5",
        "content-type",
        "expires",
    }
)
_CREDENTIALS: Final = frozenset(
    f"x-amz-{name}" for name in ("algorithm", "credential", "date", "security-token", "signature")
)
_UNTOUCHED: Final = _CREDENTIALS | {"policy", "signature", "awsaccesskeyid"}
_NOT_HERE: Final = frozenset({"if-match", "if-none-match"})
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Form:
    """What the reply needs of a form. `location` is the object's URL."""

    name: Final = "PostObject"
    label: Final = "s3.PostObject"

    def __init__(self, bucket: str, key: str, fields: Mapping[str, str], location: str) -> None:
        self.bucket = bucket
        self.key = key
        self.fields = fields
        self.location = location

    def reply(self, put: Reply, etag: str) -> Reply:
        """Turn the reply of the PutObject into the form's: a redirect, or the status that it asked for."""
        headers = [field for field in put.headers if field[0].lower() not in (b"content-length", b"content-type")]
        target = self.fields.get("success_action_redirect") or self.fields.get("redirect") or ""
        if target and _is_url(target):
            parts = urlsplit(target)
            facts = urlencode({"bucket": self.bucket, "key": self.key, "etag": etag})
            full = parts._replace(query=f"{parts.query}&{facts}" if parts.query else facts).geturl()
            return Reply(303, [*headers, (b"Location", quote(full, safe=_URL).encode())])
        headers.append((b"Location", self.location.encode()))
        status = self.fields.get("success_action_status")
        if status == "201":
            return Reply(201, [*headers, (b"Content-Type", b"application/xml")], self._document(etag))
        return Reply(200 if status == "200" else 204, headers)

    def _document(self, etag: str) -> bytes:
        text = (
            f"<PostResponse><Location>{escape(self.location)}</Location><Bucket>{escape(self.bucket)}</Bucket>"
            f"<Key>{escape(self.key)}</Key><ETag>{escape(etag)}</ETag></PostResponse>"
        )
        return b'<?xml version="1.0" encoding="UTF-8"?>\n' + text.encode("utf-8")


_URL: Final = ":/?#[]@!$&'*+(),;=%-._~"


def _is_url(text: str) -> bool:
    """Whether a redirect can be followed; S3 passes over one that can't."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and not _CONTROL.search(text)


class FormBody:
    """The file of a form as an operation's body (see awning.kit.call.Body). `length` is the most that it can have."""

    __slots__ = ("_blocks", "_first", "_parser", "_rule", "_translate", "length", "trailers", "whole")

    def __init__(
        self,
        parser: FormParser,
        first: bytes,
        blocks: AsyncIterator[bytes],
        rule: FormRule,
        length: int,
        translate: Callable[[Refused], ServiceError],
    ) -> None:
        self._parser = parser
        self._first = first
        self._blocks = blocks
        self._rule = rule
        self._translate = translate
        self.length: int | None = length
        self.trailers: dict[str, str] = {}
        self.whole: bytes | None = None
        if parser.complete:
            self._check(len(first))
            self.whole = first

    async def blocks(self) -> AsyncIterator[bytes]:
        """Yield the file in pieces. Raises ServiceError where the form is broken, or the file is not as its policy says."""
        if self.whole is not None:
            if self.whole:
                yield self.whole
            return
        size = len(self._first)
        if self._first:
            yield self._first
        try:
            async for raw in gather(self._blocks, _BLOCK):
                data = self._parser.feed(raw)
                size += len(data)
                if self._rule.largest is not None and size > self._rule.largest:
                    self._check(size)
                if data:
                    yield data
        except BodyError as error:
            raise body_error(error) from None
        self._parser.finish()
        self._check(size)

    def _check(self, size: int) -> None:
        try:
            self._rule.check_length(size)
        except Refused as error:
            raise self._translate(error) from None


def is_form(exchange: Exchange) -> bool:
    """Whether a request is a browser's form for a bucket."""
    request = exchange.request
    return (
        request.method == "POST"
        and exchange.claims is None
        and exchange.entry is not None
        and exchange.entry.name == "s3"
        and request.headers.get(b"content-type", b"")[:19].lower() == b"multipart/form-data"
        and not request.query
        and exchange.path != b"/"
        and b"/" not in exchange.path.strip(b"/")
    )


async def take_in(
    exchange: Exchange,
    access: Access,
    signed_at: Callable[[float, Claims], float],
    translate: Callable[[Refused], ServiceError],
) -> None:
    """Read a form up to its file and prove it; fill the exchange with the PutObject that it stands for.

    `signed_at(now, claims)` gives the time by which a signature's dates are judged.

    Raises ServiceError, Refused, BodyError. The place of the stages identify and receive.
    """
    request, entry = exchange.request, exchange.entry
    assert entry is not None
    exchange.protocol = "rest-xml"
    if request.content_length is None:
        raise NamedError("MissingContentLength", "You must provide the Content-Length HTTP header.", 411)
    parser = FormParser(boundary_of(request.headers[b"content-type"]))
    blocks = request.blocks()
    first = await _read_fields(parser, blocks)
    bucket = unquote(exchange.path.strip(b"/").decode("latin-1"))
    fields = _filled_in(parser)
    rule = _prove(exchange, access, signed_at, fields, bucket)
    key = fields["key"]
    path = f"/{quote(bucket, safe='')}/{quote(key, safe='')}".encode()
    wire = Wire("PUT", path, b"", {}, b"")
    operation = entry.model.match(wire).operation
    exchange.wire = wire = Wire("PUT", path, b"", _headers(fields, operation), b"")
    exchange.match = entry.model.match(wire)
    exchange.body = FormBody(parser, first, blocks, rule, _most(parser, request), translate)
    scheme = "https" if request.endpoint.secure else "http"
    place = quote(key) if exchange.virtual_host else f"{bucket}/{quote(key)}"
    exchange.form = Form(bucket, key, fields, f"{scheme}://{exchange.host}/{place}")


async def _read_fields(parser: FormParser, blocks: AsyncIterator[bytes]) -> bytes:
    """Read up to the file; return what of it came along. Raises InvalidArgument where there is none."""
    async for block in blocks:
        first = parser.feed(block)
        if parser.in_file:
            return first
        if parser.ended:
            break
    parser.finish()
    raise NamedError(
        "InvalidArgument",
        "POST requires exactly one file upload per request.",
        ArgumentName="file",
        ArgumentValue="0",
    )


def _filled_in(parser: FormParser) -> dict[str, str]:
    """Return the fields with the file's name where they ask for it. Raises InvalidArgument without a key."""
    fields = {
        name: value if name in _UNTOUCHED else value.replace("${filename}", parser.filename)
        for name, value in parser.fields.items()
    }
    if "key" not in fields:
        raise NamedError(
            "InvalidArgument",
            "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.",
            ArgumentName="key",
            ArgumentValue="",
        )
    if not fields["key"]:
        raise NamedError(
            "InvalidArgument", "User key must have a length greater than 0.", ArgumentName="key", ArgumentValue=""
        )
    return fields


def _prove(
    exchange: Exchange,
    access: Access,
    signed_at: Callable[[float, Claims], float],
    fields: Mapping[str, str],
    bucket: str,
) -> FormRule:
    """Prove who signed the form; where nobody did, the bucket's policy alone decides. Raises Refused."""
    claims = form_claims(fields)
    if claims is None:
        return FormRule(0, None, fields)
    credential = access.find(claims, exchange.request, "s3")
    rule = verify_form(claims, fields, credential.secret, signed_at(exchange.now, claims), bucket=bucket)
    check_credential(claims, exchange.now, active=credential.active, token=credential.token, expires=credential.expires)
    exchange.claims = claims
    exchange.region = claims.region or exchange.region
    exchange.principal = credential.principal
    return rule


def _headers(fields: Mapping[str, str], operation: ModelOperation) -> dict[bytes, bytes]:
    """Return a form's fields as the headers of a PutObject. Raises NotImplemented for an x-amz-* that it does not have."""
    known = {
        (shape.wire_name or name).lower() for name, shape in operation.members.values() if shape.location == "header"
    }
    headers: dict[bytes, bytes] = {}
    for name, value in fields.items():
        if name in _CREDENTIALS:
            continue
        if name == "acl":
            name = "x-amz-acl"
        elif name == "tagging":
            name, value = "x-amz-tagging", _tags(value)
        elif name == "x-amz-checksum-algorithm":
            name, value = "x-amz-sdk-checksum-algorithm", value.upper()
        elif name in ("x-amz-acl", "x-amz-tagging") or name in _NOT_HERE:
            raise NotImplementedHere(f"PostObject: the field {name} is not supported by awning yet.")
        elif name.startswith("x-amz-"):
            if name.startswith("x-amz-checksum-") and name not in known:
                raise NamedError(
                    "InvalidRequest", "The algorithm type you specified in x-amz-checksum- header is invalid."
                )
            if name not in known and not name.startswith("x-amz-meta-"):
                raise NotImplementedHere(f"PostObject: the field {name[:200]} is not supported by awning yet.")
        elif name not in _PLAIN:
            continue
        if _CONTROL.search(value) or _CONTROL.search(name):
            raise NamedError(
                "InvalidArgument", "A field has a control character.", ArgumentName=name, ArgumentValue=value
            )
        headers[name.encode("utf-8")] = value.strip(" \t").encode("utf-8")
    return headers


def _tags(document: str) -> str:
    """Return a form's Tagging document as a header has it. Raises MalformedXML."""

    def fail(reason: str) -> ServiceError:
        return NamedError("MalformedXML", f"The XML you provided was not well-formed: {reason}")

    root = xmlread.parse(document.encode("utf-8"), fail)
    sets = xmlread.children(root, fail)
    if xmlread.local(root.tag) != "Tagging" or list(sets) != ["TagSet"]:
        raise fail("a Tagging with one TagSet was expected")
    pairs: list[tuple[str, str]] = []
    for tag in sets["TagSet"]:
        members = xmlread.children(tag, fail)
        if xmlread.local(tag.tag) != "Tag" or sorted(members) != ["Key", "Value"]:
            raise fail("a Tag with Key and Value was expected")
        pairs.append((xmlread.text_of(members["Key"], fail), xmlread.text_of(members["Value"], fail)))
    return urlencode(pairs)


def _most(parser: FormParser, request: Request) -> int:
    """The most bytes that the file can have: what is left of the body, without the last boundary."""
    assert request.content_length is not None
    return max(0, request.content_length - parser.before_file - parser.least_after_file)
