"""`awning sns mail`: the spool of a data folder, without a region; `awning sns log`: what texts said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from awning.cli.main import main
from tests.cli.test_faults import assert_one_line, awning
from tests.conftest import LiveRegion


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
    assert "awning: There is no mail none" in capsys.readouterr().err
    assert main(["sns", "mail", "--data", str(tmp_path), "--limit", "0"]) == 2
    assert "at least 1" in capsys.readouterr().err
    assert main(["sns", "mail", "--data", str(tmp_path), "--json"]) == 0


def test_a_text_is_shown_as_it_is_and_acts_on_no_terminal(region: LiveRegion) -> None:
    text = "[/x] [red]code[/red] \x1b]0;title\x07 " + "end" * 40
    region.client("sns").publish(PhoneNumber="+4915112345670", Message=text)
    chosen = ("sns", "log", "--to", "+4915112345670", "--data", region.data)
    shown = awning(*chosen, COLUMNS="240")
    assert shown.returncode == 0
    assert r"[/x] [red]code[/red] \x1b]0;title\x07 endend" in shown.stdout
    assert "\x1b" not in shown.stdout + awning(*chosen, COLUMNS="60").stdout
    (entry,) = map(json.loads, awning(*chosen, "--json").stdout.splitlines())
    assert entry["body"] == text
    for limit in (0, 1001):
        assert_one_line(awning("sns", "log", "--limit", limit, "--data", region.data), "1 to 1000")
