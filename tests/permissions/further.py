"""Requests that ask for more than an operation's first permission, and all that each needs: (action, resource's maker).

Source: the service authorization reference, and each operation's page ("Permissions").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.permissions.examples import ACCOUNT, REGION, Maker, Things, left_out

TAGS = [{"Key": "team", "Value": "a"}]


class Case(NamedTuple):
    """What a request has besides the operation's example, and what it needs."""

    further: Mapping[str, Maker]
    needs: tuple[tuple[str, Maker], ...]


def fixed(value: Any) -> Maker:
    return lambda things: value


def key(name: str = "key") -> Maker:
    return lambda things: f"arn:aws:s3:::{things.bucket}/{name}"


def bucket(things: Things) -> str:
    return f"arn:aws:s3:::{things.names[0]}"


def access_point(things: Things) -> str:
    return f"arn:aws:s3:{REGION}:{ACCOUNT}:accesspoint/{things.names[0]}"


def new(service: str, kind: str = "") -> Maker:
    """What the request makes, which is the first thing of its name."""
    place = f"arn:aws:iam::{ACCOUNT}:{kind}/" if service == "iam" else f"arn:aws:{service}:{REGION}:{ACCOUNT}:"
    return lambda things: place + things.names[0]


def entity(kind: str) -> Maker:
    return lambda things: f"arn:aws:iam::{ACCOUNT}:{kind}/{getattr(things, kind)}"


def new_issuer(things: Things) -> str:
    return f"arn:aws:iam::{ACCOUNT}:oidc-provider/{things.names[0]}.example.com"


def federated(things: Things) -> str:
    return f"arn:aws:sts::{ACCOUNT}:federated-user/{things.names[0][:32]}"


def role(things: Things) -> str:
    return str(things.role["Arn"])


def instance_profile(things: Things) -> str:
    return f"arn:aws:iam::{ACCOUNT}:instance-profile/{things.profile}"


def server_certificate(things: Things) -> str:
    return f"arn:aws:iam::{ACCOUNT}:server-certificate/{things.server_certificate}"


def queue(things: Things) -> str:
    return things.queue_arn


def topic(things: Things) -> str:
    return things.topic


def subscription(things: Things) -> str:
    return things.subscription


def endpoint(things: Things) -> str:
    return things.endpoint


def kms_arn(name: str) -> str:
    return f"arn:aws:kms:{REGION}:{ACCOUNT}:{name}"


def replica(things: Things) -> str:
    return f"arn:aws:kms:us-west-2:{ACCOUNT}:key/{things.names[0]}"


def kms_key(things: Things) -> str:
    return kms_arn(f"key/{things.kms_key}")


def kms_alias(things: Things) -> str:
    return kms_arn(next(name for name in things.names if name.startswith("alias/")))


ANY_CERTIFICATE = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/*"


def source(things: Things) -> dict[str, str]:
    return {"Bucket": things.bucket, "Key": things.object}


MOVING = tuple((f"sqs:{name}", queue) for name in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"))
NULL = {"VersionId": fixed("null")}
FROM_NULL: Mapping[str, Maker] = {
    "CopySource": lambda things: {"Bucket": things.bucket, "Key": things.object, "VersionId": "null"}
}
TAGGED = {"Tagging": fixed("team=a")}
OWNED = {"ACL": fixed("bucket-owner-full-control")}
RETAINED = {"ObjectLockMode": fixed("GOVERNANCE"), "ObjectLockRetainUntilDate": fixed(4_000_000_000)}
HELD = {"ObjectLockLegalHoldStatus": fixed("ON")}
BYPASS = {"BypassGovernanceRetention": fixed(True)}
COPY = {"Key": fixed("copy"), "CopySource": source}
COPYING = (("s3:PutObject", key("copy")), ("s3:GetObject", key()))


def only(action: str, resource: Maker) -> tuple[Case, ...]:
    """A plain request that names several things: the one that its permission is on."""
    return (Case({}, ((action, resource),)),)


FURTHER: Mapping[str, tuple[Case, ...]] = {
    "iam.create_instance_profile": (
        Case(
            {"Tags": fixed(TAGS)},
            (
                ("iam:CreateInstanceProfile", new("iam", "instance-profile")),
                ("iam:TagInstanceProfile", new("iam", "instance-profile")),
            ),
        ),
    ),
    "iam.add_role_to_instance_profile": (
        Case({}, (("iam:AddRoleToInstanceProfile", instance_profile), ("iam:PassRole", role))),
    ),
    "iam.remove_role_from_instance_profile": only("iam:RemoveRoleFromInstanceProfile", instance_profile),
    "iam.upload_server_certificate": (
        Case(
            {"Tags": fixed(TAGS)},
            (
                ("iam:UploadServerCertificate", new("iam", "server-certificate")),
                ("iam:TagServerCertificate", new("iam", "server-certificate")),
            ),
        ),
    ),
    "iam.update_server_certificate": (
        Case(
            {"NewServerCertificateName": fixed("renamed-certificate")},
            (
                ("iam:UpdateServerCertificate", server_certificate),
                (
                    "iam:UpdateServerCertificate",
                    fixed(f"arn:aws:iam::{ACCOUNT}:server-certificate/renamed-certificate"),
                ),
            ),
        ),
    ),
    "iam.create_virtual_mfa_device": (
        Case(
            {"Tags": fixed(TAGS)},
            (("iam:CreateVirtualMFADevice", new("iam", "mfa")), ("iam:TagMFADevice", new("iam", "mfa"))),
        ),
    ),
    "iam.enable_mfa_device": only("iam:EnableMFADevice", entity("user")),
    "iam.resync_mfa_device": only("iam:ResyncMFADevice", entity("user")),
    "iam.deactivate_mfa_device": only("iam:DeactivateMFADevice", entity("user")),
    "iam.get_mfa_device": only("iam:GetMFADevice", entity("user")),
    "iam.create_open_id_connect_provider": (
        Case(
            {"Tags": fixed(TAGS)},
            (("iam:CreateOpenIDConnectProvider", new_issuer), ("iam:TagOpenIDConnectProvider", new_issuer)),
        ),
    ),
    "iam.create_saml_provider": (
        Case(
            {"Tags": fixed(TAGS)},
            (
                ("iam:CreateSAMLProvider", new("iam", "saml-provider")),
                ("iam:TagSAMLProvider", new("iam", "saml-provider")),
            ),
        ),
    ),
    "iam.create_user": (
        Case({"Tags": fixed(TAGS)}, (("iam:CreateUser", new("iam", "user")), ("iam:TagUser", new("iam", "user")))),
    ),
    "iam.create_role": (
        Case({"Tags": fixed(TAGS)}, (("iam:CreateRole", new("iam", "role")), ("iam:TagRole", new("iam", "role")))),
    ),
    "iam.create_policy": (
        Case(
            {"Tags": fixed(TAGS)}, (("iam:CreatePolicy", new("iam", "policy")), ("iam:TagPolicy", new("iam", "policy")))
        ),
    ),
    "iam.update_user": (
        Case(
            {"NewUserName": fixed("renamed-user")},
            (
                ("iam:UpdateUser", entity("user")),
                ("iam:UpdateUser", fixed(f"arn:aws:iam::{ACCOUNT}:user/renamed-user")),
            ),
        ),
    ),
    "iam.update_group": (
        Case(
            {"NewGroupName": fixed("renamed-group")},
            (
                ("iam:UpdateGroup", entity("group")),
                ("iam:UpdateGroup", fixed(f"arn:aws:iam::{ACCOUNT}:group/renamed-group")),
            ),
        ),
    ),
    "sts.get_federation_token": (
        Case({"Tags": fixed(TAGS)}, (("sts:GetFederationToken", federated), ("sts:TagSession", federated))),
    ),
    "sts.assume_role": (
        Case({"Tags": fixed(TAGS)}, (("sts:AssumeRole", role), ("sts:TagSession", role))),
        Case({"SourceIdentity": fixed("someone")}, (("sts:AssumeRole", role), ("sts:SetSourceIdentity", role))),
    ),
    "s3control.create_access_point": (
        Case({"Tags": fixed(TAGS)}, (("s3:CreateAccessPoint", access_point), ("s3:TagResource", access_point))),
    ),
    "s3.create_bucket": (
        Case({"ACL": fixed("public-read")}, (("s3:CreateBucket", bucket), ("s3:PutBucketAcl", bucket))),
        Case(
            {"ObjectOwnership": fixed("BucketOwnerEnforced")},
            (("s3:CreateBucket", bucket), ("s3:PutBucketOwnershipControls", bucket)),
        ),
        Case(
            {"CreateBucketConfiguration": fixed({"Tags": TAGS})},
            (("s3:CreateBucket", bucket), ("s3:TagResource", bucket)),
        ),
        Case(
            {"ObjectLockEnabledForBucket": fixed(True)},
            (
                ("s3:CreateBucket", bucket),
                ("s3:PutBucketObjectLockConfiguration", bucket),
                ("s3:PutBucketVersioning", bucket),
            ),
        ),
    ),
    "s3.put_bucket_replication": (Case({}, (("s3:PutReplicationConfiguration", bucket), ("iam:PassRole", role))),),
    "s3.put_object": (
        Case(TAGGED, (("s3:PutObject", key()), ("s3:PutObjectTagging", key()))),
        Case(OWNED, (("s3:PutObject", key()), ("s3:PutObjectAcl", key()))),
        Case(RETAINED, (("s3:PutObject", key()), ("s3:PutObjectRetention", key()))),
        Case(HELD, (("s3:PutObject", key()), ("s3:PutObjectLegalHold", key()))),
    ),
    "s3.create_multipart_upload": (
        Case(TAGGED, (("s3:PutObject", key()), ("s3:PutObjectTagging", key()))),
        Case(OWNED, (("s3:PutObject", key()), ("s3:PutObjectAcl", key()))),
        Case(RETAINED, (("s3:PutObject", key()), ("s3:PutObjectRetention", key()))),
        Case(HELD, (("s3:PutObject", key()), ("s3:PutObjectLegalHold", key()))),
    ),
    "s3.copy_object": (
        Case(COPY, COPYING),
        Case(
            {**COPY, **TAGGED, "TaggingDirective": fixed("REPLACE")}, (*COPYING, ("s3:PutObjectTagging", key("copy")))
        ),
        Case({**COPY, **OWNED}, (*COPYING, ("s3:PutObjectAcl", key("copy")))),
        Case({**COPY, **RETAINED}, (*COPYING, ("s3:PutObjectRetention", key("copy")))),
        Case({**COPY, **HELD}, (*COPYING, ("s3:PutObjectLegalHold", key("copy")))),
        Case({**COPY, **FROM_NULL}, (("s3:PutObject", key("copy")), ("s3:GetObjectVersion", key()))),
    ),
    "s3.upload_part_copy": (
        Case({}, (("s3:PutObject", key()), ("s3:GetObject", key()))),
        Case(FROM_NULL, (("s3:PutObject", key()), ("s3:GetObjectVersion", key()))),
    ),
    "s3.put_object_tagging": (Case(NULL, (("s3:PutObjectVersionTagging", key()),)),),
    "s3.get_object_tagging": (Case(NULL, (("s3:GetObjectVersionTagging", key()),)),),
    "s3.delete_object_tagging": (Case(NULL, (("s3:DeleteObjectVersionTagging", key()),)),),
    "s3.get_object": (Case(NULL, (("s3:GetObjectVersion", key()),)),),
    "s3.head_object": (Case(NULL, (("s3:GetObjectVersion", key()),)),),
    "s3.get_object_acl": (Case(NULL, (("s3:GetObjectVersionAcl", key()),)),),
    "s3.put_object_acl": (Case(NULL, (("s3:PutObjectVersionAcl", key()),)),),
    "s3.get_object_attributes": (
        Case({}, (("s3:GetObject", key()), ("s3:GetObjectAttributes", key()))),
        Case(NULL, (("s3:GetObjectVersion", key()), ("s3:GetObjectVersionAttributes", key()))),
    ),
    "s3.delete_object": (
        Case(NULL, (("s3:DeleteObjectVersion", key()),)),
        Case({**NULL, **BYPASS}, (("s3:DeleteObjectVersion", key()), ("s3:BypassGovernanceRetention", key()))),
    ),
    "s3.rename_object": (
        Case({}, (("s3:PutObject", key("renamed")), ("s3:GetObject", key()), ("s3:DeleteObject", key()))),
    ),
    "s3.put_object_retention": (
        Case(BYPASS, (("s3:PutObjectRetention", key()), ("s3:BypassGovernanceRetention", key()))),
    ),
    "s3.delete_objects": (
        Case(
            {"Delete": lambda things: {"Objects": [{"Key": things.object, "VersionId": "null"}]}},
            (("s3:DeleteObjectVersion", key()),),
        ),
    ),
    "sqs.create_queue": (
        Case({"tags": fixed({"team": "a"})}, (("sqs:CreateQueue", new("sqs")), ("sqs:TagQueue", new("sqs")))),
    ),
    "sqs.start_message_move_task": (
        Case(
            {"DestinationArn": fixed(f"arn:aws:sqs:{REGION}:{ACCOUNT}:elsewhere")},
            (
                ("sqs:StartMessageMoveTask", queue),
                *MOVING,
                ("sqs:SendMessage", fixed(f"arn:aws:sqs:{REGION}:{ACCOUNT}:elsewhere")),
            ),
        ),
    ),
    "sqs.cancel_message_move_task": (Case({}, (("sqs:CancelMessageMoveTask", queue), *MOVING)),),
    "sqs.list_message_move_tasks": (Case({}, (("sqs:ListMessageMoveTasks", queue), *MOVING)),),
    "sns.create_topic": (
        Case({"Tags": fixed(TAGS)}, (("sns:CreateTopic", new("sns")), ("sns:TagResource", new("sns")))),
    ),
    "iam.add_user_to_group": only("iam:AddUserToGroup", entity("group")),
    "iam.remove_user_from_group": only("iam:RemoveUserFromGroup", entity("group")),
    "iam.attach_user_policy": only("iam:AttachUserPolicy", entity("user")),
    "iam.attach_role_policy": only("iam:AttachRolePolicy", role),
    "iam.attach_group_policy": only("iam:AttachGroupPolicy", entity("group")),
    "iam.detach_user_policy": only("iam:DetachUserPolicy", entity("user")),
    "iam.detach_role_policy": only("iam:DetachRolePolicy", role),
    "iam.detach_group_policy": only("iam:DetachGroupPolicy", entity("group")),
    "iam.put_user_permissions_boundary": only("iam:PutUserPermissionsBoundary", entity("user")),
    "iam.put_role_permissions_boundary": only("iam:PutRolePermissionsBoundary", role),
    "sns.subscribe": only("sns:Subscribe", topic),
    "sns.unsubscribe": only("sns:Unsubscribe", subscription),
    "sns.get_subscription_attributes": only("sns:GetSubscriptionAttributes", subscription),
    "sns.set_subscription_attributes": only("sns:SetSubscriptionAttributes", subscription),
    "sns.get_endpoint_attributes": only("sns:GetEndpointAttributes", endpoint),
    "sns.set_endpoint_attributes": only("sns:SetEndpointAttributes", endpoint),
    "sns.delete_endpoint": only("sns:DeleteEndpoint", endpoint),
    "kms.create_key": (
        Case(
            {"Tags": fixed([{"TagKey": "team", "TagValue": "a"}])},
            (("kms:CreateKey", fixed("*")), ("kms:TagResource", fixed(kms_arn("key/*")))),
        ),
    ),
    "kms.replicate_key": (
        Case({}, (("kms:ReplicateKey", kms_key), ("kms:CreateKey", fixed("*")))),
        Case(
            {"Tags": fixed([{"TagKey": "team", "TagValue": "a"}])},
            (("kms:ReplicateKey", kms_key), ("kms:CreateKey", fixed("*")), ("kms:TagResource", replica)),
        ),
    ),
    "kms.create_alias": (Case({}, (("kms:CreateAlias", kms_alias), ("kms:CreateAlias", kms_key))),),
    "kms.update_alias": (
        Case(
            {"TargetKeyId": lambda things: things.signing_key},
            (
                ("kms:UpdateAlias", kms_alias),
                ("kms:UpdateAlias", kms_key),
                ("kms:UpdateAlias", lambda things: kms_arn(f"key/{things.signing_key}")),
            ),
        ),
    ),
    "acm.request_certificate": (
        Case(
            {"Tags": fixed([{"Key": "team", "Value": "a"}])},
            (("acm:RequestCertificate", fixed("*")), ("acm:AddTagsToCertificate", fixed(ANY_CERTIFICATE))),
        ),
    ),
    "acm.import_certificate": (
        Case(
            {"CertificateArn": left_out, "Tags": fixed([{"Key": "team", "Value": "a"}])},
            (
                ("acm:ImportCertificate", fixed(ANY_CERTIFICATE)),
                ("acm:AddTagsToCertificate", fixed(ANY_CERTIFICATE)),
            ),
        ),
    ),
    "kms.delete_alias": (Case({}, (("kms:DeleteAlias", kms_alias), ("kms:DeleteAlias", kms_key))),),
}
"""By room and operation. One that may need more than one permission, or whose request names several things, must be here."""
