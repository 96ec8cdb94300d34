"""What a copied disk reveals: no secret of a credential, without the master key."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
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


@pytest.mark.slow
def test_no_secret_of_an_identity_lies_on_the_disk_or_in_the_log(own_region: LiveRegion) -> None:
    own_region.start()
    iam, sts = own_region.client("iam"), own_region.client("sts")
    iam.create_user(UserName="planted")
    passwords = ["Planted-1-Password", "Planted-2-Password", "Planted-3-Password"]
    iam.create_login_profile(UserName="planted", Password=passwords[0])
    iam.update_login_profile(UserName="planted", Password=passwords[1])
    policy = json.dumps(
        {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iam:ChangePassword", "Resource": "*"}}
    )
    iam.put_user_policy(UserName="planted", PolicyName="own", PolicyDocument=policy)
    key = iam.create_access_key(UserName="planted")["AccessKey"]
    own = own_region.client("iam", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    for old, new in ((passwords[0], passwords[2]), (passwords[1], "planted-short"), (passwords[1], passwords[2])):
        with suppress(ClientError):
            own.change_password(OldPassword=old, NewPassword=new)
    service = {"UserName": "planted", "ServiceName": "codecommit.amazonaws.com"}
    made = iam.create_service_specific_credential(**service)["ServiceSpecificCredential"]
    named = {"UserName": "planted", "ServiceSpecificCredentialId": made["ServiceSpecificCredentialId"]}
    again = iam.reset_service_specific_credential(**named)["ServiceSpecificCredential"]
    seed = iam.create_virtual_mfa_device(VirtualMFADeviceName="planted")["VirtualMFADevice"]["Base32StringSeed"]
    certificate, private = self_signed("planted.example.com")
    pem = {"CertificateBody": certificate.decode(), "PrivateKey": private.decode()}
    iam.upload_server_certificate(ServerCertificateName="planted", **pem)
    other = self_signed("other.example.com")[0].decode()
    with pytest.raises(ClientError, match="KeyPairMismatch"):
        iam.upload_server_certificate(ServerCertificateName="other", **{**pem, "CertificateBody": other})
    federated = sts.get_federation_token(Name="planted")["Credentials"]
    iam.generate_credential_report()
    # Two lines of the PEM hold the secret number; stored, a key is DER.
    planted = [
        *(password.encode() for password in [*passwords, "planted-short"]),
        *(one["ServicePassword"].encode() for one in (made, again)),
        seed,
        base64.b32decode(seed),
        *private.splitlines()[1:3],
        base64.b64decode(b"".join(private.splitlines()[1:-1]))[36:68],
        *(federated[name].encode() for name in ("SecretAccessKey", "SessionToken")),
    ]
    for end in (lambda: None, own_region.kill):
        end()
        content = [path.read_bytes() for path in own_region.data.rglob("*") if path.is_file()]
        content.append(own_region.log.read_bytes())
        assert any(made["ServiceSpecificCredentialId"].encode() in one for one in content)
        assert [secret for secret in planted if any(secret in one for one in content)] == []


def search(data: Path, secrets: list[str]) -> list[tuple[str, str]]:
    files = [path for path in data.rglob("*") if path.is_file()]
    assert len(files) > 4
    return [(path.name, secret) for path in files for secret in secrets if secret.encode() in path.read_bytes()]
