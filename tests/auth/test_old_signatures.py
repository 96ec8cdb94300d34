"""S3's Signature Version 2 in pre-signed URLs: botocore's, and the one of the S3 user guide."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest
from botocore.auth import HmacV1Auth, HmacV1QueryAuth
from hypothesis import given, settings
from hypothesis import strategies as st

from awning.auth.payload import Unsigned
from awning.auth.refused import Reason, Refused
from awning.auth.signature import Verifier
from tests.auth.support import HOST, KEY, prove, request, sign


def reason_of(given, **options) -> Reason:
    with pytest.raises(Refused) as caught:
        prove(given, **options)
    return caught.value.reason


def test_a_presigned_url_is_proven_until_it_expires():
    given = sign(HmacV1QueryAuth, "GET", HOST + "/bucket/key", expires=60)
    claims, rule = prove(given)
    assert (claims.scheme, claims.access_key_id, claims.service) == ("v2-query", KEY, "s3")
    assert rule == Unsigned()
    assert reason_of(given, now=time.time() + 61) is Reason.EXPIRED


def test_the_user_guides_example_is_proven():
    target = "/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620"
    given = request("GET", target, {"host": "johnsmith.s3.amazonaws.com"})
    prove(given, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", 1175139619.0, bucket="johnsmith")


def test_a_bucket_in_the_host_is_part_of_what_is_signed():
    given = sign(HmacV1QueryAuth, "GET", "http://bucket.s3.localhost:4566/key", auth_path="/bucket/key", expires=60)
    prove(given, bucket="bucket")
    assert reason_of(given) is Reason.MISMATCH
    assert reason_of(given, bucket="other") is Reason.MISMATCH


def test_headers_that_were_signed_come_in_the_query():
    headers = {"Content-Type": "text/plain", "x-amz-acl": "private", "Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}
    given = sign(HmacV1QueryAuth, "PUT", HOST + "/bucket/key", headers=headers, token="to+ken/=", expires=60)
    given.headers = {b"host": b"localhost:4566"}
    assert prove(given)[0].token == "to+ken/="
    given.headers[b"content-type"] = b"text/plain"
    given.headers[b"x-amz-acl"] = b"private"
    prove(given)
    for name, value in ((b"content-type", b"text/html"), (b"x-amz-acl", b"public-read"), (b"x-amz-tagging", b"a=b")):
        given.headers = {b"host": b"localhost:4566", name: value}
        assert reason_of(given) is Reason.MISMATCH
    given.headers = {b"host": b"localhost:4566", b"x-amz-acl": b"private"}
    given.query = given.query.replace(b"x-amz-acl=private", b"x-amz-acl=public-read")
    assert reason_of(given) is Reason.MISMATCH, "the header says what was signed, the query something else"


def test_what_an_operation_is_chosen_by_is_signed():
    given = sign(HmacV1QueryAuth, "PUT", HOST + "/bucket/key?uploadId=a%2Fb&partNumber=1", expires=60)
    prove(given)
    whole = given.query
    for change in (
        whole.replace(b"partNumber=1", b"partNumber=2"),
        whole.replace(b"partNumber=1&", b""),
        whole + b"&acl",
        whole + b"&publicAccessBlock",
        whole + b"&encryption=",
        whole + b"&response-content-type=text/html",
        whole + b"&x-amz-acl=public-read",
    ):
        given.query = change
        assert reason_of(given) is Reason.MISMATCH


def test_a_subresource_without_value_is_signed_without_equals():
    for query in ("uploads", "acl", "versionId=x&tagging", "list-type=2&prefix=a"):
        prove(sign(HmacV1QueryAuth, "GET", HOST + "/bucket/key?" + query, expires=60))


def test_the_old_signature_in_a_header_is_refused():
    with pytest.raises(Refused) as caught:
        Verifier().claims(sign(HmacV1Auth, "GET", HOST + "/bucket/key"))
    assert caught.value.reason is Reason.UNSUPPORTED


@pytest.mark.parametrize("expires", ["", "soon", "-1", "1e9"])
def test_an_expiry_that_is_none_is_refused(expires):
    with pytest.raises(Refused):
        Verifier().claims(request("GET", f"/b/k?AWSAccessKeyId=a&Signature=b&Expires={expires}"))
    with pytest.raises(Refused):
        Verifier().claims(request("GET", "/b/k?AWSAccessKeyId=a&Expires=1"))


@given(st.text(st.characters(blacklist_categories=["Cs"]), max_size=20))
@settings(max_examples=60, deadline=None)
def test_any_key_is_proven_and_another_is_not(key):
    path = "/bucket/" + quote(key.encode("utf-8"), safe="/-._~")
    given = sign(HmacV1QueryAuth, "GET", HOST + path, expires=60)
    prove(given)
    given.path += b"x"
    assert reason_of(given) is Reason.MISMATCH
