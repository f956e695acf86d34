"""About the gateway itself: whether it lives, whether it is ready."""

import msgspec

from gateway.core import CORE, core_unavailable
from gateway.routes import ANYBODY, RouteTable

routes = RouteTable("meta")


class Health(msgspec.Struct):
    status: str


@routes.add("GET", "/healthz", summary="Whether the process lives", response=Health, role=ANYBODY)
async def healthz(call):
    return Health("ok")


@routes.add("GET", "/readyz", summary="Whether orders can be taken", response=Health, role=ANYBODY, errors=(503,))
async def readyz(call):
    if not call[CORE].is_live:
        raise core_unavailable()
    return Health("ready")
