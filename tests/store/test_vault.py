"""The master key: where it comes from, what a folder says without it, and that what is sealed stays sealed."""

from __future__ import annotations

import json
import stat
from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as some

from awning.store.errors import MasterKeyError
from awning.store.folder import DataFolder
from awning.store.vault import CHECK_FILE, KEY_FILE, Seal, Unsealable, Vault, exposed, put_key, unwrap

ONE, OTHER = b64encode(bytes(32)).decode(), b64encode(b"\x01" * 32).decode()


@given(some.binary(max_size=200), some.binary(max_size=20))
def test_what_was_sealed_opens_in_its_context_only(plain: bytes, context: bytes) -> None:
    seal = Seal(bytes(32))
    sealed = seal.seal(plain, context)
    assert seal.open(sealed, context) == plain
    for wrong in (lambda: seal.open(sealed, context + b"x"), lambda: Seal(b"\x01" * 32).open(sealed, context)):
        with pytest.raises(Unsealable):
            wrong()


@given(some.binary(min_size=8, max_size=50), some.data())
def test_an_altered_seal_does_not_open(plain: bytes, data: some.DataObject) -> None:
    seal = Seal(bytes(32))
    sealed = bytearray(seal.seal(plain))
    assert plain not in bytes(sealed)
    sealed[data.draw(some.integers(0, len(sealed) - 1))] ^= 1 << data.draw(some.integers(0, 7))
    with pytest.raises(Unsealable):
        seal.open(bytes(sealed))


@pytest.mark.parametrize("cut", [0, 1, 12, 13, 28])
def test_a_short_seal_does_not_open(cut: int) -> None:
    with pytest.raises(Unsealable):
        Seal(bytes(32)).open(Seal(bytes(32)).seal(b"")[:cut])


def test_the_same_plain_text_is_never_sealed_alike() -> None:
    assert len({Seal(bytes(32)).seal(b"x") for _ in range(50)}) == 50


def test_the_ciphers_are_the_named_ones(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path, {"AWNING_MASTER_KEY": ONE})
    sealed = vault.key("a purpose").seal(b"plain", b"context")
    key = HKDF(SHA256(), 32, salt=b"awning vault", info=b"a purpose").derive(bytes(32))
    assert AESGCM(key).decrypt(sealed[1:13], sealed[13:], b"context") == b"plain"


def test_each_purpose_has_a_key_of_its_own(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path, {})
    with pytest.raises(Unsealable):
        vault.key("one").open(vault.key("other").seal(b"x"))


def test_a_new_folder_gets_a_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path, {})
    assert not vault.given
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert exposed(tmp_path) is None
    assert Vault.open(tmp_path, {}).key("x").open(vault.key("x").seal(b"kept")) == b"kept"
    (tmp_path / KEY_FILE).chmod(0o640)
    assert "0640" in str(exposed(tmp_path))


def test_a_key_from_outside_is_not_stored(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path, {"AWNING_MASTER_KEY": ONE})
    assert vault.given
    assert not (tmp_path / KEY_FILE).exists()
    assert all(ONE.encode() not in path.read_bytes() for path in tmp_path.iterdir())


def test_a_key_may_come_from_a_file_or_a_credential(tmp_path: Path) -> None:
    data, credentials = tmp_path / "data", tmp_path / "credentials"
    data.mkdir()
    credentials.mkdir()
    (credentials / "awning-master-key").write_text(ONE + "\n")
    sealed = Vault.open(data, {"CREDENTIALS_DIRECTORY": str(credentials)}).key("x").seal(b"plain")
    named = {"AWNING_MASTER_KEY_FILE": str(credentials / "awning-master-key")}
    assert Vault.open(data, named).key("x").open(sealed) == b"plain"
    assert Vault.open(data, {"AWNING_MASTER_KEY": ONE}).key("x").open(sealed) == b"plain"


@pytest.mark.parametrize("environment", [{}, {"AWNING_MASTER_KEY": OTHER}], ids=["none", "another"])
def test_a_folder_without_its_key_is_left_alone(tmp_path: Path, environment: dict[str, str]) -> None:
    DataFolder.open(tmp_path, {"AWNING_MASTER_KEY": ONE}).close()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(MasterKeyError, match="master key"):
        DataFolder.open(tmp_path, environment)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    DataFolder.open(tmp_path, {"AWNING_MASTER_KEY": ONE}).close()


@pytest.mark.parametrize("text", ["short", b64encode(bytes(31)).decode(), "!" * 44, "é"])
def test_what_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(MasterKeyError):
        Vault.open(tmp_path, {"AWNING_MASTER_KEY": text})
    (tmp_path / KEY_FILE).write_text(text)
    with pytest.raises(MasterKeyError):
        Vault.open(tmp_path, {})
    assert not (tmp_path / CHECK_FILE).exists()


def test_a_damaged_check_is_told(tmp_path: Path) -> None:
    Vault.open(tmp_path, {})
    for content in (b"", b"{}", b"[]", b'{"check": "AAAA"}', b'{"check": 5}'):
        (tmp_path / CHECK_FILE).write_bytes(content)
        with pytest.raises(MasterKeyError):
            Vault.open(tmp_path, {})


def test_a_wrapped_key_opens_by_its_passphrase(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path, {})
    wrapped = vault.wrapped("a good one")
    assert (tmp_path / KEY_FILE).read_bytes().strip() not in wrapped
    with pytest.raises(Unsealable):
        unwrap(wrapped, "a bad one")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    put_key(elsewhere, unwrap(wrapped, "a good one"))
    assert Vault.open(elsewhere, {}).key("x").open(vault.key("x").seal(b"plain")) == b"plain"


def test_a_hostile_wrapping_is_refused_before_it_costs_anything(tmp_path: Path) -> None:
    good = json.loads(Vault.open(tmp_path, {}).wrapped("p"))
    for change in (
        {"n": 1 << 30},
        {"r": 1 << 20},
        {"n": 0},
        {"n": "many"},
        {"salt": 1},
        {"kdf": "none"},
        {"format": 2},
    ):
        with pytest.raises(Unsealable):
            unwrap(json.dumps({**good, **change}).encode(), "p")
    for damaged in (b"", b"[]", b"{}", b"\xff"):
        with pytest.raises(Unsealable):
            unwrap(damaged, "p")
