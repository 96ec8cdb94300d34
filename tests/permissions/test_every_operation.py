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

OPERATIONS = [(room, declared) for room in ROOMS for declared in room.operations()]
DENIED = re.compile(r'not authorized to perform: (?P<action>\S+) on resource: "?(?P<resource>[^\s"]+)"? ')
MOST = 6
"""More permissions than any operation needs."""


def names(service: Any) -> dict[str, str]:
    from botocore import xform_name

    return {xform_name(name): name for name in service.meta.service_model.operation_names}


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
            if status != 403 or code not in ("AccessDenied", "AccessDeniedException", "AuthorizationError", "403"):
                return None
            return self._missing(message, operation, params)
        for entry in answer.get("Errors", []):
            if entry["Code"] == "AccessDenied":
                # One of DeleteObjects' keys: its message does not say more.
                return "s3:DeleteObject", f"arn:aws:s3:::{params['Bucket']}/{entry['Key']}"
        return None

    def _missing(self, message: str, operation: str, params: dict[str, Any]) -> tuple[str, str]:
        found = DENIED.search(message)
        if found is not None:
            return found["action"], found["resource"]
        # A reply to HEAD has no body.
        assert operation in ("HeadBucket", "HeadObject"), message
        bucket = f"arn:aws:s3:::{params['Bucket']}"
        return ("s3:ListBucket", bucket) if operation == "HeadBucket" else ("s3:GetObject", f"{bucket}/{params['Key']}")


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
    "s3.HeadObject": "GetObject",
    "s3.CopyObject": "PutObject",
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
    "s3.GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "sqs.SendMessageBatch": "SendMessage",
    "sqs.DeleteMessageBatch": "DeleteMessage",
    "sqs.ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
    "sns.PublishBatch": "Publish",
    "kms.ReEncrypt": "ReEncryptFrom",
}
"""Where an operation's permission is not called like the operation. Source: the service authorization reference."""

NEED_NOTHING = {"sts.get_caller_identity", "sts.get_session_token"}


@pytest.mark.parametrize(("room", "name"), OPERATIONS, ids=[f"{room.name}.{name}" for room, name in OPERATIONS])
def test_an_operation_is_denied_unless_exactly_its_permissions_are_there(
    region: LiveRegion, walker: Walker, room: Any, name: str
) -> None:
    walker.may([])
    client = walker.client(room.model)
    operation = names(client)[name]
    model = client.meta.service_model.operation_model(operation)
    things = Things(region, f"{room.name}-{name.replace('_', '-')}"[:40])
    params = example(room.name, model, things)
    given: list[tuple[str, str]] = []
    while (missing := walker.attempt(room.model, operation, params)) is not None:
        assert missing not in given, f"{missing} was given, and is denied all the same"
        assert len(given) < MOST
        neighbour = f"{missing[1]}x" if missing[1] != "*" else f"arn:aws:iam::{ACCOUNT}:user/nobody"
        walker.may([*given, (missing[0], neighbour)])
        assert walker.attempt(room.model, operation, params) == missing, "a neighbouring resource is enough"
        given.append(missing)
        walker.may(given)
    if f"{room.name}.{name}" in NEED_NOTHING:
        assert given == []
        return
    assert given, "it needs no permission"
    _declared(room, name, given)
    expected = RENAMED.get(f"{room.name}.{operation}", operation)
    assert f"{room.name}:{expected}" in {action for action, _ in given}
    for action, resource in given:
        named = any(made in resource for made in things.names) or resource == "*"
        whole = name.startswith("list_") and re.fullmatch(
            rf"arn:aws:[a-z0-9-]+:[^:]*:{ACCOUNT}:([a-z-]+/|\*)", resource
        )
        assert named or whole, f"{action} is asked for on {resource}, which the request does not name"


def _declared(room: Any, name: str, given: list[tuple[str, str]]) -> None:
    """What was asked for is what the declaration says, where the declaration says it at all."""
    needs = room.operations()[name].needs
    if needs:
        assert {action for action, _ in given} <= {need.action for need in needs}
