"""Long tests. Those that are started as modules take the build of SWITCH_TEST_LIB."""

import tests.conftest  # noqa: F401 - it chooses the core, before anything imports it
