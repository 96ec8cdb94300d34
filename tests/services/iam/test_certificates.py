"""Server certificates, signing certificates and SSH keys: really read, held against each other, and never told apart by less."""

from __future__ import annotations

from base64 import b64decode, b64encode

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_pem_public_key,
)

from tests.services.iam.certs import certificate, key, pem
from tests.services.iam.support import ACCOUNT
from tests.services.iam.wire import Boto


@pytest.fixture
def iam(house):
    client = Boto(house).client("iam")
    client.create_user(UserName="alice")
    return client


def refused(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_server_certificate_from_its_upload_to_its_end(house, iam):
    own = key()
    body = certificate("example.org", own, house.now)
    wanted = {"ServerCertificateName": "web", "CertificateBody": body, "PrivateKey": pem(own)}
    made = iam.upload_server_certificate(**wanted, Path="/cloudfront/")
    metadata = made["ServerCertificateMetadata"]
    assert "Tags" not in made
    assert metadata["Arn"] == f"arn:aws:iam::{ACCOUNT}:server-certificate/cloudfront/web"
    assert metadata["ServerCertificateId"].startswith("ASCA")
    assert metadata["Expiration"].timestamp() == pytest.approx(house.now + 364 * 86_400, abs=1)
    assert iam.list_server_certificates()["ServerCertificateMetadataList"] == [metadata]
    assert iam.list_server_certificates(PathPrefix="/other/")["ServerCertificateMetadataList"] == []
    assert refused(iam.upload_server_certificate, **wanted) == (
        "EntityAlreadyExists",
        "The Server Certificate with name web already exists.",
    )
    iam.update_server_certificate(ServerCertificateName="web", NewPath="/", NewServerCertificateName="site")
    iam.tag_server_certificate(ServerCertificateName="site", Tags=[{"Key": "a", "Value": "b"}])
    shown = iam.get_server_certificate(ServerCertificateName="site")["ServerCertificate"]
    assert shown["CertificateBody"] == body.strip()
    assert "CertificateChain" not in shown
    assert shown["Tags"] == [{"Key": "a", "Value": "b"}]
    assert shown["ServerCertificateMetadata"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:server-certificate/site"
    iam.delete_server_certificate(ServerCertificateName="site")
    assert refused(iam.get_server_certificate, ServerCertificateName="site") == (
        "NoSuchEntity",
        "The Server Certificate with name site cannot be found.",
    )


def test_a_version_that_there_is_not_is_an_error_of_the_clients(house, iam):
    own = key()
    body = certificate("example.org", own, house.now)
    der = b64decode("".join(body.splitlines()[1:-1]))
    assert der.count(b"\xa0\x03\x02\x01\x02") == 1
    text = b64encode(der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x63")).decode()
    strange = f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"
    for params in ({"CertificateBody": strange}, {"CertificateBody": body, "CertificateChain": strange}):
        code, _ = refused(iam.upload_server_certificate, ServerCertificateName="c", PrivateKey=pem(own), **params)
        assert code == "MalformedCertificate"


def test_a_private_key_is_stored_sealed_only(house, iam):
    own = key()
    body = certificate("example.org", own, house.now)
    made = iam.upload_server_certificate(ServerCertificateName="web", CertificateBody=body, PrivateKey=pem(own))
    (row,) = house.rooms["iam"].db.execute("SELECT * FROM resources WHERE kind = 'server-certificate'").fetchall()
    assert "PRIVATE" not in repr(row)
    identifier = made["ServerCertificateMetadata"]["ServerCertificateId"].encode()
    opened = house.rooms["iam"].seal.open(next(one for one in row if isinstance(one, bytes)), identifier)
    assert load_der_private_key(opened, None).public_key() == own.public_key()


def test_each_certificate_of_a_chain_must_have_signed_the_one_before(house, iam):
    root, middle, leaf = key(), key(), key()
    body = certificate("leaf", leaf, house.now, issuer="middle", by=middle)
    between = certificate("middle", middle, house.now, issuer="root", by=root)
    above = certificate("root", root, house.now)
    wanted = {"CertificateBody": body, "PrivateKey": pem(leaf)}
    code, message = refused(
        iam.upload_server_certificate, **wanted, ServerCertificateName="a", CertificateChain=above + between
    )
    assert code == "MalformedCertificate"
    assert message.endswith("The index within the chain of the invalid certificate is: -1")
    other = certificate("root", key(), house.now)
    code, message = refused(
        iam.upload_server_certificate, **wanted, ServerCertificateName="a", CertificateChain=between + other
    )
    assert message.endswith("is: 0")
    iam.upload_server_certificate(**wanted, ServerCertificateName="a", CertificateChain=between + above)
    shown = iam.get_server_certificate(ServerCertificateName="a")["ServerCertificate"]
    assert shown["CertificateChain"] == (between + above).strip()


def test_what_is_no_certificate_or_no_key_of_it_is_refused(house, iam):
    own = key()
    good = certificate("example.org", own, house.now)
    old = certificate("example.org", own, house.now - 10 * 86_400, days=5)

    def upload(body, private):
        return refused(
            iam.upload_server_certificate, ServerCertificateName="x", CertificateBody=body, PrivateKey=private
        )

    assert upload(good, pem(key()))[0] == "KeyPairMismatch"
    assert upload("no certificate", pem(own))[0] == "MalformedCertificate"
    assert upload(good + good, pem(own))[0] == "MalformedCertificate"
    assert upload(good, "no key")[0] == "MalformedCertificate"
    assert "no longer valid" in upload(old, pem(own))[1]
    assert iam.list_server_certificates()["ServerCertificateMetadataList"] == []


def test_a_user_has_two_signing_certificates_at_most(house, iam):
    bodies = [certificate(f"c{number}", key(), house.now) for number in range(3)]
    first = iam.upload_signing_certificate(UserName="alice", CertificateBody=bodies[0])["Certificate"]
    assert (first["UserName"], first["Status"], first["CertificateBody"]) == ("alice", "Active", bodies[0])
    assert refused(iam.upload_signing_certificate, UserName="alice", CertificateBody=bodies[0])[0] == (
        "DuplicateCertificate"
    )
    house.now += 1
    iam.upload_signing_certificate(UserName="alice", CertificateBody=bodies[1])
    assert refused(iam.upload_signing_certificate, UserName="alice", CertificateBody=bodies[2]) == (
        "LimitExceeded",
        "Cannot exceed quota for CertificatesPerUser: 2",
    )
    assert refused(iam.upload_signing_certificate, UserName="alice", CertificateBody="invalid") == (
        "MalformedCertificate",
        "Certificate invalid is malformed.",
    )
    iam.update_signing_certificate(UserName="alice", CertificateId=first["CertificateId"], Status="Inactive")
    listed = iam.list_signing_certificates(UserName="alice")["Certificates"]
    assert [one["Status"] for one in listed] == ["Inactive", "Active"]
    assert refused(iam.delete_user, UserName="alice")[0] == "DeleteConflict"
    for one in listed:
        iam.delete_signing_certificate(UserName="alice", CertificateId=one["CertificateId"])
    missing = "X" * 32
    assert refused(iam.delete_signing_certificate, UserName="alice", CertificateId=missing) == (
        "NoSuchEntity",
        f"The Certificate with id {missing} cannot be found.",
    )
    iam.delete_user(UserName="alice")


def test_the_roots_signing_certificates_are_of_its_own_account(house, iam):
    iam.upload_signing_certificate(CertificateBody=certificate("c", key(), house.now))
    assert len(iam.list_signing_certificates()["Certificates"]) == 1
    assert iam.get_account_summary()["SummaryMap"]["AccountSigningCertificatesPresent"] == 1
    assert iam.list_signing_certificates(UserName="alice")["Certificates"] == []


@pytest.fixture(scope="module")
def ssh():
    public = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    return (
        public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() + " alice@home",
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    )


def test_an_ssh_key_is_shown_in_either_form(iam, ssh):
    in_ssh, in_pem = ssh
    made = iam.upload_ssh_public_key(UserName="alice", SSHPublicKeyBody=in_ssh)["SSHPublicKey"]
    assert made["SSHPublicKeyId"].startswith("APKA")
    assert (made["Status"], made["SSHPublicKeyBody"]) == ("Active", in_ssh)
    assert len(made["Fingerprint"].split(":")) == 16
    wanted = {"UserName": "alice", "SSHPublicKeyId": made["SSHPublicKeyId"]}
    assert iam.get_ssh_public_key(**wanted, Encoding="SSH")["SSHPublicKey"] == made
    shown = iam.get_ssh_public_key(**wanted, Encoding="PEM")["SSHPublicKey"]["SSHPublicKeyBody"]
    assert load_pem_public_key(shown.encode()) == load_pem_public_key(in_pem.encode())
    iam.update_ssh_public_key(**wanted, Status="Inactive")
    (listed,) = iam.list_ssh_public_keys(UserName="alice")["SSHPublicKeys"]
    assert set(listed) == {"UserName", "SSHPublicKeyId", "Status", "UploadDate"}
    assert listed["Status"] == "Inactive"
    assert refused(iam.upload_ssh_public_key, UserName="alice", SSHPublicKeyBody=in_pem)[0] == "DuplicateSSHPublicKey"
    assert refused(iam.delete_user, UserName="alice")[0] == "DeleteConflict"
    iam.delete_ssh_public_key(**wanted)
    assert refused(iam.get_ssh_public_key, **wanted, Encoding="SSH") == (
        "NoSuchEntity",
        f"The Public Key with id {made['SSHPublicKeyId']} cannot be found.",
    )


def test_an_ssh_key_must_be_of_rsa_and_long(iam):
    other = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()
    for body in (other, short.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH), b"ssh-rsa AAAA"):
        code, _ = refused(iam.upload_ssh_public_key, UserName="alice", SSHPublicKeyBody=body.decode())
        assert code == "InvalidPublicKey"
    code, _ = refused(iam.upload_ssh_public_key, UserName="alice", SSHPublicKeyBody="what is this")
    assert code == "UnrecognizedPublicKeyEncoding"
