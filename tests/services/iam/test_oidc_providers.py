"""OpenID Connect providers: what they may be called, what they take, and what IAM says of those that are not there."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from awning.contracts import FindOidcProvider
from tests.services.iam.support import ACCOUNT, OTHER
from tests.services.iam.wire import Boto

PRINTS = ["a" * 40, "b" * 40]


@pytest.fixture
def iam(house):
    return Boto(house).client("iam")


def refused(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def make(iam, url="https://issuer.example.com/a", **further):
    return iam.create_open_id_connect_provider(Url=url, **further)["OpenIDConnectProviderArn"]


def test_a_provider_is_made_shown_and_deleted(iam, house):
    reply = iam.create_open_id_connect_provider(
        Url="https://issuer.example.com/a", ThumbprintList=PRINTS, ClientIDList=["one", "two", "one"]
    )
    arn = f"arn:aws:iam::{ACCOUNT}:oidc-provider/issuer.example.com/a"
    assert {name: value for name, value in reply.items() if name != "ResponseMetadata"} == {
        "OpenIDConnectProviderArn": arn
    }
    found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert (found["Url"], found["ClientIDList"], found["ThumbprintList"], found["Tags"]) == (
        "issuer.example.com/a",
        ["one", "two"],
        PRINTS,
        [],
    )
    assert found["CreateDate"].timestamp() == house.now
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == [{"Arn": arn}]
    assert iam.get_account_summary()["SummaryMap"]["Providers"] == 1
    assert refused(iam.create_open_id_connect_provider, Url="https://issuer.example.com/a") == (
        "EntityAlreadyExists",
        "Provider with url https://issuer.example.com/a already exists.",
    )
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert refused(iam.get_open_id_connect_provider, OpenIDConnectProviderArn=arn) == (
        "NoSuchEntity",
        f"OpenIDConnect Provider not found for arn {arn}",
    )
    assert refused(iam.delete_open_id_connect_provider, OpenIDConnectProviderArn=arn) == (
        "NoSuchEntity",
        f"OpenId connect Provider {arn} cannot be found.",
    )


@pytest.mark.parametrize(
    "url",
    [
        "example.org",
        "example",
        "http://example.org",
        "ftp://example.org",
        "https://",
        "https://user@example.org",
        "https://example.org?a=b",
        "https://example.org#a",
        "https://example.org:0",
        "https://example.org:port",
        "https://exa mple.org",
        "https://example.org/*",
        "http://localhost.example.org",
        "http://127.0.0.1.example.org",
        "HTTPS://example.org",
    ],
)
def test_what_is_no_issuer_is_refused(iam, url):
    assert refused(iam.create_open_id_connect_provider, Url=url) == (
        "ValidationError",
        "Invalid Open ID Connect Provider URL",
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.org", "example.org"),
        ("https://example.org/", "example.org/"),
        ("https://example.org:8443/realms/one", "example.org:8443/realms/one"),
        ("http://localhost:8080/realms/one", "http://localhost:8080/realms/one"),
        ("http://idp.localhost", "http://idp.localhost"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ],
)
def test_an_issuer_has_tls_unless_it_is_on_this_machine(iam, url, shown):
    arn = make(iam, url)
    assert arn.endswith(":oidc-provider/" + url.partition("://")[2])
    assert iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["Url"] == shown


def test_lists_have_their_limits(iam):
    url = "https://example.org"
    prints = [letter * 40 for letter in "abcdef"]
    assert refused(iam.create_open_id_connect_provider, Url=url, ThumbprintList=prints) == (
        "InvalidInput",
        "Thumbprint list must contain fewer than 5 entries.",
    )
    assert refused(iam.create_open_id_connect_provider, Url=url, ThumbprintList=["g" * 40])[0] == "InvalidInput"
    assert refused(iam.create_open_id_connect_provider, Url=url, ThumbprintList=["a" * 39])[0] == "ValidationError"
    clients = [str(number) for number in range(101)]
    assert refused(iam.create_open_id_connect_provider, Url=url, ClientIDList=clients) == (
        "LimitExceeded",
        "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 100",
    )
    arn = make(iam, url, ClientIDList=clients[:100])
    assert refused(
        iam.add_client_id_to_open_id_connect_provider, OpenIDConnectProviderArn=arn, ClientID="one more"
    )[0] == "LimitExceeded"  # fmt: skip
    for number in range(99):
        make(iam, f"https://{number}.example.org")
    assert refused(iam.create_open_id_connect_provider, Url="https://last.example.org")[0] == "LimitExceeded"


def test_audiences_and_thumbprints_change(iam, house):
    arn = make(iam, ClientIDList=["one"])
    for client in ("two", "two", "three"):
        iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID=client)
    for client in ("one", "unknown"):
        iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID=client)
    iam.update_open_id_connect_provider_thumbprint(OpenIDConnectProviderArn=arn, ThumbprintList=PRINTS)
    found = house.ask(FindOidcProvider(ACCOUNT, "https://issuer.example.com/a"))
    assert (found.arn, found.clients, found.thumbprints) == (arn, ("two", "three"), tuple(PRINTS))
    assert house.ask(FindOidcProvider(OTHER, "https://issuer.example.com/a")) is None
    for issuer in ("http://issuer.example.com/a", "https://issuer.example.com/A", "issuer.example.com/a", ""):
        assert house.ask(FindOidcProvider(ACCOUNT, issuer)) is None


def test_tags_come_and_go(iam):
    tags = [{"Key": f"k{number}", "Value": "v"} for number in range(5)]
    reply = iam.create_open_id_connect_provider(Url="https://example.org", Tags=tags[:2])
    arn = reply["OpenIDConnectProviderArn"]
    assert reply["Tags"] == tags[:2]
    iam.tag_open_id_connect_provider(OpenIDConnectProviderArn=arn, Tags=tags)
    iam.untag_open_id_connect_provider(OpenIDConnectProviderArn=arn, TagKeys=["k1"])
    first = iam.list_open_id_connect_provider_tags(OpenIDConnectProviderArn=arn, MaxItems=3)
    assert [tag["Key"] for tag in first["Tags"]] == ["k0", "k2", "k3"]
    rest = iam.list_open_id_connect_provider_tags(OpenIDConnectProviderArn=arn, Marker=first["Marker"])
    assert ([tag["Key"] for tag in rest["Tags"]], rest["IsTruncated"]) == (["k4"], False)
    many = [{"Key": str(number), "Value": ""} for number in range(47)]
    assert refused(iam.tag_open_id_connect_provider, OpenIDConnectProviderArn=arn, Tags=many)[0] == "LimitExceeded"


def test_another_accounts_provider_is_none(iam, house):
    arn = make(iam).replace(ACCOUNT, OTHER)
    assert refused(iam.get_open_id_connect_provider, OpenIDConnectProviderArn=arn)[0] in (
        "NoSuchEntity",
        "AccessDenied",
    )
