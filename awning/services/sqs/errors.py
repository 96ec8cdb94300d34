"""The errors of SQS by their AWS names. Their names under the query protocol stand in protocols/facts.py.

Source: the API reference's "Common Error Types" and each action's "Errors".
"""

from __future__ import annotations

from awning.kit.errors import ServiceError


class BatchEntryIdsNotDistinct(ServiceError):
    """Two entries of a batch have the same Id."""


class BatchRequestTooLong(ServiceError):
    """The messages of a batch are together longer than the limit."""


class EmptyBatchRequest(ServiceError):
    """A batch has no entries."""


class InvalidAddress(ServiceError):
    """A QueueUrl that cannot be a queue's in this region."""


class InvalidAttributeName(ServiceError):
    """There is no attribute of this name."""


class InvalidAttributeValue(ServiceError):
    """An attribute of a queue cannot have this value."""


class InvalidBatchEntryId(ServiceError):
    """The Id of a batch's entry is not of the form that it must have."""


class InvalidMessageContents(ServiceError):
    """A message has characters outside the allowed set."""


class InvalidParameterValue(ServiceError):
    """A parameter cannot have this value."""


class KmsAccessDenied(ServiceError):
    """The caller may not use the queue's key of KMS for this."""


class KmsDisabled(ServiceError):
    """The key of KMS is disabled."""


class KmsInvalidKeyUsage(ServiceError):
    """The key of KMS is for something else than to encrypt."""


class KmsInvalidState(ServiceError):
    """The key of KMS is in a state in which it cannot be used."""


class KmsNotFound(ServiceError):
    """There is no such key of KMS."""


class KmsOptInRequired(ServiceError):
    """There is no KMS to ask."""


class MissingParameter(ServiceError):
    """A required parameter is absent or empty."""


class OverLimit(ServiceError):
    """Too many messages in flight, or too many permissions."""


class PurgeQueueInProgress(ServiceError):
    """The queue was purged less than 60 seconds ago."""


class QueueDeletedRecently(ServiceError):
    """A queue of this name was deleted less than 60 seconds ago."""


class QueueDoesNotExist(ServiceError):
    """There is no such queue."""


class QueueNameExists(ServiceError):
    """There is a queue of this name with other attributes."""


class ReceiptHandleIsInvalid(ServiceError):
    """The queue never gave out this receipt handle."""


class ResourceNotFoundException(ServiceError):
    """A queue or move task that an ARN or a handle names is not there."""


class TooManyEntriesInBatchRequest(ServiceError):
    """A batch has more than ten entries."""


def invalid(value: object, parameter: str, reason: str) -> InvalidParameterValue:
    """The error for a parameter's value, in the words that AWS uses."""
    return InvalidParameterValue(f"Value {value} for parameter {parameter} is invalid. Reason: {reason}")
