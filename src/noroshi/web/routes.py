"""What there is to ask for: pages and nouns from the registry's rows, and the check that each declares its role."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.routing import Mount

from noroshi import registry
from noroshi.web.viewer import RANK

THEIR_OWN = ("taxii",)
"""Applications that are mounted and ask everybody for a key themselves."""


@dataclass(frozen=True)
class Page:
    """What the frame of all pages knows of one; `PAGE` in its module."""

    name: str
    path: str
    role: str = "viewer"
    """Who finds it in the navigation; its routes declare what they need themselves."""
    nav: bool = True
    ranged: bool = False
    """It follows the time range: the navigation keeps that."""


@cache
def pages() -> tuple[Page, ...]:
    """The pages in the order of the registry."""
    return tuple(_module(target).PAGE for target in registry.PAGES.values())


def page_routers() -> list[APIRouter]:
    """Their routes."""
    return [_module(target).router for target in registry.PAGES.values()]


def noun_routers() -> list[APIRouter]:
    """The routes of the API's nouns, without `/api/v1`."""
    return [_module(target).router for target in registry.NOUNS.values()]


def service_routers() -> list[APIRouter]:
    """The routes of other services."""
    return [_module(target).router for target in registry.SERVICES.values()]


def _module(target: str) -> Any:
    return import_module(target)


def declared(route: Any) -> str | None:
    """The role a route declares; None when it declares none."""
    dependant = getattr(route, "dependant", None)
    if dependant is None:
        return None
    waiting, found = list(dependant.dependencies), []
    while waiting:
        one = waiting.pop()
        waiting += one.dependencies
        if (name := getattr(one.call, "noroshi_role", None)) is not None:
            found.append(name)
    return max(found, key=lambda r: RANK[r], default=None)


def every(app: FastAPI) -> Iterator[Any]:
    """All routes of an application, with the path each is asked for by."""
    waiting: list[Any] = list(app.routes)
    while waiting:
        route = waiting.pop(0)
        if hasattr(route, "effective_candidates"):  # FastAPI from 0.130 keeps included routers as such
            waiting = [*route.effective_candidates(), *waiting]
        elif not (isinstance(route, Mount) and route.name in THEIR_OWN):
            yield route


def undeclared(app: FastAPI) -> list[str]:
    """Paths of routes that declare no role."""
    return [getattr(r, "path", str(r)) for r in every(app) if declared(r) is None]
