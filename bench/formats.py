"""What the wire formats cost: `python -m bench.formats` prints the figures of docs/decisions/0004-wire-formats.md.

Parsers and writers in a loop, in one process; loading in fresh processes, with the cache and without.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

from awning.protocols.honours import ALL, needs_entry
from awning.protocols.model import BoundOperation, Model
from awning.protocols.registry import Registry
from awning.protocols.wire import Wire

Headers = dict[bytes, bytes]

FORM: Headers = {b"content-type": b"application/x-www-form-urlencoded; charset=utf-8"}
RUN_INSTANCES = (
    b"Action=RunInstances&Version=2016-11-15&ImageId=ami-0abcdef1234567890&InstanceType=t3.micro&MaxCount=1&MinCount=1"
    b"&KeyName=my-key&SecurityGroupId.1=sg-0123456789abcdef0&SecurityGroupId.2=sg-0fedcba9876543210"
    b"&SubnetId=subnet-0123456789abcdef0&UserData=IyEvYmluL2Jhc2g%3D&BlockDeviceMapping.1.DeviceName=%2Fdev%2Fxvda"
    b"&BlockDeviceMapping.1.Ebs.VolumeSize=20&BlockDeviceMapping.1.Ebs.VolumeType=gp3"
    b"&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=web"
    b"&TagSpecification.1.Tag.2.Key=env&TagSpecification.1.Tag.2.Value=test&IamInstanceProfile.Name=web"
    b"&ClientToken=4f1f1c2e-8a1f-4f0e-9a57-0f4e5f6a7b8c&Monitoring.Enabled=true&DryRun=false"
)
SEND_MESSAGE = (
    b'{"QueueUrl": "http://localhost:4566/000000000000/jobs", "MessageBody": "' + b"x" * 100 + b'", '
    b'"DelaySeconds": 5, "MessageAttributes": {"kind": {"DataType": "String", "StringValue": "order"}}}'
)
PUT_OBJECT: Headers = {
    b"host": b"localhost:4566",
    b"user-agent": b"Boto3/1.40 md/Botocore#1.40",
    b"content-md5": b"XUFAKrxLKna5cZ2REBfFkg==",
    b"content-type": b"text/plain",
    b"x-amz-sdk-checksum-algorithm": b"CRC32",
    b"x-amz-checksum-crc32": b"AAAAAA==",
    b"x-amz-content-sha256": b"STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    b"x-amz-date": b"20260101T000000Z",
    b"authorization": b"AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/s3/aws4_request",
    b"amz-sdk-invocation-id": b"8f7e",
    b"amz-sdk-request": b"attempt=1",
    b"content-length": b"1024",
    b"x-amz-meta-owner": b"someone",
}


def everything(model: Model, name: str) -> BoundOperation:
    """An operation with all that its model has honoured."""
    operation = model.operations[name]
    names = [member for member, (_, shape) in operation.members.items() if not shape.streams]
    return operation.bind(tuple(names), {n: ALL for n in names if needs_entry(operation.members[n][1])}, {})


def best(run: Any, seconds: float = 0.4) -> float:
    """Microseconds of one call: the best of several rounds."""
    run()
    count = 1
    while True:
        start = perf_counter()
        for _ in range(count):
            run()
        taken = perf_counter() - start
        if taken > seconds / 8:
            break
        count *= 2
    rounds = []
    for _ in range(7):
        start = perf_counter()
        for _ in range(count):
            run()
        rounds.append((perf_counter() - start) / count)
    return min(rounds) * 1e6


def show(what: str, bound: BoundOperation, wire: Wire) -> None:
    """Print what matching and parsing a request costs."""
    model = bound.operation.model
    match = model.match(wire)
    matching, parsing = best(lambda: model.match(wire)), best(lambda: bound.parse(match, wire))
    print(f"{what:44} match {matching:8.2f} µs   parse {parsing:8.2f} µs")


def requests(registry: Registry) -> None:
    """Parse one request in each format."""
    sqs = registry.model("sqs", ("json", "query"))
    target = {b"x-amz-target": b"AmazonSQS.SendMessage", b"content-type": b"application/x-amz-json-1.0"}
    show("SQS SendMessage, JSON", everything(sqs, "SendMessage"), Wire("POST", b"/", b"", target, SEND_MESSAGE))
    ec2 = registry.model("ec2", ("ec2",))
    show(
        "EC2 RunInstances, 24 parameters", everything(ec2, "RunInstances"), Wire("POST", b"/", b"", FORM, RUN_INSTANCES)
    )
    s3 = registry.model("s3", ("rest-xml",))
    show("S3 PutObject, 13 headers", everything(s3, "PutObject"), Wire("PUT", b"/bucket/key", b"", PUT_OBJECT, b""))
    functions = registry.model("lambda", ("rest-json",))
    path = b"/2015-03-31/functions/resize/invocations"
    invoke = Wire("POST", path, b"", {b"x-amz-invocation-type": b"Event"}, b"{}")
    show("Lambda Invoke, rest-json", everything(functions, "Invoke"), invoke)
    route53 = registry.model("route53", ("rest-xml",))
    zone = Wire("GET", b"/2013-04-01/hostedzone/Z123/rrset", b"maxitems=100&type=A&name=a.example", {}, b"")
    show("Route 53 ListResourceRecordSets, rest-xml", everything(route53, "ListResourceRecordSets"), zone)
    metrics(registry)


def metrics(registry: Registry) -> None:
    """PutMetricData of twenty values in CBOR, JSON and query."""
    from botocore.model import ServiceModel
    from botocore.serialize import create_serializer

    from awning.protocols.registry import read_botocore

    model = registry.model("cloudwatch", ("smithy-rpc-v2-cbor", "json", "query"))
    put = everything(model, "PutMetricData")
    peer = ServiceModel(read_botocore("cloudwatch"), "cloudwatch").operation_model("PutMetricData")
    dimension = {"Name": "InstanceId", "Value": "i-0123456789abcdef0"}
    datum = {
        "MetricName": "CPUUtilization",
        "Dimensions": [dimension],
        "Timestamp": 1767225600,
        "Value": 12.5,
        "Unit": "Percent",
    }
    values = {"Namespace": "Jobs", "MetricData": [datum] * 20}
    for protocol in model.protocols:
        made = create_serializer(protocol, include_validation=False).serialize_to_request(values, peer)
        body = made["body"]
        if isinstance(body, dict):
            from urllib.parse import urlencode

            body = urlencode(body).encode()
        headers = {name.lower().encode(): value.encode() for name, value in made["headers"].items()}
        wire = Wire("POST", made["url_path"].encode(), b"", headers, body)
        show(f"CloudWatch PutMetricData, 20 values, {protocol}", put, wire)


def replies(registry: Registry) -> None:
    """Write large replies."""
    s3 = registry.model("s3", ("rest-xml",))
    entry = {
        "Key": "folder/file-000001.txt",
        "LastModified": 1767225600.5,
        "ETag": '"' + "0a" * 16 + '"',
        "Size": 1024,
        "StorageClass": "STANDARD",
    }
    listing = {
        "Name": "bucket",
        "Prefix": "",
        "KeyCount": 1000,
        "MaxKeys": 1000,
        "IsTruncated": False,
        "Contents": [entry] * 1000,
    }
    operation = s3.operations["ListObjectsV2"]
    print(
        f"{'S3 ListObjectsV2, 1,000 keys':44} write {best(lambda: operation.write(listing, 'r', 'rest-xml')):8.2f} µs"
    )
    ec2 = registry.model("ec2", ("ec2",))
    instance = {
        "InstanceId": "i-0123456789abcdef0",
        "ImageId": "ami-1",
        "State": {"Code": 16, "Name": "running"},
        "LaunchTime": 1767225600,
    }
    described = {"Reservations": [{"ReservationId": f"r-{n}", "Instances": [instance]} for n in range(100)]}
    describe = ec2.operations["DescribeInstances"]
    print(
        f"{'EC2 DescribeInstances, 100 instances':44} write {best(lambda: describe.write(described, 'r', 'ec2')):8.2f} µs"
    )


FIRST = """
from time import perf_counter
import awning.protocols.model, awning.protocols.registry as registry, orjson, gzip
from pathlib import Path
from bench.formats import FORM, RUN_INSTANCES, everything
from awning.protocols.wire import Wire
cache = {cache}
start = perf_counter()
model = registry.Registry(cache).model("ec2", ("ec2",))
loaded = perf_counter()
wire = Wire("POST", b"/", b"", FORM, RUN_INSTANCES)
match = model.match(wire)
bound = everything(model, match.operation.name)
bound.parse(match, wire)
bound.write({{"ReservationId": "r-1", "Instances": [{{"InstanceId": "i-1"}}]}}, "r", "ec2")
print(round((loaded - start) * 1000, 1), round((perf_counter() - start) * 1000, 1))
"""


def first_request() -> None:
    """EC2's first request in a fresh process: milliseconds until its model is there, and until the reply is written."""
    with tempfile.TemporaryDirectory() as folder:
        kept = f"Path({folder!r})"
        for title, cache in (("no cache", "None"), ("fills the cache", kept), ("cached", kept), ("cached", kept)):
            code = FIRST.format(cache=cache)
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            loaded, answered = done.stdout.split()
            print(f"EC2's first request, {title:23} model {float(loaded):8.1f} ms   answered {float(answered):8.1f} ms")
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
        print(f"EC2's model in the cache: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    models = Registry(None)
    requests(models)
    replies(models)
    first_request()
