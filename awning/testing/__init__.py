"""A region inside a test suite: `with Region() as region: region.client("s3")`. Importable without pytest.

The pytest plugin (plugin.py) adds the fixtures `region`, `awning_region` and `aws_environment`.
"""

from awning.testing.clock import RegionClock
from awning.testing.identity import Identity
from awning.testing.region import NotReady, Region

__all__ = ["Identity", "NotReady", "Region", "RegionClock"]
