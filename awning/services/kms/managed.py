"""AWS managed keys: a service's own key in an account and region, made by its first use under alias/aws/SERVICE.

A question of another room may use one, and may not write: so its id and first material are derived from the region's master
key, the same every time, and a background pass stores what was used.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final

import orjson

from awning.kit.call import Call
from awning.services.kms import tables
from awning.services.kms.specs import ENCRYPT, SYMMETRIC
from awning.services.kms.tables import KeyRow

PREFIX: Final = "alias/aws/"
YEAR: Final = 365 * 86_400

SERVICES: Final[Mapping[str, str]] = {
    "acm": "ACM",
    "dynamodb": "DynamoDB",
    "ebs": "EBS",
    "ecr": "ECR",
    "elasticache": "ElastiCache",
    "elasticfilesystem": "EFS",
    "es": "Elasticsearch",
    "fsx": "FSx",
    "kinesis": "Kinesis",
    "kinesisvideo": "Kinesis Video Streams",
    "lambda": "Lambda",
    "rds": "RDS",
    "redshift": "Redshift",
    "s3": "S3",
    "secretsmanager": "AWS Secrets Manager",
    "sns": "SNS",
    "sqs": "SQS",
    "ssm": "SSM",
    "xray": "X-Ray",
}
"""Services that have such a key, by what stands after alias/aws/."""

_DESCRIPTION: Final = "Default key that protects my {} when no other key is defined"
_VIA: Final[Mapping[str, str]] = {"ebs": "ec2"}


def derived(call: Call, account: str, region: str, service: str) -> KeyRow:
    """A service's key as it will be stored."""
    seed = call.room.vault.derive(f"kms managed id {account} {region} {service}")
    key_id = str(uuid.UUID(bytes=seed[:16], version=4))
    return KeyRow(
        id=0,
        account=account,
        region=region,
        key_id=key_id,
        spec=SYMMETRIC,
        usage=ENCRYPT,
        origin="AWS_KMS",
        manager="AWS",
        state="Enabled",
        description=_DESCRIPTION.format("S3 objects" if service == "s3" else f"{SERVICES[service]} data"),
        policy=_policy(account, region, service),
        policy_ids={},
        tags={},
        created=call.now,
        rotation_days=365,
        rotation_next=call.now + YEAR,
    )


def by_alias(call: Call, account: str, region: str, alias: str) -> KeyRow | None:
    """The key that an alias stands for while no alias of that name is stored."""
    service = alias.removeprefix(PREFIX)
    if not alias.startswith(PREFIX) or service not in SERVICES:
        return None
    key = derived(call, account, region, service)
    return tables.find_key(call.db, account, region, key.key_id) or key


def by_id(call: Call, account: str, region: str, key_id: str) -> KeyRow | None:
    """The service's key of this id, while it is not stored."""
    return next(
        (key for key in (derived(call, account, region, one) for one in SERVICES) if key.key_id == key_id), None
    )


def _policy(account: str, region: str, service: str) -> str:
    via = f"{_VIA.get(service, service)}.{region}.amazonaws.com"
    return orjson.dumps(
        {
            "Version": "2012-10-17",
            "Id": f"auto-{service}-1",
            "Statement": [
                {
                    "Sid": f"Allow access through {SERVICES[service]} for all principals in the account that are authorized "
                    f"to use {SERVICES[service]}",
                    "Effect": "Allow",
                    "Principal": {"AWS": "*"},
                    "Action": [
                        "kms:Encrypt",
                        "kms:Decrypt",
                        "kms:ReEncrypt*",
                        "kms:GenerateDataKey*",
                        "kms:CreateGrant",
                        "kms:DescribeKey",
                    ],
                    "Resource": "*",
                    "Condition": {"StringEquals": {"kms:CallerAccount": account, "kms:ViaService": via}},
                },
                {
                    "Sid": "Allow direct access to key metadata to the account",
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
                    "Action": ["kms:Describe*", "kms:Get*", "kms:List*"],
                    "Resource": "*",
                },
            ],
        }
    ).decode()
