"""Parameters of a query string that came before are not read again, and mean what they meant."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, FastAPI, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient

from server.routes.remembered import MOST, RememberedRoute


def client() -> TestClient:
    routes = APIRouter(route_class=RememberedRoute)

    @routes.post("/asked")
    async def asked(
        request: Request,
        k: Annotated[int, Query(ge=1, le=5)] = 3,
        where: Annotated[list[str], Query()] = [],  # noqa: B006
    ) -> Response:
        return JSONResponse({"k": k, "where": where, "body": (await request.body()).decode()})

    app = FastAPI()
    app.include_router(routes)
    return TestClient(app)


def test_a_query_string_means_the_same_each_time_and_bodies_differ() -> None:
    asking = client()
    for query in ("", "?k=2", "?k=2&where=a&where=b", "?where=a") * 2:
        first, second = (asking.post(f"/asked{query}", content=body).json() for body in "xy")
        assert first | {"body": "y"} == second
        assert first["k"] == (2 if "k=2" in query else 3)
        assert first["where"] == [each for each in "ab" if f"where={each}" in query]


def test_what_is_refused_is_refused_again() -> None:
    asking = client()
    assert [asking.post("/asked?k=9").status_code for _ in range(3)] == [422] * 3


def test_no_more_are_remembered_than_is_allowed_and_all_are_answered() -> None:
    asking = client()
    answers = [asking.post(f"/asked?where={each}").json() for each in range(2 * MOST)]
    assert [each["where"] for each in answers] == [[str(each)] for each in range(2 * MOST)]
