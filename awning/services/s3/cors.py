"""CORS: which pages of other origins may do what with a bucket, and what their browsers are told.

Source: S3 user guide, "Using cross-origin resource sharing (CORS)", "Elements of a CORS configuration", "Troubleshooting CORS".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.kit.origins import CrossOrigin
from awning.services.s3 import buckets, errors, names, points, receiving, settings
from awning.services.s3.conditions import of_request

MOST_RULES: Final = 100
LONGEST_ID: Final = 255
METHODS: Final = frozenset({"GET", "PUT", "HEAD", "POST", "DELETE"})
_VARY: Final = (b"Vary", b"Origin, Access-Control-Request-Headers, Access-Control-Request-Method")
_NOT_ALLOWED: Final = (
    "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / "
    "Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."
)


class Rule(NamedTuple):
    """A rule as it is used. `any_origin`: it allows every origin by name of `*`, and tells no page which one it was."""

    any_origin: bool
    origins: tuple[re.Pattern[str], ...]
    methods: tuple[str, ...]
    names: tuple[re.Pattern[str], ...]
    exposed: str
    max_age: int | None

    def takes(self, asked: CrossOrigin) -> bool:
        """Say whether the rule allows what a page asks for."""
        return (
            asked.method in self.methods
            and (self.any_origin or any(pattern.fullmatch(asked.origin) for pattern in self.origins))
            and all(any(pattern.fullmatch(name) for pattern in self.names) for name in asked.headers)
        )

    def headers(self, asked: CrossOrigin) -> list[tuple[bytes, bytes]]:
        """Return what a browser is told of a request that the rule allows."""
        found = [("Access-Control-Allow-Origin", "*" if self.any_origin else asked.origin)]
        found.append(("Access-Control-Allow-Methods", ", ".join(self.methods)))
        if asked.headers:
            found.append(("Access-Control-Allow-Headers", ", ".join(asked.headers)))
        if self.exposed:
            found.append(("Access-Control-Expose-Headers", self.exposed))
        if self.max_age is not None:
            found.append(("Access-Control-Max-Age", str(self.max_age)))
        if not self.any_origin:
            found.append(("Access-Control-Allow-Credentials", "true"))
        return [*((name.encode(), value.encode("latin-1")) for name, value in found), _VARY]


def _pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in text.split("*")), flags | re.DOTALL)


def compile_rules(given: Sequence[Mapping[str, Any]]) -> tuple[Rule, ...]:
    """Return the rules of a configuration that was found right."""
    return tuple(
        Rule(
            "*" in rule["AllowedOrigins"],
            tuple(_pattern(origin) for origin in rule["AllowedOrigins"]),
            tuple(rule["AllowedMethods"]),
            tuple(_pattern(name, re.IGNORECASE) for name in rule.get("AllowedHeaders") or ()),
            ", ".join(rule.get("ExposeHeaders") or ()),
            rule.get("MaxAgeSeconds"),
        )
        for rule in given
    )


def answer(call: Call, asked: CrossOrigin) -> list[tuple[bytes, bytes]] | None:
    """For Service.cors: the headers of the first rule that allows what a page asks for.

    Raises AccessForbidden, BadRequest, for a pre-flight.
    """
    first, _, key = asked.path.lstrip(b"/").partition(b"/")
    bucket = points.bucket_by(call, unquote(first.decode("latin-1")))
    rules = None if bucket is None else settings.compiled(call, bucket, "cors", compile_rules)
    method = asked.method or "OPTIONS"
    if rules is None:
        if not asked.preflight:
            return None
        missing = "CORSResponse: Bucket not found"
        text = missing if bucket is None else "CORSResponse: CORS is not enabled for this bucket."
        raise errors.AccessForbidden(text, method, "BUCKET")
    if asked.well_known and not key and asked.method in ("PUT", "DELETE"):
        return None  # what a bucket is configured with is none of its objects
    if asked.preflight and asked.method not in METHODS:
        raise errors.BadRequest(f"Invalid Access-Control-Request-Method: {asked.method or 'null'}")
    for rule in rules:
        if rule.takes(asked):
            return rule.headers(asked)
    if asked.preflight:
        raise errors.AccessForbidden(_NOT_ALLOWED, method, "OBJECT" if key else "BUCKET")
    return None


# Configuring ---------------------------------------------------------------------------------------------------------


@operation(
    Needs("s3:PutBucketCORS", names.of_bucket),
    honours={"cors_configuration": ALL, "checksum_algorithm": ALL},
    anonymous=True,
    context=of_request,
)
def put_bucket_cors(
    call: Call,
    bucket: str,
    cors_configuration: dict[str, Any],
    content_md5: str | None = None,
    checksum_algorithm: str | None = None,
    expected_bucket_owner: str | None = None,
) -> None:
    """Replace a bucket's CORS rules, all at once. Raises MalformedXML, InvalidRequest."""
    receiving.check_document(call, checksum_algorithm)
    found = buckets.find(call, bucket, expected_bucket_owner)
    rules: list[dict[str, Any]] = cors_configuration.get("CORSRules") or []
    if not 1 <= len(rules) <= MOST_RULES:
        raise errors.MalformedXML
    for rule in rules:
        _check(rule)
    settings.put(call, found, "cors", rules)


def _check(rule: Mapping[str, Any]) -> None:
    if not rule.get("AllowedMethods") or not rule.get("AllowedOrigins"):
        raise errors.MalformedXML
    for method in rule["AllowedMethods"]:
        if method not in METHODS:
            raise errors.InvalidRequest(f"Found unsupported HTTP method in CORS config. Unsupported method is {method}")
    for member, noun in (("AllowedOrigins", "AllowedOrigin"), ("AllowedHeaders", "AllowedHeader")):
        for value in rule.get(member) or ():
            if value.count("*") > 1:
                raise errors.InvalidRequest(f'{noun} "{value}" can not have more than one wildcard.')
    for value in rule.get("ExposeHeaders") or ():
        if "*" in value:
            raise errors.InvalidRequest(
                f'ExposeHeader "{value}" contains wildcard. We currently do not support wildcard for ExposeHeader.'
            )
        if not value.isascii() or not value.isprintable():
            raise errors.InvalidRequest(f'ExposeHeader "{value}" contains invalid character.')
    if len(rule.get("ID") or "") > LONGEST_ID:
        raise errors.InvalidArgument(f"ID length should not exceed allowed limit of {LONGEST_ID}", "ID", rule["ID"])


@operation(Needs("s3:GetBucketCORS", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_cors(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> dict[str, Any]:
    """Return the rules as they were put. Raises NoSuchCORSConfiguration."""
    found = settings.of(call, buckets.find(call, bucket, expected_bucket_owner)).get("cors")
    if found is None:
        raise errors.NoSuchCORSConfiguration("The CORS configuration does not exist", BucketName=bucket)
    return {"CORSRules": found}


@operation(Needs("s3:PutBucketCORS", names.of_bucket), anonymous=True, context=of_request)
def delete_bucket_cors(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> None:
    """Take the rules off; there need not be any."""
    settings.put(call, buckets.find(call, bucket, expected_bucket_owner), "cors", None)
