"""KMS by its clients: the AWS Encryption SDK, boto3 as several people, the command line; and a region that is killed."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import LiveRegion

ACCOUNT = "000000000000"


@pytest.fixture
def kms(region: LiveRegion) -> Any:
    return region.client("kms")


def test_the_aws_encryption_sdk_encrypts_and_decrypts(
    region: LiveRegion, kms: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import aws_encryption_sdk
    from aws_encryption_sdk.exceptions import DecryptKeyError

    for setting, value in region.env().items():
        monkeypatch.setenv(setting, value)
    keys = [kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2)]
    client = aws_encryption_sdk.EncryptionSDKClient()

    def made(*ids: str) -> Any:
        return aws_encryption_sdk.StrictAwsKmsMasterKeyProvider(key_ids=ids)

    text = b"text " * 20_000
    sealed, _ = client.encrypt(source=text, key_provider=made(*keys), encryption_context={"for": "test"})
    for key in keys:
        plain, header = client.decrypt(source=sealed, key_provider=made(key))
        assert plain == text
        assert header.encryption_context["for"] == "test"
    kms.disable_key(KeyId=keys[0])
    assert client.decrypt(source=sealed, key_provider=made(keys[1]))[0] == text
    with pytest.raises(DecryptKeyError):
        client.decrypt(source=sealed, key_provider=made(keys[0]))


def test_a_grant_lets_a_user_use_a_key_at_once(region: LiveRegion, kms: Any, name: str) -> None:
    iam = region.client("iam")
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    key = iam.create_access_key(UserName=name)["AccessKey"]
    user = region.client("kms", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    made = kms.create_key()["KeyMetadata"]
    blob = kms.encrypt(KeyId=made["KeyId"], Plaintext=b"x", EncryptionContext={"a": "1"})["CiphertextBlob"]
    with pytest.raises(
        ClientError, match=f"{arn} is not authorized to perform: kms:Decrypt on resource: {made['Arn']}"
    ):
        user.decrypt(CiphertextBlob=blob, EncryptionContext={"a": "1"})
    grant = kms.create_grant(
        KeyId=made["KeyId"],
        GranteePrincipal=arn,
        Operations=["Decrypt", "RetireGrant"],
        Constraints={"EncryptionContextSubset": {"a": "1"}},
    )
    given = {"CiphertextBlob": blob, "EncryptionContext": {"a": "1"}, "GrantTokens": [grant["GrantToken"]]}
    assert user.decrypt(**given)["Plaintext"] == b"x"
    user.retire_grant(GrantToken=grant["GrantToken"])
    with pytest.raises(ClientError, match="AccessDenied"):
        user.decrypt(**given)


def test_a_user_keeps_a_grant_under_another_name(region: LiveRegion, kms: Any, name: str) -> None:
    iam = region.client("iam")
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    key = iam.create_access_key(UserName=name)["AccessKey"]
    user = region.client("kms", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    made = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_grant(KeyId=made, GranteePrincipal=arn, Operations=["Encrypt"])
    iam.update_user(UserName=name, NewUserName=f"{name}-2", NewPath="/moved/")
    assert user.encrypt(KeyId=made, Plaintext=b"x")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    with pytest.raises(ClientError, match="AccessDenied"):
        region.client("kms", key=key["AccessKeyId"], secret=key["SecretAccessKey"]).encrypt(KeyId=made, Plaintext=b"x")


def test_a_grant_to_a_federated_user_is_not_for_a_role_of_that_name(region: LiveRegion, kms: Any, name: str) -> None:
    iam = region.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]["Arn"]
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    federate = {
        "Effect": "Allow",
        "Action": ["sts:GetFederationToken", "sts:AssumeRole", "kms:Encrypt"],
        "Resource": "*",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [federate]})
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
    sts = region.client("sts", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    federated = sts.get_federation_token(Name=name[:32])
    made = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_grant(KeyId=made, GranteePrincipal=federated["FederatedUser"]["Arn"], Operations=["Encrypt"])

    def client(session: dict[str, Any]) -> Any:
        return region.client(
            "kms",
            key=session["AccessKeyId"],
            secret=session["SecretAccessKey"],
            aws_session_token=session["SessionToken"],
        )

    assert client(federated["Credentials"]).encrypt(KeyId=made, Plaintext=b"x")
    assumed = sts.assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    with pytest.raises(ClientError, match="AccessDenied"):
        client(assumed).encrypt(KeyId=made, Plaintext=b"x")


def test_of_many_grants_to_one_user_each_holds(region: LiveRegion, kms: Any, name: str) -> None:
    """More than a guard is made of: each request finds its own."""
    iam = region.client("iam")
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    key = iam.create_access_key(UserName=name)["AccessKey"]
    user = region.client("kms", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    made = kms.create_key()["KeyMetadata"]["KeyId"]
    grants = [
        kms.create_grant(
            KeyId=made,
            GranteePrincipal=arn,
            RetiringPrincipal=arn,
            Operations=["Encrypt", "DescribeKey"],
            Constraints={"EncryptionContextEquals": {"volume": str(number)}},
        )
        for number in range(120)
    ]
    assert user.describe_key(KeyId=made)
    assert user.encrypt(KeyId=made, Plaintext=b"x", EncryptionContext={"volume": "77"})
    for context in ({}, {"volume": "120"}, {"volume": "77", "zone": "a"}):
        with pytest.raises(ClientError, match="AccessDenied"):
            user.encrypt(KeyId=made, Plaintext=b"x", EncryptionContext=context)
    user.retire_grant(GrantToken=grants[77]["GrantToken"])
    with pytest.raises(ClientError, match="AccessDenied"):
        user.encrypt(KeyId=made, Plaintext=b"x", EncryptionContext={"volume": "77"})


def test_a_key_policy_must_consent_whatever_iam_says(region: LiveRegion, kms: Any, name: str) -> None:
    iam = region.client("iam")
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    iam.put_user_policy(
        UserName=name,
        PolicyName="all",
        PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}}
        ),
    )
    key = iam.create_access_key(UserName=name)["AccessKey"]
    user = region.client("kms", key=key["AccessKeyId"], secret=key["SecretAccessKey"])

    def only(who: str) -> str:
        statement = {"Effect": "Allow", "Principal": {"AWS": who}, "Action": "kms:*", "Resource": "*"}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    made = kms.create_key()["KeyMetadata"]["KeyId"]
    assert user.encrypt(KeyId=made, Plaintext=b"x")
    mine = user.create_key(Policy=only(arn))["KeyMetadata"]["KeyId"]
    assert user.encrypt(KeyId=mine, Plaintext=b"x")
    with pytest.raises(ClientError, match="root is not authorized to perform: kms:Encrypt"):
        kms.encrypt(KeyId=mine, Plaintext=b"x")


def test_conditions_hold(region: LiveRegion, kms: Any, name: str) -> None:
    iam = region.client("iam")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    user = region.client("kms", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    made = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=made)

    def may(**condition: Any) -> bool:
        statement = {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": condition}
        document = json.dumps({"Version": "2012-10-17", "Statement": statement})
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
        try:
            user.encrypt(KeyId=f"alias/{name}", Plaintext=b"x", EncryptionContext={"Team": "blue"})
        except ClientError as error:
            return bool(error.response["Error"]["Code"] != "AccessDeniedException")
        return True

    for allowed, key_name, value in (
        (True, "kms:EncryptionContext:Team", "blue"),
        (False, "kms:EncryptionContext:Team", "red"),
        (True, "kms:RequestAlias", f"alias/{name}"),
        (False, "kms:RequestAlias", "alias/other"),
        (True, "kms:KeySpec", "SYMMETRIC_DEFAULT"),
        (True, "kms:KeyOrigin", "AWS_KMS"),
        (True, "kms:CallerAccount", ACCOUNT),
        (False, "kms:ViaService", "s3.us-east-1.amazonaws.com"),
        (True, "kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT"),
    ):
        assert may(StringEquals={key_name: value}) is allowed, (key_name, value)
    assert may(**{"ForAnyValue:StringEquals": {"kms:ResourceAliases": f"alias/{name}"}})
    assert may(**{"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["Team"]}})
    assert not may(**{"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["team"]}})


def test_conditions_hold_for_both_keys_of_a_re_encryption(region: LiveRegion, kms: Any, name: str) -> None:
    iam = region.client("iam")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    user = region.client("kms", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    source, other = (kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
    kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=other)
    blob = kms.encrypt(KeyId=source, Plaintext=b"x", EncryptionContext={"of": "a"})["CiphertextBlob"]

    def may(action: str, condition: dict[str, Any], to: str = f"alias/{name}") -> bool:
        statements = [
            {"Effect": "Allow", "Action": "kms:ReEncrypt*", "Resource": "*"},
            {"Effect": "Deny", "Action": action, "Resource": "*", "Condition": condition},
        ]
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
        try:
            user.re_encrypt(
                CiphertextBlob=blob,
                SourceEncryptionContext={"of": "a"},
                DestinationKeyId=to,
                DestinationEncryptionContext={"of": "b"},
            )
        except ClientError as error:
            return bool(error.response["Error"]["Code"] != "AccessDeniedException")
        return True

    for action, context in (("kms:ReEncryptFrom", "a"), ("kms:ReEncryptTo", "b")):
        assert not may(action, {"StringEquals": {"kms:EncryptionContext:of": context}})
        assert may(action, {"StringNotEquals": {"kms:EncryptionContext:of": context}})
    assert may("kms:ReEncrypt*", {"Bool": {"kms:ReEncryptOnSameKey": "true"}})
    assert not may("kms:ReEncrypt*", {"Bool": {"kms:ReEncryptOnSameKey": "true"}}, to=source)
    assert not may("kms:ReEncryptTo", {"StringEquals": {"kms:RequestAlias": f"alias/{name}"}})
    assert may("kms:ReEncryptFrom", {"StringEquals": {"kms:RequestAlias": f"alias/{name}"}})


def test_an_error_without_a_message_has_none(kms: Any) -> None:
    blob = kms.encrypt(KeyId=kms.create_key()["KeyMetadata"]["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    with pytest.raises(kms.exceptions.InvalidCiphertextException) as refused:
        kms.decrypt(CiphertextBlob=blob[:-1])
    assert refused.value.response["Error"] == {"Message": "", "Code": "InvalidCiphertextException"}
    assert "message" not in refused.value.response


def test_the_command_line_goes_its_round(aws: Callable[..., Any], name: str, tmp_path: Path) -> None:
    key = aws("kms", "create-key", "--description", "round")["KeyMetadata"]["KeyId"]
    aws("kms", "create-alias", "--alias-name", f"alias/{name}", "--target-key-id", key)
    (tmp_path / "text").write_bytes(b"text")
    sealed = aws(
        "kms", "encrypt", "--key-id", f"alias/{name}", "--plaintext", f"fileb://{tmp_path}/text", "--query",
        "CiphertextBlob", "--output", "text",
    )  # fmt: skip
    (tmp_path / "sealed").write_bytes(base64.b64decode(sealed))
    plain = aws(
        "kms", "decrypt", "--ciphertext-blob", f"fileb://{tmp_path}/sealed", "--query", "Plaintext", "--output", "text"
    )
    assert base64.b64decode(plain) == b"text"
    aws("kms", "enable-key-rotation", "--key-id", key, "--rotation-period-in-days", "180")
    assert aws("kms", "get-key-rotation-status", "--key-id", key)["RotationPeriodInDays"] == 180
    aws("kms", "schedule-key-deletion", "--key-id", key, "--pending-window-in-days", "7")
    assert "is pending deletion" in aws(
        "kms", "generate-data-key", "--key-id", key, "--key-spec", "AES_256", fails="KMSInvalidStateException"
    )


@pytest.mark.parametrize(
    ("operation", "params", "named"),
    [
        ("create_custom_key_store", {"CustomKeyStoreName": "x"}, "CreateCustomKeyStore"),
        ("create_key", {"Origin": "AWS_CLOUDHSM"}, "AWS_CLOUDHSM"),
        ("create_key", {"KeySpec": "SM2", "KeyUsage": "SIGN_VERIFY"}, "SM2"),
        ("generate_random", {"NumberOfBytes": 1, "CustomKeyStoreId": "cks-1"}, "CustomKeyStoreId"),
        (
            "generate_random",
            {"NumberOfBytes": 1, "Recipient": {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256"}},
            "Recipient",
        ),
    ],
)
def test_what_there_is_not_is_refused_by_name(kms: Any, operation: str, params: dict[str, Any], named: str) -> None:
    with pytest.raises(ClientError, match=named) as refused:
        getattr(kms, operation)(**params)
    assert refused.value.response["Error"]["Code"] == "NotImplemented"


def test_keys_outlive_a_crash(own_region: LiveRegion) -> None:
    kms = own_region.start().client("kms")
    acknowledged: list[tuple[str, bytes, bytes]] = []
    for round_number in range(3):
        for number in range(5):
            key = kms.create_key(MultiRegion=bool(number % 2))["KeyMetadata"]["KeyId"]
            text = f"{round_number}.{number}".encode()
            acknowledged.append((key, kms.encrypt(KeyId=key, Plaintext=text)["CiphertextBlob"], text))
            kms.rotate_key_on_demand(KeyId=key)
            kms.disable_key(KeyId=key)
            kms.enable_key(KeyId=key)
        own_region.kill()
        kms = own_region.start().client("kms")
        for key, blob, text in acknowledged:
            assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == text
            assert len(kms.list_key_rotations(KeyId=key)["Rotations"]) == 1


def test_no_secret_reaches_the_log_or_the_disk(own_region: LiveRegion) -> None:
    kms = own_region.start().client("kms")
    planted = b"planted-plaintext-of-nobody"
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key, Plaintext=planted)["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == planted
    with pytest.raises(ClientError):
        kms.encrypt(KeyId=key, Plaintext=planted * 200)
    data = kms.generate_data_key(KeyId=key, KeySpec="AES_256")["Plaintext"]
    own_region.stop()
    everything = [own_region.log, *(path for path in own_region.data.rglob("*") if path.is_file())]
    for path in everything:
        content = path.read_bytes()
        for secret in (planted, base64.b64encode(planted), data, data.hex().encode(), base64.b64encode(data)):
            assert secret not in content, path
