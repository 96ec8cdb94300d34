"""Multi-Region keys: what one region encrypts another decrypts; primary and replica keys change places."""

from __future__ import annotations

import pytest

from awning.kit.errors import AccessDenied
from awning.services.kms.errors import AlreadyExistsException, NotFoundException, UnsupportedOperationException
from tests.services.kms.support import ACCOUNT, Bench, Client


def test_a_replica_decrypts_what_its_primary_encrypts(client: Client, west: Client) -> None:
    key = client.new(multi_region=True)
    assert key.startswith("mrk-")
    blob = client.encrypt(key_id=key, plaintext=b"x")["CiphertextBlob"]
    with pytest.raises(AccessDenied):
        west.decrypt(ciphertext_blob=blob)
    made = client.replicate_key(key_id=key, replica_region="us-west-2")["ReplicaKeyMetadata"]
    assert made["Arn"] == f"arn:aws:kms:us-west-2:{ACCOUNT}:key/{key}"
    assert west.decrypt(ciphertext_blob=blob)["Plaintext"] == b"x"
    regions = client.describe(key)["MultiRegionConfiguration"]
    assert regions["MultiRegionKeyType"] == "PRIMARY"
    assert [one["Region"] for one in regions["ReplicaKeys"]] == ["us-west-2"]
    assert west.describe(key)["MultiRegionConfiguration"]["PrimaryKey"]["Region"] == "us-east-1"
    with pytest.raises(AlreadyExistsException):
        client.replicate_key(key_id=key, replica_region="us-west-2")
    with pytest.raises(UnsupportedOperationException, match="is not a multi-region primary key"):
        west.replicate_key(key_id=key, replica_region="eu-west-1")


def test_a_rotation_reaches_all_regions(client: Client, west: Client) -> None:
    key = client.new(multi_region=True)
    client.enable_key_rotation(key_id=key)
    old = client.encrypt(key_id=key, plaintext=b"old")["CiphertextBlob"]
    client.replicate_key(key_id=key, replica_region="us-west-2")
    west.encrypt(key_id=key, plaintext=b"x")
    client.rotate_key_on_demand(key_id=key)
    new = client.encrypt(key_id=key, plaintext=b"new")["CiphertextBlob"]
    assert [west.decrypt(ciphertext_blob=blob)["Plaintext"] for blob in (old, new)] == [b"old", b"new"]
    assert west.describe(key)["CurrentKeyMaterialId"] == client.describe(key)["CurrentKeyMaterialId"]
    assert west.get_key_rotation_status(key_id=key)["KeyRotationEnabled"] is True
    with pytest.raises(UnsupportedOperationException):
        west.rotate_key_on_demand(key_id=key)


def test_primary_and_replica_change_places(client: Client, west: Client) -> None:
    key = client.new(multi_region=True)
    with pytest.raises(NotFoundException):
        client.update_primary_region(key_id=key, primary_region="us-west-2")
    client.replicate_key(key_id=key, replica_region="us-west-2")
    client.update_primary_region(key_id=key, primary_region="us-west-2")
    assert client.describe(key)["MultiRegionConfiguration"]["MultiRegionKeyType"] == "REPLICA"
    west.replicate_key(key_id=key, replica_region="eu-west-1")


def test_a_primary_key_is_deleted_after_its_replicas(bench: Bench, client: Client, west: Client) -> None:
    key = client.new(multi_region=True)
    client.replicate_key(key_id=key, replica_region="us-west-2")
    assert client.schedule_key_deletion(key_id=key, pending_window_in_days=7)["KeyState"] == "PendingReplicaDeletion"
    west.schedule_key_deletion(key_id=key, pending_window_in_days=10)
    bench.later(days=10)
    assert client.state(key) == "PendingDeletion"
    bench.later(days=7)
    with pytest.raises(NotFoundException):
        client.describe(key)
