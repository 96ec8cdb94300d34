"""Vault: the region's master key, and the keys derived from it under which rooms store what a copied disk must not reveal.

Ciphers are AES-256-GCM, HKDF-SHA256 and scrypt, from the `cryptography` package and OpenSSL; nothing here is our own.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from base64 import b64decode, b64encode
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from awning.store.errors import MasterKeyError
from awning.store.files import sync_folder, write_whole

KEY_FILE: Final = "master.key"
CHECK_FILE: Final = "vault.json"
CREDENTIAL: Final = "awning-master-key"
_SIZE: Final = 32
_NONCE: Final = 12
_VERSION: Final = b"\x01"
_CHECK: Final = b"awning"
_SCRYPT: Final = {"n": 1 << 15, "r": 8, "p": 1}
_MOST_MEMORY: Final = 128 * 1024 * 1024


class Unsealable(Exception):
    """Bytes that were not sealed by this key in this context, or were altered."""


class Seal:
    """One key. What it seals is 29 bytes longer: a version, a random nonce, and the tag.

    A key seals at most 2**32 times (NIST SP 800-38D, 8.3): give what is sealed often a key of its own.
    """

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, context: bytes = b"") -> bytes:
        """Encrypt; what comes back opens only with the same context (whose, which: it is not stored)."""
        nonce = os.urandom(_NONCE)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, context)

    def open(self, sealed: bytes, context: bytes = b"") -> bytes:
        """Decrypt. Raises Unsealable."""
        if sealed[:1] != _VERSION:
            raise Unsealable("This is not sealed in a way that is known here.")
        try:
            return self._cipher.decrypt(sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :], context)
        except (InvalidTag, ValueError) as error:
            raise Unsealable("This was sealed by another key, or altered.") from error


class Vault:
    """The master key of a region: 32 bytes. `given`: it came from outside and is not stored in the data folder."""

    def __init__(self, master: bytes, given: bool) -> None:
        self._master = master
        self.given = given
        self.key = cache(self._key)

    @classmethod
    def open(cls, folder: Path, environment: Mapping[str, str]) -> Vault:
        """Take the master key from where it is, or make one for a folder that has none.

        In this order: the environment's AWNING_MASTER_KEY (32 bytes in Base64), the file that AWNING_MASTER_KEY_FILE names, the
        systemd credential `awning-master-key`, the folder's own file of mode 0600. Raises MasterKeyError where there is none for
        a folder that had one, or it is another; then nothing was touched. Raises OSError.
        """
        vault = cls.look(folder, environment)
        if vault is None:
            vault = cls(os.urandom(_SIZE), given=False)
            write_whole(folder / KEY_FILE, b64encode(vault._master) + b"\n")
        if not (folder / CHECK_FILE).exists():
            write_whole(folder / CHECK_FILE, vault._proof())
        return vault

    @classmethod
    def look(cls, folder: Path, environment: Mapping[str, str]) -> Vault | None:
        """Find the master key without making one, and hold it against the folder; None where a start would make one.

        Raises MasterKeyError, OSError.
        """
        master, origin = _given(environment)
        own, check = folder / KEY_FILE, folder / CHECK_FILE
        if master is not None:
            vault = cls(master, given=True)
        elif own.exists():
            vault, origin = cls(_read(own), given=False), str(own)
        elif check.exists():
            raise MasterKeyError(
                folder, f"its master key is not there: put {own} back, or give the key by AWNING_MASTER_KEY"
            )
        else:
            return None
        if check.exists() and not vault._fits(check.read_bytes()):
            raise MasterKeyError(folder, f"it was sealed by another master key than {origin} has")
        return vault

    def _key(self, purpose: str) -> Seal:
        """Return the key for one purpose; the same for the same purpose for as long as the master key is."""
        return Seal(self.derive(purpose))

    def derive(self, purpose: str) -> bytes:
        """Return 32 secret bytes for one purpose (HKDF-SHA256, RFC 5869, with the purpose as info)."""
        kdf = HKDF(SHA256(), length=_SIZE, salt=b"awning vault", info=purpose.encode())
        return kdf.derive(self._master)

    def wrapped(self, passphrase: str) -> bytes:
        """Return the master key under a passphrase, as a snapshot carries it. It takes some tenths of a second."""
        salt = os.urandom(16)
        sealed = Seal(_stretched(passphrase, salt, _SCRYPT)).seal(self._master)
        content = {"kdf": "scrypt", **_SCRYPT, "salt": _text(salt), "sealed": _text(sealed)}
        return json.dumps({"format": 1, **content}).encode()

    def _proof(self) -> bytes:
        return json.dumps({"format": 1, "check": _text(self.key("check").seal(_CHECK))}).encode()

    def _fits(self, proof: bytes) -> bool:
        try:
            return self.key("check").open(b64decode(json.loads(proof)["check"])) == _CHECK
        except (ValueError, KeyError, TypeError, Unsealable):
            return False


def unwrap(wrapped: bytes, passphrase: str) -> bytes:
    """Return what `master.key` holds, from what Vault.wrapped gave. Raises Unsealable for a wrong passphrase."""
    try:
        content = json.loads(wrapped)
        measures = {name: int(content[name]) for name in _SCRYPT}
        salt, sealed = b64decode(content["salt"]), b64decode(content["sealed"])
        if (
            content["format"] != 1
            or content["kdf"] != "scrypt"
            or 128 * measures["n"] * measures["r"] > _MOST_MEMORY // 2
        ):
            raise ValueError("not a key that was wrapped here")
        return b64encode(Seal(_stretched(passphrase, salt, measures)).open(sealed)) + b"\n"
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise Unsealable("The wrapped master key is damaged.") from error


def put_key(folder: Path, content: bytes) -> None:
    """Put a master key, as `unwrap` returns it, into a folder. Raises OSError."""
    write_whole(folder / KEY_FILE, content)
    sync_folder(folder)


def exposed(folder: Path) -> str | None:
    """Say who else may read the folder's own key file, None where nobody may or there is none. Raises OSError."""
    path = folder / KEY_FILE
    if not path.exists():
        return None
    mode = stat.S_IMODE(path.stat().st_mode)
    return f"{path} has mode {mode:04o}; `chmod 600` it" if mode & 0o077 else None


def _given(environment: Mapping[str, str]) -> tuple[bytes | None, str]:
    text = environment.get("AWNING_MASTER_KEY")
    if text:
        return _decode(text, Path("AWNING_MASTER_KEY")), "AWNING_MASTER_KEY"
    named = environment.get("AWNING_MASTER_KEY_FILE")
    if named:
        return _read(Path(named)), named
    credentials = environment.get("CREDENTIALS_DIRECTORY")
    if credentials and (path := Path(credentials) / CREDENTIAL).exists():
        return _read(path), str(path)
    return None, ""


def _read(path: Path) -> bytes:
    try:
        return _decode(path.read_text("ascii"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise MasterKeyError(path, f"its master key cannot be read: {error}") from error


def _decode(text: str, source: Path) -> bytes:
    try:
        key = b64decode(text.strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != _SIZE:
        raise MasterKeyError(
            source, f"a master key is {_SIZE} bytes in Base64 (`openssl rand -base64 {_SIZE}` makes one)"
        )
    return key


def _stretched(passphrase: str, salt: bytes, measures: Mapping[str, int]) -> bytes:
    n, r, p = measures["n"], measures["r"], measures["p"]
    return hashlib.scrypt(passphrase.encode(), salt=salt, n=n, r=r, p=p, maxmem=_MOST_MEMORY, dklen=_SIZE)


def _text(raw: bytes) -> str:
    return b64encode(raw).decode()
