"""Rotation: by the calendar and on demand; the old material decrypts what it encrypted."""

from __future__ import annotations

import pytest

from awning.services.kms.errors import DisabledException, LimitExceededException, UnsupportedOperationException
from tests.services.kms.support import ACCOUNT, DAY, START, Bench, Client


def material(client: Client, key: str) -> str:
    return str(client.describe(key)["CurrentKeyMaterialId"])


def test_a_key_is_rotated_when_its_period_is_over(bench: Bench, client: Client) -> None:
    key = client.new()
    assert client.get_key_rotation_status(key_id=key)["KeyRotationEnabled"] is False
    client.enable_key_rotation(key_id=key, rotation_period_in_days=90)
    status = client.get_key_rotation_status(key_id=key)
    assert (status["RotationPeriodInDays"], status["NextRotationDate"]) == (90, START + 90 * DAY)
    first, blob = material(client, key), client.encrypt(key_id=key, plaintext=b"old")["CiphertextBlob"]
    bench.later(days=89)
    assert material(client, key) == first
    bench.later(days=2)
    assert material(client, key) != first
    assert client.get_key_rotation_status(key_id=key)["NextRotationDate"] == START + 180 * DAY
    assert client.decrypt(ciphertext_blob=blob)["Plaintext"] == b"old"
    assert client.decrypt(ciphertext_blob=blob)["KeyMaterialId"] == first
    new = client.encrypt(key_id=key, plaintext=b"new")["CiphertextBlob"]
    assert client.decrypt(ciphertext_blob=new)["KeyMaterialId"] == material(client, key)
    (rotation,) = client.list_key_rotations(key_id=key)["Rotations"]
    assert (rotation["RotationType"], rotation["RotationDate"]) == ("AUTOMATIC", bench.now)


def test_a_disabled_key_is_rotated_once_it_is_enabled(bench: Bench, client: Client) -> None:
    key = client.new()
    client.enable_key_rotation(key_id=key, rotation_period_in_days=90)
    first = material(client, key)
    client.disable_key(key_id=key)
    bench.later(days=400)
    assert material(client, key) == first
    client.enable_key(key_id=key)
    bench.work()
    assert material(client, key) != first
    assert client.get_key_rotation_status(key_id=key)["NextRotationDate"] == START + 450 * DAY
    assert len(client.list_key_rotations(key_id=key)["Rotations"]) == 1


def test_rotation_on_demand_leaves_the_calendar_alone(bench: Bench, client: Client) -> None:
    key = client.new()
    client.enable_key_rotation(key_id=key)
    before = client.get_key_rotation_status(key_id=key)
    blob = client.encrypt(key_id=key, plaintext=b"old")["CiphertextBlob"]
    said = client.rotate_key_on_demand(key_id=key)
    assert said == {"KeyId": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{key}"}
    assert client.get_key_rotation_status(key_id=key) == before
    bench.restart()
    assert client.decrypt(ciphertext_blob=blob)["Plaintext"] == b"old"


def test_a_key_is_rotated_on_demand_twenty_five_times(client: Client) -> None:
    key = client.new()
    blobs = []
    for _ in range(25):
        blobs.append(client.encrypt(key_id=key, plaintext=b"x")["CiphertextBlob"])
        client.rotate_key_on_demand(key_id=key)
    with pytest.raises(LimitExceededException, match="The on-demand rotations limit has been reached"):
        client.rotate_key_on_demand(key_id=key)
    assert all(client.decrypt(ciphertext_blob=blob)["Plaintext"] == b"x" for blob in blobs)
    page = client.list_key_rotations(key_id=key, limit=20)
    rest = client.list_key_rotations(key_id=key, limit=20, marker=page["NextMarker"])
    assert (len(page["Rotations"]), len(rest["Rotations"]), rest["Truncated"]) == (20, 5, False)
    whole = client.list_key_rotations(key_id=key, include_key_material="ALL_KEY_MATERIAL")["Rotations"]
    assert [row["KeyMaterialState"] for row in whole] == ["NON_CURRENT"] * 25 + ["CURRENT"]


def test_only_symmetric_keys_are_rotated(client: Client) -> None:
    key = client.new(key_spec="ECC_NIST_P256", key_usage="SIGN_VERIFY")
    with pytest.raises(UnsupportedOperationException):
        client.rotate_key_on_demand(key_id=key)
    with pytest.raises(UnsupportedOperationException):
        client.enable_key_rotation(key_id=key)
    assert client.get_key_rotation_status(key_id=key)["KeyRotationEnabled"] is False
    client.disable_key(key_id=key)
    with pytest.raises(DisabledException):
        client.rotate_key_on_demand(key_id=key)


def test_a_services_own_key_is_rotated_every_year(bench: Bench, client: Client) -> None:
    key = client.describe("alias/aws/s3")["KeyId"]
    first = material(client, key)
    bench.later(days=366)
    assert material(client, key) != first
