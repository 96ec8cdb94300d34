"""How a queue is addressed: its URL in every form that a client may hold, its ARN, its name.

An address is account and name from the URL's path and the region of the call; the host counts only where it names a region.
"""

from __future__ import annotations

import re

from awning.kit.call import Call
from awning.kit.operation import Params
from awning.services.sqs.errors import InvalidAddress, InvalidParameterValue

_URL = re.compile(r"(?:https?://([^/?#]+))?/(?:queue/(?:([a-z0-9-]+)/)?)?(\d{12})/([A-Za-z0-9_.-]{1,80})/?")
_REGION_IN_HOST = re.compile(r"(?:sqs(?:-fips)?\.([a-z]{2}(?:-[a-z]+)+-\d)\.|([a-z]{2}(?:-[a-z]+)+-\d)\.queue\.)")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,80}(?:\.fifo)?")
_SUFFIX = ".fifo"
_LONGEST = 80


def arn_of(region: str, account: str, name: str) -> str:
    """Return a queue's ARN."""
    return f"arn:aws:sqs:{region}:{account}:{name}"


def url_of(call: Call, account: str, name: str) -> str:
    """Return a queue's URL under the scheme and host that the client used."""
    return f"{call.facts.base_url}/{account}/{name}"


def locate(queue_url: str, region: str) -> tuple[str, str]:
    """Return the account and name that a QueueUrl means in a region. Raises InvalidAddress.

    Understood: `SCHEME://HOST/ACCOUNT/NAME` with any host, the legacy `queue.amazonaws.com`, `HOST/queue/REGION/ACCOUNT/NAME` and
    the path alone. As on AWS, a URL that names another region is not valid at this region's endpoint.
    """
    found = _URL.fullmatch(queue_url)
    if found is None:
        raise _invalid(queue_url)
    host, in_path, account, name = found.groups()
    if in_path is not None and in_path != region:
        raise _invalid(queue_url)
    if host is not None and ("sqs" in host or "queue" in host) and region_in(host) not in (None, region):
        raise _invalid(queue_url)
    return account, name


def region_in(host: str) -> str | None:
    """Return the region that an endpoint's host names, or None."""
    if host in ("queue.amazonaws.com", "sqs.amazonaws.com"):
        return "us-east-1"
    found = _REGION_IN_HOST.match(host)
    return (found[1] or found[2]) if found else None


def place(call: Call, queue_url: str) -> tuple[str, str, str]:
    """Return the region, account and name that a QueueUrl means in a call. Raises InvalidAddress.

    A signature says its region, and the URL may name no other. What nobody signed acts where the URL says; where that names no
    region, in the one of the request's host. A bare name is the caller's own queue.
    """
    region = call.region
    if _PLAIN.fullmatch(queue_url) and call.principal.kind != "anonymous":
        return region, call.account, queue_url
    if call.principal.kind == "anonymous" and (found := _URL.fullmatch(queue_url)) is not None:
        region = found[2] or (found[1] and region_in(found[1])) or region
    return (region, *locate(queue_url, region))


def queue_arn(call: Call, params: Params) -> str:
    """The ARN of the queue that `queue_url` means: what most operations need a permission for."""
    return arn_of(*place(call, params["queue_url"]))


def named_queue_arn(call: Call, params: Params) -> str:
    """The ARN of the queue that `queue_name` means, in the named account or the caller's."""
    return arn_of(call.region, params.get("queue_owner_aws_account_id") or call.account, params["queue_name"])


def check_name(name: str, fifo: bool) -> None:
    """Raises InvalidParameterValue for what cannot be the name of a queue of this kind."""
    if fifo:
        if not (name.endswith(_SUFFIX) and len(name) <= _LONGEST and _NAME.fullmatch(name.removesuffix(_SUFFIX))):
            raise InvalidParameterValue(
                "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, "
                "must end with .fifo suffix and be 1 to 80 in length."
            )
    elif not _NAME.fullmatch(name):
        raise InvalidParameterValue(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        )


def _invalid(queue_url: str) -> InvalidAddress:
    return InvalidAddress(f"The address {queue_url} is not valid for this endpoint.")
