"""What a copied disk reveals: no secret of a credential, without the master key."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.conftest import LiveRegion
from tests.permissions.examples import self_signed


@pytest.mark.slow
def test_no_secret_lies_on_the_disk_in_the_clear(own_region: LiveRegion) -> None:
    own_region.start()
    iam, sts = own_region.client("iam"), own_region.client("sts")
    iam.create_user(UserName="planted")
    key = iam.create_access_key(UserName="planted")["AccessKey"]
    session = sts.get_session_token()["Credentials"]
    planted = [key["SecretAccessKey"], session["SecretAccessKey"], session["SessionToken"]]
    certificate, private = self_signed("planted.example.com")
    acm = own_region.client("acm")
    acm.import_certificate(Certificate=certificate, PrivateKey=private)
    with pytest.raises(ClientError):
        acm.import_certificate(Certificate=self_signed("other.example.com")[0], PrivateKey=private)
    # The two lines of PEM that hold the secret number; the third is the public key's.
    planted += private.decode().splitlines()[1:3]
    found = search(own_region.data, planted)
    own_region.kill()
    found += search(own_region.data, planted)
    log = own_region.log.read_text() if own_region.log.exists() else ""
    assert key["AccessKeyId"].encode() in b"".join(path.read_bytes() for path in own_region.data.glob("rooms/iam.db*"))
    assert found == []
    assert [secret for secret in planted if secret in log] == []


def search(data: Path, secrets: list[str]) -> list[tuple[str, str]]:
    files = [path for path in data.rglob("*") if path.is_file()]
    assert len(files) > 4
    return [(path.name, secret) for path in files for secret in secrets if secret.encode() in path.read_bytes()]
