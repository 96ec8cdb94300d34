"""Data keys: random keys under which contents stand, wrapped by the region's master key, or made and opened by KMS.

What KMS gave for a whole bucket (an S3 Bucket Key) is kept for a while, for each requester apart: until it is over, a permission
that is taken away from one who had it does not count yet. Source: the S3 user guide's "Reducing the cost of SSE-KMS with Amazon
S3 Bucket Keys".
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from awning.contracts import DataKey, DecryptDataKey, EncryptsByDefault, GenerateDataKeyFor, Sender
from awning.kit.data_keys import ask, requester
from awning.kit.errors import NotImplementedHere, ServiceError
from awning.services.s3 import errors
from awning.store.vault import Seal

if TYPE_CHECKING:
    from awning.kit.call import Call

SIZE: Final = 32
WRAPPED: Final = SIZE + 29
"""Bytes of a data key that a Seal has wrapped."""

BUCKET_KEY_KEPT: Final = 300.0
"""Seconds for which a bucket's key is used without KMS being asked again."""

_MOST: Final = 4_096
_DAY: Final = 86_400
_DAY_SIZE: Final = 4

_ERRORS: Final[Mapping[str, type[ServiceError]]] = {
    "DisabledException": errors.KmsDisabled,
    "InvalidCiphertextException": errors.KmsInvalidCiphertext,
    "InvalidKeyUsageException": errors.KmsInvalidKeyUsage,
    "KMSInvalidStateException": errors.KmsInvalidState,
    "NotFoundException": errors.KmsNotFound,
}
"""KMS's errors, and what they become in an answer of S3. AccessDenied is the same in both."""
_ABSENT: Final = partial(NotImplementedHere, "This region does not run KMS, whose keys were asked for.")


class Held(NamedTuple):
    """A bucket's key in the clear, kept until a time: `key` is the KMS key's ARN, `sealed` what KMS made of it."""

    key: str
    sealed: bytes
    seal: Seal
    until: float


class DataKeys:
    """The keys in use: by bucket and day those of the region, by requester those of KMS.

    by_default: whether what nobody asks to have encrypted is encrypted all the same; None until the region has been asked.
    """

    def __init__(self) -> None:
        self.region: dict[tuple[int, int], Seal] = {}
        self.sealing: dict[Hashable, Held] = {}
        self.opened: dict[Hashable, Held] = {}
        self.by_default: bool | None = None


def by_default(call: Call) -> bool:
    """Whether what nobody asks to have encrypted is encrypted all the same."""
    kept: DataKeys = call.memory.data_keys
    if kept.by_default is None:
        kept.by_default = call.ask(EncryptsByDefault())
    return kept.by_default


def wrap(call: Call, bucket: int, raw_key: bytes, plain: bytes) -> bytes:
    """Seal a data key under the region's key for a bucket and a day, so that none ever wraps 2**32 of them."""
    day = int(call.now) // _DAY
    return day.to_bytes(_DAY_SIZE, "big") + _of_day(call, bucket, day).seal(plain, place(bucket, raw_key))


def unwrap(call: Call, bucket: int, raw_key: bytes, wrapped: bytes) -> bytes:
    """Open what wrap() sealed. Raises Unsealable."""
    day = int.from_bytes(wrapped[:_DAY_SIZE], "big")
    return _of_day(call, bucket, day).open(wrapped[_DAY_SIZE:], place(bucket, raw_key))


def make(call: Call, kms_key: str, region: str, context: Mapping[str, str], sender: Sender | None) -> DataKey:
    """Have KMS make a data key; it needs kms:GenerateDataKey. Raises the errors of KMS.

    The role as which replicas are written needs kms:Encrypt (S3 user guide, "Replicating encrypted objects").
    """
    by_role = call.authorise is None and call.principal.kind == "role"
    action = "kms:Encrypt" if by_role else "kms:GenerateDataKey"
    made: DataKey = _ask(call, GenerateDataKeyFor(kms_key, call.account, region, "s3", context, sender, action))
    return made


def open_(call: Call, sealed: bytes, region: str, context: Mapping[str, str], sender: Sender | None) -> bytes:
    """Have KMS open a data key; it needs kms:Decrypt. Raises the errors of KMS."""
    opened: DataKey = _ask(call, DecryptDataKey(sealed, region, "s3", context, sender))
    return opened.plain


def bucket_key(
    call: Call, bucket: int, kms_key: str, region: str, context: Mapping[str, str], sender: Sender | None
) -> Held:
    """As make(), for the key that a bucket's contents are wrapped by; KMS is asked once in a while for each requester."""
    kept: DataKeys = call.memory.data_keys
    name = (bucket, kms_key, call.account, tuple(sorted(context.items())), requester(call, sender))
    found = kept.sealing.get(name)
    if found is None or found.until <= call.now:
        made = make(call, kms_key, region, context, sender)
        found = Held(made.key_arn, made.sealed, Seal(made.plain), call.now + BUCKET_KEY_KEPT)
        _keep(kept.sealing, name, found)
    return found


def opened_bucket_key(
    call: Call, sealed: bytes, region: str, context: Mapping[str, str], sender: Sender | None
) -> Seal:
    """As open_(), for a bucket's key."""
    kept: DataKeys = call.memory.data_keys
    name = (sealed, tuple(sorted(context.items())), requester(call, sender))
    found = kept.opened.get(name)
    if found is None or found.until <= call.now:
        found = Held("", sealed, Seal(open_(call, sealed, region, context, sender)), call.now + BUCKET_KEY_KEPT)
        _keep(kept.opened, name, found)
    return found.seal


def place(bucket: int, raw_key: bytes) -> bytes:
    """What a wrapped data key is bound to: another key's, or another bucket's, does not open."""
    return b"%d/%b" % (bucket, raw_key)


def _of_day(call: Call, bucket: int, day: int) -> Seal:
    kept: DataKeys = call.memory.data_keys
    found = kept.region.get((bucket, day))
    if found is None:
        found = Seal(call.room.vault.derive(f"s3 bucket {bucket} day {day}"))
        _keep(kept.region, (bucket, day), found)
    return found


def _keep(kept: dict[Any, Any], name: Any, found: Any) -> None:
    """Keep what follows from its name, or is good for a time, whatever becomes of the call. Of many the oldest goes."""
    kept.pop(name, None)
    if len(kept) >= _MOST:
        del kept[next(iter(kept))]
    kept[name] = found


def _ask(call: Call, question: Any) -> Any:
    return ask(call, question, _ERRORS, _ABSENT)
