"""Settings of all tests: hypothesis looks at no clock, and on CI it draws the same examples every time."""

import os

from hypothesis import settings

settings.register_profile("ours", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("ours")
