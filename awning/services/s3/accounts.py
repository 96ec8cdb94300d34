"""What an account says of all its buckets: its public access block, by the API of S3 Control.

It is added to each bucket's own. S3 user guide, "Configuring block public access settings for your account".
"""

from __future__ import annotations

from typing import Any

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.s3 import bucket_tables, errors, owners, receiving
from awning.services.s3.conditions import of_request


def _check(call: Call, account_id: str) -> None:
    """Only an account itself handles what it says. Raises AccessDenied."""
    if account_id != call.account:
        raise errors.AccessDenied("Access Denied")


@operation(
    Needs("s3:PutAccountPublicAccessBlock", "*"),
    honours={"public_access_block_configuration": ALL},
    context=of_request,
)
def put_public_access_block(call: Call, public_access_block_configuration: dict[str, Any], account_id: str) -> None:
    """Replace the four settings; one that is not sent is off."""
    receiving.check_document(call, None)
    _check(call, account_id)
    bucket_tables.set_account_block(call.db, account_id, owners.read_block(public_access_block_configuration))
    call.after(call.memory.known.clear)


@operation(Needs("s3:GetAccountPublicAccessBlock", "*"), reads=True, context=of_request)
def get_public_access_block(call: Call, account_id: str) -> dict[str, Any]:
    """Return the four settings. Raises NoSuchPublicAccessBlockConfiguration."""
    _check(call, account_id)
    block = bucket_tables.account_block(call.db, account_id)
    if block is None:
        raise errors.NoSuchAccountBlock(account_id)
    return {"PublicAccessBlockConfiguration": owners.shown_block(block)}


@operation(Needs("s3:PutAccountPublicAccessBlock", "*"), context=of_request)
def delete_public_access_block(call: Call, account_id: str) -> None:
    """Take the settings off: what a bucket blocks itself stays blocked."""
    _check(call, account_id)
    bucket_tables.set_account_block(call.db, account_id, None)
    call.after(call.memory.known.clear)
