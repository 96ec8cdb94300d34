"""An example of every operation's request: what the model requires, made of things that really are there.

A new room adds what its requests name to NAMED; what is only text, a number or a list is made from the model.
"""

from __future__ import annotations

import io
import itertools
import json
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any
from zlib import crc32

from botocore.model import OperationModel, Shape
from cryptography.hazmat.primitives.asymmetric import ec

from tests.conftest import LiveRegion
from tests.permissions import access_points
from tests.services.iam import certs
from tests.services.iam.documents import certificate, metadata, text_of

ACCOUNT = "000000000000"
REGION = "us-east-1"
DOCUMENT = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}
)
KEY_POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Action": "kms:*",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Resource": "*",
        },
    }
)
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        },
    }
)

RETENTION = {"Mode": "GOVERNANCE", "RetainUntilDate": 4_000_000_000}


def self_signed(name: str) -> tuple[bytes, bytes]:
    """A certificate for a name that is signed by itself, and its private key, in PEM."""
    own = certs.key()
    return certs.certificate(name, own, time.time()).encode(), certs.pem(own).encode()


class Things:
    """Makes what a request names, as the account's root, each anew. `names` are those made since it was made."""

    def __init__(self, region: LiveRegion, prefix: str) -> None:
        self._region = region
        self._prefix = prefix
        self._count = itertools.count()
        self._clients: dict[str, Any] = {}
        self.names: list[str] = []

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._region.client(service)
            self._clients[service].meta.events.register("before-sign.s3-control", access_points.without_account)
        return self._clients[service]

    def name(self, kind: str) -> str:
        made = f"{kind}-{self._prefix}-{next(self._count)}"
        self.names.append(made)
        return made

    @cached_property
    def user(self) -> str:
        return self._made("iam", "create_user", UserName=self.name("user"))["User"]["UserName"]  # type: ignore[no-any-return]

    @cached_property
    def group(self) -> str:
        return self._made("iam", "create_group", GroupName=self.name("group"))["Group"]["GroupName"]  # type: ignore[no-any-return]

    @cached_property
    def role(self) -> dict[str, Any]:
        made = self._made("iam", "create_role", RoleName=self.name("role"), AssumeRolePolicyDocument=TRUST)
        return made["Role"]  # type: ignore[no-any-return]

    @cached_property
    def device(self) -> str:
        made = self._made("iam", "create_virtual_mfa_device", VirtualMFADeviceName=self.name("device"))
        return made["VirtualMFADevice"]["SerialNumber"]  # type: ignore[no-any-return]

    @cached_property
    def profile(self) -> str:
        name = self.name("profile")
        self._made("iam", "create_instance_profile", InstanceProfileName=name)
        return name

    @cached_property
    def issuer(self) -> str:
        made = self._made("iam", "create_open_id_connect_provider", Url=f"https://{self.name('issuer')}.example.com")
        return made["OpenIDConnectProviderArn"]  # type: ignore[no-any-return]

    @cached_property
    def identity_provider(self) -> str:
        made = self._made("iam", "create_saml_provider", Name=self.name("idp"), SAMLMetadataDocument=self.metadata)
        return made["SAMLProviderArn"]  # type: ignore[no-any-return]

    @cached_property
    def metadata(self) -> str:
        return metadata(text_of(certificate(ec.generate_private_key(ec.SECP256R1()))))

    @cached_property
    def pair(self) -> tuple[str, str]:
        """A certificate and its private key, in PEM."""
        own = certs.key()
        return certs.certificate("example.org", own, time.time()), certs.pem(own)

    @cached_property
    def server_certificate(self) -> str:
        name = self.name("certificate")
        body, private = self.pair
        self._made(
            "iam", "upload_server_certificate", ServerCertificateName=name, CertificateBody=body, PrivateKey=private
        )
        return name

    def linked_service(self) -> str:
        """The name of a service, short enough for its role's."""
        self.names.append(f"linked-{crc32(self._prefix.encode())}")
        return self.names[-1] + ".amazonaws.com"

    @cached_property
    def linked_role(self) -> str:
        made = self._made("iam", "create_service_linked_role", AWSServiceName=self.linked_service())
        return made["Role"]["RoleName"]  # type: ignore[no-any-return]

    @cached_property
    def task_of_deletion(self) -> str:
        made = self._made("iam", "delete_service_linked_role", RoleName=self.linked_role)
        return made["DeletionTaskId"]  # type: ignore[no-any-return]

    @cached_property
    def policy(self) -> str:
        made = self._made("iam", "create_policy", PolicyName=self.name("policy"), PolicyDocument=DOCUMENT)
        return made["Policy"]["Arn"]  # type: ignore[no-any-return]

    @cached_property
    def key(self) -> str:
        return self._made("iam", "create_access_key", UserName=self.user)["AccessKey"]["AccessKeyId"]  # type: ignore[no-any-return]

    @cached_property
    def bucket(self) -> str:
        name = self.name("bucket")
        self._made("s3", "create_bucket", Bucket=name)
        return name

    @cached_property
    def object(self) -> str:
        self._made("s3", "put_object", Bucket=self.bucket, Key="key", Body=b"content")
        return "key"

    @cached_property
    def upload(self) -> str:
        return self._made("s3", "create_multipart_upload", Bucket=self.bucket, Key="key")["UploadId"]  # type: ignore[no-any-return]

    @cached_property
    def queue(self) -> str:
        return self._made("sqs", "create_queue", QueueName=self.name("queue"))["QueueUrl"]  # type: ignore[no-any-return]

    @cached_property
    def queue_arn(self) -> str:
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self.queue.rpartition('/')[2]}"

    @cached_property
    def receipt(self) -> str:
        self._made("sqs", "send_message", QueueUrl=self.queue, MessageBody="body")
        return self._made("sqs", "receive_message", QueueUrl=self.queue)["Messages"][0]["ReceiptHandle"]  # type: ignore[no-any-return]

    @cached_property
    def task(self) -> str:
        dead = self.queue_arn
        source = self._made(
            "sqs",
            "create_queue",
            QueueName=self.name("source"),
            Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 1})},
        )
        assert source
        return self._made("sqs", "start_message_move_task", SourceArn=dead)["TaskHandle"]  # type: ignore[no-any-return]

    @cached_property
    def topic(self) -> str:
        return self._made("sns", "create_topic", Name=self.name("topic"))["TopicArn"]  # type: ignore[no-any-return]

    @cached_property
    def subscription(self) -> str:
        made = self._made("sns", "subscribe", TopicArn=self.topic, Protocol="sqs", Endpoint=self.queue_arn)
        return made["SubscriptionArn"]  # type: ignore[no-any-return]

    @cached_property
    def application(self) -> str:
        made = self._made(
            "sns",
            "create_platform_application",
            Name=self.name("app"),
            Platform="GCM",
            Attributes={"PlatformCredential": "key"},
        )
        return made["PlatformApplicationArn"]  # type: ignore[no-any-return]

    @cached_property
    def endpoint(self) -> str:
        made = self._made(
            "sns", "create_platform_endpoint", PlatformApplicationArn=self.application, Token=self.name("token")
        )
        return made["EndpointArn"]  # type: ignore[no-any-return]

    @cached_property
    def kms_key(self) -> str:
        return self._kms_key()

    @cached_property
    def signing_key(self) -> str:
        return self._kms_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")

    @cached_property
    def mac_key(self) -> str:
        return self._kms_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")

    @cached_property
    def agreement_key(self) -> str:
        return self._kms_key(KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT")

    @cached_property
    def kem_key(self) -> str:
        return self._kms_key(KeySpec="ML_KEM_768", KeyUsage="ENCAPSULATE_DECAPSULATE")

    @cached_property
    def ciphertext(self) -> bytes:
        return self._made("kms", "encrypt", KeyId=self.kms_key, Plaintext=b"x")["CiphertextBlob"]  # type: ignore[no-any-return]

    @cached_property
    def alias(self) -> str:
        name = self.name("alias/of")
        self._made("kms", "create_alias", AliasName=name, TargetKeyId=self.kms_key)
        return name

    @cached_property
    def grant(self) -> dict[str, Any]:
        return self._made(  # type: ignore[no-any-return]
            "kms",
            "create_grant",
            KeyId=self.kms_key,
            GranteePrincipal=f"arn:aws:iam::{ACCOUNT}:root",
            Operations=["Encrypt"],
        )

    @cached_property
    def certificate(self) -> str:
        made = self._made("acm", "request_certificate", DomainName="www.example.com")
        return self._named_certificate(made)

    @cached_property
    def exportable(self) -> str:
        """A certificate that is issued, as its name is the region's own, and was exported."""
        made = self._made(
            "acm",
            "request_certificate",
            DomainName="www.example.localhost",
            ValidationMethod="DNS",
            KeyAlgorithm="EC_prime256v1",
            Options={"Export": "ENABLED"},
        )
        waiter = self.client("acm").get_waiter("certificate_validated")
        waiter.wait(CertificateArn=made["CertificateArn"], WaiterConfig={"Delay": 1, "MaxAttempts": 30})
        self._made("acm", "export_certificate", CertificateArn=made["CertificateArn"], Passphrase=b"passphrase")
        return self._named_certificate(made)

    @cached_property
    def imported(self) -> str:
        made = self._made("acm", "import_certificate", Certificate=self.pem[0], PrivateKey=self.pem[1])
        return self._named_certificate(made)

    @cached_property
    def pem(self) -> tuple[bytes, bytes]:
        """A certificate that is signed by itself, and its private key."""
        return self_signed("imported.example.com")

    def _named_certificate(self, made: dict[str, str]) -> str:
        arn = made["CertificateArn"]
        self.names.append(arn)
        return arn

    def _kms_key(self, **params: str) -> str:
        made: str = self._made("kms", "create_key", **params)["KeyMetadata"]["KeyId"]
        self.names.append(made)
        return made

    def _made(self, service: str, operation: str, **params: Any) -> Any:
        return getattr(self.client(service), operation)(**params)


Maker = Callable[[Things], Any]


def left_out(things: Things) -> None:
    """Stands for a member that a request does without."""


NAMED: Mapping[str, Mapping[str, Maker]] = {
    "iam": {
        "UserName": lambda things: things.user,
        "GroupName": lambda things: things.group,
        "RoleName": lambda things: things.role["RoleName"],
        "PolicyArn": lambda things: things.policy,
        "PermissionsBoundary": lambda things: things.policy,
        "AccessKeyId": lambda things: things.key,
        "PolicyDocument": lambda things: DOCUMENT,
        "AssumeRolePolicyDocument": lambda things: TRUST,
        "InstanceProfileName": lambda things: things.profile,
        "PolicySourceArn": lambda things: f"arn:aws:iam::{ACCOUNT}:user/{things.user}",
        "PolicyInputList": lambda things: [DOCUMENT],
        "ActionNames": lambda things: ["s3:GetObject"],
        "SerialNumber": lambda things: things.device,
        "VirtualMFADeviceName": lambda things: things.name("device"),
        "AuthenticationCode1": lambda things: "000000",
        "AuthenticationCode2": lambda things: "000000",
        "ServerCertificateName": lambda things: things.server_certificate,
        "CertificateBody": lambda things: things.pair[0],
        "PrivateKey": lambda things: things.pair[1],
        "CertificateId": lambda things: "X" * 32,
        "SSHPublicKeyId": lambda things: "APKA" + "X" * 16,
        "SSHPublicKeyBody": lambda things: "ssh-rsa AAAA",
        "DeletionTaskId": lambda things: things.task_of_deletion,
        "ServiceName": lambda things: "codecommit.amazonaws.com",
        "ServiceSpecificCredentialId": lambda things: "ACCA" + "X" * 17,
        "Arn": lambda things: f"arn:aws:iam::{ACCOUNT}:user/{things.user}",
        "ServiceNamespaces": lambda things: ["s3"],
        "ServiceNamespace": lambda things: "s3",
        "JobId": lambda things: "0" * 36,
        "Password": lambda things: "Correct-horse-1",
        "OldPassword": lambda things: "Correct-horse-1",
        "NewPassword": lambda things: "Another-horse-2",
        "AccountAlias": lambda things: things.name("alias"),
        "OpenIDConnectProviderArn": lambda things: things.issuer,
        "Url": lambda things: f"https://{things.name('new')}.example.com",
        "ThumbprintList": lambda things: ["a" * 40],
        "ClientID": lambda things: "client",
        "SAMLProviderArn": lambda things: things.identity_provider,
        "SAMLMetadataDocument": lambda things: things.metadata,
        "VersionId": lambda things: "v1",
        "Status": lambda things: "Inactive",
    },
    "sts": {
        "RoleArn": lambda things: things.role["Arn"],
        "AccessKeyId": lambda things: things.key,
        "RoleSessionName": lambda things: "session",
        "Name": lambda things: things.name("u")[:32],
        "PrincipalArn": lambda things: things.identity_provider,
    },
    "s3": {
        "Bucket": lambda things: things.bucket,
        "Key": lambda things: things.object,
        "UploadId": lambda things: things.upload,
        "CopySource": lambda things: {"Bucket": things.bucket, "Key": things.object},
        "PartNumber": lambda things: 1,
        "Body": lambda things: io.BytesIO(b"content"),
        "Policy": lambda things: DOCUMENT,
        "ObjectAttributes": lambda things: ["ETag"],
    },
    "s3control": {
        "AccountId": lambda things: ACCOUNT,
        "ResourceArn": lambda things: f"arn:aws:s3:::{things.bucket}",
        "Tags": lambda things: [{"Key": "key", "Value": "value"}],
        "TagKeys": lambda things: ["key"],
        "Name": access_points.point,
        "Bucket": access_points.bucket,
        "Policy": lambda things: DOCUMENT,
    },
    "sqs": {
        "QueueUrl": lambda things: things.queue,
        "QueueName": lambda things: things.queue.rpartition("/")[2],
        "ReceiptHandle": lambda things: things.receipt,
        "SourceArn": lambda things: things.queue_arn,
        "AttributeNames": lambda things: ["All"],
        "AWSAccountIds": lambda things: [ACCOUNT],
        "Actions": lambda things: ["SendMessage"],
        "Label": lambda things: "label",
        "TaskHandle": lambda things: things.task,
    },
    "sns": {
        "TopicArn": lambda things: things.topic,
        "ResourceArn": lambda things: things.topic,
        "SubscriptionArn": lambda things: things.subscription,
        "Protocol": lambda things: "sqs",
        "AWSAccountId": lambda things: [ACCOUNT],
        "ActionName": lambda things: ["Publish"],
        "Label": lambda things: "label",
        "Token": lambda things: "0" * 64,
        "PlatformApplicationArn": lambda things: things.application,
        "EndpointArn": lambda things: things.endpoint,
        "PhoneNumber": lambda things: "+15555550100",
        "phoneNumber": lambda things: "+15555550100",
        "OneTimePassword": lambda things: "000000",
    },
    "kms": {
        "KeyId": lambda things: things.kms_key,
        "TargetKeyId": lambda things: things.kms_key,
        "DestinationKeyId": lambda things: things.kms_key,
        "AliasName": lambda things: things.alias,
        "GrantId": lambda things: things.grant["GrantId"],
        "Policy": lambda things: KEY_POLICY,
        "Tags": lambda things: [{"TagKey": "key", "TagValue": "value"}],
        "Operations": lambda things: ["Encrypt"],
        "KeyPairSpec": lambda things: "ECC_NIST_P256",
        "ReplicaRegion": lambda things: "us-west-2",
        "PrimaryRegion": lambda things: "us-west-2",
    },
    "acm": {
        "CertificateArn": lambda things: things.certificate,
        "DomainName": lambda things: "www.example.com",
        "Domain": lambda things: "www.example.com",
        "ValidationDomain": lambda things: "example.com",
        "Passphrase": lambda things: b"passphrase",
        "Certificate": lambda things: things.pem[0],
        "PrivateKey": lambda things: things.pem[1],
        "Tags": lambda things: [{"Key": "team", "Value": "a"}],
    },
}
"""By a member's name, wherever it is required."""

OF_OPERATIONS: Mapping[str, Mapping[str, Maker]] = {
    "iam.CreateUser": {"UserName": lambda things: things.name("new")},
    "iam.CreateGroup": {"GroupName": lambda things: things.name("new")},
    "iam.CreateRole": {"RoleName": lambda things: things.name("new")},
    "iam.CreateSAMLProvider": {"Name": lambda things: things.name("new")},
    "iam.CreateInstanceProfile": {"InstanceProfileName": lambda things: things.name("new")},
    "iam.CreatePolicy": {"PolicyName": lambda things: things.name("new")},
    # Without a name it is the caller's own, which is not what is asked here.
    "iam.CreateAccessKey": {"UserName": lambda things: things.user},
    "iam.DeleteAccessKey": {"UserName": lambda things: things.user},
    "iam.UpdateAccessKey": {"UserName": lambda things: things.user},
    "iam.ListAccessKeys": {"UserName": lambda things: things.user},
    "iam.DeactivateMFADevice": {"UserName": lambda things: things.user},
    "iam.ListMFADevices": {"UserName": lambda things: things.user},
    "iam.GetMFADevice": {"UserName": lambda things: things.user},
    "iam.UploadServerCertificate": {"ServerCertificateName": lambda things: things.name("new")},
    "iam.UploadSigningCertificate": {"UserName": lambda things: things.user},
    "iam.ListSigningCertificates": {"UserName": lambda things: things.user},
    "iam.UpdateSigningCertificate": {"UserName": lambda things: things.user},
    "iam.DeleteSigningCertificate": {"UserName": lambda things: things.user},
    "iam.ListSSHPublicKeys": {"UserName": lambda things: things.user},
    "iam.CreateServiceLinkedRole": {"AWSServiceName": lambda things: things.linked_service()},
    "iam.DeleteServiceLinkedRole": {"RoleName": lambda things: things.linked_role},
    "iam.ListServiceSpecificCredentials": {"UserName": lambda things: things.user},
    "iam.UpdateServiceSpecificCredential": {"UserName": lambda things: things.user},
    "iam.ResetServiceSpecificCredential": {"UserName": lambda things: things.user},
    "iam.DeleteServiceSpecificCredential": {"UserName": lambda things: things.user},
    "iam.CreateLoginProfile": {"UserName": lambda things: things.user, "Password": lambda things: "Correct-horse-1"},
    "iam.GetLoginProfile": {"UserName": lambda things: things.user},
    "iam.DeleteLoginProfile": {"UserName": lambda things: things.user},
    "iam.GetUser": {"UserName": lambda things: things.user},
    "s3.CreateBucket": {"Bucket": lambda things: things.name("new")},
    "s3.PutBucketOwnershipControls": {
        "OwnershipControls": lambda things: {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    },
    "s3control.CreateAccessPoint": {"Name": lambda things: things.name("new")},
    "s3.PutBucketAbac": {"AbacStatus": lambda things: {"Status": "Disabled"}},
    "s3.PutBucketRequestPayment": {"RequestPaymentConfiguration": lambda things: {"Payer": "BucketOwner"}},
    "s3.UpdateObjectEncryption": {
        "ObjectEncryption": lambda things: {
            "SSEKMS": {"KMSKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/134f2428-cec1-4b25-a1ae-9048164dba47"}
        },
    },
    "s3.PutBucketReplication": {
        "ReplicationConfiguration": lambda things: {
            "Role": things.role["Arn"],
            "Rules": [{"Status": "Enabled", "Destination": {"Bucket": f"arn:aws:s3:::{things.bucket}"}}],
        }
    },
    "s3.PutBucketAcl": {"ACL": lambda things: "private"},
    "s3.PutObjectAcl": {"ACL": lambda things: "bucket-owner-full-control"},
    "s3.PutBucketNotificationConfiguration": {"NotificationConfiguration": lambda things: {}},
    "s3.PutObjectLockConfiguration": {"ObjectLockConfiguration": lambda things: {"ObjectLockEnabled": "Enabled"}},
    "s3.PutObjectRetention": {"Retention": lambda things: RETENTION},
    "s3.RenameObject": {
        "Key": lambda things: "renamed",
        "RenameSource": lambda things: f"{things.bucket}/{things.object}",
    },
    "s3.PutObjectLegalHold": {"LegalHold": lambda things: {"Status": "ON"}},
    "sqs.SetQueueAttributes": {"Attributes": lambda things: {"DelaySeconds": "1"}},
    "sns.CreatePlatformApplication": {
        "Name": lambda things: things.name("new"),
        "Platform": lambda things: "GCM",
        "Attributes": lambda things: {"PlatformCredential": "key"},
    },
    "sns.SetPlatformApplicationAttributes": {"Attributes": lambda things: {"Enabled": "true"}},
    "sns.SetEndpointAttributes": {"Attributes": lambda things: {"Enabled": "true"}},
    "sns.SetSMSAttributes": {"attributes": lambda things: {"DefaultSMSType": "Promotional"}},
    "sns.CreateTopic": {"Name": lambda things: things.name("new")},
    "sns.Subscribe": {"Endpoint": lambda things: things.queue_arn},
    "sns.Publish": {"TopicArn": lambda things: things.topic},
    "sns.SetTopicAttributes": {"AttributeName": lambda things: "DisplayName", "AttributeValue": lambda things: "x"},
    "sns.SetSubscriptionAttributes": {
        "AttributeName": lambda things: "RawMessageDelivery",
        "AttributeValue": lambda things: "true",
    },
    "sqs.CreateQueue": {"QueueName": lambda things: things.name("new")},
    "kms.CreateAlias": {"AliasName": lambda things: things.name("alias/new")},
    "kms.CreateGrant": {"GranteePrincipal": lambda things: f"arn:aws:iam::{ACCOUNT}:root"},
    "kms.Decrypt": {"CiphertextBlob": lambda things: things.ciphertext},
    "kms.ReEncrypt": {"CiphertextBlob": lambda things: things.ciphertext},
    "kms.GenerateDataKey": {"NumberOfBytes": lambda things: 32},
    "kms.GenerateDataKeyWithoutPlaintext": {"NumberOfBytes": lambda things: 32},
    "kms.GenerateRandom": {"NumberOfBytes": lambda things: 32},
    "kms.ListRetirableGrants": {"RetiringPrincipal": lambda things: f"arn:aws:iam::{ACCOUNT}:root"},
    "kms.RetireGrant": {"GrantToken": lambda things: things.grant["GrantToken"]},
    "kms.ScheduleKeyDeletion": {"PendingWindowInDays": lambda things: 7},
    "kms.Sign": {
        "KeyId": lambda things: things.signing_key,
        "SigningAlgorithm": lambda things: "ECDSA_SHA_256",
    },
    "kms.Verify": {
        "KeyId": lambda things: things.signing_key,
        "SigningAlgorithm": lambda things: "ECDSA_SHA_256",
    },
    "kms.GetPublicKey": {"KeyId": lambda things: things.signing_key},
    "kms.GenerateMac": {"KeyId": lambda things: things.mac_key, "MacAlgorithm": lambda things: "HMAC_SHA_256"},
    "kms.VerifyMac": {"KeyId": lambda things: things.mac_key, "MacAlgorithm": lambda things: "HMAC_SHA_256"},
    "kms.DeriveSharedSecret": {"KeyId": lambda things: things.agreement_key},
    "kms.Encapsulate": {"KeyId": lambda things: things.kem_key},
    "kms.Decapsulate": {"KeyId": lambda things: things.kem_key},
    "acm.GetCertificate": {"CertificateArn": lambda things: things.exportable},
    "acm.ExportCertificate": {"CertificateArn": lambda things: things.exportable},
    "acm.RenewCertificate": {"CertificateArn": lambda things: things.exportable},
    "acm.RevokeCertificate": {"CertificateArn": lambda things: things.exportable},
    "acm.UpdateCertificateOptions": {
        "CertificateArn": lambda things: things.exportable,
        "Options": lambda things: {"CertificateTransparencyLoggingPreference": "DISABLED"},
    },
    "acm.ImportCertificate": {"CertificateArn": lambda things: things.imported},
    "acm.PutAccountConfiguration": {"ExpiryEvents": lambda things: {"DaysBeforeExpiry": 30}},
}
"""What an operation is given besides, or instead."""


def example(
    service: str, operation: OperationModel, things: Things, further: Mapping[str, Maker] | None = None
) -> dict[str, Any]:
    """A request of an operation with what the model requires, what OF_OPERATIONS adds, and what is given further."""
    special = {**OF_OPERATIONS.get(f"{service}.{operation.name}", {}), **(further or {})}
    params = _structure(service, operation.input_shape, things, special) if operation.input_shape else {}
    params |= {name: make(things) for name, make in special.items() if make is not left_out}
    return params


def _structure(service: str, shape: Any, things: Things, special: Mapping[str, Maker] = {}) -> dict[str, Any]:
    named = NAMED.get(service, {})
    made = {}
    for name in shape.required_members:
        if name in special:
            continue
        made[name] = named[name](things) if name in named else _value(service, name, shape.members[name], things)
    if shape.type_name == "structure" and getattr(shape, "is_tagged_union", False) and not made:
        name, member = next(iter(shape.members.items()))
        made[name] = _value(service, name, member, things)
    return made


def _value(service: str, name: str, shape: Shape, things: Things) -> Any:
    kind: Any = shape
    if kind.type_name == "structure":
        return _structure(service, kind, things)
    if kind.type_name == "list":
        return [NAMED.get(service, {}).get(name, lambda things: _value(service, name, kind.member, things))(things)]
    if kind.type_name == "map":
        return {_value(service, name, kind.key, things): _value(service, name, kind.value, things)}
    if kind.type_name == "string":
        return (
            kind.enum[0] if kind.enum else name[: kind.metadata.get("max", 20)].ljust(kind.metadata.get("min", 1), "x")
        )
    if kind.type_name == "blob":
        return b"content"
    if kind.type_name == "boolean":
        return False
    if kind.type_name == "timestamp":
        return 1_700_000_000
    return max(int(kind.metadata.get("min", 1)), 1)
