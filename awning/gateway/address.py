"""Which service, region and path a request is for, told from its Host, its path and what its signature claims.

Pure: strings in, an Address out. The forms accepted are AWS's own host names, their `localhost` counterparts, and a bare host,
where the signature's scope (or the request's form) names the service.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from awning.auth.claims import Claims

SUFFIXES = (
    ".localhost.localstack.cloud",
    "localhost.localstack.cloud",
    ".localhost",
    "localhost",
    ".amazonaws.com.cn",
    ".amazonaws.com",
    ".api.aws",
)
_REGION = re.compile(r"^(?:us|eu|ap|sa|ca|me|af|il|mx|cn)(?:-gov|-iso[a-z]?)?-[a-z]+-\d$")
_SITE = re.compile(r"(?P<bucket>.+)\.s3-website(?:[.-](?P<region>[a-z]{2}(?:-[a-z]+)+-\d))?")
_ACCELERATED = re.compile(r"(?P<bucket>[^.]+)\.s3-accelerate(?:\.dualstack)?")
_POINT = re.compile(r"[a-z0-9-]{3,50}-[0-9]{12}")
_GLOBAL = ".accesspoint.s3-global"
"""Of Multi-Region access points."""
_S3_LABEL = re.compile(r"^s3(?:[.-](?:dualstack|fips|accesspoint|[a-z]{2}(?:-gov)?-[a-z]+-\d))*$")


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What a Host header says. `known` is false for a name that nobody here answers to; `site`: it is that of a bucket's website,
    not of the API. `point`: the name and the account of an access point of S3, as hosts have them ("name-123456789012")."""

    service: str | None = None
    region: str | None = None
    bucket: str | None = None
    known: bool = False
    site: bool = False
    point: str | None = None

    def named(self, headers: Mapping[bytes, bytes], region: str, claims: Claims | None) -> str | None:
        """Return the bucket's name, or the access point's ARN, that stands before the path; None where the host names neither.

        region: of a point, where the host tells none. What is signed for another service, or comes to S3 Control, whose clients
        put the account before any endpoint, is for no bucket.
        """
        if self.bucket is not None:
            return None if headers.get(b"x-amz-account-id") == self.bucket.encode() else self.bucket
        if self.point is None or (claims is not None and claims.service != "s3"):
            return None
        name, _, account = self.point.rpartition("-")
        return f"arn:aws:s3:{self.region or region}:{account}:accesspoint/{name}"


def under(named: str, path: bytes) -> bytes:
    """Return a path as if the host were bare. named: as HostFacts.named() has it."""
    return b"/" + (named if named[:4] != "arn:" else quote(named, safe="")).encode() + path


@lru_cache(maxsize=4096)
def read_host(host: str, domain: str | None) -> HostFacts:
    """Tell service, region and bucket from a Host header's value (port included).

    `domain` is a further name, set by the user, under which the region answers like under `localhost`.
    """
    name = _without_port(host).lower().rstrip(".")
    if is_address(name):
        return HostFacts(known=True)
    suffixes = ((f".{domain}", domain) if domain else ()) + SUFFIXES
    for suffix in suffixes:
        if suffix and name.endswith(suffix) and (suffix.startswith(".") or name == suffix):
            return _read_labels(name[: len(name) - len(suffix)])
    return HostFacts(known="." not in name)


def _read_labels(text: str) -> HostFacts:
    if not text:
        return HostFacts(known=True)
    if text == "s3" or _S3_LABEL.match(text):
        return HostFacts("s3", _region_in(text), None, known=True)
    site = _SITE.fullmatch(text)
    if site:
        return HostFacts("s3", site["region"], site["bucket"], known=True, site=True)
    accelerated = _ACCELERATED.fullmatch(text)
    if accelerated:
        return HostFacts("s3", None, accelerated["bucket"], known=True)
    if text.endswith(_GLOBAL):
        return HostFacts("s3", None, text.removesuffix(_GLOBAL) + ".mrap", known=True)
    bucket, dot, rest = _split_bucket(text)
    if dot and "accesspoint" in rest and _POINT.fullmatch(bucket):
        return HostFacts("s3", _region_in(rest), None, known=True, point=bucket)
    if dot:
        return HostFacts("s3", _region_in(rest), bucket, known=True)
    labels = text.split(".")
    if len(labels) == 1 and _POINT.fullmatch(text):  # what SDKs put before an endpoint of the user's
        return HostFacts(text, None, None, known=True, point=text)
    regions = [label for label in labels if _REGION.match(label)]
    names = [label for label in labels if not _REGION.match(label) and label not in ("dualstack", "fips")]
    service = names[-1] if names else None
    if service == "queue":
        service = "sqs"
    return HostFacts(service, regions[0] if regions else None, None, known=True)


def _split_bucket(text: str) -> tuple[str, str, str]:
    """Split `my.bucket.s3.eu-west-1` before the label s3; the last such label counts, as a bucket's name may hold others."""
    labels = text.split(".")
    for at in range(len(labels) - 1, 0, -1):
        rest = ".".join(labels[at:])
        if labels[at].split("-")[0] == "s3" and _S3_LABEL.match(rest):
            return ".".join(labels[:at]), ".", rest
    return text, "", ""


def _region_in(text: str) -> str | None:
    found = re.search(r"(?:^|[.-])((?:us|eu|ap|sa|ca|me|af|il|mx|cn)(?:-gov)?-[a-z]+-\d)$", text)
    return found.group(1) if found else None


def is_address(name: str) -> bool:
    """Whether a host name is an IP address; such a name cannot be rebound by a name server."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[: host.find("]") + 1]
    return host.partition(":")[0]
