"""S3's errors by their AWS names, with the status that S3 documents ("Error responses", S3 API reference).

Nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from awning.kit.errors import AccessDenied, NotImplementedHere, ServiceError, ServiceUnavailable

__all__ = ["AccessDenied", "NotImplementedHere", "ServiceError", "ServiceUnavailable"]


class AccessControlListNotSupported(ServiceError):
    def __init__(self) -> None:
        super().__init__("The bucket does not allow ACLs")


class AccessForbidden(ServiceError):
    """A pre-flight that is refused."""

    status = 403

    def __init__(self, message: str, method: str, kind: str) -> None:
        super().__init__(message, Method=method, ResourceType=kind)


class AccessPointAlreadyOwnedByYou(ServiceError):
    status = 409

    def __init__(self) -> None:
        super().__init__("Your previous request to create the named accesspoint succeeded and you already own it.")


class AuthorizationHeaderMalformed(ServiceError):
    """Signed for another region than the bucket's; `Region` tells which is right."""


class AuthorizationQueryParametersError(ServiceError):
    """AuthorizationHeaderMalformed's like for pre-signed URLs."""


class BadDigest(ServiceError):
    pass


class BadRequest(ServiceError):
    pass


class BucketAlreadyExists(ServiceError):
    status = 409

    def __init__(self, bucket: str) -> None:
        super().__init__(
            "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
            "Please select a different name and try again.",
            BucketName=bucket,
        )


class BucketAlreadyOwnedByYou(ServiceError):
    status = 409

    def __init__(self, bucket: str) -> None:
        super().__init__(
            "Your previous request to create the named bucket succeeded and you already own it.", BucketName=bucket
        )


class BucketHasAccessPointsAttached(ServiceError):
    def __init__(self) -> None:
        super().__init__(
            "The bucket you tried to delete has access points attached. Delete your access points before deleting your bucket."
        )


class BucketNotEmpty(ServiceError):
    status = 409

    def __init__(self, bucket: str, versioned: bool) -> None:
        message = "The bucket you tried to delete is not empty"
        super().__init__(
            f"{message}. You must delete all versions in the bucket." if versioned else message, BucketName=bucket
        )


class CrossLocationLoggingProhibitted(ServiceError):
    """The spelling is S3's."""

    status = 403


class EntityTooLarge(ServiceError):
    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            "Your proposed upload exceeds the maximum allowed size", ProposedSize=str(size), MaxSizeAllowed=str(limit)
        )


class EntityTooSmall(ServiceError):
    def __init__(self, size: int, minimum: int, number: int, etag: str) -> None:
        super().__init__(
            "Your proposed upload is smaller than the minimum allowed size",
            ProposedSize=str(size),
            MinSizeAllowed=str(minimum),
            PartNumber=str(number),
            ETag=etag,
        )


class IdempotencyParameterMismatch(ServiceError):
    def __init__(self) -> None:
        super().__init__("The client token was used by another request with different parameters.")


class IllegalLocationConstraintException(ServiceError):
    pass


class IllegalVersioningConfigurationException(ServiceError):
    def __init__(self) -> None:
        super().__init__("The Versioning element must be specified")


class IncompleteBody(ServiceError):
    pass


class InvalidArgument(ServiceError):
    """`value`: None where S3 tells the argument's name alone."""

    def __init__(self, message: str, name: str, value: Any = None) -> None:
        super().__init__(message, ArgumentName=name, **({} if value is None else {"ArgumentValue": str(value)}))


class InvalidDestinations(ServiceError):
    """Where a bucket may not send its notifications: (ARN, reason) pairs."""

    code = "InvalidArgument"

    def __init__(self, refused: Iterable[tuple[str, str]]) -> None:
        numbered = {
            f"Argument{part}{number}": text
            for number, pair in enumerate(refused, 1)
            for part, text in zip(("Name", "Value"), pair, strict=True)
        }
        super().__init__("Unable to validate the following destination configurations", **numbered)


class InvalidBucketAclWithBlockPublicAccessError(ServiceError):
    def __init__(self) -> None:
        super().__init__("Bucket cannot have public ACLs set with BlockPublicAccess enabled")


class InvalidBucketAclWithObjectOwnership(ServiceError):
    def __init__(self) -> None:
        super().__init__("Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")


class InvalidBucketState(ServiceError):
    status = 409


class InvalidBucketName(ServiceError):
    def __init__(self, bucket: str) -> None:
        super().__init__("The specified bucket is not valid.", BucketName=bucket)


class InvalidDigest(ServiceError):
    def __init__(self, value: str) -> None:
        super().__init__("The Content-MD5 you specified was invalid.", **{"Content-MD5": value})


class InvalidEncryptionAlgorithmError(ServiceError):
    def __init__(self, name: str, value: str) -> None:
        super().__init__(
            "The Encryption request you specified is not valid. Supported value: AES256.",
            ArgumentName=name,
            ArgumentValue=value,
        )


class InvalidLocationConstraint(ServiceError):
    def __init__(self, value: str) -> None:
        super().__init__("The specified location-constraint is not valid", LocationConstraint=value)


class InvalidObjectState(ServiceError):
    """The object lies in an archive, or does not."""

    status = 403

    def __init__(self, message: str, storage_class: str) -> None:
        super().__init__(message, StorageClass=storage_class)


class InvalidPart(ServiceError):
    def __init__(self, upload_id: str, number: int, etag: str) -> None:
        super().__init__(
            "One or more of the specified parts could not be found.  The part may not have been uploaded, or the "
            "specified entity tag may not match the part's entity tag.",
            UploadId=upload_id,
            PartNumber=str(number),
            ETag=etag,
        )


class InvalidPartNumber(ServiceError):
    status = 416

    def __init__(self, number: int, actual: int) -> None:
        super().__init__(
            "The requested partnumber is not satisfiable", PartNumberRequested=str(number), ActualPartCount=str(actual)
        )


class InvalidPartOrder(ServiceError):
    def __init__(self, upload_id: str) -> None:
        super().__init__(
            "The list of parts was not in ascending order. Parts must be ordered by part number.", UploadId=upload_id
        )


class InvalidRange(ServiceError):
    status = 416

    def __init__(self, asked: str, size: int) -> None:
        super().__init__(
            "The requested range is not satisfiable",
            RangeRequested=asked,
            ActualObjectSize=str(size),
        )
        self.headers = [(b"content-range", b"bytes */%d" % size)]


class IncorrectEndpoint(ServiceError):
    def __init__(self, endpoint: str) -> None:
        super().__init__(
            "The specified bucket exists in another region. Please direct requests to the specified endpoint.",
            Endpoint=endpoint,
        )


class InvalidRedirectLocation(ServiceError):
    pass


class InvalidAccessPointAliasError(ServiceError):
    def __init__(self) -> None:
        super().__init__("The specified access point alias name is not valid.")


class InvalidAccessPointName(ServiceError):
    code = "InvalidURI"

    def __init__(self, name: str) -> None:
        super().__init__("Couldn't parse the specified URI.", URI=f"accesspoint/{name}")


class InvalidRequest(ServiceError):
    pass


class InvalidStorageClass(ServiceError):
    def __init__(self, storage_class: str) -> None:
        super().__init__("The storage class you specified is not valid", StorageClassRequested=storage_class)


class InvalidTargetBucketForLogging(ServiceError):
    def __init__(self, message: str, bucket: str) -> None:
        super().__init__(message, TargetBucket=bucket)


class InvalidTag(ServiceError):
    pass


class KeyTooLongError(ServiceError):
    def __init__(self, size: int) -> None:
        super().__init__("Your key is too long", Size=str(size), MaxSizeAllowed="1024")


class MalformedACLError(ServiceError):
    def __init__(self) -> None:
        super().__init__("The XML you provided was not well-formed or did not validate against our published schema")


class MalformedPolicy(ServiceError):
    pass


class MalformedTrailerError(ServiceError):
    pass


class KmsDisabled(ServiceError):
    code = "KMS.DisabledException"


class KmsInvalidCiphertext(ServiceError):
    code = "KMS.InvalidCiphertextException"


class KmsInvalidKeyUsage(ServiceError):
    code = "KMS.InvalidKeyUsageException"


class KmsInvalidState(ServiceError):
    code = "KMS.KMSInvalidStateException"


class KmsNotFound(ServiceError):
    code = "KMS.NotFoundException"


class MalformedXML(ServiceError):
    def __init__(self) -> None:
        super().__init__("The XML you provided was not well-formed or did not validate against our published schema")


class MetadataTooLarge(ServiceError):
    def __init__(self, size: int) -> None:
        super().__init__(
            "Your metadata headers exceed the maximum allowed metadata size", Size=str(size), MaxSizeAllowed="2048"
        )


class MethodNotAllowed(ServiceError):
    status = 405


class MethodNotAllowedHere(ServiceError):
    """A website takes GET and HEAD only."""

    code = "MethodNotAllowed"
    status = 405

    def __init__(self, method: str) -> None:
        super().__init__(
            "The specified method is not allowed against this resource.", Method=method, ResourceType="OBJECT"
        )
        self.headers = [(b"allow", b"HEAD, GET")]


class DeleteMarkerInTheWay(ServiceError):
    """What a request names is a delete marker, which can only be deleted."""

    code = "MethodNotAllowed"
    status = 405

    def __init__(self, method: str) -> None:
        super().__init__(
            "The specified method is not allowed against this resource.", Method=method, ResourceType="DeleteMarker"
        )
        self.headers = [(b"allow", b"DELETE")]


class MissingSecurityHeader(ServiceError):
    def __init__(self, name: str) -> None:
        super().__init__("Your request was missing a required header", MissingHeaderName=name)


class MissingContentLength(ServiceError):
    status = 411

    def __init__(self) -> None:
        super().__init__("You must provide the Content-Length HTTP header.")


class NoSuchAccessPoint(ServiceError):
    status = 404

    def __init__(self, name: str) -> None:
        super().__init__("The specified accesspoint does not exist", AccessPointName=name)


class NoSuchAccessPointPolicy(ServiceError):
    status = 404

    def __init__(self, name: str) -> None:
        super().__init__("The specified accesspoint policy does not exist", AccessPointName=name)


class NoSuchAccountBlock(ServiceError):
    code = "NoSuchPublicAccessBlockConfiguration"
    status = 404

    def __init__(self, account: str) -> None:
        super().__init__("The public access block configuration was not found", AccountId=account)


class NoSuchBucket(ServiceError):
    status = 404

    def __init__(self, bucket: str) -> None:
        super().__init__("The specified bucket does not exist", BucketName=bucket)


class NoSuchBucketPolicy(ServiceError):
    status = 404

    def __init__(self, bucket: str) -> None:
        super().__init__("The bucket policy does not exist", BucketName=bucket)


class NoSuchConfiguration(ServiceError):
    status = 404

    def __init__(self) -> None:
        super().__init__("The specified configuration does not exist.")


class NoSuchCORSConfiguration(ServiceError):
    status = 404


class NoSuchKey(ServiceError):
    status = 404

    def __init__(self, key: str) -> None:
        super().__init__("The specified key does not exist.", Key=key)


class NoSuchLifecycleConfiguration(ServiceError):
    status = 404


class NoSuchObjectLockConfiguration(ServiceError):
    status = 404

    def __init__(self) -> None:
        super().__init__("The specified object does not have a ObjectLock configuration")


class NoSuchPublicAccessBlockConfiguration(ServiceError):
    status = 404

    def __init__(self, bucket: str) -> None:
        super().__init__("The public access block configuration was not found", BucketName=bucket)


class NoSuchResource(ServiceError):
    status = 404

    def __init__(self) -> None:
        super().__init__("The specified resource doesn't exist.")


class NoSuchTagSet(ServiceError):
    status = 404

    def __init__(self, bucket: str) -> None:
        super().__init__("The TagSet does not exist", BucketName=bucket)


class NoSuchUpload(ServiceError):
    status = 404

    def __init__(self, upload_id: str) -> None:
        super().__init__(
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted "
            "or completed.",
            UploadId=upload_id,
        )


class NoSuchVersion(ServiceError):
    status = 404

    def __init__(self, key: str, version: str) -> None:
        super().__init__("The specified version does not exist.", Key=key, VersionId=version)


class NoSuchWebsiteConfiguration(ServiceError):
    status = 404

    def __init__(self, bucket: str) -> None:
        super().__init__("The specified bucket does not have a website configuration", BucketName=bucket)


class NotModified(ServiceError):
    """No body: the reply is the status and the headers that a 200 would have carried (RFC 9110, 15.4.5)."""

    status = 304

    def __init__(self, headers: list[tuple[bytes, bytes]]) -> None:
        super().__init__("Not Modified")
        self.headers = headers


class ObjectLockConfigurationNotFoundError(ServiceError):
    status = 404

    def __init__(self, bucket: str) -> None:
        super().__init__("Object Lock configuration does not exist for this bucket", BucketName=bucket)


class OperationAborted(ServiceError):
    status = 409

    def __init__(self) -> None:
        super().__init__(
            "A conflicting conditional operation is currently in progress against this resource. Please try again."
        )


class OwnershipControlsNotFoundError(ServiceError):
    status = 404

    def __init__(self, bucket: str) -> None:
        super().__init__("The bucket ownership controls were not found", BucketName=bucket)


class PermanentRedirect(ServiceError):
    """The bucket is in another region; the answer's x-amz-bucket-region says which."""

    status = 301


class PreconditionFailed(ServiceError):
    status = 412

    def __init__(self, condition: str) -> None:
        super().__init__("At least one of the pre-conditions you specified did not hold", Condition=condition)


class ReplicationConfigurationNotFoundError(ServiceError):
    status = 404


class RestoreAlreadyInProgress(ServiceError):
    status = 409

    def __init__(self) -> None:
        super().__init__("Object restore is already in progress")


class ServerSideEncryptionConfigurationNotFoundError(ServiceError):
    status = 404


class TooManyConfigurations(ServiceError):
    def __init__(self) -> None:
        super().__init__(
            "You are attempting to create a new configuration but have already reached the 1,000-configuration limit."
        )


class TooManyBuckets(ServiceError):
    def __init__(self) -> None:
        super().__init__("You have attempted to create more buckets than allowed")


class UnexpectedContent(ServiceError):
    def __init__(self) -> None:
        super().__init__("This request does not support content")


class TooManyAccessPoints(ServiceError):
    def __init__(self) -> None:
        super().__init__("You have attempted to create more access points than allowed for an account.")
