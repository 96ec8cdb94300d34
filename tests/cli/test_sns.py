"""`awning sns mail`: the spool of a data folder, without a region."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from awning.cli.main import main


def spool(data: Path) -> None:
    (data / "mail").mkdir()
    for number, address in enumerate(("a@example.com", "b@example.com", "a@example.com")):
        text = f"To: {address}\r\nSubject: Number {number}\r\n\r\nHello {number}\r\n"
        (data / "mail" / f"2024010{number + 1}T000000.000000Z-ab.eml").write_text(text)


def test_the_newest_mails_are_listed_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spool(tmp_path)
    assert main(["sns", "mail", "--data", str(tmp_path), "--json", "--to", "a@example.com"]) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["subject"] for each in listed] == ["Number 0", "Number 2"]
    assert main(["sns", "mail", "--data", str(tmp_path), "--limit", "1"]) == 0
    said = capsys.readouterr().out
    assert ("Number 2" in said, "Number 1" in said) == (True, False)
    assert main(["sns", "mail", listed[0]["name"], "--data", str(tmp_path)]) == 0
    assert "Hello 0" in capsys.readouterr().out


def test_a_mail_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sns", "mail", "none", "--data", str(tmp_path)]) == 2
    assert "There is no mail none" in capsys.readouterr().err
    assert main(["sns", "mail", "--data", str(tmp_path), "--json"]) == 0
