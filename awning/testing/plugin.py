"""The pytest plugin: a region per test process, emptied before each test that asks for it.

With pytest-xdist each worker is a process, and so has a region, a port and a folder of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from awning.testing.region import ROOT_ACCOUNT, Region


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("awning", "a region of your own")
    group.addoption("--awning-log", metavar="FILE", help="write the region's request log to this file")
    parser.addini("awning_services", "only these services of the region (default: all)", type="args")
    parser.addini("awning_account", "the account whose root acts where none is named (default: 000000000000)")


@pytest.fixture(scope="session")
def awning_region(pytestconfig: pytest.Config) -> Iterator[Region]:
    """The region of this test process. Nothing empties it: use `region` for one that is empty."""
    log = pytestconfig.getoption("--awning-log")
    services, account = pytestconfig.getini("awning_services"), pytestconfig.getini("awning_account")
    with Region(services=services or None, account=account or ROOT_ACCOUNT, log=log) as region:
        yield region


@pytest.fixture
def awning_empty_region(awning_region: Region) -> Region:
    """The region of this test process, empty, at the real time. `region` and `aws_environment` share it."""
    if not awning_region.fresh:
        awning_region.reset()
    return awning_region


@pytest.fixture
def region(awning_empty_region: Region) -> Region:
    """An empty region, at the real time."""
    return awning_empty_region


@pytest.fixture
def aws_environment(awning_empty_region: Region) -> Iterator[dict[str, str]]:
    """An empty region, to which every AWS client of this process is led by its variables, as root. Yields the variables."""
    with awning_empty_region.environment() as variables:
        yield variables
