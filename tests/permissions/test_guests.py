"""Every operation of S3 by who is nobody in particular, by another account, and by an administrator whom the bucket's policy
denies everything: none gets anything."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from awning.region import ROOMS
from tests.conftest import LiveRegion
from tests.permissions.examples import ACCOUNT, Things, example
from tests.permissions.test_every_operation import names

ROOM = next(room for room in ROOMS if room.name == "s3")
OF_ONES_OWN = {"create_bucket", "list_buckets"}
"""What is about the caller's own account: only nobody in particular has none."""


def refusal(client: Any, operation: str, params: dict[str, Any]) -> str | int:
    """Return the error's code (of HEAD the status), or the status of what was not refused."""
    for value in params.values():
        if hasattr(value, "seek"):
            value.seek(0)
    try:
        answer = client._make_api_call(operation, params)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    codes = {entry["Code"] for entry in answer.get("Errors", [])}
    status: int = answer["ResponseMetadata"]["HTTPStatusCode"]
    return codes.pop() if len(codes) == 1 else status


@pytest.fixture(scope="module")
def administrator(region: LiveRegion) -> Any:
    iam = region.client("iam")
    iam.create_user(UserName="denied-administrator")
    policy = "arn:aws:iam::aws:policy/AdministratorAccess"
    iam.attach_user_policy(UserName="denied-administrator", PolicyArn=policy)
    key = iam.create_access_key(UserName="denied-administrator")["AccessKey"]
    return region.client("s3", key=key["AccessKeyId"], secret=key["SecretAccessKey"])


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ROOM.operations()))
def test_whom_nothing_allows_gets_nothing(region: LiveRegion, administrator: Any, name: str) -> None:
    root = region.client("s3")
    operation = names(root)[name]
    things = Things(region, f"guest-{name.replace('_', '-')}"[:40])
    params = example("s3", root.meta.service_model.operation_model(operation), things)
    nobody = region.client("s3", config=Config(signature_version=UNSIGNED, retries={"max_attempts": 0}))
    assert refusal(nobody, operation, params) in ("AccessDenied", "403")
    if name in OF_ONES_OWN:
        return
    assert refusal(region.client("s3", key="222222222222"), operation, params) in ("AccessDenied", "403")
    bucket = params["Bucket"]
    statement = {
        "Effect": "Deny",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/denied-administrator"},
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }
    root.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statement}))
    assert refusal(administrator, operation, params) in ("AccessDenied", "403")
