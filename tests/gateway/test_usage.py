"""When keys and roles were last used: bounded, and kept over a stop."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from awning.auth.principal import root_of
from awning.contracts import FindLastUse, LastUse
from awning.gateway import usage
from awning.gateway.usage import Usage
from tests.conftest import LiveRegion

ROLE = replace(root_of("123456789012"), kind="role", user_id="AROAX:session")


def test_a_key_is_known_by_itself_and_a_session_by_its_role() -> None:
    used = Usage()
    used.note("AKIA1", root_of("123456789012"), 10.5, "s3", "eu-west-1")
    used.note("ASIA1", ROLE, 11.0, "sqs", "us-east-1")
    used.note("test", root_of("123456789012"), 12.0, "sqs", "us-east-1")
    assert used.find(FindLastUse("AKIA1")) == LastUse(10.0, "s3", "eu-west-1")
    assert used.find(FindLastUse("AROAX")) == LastUse(11.0, "sqs", "us-east-1")
    assert used.find(FindLastUse("ASIA1")) is None
    assert used.find(FindLastUse("test")) is None


def test_of_a_user_and_a_role_each_service_is_known() -> None:
    used = Usage()
    user = replace(root_of("123456789012"), kind="user", user_id="AIDAX")
    used.note("AKIA1", user, 10.0, "s3", "eu-west-1")
    used.note("ASIA2", user, 11.0, "sqs", "us-east-1")
    used.note("ASIA1", ROLE, 12.0, "sqs", "us-east-1")
    assert used.find(FindLastUse("AIDAX s3")) == LastUse(10.0, "s3", "eu-west-1")
    assert used.find(FindLastUse("AIDAX sqs")) == LastUse(11.0, "sqs", "us-east-1")
    assert used.find(FindLastUse("AROAX sqs")) == LastUse(12.0, "sqs", "us-east-1")
    assert used.find(FindLastUse("AROAX s3")) is None


def test_it_is_bounded_and_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "MOST", 2)
    used = Usage()
    for number in range(3):
        used.note(f"AKIA{number}", root_of("123456789012"), number, "s3", "us-east-1")
    other = Usage()
    other.restore(orjson.loads(b"".join(used.pieces())))
    assert [other.find(FindLastUse(f"AKIA{number}")) for number in range(3)] == [
        None,
        LastUse(1.0, "s3", "us-east-1"),
        LastUse(2.0, "s3", "us-east-1"),
    ]
    with pytest.raises((ValueError, TypeError, AttributeError)):
        other.restore({"AKIA9": ["x", 1, 2]})
    assert other.find(FindLastUse("AKIA1")) is not None


def test_a_region_says_when_a_key_was_last_used(region: LiveRegion) -> None:
    iam = region.client("iam")
    iam.create_user(UserName="usage-alice")
    key = iam.create_access_key(UserName="usage-alice")["AccessKey"]
    client = region.client("sqs", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    assert "LastUsedDate" not in iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])["AccessKeyLastUsed"]
    with pytest.raises(client.exceptions.ClientError):
        client.list_queues()
    used = iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])["AccessKeyLastUsed"]
    assert (used["ServiceName"], used["Region"]) == ("sqs", "us-east-1")
