"""Our own authority: what it writes, what it issues, and that strict verifiers take it."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import subprocess
from pathlib import Path

import pytest
from cryptography import x509

from awning.net.certificates import CertificateAuthority

NAMES = [
    "localhost",
    "bucket.s3.localhost",
    "a.b.localhost",
    "s3.us-east-1.amazonaws.com",
    "x_y.localhost.localstack.cloud",
]


def test_the_authority_is_made_once_and_kept_private(tmp_path: Path) -> None:
    first = CertificateAuthority(tmp_path / "ca")
    again = CertificateAuthority(tmp_path / "ca")
    assert first.root_pem() == again.root_pem() == (tmp_path / "ca" / "ca.pem").read_bytes()
    assert (tmp_path / "ca" / "ca-key.pem").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "ca").stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in (tmp_path / "ca").iterdir()) == ["ca-key.pem", "ca.pem"]


def test_a_start_that_was_cut_short_is_mended(tmp_path: Path) -> None:
    CertificateAuthority(tmp_path)
    (tmp_path / "ca.pem").unlink()
    (tmp_path / ".ca.pem.new").write_bytes(b"half")
    mended = CertificateAuthority(tmp_path)
    assert CertificateAuthority(tmp_path).root_pem() == mended.root_pem()


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    CertificateAuthority(tmp_path / "a")
    CertificateAuthority(tmp_path / "b")
    (tmp_path / "a" / "ca.pem").write_bytes((tmp_path / "b" / "ca.pem").read_bytes())
    with pytest.raises(ValueError):
        CertificateAuthority(tmp_path / "a")


@pytest.mark.parametrize("name", NAMES)
def test_openssl_verifies_a_leaf_for_its_name_strictly(tmp_path: Path, name: str) -> None:
    authority = CertificateAuthority(tmp_path / "ca")
    chain, _ = authority.leaf_pem(name)
    (tmp_path / "leaf.pem").write_bytes(chain)
    done = subprocess.run(
        f"openssl verify -x509_strict -purpose sslserver -verify_hostname {name} -CAfile ca/ca.pem leaf.pem".split(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_leaf_says_what_it_is_for(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path, names=("awning.example",), addresses=("10.0.0.1",))
    leaf = x509.load_pem_x509_certificate(authority.leaf_pem("b.s3.localhost")[0])
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"b.s3.localhost", "localhost", "*.localhost", "awning.example"} <= set(
        names.get_values_for_type(x509.DNSName)
    )
    assert names.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address(each) for each in ("127.0.0.1", "::1", "10.0.0.1")
    ]
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= datetime.timedelta(days=825)
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).critical
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


@pytest.mark.parametrize("name", [*NAMES, "127.0.0.1"])
def test_a_strict_client_accepts_each_name(tmp_path: Path, name: str) -> None:
    authority = CertificateAuthority(tmp_path)
    client_context = ssl.create_default_context(cadata=authority.root_pem().decode())
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = authority.tls().context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert client.version() == "TLSv1.3"
    assert client.selected_alpn_protocol() is None


def test_contexts_are_kept_within_bounds_and_renewed_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = CertificateAuthority(tmp_path)
    monkeypatch.setattr("awning.net.certificates._MOST_CONTEXTS", 3)
    first = authority.context_for("a.localhost")
    assert authority.context_for("A.LOCALHOST") is first
    for name in "bcd":
        authority.context_for(f"{name}.localhost")
    assert len(authority._contexts) == 3
    kept = authority.context_for("d.localhost")
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=380)
    monkeypatch.setattr("awning.net.certificates._now", lambda: later)
    assert authority.context_for("d.localhost") is not kept
