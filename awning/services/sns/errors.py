"""The errors of SNS by the names of their shapes in the model, which has their codes on the wire and their statuses.

Source: the API reference's "Common Error Types" and each action's "Errors".
"""

from __future__ import annotations

from awning.kit.errors import ServiceError


class BatchEntryIdsNotDistinctException(ServiceError):
    """Two entries of a batch have the same Id."""


class BatchRequestTooLongException(ServiceError):
    """The messages of a batch are together longer than the limit."""


class EmptyBatchRequestException(ServiceError):
    """A batch has no entries."""


class EndpointDisabledException(ServiceError):
    """The device takes no messages."""


class FilterPolicyLimitExceededException(ServiceError):
    """A topic has too many subscriptions with filter policies."""


class InvalidBatchEntryIdException(ServiceError):
    """The Id of a batch's entry is not of the form that it must have."""


class InvalidStateException(ServiceError):
    """Things do not stand so that this could be done."""


class InvalidParameterException(ServiceError):
    """A parameter cannot have this value."""


class InvalidParameterValueException(ServiceError):
    """A message attribute is not in order."""


class NotFoundException(ServiceError):
    """There is no such topic or subscription."""


class PlatformApplicationDisabledException(ServiceError):
    """The application takes no messages."""


class ResourceNotFoundException(ServiceError):
    """There is nothing of this ARN that could have tags."""


class TagLimitExceededException(ServiceError):
    """A topic has at most 50 tags."""


class TooManyEntriesInBatchRequestException(ServiceError):
    """A batch has more than ten entries."""


class UserErrorException(ServiceError):
    """The request cannot be, as things stand."""


class VerificationException(ServiceError):
    """The one-time password is wrong."""


def invalid(what: str) -> InvalidParameterException:
    """The error that most refusals of SNS are: `Invalid parameter: …`."""
    return InvalidParameterException(f"Invalid parameter: {what}")
