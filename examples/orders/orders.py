"""A small application: an order is a document in a bucket and a message in a queue; a worker prints what is waiting.

It knows nothing of awning: its clients go where the environment says.
"""

from __future__ import annotations

import json
from typing import Any

import boto3

BUCKET = "orders"
QUEUE = "to-print"


def place(number: str, items: list[str]) -> None:
    """Store an order, and ask for it to be printed."""
    boto3.client("s3").put_object(Bucket=BUCKET, Key=f"{number}.json", Body=json.dumps(items).encode())
    sqs = boto3.client("sqs")
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"], MessageBody=number)


def print_next(worker: Any) -> str | None:
    """Print the next order with a worker's own session; None where nothing waits. A worker that fails leaves it to another."""
    sqs, s3 = worker.client("sqs"), worker.client("s3")
    url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    for message in sqs.receive_message(QueueUrl=url, VisibilityTimeout=300).get("Messages", []):
        body = s3.get_object(Bucket=BUCKET, Key=f"{message['Body']}.json")["Body"].read()
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return f"{message['Body']}: {', '.join(json.loads(body))}"
    return None


def link(number: str) -> str:
    """A link to an order, good for an hour."""
    where = {"Bucket": BUCKET, "Key": f"{number}.json"}
    return str(boto3.client("s3").generate_presigned_url("get_object", where, ExpiresIn=3600))


WORKER_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["sqs:GetQueueUrl", "sqs:ReceiveMessage", "sqs:DeleteMessage"],
            "Resource": f"arn:aws:sqs:*:*:{QUEUE}",
        },
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"},
    ],
}
"""What a worker may do; it is deployed with the application, and tested with it."""
