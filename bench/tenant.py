"""What the workloads work on: a user with ten policies, buckets and queues, made through the API itself.

The user is an ordinary one; only these preparations are done by the root user.
"""

import json
import random
from dataclasses import dataclass
from typing import Any

from bench.recorder import Recorder, make_client

BUCKET = "bench-objects"
LARGE_BUCKET = "bench-large"
LIST_BUCKET = "bench-listing"
QUEUES = ("bench-send", "bench-query", "bench-receive")


def _document(sid: str, actions: list[str], resources: list[str], effect: str = "Allow", **condition: Any) -> str:
    statement = {"Sid": sid, "Effect": effect, "Action": actions, "Resource": resources, **condition}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


POLICIES = {
    "read-configuration": _document(
        "ReadConfiguration", ["ssm:GetParameter*", "secretsmanager:GetSecretValue"], ["arn:aws:ssm:*:*:parameter/app/*"]
    ),
    "write-logs": _document("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:*:*:*"]),
    "send-mail": _document(
        "SendMail", ["ses:SendEmail"], ["*"], Condition={"StringLike": {"ses:FromAddress": "*@example.com"}}
    ),
    "use-keys": _document("UseKeys", ["kms:Decrypt", "kms:GenerateDataKey"], ["arn:aws:kms:*:*:key/*"]),
    "read-tables": _document(
        "ReadTables", ["dynamodb:GetItem", "dynamodb:Query"], ["arn:aws:dynamodb:*:*:table/orders*"]
    ),
    "publish-events": _document("PublishEvents", ["sns:Publish"], ["arn:aws:sns:*:*:orders-*"]),
    "no-foreign-network": _document(
        "NoForeignNetwork",
        ["s3:*", "sqs:*"],
        ["*"],
        effect="Deny",
        Condition={"NotIpAddress": {"aws:SourceIp": ["127.0.0.0/8", "10.0.0.0/8"]}},
    ),
    "keep-archive": _document(
        "KeepArchive", ["s3:DeleteObject", "s3:PutObject"], ["arn:aws:s3:::bench-archive/*"], effect="Deny"
    ),
    "use-buckets": _document(
        "UseBuckets",
        ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
        ["arn:aws:s3:::bench-*", "arn:aws:s3:::bench-*/*"],
    ),
    "use-queues": _document(
        "UseQueues", ["sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage"], ["arn:aws:sqs:*:*:bench-*"]
    ),
}


@dataclass(frozen=True, slots=True)
class Tenant:
    """The user's recorder, and the URLs of the queues."""

    endpoint: str
    recorder: Recorder
    queues: dict[str, str]
    random: random.Random


def settle(endpoint: str) -> Tenant:
    """Makes the user, its policies (five managed, five inline), the buckets and the queues."""
    iam = make_client("iam", endpoint)
    iam.create_user(UserName="bench")
    for number, (name, document) in enumerate(POLICIES.items()):
        if number % 2:
            iam.put_user_policy(UserName="bench", PolicyName=name, PolicyDocument=document)
        else:
            policy = iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]
            iam.attach_user_policy(UserName="bench", PolicyArn=policy["Arn"])
    key = iam.create_access_key(UserName="bench")["AccessKey"]
    s3 = make_client("s3", endpoint)
    for bucket in (BUCKET, LARGE_BUCKET, LIST_BUCKET):
        s3.create_bucket(Bucket=bucket)
    sqs = make_client("sqs", endpoint)
    queues = {
        name: sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "43200"})["QueueUrl"] for name in QUEUES
    }
    recorder = Recorder(endpoint, key["AccessKeyId"], key["SecretAccessKey"])
    return Tenant(endpoint, recorder, queues, random.Random(7))
