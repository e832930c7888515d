"""Scripts and styles of a page: a fixed table of files, read once at the start.

A name that is not in the table is nothing; no path is ever made of what a browser
sends.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from switch.errors import ConfigError

FOLDER = Path(__file__).parent / "assets"
LOCK = Path(__file__).parent / "assets.lock"
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file."""

    content: bytes
    media_type: str
    tag: str


class Assets:
    """The files of `names`, and their addresses with what changes when they do."""

    def __init__(self, names: Mapping[str, Path]) -> None:
        """Read them. Raises ConfigError for one that is not there, or not as locked."""
        locked = json.loads(LOCK.read_text())
        self._files: dict[str, Asset] = {}
        for name, path in names.items():
            try:
                content = path.read_bytes()
            except OSError as error:
                raise ConfigError(
                    f"cannot read {path}: {error.strerror} (`make build` fetches it)"
                ) from error
            digest = hashlib.sha256(content).hexdigest()
            if name in locked and locked[name]["sha256"] != digest:
                raise ConfigError(f"{path} is not what {LOCK.name} names")
            self._files[name] = Asset(content, _TYPES[path.suffix], digest[:16])

    def address(self, name: str) -> str:
        """Where a page finds a file; another address once it is another."""
        return f"/assets/{name}?{self._files[name].tag}"

    async def serve(self, request: Request) -> Response:
        """Answer a request for one."""
        asset = self._files.get(request.path_params["name"])
        if asset is None:
            return PlainTextResponse("not found\n", 404)
        headers = {"cache-control": "public, max-age=31536000, immutable"}
        return Response(asset.content, media_type=asset.media_type, headers=headers)
