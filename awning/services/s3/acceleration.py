"""Transfer acceleration: whether a bucket may be asked under its accelerated endpoint's name. There is nothing to speed up here.

Source: S3 user guide, "Configuring fast, secure file transfers using Amazon S3 Transfer Acceleration".
"""

from __future__ import annotations

from typing import Any

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.s3 import buckets, errors, names, receiving, settings
from awning.services.s3.conditions import of_request


@operation(
    Needs("s3:PutAccelerateConfiguration", names.of_bucket),
    honours={"accelerate_configuration": ALL, "checksum_algorithm": ALL},
    anonymous=True,
    context=of_request,
)
def put_bucket_accelerate_configuration(
    call: Call,
    bucket: str,
    accelerate_configuration: dict[str, Any],
    expected_bucket_owner: str | None = None,
    checksum_algorithm: str | None = None,
) -> None:
    """Enable or suspend acceleration; to suspend what never was enabled changes nothing. Raises InvalidRequest, MalformedXML."""
    receiving.check_document(call, checksum_algorithm)
    found = buckets.find(call, bucket, expected_bucket_owner)
    if "." in bucket:
        raise errors.InvalidRequest(
            "S3 Transfer Acceleration is not supported for buckets with periods (.) in their names"
        )
    status = accelerate_configuration.get("Status")
    if status not in ("Enabled", "Suspended"):
        raise errors.MalformedXML
    if status == "Enabled" or settings.of(call, found).get("accelerate") is not None:
        settings.put(call, found, "accelerate", status)


@operation(Needs("s3:GetAccelerateConfiguration", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_accelerate_configuration(
    call: Call, bucket: str, expected_bucket_owner: str | None = None
) -> dict[str, Any]:
    """Return the status; where it never was enabled, an answer without one."""
    status = settings.of(call, buckets.find(call, bucket, expected_bucket_owner)).get("accelerate")
    return {} if status is None else {"Status": status}
