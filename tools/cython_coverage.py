"""Cython's coverage plugin, taught where the core's generated C lies.

The plugin learns which included parts (`switch/core/`) belong to which C file
only when it meets the main file first; a report that begins with a part fails. So show
it the main file before anything else.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from Cython.Coverage import Plugin

if TYPE_CHECKING:
    from coverage.plugin_support import Plugins

MAIN = Path(__file__).resolve().parent.parent / "switch" / "_core.pyx"


class CorePlugin(Plugin):  # type: ignore[misc, unused-ignore]
    """Knows the parts of the core from the start."""

    def file_tracer(self, filename: str) -> Any:
        """Return what follows the lines of `filename`, or None if it is not ours."""
        self._meet_main()
        return super().file_tracer(filename)

    def file_reporter(self, filename: str) -> Any:
        """Return what knows the lines of `filename`."""
        self._meet_main()
        return super().file_reporter(filename)

    def _meet_main(self) -> None:
        if self._c_files_map is None and MAIN.with_suffix(".c").exists():
            super().file_reporter(str(MAIN))


def coverage_init(registry: "Plugins", _options: dict[str, str]) -> None:
    """Register the plugin; coverage calls this."""
    plugin = CorePlugin()
    registry.add_configurer(plugin)
    registry.add_file_tracer(plugin)
