"""A room that needs a permission of another's: the other room's resource has its say, and its tags, whoever asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from awning.contracts import DecryptDataKey, GenerateDataKeyFor
from awning.kit.call import Call
from awning.kit.operation import Needs, operation
from awning.services import kms
from tests.gateway.house import House, room


@operation(Needs("secretsmanager:GetSecretValue", "*"), reads=True)
def get_secret_value(call: Call, secret_id: str) -> dict[str, Any]:
    """Encrypt and decrypt by the key that the secret's name is."""
    made = call.ask(GenerateDataKeyFor(secret_id, call.account, call.region, "secretsmanager", {"SecretARN": "s"}))
    found = call.ask(DecryptDataKey(made.sealed, call.region, "secretsmanager", {"SecretARN": "s"}))
    assert found.plain == made.plain
    return {"Name": made.key_arn}


def secrets_of(house: House, key: Any) -> Any:
    return boto3.client(
        "secretsmanager",
        endpoint_url=f"http://127.0.0.1:{house.port}",
        region_name="eu-west-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )


def test_a_service_uses_a_key_with_its_callers_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = (kms.SERVICE, room("secretsmanager", ("json",), get_secret_value))
    with House(tmp_path / "data", monkeypatch, lambda: rooms) as house:
        keys, iam, root = house.client("kms"), house.client("iam"), house.client("secretsmanager")
        key = keys.create_key(Tags=[{"TagKey": "team", "TagValue": "blue"}])["KeyMetadata"]["Arn"]
        assert root.get_secret_value(SecretId=key)["Name"] == key
        assert ":key/" in root.get_secret_value(SecretId="alias/aws/secretsmanager")["Name"]
        iam.create_user(UserName="ann")
        secrets = secrets_of(house, iam.create_access_key(UserName="ann")["AccessKey"])

        def let(*statements: dict[str, Any]) -> None:
            whole = [{"Action": "secretsmanager:*", "Resource": "*"}, *statements]
            policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in whole]}
            iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=json.dumps(policy))

        let()
        with pytest.raises(ClientError, match="user/ann is not authorized to perform: kms:GenerateDataKey on resource"):
            secrets.get_secret_value(SecretId=key)
        assert secrets.get_secret_value(SecretId="alias/aws/secretsmanager")
        through = {"kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com", "aws:ResourceTag/team": "blue"}
        use = {"Action": ["kms:GenerateDataKey", "kms:Decrypt"], "Resource": key}
        let({**use, "Condition": {"StringEquals": through}})
        assert secrets.get_secret_value(SecretId=key)["Name"] == key
        let({**use, "Condition": {"StringEquals": {**through, "aws:ResourceTag/team": "red"}}})
        with pytest.raises(ClientError, match="AccessDenied"):
            secrets.get_secret_value(SecretId=key)
        let({**use, "Condition": {"StringEquals": {**through, "kms:EncryptionContext:SecretARN": "s"}}})
        assert secrets.get_secret_value(SecretId=key)["Name"] == key
