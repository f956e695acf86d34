"""Real order flow, where it lies beside the checkout; it is not part of it."""

import pytest

from tests.harness import ROOT

DATA = ROOT.parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no real order flow here: %s is absent" % DATA)
