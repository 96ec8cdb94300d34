"""A validator of notifications as the developer guide describes it, apart from how we write them."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa


def check(document: dict[str, Any], certificate: bytes, authority: bytes | None = None) -> None:
    """Raises InvalidSignature where a document was not signed by the certificate's key, or the certificate not by the
    authority's."""
    pairs = ["Message", "MessageId"]
    if document["Type"] == "Notification":
        pairs += ["Subject"] if "Subject" in document else []
        pairs += ["Timestamp", "TopicArn", "Type"]
    else:
        pairs += ["SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{document[name]}\n" for name in pairs)
    shown = x509.load_pem_x509_certificate(certificate)
    if authority is not None:
        shown.verify_directly_issued_by(x509.load_pem_x509_certificate(authority))
    key = shown.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size >= 2048
    digest: hashes.HashAlgorithm = {"1": hashes.SHA1(), "2": hashes.SHA256()}[document["SignatureVersion"]]
    key.verify(b64decode(document["Signature"], validate=True), text.encode(), padding.PKCS1v15(), digest)
