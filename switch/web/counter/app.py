"""The counter as an ASGI application: its routes, and what begins and ends with it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from switch.web import assets as shared
from switch.web.counter import (
    complaints,
    finding,
    handouts,
    lists,
    moves,
    offers,
    operators,
    payment,
)
from switch.web.counter.desk import Desk, form, kept, message, page, part
from switch.web.guard import Guard

FOLDER = Path(__file__).parent
ASSETS = {
    "htmx.min.js": shared.FOLDER / "htmx.min.js",
    "counter.js": FOLDER / "assets" / "counter.js",
    "counter.css": FOLDER / "assets" / "counter.css",
    "icon.svg": FOLDER / "assets" / "icon.svg",
}


def make_app(desk: Desk, hosts: list[str]) -> Guard:
    """The application of a desk, for these values of Host."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        desk.settler.start()
        fresh = asyncio.create_task(offers.keep_fresh(desk))
        try:
            yield
        finally:
            fresh.cancel()
            await desk.settler.stop()

    app = Starlette(
        routes=[
            Route("/", page(finding.home)),
            Route("/services", part(finding.services)),
            Route("/service/{code:str}", page(finding.service)),
            Route("/service/{code:str}/fetch", form(finding.fetch), methods=["POST"]),
            Route("/due/{key:str}", page(finding.due)),
            Route("/due/{key:str}/pay", form(finding.pay), methods=["POST"]),
            Route("/payment/{id:str}", payment.ENDPOINTS["payment"]),
            Route("/payment/{id:str}/state", payment.ENDPOINTS["state"]),
            Route("/payment/{id:str}/paper", payment.ENDPOINTS["paper"]),
            Route("/payment/{id:str}/refund/{which:str}", payment.ENDPOINTS["refund"]),
            Route("/payment/{id:str}/pdf", payment.ENDPOINTS["pdf"]),
            *(
                Route(
                    f"/payment/{{id:str}}/{name}",
                    payment.ENDPOINTS[name],
                    methods=["POST"],
                )
                for name in ("ask", "again", "cancel", "complain", "print", "printed")
            ),
            Route("/today", page(lists.today)),
            Route("/find", form(lists.find), methods=["POST"]),
            Route("/complaints", page(complaints.listing)),
            Route("/complaints/count", part(complaints.count, tells_line=True)),
            Route("/complaint/{number:str}", page(complaints.complaint)),
            Route("/handouts", page(handouts.handouts)),
            Route("/handouts/hand-out", form(handouts.hand_out), methods=["POST"]),
            Route("/move/{id:str}", page(moves.move)),
            Route("/move/{id:str}/state", part(moves.move_state, tells_line=True)),
            Route("/move/{id:str}/sign", form(moves.sign_shift), methods=["POST"]),
            Route("/shift", page(moves.shift)),
            Route("/shift/close", form(moves.close_shift), methods=["POST"]),
            Route("/wallet", page(moves.wallet)),
            Route("/wallet/ask", form(moves.top_up), methods=["POST"]),
            Route("/operator", page(operators.operator, anybody=True)),
            Route(
                "/operator/on",
                form(operators.sign_on, anybody=True),
                methods=["POST"],
            ),
            Route(
                "/operator/off",
                form(operators.sign_off, anybody=True),
                methods=["POST"],
            ),
            Route(
                "/language",
                form(operators.language, anybody=True),
                methods=["POST"],
            ),
            Route("/line", part(operators.line)),
            Route("/assets/{name:str}", desk.assets.serve),
        ],
        exception_handlers={404: _not_found, 405: _not_found, 500: _broken},
        lifespan=lifespan,
    )
    app.state.desk = desk
    app.router.redirect_slashes = False
    # Outside of all else: what fails in there has its headers, too.
    return Guard(app, hosts)


async def _not_found(request: Request, error: Exception) -> Response:
    desk: Desk = request.app.state.desk
    session = desk.sessions.of(request)
    return kept(message(desk, session, "not found", 404), session)


async def _broken(request: Request, error: Exception) -> Response:
    desk: Desk = request.app.state.desk
    session = desk.sessions.of(request)
    return kept(message(desk, session, "broken", 500), session)
