"""Denials of a service that encodes why: the client has a sealed message, which STS opens for who may know."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from awning.kit.call import Call
from awning.kit.operation import Needs, Params, operation
from tests.gateway.house import House, room


def _instance(call: Call, params: Params) -> str:
    return f"arn:aws:ec2:{call.region}:{call.account}:instance/{params['instance_ids'][0]}"


@operation(Needs("ec2:StopInstances", _instance), context=lambda call, params: {"ec2:tenancy": "default"})
def stop_instances(call: Call, instance_ids: list[str]) -> dict[str, Any]:
    """Stop nothing."""
    return {"StoppingInstances": []}


def test_a_denial_is_read_by_who_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up = replace(room("ec2", ("ec2",), stop_instances), encodes_denials=True, condition_keys=("ec2:tenancy",))
    with House(tmp_path / "data", monkeypatch, lambda: [made_up]) as house:
        iam = house.client("iam")
        user = iam.create_user(UserName="ann")["User"]
        key = iam.create_access_key(UserName="ann")["AccessKey"]

        def of_ann(service: str) -> Any:
            return boto3.client(
                service,
                endpoint_url=f"http://127.0.0.1:{house.port}",
                region_name="eu-west-1",
                aws_access_key_id=key["AccessKeyId"],
                aws_secret_access_key=key["SecretAccessKey"],
            )

        with pytest.raises(ClientError) as caught:
            of_ann("ec2").stop_instances(InstanceIds=["i-1"])
        error = caught.value.response["Error"]
        assert error["Code"] == "UnauthorizedOperation"
        said, _, message = error["Message"].partition(" Encoded authorization failure message: ")
        assert said.startswith("You are not authorized to perform this operation. User: arn:aws:iam::")
        with pytest.raises(ClientError, match="sts:DecodeAuthorizationMessage"):
            of_ann("sts").decode_authorization_message(EncodedMessage=message)
        found = json.loads(house.client("sts").decode_authorization_message(EncodedMessage=message)["DecodedMessage"])
        assert (found["allowed"], found["context"]["action"]) == (False, "ec2:StopInstances")
        assert found["context"]["resource"] == "arn:aws:ec2:eu-west-1:000000000000:instance/i-1"
        assert found["context"]["principal"] == {"id": user["UserId"], "name": "ann", "arn": user["Arn"]}
        keys = {one["key"]: one["values"]["items"] for one in found["context"]["conditions"]["items"]}
        assert keys["ec2:tenancy"] == [{"value": "default"}]
        with pytest.raises(ClientError) as caught:
            house.client("sts").decode_authorization_message(EncodedMessage=message[:-8])
        assert caught.value.response["Error"]["Code"] == "InvalidAuthorizationMessageException"
        assert house.client("ec2").stop_instances(InstanceIds=["i-1"])["StoppingInstances"] == []
