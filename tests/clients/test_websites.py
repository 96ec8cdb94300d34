"""Websites as their visitors find them: pages, folders, errors, redirects; nothing that nobody in particular may read.

Source: S3 user guide, "Hosting a static website using Amazon S3", and the pages that S3 sends.
"""

from __future__ import annotations

import http.client
import json
import re
from typing import Any

import pytest

from tests.clients.test_forms import body_of
from tests.conftest import LiveRegion

PAGES = {
    "index.html": "home",
    "docs/index.html": "docs",
    "error.html": "our own error",
    "a b/ü.html": "named",
    "hidden/secret": "hidden",
}


class Visitor:
    def __init__(self, region: LiveRegion, bucket: str) -> None:
        self.port = region.port
        self.bucket = bucket
        self.host = f"{bucket}.s3-website-us-east-1.localhost:{region.port}"

    def get(
        self, path: str, method: str = "GET", host: str | None = None, **fields: str
    ) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"Host": host or self.host, **{name.replace("_", "-"): value for name, value in fields.items()}}
        connection.request(method, path, b"x" if method in ("POST", "PUT") else b"", headers)
        answer = connection.getresponse()
        content = answer.read().decode()
        connection.close()
        return answer.status, {n.lower(): v for n, v in answer.getheaders()}, content

    def where(self, path: str, **further: str) -> tuple[int, str]:
        status, headers, content = self.get(path, **further)
        assert content == ""
        return status, headers["location"]


@pytest.fixture
def s3(region: LiveRegion) -> Any:
    return region.client("s3")


@pytest.fixture
def site(region: LiveRegion, s3: Any, name: str) -> Visitor:
    """A bucket whose objects anybody may read, those under hidden/ excepted; nobody may list it."""
    s3.create_bucket(Bucket=name)
    s3.delete_public_access_block(Bucket=name)
    allow = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"}
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/hidden/*"}
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [allow, deny]}))
    for key, text in PAGES.items():
        s3.put_object(Bucket=name, Key=key, Body=text.encode(), ContentType="text/html", Metadata={"a": "b"})
    configure(s3, name)
    return Visitor(region, name)


def configure(s3: Any, name: str, *rules: dict[str, Any], **further: Any) -> None:
    configuration = {"IndexDocument": {"Suffix": "index.html"}, **further}
    if rules:
        configuration["RoutingRules"] = list(rules)
    s3.put_bucket_website(Bucket=name, WebsiteConfiguration=configuration)


def listable(s3: Any, name: str) -> None:
    """Let anybody list the bucket too: only then a visitor is told that there is no such key."""
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{name}/*", f"arn:aws:s3:::{name}"],
    }
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": statement}))


def without_ids(page: str) -> list[str]:
    return [line for line in page.splitlines() if not re.match(r"<li>(RequestId|HostId): ", line)]


def test_pages_and_folders(site: Visitor) -> None:
    status, headers, content = site.get("/")
    assert (status, content, headers["content-type"], headers["x-amz-meta-a"]) == (200, "home", "text/html", "b")
    assert site.get("/index.html?versionId=none&uploads")[2] == "home"
    assert site.get("/docs/")[2] == "docs"
    assert site.where("/docs") == (302, "/docs/")
    assert site.get("/a%20b/%C3%BC.html")[2] == "named"
    assert site.get("/metrics")[0] == 403
    status, head, content = site.get("/", "HEAD")
    assert (status, head["content-length"], head["etag"], content) == (200, "4", headers["etag"], "")


def test_a_folder_by_the_name_of_a_host_leads_to_no_other_host(s3: Any, site: Visitor) -> None:
    s3.put_object(Bucket=site.bucket, Key="/evil.example/index.html", Body=b"here")
    assert site.where("//evil.example") == (302, f"http://{site.host}//evil.example/")


@pytest.mark.parametrize(
    "form",
    [
        "{}.s3-website.us-east-1.amazonaws.com",
        "{}.s3-website.localhost.localstack.cloud:4566",
        "{}.s3-website.localhost",
    ],
)
def test_every_form_of_the_host_name(site: Visitor, form: str) -> None:
    assert site.get("/", host=form.format(site.bucket))[2] == "home"


def test_conditions_and_ranges(site: Visitor) -> None:
    etag = site.get("/")[1]["etag"]
    status, headers, content = site.get("/", If_None_Match=etag)
    assert (status, content, headers["etag"]) == (304, "", etag)
    status, headers, content = site.get("/", Range="bytes=1-2")
    assert (status, content, headers["content-range"]) == (206, "om", "bytes 1-2/4")
    status, headers, content = site.get("/", Range="bytes=9-")
    assert (status, headers["content-type"]) == (416, "text/html; charset=utf-8")
    assert "<li>Code: InvalidRange</li>" in content
    assert site.get("/", If_Match='"another"')[0] == 412


def test_error_pages_are_for_people(s3: Any, site: Visitor) -> None:
    status, headers, content = site.get("/none%3Cb%3E")
    assert (status, headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert without_ids(content) == [
        "<html>",
        "<head><title>403 Forbidden</title></head>",
        "<body>",
        "<h1>403 Forbidden</h1>",
        "<ul>",
        "<li>Code: AccessDenied</li>",
        "<li>Message: Access Denied</li>",
        "</ul>",
        "<hr/>",
        "</body>",
        "</html>",
    ]
    listable(s3, site.bucket)
    status, headers, content = site.get("/none%3Cb%3E")
    assert (status, headers["x-amz-error-code"], headers["x-amz-error-detail-key"]) == (404, "NoSuchKey", "none<b>")
    assert "<li>Key: none&lt;b&gt;</li>" in content
    assert f"<li>RequestId: {headers['x-amz-request-id']}</li>\n<li>HostId: {headers['x-amz-id-2']}</li>" in content
    status, headers, content = site.get("/none", "HEAD")
    assert (status, content, headers["x-amz-error-code"]) == (404, "", "NoSuchKey")
    assert "<li>Key: docs/none/index.html</li>" in site.get("/docs/none/")[2]


def test_a_site_has_an_error_page_of_its_own(s3: Any, site: Visitor) -> None:
    configure(s3, site.bucket, ErrorDocument={"Key": "error.html"})
    status, headers, content = site.get("/none", Range="bytes=0-1", If_None_Match="*")
    assert (status, content, headers["x-amz-error-code"]) == (403, "our own error", "AccessDenied")
    assert site.get("/hidden/secret")[::2] == (403, "our own error")
    listable(s3, site.bucket)
    assert site.get("/none")[::2] == (404, "our own error")
    assert site.get("/", "POST")[2] != "our own error"
    s3.put_object(Bucket=site.bucket, Key="error.html", Body=b"", WebsiteRedirectLocation="/sorry.html")
    assert site.where("/none") == (301, "/sorry.html")
    configure(s3, site.bucket, ErrorDocument={"Key": "gone.html"})
    status, _, content = site.get("/none")
    assert status == 404
    assert without_ids(content)[5:17] == [
        "<li>Code: NoSuchKey</li>",
        "<li>Message: The specified key does not exist.</li>",
        "<li>Key: none</li>",
        "</ul>",
        "<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>",
        "<ul>",
        "<li>Code: NoSuchKey</li>",
        "<li>Message: The specified key does not exist.</li>",
        "<li>Key: gone.html</li>",
        "</ul>",
        "<hr/>",
        "</body>",
    ]


def test_only_reading_and_only_sites(region: LiveRegion, s3: Any, site: Visitor) -> None:
    for method in ("POST", "PUT", "DELETE"):
        status, headers, content = site.get("/", method)
        assert (status, headers["allow"]) == (405, "HEAD, GET")
        assert "<h1>405 Method Not Allowed</h1>" in content
        assert f"<li>Method: {method}</li>\n<li>ResourceType: OBJECT</li>" in content
    status, _, content = site.get("/", host="nobodys-box.s3-website-us-east-1.localhost")
    assert status == 404
    assert "<li>Code: NoSuchBucket</li>" in content
    assert "<li>BucketName: nobodys-box</li>" in content
    status, _, content = site.get("/", host=f"{site.bucket}.s3-website-eu-west-1.localhost")
    assert status == 400
    assert f"<li>Endpoint: {site.bucket}.s3-website-us-east-1.amazonaws.com</li>" in content
    s3.delete_bucket_website(Bucket=site.bucket)
    status, headers, content = site.get("/")
    assert (status, headers["x-amz-error-code"]) == (404, "NoSuchWebsiteConfiguration")
    assert "<li>Message: The specified bucket does not have a website configuration</li>" in content


def test_a_signature_opens_nothing(region: LiveRegion, site: Visitor) -> None:
    """S3 user guide, "Website endpoints": they take anonymous requests only."""
    url = region.client("s3").generate_presigned_url(
        "get_object", Params={"Bucket": site.bucket, "Key": "hidden/secret"}
    )
    assert site.get(f"/hidden/secret?{url.partition('?')[2]}")[0] == 403
    assert site.get("/", Authorization="AWS4-HMAC-SHA256 nonsense")[0] == 200


def test_a_bucket_that_blocks_the_public_shows_nothing(s3: Any, site: Visitor) -> None:
    block = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    s3.put_public_access_block(Bucket=site.bucket, PublicAccessBlockConfiguration=block)
    assert site.get("/")[0] == 403


def test_objects_redirect(s3: Any, site: Visitor) -> None:
    s3.put_object(Bucket=site.bucket, Key="old", Body=b"x" * 100_000, WebsiteRedirectLocation="/docs/?a=b")
    assert site.where("/old") == (301, "/docs/?a=b")
    assert site.where("/old", method="HEAD") == (301, "/docs/?a=b")


def test_a_form_makes_an_object_that_redirects(region: LiveRegion, s3: Any, site: Visitor) -> None:
    field = {"x-amz-website-redirect-location": "/docs/"}
    form = s3.generate_presigned_post(site.bucket, "posted", Fields=field, Conditions=[field])
    connection = http.client.HTTPConnection("127.0.0.1", region.port, timeout=20)
    kind = {"Content-Type": "multipart/form-data; boundary=frontier"}
    connection.request("POST", f"/{site.bucket}", body_of(form["fields"], b""), kind)
    assert connection.getresponse().status == 204
    connection.close()
    assert site.where("/posted") == (301, "/docs/")


def test_everything_redirects(s3: Any, site: Visitor) -> None:
    to = {"HostName": "example.com"}
    s3.put_bucket_website(Bucket=site.bucket, WebsiteConfiguration={"RedirectAllRequestsTo": to})
    assert site.where("/a%20b?c=d") == (301, "http://example.com/a%20b?c=d")
    to["Protocol"] = "https"
    s3.put_bucket_website(Bucket=site.bucket, WebsiteConfiguration={"RedirectAllRequestsTo": to})
    assert site.where("/") == (301, "https://example.com/")


def test_routing_rules(s3: Any, site: Visitor) -> None:
    """S3 user guide, "Configure advanced conditional redirects": the first rule that matches, with its examples."""
    configure(
        s3,
        site.bucket,
        {
            "Condition": {"KeyPrefixEquals": "both/", "HttpErrorCodeReturnedEquals": "404"},
            "Redirect": {"ReplaceKeyWith": "both.html"},
        },
        {"Condition": {"KeyPrefixEquals": "host/"}, "Redirect": {"HostName": "other", "Protocol": "https"}},
        {"Condition": {"KeyPrefixEquals": "code/"}, "Redirect": {"HttpRedirectCode": "307"}},
        {"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "docs/"}},
        {"Condition": {"KeyPrefixEquals": "drop/"}, "Redirect": {"ReplaceKeyPrefixWith": ""}},
        {"Condition": {"KeyPrefixEquals": "index"}, "Redirect": {"ReplaceKeyWith": "moved.html"}},
        {"Condition": {"HttpErrorCodeReturnedEquals": "403"}, "Redirect": {"ReplaceKeyPrefixWith": "#!/"}},
        {"Condition": {"HttpErrorCodeReturnedEquals": "404"}, "Redirect": {"ReplaceKeyWith": "missing.html"}},
        ErrorDocument={"Key": "error.html"},
    )
    base = f"http://{site.host}"
    assert site.where("/host/key") == (301, "https://other/host/key")
    assert site.where("/code/key") == (307, f"{base}/code/key")
    assert site.where("/old/a%20b?c=d") == (301, f"{base}/docs/a%20b?c=d")
    assert site.where("/drop/docs/") == (301, f"{base}/docs/")
    assert site.where("/index.html") == (301, f"{base}/moved.html")
    assert site.get("/")[::2] == (200, "home")
    assert site.where("/none") == (301, f"{base}/#!/none")
    assert site.where("/docs") == (302, "/docs/")
    listable(s3, site.bucket)
    assert site.where("/both/x") == (301, f"{base}/both.html")
    assert site.where("/none") == (301, f"{base}/missing.html")


def test_pages_of_other_origins_read_a_site_by_its_cors_rules(s3: Any, site: Visitor) -> None:
    rules = [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}]
    s3.put_bucket_cors(Bucket=site.bucket, CORSConfiguration={"CORSRules": rules})
    status, headers, _ = site.get("/", Origin="http://a")
    assert (status, headers["access-control-allow-origin"]) == (200, "*")
    status, headers, _ = site.get("/", "OPTIONS", Origin="http://a", Access_Control_Request_Method="GET")
    assert (status, headers["access-control-allow-methods"]) == (200, "GET")
