"""STS's errors by their AWS names.

Statuses are those of the service model's error shapes."""

from __future__ import annotations

from awning.kit.errors import ServiceError


class ExpiredTokenException(ServiceError):
    status = 400


class IDPCommunicationError(ServiceError):
    status = 400


class IDPRejectedClaim(ServiceError):
    status = 403


class InvalidAuthorizationMessageException(ServiceError):
    status = 400


class InvalidIdentityToken(ServiceError):
    status = 400


class InvalidParameterValue(ServiceError):
    """What STS refuses in a session's tags; no error shape of the model."""

    status = 400


class MalformedPolicyDocument(ServiceError):
    status = 400


class PackedPolicyTooLarge(ServiceError):
    status = 400


class ValidationError(ServiceError):
    """What the query front end refuses before STS looks at it; no error shape of the model."""

    status = 400
