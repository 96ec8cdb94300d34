"""Every question or delivery that one room may send another, and that the gateway asks of rooms.

A question is answered at once from committed state (`call.ask`). A delivery is a row in the sender's outbox
(`call.send`), in the same transaction as what caused it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from awning.auth.principal import Principal


@dataclass(frozen=True, slots=True)
class Credential:
    """An access key as the gateway needs it. `token` is the session token that must come with it, `expires` in seconds
    since the epoch."""

    access_key_id: str
    secret: str = field(repr=False)
    principal: Principal
    active: bool = True
    token: str | None = field(default=None, repr=False)
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class FindCredential:
    """Whose is this long-term access key? Answered by iam: a Credential, or None."""

    access_key_id: str


@dataclass(frozen=True, slots=True)
class FindSession:
    """Whose is this temporary access key? Answered by sts: a Credential, or None. Expiry is the asker's to check."""

    access_key_id: str


@dataclass(frozen=True, slots=True)
class RoleFacts:
    """A role as sts needs it. `trust` is the trust policy's JSON text, `trust_ids` whom its names
    stand for; `principal` has the role's policies and boundary."""

    account: str
    name: str
    arn: str
    role_id: str
    trust: str
    max_session_seconds: int
    principal: Principal
    tags: Mapping[str, str] = field(default_factory=dict)
    trust_ids: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FindRole:
    """The role of this ARN. Answered by iam: RoleFacts, or None."""

    arn: str


@dataclass(frozen=True, slots=True)
class FindUser:
    """The user of this unique id (AIDA…), for its temporary credentials. Answered by iam: a Principal, or None."""

    user_id: str


@dataclass(frozen=True, slots=True)
class FindMfaStep:
    """For which half minute since the epoch is this code right, of the device that the user of this unique id, or the root of
    this account, has? Answered by iam: int; None where it is wrong, was taken already, or the device is another's. The asker
    keeps what it takes, and tells (LastSessionStep, LastDeletionStep)."""

    user_id: str
    serial_number: str
    code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LastSessionStep:
    """The half minute since the epoch of the last code of a device that was taken for a session; -1 where none was. Answered by
    sts: int."""

    serial_number: str


@dataclass(frozen=True, slots=True)
class LastDeletionStep:
    """As LastSessionStep, of the last code that was taken by a bucket with MFA delete. Answered by s3: int."""

    serial_number: str


@dataclass(frozen=True, slots=True)
class OidcProvider:
    """An OpenID Connect provider. `issuer` is its URL, `name` the same without the scheme, as condition keys have it; `clients`
    the audiences that it takes; `thumbprints` SHA-1 sums of certificates, as 40 hexadecimal digits."""

    arn: str
    name: str
    issuer: str
    clients: tuple[str, ...]
    thumbprints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FindOidcProvider:
    """The provider that an account has for exactly this issuer. Answered by iam: OidcProvider, or None."""

    account: str
    issuer: str


@dataclass(frozen=True, slots=True)
class SamlProvider:
    """A SAML provider, by its metadata: who issues its assertions, and the certificates (DER in Base64) of the keys that sign
    them. `valid_until` in seconds since the epoch."""

    arn: str
    account: str
    name: str
    issuer: str
    certificates: tuple[str, ...]
    valid_until: float


@dataclass(frozen=True, slots=True)
class FindSamlProvider:
    """The SAML provider of this ARN. Answered by iam: SamlProvider, or None."""

    arn: str


@dataclass(frozen=True, slots=True)
class PrincipalExists:
    """Is there a user or role of this ARN (a resource's policy may name no others)? Answered by iam: bool."""

    arn: str


@dataclass(frozen=True, slots=True)
class FindPrincipalIds:
    """The unique ids of the users and roles of these ARNs (of a role's session its role's), by ARN; those that do not exist are
    left out. Answered by iam: a mapping."""

    arns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FindPolicyText:
    """The JSON text of a managed policy's default version. Answered by iam: str, or None."""

    arn: str


@dataclass(frozen=True, slots=True)
class LastUse:
    """When, in seconds since the epoch, for which service ("s3") and in which region something last signed a request."""

    at: float
    service: str
    region: str


@dataclass(frozen=True, slots=True)
class FindLastUse:
    """The last use of a long-term access key, or by its unique id of a role; or, by its unique id, a space and the name that
    requests are signed for ("AIDA… s3"), a user's or role's of one service. Answered by the region: LastUse, or None where none
    was seen."""

    id: str


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The RSA key by which a service signs what it sends. Key and certificate in PEM; `path` is where the region
    shows the certificate to everyone."""

    private_key: bytes = field(repr=False)
    certificate: bytes
    path: str


@dataclass(frozen=True, slots=True)
class FindSigningKey:
    """The key of this service ("sns"), which the region makes when it first starts. Answered by the region: SigningKey."""

    service: str


@dataclass(frozen=True, slots=True)
class Deliver:
    """Base of deliveries: `arn` is the resource it goes to; deliveries of one `group` to one ARN keep their order."""

    arn: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class Sender:
    """An AWS service that acts for a resource: `service` is its principal ("sns.amazonaws.com"), `arn` the resource
    (aws:SourceArn) and `account` its owner (aws:SourceAccount)."""

    service: str
    arn: str
    account: str


@dataclass(frozen=True, slots=True)
class MaySend:
    """May this service put messages on this queue, as the queue's policy has it now? Answered by sqs: bool; None where there
    is no such queue."""

    arn: str
    sender: Sender


@dataclass(frozen=True, slots=True)
class MayPublish:
    """May this service publish to this topic, as the topic's policy has it now? Answered by sns: bool; None where there is no
    such topic."""

    arn: str
    sender: Sender


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A key of KMS as other services show and check it. `state` is its KeyState."""

    arn: str
    account: str
    key_id: str
    state: str
    spec: str
    usage: str
    manager: str


@dataclass(frozen=True, slots=True)
class FindKey:
    """The key that a client means by an id, an ARN, an alias or an alias's ARN, in an account and region. Answered by kms:
    KeyFacts, or None. It asks for no permission; what it says is not for strangers."""

    key: str
    account: str
    region: str


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key in the clear, and as its key encrypted it: what is stored. `key_arn` is the key's."""

    key_arn: str
    plain: bytes = field(repr=False)
    sealed: bytes


@dataclass(frozen=True, slots=True)
class GenerateDataKeyFor:
    """Make a data key of 32 bytes for what a service encrypts at rest. Answered by kms: a DataKey.

    Who asks must have kms:GenerateDataKey on the key: the client whose request is being answered, or where there is none the
    `sender`, by the key's policy; without either, the role as which the asking call acts, which may need another `action` (S3's
    replication kms:Encrypt). `service` ("sqs") becomes kms:ViaService. `key` as in FindKey. Raises ServiceError by KMS's codes:
    NotFoundException, DisabledException, KMSInvalidStateException, InvalidKeyUsageException, AccessDenied.
    """

    key: str
    account: str
    region: str
    service: str
    context: Mapping[str, str] = field(default_factory=dict)
    sender: Sender | None = None
    action: str = "kms:GenerateDataKey"


@dataclass(frozen=True, slots=True)
class DecryptDataKey:
    """Open what GenerateDataKeyFor sealed, in the same region and with the same context. Answered by kms: a DataKey.

    Who asks must have kms:Decrypt on the key, as with GenerateDataKeyFor; it raises the same, and InvalidCiphertextException.
    """

    sealed: bytes
    region: str
    service: str
    context: Mapping[str, str] = field(default_factory=dict)
    sender: Sender | None = None


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """A certificate of ACM for what terminates TLS. `certificate`, `chain` and `private_key` in PEM; they are empty unless it is
    ISSUED. `generation` grows with each renewal and reimport, `not_after` is in seconds since the epoch."""

    arn: str
    account: str
    status: str
    names: tuple[str, ...]
    key_algorithm: str
    generation: int
    not_after: float | None
    certificate: str
    chain: str
    private_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class FindCertificate:
    """The certificate of this ARN, as it is now. Answered by acm: CertificateFacts, or None. It asks for no permission; what it
    says is not for strangers."""

    arn: str


@dataclass(frozen=True, slots=True)
class FindDnsRecords:
    """The values of the records of this name (with a dot at the end) and type in the region's public hosted zones, of whatever
    account. Answered by route53: a sequence of texts, empty where there is none. While no room answers it, LookupError."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class EncryptsByDefault:
    """Whether objects are encrypted that nobody asks to have encrypted. Answered by the region: bool."""


@dataclass(frozen=True, slots=True)
class FindClient:
    """The HTTP client for what the region itself calls. Answered by the region: net.client.Client."""


@dataclass(frozen=True, slots=True)
class FindMailSpool:
    """The folder in which mail lies that nobody carries further. Answered by the region: a Path; it may not be there yet."""


@dataclass(frozen=True, slots=True)
class FindAddress:
    """The scheme and host under which the region is known, without a slash at the end, for links that no client's request
    decides. Answered by the region: str."""


@dataclass(frozen=True, slots=True)
class Publication(Deliver):
    """A service's message to a topic that accepted it, still to be signed. Carried by sns. `arn` is the topic's; `at` in seconds
    since the epoch."""

    id: str = ""
    body: str = ""
    subject: str | None = None
    attributes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class PostToEndpoint(Deliver):
    """What a topic has for an HTTP or HTTPS endpoint. Carried by sns.

    `arn` is the subscription's. `type` is Notification or SubscriptionConfirmation; `body` is what is posted, `raw` without
    a document around it.
    """

    type: str = ""
    topic_arn: str = ""
    message_id: str = ""
    body: str = ""
    raw: bool = False


@dataclass(frozen=True, slots=True)
class MailTo(Deliver):
    """A mail from a topic. Carried by sns, into the spool. `arn` is the subscription's, `sender` what is shown of the topic,
    `created` in seconds since the epoch."""

    type: str = ""
    message_id: str = ""
    sender: str = ""
    subject: str = ""
    body: str = ""
    created: float = 0.0


@dataclass(frozen=True, slots=True)
class SendToQueue(Deliver):
    """A message for a queue, whose policy decides. Accepted by sqs; raises Undeliverable where it may not, or where there is
    no such queue.

    `attributes` as SendMessage takes them (binary values as base64 text). `message_group` and `deduplication` are
    MessageGroupId and MessageDeduplicationId. The delivery's own `group` orders it in the outbox: "" for standard queues.
    """

    service: str = ""
    source_arn: str = ""
    source_account: str = ""
    body: str = ""
    attributes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    message_group: str | None = None
    deduplication: str | None = None
    trace: str | None = None
    last_resort: bool = False
    """It goes to a dead-letter queue: given up, it is lost."""


@dataclass(frozen=True, slots=True)
class PublishToTopic(Deliver):
    """A message for a topic, whose policy decides. Accepted by sns; raises Undeliverable where it may not, or where there is
    no such topic."""

    service: str = ""
    source_arn: str = ""
    source_account: str = ""
    message: str = ""
    subject: str | None = None
    attributes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CertificateUsed(Deliver):
    """A resource (`user`, its ARN) of a service uses a certificate from now on, or no longer. Accepted by acm; `arn` is the
    certificate's. With `user` as its `group`, use and end of use come in order. Raises Undeliverable for the use of one that
    is not there."""

    user: str = ""
    service: str = ""
    used: bool = True


@dataclass(frozen=True, slots=True)
class IssueCertificate(Deliver):
    """Make a certificate's key of this generation, and the certificate: its names are proven. Carried by acm, in a thread."""

    generation: int = 1


@dataclass(frozen=True, slots=True)
class MakeAuthority(Deliver):
    """Make the region's private authority, where there is none. Carried by acm, in a thread."""


@dataclass(frozen=True, slots=True)
class ValidationMail(Deliver):
    """A mail that asks the owners of `domain` for a certificate's `name`. Carried by acm, into the spool. `arn` is the
    certificate's; `created` in seconds since the epoch."""

    name: str = ""
    domain: str = ""
    created: float = 0.0


@dataclass(frozen=True, slots=True)
class DeliverLog(Deliver):
    """Records of a bucket's access log, for an object of their own. Carried by s3, into a bucket that lets its log delivery write
    there; raises Undeliverable where none does. source: the bucket that was asked. grants: (grantee, permission) pairs."""

    source: str = ""
    account: str = ""
    key: str = ""
    text: str = ""
    grants: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ReplicateVersion(Deliver):
    """Bring a version of an object, a delete marker, or what was changed of a version to another bucket. Carried by s3, as the
    role of the source bucket's configuration; raises Undeliverable where that is refused. `arn` is the destination bucket's.

    source: the source bucket's number. key: URL-encoded. version: an id, or "null". rule: the id of the rule that asked for it.
    what: as events call it. at: when that was, in seconds since the epoch. whole: it need not be there already.
    """

    source: int = 0
    key: str = ""
    version: str = ""
    rule: str = ""
    what: str = ""
    at: float = 0.0
    whole: bool = True
