"""CORS as browsers speak it: pre-flights in both styles, pre-signed URLs, forms, errors; and what other services tell pages."""

from __future__ import annotations

import http.client
import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.clients.test_forms import body_of
from tests.conftest import LiveRegion

APP = "https://localhost:4200"
OTHER = "http://evil.example"
VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


class Page:
    """What a browser sends for a page of an origin."""

    def __init__(self, region: LiveRegion) -> None:
        self.port = region.port

    def send(
        self,
        method: str,
        path: str,
        origin: str | None = APP,
        body: bytes = b"",
        host: str | None = None,
        **fields: str,
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        if origin is not None:
            headers |= {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
        headers["Host"] = f"{host or '127.0.0.1'}:{self.port}"
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, {n.lower(): v for n, v in answer.getheaders()}, content

    def ask(self, path: str, method: str | None, origin: str | None = APP, *names: str, **further: Any) -> Any:
        """A pre-flight."""
        fields = {} if method is None else {"Access-Control-Request-Method": method}
        if names:
            fields["Access-Control-Request-Headers"] = ",".join(names)
        return self.send("OPTIONS", path, origin, **fields, **further)


@pytest.fixture
def page(region: LiveRegion) -> Page:
    return Page(region)


@pytest.fixture
def bucket(region: LiveRegion, name: str) -> str:
    """A bucket that anyone may read, with an object `key`, and rules for one origin."""
    s3 = region.client("s3")
    s3.create_bucket(Bucket=name)
    s3.delete_public_access_block(Bucket=name)
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"}
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": statement}))
    s3.put_object(Bucket=name, Key="key", Body=b"content")
    rules = [
        {
            "AllowedOrigins": [APP],
            "AllowedMethods": ["GET", "PUT", "POST"],
            "AllowedHeaders": ["*"],
            "MaxAgeSeconds": 30,
        }
    ]
    s3.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": rules})
    assert s3.get_bucket_cors(Bucket=name)["CORSRules"] == rules
    return name


def told(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("access-control") or name == "vary"}


ALLOWED = {
    "access-control-allow-origin": APP,
    "access-control-allow-methods": "GET, PUT, POST",
    "access-control-max-age": "30",
    "access-control-allow-credentials": "true",
    "vary": VARY,
}


@pytest.mark.parametrize("virtual", [False, True])
def test_a_preflight(page: Page, bucket: str, virtual: bool) -> None:
    host = f"{bucket}.s3.localhost" if virtual else None
    path = "/key" if virtual else f"/{bucket}/key"
    status, headers, content = page.ask(path, "PUT", APP, "Content-Type", "x-amz-date", host=host)
    assert (status, content, headers["content-length"]) == (200, b"", "0")
    assert told(headers) == {**ALLOWED, "access-control-allow-headers": "content-type, x-amz-date"}
    assert {"x-amz-request-id", "x-amz-id-2"} <= set(headers)
    assert "content-type" not in headers
    status, headers, content = page.ask(path, "PUT", OTHER, host=host)
    assert (status, told(headers), headers["content-type"]) == (403, {}, "application/xml")
    names = re.findall(rb"<(\w+)>", content)
    assert names == [b"Error", b"Code", b"Message", b"Method", b"ResourceType", b"RequestId", b"HostId"]
    status, headers, content = page.ask(path, "PUT", None, host=host)
    assert status == 400
    assert b"<Code>BadRequest</Code><Message>Insufficient information. Origin request header needed." in content


def test_replies_say_who_may_read_them(page: Page, bucket: str) -> None:
    status, headers, content = page.send("GET", f"/{bucket}/key")
    assert (status, told(headers), content) == (200, ALLOWED, b"content")
    status, headers, content = page.send("GET", f"/{bucket}/key", host=None, Range="bytes=0-2")
    assert (status, told(headers), content) == (206, ALLOWED, b"con")
    for origin in (None, OTHER):
        status, headers, _ = page.send("GET", f"/{bucket}/key", origin)
        assert (status, told(headers)) == (200, {})
    status, headers, _ = page.send("GET", f"/{bucket}/none")
    assert (status, told(headers)) == (403, ALLOWED)
    status, headers, _ = page.send("GET", f"/{bucket}/key", If_None_Match="*")
    assert (status, told(headers)) == (304, ALLOWED)
    status, headers, _ = page.send("DELETE", f"/{bucket}/key")
    assert (status, told(headers)) == (403, {})
    status, headers, _ = page.send("GET", f"/{bucket}/key", Access_Control_Request_Method="DELETE")
    assert (status, told(headers)) == (200, {})


def test_presigned_urls_work_for_a_page_that_the_rules_name(region: LiveRegion, page: Page, bucket: str) -> None:
    """Even signed with a key that every page knows: the bucket's owner made the rule."""
    s3 = region.client("s3")
    url = urlsplit(s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "put"}))
    target = f"{url.path}?{url.query}"
    assert page.ask(target, "PUT")[0] == 200
    status, headers, _ = page.send("PUT", target, body=b"by a page")
    assert (status, told(headers)) == (200, ALLOWED)
    assert page.send("PUT", target, OTHER, b"by another")[0] == 403
    assert s3.get_object(Bucket=bucket, Key="put")["Body"].read() == b"by a page"
    signed = urlsplit(s3.generate_presigned_url("delete_object", Params={"Bucket": bucket, "Key": "put"}))
    assert page.send("DELETE", f"{signed.path}?{signed.query}")[0] == 403
    rules = {
        "Bucket": bucket,
        "CORSConfiguration": {"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}]},
    }
    signed = urlsplit(s3.generate_presigned_url("put_bucket_cors", Params=rules))
    assert page.send("PUT", f"{signed.path}?{signed.query}", body=b"")[0] == 403


def test_forms_work_for_a_page_that_the_rules_name(region: LiveRegion, page: Page, bucket: str) -> None:
    form = region.client("s3").generate_presigned_post(bucket, "form", ExpiresIn=60)
    kind = {"Content_Type": "multipart/form-data; boundary=frontier"}
    body = body_of(form["fields"], b"from a form")
    status, headers, _ = page.send("POST", f"/{bucket}", body=body, **kind)
    assert (status, told(headers)) == (204, ALLOWED)
    status, headers, _ = page.send("POST", f"/{bucket}", OTHER, body=body, **kind)
    assert (status, told(headers)) == (403, {})
    assert region.client("s3").get_object(Bucket=bucket, Key="form")["Body"].read() == b"from a form"


def test_a_rule_of_one_bucket_opens_no_other_service(region: LiveRegion, page: Page, bucket: str) -> None:
    s3 = region.client("s3")
    rules = [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET", "PUT", "POST", "DELETE", "HEAD"]}]
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})
    url = urlsplit(region.client("sts").generate_presigned_url("get_caller_identity", HttpMethod="GET"))
    assert page.send("GET", f"/?{url.query}")[0] == 403
    for path in (f"/{bucket}/key", "/"):
        assert page.send("GET", f"{path}?{url.query}")[0] == 403
    assert page.send("GET", f"/?{url.query}", None)[0] == 200


def test_other_services_answer_any_page(page: Page) -> None:
    status, headers, content = page.ask("/", "POST", APP, "x-amz-target", "authorization", "content-type")
    assert (status, content) == (200, b"")
    assert headers["access-control-allow-origin"] == "*"
    assert headers["access-control-allow-headers"] == "x-amz-target,authorization,content-type"
    assert "POST" in headers["access-control-allow-methods"]
    assert "x-amzn-requestid" in headers
    for host in ("sqs.us-east-1.localhost", "sts.localhost", "lambda.localhost"):
        assert page.ask("/", "POST", APP, host=host)[0] == 200
    status, headers, _ = page.send(
        "POST", "/", Content_Type="application/x-amz-json-1.0", X_Amz_Target="AmazonSQS.ListQueues"
    )
    assert status == 400
    assert headers["access-control-allow-origin"] == "*"
    assert "x-amzn-ErrorType" in headers["access-control-expose-headers"]
