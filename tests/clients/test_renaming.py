"""RenameObject, as boto3 sends it."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError


def test_a_round_by_boto3(region: Any, name: str) -> None:
    s3 = region.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="a ü", Body=b"1")
    s3.rename_object(Bucket=name, Key="b/c", RenameSource=f"{name}/a%20%C3%BC", DestinationIfNoneMatch="*")
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=name)["Contents"]] == ["b/c"]
    assert s3.get_object(Bucket=name, Key="b/c")["Body"].read() == b"1"
    s3.put_object(Bucket=name, Key="d", Body=b"2")
    with pytest.raises(ClientError) as raised:
        s3.rename_object(Bucket=name, Key="d", RenameSource=f"{name}/b/c", DestinationIfNoneMatch="*")
    assert raised.value.response["Error"]["Code"] == "PreconditionFailed"
    for _ in range(2):
        s3.rename_object(Bucket=name, Key="d", RenameSource=f"{name}/b/c", ClientToken="t")
    with pytest.raises(ClientError) as raised:
        s3.rename_object(Bucket=name, Key="e", RenameSource=f"{name}/d", ClientToken="t")
    assert raised.value.response["Error"]["Code"] == "IdempotencyParameterMismatch"
    assert s3.get_object(Bucket=name, Key="d")["Body"].read() == b"1"
