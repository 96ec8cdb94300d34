"""X.509: keys, the authority's and issued certificates, and what a certificate says. Pure: no clock, no database.

All of it is the `cryptography` package's. Making an RSA key takes up to a second, so callers run these in threads.
Source: RFC 5280; the user guide's "Certificate characteristics".
"""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

Key: TypeAlias = "rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey"
Public: TypeAlias = "rsa.RSAPublicKey | ec.EllipticCurvePublicKey"

_CURVES: Final[dict[str, ec.EllipticCurve]] = {
    "EC_prime256v1": ec.SECP256R1(),
    "EC_secp384r1": ec.SECP384R1(),
    "EC_secp521r1": ec.SECP521R1(),
}
_RSA: Final = {"RSA_1024": 1024, "RSA_2048": 2048, "RSA_3072": 3072, "RSA_4096": 4096}
_DOMAIN_VALIDATED: Final = ObjectIdentifier("2.23.140.1.2.1")

_KEY_USAGES: Final = (
    ("digital_signature", "DIGITAL_SIGNATURE"),
    ("content_commitment", "NON_REPUDIATION"),
    ("key_encipherment", "KEY_ENCIPHERMENT"),
    ("data_encipherment", "DATA_ENCIPHERMENT"),
    ("key_agreement", "KEY_AGREEMENT"),
    ("key_cert_sign", "CERTIFICATE_SIGNING"),
    ("crl_sign", "CRL_SIGNING"),
)
_EXTENDED: Final = {
    "1.3.6.1.5.5.7.3.1": "TLS_WEB_SERVER_AUTHENTICATION",
    "1.3.6.1.5.5.7.3.2": "TLS_WEB_CLIENT_AUTHENTICATION",
    "1.3.6.1.5.5.7.3.3": "CODE_SIGNING",
    "1.3.6.1.5.5.7.3.4": "EMAIL_PROTECTION",
    "1.3.6.1.5.5.7.3.5": "IPSEC_END_SYSTEM",
    "1.3.6.1.5.5.7.3.6": "IPSEC_TUNNEL",
    "1.3.6.1.5.5.7.3.7": "IPSEC_USER",
    "1.3.6.1.5.5.7.3.8": "TIME_STAMPING",
    "1.3.6.1.5.5.7.3.9": "OCSP_SIGNING",
    "2.5.29.37.0": "ANY",
}
_ATTRIBUTES: Final = {
    NameOID.COMMON_NAME: ("CN", "CommonName"),
    NameOID.COUNTRY_NAME: ("C", "Country"),
    NameOID.STATE_OR_PROVINCE_NAME: ("ST", "State"),
    NameOID.LOCALITY_NAME: ("L", "Locality"),
    NameOID.ORGANIZATION_NAME: ("O", "Organization"),
    NameOID.ORGANIZATIONAL_UNIT_NAME: ("OU", "OrganizationalUnit"),
    NameOID.SERIAL_NUMBER: ("SERIALNUMBER", "SerialNumber"),
    NameOID.TITLE: ("T", "Title"),
    NameOID.SURNAME: ("SN", "Surname"),
    NameOID.GIVEN_NAME: ("GN", "GivenName"),
    NameOID.INITIALS: ("INITIALS", "Initials"),
    NameOID.PSEUDONYM: ("PSEUDONYM", "Pseudonym"),
    NameOID.GENERATION_QUALIFIER: ("GENERATION", "GenerationQualifier"),
    NameOID.DN_QUALIFIER: ("DNQ", "DistinguishedNameQualifier"),
}


class Authority(NamedTuple):
    """What signs certificates."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    def __repr__(self) -> str:
        return f"Authority({self.certificate.serial_number:x})"


class Made(NamedTuple):
    """A certificate in PEM and its private key in DER (PKCS #8)."""

    pem: str
    key: bytes

    def __repr__(self) -> str:
        return "Made(…)"


class Said(NamedTuple):
    """What a certificate says. `serial` as 0a:1b:…, times in seconds since the epoch, `names` with the common name first."""

    domain: str
    names: list[str]
    algorithm: str | None
    serial: str
    not_before: float
    not_after: float
    facts: dict[str, Any]


def make_key(algorithm: str) -> Key:
    """Make a private key of one of ACM's algorithms."""
    curve = _CURVES.get(algorithm)
    return rsa.generate_private_key(65537, _RSA[algorithm]) if curve is None else ec.generate_private_key(curve)


def der_of(key: Key) -> bytes:
    """A private key as it is sealed."""
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_key(der: bytes) -> Key:
    """Read a private key of ours; that it is sound was seen when it was made or imported."""
    key = serialization.load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return key


def pem_of_key(der: bytes) -> str:
    """A private key in PEM, not encrypted: for what terminates TLS. It is only written otherwise, not read: that takes long."""
    text = b64encode(der).decode()
    lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return f"-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n"


def encrypted_pem(der: bytes, passphrase: bytes) -> str:
    """A private key in PEM (PKCS #8), encrypted under a passphrase. It takes some milliseconds."""
    encryption = serialization.BestAvailableEncryption(passphrase)
    key = load_key(der)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption).decode()


def pem_of(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def make_authority(serial: int, begin: float, end: float) -> Made:
    """Make a root that signs leaves only."""
    key = rsa.generate_private_key(65537, 2048)
    public = key.public_key()
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "awning"),
            x509.NameAttribute(NameOID.COMMON_NAME, "awning private certificate authority"),
        ]
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    builder = _builder(subject, subject, public, serial, begin, end)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
    builder = builder.add_extension(identifier, critical=False)
    own = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    return Made(pem_of(builder.add_extension(own, critical=False).sign(key, hashes.SHA256())), der_of(key))


def load_authority(pem: str, key: bytes) -> Authority:
    loaded = load_key(key)
    assert isinstance(loaded, rsa.RSAPrivateKey)
    return Authority(x509.load_pem_x509_certificate(pem.encode()), loaded)


def issue(authority: Authority, algorithm: str, names: list[str], serial: int, begin: float, end: float) -> Made:
    """Make a key and a certificate for DNS names, the first of which is the common name."""
    key = make_key(algorithm)
    public: Public = key.public_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    builder = _builder(subject, authority.certificate.subject, public, serial, begin, end)
    usages = ("digital_signature", "key_encipherment") if algorithm in _RSA else ("digital_signature",)
    issuer = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    for extension, critical in (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(*usages), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False),
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), False),
        (x509.CertificatePolicies([x509.PolicyInformation(_DOMAIN_VALIDATED, None)]), False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    return Made(pem_of(builder.sign(authority.key, hashes.SHA256())), der_of(key))


def _builder(
    subject: x509.Name, issuer: x509.Name, public: Public, serial: int, begin: float, end: float
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=public)
    builder = builder.serial_number(serial).not_valid_before(datetime.fromtimestamp(begin, UTC))
    return builder.not_valid_after(datetime.fromtimestamp(end, UTC))


def _usage(*names: str) -> x509.KeyUsage:
    every = [name for name, _ in _KEY_USAGES] + ["encipher_only", "decipher_only"]
    return x509.KeyUsage(**{name: name in names for name in every})


def algorithm_of(public: Any) -> str | None:
    """ACM's name for the kind of a public key; None for one that ACM does not take."""
    if isinstance(public, rsa.RSAPublicKey):
        return next((name for name, size in _RSA.items() if size == public.key_size), None)
    if isinstance(public, ec.EllipticCurvePublicKey):
        return next((name for name, curve in _CURVES.items() if curve.name == public.curve.name), None)
    return None


def read(certificate: x509.Certificate) -> Said:
    """What a certificate says. Raises ValueError where its extensions cannot be read."""
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    named: list[x509.GeneralName] = []
    usages: list[str] = []
    extended: list[dict[str, str]] = []
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.SubjectAlternativeName):
            named = list(value)
        elif isinstance(value, x509.KeyUsage):
            usages = [name for attribute, name in _KEY_USAGES if getattr(value, attribute)]
            usages += _only(value)
        elif isinstance(value, x509.ExtendedKeyUsage):
            extended = [{"Name": _EXTENDED.get(one.dotted_string, "CUSTOM"), "OID": one.dotted_string} for one in value]
    first = str(common[0].value) if common else ""
    names = list(dict.fromkeys([*([first] if first else []), *_dns(named)]))
    facts = {
        "subject": _text(certificate.subject),
        "subject_name": _name(certificate.subject),
        "issuer_name": _name(certificate.issuer),
        "issuer": _issuer(certificate.issuer),
        "key_usages": usages,
        "extended": extended,
        "signature": _signature(certificate),
        "alternatives": [_general(one) for one in named],
        "common_name": first,
    }
    return Said(
        names[0] if names else "",
        names,
        algorithm_of(certificate.public_key()),
        _serial(certificate.serial_number),
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
        facts,
    )


def _only(usage: x509.KeyUsage) -> list[str]:
    if not usage.key_agreement:
        return []
    return [
        name for name, has in (("ENCIPHER_ONLY", usage.encipher_only), ("DECIPHER_ONLY", usage.decipher_only)) if has
    ]


def _dns(names: list[x509.GeneralName]) -> list[str]:
    return [name.value for name in names if isinstance(name, x509.DNSName)]


def _serial(number: int) -> str:
    text = f"{number:x}"
    text = "0" * (len(text) % 2) + text
    return ":".join(text[index : index + 2] for index in range(0, len(text), 2))


def _text(name: x509.Name) -> str:
    return ",".join(f"{_short(attribute)}={attribute.value!s}" for attribute in name)


def _short(attribute: x509.NameAttribute[Any]) -> str:
    known = _ATTRIBUTES.get(attribute.oid)
    return attribute.oid.dotted_string if known is None else known[0]


def _name(name: x509.Name) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for attribute in name:
        value = str(attribute.value)
        known = _ATTRIBUTES.get(attribute.oid)
        if known is not None:
            found.setdefault(known[1], value)
        elif attribute.oid == NameOID.DOMAIN_COMPONENT:
            found.setdefault("DomainComponents", []).append(value)
        else:
            custom = {"ObjectIdentifier": attribute.oid.dotted_string, "Value": value}
            found.setdefault("CustomAttributes", []).append(custom)
    return found


def _issuer(name: x509.Name) -> str:
    """What DescribeCertificate calls the issuer: its common name, else its organization."""
    for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        found = name.get_attributes_for_oid(oid)
        if found:
            return str(found[0].value)
    return _text(name)


def _signature(certificate: x509.Certificate) -> str:
    digest = certificate.signature_hash_algorithm
    oid = certificate.signature_algorithm_oid.dotted_string
    if digest is None:
        return oid
    kind = "ECDSA" if oid.startswith("1.2.840.10045.") else "RSA"
    return f"{digest.name.upper().replace('-', '')}WITH{kind}"


def _general(name: x509.GeneralName) -> dict[str, Any]:
    match name:
        case x509.DNSName():
            return {"DnsName": name.value}
        case x509.IPAddress():
            return {"IpAddress": str(name.value)}
        case x509.RFC822Name():
            return {"Rfc822Name": name.value}
        case x509.UniformResourceIdentifier():
            return {"UniformResourceIdentifier": name.value}
        case x509.RegisteredID():
            return {"RegisteredId": name.value.dotted_string}
        case x509.DirectoryName():
            return {"DirectoryName": _name(name.value)}
        case x509.OtherName():
            return {"OtherName": {"ObjectIdentifier": name.type_id.dotted_string, "Value": name.value.hex()}}
        case _:
            return {"OtherName": {"Value": str(name)}}
