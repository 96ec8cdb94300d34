"""IAM's errors by their AWS names.

Statuses are those of the service model's error shapes."""

from __future__ import annotations

from awning.kit.errors import ServiceError


class DeleteConflict(ServiceError):
    status = 409


class DuplicateCertificate(ServiceError):
    status = 409


class DuplicateSSHPublicKey(ServiceError):
    status = 400


class EntityAlreadyExists(ServiceError):
    status = 409


class EntityTemporarilyUnmodifiable(ServiceError):
    status = 409


class InvalidAuthenticationCode(ServiceError):
    status = 403


class InvalidInput(ServiceError):
    status = 400


class InvalidPublicKey(ServiceError):
    status = 400


class InvalidUserType(ServiceError):
    status = 400


class KeyPairMismatch(ServiceError):
    status = 400


class LimitExceeded(ServiceError):
    status = 409


class MalformedCertificate(ServiceError):
    status = 400


class MalformedPolicyDocument(ServiceError):
    status = 400


class NoSuchEntity(ServiceError):
    status = 404


class PasswordPolicyViolation(ServiceError):
    status = 400


class ReportExpired(ServiceError):
    status = 410


class ReportNotPresent(ServiceError):
    status = 410


class UnmodifiableEntity(ServiceError):
    status = 400


class UnrecognizedPublicKeyEncoding(ServiceError):
    status = 400


class ValidationError(ServiceError):
    """What the query front end refuses before IAM looks at it; no error shape of the model."""

    status = 400
