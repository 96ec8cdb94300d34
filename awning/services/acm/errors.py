"""The errors of ACM by their AWS names.

Source: the API reference's errors of each action.
"""

from __future__ import annotations

from awning.kit.errors import ServiceError


class ConflictException(ServiceError):
    """Another request changes the same thing."""


class InvalidArgsException(ServiceError):
    """An argument of a list is not valid."""


class InvalidArnException(ServiceError):
    """This is not an ARN of what is wanted."""


class InvalidDomainValidationOptionsException(ServiceError):
    """A domain's validation options do not fit the certificate."""


class InvalidParameterException(ServiceError):
    """A parameter is not valid."""


class InvalidStateException(ServiceError):
    """The certificate's state does not allow it."""


class InvalidTagException(ServiceError):
    """A tag cannot be so."""


class LimitExceededException(ServiceError):
    """A quota has been reached."""


class RequestInProgressException(ServiceError):
    """The certificate is not issued yet."""


class ResourceInUseException(ServiceError):
    """Another service uses the certificate."""


class ResourceNotFoundException(ServiceError):
    """There is no such certificate in the caller's account and region."""


class TooManyTagsException(ServiceError):
    """A certificate has at most 50 tags."""


class ValidationException(ServiceError):
    """The request is not valid."""


def not_found(arn: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"Could not find certificate {arn}.")


def in_use(arn: str, account: str) -> ResourceInUseException:
    return ResourceInUseException(f"Certificate {arn} in account {account} is in use.")
