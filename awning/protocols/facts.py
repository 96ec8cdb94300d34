"""What each service answers to a request that breaks its model: codes and messages as data.

Sources: the services' API references ("Common errors", "Error responses"), botocore's models, and answers quoted in public
issues. A service that is not in the table answers as its protocol's services usually do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from awning.protocols.errors import NamedError, ServiceError

_PLACE: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Answer:
    """An error to give. `message` may use {name} (the member as modelled), {member} (its path, as AWS writes it), {value},
    {operation}, {version}, {wire} (its name on the wire) and {limit}. `argument` adds ArgumentName and ArgumentValue (S3)."""

    code: str
    message: str
    status: int = 400
    argument: bool = False

    def error(self, **facts: object) -> ServiceError:
        """Return the error to raise."""
        members = {"ArgumentName": facts["wire"], "ArgumentValue": facts["value"]} if self.argument else {}
        message = _PLACE.sub(lambda found: str(facts.get(found[1], found[0])), self.message)
        return NamedError(self.code, message, self.status, **members)


@dataclass(frozen=True, slots=True)
class Facts:
    """How one service speaks.

    json_types: a code's name in `__type` where it differs. query_codes: a code's name in query replies and in
    `x-amzn-query-error`. statuses: the HTTP status of errors whose shape has none. answers: by (rule, member or None), where
    the rule is required, enum, pattern, length, range or type, or `xml` and one of these for what an XML body has;
    `patterns`: by the pattern's text, None for those that are listed.
    invalid: what the list of all violated constraints goes under; None answers each by itself.
    """

    modelled_prefix: str = ""
    json_types: Mapping[str, str] = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)
    query_codes: Mapping[str, str] = field(default_factory=dict)
    statuses: Mapping[str, int] = field(default_factory=dict)
    answers: Mapping[tuple[str, str | None], Answer] = field(default_factory=dict)
    patterns: Mapping[str, Answer | None] = field(default_factory=dict)
    invalid: Answer | None = None
    malformed: Answer = Answer("MalformedInput", "{reason}")
    unknown_operation: Answer = Answer("InvalidAction", "Could not find operation {operation} for version {version}")
    no_operation: Answer = Answer("MissingAction", "The request must contain the parameter Action.")
    any_version: bool = False
    """A query request need not say which version of the API it means."""
    hides_values: bool = False
    """What is listed of a request's constraints does not repeat the values that broke them (IAM, since 2025)."""
    hashed: bool = False
    """It is listed in the order of a Java hash map of 16 buckets by member, not in the model's."""
    never_null: frozenset[str] = frozenset()
    """Lists of which it is told besides that their items must not be null."""
    milliseconds: bool = False
    """Timestamps in XML have milliseconds."""
    prolog: bytes = b""
    xml_namespace: str = ""
    """Of a REST service's replies; a query service's stands in its model."""
    error_detail: bool = False
    """A query error ends with <Detail/>."""
    is_s3: bool = False
    """S3's own ways with paths, pre-signed URLs, roots of documents and errors."""
    whole_names: bool = False
    """A shape's name without "Exception" is another error's (S3 Control's InvalidRequest)."""
    two_ids: bool = False
    """Replies have S3's two request ids."""
    url_parameter: str = ""
    """A query parameter that may be said by the path that the request was sent to."""
    not_below: frozenset[str] = frozenset()
    """Operations that a query cannot ask for at the path of one resource."""


_CONSTRAINTS = "{count} validation error{s} detected: {problems}"
_NAME_RULE = (
    "The specified value for {member} is invalid. It must contain only alphanumeric characters and/or "
    "the following: {set}"
)

_TYPE = ("type", None)

JSON_FACTS: Final = Facts(
    invalid=Answer("ValidationException", _CONSTRAINTS),
    answers={_TYPE: Answer("SerializationException", "{value} can not be converted to {wanted} for {member}.")},
    unknown_operation=Answer("UnknownOperationException", "", status=404),
    malformed=Answer("SerializationException", "{reason}"),
)

CBOR_FACTS: Final = Facts(
    invalid=Answer("ValidationException", _CONSTRAINTS),
    answers={_TYPE: Answer("MalformedInput", "{value} is not a valid value for {member}.")},
)
"""Of services whose first format is CBOR; the query form that cloudwatch also has reads its answers here too."""

REST_XML_FACTS: Final = Facts(
    invalid=Answer("InvalidArgument", _CONSTRAINTS),
    answers={_TYPE: Answer("InvalidArgument", "{value} is not {wanted}, which {member} needs.")},
    malformed=Answer("MalformedXML", "The XML you provided was not well-formed or did not validate: {reason}"),
    unknown_operation=Answer("UnknownOperationException", "", status=404),
    prolog=b'<?xml version="1.0"?>\n',
)

QUERY_FACTS: Final = Facts(
    invalid=Answer("ValidationError", _CONSTRAINTS),
    answers={("type", None): Answer("MalformedInput", "{value} is not a valid value for {member}.")},
    unknown_operation=Answer("InvalidAction", "Could not find operation {operation} for version {version}"),
)


def _rule(characters: str) -> Answer:
    return Answer("ValidationError", _NAME_RULE.replace("{set}", characters))


_IAM = Facts(
    invalid=Answer("ValidationError", _CONSTRAINTS),
    answers={
        ("type", None): Answer("MalformedInput", "{value} is not a valid value for {member}."),
        ("pattern", None): Answer("ValidationError", "The specified value for {member} is invalid."),
        ("pattern", "PolicyDocument"): Answer(
            "MalformedPolicyDocument", "The policy contains characters that are not allowed."
        ),
        ("pattern", "AssumeRolePolicyDocument"): Answer(
            "MalformedPolicyDocument", "The policy contains characters that are not allowed."
        ),
        ("pattern", "Path"): Answer(
            "ValidationError",
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters "
            "and/or / characters.",
        ),
        ("pattern", "ServiceSpecificCredentialId"): Answer(
            "ValidationError",
            "1 validation error detected: Value at '{member}' failed to satisfy constraint: Member must satisfy regular "
            "expression pattern: [\\w]+",
        ),
        ("length", "PolicyArn"): Answer("ValidationError", "ARN {value} is not valid."),
        ("pattern", "PathPrefix"): Answer(
            "ValidationError",
            "The specified value for pathPrefix is invalid. It must begin with / and contain only alphanumeric characters "
            "and/or / characters.",
        ),
    },
    patterns={
        r"[\w+=,.@-]+": _rule("+=,.@_-"),
        r"[\w+=,.@-]*": _rule("+=,.@_-"),
        r"[\w+=/:,.@-]+": _rule("+=/:,.@_-"),
        r"[\w]+": Answer(
            "ValidationError",
            "The specified value for {member} is invalid. It must contain only alphanumeric characters.",
        ),
        r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+": None,
        r"v[1-9][0-9]*(\.[A-Za-z0-9-]*)?": None,
    },
    hides_values=True,
    hashed=True,
    never_null=frozenset({"TagKeys"}),
)

_STS = Facts(
    invalid=Answer("ValidationError", _CONSTRAINTS),
    answers={("type", None): Answer("MalformedInput", "{value} is not a valid value for {member}.")},
)

_KMS = {
    "KmsAccessDenied": "KMS.AccessDeniedException",
    "KmsDisabled": "KMS.DisabledException",
    "KmsInvalidKeyUsage": "KMS.InvalidKeyUsageException",
    "KmsInvalidState": "KMS.InvalidStateException",
    "KmsNotFound": "KMS.NotFoundException",
    "KmsOptInRequired": "KMS.OptInRequired",
    "KmsThrottled": "KMS.ThrottlingException",
}
_SQS_PREFIXED = (
    "BatchEntryIdsNotDistinct",
    "BatchRequestTooLong",
    "EmptyBatchRequest",
    "InvalidBatchEntryId",
    "MessageNotInflight",
    "PurgeQueueInProgress",
    "QueueDeletedRecently",
    "TooManyEntriesInBatchRequest",
    "UnsupportedOperation",
)

_SQS = Facts(
    modelled_prefix="com.amazonaws.sqs#",
    json_types={
        "InvalidParameterValue": "InvalidParameterValueException",
        "InvalidParameterCombination": "InvalidParameterCombinationException",
        "MissingParameter": "MissingRequiredParameterException",
    },
    query_codes={
        **{name: f"AWS.SimpleQueueService.{name}" for name in _SQS_PREFIXED},
        **_KMS,
        "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
        "QueueNameExists": "QueueAlreadyExists",
    },
    statuses={
        "OverLimit": 403,
        "PurgeQueueInProgress": 403,
        "ResourceNotFoundException": 404,
        "RequestThrottled": 403,
        "InvalidSecurity": 403,
        "InvalidAddress": 404,
    },
    answers={
        ("required", None): Answer("MissingParameter", "The request must contain the parameter {name}."),
        ("type", None): Answer(
            "InvalidParameterValue", "Value {value} for parameter {name} is invalid. Reason: Must be {wanted}."
        ),
        ("enum", None): Answer(
            "InvalidParameterValue", "Value {value} for parameter {name} is invalid. Reason: Unknown value."
        ),
        ("enum", "Attributes"): Answer("InvalidAttributeName", "Unknown Attribute {value}."),
        ("enum", "AttributeNames"): Answer("InvalidAttributeName", "Unknown Attribute {value}."),
        ("enum", "MessageSystemAttributeNames"): Answer("InvalidAttributeName", "Unknown Attribute {value}."),
        ("enum", "MessageSystemAttributes"): Answer(
            "InvalidParameterValue", "Message system attribute name '{value}' is invalid."
        ),
    },
    invalid=Answer("ValidationException", _CONSTRAINTS),
    malformed=Answer("MalformedQueryString", "{reason}"),
    unknown_operation=Answer("InvalidAction", "The action {operation} is not valid for this endpoint."),
    any_version=True,
    prolog=b'<?xml version="1.0"?>',
    error_detail=True,
    url_parameter="QueueUrl",
    not_below=frozenset({"CreateQueue", "ListQueues"}),
)

_SNS = Facts(
    renames={"AccessDenied": "AuthorizationErrorException"},
    answers={
        ("required", None): Answer(
            "InvalidParameter", "Invalid parameter: {name} Reason: no value for required parameter"
        ),
        ("required", "DataType"): Answer(
            "ValidationError",
            "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null",
        ),
        ("type", None): Answer("InvalidParameter", "Invalid parameter: {name}"),
    },
    invalid=Answer("ValidationError", _CONSTRAINTS),
    any_version=True,
)


def _argument(message: str) -> Answer:
    return Answer("InvalidArgument", message, argument=True)


_NOT_AN_INTEGER = "Provided {wire} not an integer or within integer range"

_S3 = Facts(
    renames={"InternalFailure": "InternalError"},
    answers={
        ("type", None): _argument("Invalid value for {wire}: {value}"),
        ("type", "MaxKeys"): _argument(_NOT_AN_INTEGER),
        ("type", "MaxUploads"): _argument(_NOT_AN_INTEGER),
        ("type", "MaxParts"): _argument(_NOT_AN_INTEGER),
        ("type", "MaxBuckets"): _argument(_NOT_AN_INTEGER),
        ("type", "PartNumberMarker"): _argument(_NOT_AN_INTEGER),
        ("type", "PartNumber"): _argument("Part number must be an integer between 1 and 10000, inclusive"),
        ("type", "ObjectLockRetainUntilDate"): _argument("The retain until date must be provided in ISO 8601 format"),
        ("required", None): Answer("InvalidRequest", "Missing required parameter for this request: '{wire}'"),
        ("required", "payload"): Answer("MissingRequestBodyError", "Request Body is empty"),
        ("length", None): _argument("Invalid length of {wire}"),
        ("range", None): _argument("Argument {wire} must be an integer between {minimum} and {maximum}."),
        ("pattern", None): _argument("Invalid value for {wire}"),
        ("pattern", "CopySource"): _argument(
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"
        ),
        ("enum", None): _argument("Invalid value for {wire}: {value}"),
        ("enum", "EncodingType"): _argument("Invalid Encoding Method specified in Request"),
        ("enum", "MetadataDirective"): _argument("Unknown metadata directive."),
        ("enum", "TaggingDirective"): _argument("Unknown tagging directive."),
        ("enum", "ObjectLockMode"): _argument("Unknown wormMode directive."),
        ("enum", "ObjectLockLegalHoldStatus"): _argument("Legal Hold must be either of 'ON' or 'OFF'"),
        ("enum", "ObjectOwnership"): _argument("Invalid x-amz-object-ownership header: {value}"),
        ("enum", "ObjectAttributes"): _argument("Invalid attribute name specified."),
        ("enum", "StorageClass"): Answer("InvalidStorageClass", "The storage class you specified is not valid"),
        ("enum", "ServerSideEncryption"): _argument("The encryption method specified is not supported"),
        ("enum", "ChecksumAlgorithm"): Answer(
            "InvalidRequest",
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
            "[CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
        ),
        ("enum", "ChecksumType"): Answer("InvalidRequest", "Value for x-amz-checksum-type header is invalid."),
        ("xml enum", "LocationConstraint"): Answer(
            "InvalidLocationConstraint", "The specified location-constraint is not valid"
        ),
    },
    malformed=Answer(
        "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema"
    ),
    unknown_operation=Answer(
        "MethodNotAllowed", "The specified method is not allowed against this resource.", status=405
    ),
    milliseconds=True,
    prolog=b'<?xml version="1.0" encoding="UTF-8"?>\n',
    xml_namespace="http://s3.amazonaws.com/doc/2006-03-01/",
    is_s3=True,
    two_ids=True,
)

_EC2 = Facts(
    renames={
        "AccessDenied": "UnauthorizedOperation",
        "SignatureDoesNotMatch": "AuthFailure",
        "InvalidClientTokenId": "AuthFailure",
    },
    answers={
        ("required", None): Answer("MissingParameter", "The request must contain the parameter {name}"),
        _TYPE: Answer("InvalidParameterValue", "Invalid value '{value}' for {member}. It must be {wanted}."),
        ("enum", None): Answer("InvalidParameterValue", "Value ({value}) for parameter {member} is invalid."),
        ("pattern", None): Answer("InvalidParameterValue", "Value ({value}) for parameter {member} is invalid."),
        ("length", None): Answer(
            "InvalidParameterValue", "Value ({value}) for parameter {member} is invalid. Its length is not allowed."
        ),
        ("range", None): Answer(
            "InvalidParameterValue",
            "Value ({value}) for parameter {member} is invalid. It is not between {minimum} and {maximum}.",
        ),
    },
    invalid=Answer("InvalidParameterValue", _CONSTRAINTS),
    malformed=Answer("InvalidParameterCombination", "{reason}"),
    unknown_operation=Answer("InvalidAction", "The action {operation} is not valid for this web service."),
    no_operation=Answer("MissingAction", "The request must contain the parameter Action"),
    milliseconds=True,
    prolog=b'<?xml version="1.0" encoding="UTF-8"?>\n',
)

_ROUTE53 = replace(
    REST_XML_FACTS,
    invalid=Answer("InvalidInput", _CONSTRAINTS),
    malformed=Answer("InvalidInput", "Invalid XML ; {reason}"),
    xml_namespace="https://route53.amazonaws.com/doc/2013-04-01/",
    milliseconds=True,
)
_CLOUDFRONT = replace(
    REST_XML_FACTS, xml_namespace="http://cloudfront.amazonaws.com/doc/2020-05-31/", milliseconds=True
)
_S3CONTROL = replace(
    REST_XML_FACTS,
    invalid=Answer("InvalidRequest", _CONSTRAINTS),
    xml_namespace="http://awss3control.amazonaws.com/doc/2018-08-20/",
    milliseconds=True,
    whole_names=True,
    two_ids=True,
)

S3_ROOTS: Final[Mapping[str, str]] = {
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CreateSession": "CreateSessionResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetBucketAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycle": "LifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketLocation": "LocationConstraint",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketNotification": "NotificationConfiguration",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetObjectAcl": "AccessControlPolicy",
    "GetObjectAttributes": "GetObjectAttributesResponse",
    "GetObjectTagging": "Tagging",
    "ListBucketAnalyticsConfigurations": "ListBucketAnalyticsConfigurationsResult",
    "ListBucketIntelligentTieringConfigurations": "ListBucketIntelligentTieringConfigurationsResult",
    "ListBucketInventoryConfigurations": "ListInventoryConfigurationsResult",
    "ListBucketMetricsConfigurations": "ListMetricsConfigurationsResult",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListDirectoryBuckets": "ListAllMyDirectoryBucketsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListParts": "ListPartsResult",
}
"""Root elements of S3's replies, which the model does not name (S3 API reference, response syntax)."""

TEXT_ROOTS: Final[Mapping[str, str]] = {"GetBucketLocation": "LocationConstraint"}
"""Replies whose root element is itself the text of one member."""

IGNORED_WHEN_INVALID: Final = frozenset({"if-modified-since", "if-unmodified-since"})
"""Headers that a server passes over when they have no valid date (RFC 9110, 13.1.3)."""

CASELESS: Final = frozenset({"ChecksumAlgorithm", "ChecksumType"})
"""Values that S3 takes in any case from headers: Java's SDK sends `crc32` for CRC32."""

OPAQUE: Final = frozenset({"expires", "response-expires"})
"""Dates that S3 keeps and gives back as they came, valid or not (S3 API reference, PutObject)."""

UNROUTED: Final[Mapping[str, frozenset[str]]] = {"s3": frozenset({"ListDirectoryBuckets", "WriteGetObjectResponse"})}
"""Operations that AWS tells from others by the host name alone."""

_SERVICES: Final[Mapping[str, Facts]] = {
    "cloudfront": _CLOUDFRONT,
    "ec2": _EC2,
    "iam": _IAM,
    "route53": _ROUTE53,
    "s3": _S3,
    "s3control": _S3CONTROL,
    "sns": _SNS,
    "sqs": _SQS,
    "sts": _STS,
}
_PROTOCOLS: Final[Mapping[str, Facts]] = {
    "ec2": _EC2,
    "json": JSON_FACTS,
    "query": QUERY_FACTS,
    "rest-json": JSON_FACTS,
    "rest-xml": REST_XML_FACTS,
    "smithy-rpc-v2-cbor": CBOR_FACTS,
}
_INVALID: Final[Mapping[str, str]] = {
    "ecs": "InvalidParameterException",
    "ecr": "InvalidParameterException",
    "ecr-public": "InvalidParameterException",
    "efs": "BadRequest",
    "eks": "InvalidParameterException",
    "elasticache": "InvalidParameterValue",
    "kinesisvideo": "InvalidArgumentException",
    "kinesis-video-archived-media": "InvalidArgumentException",
    "kinesis-video-media": "InvalidArgumentException",
    "logs": "InvalidParameterException",
    "mq": "BadRequestException",
    "rds": "InvalidParameterValue",
    "redshift": "InvalidParameterValue",
    "servicediscovery": "InvalidInput",
    "sesv2": "BadRequestException",
}
"""Services that call a broken constraint something else than their protocol's usual ValidationException."""


def of(service: str, protocol: str) -> Facts:
    """Return how a service speaks; by its protocol's habits where it has no entry of its own."""
    known = _SERVICES.get(service)
    if known is not None:
        return known
    usual = _PROTOCOLS.get(protocol) or QUERY_FACTS
    code = _INVALID.get(service)
    return usual if code is None else replace(usual, invalid=Answer(code, _CONSTRAINTS))
