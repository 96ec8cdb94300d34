"""The errors of SQS by their AWS names. `query_code` is the name under the query protocol, where it is another one.

Source: the API reference's "Common Error Types" and each action's "Errors".
"""

from __future__ import annotations

from typing import ClassVar

from awning.kit.errors import ServiceError

_PREFIX = "AWS.SimpleQueueService."


class QueueError(ServiceError):
    """What every error of SQS is."""

    query_code: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "query_code" not in cls.__dict__:
            cls.query_code = cls.code


class BatchEntryIdsNotDistinct(QueueError):
    query_code = _PREFIX + "BatchEntryIdsNotDistinct"


class BatchRequestTooLong(QueueError):
    query_code = _PREFIX + "BatchRequestTooLong"


class EmptyBatchRequest(QueueError):
    query_code = _PREFIX + "EmptyBatchRequest"


class InvalidAddress(QueueError):
    pass


class InvalidAttributeName(QueueError):
    pass


class InvalidAttributeValue(QueueError):
    pass


class InvalidBatchEntryId(QueueError):
    query_code = _PREFIX + "InvalidBatchEntryId"


class InvalidMessageContents(QueueError):
    pass


class InvalidParameterValue(QueueError):
    pass


class MessageNotInflight(QueueError):
    query_code = _PREFIX + "MessageNotInflight"


class MissingParameter(QueueError):
    pass


class OverLimit(QueueError):
    pass


class PurgeQueueInProgress(QueueError):
    query_code = _PREFIX + "PurgeQueueInProgress"


class QueueDeletedRecently(QueueError):
    query_code = _PREFIX + "QueueDeletedRecently"


class QueueDoesNotExist(QueueError):
    query_code = _PREFIX + "NonExistentQueue"


class QueueNameExists(QueueError):
    query_code = "QueueAlreadyExists"


class ReceiptHandleIsInvalid(QueueError):
    pass


class TooManyEntriesInBatchRequest(QueueError):
    query_code = _PREFIX + "TooManyEntriesInBatchRequest"


class UnsupportedOperation(QueueError):
    query_code = _PREFIX + "UnsupportedOperation"
