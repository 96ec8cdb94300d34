"""Requester Pays ("Using Requester Pays general purpose buckets for storage transfers and usage", S3 user guide)."""

from __future__ import annotations

import pytest

from awning.auth.principal import ANONYMOUS, root_of
from awning.services.s3 import errors, policies
from tests.services.s3.support import ACCOUNT, OTHER, S3, user

PAYS = {b"x-amz-request-payer": b"requester"}


def test_who_pays(s3: S3) -> None:
    assert s3.get_bucket_request_payment(bucket="box") == {"Payer": "BucketOwner"}
    for payer in ("Requester", "BucketOwner"):
        s3.put_bucket_request_payment(bucket="box", request_payment_configuration={"Payer": payer})
        assert s3.get_bucket_request_payment(bucket="box") == {"Payer": payer}
    for payer in ("Nobody", "", None):
        with pytest.raises(errors.MalformedXML):
            s3.put_bucket_request_payment(bucket="box", request_payment_configuration={"Payer": payer} if payer else {})


def test_what_others_must_say(s3: S3) -> None:
    guard = policies.guard(s3.call(), "arn:aws:s3:::box/k")
    assert guard is not None
    assert guard.terms is None
    s3.put_bucket_request_payment(bucket="box", request_payment_configuration={"Payer": "Requester"})
    guard = policies.guard(s3.call(), "arn:aws:s3:::box/k")
    assert guard is not None
    assert guard.terms is not None
    for who in (root_of(ACCOUNT), user()):
        call = s3.call()
        guard.terms(call, who)
        assert call.adds is None
    call = s3.call(OTHER, headers=PAYS)
    guard.terms(call, root_of(OTHER))
    assert call.adds == {"RequestCharged": "requester"}
    for who, headers in ((root_of(OTHER), {}), (ANONYMOUS, PAYS), (ANONYMOUS, {})):
        with pytest.raises(errors.AccessDenied):
            guard.terms(s3.call(OTHER, headers=headers), who)
