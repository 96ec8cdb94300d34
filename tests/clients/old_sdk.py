"""Runs under boto3 1.26 in an environment of its own: a queue's life and an object's, told as JSON."""

import json
import sys
from typing import Any

import boto3
from botocore.exceptions import ClientError


def main(endpoint: str, name: str) -> None:
    found: dict[str, Any] = {"version": boto3.__version__}
    sqs = boto3.client("sqs", endpoint_url=endpoint)
    url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "45"})["QueueUrl"]
    colour = {"colour": {"DataType": "String", "StringValue": "blue"}}
    sqs.send_message(QueueUrl=url, MessageBody="one", MessageAttributes=colour)
    batch = [{"Id": "2", "MessageBody": "two ü & <more>"}, {"Id": "3", "MessageBody": "three"}]
    sqs.send_message_batch(QueueUrl=url, Entries=batch)
    messages = []
    for _ in range(10):
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
        messages += answer.get("Messages", [])
        if len(messages) >= 3:
            break
    found["bodies"] = sorted(message["Body"] for message in messages)
    found["attribute"] = next(m for m in messages if m["Body"] == "one")["MessageAttributes"]["colour"]["StringValue"]
    found["visibility"] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"][
        "VisibilityTimeout"
    ]
    entries = [{"Id": str(i), "ReceiptHandle": message["ReceiptHandle"]} for i, message in enumerate(messages)]
    found["batch_failures"] = sqs.delete_message_batch(QueueUrl=url, Entries=entries).get("Failed", [])
    left = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"])
    found["left"] = left["Attributes"]["ApproximateNumberOfMessagesNotVisible"]
    try:
        sqs.get_queue_url(QueueName=f"{name}-missing")
    except ClientError as error:
        found["missing"] = error.response["Error"]["Code"]
    s3 = boto3.client("s3", endpoint_url=endpoint)
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"from an old SDK")
    found["object"] = s3.get_object(Bucket=name, Key="k")["Body"].read().decode()
    found["arn"] = boto3.client("sts", endpoint_url=endpoint).get_caller_identity()["Arn"]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
