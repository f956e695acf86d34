"""`/balances`: what an account has, from the core's ledger."""

import msgspec

from gateway.amounts import text_of
from gateway.core import CORE
from gateway.order_schema import DecimalText
from gateway.routes import Example, RouteTable

routes = RouteTable("accounts")


class Balance(msgspec.Struct):
    asset: str
    available: DecimalText
    reserved: DecimalText  # by open orders
    total: DecimalText


@routes.add(
    "GET",
    "/api/v1/balances",
    summary="Your balances, of every asset",
    response=list[Balance],
    errors=(503,),
    examples=(Example("/api/v1/balances"),),
)
async def get_balances(call):
    core = call[CORE]
    account = await core.account_of(call.identity.user)
    rows = await core.ask(lambda client: client.balances(account=account))
    return [
        Balance(
            asset=row.symbol,
            available=text_of(row.available, row.scale),
            reserved=text_of(row.reserved, row.scale),
            total=text_of(row.available + row.reserved, row.scale),
        )
        for row in rows
    ]
