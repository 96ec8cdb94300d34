"""CORS rules: what may be put, which requests a rule allows, and what browsers are told.

Source: S3 user guide, "Elements of a CORS configuration", "Troubleshooting CORS"; the texts are those that S3 sends.
"""

from __future__ import annotations

from typing import Any

import pytest

from awning.kit.origins import CrossOrigin
from awning.services.s3 import cors, errors
from tests.services.s3.support import S3

APP = "https://app.example.com"
VARY = (b"Vary", b"Origin, Access-Control-Request-Headers, Access-Control-Request-Method")


def put(s3: S3, *rules: dict[str, Any]) -> None:
    s3.put_bucket_cors(bucket="box", cors_configuration={"CORSRules": list(rules)})


def rule(*origins: str, methods: tuple[str, ...] = ("GET",), **further: Any) -> dict[str, Any]:
    return {"AllowedOrigins": list(origins), "AllowedMethods": list(methods), **further}


def ask(s3: S3, origin: str, method: str | None = "GET", *names: str, path: bytes = b"/box/key", **further: Any) -> Any:
    return cors.answer(s3.call(), CrossOrigin(path, origin, method, names, **further))


def preflight(s3: S3, origin: str, method: str | None = "GET", *names: str, path: bytes = b"/box/key") -> Any:
    return dict(ask(s3, origin, method, *names, path=path, preflight=True))


def refused(s3: S3, *rules: dict[str, Any]) -> errors.ServiceError:
    with pytest.raises(errors.ServiceError) as caught:
        put(s3, *rules)
    with pytest.raises(errors.NoSuchCORSConfiguration):
        s3.get_bucket_cors(bucket="box")
    return caught.value


def test_rules_are_returned_as_they_were_put_until_they_are_deleted(s3: S3) -> None:
    with pytest.raises(errors.NoSuchCORSConfiguration) as caught:
        s3.get_bucket_cors(bucket="box")
    assert caught.value.members == {"BucketName": "box"}
    s3.delete_bucket_cors(bucket="box")
    full = rule(
        APP, "*", methods=("GET", "PUT"), AllowedHeaders=["*"], ExposeHeaders=["ETag"], MaxAgeSeconds=3000, ID="a"
    )
    put(s3, full)
    assert s3.get_bucket_cors(bucket="box") == {"CORSRules": [full]}
    put(s3, rule("*", MaxAgeSeconds=-1))  # S3 keeps what it is told
    assert s3.get_bucket_cors(bucket="box") == {"CORSRules": [rule("*", MaxAgeSeconds=-1)]}
    put(s3, rule(""))
    assert s3.get_bucket_cors(bucket="box") == {"CORSRules": [rule("")]}
    s3.delete_bucket_cors(bucket="box")
    with pytest.raises(errors.NoSuchCORSConfiguration):
        s3.get_bucket_cors(bucket="box")


def test_what_no_configuration_is_refused(s3: S3) -> None:
    assert refused(s3).code == "MalformedXML"
    assert refused(s3, *[rule("*")] * 101).code == "MalformedXML"
    assert refused(s3, rule()).code == "MalformedXML"
    assert refused(s3, rule("*", methods=())).code == "MalformedXML"
    error = refused(s3, rule("*", methods=("GET", "MYMETHOD")))
    assert (error.code, error.message) == (
        "InvalidRequest",
        "Found unsupported HTTP method in CORS config. Unsupported method is MYMETHOD",
    )
    assert refused(s3, rule("http://*.*")).message == 'AllowedOrigin "http://*.*" can not have more than one wildcard.'
    error = refused(s3, rule("*", AllowedHeaders=["x-*-*"]))
    assert error.message == 'AllowedHeader "x-*-*" can not have more than one wildcard.'
    error = refused(s3, rule("*", ExposeHeaders=["*"]))
    assert (error.code, error.message) == (
        "InvalidRequest",
        'ExposeHeader "*" contains wildcard. We currently do not support wildcard for ExposeHeader.',
    )
    assert refused(s3, rule("*", ExposeHeaders=["a\r\nb"])).code == "InvalidRequest"
    assert refused(s3, rule("*", ID="i" * 256)).code == "InvalidArgument"
    put(s3, *[rule("*")] * 100)


def test_the_first_rule_that_allows_all_answers(s3: S3) -> None:
    put(
        s3,
        rule("http://*.example.com", methods=("PUT", "POST"), AllowedHeaders=["x-amz-*"], MaxAgeSeconds=5),
        rule("http://*.example.com", APP, methods=("GET", "PUT"), AllowedHeaders=["*"], ExposeHeaders=["ETag", "X-A"]),
        rule("*", methods=("HEAD",)),
    )
    assert ask(s3, "http://a.example.com", "PUT", "x-amz-date") == [
        (b"Access-Control-Allow-Origin", b"http://a.example.com"),
        (b"Access-Control-Allow-Methods", b"PUT, POST"),
        (b"Access-Control-Allow-Headers", b"x-amz-date"),
        (b"Access-Control-Max-Age", b"5"),
        (b"Access-Control-Allow-Credentials", b"true"),
        VARY,
    ]
    assert ask(s3, "http://a.example.com", "PUT", "x-amz-date", "content-type") == [
        (b"Access-Control-Allow-Origin", b"http://a.example.com"),
        (b"Access-Control-Allow-Methods", b"GET, PUT"),
        (b"Access-Control-Allow-Headers", b"x-amz-date, content-type"),
        (b"Access-Control-Expose-Headers", b"ETag, X-A"),
        (b"Access-Control-Allow-Credentials", b"true"),
        VARY,
    ]
    assert ask(s3, "http://elsewhere", "HEAD") == [
        (b"Access-Control-Allow-Origin", b"*"),
        (b"Access-Control-Allow-Methods", b"HEAD"),
        VARY,
    ]
    assert ask(s3, "http://elsewhere", "GET") is None
    assert ask(s3, "https://a.example.com", "PUT") is None
    assert ask(s3, "http://elsewhere", "HEAD", "x-anything") is None


@pytest.mark.parametrize(
    ("allowed", "origin", "takes"),
    [
        ("*suffix", "foo.suffix", True),
        ("start*end", "startend", True),
        ("start*end", "start1end", True),
        ("start*end", "0start12end", False),
        ("prefix*", "prefix.suffix", True),
        ("http://a.b", "http://axb", False),
        ("http://a", "HTTP://A", False),
        ("", "null", False),
    ],
)
def test_an_origin_matches_with_one_wildcard(s3: S3, allowed: str, origin: str, takes: bool) -> None:
    put(s3, rule(allowed))
    assert (ask(s3, origin) is not None) is takes


def test_names_of_headers_match_whatever_their_case(s3: S3) -> None:
    put(s3, rule(APP, AllowedHeaders=["x-AMZ-server-SIDE-encryption"]))
    told = preflight(s3, APP, "GET", "x-amz-server-side-encryption")
    assert told[b"Access-Control-Allow-Headers"] == b"x-amz-server-side-encryption"


def test_a_preflight_says_why_it_is_refused(s3: S3) -> None:
    def why(*asked: Any, **further: Any) -> tuple[str, str, dict[str, str]]:
        with pytest.raises(errors.ServiceError) as caught:
            preflight(s3, *asked, **further)
        return caught.value.code, caught.value.message[:43], dict(caught.value.members)

    disabled = "CORSResponse: CORS is not enabled for this "
    assert why(APP, "PUT") == ("AccessForbidden", disabled, {"Method": "PUT", "ResourceType": "BUCKET"})
    assert why(APP, None) == ("AccessForbidden", disabled, {"Method": "OPTIONS", "ResourceType": "BUCKET"})
    gone = ("AccessForbidden", "CORSResponse: Bucket not found", {"Method": "OPTIONS", "ResourceType": "BUCKET"})
    assert why(APP, None, path=b"/nobodys-box/key") == gone
    put(s3, rule(APP))
    denied = "CORSResponse: This CORS request is not allo"
    assert why(APP, "PUT") == ("AccessForbidden", denied, {"Method": "PUT", "ResourceType": "OBJECT"})
    assert why(APP, "PUT", path=b"/box") == ("AccessForbidden", denied, {"Method": "PUT", "ResourceType": "BUCKET"})
    assert why("http://b", "GET") == ("AccessForbidden", denied, {"Method": "GET", "ResourceType": "OBJECT"})
    assert why(APP, None)[:2] == ("BadRequest", "Invalid Access-Control-Request-Method: null")
    assert why(APP, "TRACE")[:2] == ("BadRequest", "Invalid Access-Control-Request-Method: TRAC")


def test_a_known_key_is_taken_for_objects_and_what_lists_them_only(s3: S3) -> None:
    put(s3, rule("*", methods=("GET", "PUT", "DELETE", "POST")))
    for method, path, taken in [
        ("PUT", b"/box/key", True),
        ("DELETE", b"/box/key", True),
        ("GET", b"/box", True),
        ("POST", b"/box/", True),
        ("PUT", b"/box", False),
        ("DELETE", b"/box/", False),
        ("GET", b"/other/key", False),
        ("GET", b"/", False),
    ]:
        assert (ask(s3, "null", method, path=path, well_known=True) is not None) is taken
