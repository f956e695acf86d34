"""`/openapi.json`, and `/docs` to browse it: all from here, no asset from elsewhere."""

import msgspec
from aiohttp import web

from gateway.openapi import document
from gateway.static_files import add_folder


def add_docs(app, routes):
    content = msgspec.json.encode(document(routes))

    async def openapi(request):
        return web.Response(body=content, content_type="application/json")

    app.router.add_get("/openapi.json", openapi)
    add_folder(app, "docs", "/docs")
