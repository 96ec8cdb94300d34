"""What a bucket could be configured with and, here, never is: each answers truly that there is none.

Whatever would set one of these is refused with 501, so nothing here depends on state but the bucket's being there.
"""

from __future__ import annotations

from typing import Any

from awning.kit.call import Call
from awning.kit.operation import Needs, operation
from awning.services.s3 import buckets, errors, names
from awning.services.s3.conditions import of_request


@operation(Needs("s3:GetReplicationConfiguration", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_replication(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> dict[str, Any]:
    """Raises ReplicationConfigurationNotFoundError."""
    buckets.find(call, bucket, expected_bucket_owner)
    raise errors.ReplicationConfigurationNotFoundError("The replication configuration was not found", BucketName=bucket)
