"""Static websites: how a bucket is configured as one, and what its visitors get.

Visitors are nobody in particular: what anybody may read of the bucket is all that there is.
Source: S3 user guide, "Hosting a static website using Amazon S3": index documents, custom error documents, redirects.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, unquote

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.kit.sites import Fetch, Visit
from awning.net.messages import FileSlice
from awning.protocols.pages import error_headers, write_page
from awning.protocols.reply import Reply
from awning.protocols.rest import s3_identity
from awning.services.s3 import bucket_tables, buckets, errors, names, receiving, settings
from awning.services.s3.conditions import of_request
from awning.services.s3.errors import ServiceError

MOST_RULES: Final = 50
_REDIRECTION: Final = b"x-amz-website-redirect-location"
_ASIDE: Final = "/+!#$&'*(),:;=?@~%"
"""What a redirect's new key may bring along unescaped: a fragment or a query may be meant."""

_CODE: Final = re.compile("[0-9]{3}")
_HOST: Final = re.compile("[!-~]+")

Configuration = Mapping[str, Any]

# Visits --------------------------------------------------------------------------------------------------------------


async def visit(call: Call, visit: Visit, fetch: Fetch) -> Reply:
    """For Service.site: answer a visit to a bucket's website. Raises ServiceError, for which the visitor gets a page."""
    site = _site_of(call, visit)
    if visit.method not in ("GET", "HEAD"):
        raise errors.MethodNotAllowedHere(visit.method)
    everything = site.get("RedirectAllRequestsTo")
    if everything is not None:
        return _redirect(visit, {**everything, "HttpRedirectCode": "301"}, visit.path)
    key = unquote(visit.path[1:].decode("latin-1"), errors="surrogateescape")
    for rule in site.get("RoutingRules") or ():
        condition = rule.get("Condition") or {}
        if "HttpErrorCodeReturnedEquals" not in condition and _has_prefix(condition, key):
            return _follow(visit, rule, key)
    suffix = site["IndexDocument"]["Suffix"]
    page = key + suffix if not key or key.endswith("/") else key
    try:
        reply = await fetch(visit.method, _path(visit, page), True)
    except errors.NotModified as error:
        return Reply(304, [*s3_identity(visit.request_id), *error.headers])
    except ServiceError as error:
        if error.status in (403, 404):
            return await _answer_missing(visit, fetch, site, key, page, error)
        raise
    return _moved(visit, reply) or reply


def _site_of(call: Call, visit: Visit) -> Configuration:
    """Return a website's configuration. Raises NoSuchBucket, IncorrectEndpoint, NoSuchWebsiteConfiguration."""
    bucket = bucket_tables.find_bucket(call.db, visit.name)
    if bucket is None:
        raise errors.NoSuchBucket(visit.name)
    if visit.region is not None and visit.region != bucket.region:
        raise errors.IncorrectEndpoint(f"{visit.name}.s3-website-{bucket.region}.amazonaws.com")
    found: Configuration | None = settings.of(call, bucket).get("website")
    if found is None:
        raise errors.NoSuchWebsiteConfiguration(visit.name)
    return found


async def _answer_missing(
    visit: Visit, fetch: Fetch, site: Configuration, key: str, page: str, error: ServiceError
) -> Reply:
    """Answer for what cannot be shown: with a folder's address, a redirect, the site's own error page, or a plain one."""
    if page == key and await _is_there(fetch, _path(visit, f"{key}/{site['IndexDocument']['Suffix']}")):
        base = visit.base if key.startswith("/") else ""  # two slashes would lead to another host
        return _reply(visit, 302, f"{base}/{quote(key, errors='surrogateescape')}/")
    for rule in site.get("RoutingRules") or ():
        condition = rule.get("Condition") or {}
        if condition.get("HttpErrorCodeReturnedEquals") == str(error.status) and _has_prefix(condition, key):
            return _follow(visit, rule, key)
    document = site.get("ErrorDocument")
    if document is None:
        raise error
    try:
        reply = await fetch(visit.method, _path(visit, document["Key"]), False)
    except ServiceError as further:
        return write_page(error, visit.request_id, further, visit.method == "HEAD")
    moved = _moved(visit, reply)
    if moved is not None:
        return moved
    reply.status = error.status
    reply.headers += error_headers(error)
    return reply


async def _is_there(fetch: Fetch, path: bytes) -> bool:
    try:
        await fetch("HEAD", path, False)
    except ServiceError:
        return False
    return True


def _path(visit: Visit, key: str) -> bytes:
    return f"/{visit.name}/{quote(key, errors='surrogateescape')}".encode()


def _has_prefix(condition: Mapping[str, str], key: str) -> bool:
    return key.startswith(condition.get("KeyPrefixEquals", ""))


def _follow(visit: Visit, rule: Configuration, key: str) -> Reply:
    """Answer as a routing rule says."""
    redirect = rule["Redirect"]
    target = quote(key, safe="/", errors="surrogateescape")
    if "ReplaceKeyWith" in redirect:
        target = quote(redirect["ReplaceKeyWith"], safe=_ASIDE)
    elif "ReplaceKeyPrefixWith" in redirect:
        rest = key[len((rule.get("Condition") or {}).get("KeyPrefixEquals", "")) :]
        target = quote(redirect["ReplaceKeyPrefixWith"], safe=_ASIDE) + quote(rest, safe="/", errors="surrogateescape")
    return _redirect(visit, redirect, f"/{target}".encode())


def _redirect(visit: Visit, to: Mapping[str, str], path: bytes) -> Reply:
    scheme, _, host = visit.base.partition("://")
    query = f"?{visit.query.decode('latin-1')}" if visit.query else ""
    base = f"{to.get('Protocol') or scheme}://{to.get('HostName') or host}"
    return _reply(visit, int(to.get("HttpRedirectCode", "301")), f"{base}{path.decode('latin-1')}{query}")


def _moved(visit: Visit, reply: Reply) -> Reply | None:
    """Return the redirect that an object stands for, if it does; its own bytes are let go of."""
    for name, value in reply.headers:
        if name.lower() == _REDIRECTION:
            if isinstance(reply.body, FileSlice):
                reply.body.close()
            return _reply(visit, 301, value.decode("latin-1"))
    return None


def _reply(visit: Visit, status: int, location: str) -> Reply:
    return Reply(status, [*s3_identity(visit.request_id), (b"Location", location.encode("latin-1"))])


# Configuring ---------------------------------------------------------------------------------------------------------


@operation(
    Needs("s3:PutBucketWebsite", names.of_bucket),
    honours={"website_configuration": ALL, "checksum_algorithm": ALL},
    anonymous=True,
    context=of_request,
)
def put_bucket_website(
    call: Call,
    bucket: str,
    website_configuration: dict[str, Any],
    content_md5: str | None = None,
    checksum_algorithm: str | None = None,
    expected_bucket_owner: str | None = None,
) -> None:
    """Make a bucket a website, or change it. Raises MalformedXML, InvalidArgument, InvalidRequest."""
    receiving.check_document(call, checksum_algorithm)
    found = buckets.find(call, bucket, expected_bucket_owner)
    _check(website_configuration)
    settings.put(call, found, "website", website_configuration)


def _check(site: Configuration) -> None:
    everything = site.get("RedirectAllRequestsTo")
    if everything is not None:
        if len(site) > 1:
            text = "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules."
            raise errors.InvalidArgument(text, "RedirectAllRequestsTo", "not null")
        if not everything.get("HostName"):
            raise errors.MalformedXML
        _check_target(everything)
        return
    index = site.get("IndexDocument")
    if index is None:
        text = "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty"
        raise errors.InvalidArgument(text, "IndexDocument", "null")
    suffix = index.get("Suffix")
    if not suffix or "/" in suffix:
        raise errors.InvalidArgument("The IndexDocument Suffix is not well formed", "IndexDocument", suffix or "null")
    document = site.get("ErrorDocument")
    if document is not None and not document.get("Key"):
        raise errors.MalformedXML
    rules = site.get("RoutingRules")
    if rules is None:
        return
    if not rules:
        raise errors.MalformedXML
    if len(rules) > MOST_RULES:
        raise errors.InvalidRequest(
            f"{len(rules)} routing rules provided, the number of routing rules in a website configuration is limited to "
            f"{MOST_RULES}."
        )
    for rule in rules:
        _check_rule(rule)


def _check_rule(rule: Configuration) -> None:
    redirect = rule.get("Redirect")
    if not redirect:
        raise errors.MalformedXML
    if "ReplaceKeyPrefixWith" in redirect and "ReplaceKeyWith" in redirect:
        raise errors.InvalidRequest("You can only define ReplaceKeyPrefix or ReplaceKey but not both.")
    if "Condition" in rule and not rule["Condition"]:
        raise errors.InvalidRequest(
            "Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be "
            "present."
        )
    _check_target(redirect)
    code = redirect.get("HttpRedirectCode")
    if code is not None and (_CODE.fullmatch(code) is None or code[0] != "3" or code == "300"):
        raise errors.InvalidRequest(
            f"The provided HTTP redirect code ({code}) is not valid. Valid codes are 3XX except 300."
        )
    code = (rule.get("Condition") or {}).get("HttpErrorCodeReturnedEquals")
    if code is not None and (_CODE.fullmatch(code) is None or code[0] not in "45"):
        raise errors.InvalidRequest(f"The provided HTTP error code ({code}) is not valid. Valid codes are 4XX or 5XX.")


def _check_target(redirect: Mapping[str, str]) -> None:
    """Refuse a protocol that there isn't, and a host name that a Location cannot carry."""
    host = redirect.get("HostName")
    if host is not None and _HOST.fullmatch(host) is None:
        raise errors.InvalidArgument("The HostName is not well formed", "HostName", host)
    if redirect.get("Protocol") not in (None, "http", "https"):
        raise errors.InvalidRequest(
            "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically."
        )


@operation(Needs("s3:GetBucketWebsite", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_website(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> dict[str, Any]:
    """Return the configuration as it was put. Raises NoSuchWebsiteConfiguration."""
    found = settings.of(call, buckets.find(call, bucket, expected_bucket_owner)).get("website")
    if found is None:
        raise errors.NoSuchWebsiteConfiguration(bucket)
    return dict(found)


@operation(Needs("s3:DeleteBucketWebsite", names.of_bucket), anonymous=True, context=of_request)
def delete_bucket_website(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> None:
    """Make a bucket a website no more; it need not be one."""
    settings.put(call, buckets.find(call, bucket, expected_bucket_owner), "website", None)
