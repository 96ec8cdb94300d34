"""Website configurations, and where objects redirect to: what may be put and what is refused.

Source: S3 user guide, "Hosting a static website using Amazon S3"; the texts are those that S3 sends.
"""

from __future__ import annotations

from typing import Any

import pytest

from awning.services.s3 import errors
from tests.services.s3.support import S3

INDEX = {"IndexDocument": {"Suffix": "index.html"}}


def put(s3: S3, **site: Any) -> None:
    s3.put_bucket_website(bucket="box", website_configuration=site)


def refused(s3: S3, **site: Any) -> errors.ServiceError:
    with pytest.raises(errors.ServiceError) as caught:
        put(s3, **site)
    with pytest.raises(errors.NoSuchWebsiteConfiguration):
        s3.get_bucket_website(bucket="box")
    return caught.value


def ruled(*rules: dict[str, Any]) -> dict[str, Any]:
    return {**INDEX, "RoutingRules": list(rules)}


def test_a_configuration_is_returned_as_it_was_put_until_it_is_deleted(s3: S3) -> None:
    with pytest.raises(errors.NoSuchWebsiteConfiguration) as caught:
        s3.get_bucket_website(bucket="box")
    assert caught.value.members == {"BucketName": "box"}
    s3.delete_bucket_website(bucket="box")
    full = {
        **INDEX,
        "ErrorDocument": {"Key": "error.html"},
        "RoutingRules": [
            {
                "Condition": {"KeyPrefixEquals": "docs/", "HttpErrorCodeReturnedEquals": "404"},
                "Redirect": {
                    "HostName": "b",
                    "Protocol": "https",
                    "HttpRedirectCode": "307",
                    "ReplaceKeyPrefixWith": "",
                },
            },
            {"Redirect": {"ReplaceKeyWith": "k"}},
        ],
    }
    put(s3, **full)
    assert s3.get_bucket_website(bucket="box") == full
    put(s3, RedirectAllRequestsTo={"HostName": "b", "Protocol": "https"})
    assert s3.get_bucket_website(bucket="box") == {"RedirectAllRequestsTo": {"HostName": "b", "Protocol": "https"}}
    s3.delete_bucket_website(bucket="box")
    with pytest.raises(errors.NoSuchWebsiteConfiguration):
        s3.get_bucket_website(bucket="box")


def test_what_is_no_website_is_refused(s3: S3) -> None:
    error = refused(s3)
    assert (error.code, error.members) == (
        "InvalidArgument",
        {"ArgumentName": "IndexDocument", "ArgumentValue": "null"},
    )
    assert error.message == "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty"
    for suffix in ("", "a/b.html"):
        error = refused(s3, IndexDocument={"Suffix": suffix})
        assert error.message == "The IndexDocument Suffix is not well formed"
    error = refused(s3, RedirectAllRequestsTo={"HostName": "b"}, **INDEX)
    assert error.message == "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules."
    assert refused(s3, RedirectAllRequestsTo={"Protocol": "http"}).code == "MalformedXML"
    assert refused(s3, RedirectAllRequestsTo={"HostName": "b", "Protocol": "ftp"}).code == "InvalidRequest"
    assert refused(s3, **INDEX, ErrorDocument={"Key": ""}).code == "MalformedXML"
    assert refused(s3, **ruled()).code == "MalformedXML"
    assert refused(s3, **ruled({"Condition": {"KeyPrefixEquals": "a"}})).code == "MalformedXML"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"Redirect": {"ReplaceKeyWith": "a", "ReplaceKeyPrefixWith": "b"}}, "You can only define ReplaceKeyPrefix or"),
        ({"Redirect": {"ReplaceKeyWith": "a"}, "Condition": {}}, "Condition cannot be empty."),
        ({"Redirect": {"Protocol": "ftp"}}, "Invalid protocol, protocol can be http or https."),
        (
            {"Redirect": {"HttpRedirectCode": "200", "HostName": "b"}},
            "The provided HTTP redirect code (200) is not valid.",
        ),
        (
            {"Redirect": {"HostName": "b"}, "Condition": {"HttpErrorCodeReturnedEquals": "301"}},
            "The provided HTTP error code (301) is not valid.",
        ),
        (
            {"Redirect": {"HttpRedirectCode": "3\N{ARABIC-INDIC DIGIT ZERO}1", "HostName": "b"}},
            "The provided HTTP redirect code (3\N{ARABIC-INDIC DIGIT ZERO}1) is not valid.",
        ),
    ],
)
def test_a_wrong_rule_is_refused_with_the_reason(s3: S3, rule: dict[str, Any], said: str) -> None:
    error = refused(s3, **ruled(rule))
    assert error.code == "InvalidRequest"
    assert error.message.startswith(said)


@pytest.mark.parametrize("host", ["a\r\nX-More: 1", "a b", "b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example", ""])
def test_a_host_name_is_one_that_a_header_can_carry(s3: S3, host: str) -> None:
    assert refused(s3, **ruled({"Redirect": {"HostName": host}})).code == "InvalidArgument"
    everything = refused(s3, RedirectAllRequestsTo={"HostName": host})
    assert everything.code == ("InvalidArgument" if host else "MalformedXML")


def test_at_most_fifty_rules(s3: S3) -> None:
    rule = {"Redirect": {"ReplaceKeyWith": "a"}}
    assert "is limited to 50" in refused(s3, **ruled(*[rule] * 51)).message
    put(s3, **ruled(*[rule] * 50))


def test_an_object_says_where_it_redirects_to(s3: S3) -> None:
    """S3 API reference, CopyObject: x-amz-website-redirect-location is not copied."""
    s3.put_object(bucket="box", key="a", body=b"", website_redirect_location="/b")
    assert s3.head_object(bucket="box", key="a")["WebsiteRedirectLocation"] == "/b"
    assert s3.get_object(bucket="box", key="a")["WebsiteRedirectLocation"] == "/b"
    s3.copy_object(bucket="box", key="copy", copy_source="box/a")
    assert "WebsiteRedirectLocation" not in s3.head_object(bucket="box", key="copy")
    s3.copy_object(bucket="box", key="copy", copy_source="box/copy", website_redirect_location="https://c")
    assert s3.head_object(bucket="box", key="copy")["WebsiteRedirectLocation"] == "https://c"
    upload = s3.create_multipart_upload(bucket="box", key="parts", website_redirect_location="/d")["UploadId"]
    part = s3.upload_part(bucket="box", key="parts", upload_id=upload, part_number=1, body=b"x")
    s3.complete_multipart_upload(
        bucket="box",
        key="parts",
        upload_id=upload,
        multipart_upload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    assert s3.head_object(bucket="box", key="parts")["WebsiteRedirectLocation"] == "/d"


@pytest.mark.parametrize("location", ["b.html", "ftp://a", "/" + "a" * 2048])
def test_a_redirect_goes_somewhere(s3: S3, location: str) -> None:
    with pytest.raises(errors.InvalidRedirectLocation):
        s3.put_object(bucket="box", key="a", body=b"", website_redirect_location=location)
