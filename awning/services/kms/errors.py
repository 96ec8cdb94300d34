"""The errors of KMS by their AWS names; and the state errors in AWS's words.

Source: the API reference's errors of each action, and the developer guide's "Key states of AWS KMS keys".
"""

from __future__ import annotations

from awning.kit.errors import ServiceError


class AlreadyExistsException(ServiceError):
    """There is an alias, or a replica, of this name."""


class DisabledException(ServiceError):
    """The key is disabled."""


class DryRunOperationException(ServiceError):
    """The request would have succeeded."""

    status = 412


class ExpiredImportTokenException(ServiceError):
    """An import token is good for a day."""


class IncorrectKeyException(ServiceError):
    """The ciphertext is another key's."""


class IncorrectKeyMaterialException(ServiceError):
    """This is not the material that the key had before."""


class InvalidAliasNameException(ServiceError):
    """An alias cannot have this name."""


class InvalidArnException(ServiceError):
    """This is not an ARN of what is wanted."""


class InvalidCiphertextException(ServiceError):
    """The ciphertext is damaged, or the encryption context another."""


class InvalidGrantIdException(ServiceError):
    """This cannot be a grant's id."""


class InvalidGrantTokenException(ServiceError):
    """This is no grant token."""


class InvalidImportTokenException(ServiceError):
    """This is no import token of this key."""


class InvalidKeyUsageException(ServiceError):
    """The key is not for this."""


class InvalidMarkerException(ServiceError):
    """This marker does not come from a reply."""


class KMSInternalException(ServiceError):
    """A fault of ours."""

    status = 500


class KMSInvalidMacException(ServiceError):
    """The MAC is not the message's."""


class KMSInvalidSignatureException(ServiceError):
    """The signature is not the message's."""


class KMSInvalidStateException(ServiceError):
    """The key's state does not allow this."""


class LimitExceededException(ServiceError):
    """There are as many as there may be."""


class MalformedPolicyDocumentException(ServiceError):
    """The key policy is not in order, or would lock everyone out."""


class NotAuthorizedException(ServiceError):
    """What only AWS itself may do."""


class NotFoundException(ServiceError):
    """There is no such key, alias or grant."""


class TagException(ServiceError):
    """The tags are not in order."""


class UnsupportedOperationException(ServiceError):
    """The operation is not for keys of this kind."""


class ValidationException(ServiceError):
    """The request is not in order."""


def pending_deletion(arn: str) -> KMSInvalidStateException:
    return KMSInvalidStateException(f"{arn} is pending deletion.")


def pending_import(arn: str) -> KMSInvalidStateException:
    return KMSInvalidStateException(f"{arn} is pending import.")


def disabled(arn: str) -> DisabledException:
    return DisabledException(f"{arn} is disabled.")


def wrong_origin(arn: str, origin: str) -> UnsupportedOperationException:
    return UnsupportedOperationException(f"{arn} origin is {origin} which is not valid for this operation.")


def dry_run() -> DryRunOperationException:
    return DryRunOperationException("The request would have succeeded, but the DryRun option is set.")
