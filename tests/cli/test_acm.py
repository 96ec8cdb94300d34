"""`awning acm`: trust the authority, see what waits, validate it; and one clear line for what the user can mend."""

from __future__ import annotations

import json
from pathlib import Path

from cryptography import x509

from tests.cli.test_faults import assert_one_line, awning
from tests.conftest import LiveRegion


def test_a_user_validates_what_waits_and_trusts_what_signed_it(region: LiveRegion) -> None:
    acm = region.client("acm")
    arn = acm.request_certificate(DomainName="cli.example.com", ValidationMethod="DNS", KeyAlgorithm="EC_prime256v1")[
        "CertificateArn"
    ]
    wanted = acm.describe_certificate(CertificateArn=arn)["Certificate"]["DomainValidationOptions"][0]["ResourceRecord"]
    listed = [json.loads(line) for line in awning("acm", "list", "--data", region.data, "--json").stdout.splitlines()]
    (waiting,) = (one for one in listed if one["arn"] == arn)
    assert waiting["records"][0]["Value"] == wanted["Value"]
    assert wanted["Value"] in awning("acm", "list", "--data", region.data, COLUMNS="400").stdout
    done = awning("acm", "validate", arn, "--data", region.data)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "cli.example.com: ISSUED\n")
    authority = awning("acm", "ca", "--data", region.data).stdout
    got = acm.get_certificate(CertificateArn=arn)
    assert got["CertificateChain"] == authority
    leaf, root = (x509.load_pem_x509_certificate(pem.encode()) for pem in (got["Certificate"], authority))
    leaf.verify_directly_issued_by(root)
    assert_one_line(awning("acm", "validate", arn, "--data", region.data), "does not wait to be validated", "ISSUED")


def test_the_authority_is_made_when_it_is_asked_for(own_region: LiveRegion) -> None:
    own_region.start()
    done = awning("acm", "ca", "--data", own_region.data)
    assert done.returncode == 0
    assert "BEGIN CERTIFICATE" in done.stdout


def test_what_is_not_there(region: LiveRegion, tmp_path: Path) -> None:
    assert_one_line(awning("acm", "ca", "--data", tmp_path), "No region runs")
    assert_one_line(awning("acm", "validate", "arn:none", "--data", region.data), "There is no certificate arn:none")
