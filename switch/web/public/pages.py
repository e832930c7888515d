"""What is answered to whom: the checks of a receipt and of a complaint, the totals, and
whether a recovery is under way.

May use `asked`, `site`, `words`, and what all pages share. There is nothing to sign on
to and nothing to change; every answer follows from its address alone.
"""

from typing import Any, Final
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from switch.receipt_numbers import (
    CODE_MAX,
    COMPLAINT_MAX,
    NUMBER_MAX,
    parse_number,
    plain_code,
    plain_complaint,
)
from switch.v1 import public_pb2 as pb
from switch.web.forms import FormError, parse_fields
from switch.web.public.asked import Asked, NoAnswerError
from switch.web.public.site import STYLE, style, templates
from switch.web.public.words import LANGUAGES, SPOKEN, Words, language_of

TOTALS: Final = "/totals/"
"""Where the site of totals is."""
COMPLAINT: Final = "/complaint"
"""Where complaints are checked, behind the language."""
RECOVERY: Final = "/recovery"
"""Where it stands whether a recovery is under way, behind the language."""
_TYPES: Final = {
    "html": "text/html",
    "css": "text/css",
    "csv": "text/csv",
    "json": "application/json",
}
_KEEP: Final = {"cache-control": "public, max-age=300"}
"""Totals are everybody's, and change once a day."""
_STATES: Final = {
    pb.PUBLIC_COMPLAINT_STATE_OPEN: "open",
    pb.PUBLIC_COMPLAINT_STATE_ANSWERED: "answered",
    pb.PUBLIC_COMPLAINT_STATE_OVERDUE: "overdue",
}
_SOON_S: Final = "30"
"""When somebody may ask again whom the switch did not answer."""


class Pages:
    """The pages of one switch."""

    def __init__(self, asked: Asked) -> None:
        """What is not of the page itself is `asked`."""
        self._asked = asked

    def application(self) -> Starlette:
        """The table of what there is."""
        routes = [
            Route("/", self.check),
            *(Route(f"/{language}", self.check) for language in LANGUAGES),
            Route(COMPLAINT, self.complaint),
            *(Route(f"/{one}{COMPLAINT}", self.complaint) for one in LANGUAGES),
            Route(RECOVERY, self.recovery),
            *(Route(f"/{one}{RECOVERY}", self.recovery) for one in LANGUAGES),
            Route(f"/{STYLE}", self.style),
            Route("/robots.txt", self.robots),
            Route("/favicon.ico", self.icon),
            Route("/totals", self.totals_begin),
            *(Route(f"/{one}/totals", self.totals_begin) for one in LANGUAGES),
            Route(TOTALS, self.totals_begin),
            Route(f"{TOTALS}{{name:path}}", self.totals),
        ]
        missing: Any = self.missing
        found = Starlette(routes=routes, exception_handlers={404: missing})
        # There is one address of each page, and no redirect is made of another.
        found.router.redirect_slashes = False
        return found

    async def check(self, request: Request) -> Response:
        """The form; with a number and a code also whether there is such a receipt."""
        words = _words(request)
        known = self._asked.known_recoveries()
        waits = known is not None and known.count > 0
        try:
            fields = parse_fields(request.scope["query_string"])
        except FormError:
            # What no form of ours sends is the number of no receipt.
            return _check_page(words, outcome="none", waits=waits)
        number, code = fields.get("r", ""), fields.get("c", "")
        if not number and not code:
            return _check_page(words, waits=waits)
        named, plain = parse_number(number), plain_code(code)
        if named is None or plain is None:
            return _check_page(words, number, code, outcome="none", waits=waits)
        try:
            receipt = await self._asked.check(named.text, plain)
        except NoAnswerError:
            page = _check_page(
                words, number, code, outcome="unavailable", status=503, waits=waits
            )
            page.headers["retry-after"] = _SOON_S
            return page
        if not receipt.real:
            return _check_page(words, number, code, outcome="none", waits=waits)
        return _check_page(
            words,
            named.text,
            code,
            outcome=_outcome(receipt, is_refund=named.refund > 0),
            receipt=receipt,
            is_refund=named.refund > 0,
            waits=waits,
        )

    async def complaint(self, request: Request) -> Response:
        """The form; with a number and a code also how that complaint stands."""
        words = _words(request)
        try:
            fields = parse_fields(request.scope["query_string"])
        except FormError:
            return _complaint_page(words, outcome="none")
        number, code = fields.get("n", ""), fields.get("c", "")
        if not number and not code:
            return _complaint_page(words)
        plain_number, plain = plain_complaint(number), plain_code(code)
        if plain_number is None or plain is None:
            return _complaint_page(words, number, code, outcome="none")
        try:
            found = await self._asked.check_complaint(plain_number, plain)
        except NoAnswerError:
            page = _complaint_page(
                words, number, code, outcome="unavailable", status=503
            )
            page.headers["retry-after"] = _SOON_S
            return page
        if not found.known:
            return _complaint_page(words, number, code, outcome="none")
        return _complaint_page(
            words, plain_number, code, outcome=_STATES[found.state], complaint=found
        )

    async def recovery(self, request: Request) -> Response:
        """Whether the auditor's people are about to make people of the treasury."""
        words = _words(request)
        try:
            found = await self._asked.recoveries()
        except NoAnswerError:
            page = _recovery_page(words, "unavailable", 503)
            page.headers["retry-after"] = _SOON_S
            return page
        outcome = "waits" if found.count else "quiet"
        return _recovery_page(words, outcome, found=found)

    async def style(self, _: Request) -> Response:
        """How pages look."""
        return Response(style(), media_type="text/css", headers=_KEEP)

    async def robots(self, _: Request) -> Response:
        """Only totals are for search engines."""
        return PlainTextResponse(f"User-agent: *\nDisallow: /\nAllow: {TOTALS}\n")

    async def icon(self, _: Request) -> Response:
        """There is none, which every browser asks for."""
        return Response(status_code=204, headers=_KEEP)

    async def totals_begin(self, request: Request) -> Response:
        """The overview in the language of whoever asks."""
        words = _words(request)
        place = f"{TOTALS}{words.language}/index.html"
        return Response(status_code=307, headers={"location": place})

    async def totals(self, request: Request) -> Response:
        """One file of the site."""
        try:
            files = await self._asked.site()
        except NoAnswerError:
            page = _said(request, "no_totals", 503)
            page.headers["retry-after"] = _SOON_S
            return page
        name = request.path_params["name"]
        found = files.get(name)
        if found is None:
            return _said(request, "missing", 404)
        kind = _TYPES[name.rpartition(".")[2]]
        return Response(found, media_type=f"{kind}; charset=utf-8", headers=_KEEP)

    async def missing(self, request: Request, _: Exception) -> Response:
        """There is no such page."""
        return _said(request, "missing", 404)


async def too_often(request: Request) -> Response:
    """Somebody asks too often: the same words whatever was asked."""
    return _said(request, "limited", 429)


def _words(request: Request) -> Words:
    asked = request.url.path.strip("/")[:2]
    return SPOKEN[language_of(asked, request.headers.get("accept-language", ""))]


def _outcome(receipt: Any, *, is_refund: bool) -> str:
    """What is said first of a real receipt; that of a refund is of what came back."""
    if is_refund or not receipt.refunded:
        return "real"
    return "refunded" if receipt.refunded_wholly else "refunded-part"


def _said(request: Request, outcome: str, status: int) -> Response:
    words = _words(request)
    return _page(
        "said.html", words, status, outcome=outcome, other_page="/" + words.other
    )


def _check_page(
    words: Words,
    number: str = "",
    code: str = "",
    *,
    outcome: str = "",
    status: int = 200,
    receipt: pb.CheckReceiptResponse | None = None,
    is_refund: bool = False,
    waits: bool = False,
) -> Response:
    department = ""
    if receipt is not None:
        department = receipt.department_bn if words.is_bengali else ""
        department = department or receipt.department_en or words("not_stated")
    return _page(
        "check.html",
        words,
        status,
        outcome=outcome,
        # What is too long is shown as far as there is room for it.
        number=number[:NUMBER_MAX],
        code=code[:CODE_MAX],
        number_max=NUMBER_MAX,
        code_max=CODE_MAX,
        receipt=receipt,
        department=department,
        is_refund=is_refund,
        other_page=_other(words, number, code) if outcome else "/" + words.other,
        totals=f"{TOTALS}{words.language}/index.html",
        complaints=f"/{words.language}{COMPLAINT}",
        recovery=f"/{words.language}{RECOVERY}",
        waits=waits,
    )


def _recovery_page(
    words: Words,
    outcome: str,
    status: int = 200,
    found: pb.ListRecoveriesResponse | None = None,
) -> Response:
    return _page(
        "recovery.html",
        words,
        status,
        outcome=outcome,
        found=found,
        count=words.count(found.count if found else 0),
        other_page=f"/{words.other}{RECOVERY}",
        receipts="/" + words.language,
    )


def _complaint_page(
    words: Words,
    number: str = "",
    code: str = "",
    *,
    outcome: str = "",
    status: int = 200,
    complaint: pb.CheckComplaintResponse | None = None,
) -> Response:
    number, code = number[:COMPLAINT_MAX], code[:CODE_MAX]
    other_page = f"/{words.other}{COMPLAINT}"
    if outcome:
        other_page += "?" + urlencode({"n": number, "c": code})
    return _page(
        "complaint.html",
        words,
        status,
        outcome=outcome,
        number=number,
        code=code,
        number_max=COMPLAINT_MAX,
        code_max=CODE_MAX,
        complaint=complaint,
        other_page=other_page,
        here=f"/{words.language}{COMPLAINT}",
        receipts="/" + words.language,
    )


def _other(words: Words, number: str, code: str) -> str:
    """The same question in the other language."""
    asked = {"r": number[:NUMBER_MAX], "c": code[:CODE_MAX]}
    return f"/{words.other}?{urlencode(asked)}"


def _page(name: str, words: Words, status: int, **values: Any) -> Response:
    given = {
        "w": words,
        "robots": "noindex, nofollow",
        "style": f"/{STYLE}",
        "here": "/" + words.language,
    }
    text = templates().get_template(name).render({**given, **values})
    return HTMLResponse(text, status, {"vary": "Accept-Language"})
