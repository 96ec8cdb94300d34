"""Errors that reach a client by their AWS names.

ServiceError
├── (a room's own, in its errors.py: the class name is the AWS code)
├── NotImplementedHere     an operation, parameter or value that awning refuses by name
├── AccessDenied           a decision, with the explanation that led to it
├── RegionReset            the region was emptied while the request was under way
└── InternalFailure        our own fault
"""

from __future__ import annotations

from urllib.parse import quote

from awning.protocols.errors import ServiceError

__all__ = [
    "AccessDenied",
    "InternalFailure",
    "NotImplementedHere",
    "RegionReset",
    "ServiceError",
    "ServiceUnavailable",
    "positioned",
]


class NotImplementedHere(ServiceError):
    """What awning does not do; the message names it. Never raised after anything has been changed."""

    code = "NotImplemented"
    status = 501


class AccessDenied(ServiceError):
    """The caller may not do this. Protocols write it under their own name (AccessDeniedException and its like)."""

    code = "AccessDenied"
    status = 403


class InternalFailure(ServiceError):
    """Our own fault; the log has the traceback under the request id."""

    code = "InternalFailure"
    status = 500


class ServiceUnavailable(ServiceError):
    """The region cannot do it now: it stops, its disk is full, or a room refuses writes."""

    code = "ServiceUnavailable"
    status = 503


class RegionReset(ServiceError):
    """The region was emptied after this request came and before it was done; nothing of it was kept. Not to be retried."""

    code = "RegionReset"
    status = 409

    def __init__(self) -> None:
        super().__init__("The region was reset while this request was under way.")


def positioned(error: ServiceError, position: str) -> ServiceError:
    """The error, with the place in a document where the fault is as a header of its reply, X-Awning-Position: clients
    compare messages with those of AWS, which name no place."""
    if position:
        error.headers = ((b"X-Awning-Position", quote(position, safe="[]:/= ,").encode()),)
    return error
