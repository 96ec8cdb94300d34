"""The signatures that AWS's own documents work out: the S3 API reference's examples, and cases of the SigV4 test suite."""

from __future__ import annotations

import calendar

import pytest

from awning.auth.payload import SignedChunks
from awning.auth.refused import Refused
from awning.auth.signature import check_whole
from awning.auth.streaming import decoder_for
from tests.auth.support import prove, request

KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
NOW = calendar.timegm((2013, 5, 24, 0, 0, 0, 0, 1, 0))
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
BUCKET = "examplebucket.s3.amazonaws.com"


def authorization(names: str, signature: str) -> str:
    scope = f"{KEY}/20130524/us-east-1/s3/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope},SignedHeaders={names},Signature={signature}"


S3_EXAMPLES = [
    (
        "GET",
        "/test.txt",
        {"range": "bytes=0-9", "x-amz-content-sha256": EMPTY},
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        b"",
    ),
    (
        "PUT",
        "/test%24file.text",
        {
            "date": "Fri, 24 May 2013 00:00:00 GMT",
            "x-amz-storage-class": "REDUCED_REDUNDANCY",
            "x-amz-content-sha256": "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
        },
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        b"Welcome to Amazon S3.",
    ),
    (
        "GET",
        "/?lifecycle",
        {"x-amz-content-sha256": EMPTY},
        "host;x-amz-content-sha256;x-amz-date",
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        b"",
    ),
    (
        "GET",
        "/?max-keys=2&prefix=J",
        {"x-amz-content-sha256": EMPTY},
        "host;x-amz-content-sha256;x-amz-date",
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        b"",
    ),
]


@pytest.mark.parametrize(("method", "target", "headers", "names", "signature", "body"), S3_EXAMPLES)
def test_the_s3_references_examples_are_proven(method, target, headers, names, signature, body):
    headers = {"host": BUCKET, "x-amz-date": "20130524T000000Z", **headers}
    given = request(method, target, {**headers, "authorization": authorization(names, signature)}, body)
    claims, rule = prove(given, SECRET, NOW)
    assert claims.access_key_id == KEY
    check_whole(rule, body)
    worse = signature[:-1] + ("0" if signature[-1] != "0" else "1")
    with pytest.raises(Refused, match="mismatch"):
        prove(request(method, target, {**headers, "authorization": authorization(names, worse)}), SECRET, NOW)


def test_the_s3_references_presigned_url_is_proven():
    target = (
        "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z"
        "&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )
    prove(request("GET", target, {"host": BUCKET}), SECRET, NOW + 86_399)
    with pytest.raises(Refused, match="expired"):
        prove(request("GET", target, {"host": BUCKET}), SECRET, NOW + 86_400)


def chunked_headers(mode: str, **more: str) -> dict[str, str]:
    return {
        "host": "s3.amazonaws.com",
        "x-amz-date": "20130524T000000Z",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        "x-amz-content-sha256": mode,
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": "66560",
        **more,
    }


CHUNKS = [
    (b"a" * 65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
    (b"a" * 1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
    (b"", "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
]


def test_the_s3_references_chunked_upload_is_proven():
    names = (
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;"
        "x-amz-storage-class"
    )
    headers = chunked_headers("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", **{"content-length": "66824"})
    seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
    given = request(
        "PUT",
        "/examplebucket/chunkObject.txt",
        {**headers, "authorization": authorization(names, seed)},
        None,
    )
    _, rule = prove(given, SECRET, NOW)
    assert isinstance(rule, SignedChunks)
    body = b"".join(b"%x;chunk-signature=%s\r\n%s\r\n" % (len(data), sign.encode(), data) for data, sign in CHUNKS)
    assert len(body) == 66824
    decoder = decoder_for(rule, given.headers)
    assert decoder.feed(body) == b"a" * 66560
    assert decoder.finish() == {}


def test_the_s3_references_chunked_upload_with_trailer_is_proven():
    names = (
        "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;"
        "x-amz-trailer"
    )
    headers = chunked_headers(
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", **{"x-amz-trailer": "x-amz-checksum-crc32c"}
    )
    seed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
    given = request(
        "PUT", "/examplebucket/chunkObject.txt", {**headers, "authorization": authorization(names, seed)}, None
    )
    _, rule = prove(given, SECRET, NOW)
    signatures = (
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    )
    body = b"".join(
        b"%x;chunk-signature=%s\r\n" % (len(data), sign.encode()) + (data + b"\r\n" if data else b"")
        for (data, _), sign in zip(CHUNKS, signatures, strict=True)
    )
    trailer = (
        b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
        b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
    )
    decoder = decoder_for(rule, given.headers)
    assert decoder.feed(body + trailer) == b"a" * 66560
    assert decoder.finish() == {"x-amz-checksum-crc32c": "sOO8/Q=="}


SUITE_SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SUITE_NOW = calendar.timegm((2015, 8, 30, 12, 36, 0, 0, 1, 0))
SUITE = [
    ("get-vanilla", "GET", "/", {}, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("get-utf8", "GET", "/\u1234", {}, "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
    ("get-relative", "GET", "/example/..", {}, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("get-slash", "GET", "//", {}, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    (
        "get-vanilla-query-order-key-case",
        "GET",
        "/?Param2=value2&Param1=value1",
        {},
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    ("post-vanilla", "POST", "/", {}, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    (
        "post-header-key-sort",
        "POST",
        "/",
        {"my-header1": "value1"},
        "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
    ),
    (
        "get-header-value-trim",
        "GET",
        "/",
        {"my-header1": " value1", "my-header2": ' "a   b   c"'},
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
]


@pytest.mark.parametrize(("name", "method", "target", "headers", "signature"), SUITE, ids=[case[0] for case in SUITE])
def test_cases_of_the_sigv4_test_suite_are_proven(name, method, target, headers, signature):
    headers = {"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z", **headers}
    names = ";".join(sorted(headers))
    scope = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signature}"
    prove(request(method, target, headers), SUITE_SECRET, SUITE_NOW)


def test_iams_example_of_a_signature_is_proven():
    headers = {
        "host": "iam.amazonaws.com",
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        "x-amz-date": "20150830T123600Z",
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
    }
    prove(request("GET", "/?Action=ListUsers&Version=2010-05-08", headers), SUITE_SECRET, SUITE_NOW)
