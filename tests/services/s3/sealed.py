"""What the tests of encryption share: requests of every kind, and what replies show of them."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from tests.services.s3.support import ACCOUNT

KEY, ANOTHER = bytes(range(32)), bytes(range(32, 64))


def own(key: bytes = KEY, prefix: str = "sse_customer") -> dict[str, Any]:
    """A client's own key as boto3 sends it."""
    md5 = base64.b64encode(hashlib.md5(key).digest()).decode()
    return {f"{prefix}_algorithm": "AES256", f"{prefix}_key": base64.b64encode(key).decode(), f"{prefix}_key_md5": md5}


def of_source(key: bytes = KEY) -> dict[str, Any]:
    return own(key, "copy_source_sse_customer")


KINDS: dict[str, dict[str, Any]] = {
    "sse-s3": {"server_side_encryption": "AES256"},
    "sse-kms": {"server_side_encryption": "aws:kms", "ssekms_key_id": "1234"},
    "bucket key": {"server_side_encryption": "aws:kms", "bucket_key_enabled": True},
    "dsse-kms": {"server_side_encryption": "aws:kms:dsse"},
    "sse-c": own(),
}


def to_read(params: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name.startswith("sse_customer")}


def rule(algorithm: str = "aws:kms", key: str | None = "77", bucket_key: bool = False, *blocked: str) -> dict[str, Any]:
    default = {"SSEAlgorithm": algorithm, **({} if key is None else {"KMSMasterKeyID": key})}
    made: dict[str, Any] = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": bucket_key}
    if blocked:
        made["BlockedEncryptionTypes"] = {"EncryptionType": list(blocked)}
    return {"Rules": [made]}


ARN = f"arn:aws:kms:us-east-1:{ACCOUNT}:key"
SHOWN: dict[str, dict[str, Any]] = {
    "sse-s3": {"ServerSideEncryption": "AES256"},
    "sse-kms": {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": f"{ARN}/1234"},
    "bucket key": {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": f"{ARN}/default", "BucketKeyEnabled": True},
    "dsse-kms": {"ServerSideEncryption": "aws:kms:dsse", "SSEKMSKeyId": f"{ARN}/default"},
    "sse-c": {"SSECustomerAlgorithm": "AES256", "SSECustomerKeyMD5": own()["sse_customer_key_md5"]},
}


def said(reply: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in reply.items() if name.startswith(("ServerSide", "SSE", "BucketKey"))}
