"""How parts are encrypted: by the keys of their upload, each part by keys of its own that no other part ever had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from awning.services.s3 import buckets, encryption
from awning.services.s3.encryption_headers import Customer
from awning.services.s3.upload_tables import Upload
from awning.store.segments import Segments

if TYPE_CHECKING:
    from awning.kit.call import Call
    from awning.services.s3.receiving import Received


class PartCipher(NamedTuple):
    """How a part is encrypted: by what, under which salt of its own, and what replies show; `md5`: its entity tag is its MD5."""

    cipher: Segments | None
    salt: bytes
    shown: Mapping[str, Any]
    md5: bool

    def tagged(self, call: Call, received: Received) -> Received:
        """Return what was received with its entity tag in the place of the MD5."""
        return received if self.md5 else received._replace(md5=call.random(16))


def of_part(
    call: Call, bucket: str, owner: str | None, key: str, upload: Upload, number: int, customer: Customer | None
) -> PartCipher:
    """Return how a new part of an upload is to be encrypted. Raises what encryption.open_upload() does."""
    found = buckets.find(call, bucket, owner)
    if customer is not None:
        encryption.refuse_blocked(call, found, key)
    keys = encryption.open_upload(call, found, key, upload.seal, customer)
    salt = b"" if keys is None else call.random(encryption.SALT)
    cipher = None if keys is None else keys.part(number, salt)
    return PartCipher(cipher, salt, encryption.shown(upload.seal, customer), encryption.has_md5(upload.seal))
