"""Files of the gateway's own web pages: read once at the start, served from memory, and no others."""

import hashlib
from pathlib import Path

from aiohttp import web

STATIC = Path(__file__).parent / "static"
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".txt": "text/plain"}
#: For pages: nothing from elsewhere; styles may be set by scripts.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' "
    "data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


def add_folder(app, folder, prefix):
    """Serve the files of static/`folder` under `prefix`, and its index.html as `prefix` itself."""
    for path in sorted((STATIC / folder).iterdir()):
        if path.suffix in TYPES:
            handler = _handler(path.read_bytes(), TYPES[path.suffix])
            app.router.add_get(prefix + "/" + path.name, handler)
            if path.name == "index.html":
                app.router.add_get(prefix or "/", handler)


def _handler(content, content_type):
    tag = '"%s"' % hashlib.sha256(content).hexdigest()[:16]
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Content-Security-Policy": PAGE_POLICY}

    async def serve(request):
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=content, content_type=content_type, charset="utf-8", headers=headers)

    return serve
