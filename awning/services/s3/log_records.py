"""Access logs: how a request is written down, and the names of the objects that records are delivered in. Pure.

Source: S3 user guide, "Amazon S3 server access log format", "Logging requests with server access logging".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, unquote

from awning.auth.principal import Principal
from awning.kit.watching import Seen
from awning.protocols.rest import s3_identity
from awning.services.s3 import names

_UNSAFE: Final = {code: f"%{code:02X}" for code in (*range(32), 34, 127)}
"""What would end a field, or the record, before its time."""

_RESOURCES: Final[Mapping[str, str]] = {
    "AbortMultipartUpload": "DELETE.UPLOAD",
    "CompleteMultipartUpload": "POST.UPLOAD",
    "CopyObject": "COPY.OBJECT",
    "CreateMultipartUpload": "POST.UPLOADS",
    "DeleteObjects": "POST.MULTI_OBJECT_DELETE",
    "GetBucketLogging": "GET.LOGGING_STATUS",
    "GetBucketPolicy": "GET.BUCKETPOLICY",
    "GetBucketTagging": "GET.TAGGING",
    "GetBucketVersioning": "GET.VERSIONING",
    "GetObjectTagging": "GET.OBJECT_TAGGING",
    "ListMultipartUploads": "GET.UPLOADS",
    "ListObjectVersions": "GET.BUCKETVERSIONS",
    "ListParts": "GET.UPLOAD",
    "PutBucketLogging": "PUT.LOGGING_STATUS",
    "PutBucketPolicy": "PUT.BUCKETPOLICY",
    "DeleteBucketPolicy": "DELETE.BUCKETPOLICY",
    "PutBucketTagging": "PUT.TAGGING",
    "PutBucketVersioning": "PUT.VERSIONING",
    "PutObjectTagging": "PUT.OBJECT_TAGGING",
    "DeleteObjectTagging": "DELETE.OBJECT_TAGGING",
    "UploadPart": "PUT.PART",
    "UploadPartCopy": "COPY.PART",
}
"""What is asked for, where the method and whether there is a key do not tell it."""

_SUBRESOURCES: Final[Mapping[str, str]] = {
    "acl": "ACL",
    "accelerate": "ACCELERATE",
    "attributes": "OBJECT_ATTRIBUTES",
    "cors": "CORS",
    "encryption": "ENCRYPTION",
    "legal-hold": "LEGAL_HOLD",
    "lifecycle": "LIFECYCLE",
    "location": "LOCATION",
    "metrics": "METRICS",
    "notification": "NOTIFICATION",
    "object-lock": "OBJECT_LOCK_CONFIGURATION",
    "ownershipControls": "OWNERSHIP_CONTROLS",
    "policyStatus": "POLICY_STATUS",
    "publicAccessBlock": "PUBLIC_ACCESS_BLOCK",
    "replication": "REPLICATION",
    "requestPayment": "REQUEST_PAYMENT",
    "restore": "OBJECT_RESTORE",
    "retention": "OBJECT_RETENTION",
    "website": "WEBSITE",
}


def place_of(seen: Seen) -> tuple[str, str | None]:
    """Return the bucket and the key that a request was for."""
    bucket, slash, key = seen.path.lstrip(b"/").partition(b"/")
    found = unquote(key.decode("latin-1"), errors="surrogateescape") if slash and key else None
    return unquote(bucket.decode("latin-1")), found


def operation_of(seen: Seen, key: str | None) -> str:
    """Return the name that the log has for what was asked."""
    method = seen.request.method
    if seen.site:
        return f"WEBSITE.{method}.{'OBJECT' if key is not None else 'BUCKET'}"
    if method == "OPTIONS":
        return "REST.OPTIONS.PREFLIGHT"
    if seen.form:
        return "REST.POST.OBJECT"
    found = _RESOURCES.get(seen.operation)
    if found is None:
        asked = seen.request.query.decode("latin-1").split("&")
        resource = next(
            (_SUBRESOURCES[name] for name in (p.partition("=")[0] for p in asked) if name in _SUBRESOURCES), ""
        )
        found = f"{method}.{resource or ('BUCKET' if key is None else 'OBJECT')}"
    return f"REST.{found}"


def write(seen: Seen, bucket: str, key: str | None, account: str, region: str) -> str:
    """Return the record of a request, without a line's end. account, region: of the bucket."""
    request, headers = seen.request, seen.headers
    tls = request.endpoint.tls_version
    kind, version = _signature(seen.signed)
    size = _size(seen)
    error = seen.error or headers.get(b"x-amz-error-code", b"").decode("latin-1")
    fields = [
        names.owner_id(account),
        bucket,
        datetime.fromtimestamp(seen.at, UTC).strftime("[%d/%b/%Y:%H:%M:%S +0000]"),
        request.endpoint.peer_host or "-",
        _requester(seen.principal),
        seen.request_id,
        operation_of(seen, key),
        "-" if key is None else quote(quote(key, errors="surrogateescape"), safe="/"),
        _quoted(f"{request.method} {request.target.decode('latin-1')} HTTP/1.1"),
        str(seen.status),
        error or "-",
        str(seen.sent) if seen.sent else "-",
        "-" if size is None else str(size),
        str(round(seen.whole * 1000)),
        str(round(seen.first * 1000)),
        _quoted(_header(seen, b"referer")),
        _quoted(_header(seen, b"user-agent")),
        headers.get(b"x-amz-version-id", b"-").decode("latin-1"),
        s3_identity(seen.request_id)[1][1].decode(),
        version,
        "-",
        kind,
        _plain(seen.host).replace(" ", "%20") or "-",
        tls or "-",
        seen.through or "-",
        "-",
        region,
    ]
    return " ".join(fields)


def _requester(principal: Principal) -> str:
    """The canonical id of an account; of users and roles the ARN that they call as."""
    if principal.kind == "anonymous":
        return "-"
    return names.owner_id(principal.account) if principal.kind == "root" else principal.caller_arn


def _signature(signed: str | None) -> tuple[str, str]:
    """Return how a request was signed, and in which version."""
    if signed is None:
        return "-", "-"
    version, _, form = signed.partition("-")
    kind = {"header": "AuthHeader", "query": "QueryString"}.get(form, "-")
    return kind, "SigV4" if version.startswith("v4") else "SigV2"


def _size(seen: Seen) -> int | None:
    """The whole object's, of a request that brings or fetches one."""
    if seen.status >= 400:
        return None
    if seen.operation in ("GetObject", "HeadObject"):
        shown = seen.headers.get(b"content-range", b"").rpartition(b"/")[2] or seen.headers.get(b"content-length", b"")
        return int(shown) if shown.isdigit() else None
    return seen.received if seen.operation in ("PutObject", "UploadPart") else None


def _header(seen: Seen, name: bytes) -> str:
    return seen.request.headers.get(name, b"-").decode("latin-1")


def _quoted(text: str) -> str:
    return f'"{_plain(text)}"'


def _plain(text: str) -> str:
    return text.translate(_UNSAFE)


def object_key(logging: Mapping[str, Any], source: Mapping[str, str], day: str, now: float, unique: str) -> str:
    """Return the key of an object of records. source: account, region and bucket; day: of the events ("2024-02-29")."""
    prefix = logging.get("TargetPrefix") or ""
    at = datetime.fromtimestamp(now, UTC)
    stamp = at.strftime("%Y-%m-%d-%H-%M-%S")
    partitioned = (logging.get("TargetObjectKeyFormat") or {}).get("PartitionedPrefix")
    if partitioned is None:
        return f"{prefix}{stamp}-{unique}"
    if partitioned.get("PartitionDateSource") == "EventTime":
        stamp = f"{day}-00-00-00"
    folder = stamp[:10].replace("-", "/")
    return f"{prefix}{source['account']}/{source['region']}/{source['bucket']}/{folder}/{stamp}-{unique}"
