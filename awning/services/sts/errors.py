"""STS's errors by their AWS names."""

from __future__ import annotations

from awning.kit.errors import ServiceError


class MalformedPolicyDocument(ServiceError):
    status = 400


class PackedPolicyTooLarge(ServiceError):
    status = 400


class ValidationError(ServiceError):
    """What the query front end refuses before STS looks at it; no error shape of the model."""

    status = 400
