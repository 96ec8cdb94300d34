"""Grants: what they permit, to whom, under which constraints; and who ends them. The decisions are the gateway's own."""

from __future__ import annotations

from typing import Any

import pytest

from awning.auth.principal import Principal
from awning.services.kms import SERVICE, guards
from awning.services.kms.conditions import conditions, retiring
from awning.services.kms.errors import InvalidArnException, NotFoundException, ValidationException
from awning.services.kms.guards import guard
from tests.services.kms.support import ACCOUNT, OTHER, Bench, Client

ANN = f"arn:aws:iam::{ACCOUNT}:user/ann"
BOB = f"arn:aws:iam::{ACCOUNT}:user/bob"


@pytest.fixture(autouse=True)
def bob(bench: Bench) -> None:
    bench.room.people[BOB] = "AIDABOB0000000000000"


def person(arn: str, user_id: str) -> Principal:
    return Principal("user", ACCOUNT, arn, arn, user_id, arn.rpartition("/")[2])


def may(
    bench: Bench, action: str, key: str, who: str = ANN, user_id: str = "AIDAANN0000000000000", **params: Any
) -> bool:
    call = bench.make_call(principal=person(who, user_id))
    find = retiring if action == "RetireGrant" else conditions
    context = {name.lower(): value for name, value in find(call, {"key_id": key, **params}).items()}
    assert call.authorise is not None
    return call.authorise(f"kms:{action}", f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{key}", context).allowed


def test_a_grant_permits_its_operations_at_once_until_it_is_revoked(bench: Bench, client: Client) -> None:
    key = client.new()
    assert not may(bench, "Encrypt", key)
    made = client.create_grant(key_id=key, grantee_principal=ANN, operations=["Encrypt", "DescribeKey"])
    assert may(bench, "Encrypt", key)
    assert may(bench, "DescribeKey", key)
    assert not may(bench, "Decrypt", key)
    assert not may(bench, "Encrypt", key, BOB, "AIDABOB0000000000000")
    assert not may(bench, "Encrypt", client.new())
    bench.restart()
    assert may(bench, "Encrypt", key)
    client.revoke_grant(key_id=key, grant_id=made["GrantId"])
    assert not may(bench, "Encrypt", key)
    with pytest.raises(NotFoundException):
        client.revoke_grant(key_id=key, grant_id=made["GrantId"])


def test_a_grant_is_not_for_a_successor_of_the_same_name(bench: Bench, client: Client) -> None:
    key = client.new()
    client.create_grant(key_id=key, grantee_principal=ANN, operations=["Encrypt"])
    assert not may(bench, "Encrypt", key, user_id="AIDASUCCESSOR0000000")
    del bench.room.people[ANN]
    assert client.list_grants(key_id=key)["Grants"][0]["GranteePrincipal"] == "AIDAANN0000000000000"


def test_a_grant_stays_with_whoever_gets_another_name(bench: Bench, client: Client) -> None:
    key, cat = client.new(), f"arn:aws:iam::{ACCOUNT}:user/cat"
    client.create_grant(key_id=key, grantee_principal=ANN, operations=["Encrypt"], retiring_principal=BOB)
    assert not may(bench, "Encrypt", key, cat, "AIDACAT0000000000000")
    # Ann and Bob are called Cat now, one after the other; what was found for the first Cat is not theirs.
    assert may(bench, "Encrypt", key, cat, "AIDAANN0000000000000")
    grant = client.list_grants(key_id=key)["Grants"][0]["GrantId"]
    assert may(bench, "RetireGrant", key, cat, "AIDABOB0000000000000", grant_id=grant)
    assert not may(bench, "Encrypt", key, cat, "AIDABOB0000000000000")


def test_a_federated_users_grants_are_its_owners(bench: Bench, client: Client) -> None:
    key = client.new()
    client.create_grant(key_id=key, grantee_principal=ANN, operations=["Encrypt"])
    session = f"arn:aws:sts::{ACCOUNT}:federated-user/f"

    def granted(owner: str, owner_id: str) -> int:
        caller = Principal(
            "federated-user", ACCOUNT, session, session, f"{ACCOUNT}:f", "f", owner_arn=owner, owner_id=owner_id
        )
        found = guard(bench.make_call(principal=caller), f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{key}")
        assert found is not None
        assert found.policy is not None
        return len(found.policy.statements) - 1

    assert granted(BOB, "AIDABOB0000000000000") == 0
    assert granted(ANN, "AIDAANN0000000000000") == 1


def test_an_operation_counts_once(client: Client) -> None:
    key = client.new()
    client.create_grant(key_id=key, grantee_principal=ANN, operations=["Encrypt"] * 100 + ["Decrypt"])
    assert client.list_grants(key_id=key)["Grants"][0]["Operations"] == ["Encrypt", "Decrypt"]


@pytest.mark.parametrize(
    ("kind", "context", "allowed"),
    [
        ("EncryptionContextSubset", {"a": "1"}, True),
        ("EncryptionContextSubset", {"a": "1", "b": "2"}, True),
        ("EncryptionContextSubset", {"A": "1"}, False),
        ("EncryptionContextSubset", {"a": "2"}, False),
        ("EncryptionContextSubset", None, False),
        ("EncryptionContextEquals", {"a": "1"}, True),
        ("EncryptionContextEquals", {"a": "1", "b": "2"}, False),
        ("EncryptionContextEquals", None, False),
    ],
)
def test_a_constraint_is_about_the_encryption_context(
    bench: Bench, client: Client, kind: str, context: dict[str, str] | None, allowed: bool
) -> None:
    key = client.new()
    client.create_grant(
        key_id=key, grantee_principal=ANN, operations=["Decrypt", "DescribeKey"], constraints={kind: {"a": "1"}}
    )
    assert may(bench, "Decrypt", key, encryption_context=context) is allowed
    assert may(bench, "DescribeKey", key)


@pytest.mark.parametrize(
    ("operations", "constraints", "allowed"),
    [
        (["Encrypt"], {"EncryptionContextSubset": {"a": "1"}}, True),
        (["Encrypt"], {"EncryptionContextEquals": {"a": "1", "b": "2"}}, True),
        (["Encrypt"], {"EncryptionContextSubset": {"b": "1"}}, False),
        (["Encrypt"], None, False),
        (["Encrypt", "Decrypt"], {"EncryptionContextSubset": {"a": "1"}}, False),
    ],
)
def test_a_grantee_may_only_grant_what_it_has(
    bench: Bench, client: Client, operations: list[str], constraints: Any, allowed: bool
) -> None:
    key = client.new()
    client.create_grant(
        key_id=key,
        grantee_principal=ANN,
        operations=["Encrypt", "CreateGrant"],
        constraints={"EncryptionContextSubset": {"a": "1"}},
    )
    assert may(bench, "CreateGrant", key, operations=operations, constraints=constraints) is allowed


def test_a_grant_is_retired_by_whom_it_says(bench: Bench, client: Client) -> None:
    key = client.new()
    made = client.create_grant(key_id=key, grantee_principal=ANN, retiring_principal=BOB, operations=["Encrypt"])
    other = client.create_grant(key_id=key, grantee_principal=ANN, operations=["Decrypt", "RetireGrant"])
    bob: dict[str, Any] = {"who": BOB, "user_id": "AIDABOB0000000000000"}
    assert may(bench, "RetireGrant", key, grant_id=made["GrantId"], **bob)
    assert not may(bench, "RetireGrant", key, grant_id=other["GrantId"], **bob)
    assert not may(bench, "RetireGrant", key, grant_id=made["GrantId"])
    assert may(bench, "RetireGrant", key, grant_id=other["GrantId"])
    assert [one["GrantId"] for one in client.list_retirable_grants(retiring_principal=BOB)["Grants"]] == [
        made["GrantId"]
    ]
    client.retire_grant(grant_token=made["GrantToken"])
    assert [one["GrantId"] for one in client.list_grants(key_id=key)["Grants"]] == [other["GrantId"]]


def test_the_same_request_under_a_name_makes_no_second_grant(client: Client) -> None:
    key = client.new()
    given: dict[str, Any] = {"key_id": key, "grantee_principal": ANN, "operations": ["Encrypt"], "name": "n"}
    first, again = client.create_grant(**given), client.create_grant(**given)
    assert first["GrantId"] == again["GrantId"]
    assert first["GrantToken"] != again["GrantToken"]
    other = client.create_grant(**{**given, "operations": ["Decrypt"]})
    assert other["GrantId"] != first["GrantId"]
    assert client.retire_grant(grant_token=again["GrantToken"]) is None
    assert len(client.list_grants(key_id=key)["Grants"]) == 1


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"grantee_principal": f"arn:aws:iam::{ACCOUNT}:user/nobody", "operations": ["Encrypt"]}, InvalidArnException),
        ({"grantee_principal": "nobody", "operations": ["Encrypt"]}, InvalidArnException),
        ({"grantee_principal": ANN, "operations": ["Sign"]}, ValidationException),
        ({"operations": ["Encrypt"]}, ValidationException),
        ({"grantee_service_principal": "rds.amazonaws.com", "operations": ["Encrypt"]}, ValidationException),
    ],
)
def test_some_grants_cannot_be(client: Client, params: Any, error: Any) -> None:
    with pytest.raises(error):
        client.create_grant(key_id=client.new(), **params)


def test_another_account_needs_the_keys_consent(bench: Bench, client: Client, other: Client) -> None:
    key = client.new()
    arn = client.describe(key)["Arn"]
    assert other.describe_key(key_id=arn)["KeyMetadata"]["Arn"] == arn  # found; whether it may is decided before
    call = bench.make_call(OTHER)
    assert call.authorise is not None
    assert not call.authorise("kms:DescribeKey", arn).allowed
    with pytest.raises(NotFoundException):
        other.disable_key(key_id=arn)


def test_of_thousands_of_grants_only_the_callers_are_looked_at(bench: Bench, client: Client) -> None:
    """What others were granted is neither read nor compiled; a guard of some would be too long for one turn of the loop."""
    key = client.new()
    for number in range(300):
        name = f"arn:aws:iam::{ACCOUNT}:role/r{number}"
        bench.room.people[name] = f"AROA{number:016d}"
        client.create_grant(key_id=key, grantee_principal=name, operations=["Encrypt"], retiring_principal=name)
    made = client.create_grant(key_id=key, grantee_principal=ANN, operations=["Encrypt"], retiring_principal=BOB)
    assert may(bench, "Encrypt", key)
    assert not may(bench, "Encrypt", key, BOB, "AIDABOB0000000000000")
    call = bench.make_call(principal=person(ANN, "AIDAANN0000000000000"))
    found = guard(call, f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{key}")
    assert found is not None
    assert found.policy is not None
    assert len(found.policy.statements) == 3
    client.retire_grant(grant_token=made["GrantToken"])
    assert not may(bench, "Encrypt", key)


def test_what_others_were_granted_costs_a_caller_nothing(bench: Bench, client: Client) -> None:
    key = client.new()
    client.create_grant(key_id=key, grantee_principal=ANN, operations=["Encrypt"])

    def steps() -> int:
        """How much SQLite does, in hundreds of its instructions, to find a caller's grants."""
        bench.restart()
        taken: list[int] = []
        bench.reader.set_progress_handler(lambda: taken.append(1), 100)
        assert may(bench, "Encrypt", key)
        bench.reader.set_progress_handler(None, 100)
        return len(taken)

    few = steps()
    for _ in range(1000):
        client.create_grant(key_id=key, grantee_principal=BOB, operations=["Encrypt"], retiring_principal=BOB)
    assert steps() <= few + 5


ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"


def session(name: str) -> str:
    return f"arn:aws:sts::{ACCOUNT}:assumed-role/r/{name}"


def role_may(bench: Bench, key: str, name: str) -> list[bool]:
    """What a session of the role may do with a key."""
    caller = Principal("role", ACCOUNT, ROLE, session(name), f"AROAR000000000000000:{name}", "r")
    found = []
    for action, context in (
        ("DescribeKey", {}),
        ("Encrypt", {}),
        ("Encrypt", {"who": session("mine")}),
        ("Encrypt", {"who": ROLE}),
    ):
        call = bench.make_call(principal=caller)
        keys = {
            word.lower(): value
            for word, value in conditions(call, {"key_id": key, "encryption_context": context}).items()
        }
        assert call.authorise is not None
        found.append(call.authorise(f"kms:{action}", f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{key}", keys).allowed)
    return found


CASES: list[tuple[str, dict[str, Any]]] = [
    *(("Encrypt", {"encryption_context": {"volume": str(number), **further}}) for number in (0, 3, 4, 9)
      for further in ({}, {"zone": "a"})),
    ("Decrypt", {"encryption_context": {"volume": "3"}}),
    ("Decrypt", {"encryption_context": {"é": "ü"}}),
    ("Encrypt", {}),
    ("DescribeKey", {}),
    ("GetPublicKey", {}),
    ("CreateGrant", {"operations": ["Encrypt"], "constraints": {"EncryptionContextSubset": {"volume": "3"}}}),
    ("CreateGrant", {"operations": ["Encrypt"], "constraints": {"EncryptionContextEquals": {"volume": "4"}}}),
    ("CreateGrant", {"operations": ["Decrypt"], "constraints": {"EncryptionContextSubset": {"volume": "3"}}}),
    ("CreateGrant", {"operations": ["Encrypt"]}),
]  # fmt: skip


@pytest.mark.parametrize("stored", [True, False])
def test_of_very_many_grants_a_request_finds_those_that_it_comes_under(
    bench: Bench, client: Client, monkeypatch: pytest.MonkeyPatch, stored: bool
) -> None:
    """The answers are those of a guard that has all of them; also where the grants are older than the column."""
    key = client.new()
    every = ["Encrypt", "Decrypt", "CreateGrant", "DescribeKey"]
    # What stands for others must not hide what is the caller's: its predecessor's, its account's, another session's.
    bench.room.people |= dict.fromkeys((ROLE, session("mine"), session("other")), "AROAR000000000000000")
    bench.room.people[ANN] = "AIDAPREDECESSOR00000"
    for grantee in (ANN, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", session("other")):
        client.create_grant(key_id=key, grantee_principal=grantee, operations=every)
    bench.room.people[ANN] = "AIDAANN0000000000000"
    made = [
        client.create_grant(
            key_id=key,
            grantee_principal=ANN,
            retiring_principal=BOB if number == 5 else None,
            operations=["Encrypt", "CreateGrant", "DescribeKey"],
            constraints={f"EncryptionContext{'Subset' if number % 2 else 'Equals'}": {"volume": str(number)}},
        )["GrantId"]
        for number in range(7)
    ]
    client.create_grant(
        key_id=key, grantee_principal=ANN, operations=["Decrypt"], constraints={"EncryptionContextEquals": {"é": "ü"}}
    )
    for grantee in (session("mine"), ROLE):
        client.create_grant(
            key_id=key,
            grantee_principal=grantee,
            operations=["Encrypt", "DescribeKey"],
            constraints={"EncryptionContextSubset": {"who": grantee}},
        )
    if not stored:
        update = next(line for line in SERVICE.schema.migrations[-1].split(";") if "UPDATE" in line)
        bench.writer.execute("UPDATE grants SET pair = NULL")
        bench.writer.execute(update)

    def answers() -> list[bool]:
        bench.restart()
        cases = [may(bench, action, key, **params) for action, params in CASES]
        retires = [may(bench, "RetireGrant", key, BOB, "AIDABOB0000000000000", grant_id=one) for one in made]
        return cases + retires + [answer for name in ("mine", "third") for answer in role_may(bench, key, name)]

    whole = answers()
    assert whole[-8:] == [True, False, True, True, True, False, False, True]
    assert set(whole[:-8]) == {True, False}
    monkeypatch.setattr(guards, "_FEW", 2)
    call = bench.make_call(principal=person(ANN, "AIDAANN0000000000000"))
    assert answers() == whole
    found = guard(call, f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{key}")
    assert found is not None
    assert found.narrowed is not None


def test_a_grant_to_an_account_is_for_those_whom_the_account_lets(bench: Bench, client: Client) -> None:
    key = client.new()
    for name in (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root"):
        client.create_grant(key_id=key, grantee_principal=name, operations=["Encrypt"])
    call = bench.make_call(principal=person(ANN, "AIDAANN0000000000000"))
    found = guard(call, f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{key}")
    assert found is not None
    assert found.policy is not None
    assert [statement.members.accounts for statement in found.policy.statements[1:]] == [{ACCOUNT}, {ACCOUNT}]
