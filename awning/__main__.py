"""`python -m awning`: the same as the command `awning`."""

import sys

from awning.cli.main import main

sys.exit(main())
