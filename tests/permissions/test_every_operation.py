"""Every operation of every room, one by one: without a permission it is denied, with exactly the permissions that it names on
exactly the resources that it names it is allowed, and with any of them on a neighbouring resource it is denied."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from awning.region import ROOMS
from tests.conftest import LiveRegion
from tests.permissions.examples import ACCOUNT, Things, example
from tests.permissions.further import FURTHER

OPERATIONS = [(room, declared) for room in ROOMS for declared in room.operations()]
DENIED = re.compile(r'not authorized to perform: (?P<action>\S+) on resource: "?(?P<resource>[^\s"]+)"? ')
MOST = 6
"""More permissions than any operation needs."""


def names(service: Any) -> dict[str, str]:
    from botocore import xform_name

    return {xform_name(name): name for name in service.meta.service_model.operation_names}


def without_account(request: Any, **_: Any) -> None:
    """Take the account's label, which no name server knows before an address, off the host."""
    request.url = request.url.replace(f"//{ACCOUNT}.", "//", 1)


class Walker:
    """A user who has one policy at a time."""

    def __init__(self, region: LiveRegion) -> None:
        self._region = region
        self._iam = region.client("iam")
        self.name = "walker"
        self._iam.create_user(UserName=self.name)
        key = self._iam.create_access_key(UserName=self.name)["AccessKey"]
        self._key = {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._region.client(service, **self._key)
            self._clients[service].meta.events.register("before-sign.s3-control", without_account)
        return self._clients[service]

    def may(self, permissions: list[tuple[str, str]]) -> None:
        """Have exactly these permissions from the next request on."""
        statements = [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in permissions]
        document = {"Version": "2012-10-17", "Statement": statements}
        if statements:
            self._iam.put_user_policy(UserName=self.name, PolicyName="all", PolicyDocument=json.dumps(document))
        else:
            for name in self._iam.list_user_policies(UserName=self.name)["PolicyNames"]:
                self._iam.delete_user_policy(UserName=self.name, PolicyName=name)

    def attempt(self, service: str, operation: str, params: dict[str, Any]) -> tuple[str, str] | None:
        """Call an operation: the permission (action, resource) that was missing, or None where it was allowed."""
        for value in params.values():
            if hasattr(value, "seek"):
                value.seek(0)
        try:
            answer = self.client(service)._make_api_call(operation, params)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
            assert code != "NotImplemented", message
            # Where a JSON service models AccessDeniedException, it has the status 400.
            if status not in (400, 403) or code not in (
                "AccessDenied",
                "AccessDeniedException",
                "AuthorizationError",
                "403",
            ):
                return None
            return self._missing(message, operation, params)
        for entry in answer.get("Errors", []):
            if entry["Code"] == "AccessDenied":
                # One of DeleteObjects' keys: its message does not say more.
                action = "s3:DeleteObjectVersion" if "VersionId" in entry else "s3:DeleteObject"
                return action, f"arn:aws:s3:::{params['Bucket']}/{entry['Key']}"
        return None

    def _missing(self, message: str, operation: str, params: dict[str, Any]) -> tuple[str, str]:
        found = DENIED.search(message)
        if found is not None:
            return found["action"], found["resource"]
        # A reply to HEAD has no body.
        assert operation in ("HeadBucket", "HeadObject"), message
        bucket = f"arn:aws:s3:::{params['Bucket']}"
        read = "s3:GetObjectVersion" if "VersionId" in params else "s3:GetObject"
        return ("s3:ListBucket", bucket) if operation == "HeadBucket" else (read, f"{bucket}/{params['Key']}")


@pytest.fixture(scope="module")
def walker(region: LiveRegion) -> Walker:
    return Walker(region)


RENAMED = {
    "s3.HeadBucket": "ListBucket",
    "s3.ListBuckets": "ListAllMyBuckets",
    "s3.DeleteBucketTagging": "PutBucketTagging",
    "s3.DeleteBucketCors": "PutBucketCORS",
    "s3.DeleteBucketEncryption": "PutEncryptionConfiguration",
    "s3.DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "s3.DeleteBucketReplication": "PutReplicationConfiguration",
    "s3.DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "s3.PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "s3.GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "s3.DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "s3control.PutPublicAccessBlock": "PutAccountPublicAccessBlock",
    "s3control.GetPublicAccessBlock": "GetAccountPublicAccessBlock",
    "s3control.DeletePublicAccessBlock": "PutAccountPublicAccessBlock",
    "s3.HeadObject": "GetObject",
    "s3.CopyObject": "PutObject",
    "s3.RenameObject": "PutObject",
    "s3.DeleteObjects": "DeleteObject",
    "s3.ListObjects": "ListBucket",
    "s3.ListObjectsV2": "ListBucket",
    "s3.ListObjectVersions": "ListBucketVersions",
    "s3.CreateMultipartUpload": "PutObject",
    "s3.UploadPart": "PutObject",
    "s3.UploadPartCopy": "PutObject",
    "s3.CompleteMultipartUpload": "PutObject",
    "s3.ListMultipartUploads": "ListBucketMultipartUploads",
    "s3.ListParts": "ListMultipartUploadParts",
    "s3.GetBucketCors": "GetBucketCORS",
    "s3.PutBucketCors": "PutBucketCORS",
    "s3.GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "s3.PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "s3.GetBucketEncryption": "GetEncryptionConfiguration",
    "s3.PutBucketEncryption": "PutEncryptionConfiguration",
    "s3.GetBucketReplication": "GetReplicationConfiguration",
    "s3.PutBucketReplication": "PutReplicationConfiguration",
    "s3.GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "s3.PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "s3.GetBucketNotificationConfiguration": "GetBucketNotification",
    "s3.PutBucketNotificationConfiguration": "PutBucketNotification",
    "s3.DeleteBucketMetricsConfiguration": "PutMetricsConfiguration",
    "s3.GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "s3.GetBucketMetricsConfiguration": "GetMetricsConfiguration",
    "s3.ListBucketMetricsConfigurations": "GetMetricsConfiguration",
    "s3.PutBucketAccelerateConfiguration": "PutAccelerateConfiguration",
    "s3.PutBucketMetricsConfiguration": "PutMetricsConfiguration",
    "sqs.SendMessageBatch": "SendMessage",
    "sqs.DeleteMessageBatch": "DeleteMessage",
    "sqs.ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
    "sns.PublishBatch": "Publish",
    "kms.ReEncrypt": "ReEncryptFrom",
}
"""Where an operation's permission is not called like the operation. Source: the service authorization reference."""

WHOLE = {
    "s3control.put_public_access_block",
    "s3control.get_public_access_block",
    "s3control.delete_public_access_block",
    "s3control.get_access_point",
    "s3control.list_access_points",
    "iam.create_account_alias",
    "iam.generate_credential_report",
    "iam.get_service_last_accessed_details",
    "iam.get_service_last_accessed_details_with_entities",
    "iam.set_security_token_service_preferences",
    "iam.get_credential_report",
    "iam.update_account_password_policy",
    "iam.get_account_password_policy",
    "iam.delete_account_password_policy",
    "iam.simulate_custom_policy",
    "iam.get_context_keys_for_custom_policy",
    "iam.list_account_aliases",
    "iam.list_open_id_connect_providers",
    "iam.list_saml_providers",
    "iam.delete_account_alias",
    "iam.get_account_summary",
    "iam.get_account_authorization_details",
    "acm.get_account_configuration",
    "acm.list_certificates",
    "acm.put_account_configuration",
    "acm.request_certificate",
    "acm.search_certificates",
    "kms.create_key",
    "kms.generate_random",
    "kms.list_aliases",
    "kms.list_keys",
    "kms.list_retirable_grants",
    "kms.replicate_key",
    "s3.list_buckets",
    "sns.check_if_phone_number_is_opted_out",
    "sns.create_sms_sandbox_phone_number",
    "sns.delete_sms_sandbox_phone_number",
    "sns.get_sms_attributes",
    "sns.get_sms_sandbox_account_status",
    "sns.list_origination_numbers",
    "sns.list_phone_numbers_opted_out",
    "sns.list_sms_sandbox_phone_numbers",
    "sns.opt_in_phone_number",
    "sns.set_sms_attributes",
    "sns.verify_sms_sandbox_phone_number",
    "sts.decode_authorization_message",
    "sts.get_access_key_info",
}
"""Operations on no resource in particular: their permission is on "*"."""

OWN = {"iam.change_password"}
"""Operations on the caller itself, whom the request does not name."""

NEED_NOTHING = {
    "sts.assume_role_with_saml",
    "sts.assume_role_with_web_identity",
    "sts.get_caller_identity",
    "sts.get_session_token",
}
"""Whoever signs needs no permission. Where a request itself proves who sends it, that one needs some: tests/services/sts."""


def walk(walker: Walker, service: str, operation: str, params: dict[str, Any]) -> list[tuple[str, str]]:
    """Give one missing permission after the other until the request is allowed; each is proven on a neighbour first."""
    given: list[tuple[str, str]] = []
    walker.may([])
    while (missing := walker.attempt(service, operation, params)) is not None:
        assert missing not in given, f"{missing} was given, and is denied all the same"
        assert len(given) < MOST
        neighbour = f"{missing[1]}x" if missing[1] != "*" else f"arn:aws:iam::{ACCOUNT}:user/nobody"
        walker.may([*given, (missing[0], neighbour)])
        assert walker.attempt(service, operation, params) == missing, "a neighbouring resource is enough"
        given.append(missing)
        walker.may(given)
    return given


@pytest.mark.parametrize(("room", "name"), OPERATIONS, ids=[f"{room.name}.{name}" for room, name in OPERATIONS])
def test_an_operation_is_denied_unless_exactly_its_permissions_are_there(
    region: LiveRegion, walker: Walker, room: Any, name: str
) -> None:
    client = walker.client(room.model)
    operation = names(client)[name]
    model = client.meta.service_model.operation_model(operation)
    things = Things(region, f"{room.name}-{name.replace('_', '-')}"[:40])
    given = walk(walker, room.model, operation, example(room.name, model, things))
    if f"{room.name}.{name}" in NEED_NOTHING:
        assert given == []
        return
    assert given, "it needs no permission"
    _declared(room, name, given)
    expected = RENAMED.get(f"{room.name}.{operation}", operation)
    assert f"{room.home}:{expected}" in {action for action, _ in given}
    assert len(things.names) < 2 or f"{room.name}.{name}" in FURTHER, "which of these is it?"
    for action, resource in given:
        named = any(made in resource for made in things.names)
        if resource == "*":
            named = f"{room.name}.{name}" in WHOLE
        if f"{room.name}.{name}" in OWN:
            named = resource == f"arn:aws:iam::{ACCOUNT}:user/{walker.name}"
        whole = name.startswith("list_") and re.fullmatch(
            rf"arn:aws:[a-z0-9-]+:[^:]*:{ACCOUNT}:([a-z-]+/|\*)", resource
        )
        assert named or whole, f"{action} is asked for on {resource}, which the request does not name"


def _declared(room: Any, name: str, given: list[tuple[str, str]]) -> None:
    """What was asked for is what the declaration says, where the declaration says it at all."""
    needs = room.operations()[name].needs
    if needs:
        assert {action for action, _ in given} <= {need.action for need in needs}


CASES = [(where, number) for where, cases in FURTHER.items() for number in range(len(cases))]


@pytest.mark.parametrize(("where", "number"), CASES, ids=[f"{where}-{number}" for where, number in CASES])
def test_a_request_that_asks_for_more_needs_just_that(
    region: LiveRegion, walker: Walker, where: str, number: int
) -> None:
    service, _, name = where.partition(".")
    room = next(room for room in ROOMS if room.name == service)
    client = walker.client(room.model)
    operation = names(client)[name]
    things = Things(region, f"{name.replace('_', '-')}-further-{number}"[:40])
    case = FURTHER[where][number]
    params = example(service, client.meta.service_model.operation_model(operation), things, case.further)
    given = walk(walker, room.model, operation, params)
    assert sorted(given) == sorted((action, resource(things)) for action, resource in case.needs)


def test_no_permission_of_any_operation_goes_unproven() -> None:
    for room, name in OPERATIONS:
        needs = room.operations()[name].needs
        if len(needs) < 2 or room.operations()[name].identify is not None:
            continue
        proven = {action for case in FURTHER.get(f"{room.name}.{name}", ()) for action, _ in case.needs}
        usual = {needs[0].action}  # what the plain request needs
        assert {need.action for need in needs} == proven | usual, f"{room.name}.{name}"
