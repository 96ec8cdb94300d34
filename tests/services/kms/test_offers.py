"""What other rooms may ask: data keys, by the permissions of whoever asks and the service that it comes through."""

from __future__ import annotations

import json
from typing import Any

import pytest

from awning.auth.policy import compile_policy
from awning.auth.principal import Principal, root_of
from awning.contracts import DecryptDataKey, FindKey, GenerateDataKeyFor, Sender
from awning.kit.errors import AccessDenied
from awning.services.kms import SERVICE
from awning.services.kms.errors import DisabledException, InvalidCiphertextException, NotFoundException
from tests.services.kms.support import ACCOUNT, OTHER, Bench, Client

ANN = f"arn:aws:iam::{ACCOUNT}:user/ann"


def ann(*statements: dict[str, Any]) -> Principal:
    policies = tuple(
        compile_policy({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one}]}, id="p", kind="identity")
        for one in statements
    )
    return Principal("user", ACCOUNT, ANN, ANN, "AIDAANN0000000000000", "ann", policies)


def ask(bench: Bench, question: Any, principal: Principal | None = None) -> Any:
    return SERVICE.answers[type(question)](bench.make_call(principal=principal), question)


def wanted(key: str, **further: Any) -> GenerateDataKeyFor:
    return GenerateDataKeyFor(key, ACCOUNT, "us-east-1", "sqs", {"aws:sqs:arn": "queue"}, **further)


def opened(sealed: bytes, **further: Any) -> DecryptDataKey:
    return DecryptDataKey(sealed, "us-east-1", **{"service": "sqs", "context": {"aws:sqs:arn": "queue"}, **further})


def test_a_data_key_is_sealed_for_its_context(bench: Bench, client: Client) -> None:
    key = client.new()
    made = ask(bench, wanted(key), root_of(ACCOUNT))
    assert made.key_arn == client.describe(key)["Arn"]
    assert repr(made.plain) not in repr(made)
    assert ask(bench, opened(made.sealed)).plain == made.plain
    with pytest.raises(InvalidCiphertextException):
        ask(bench, opened(made.sealed, context={}))
    client.disable_key(key_id=key)
    with pytest.raises(DisabledException):
        ask(bench, opened(made.sealed))


def test_the_caller_needs_permission_on_the_key(bench: Bench, client: Client) -> None:
    key = client.new()
    arn = client.describe(key)["Arn"]
    made = ask(bench, wanted(key))
    with pytest.raises(AccessDenied, match="user/ann is not authorized to perform: kms:Decrypt"):
        ask(bench, opened(made.sealed), ann())
    through = {"StringEquals": {"kms:ViaService": "sqs.us-east-1.amazonaws.com"}}
    may = ann({"Action": "kms:Decrypt", "Resource": arn, "Condition": through})
    assert ask(bench, opened(made.sealed), may).plain == made.plain
    with pytest.raises(AccessDenied):
        ask(bench, opened(made.sealed, service="s3"), may)


def test_a_grant_is_enough_and_its_constraint_holds(bench: Bench, client: Client) -> None:
    key = client.new()
    made = ask(bench, wanted(key))
    client.create_grant(
        key_id=key,
        grantee_principal=ANN,
        operations=["Decrypt"],
        constraints={"EncryptionContextEquals": {"aws:sqs:arn": "queue"}},
    )
    assert ask(bench, opened(made.sealed), ann()).plain == made.plain
    with pytest.raises(AccessDenied):
        ask(bench, opened(made.sealed, context={"aws:sqs:arn": "queue", "more": "1"}), ann())


def test_a_service_that_acts_by_itself_needs_the_keys_policy(bench: Bench, client: Client) -> None:
    key = client.new()
    sender = Sender("sns.amazonaws.com", f"arn:aws:sns:us-east-1:{ACCOUNT}:topic", ACCOUNT)
    with pytest.raises(AccessDenied):
        ask(bench, wanted(key, sender=sender))
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"},
        {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
            "Resource": "*",
            "Condition": {"ArnEquals": {"aws:SourceArn": sender.arn}},
        },
    ]
    client.put_key_policy(key_id=key, policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    made = ask(bench, wanted(key, sender=sender))
    assert ask(bench, opened(made.sealed, sender=sender)).plain == made.plain


def test_a_services_own_key_works_from_its_first_use_and_through_its_service_only(bench: Bench, client: Client) -> None:
    made = ask(bench, wanted("alias/aws/sqs"), root_of(ACCOUNT))
    bench.restart()
    assert ask(bench, opened(made.sealed), root_of(ACCOUNT)).plain == made.plain
    bench.work()
    assert [key["KeyId"] for key in client.list_keys()["Keys"]] == [made.key_arn.rpartition("/")[2]]
    assert ask(bench, opened(made.sealed), root_of(ACCOUNT)).plain == made.plain
    with pytest.raises(AccessDenied):
        ask(bench, opened(made.sealed, service="s3"), root_of(ACCOUNT))
    with pytest.raises(AccessDenied):
        ask(bench, opened(made.sealed), root_of(OTHER))


def test_a_key_is_found_by_all_its_names(bench: Bench, client: Client) -> None:
    key = client.new()
    client.create_alias(alias_name="alias/a", target_key_id=key)
    arn = client.describe(key)["Arn"]
    for name in (key, arn, "alias/a", f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/a"):
        assert ask(bench, FindKey(name, ACCOUNT, "us-east-1")).arn == arn
    assert ask(bench, FindKey("alias/a", ACCOUNT, "eu-west-1")) is None
    assert ask(bench, FindKey("nonsense", ACCOUNT, "us-east-1")) is None
    with pytest.raises(NotFoundException):
        ask(bench, wanted("alias/none"))
