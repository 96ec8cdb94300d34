"""Reading SAML responses: what a provider signed is read, and nothing that anyone put beside it."""

from __future__ import annotations

import copy

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lxml import etree

from awning.kit.errors import NotImplementedHere, ServiceError
from awning.services.sts.assertions import read_response
from tests.services.sts.saml_support import OURS, D, Provider, S, encoded, response

NOW = 1_700_000_000.0
ATTRIBUTES = {f"{OURS}RoleSessionName": ["alice"], f"{OURS}Role": ["a,b", "c,d"]}


@pytest.fixture(scope="module")
def idp():
    return Provider(rsa.generate_private_key(65537, 2048))


@pytest.fixture(scope="module")
def stranger():
    return Provider(rsa.generate_private_key(65537, 2048))


def plain(**changed):
    return response(NOW, ATTRIBUTES, **changed)


def read(root, *providers, now=NOW):
    return read_response(encoded(root), [one.text for one in providers], now)


def refused(root, *providers, now=NOW):
    with pytest.raises(ServiceError) as caught:
        read(root, *providers, now=now)
    return type(caught.value).__name__


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("comments", [False, True])
def test_what_was_signed_is_read(idp, stranger, whole, comments):
    found = read(idp.sign(plain(), whole=whole, comments=comments), stranger, idp)
    assert (found.issuer, found.subject, found.subject_type) == ("https://idp.example.com/saml", "alice", "persistent")
    assert (found.recipient, found.ends) == ("https://signin.aws.amazon.com/saml", NOW + 300)
    assert found.attributes == ATTRIBUTES


def test_both_signatures_are_looked_at(idp, stranger):
    both = idp.sign(idp.sign(plain()), whole=True)
    assert read(both, idp).subject == "alice"
    assert refused(stranger.sign(idp.sign(plain()), whole=True), idp) == "InvalidIdentityToken"
    assert refused(idp.sign(stranger.sign(plain()), whole=True), idp) == "InvalidIdentityToken"


def test_keys_on_curves_sign_too():
    idp = Provider(ec.generate_private_key(ec.SECP384R1()))
    assert read(idp.sign(plain()), idp).subject == "alice"


def test_without_a_signature_by_the_provider_nothing_counts(idp, stranger):
    assert refused(plain(), idp) == "InvalidIdentityToken"
    assert refused(stranger.sign(plain()), idp) == "InvalidIdentityToken"
    assert refused(idp.sign(plain())) == "InvalidIdentityToken"
    for path, value in [
        (f".//{S}NameID", "mallory"),
        (f".//{S}AttributeValue", "mallory"),
        (f".//{D}SignatureValue", "AAAA"),
        (f".//{D}DigestValue", "AAAA"),
    ]:
        root = idp.sign(plain())
        root.find(path).text = value
        assert refused(root, idp) == "InvalidIdentityToken", path


def evil(root):
    """A forged copy of the assertion, without a signature."""
    made = copy.deepcopy(root.find(f"{S}Assertion"))
    signature = made.find(f"{D}Signature")
    if signature is not None:
        made.remove(signature)
    made.find(f".//{S}NameID").text = "mallory"
    return made


def wrap_before(root):
    made = evil(root)
    made.set("ID", "_evil")
    root.insert(0, made)


def wrap_after_with_the_same_id(root):
    root.append(evil(root))


def wrap_within(root):
    original = root.find(f"{S}Assertion")
    made = evil(root)
    made.set("ID", "_evil")
    root.replace(original, made)
    made.append(original)


def wrap_in_object(root):
    original = root.find(f"{S}Assertion")
    made = evil(root)
    made.set("ID", "_evil")
    signature = original.find(f"{D}Signature")
    root.replace(original, made)
    made.insert(1, signature)
    original_box = etree.SubElement(signature, f"{D}Object")
    original_box.append(original)


def wrap_in_extensions(root):
    original = root.find(f"{S}Assertion")
    made = evil(root)
    made.set("ID", "_evil")
    made.insert(1, original.find(f"{D}Signature"))
    root.replace(original, made)
    box = etree.Element("{urn:oasis:names:tc:SAML:2.0:protocol}Extensions")
    box.append(original)
    root.insert(0, box)


def wrap_with_another_id_attribute(root):
    made = evil(root)
    original = root.find(f"{S}Assertion")
    made.insert(1, original.find(f"{D}Signature"))
    box = etree.Element("{urn:oasis:names:tc:SAML:2.0:protocol}Extensions")
    renamed = etree.fromstring(etree.tostring(original).replace(b"saml:Assertion", b"saml:Other"))
    renamed.set("Id", "_a")
    del renamed.attrib["ID"]
    box.append(renamed)
    root.replace(original, made)
    root.insert(0, box)


def move_the_signature(root):
    signature = root.find(f".//{D}Signature")
    root.find(f".//{S}Subject").append(signature)


def wrap_the_response(root):
    """The signed response becomes a part of a forged one."""
    inner = copy.deepcopy(root)
    made = evil(root)
    original = root.find(f"{S}Assertion")
    root.replace(original, made)
    root.set("ID", "_outer")
    box = etree.Element("{urn:oasis:names:tc:SAML:2.0:protocol}Extensions")
    box.append(inner)
    root.insert(0, box)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    "wrap",
    [
        wrap_before,
        wrap_after_with_the_same_id,
        wrap_within,
        wrap_in_extensions,
        wrap_the_response,
        wrap_with_another_id_attribute,
    ],
)
def test_a_signature_is_not_wrapped_around_something_else(idp, wrap, whole):
    root = idp.sign(plain(), whole=whole)
    if whole and wrap in (wrap_in_extensions, wrap_with_another_id_attribute):
        root = idp.sign(idp.sign(plain()), whole=True)
    wrap(root)
    assert refused(root, idp) == "InvalidIdentityToken"


@pytest.mark.parametrize("wrap", [wrap_in_object, move_the_signature])
def test_a_signature_stands_where_it_belongs(idp, wrap):
    root = idp.sign(plain())
    wrap(root)
    assert refused(root, idp) == "InvalidIdentityToken"


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("comments", [False, True])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_comment_never_cuts_a_name_short(idp, whole, comments, when):
    name = "alice@example.com<!-- -->.evil.example"
    if when == "before":
        root = idp.sign(plain(name=name), whole=whole, comments=comments)
    else:
        root = idp.sign(plain(name="alice@example.com.evil.example"), whole=whole, comments=comments)
        raw = etree.tostring(root).replace(b"com.evil", b"com<!-- -->.evil")
        root = etree.fromstring(raw)
    if comments:
        assert refused(root, idp) == "InvalidIdentityToken"
    else:
        assert read(root, idp).subject == "alice@example.com.evil.example"


def test_an_instruction_or_an_element_in_a_name_is_refused(idp):
    for name in ("alice<?a b?>.evil", "alice<b/>.evil"):
        assert refused(idp.sign(plain(name=name)), idp) == "InvalidIdentityToken"


def test_entities_and_document_types_are_refused(idp):
    raw = etree.tostring(idp.sign(plain()))
    bomb = b"<!DOCTYPE a [<!ENTITY b 'bbbb'>" + b"".join(
        b"<!ENTITY %c '&%c;&%c;&%c;'>" % (letter + 1, letter, letter, letter) for letter in range(98, 110)
    )
    for head in (b"<!DOCTYPE a>", b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'>", bomb + b"]>"):
        assert refused(head + raw, idp) == "InvalidIdentityToken"
    assert refused(bomb + b"]>" + raw.replace(b">alice<", b">&m;<"), idp) == "InvalidIdentityToken"


@pytest.mark.parametrize("raw", [b"", b"<a/>", b"<a", b"\x00", b"<a>" * 30_000, "<ä/>".encode("utf-16")])
def test_what_is_no_response_is_refused(idp, raw):
    assert refused(raw, idp) == "InvalidIdentityToken"
    with pytest.raises(ServiceError):
        read_response("!" * 100, [idp.text], NOW)


@pytest.mark.parametrize(
    ("changed", "at", "error"),
    [
        ({}, NOW + 300, "ExpiredTokenException"),
        ({"ends": NOW + 3600}, NOW + 301, "ExpiredTokenException"),
        ({"ends": NOW - 1}, NOW, "ExpiredTokenException"),
        ({"issued": NOW + 301}, NOW, "InvalidIdentityToken"),
        ({"audience": "https://example.com"}, NOW, "InvalidIdentityToken"),
        ({"audience": "https://signin.aws.amazon.com.example.com/saml"}, NOW, "InvalidIdentityToken"),
        ({"recipient": "https://example.com"}, NOW, "InvalidIdentityToken"),
        ({"method": "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"}, NOW, "InvalidIdentityToken"),
        ({"status": "urn:oasis:names:tc:SAML:2.0:status:Responder"}, NOW, "IDPRejectedClaim"),
    ],
)
def test_for_whom_and_when_an_assertion_is(idp, changed, at, error):
    assert refused(idp.sign(plain(**changed)), idp, now=at) == error


@pytest.mark.parametrize(
    "changed",
    [
        {"audience": "urn:amazon:webservices"},
        {"audience": "https://us-west-2.signin.aws.amazon.com/saml"},
        {"recipient": "https://us-west-2.signin.aws.amazon.com/saml/acs/SAMLSP1"},
        {"issued": NOW + 200},
    ],
)
def test_these_are_good_too(idp, changed):
    assert read(idp.sign(plain(**changed)), idp).subject == "alice"


def test_an_encrypted_assertion_is_refused_by_name(idp):
    root = plain()
    root.append(etree.Element(f"{S}EncryptedAssertion"))
    with pytest.raises(NotImplementedHere, match="Encrypted SAML assertions"):
        read(idp.sign(root), idp)


def test_weak_digests_and_odd_transforms_are_refused(idp):
    for before, after in [
        (b"xmlenc#sha256", b"xmldsig#sha1"),
        (b"xmldsig-more#rsa-sha256", b"xmldsig#rsa-sha1"),
        (b"xmldsig-more#rsa-sha256", b"xmldsig-more#hmac-sha256"),
        (b"xmldsig#enveloped-signature", b"xmldsig#base64"),
        (b'URI="#_a"', b'URI=""'),
        (b'URI="#_a"', b'URI="#_r"'),
        (b'URI="#_a"', b'URI="http://localhost/"'),
    ]:
        raw = etree.tostring(idp.sign(plain()))
        assert before in raw
        assert refused(raw.replace(before, after), idp) == "InvalidIdentityToken", after
