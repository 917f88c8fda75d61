"""A Starlette application behind the limits, to try them out: ``python -m mdm_api_limits.app gateway.toml``.

It needs starlette and uvicorn. ``/items/1`` to ``/items/100`` are there, and everything else is not: who keeps on
searching for what is not there is slowed down, and then turned away.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from mdm_core import Pipeline
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mdm_api_limits.ledger import Ledger
from mdm_api_limits.middleware import LimitMiddleware

ITEMS = range(1, 101)


def make_app(pipeline_file: Path, on_failure: Literal["closed", "open"] = "closed") -> Starlette:
    """Put the application behind a pipeline, which lives as long as the application does.

    Args:
        pipeline_file: The pipeline; it needs no source.
        on_failure: What ``LimitMiddleware`` does when a decision fails.

    Raises:
        UsageError: What is wrong with the pipeline.
    """
    pipeline = Pipeline.from_config(pipeline_file)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        with pipeline:
            yield

    limits = Middleware(LimitMiddleware, pipeline=pipeline, ledger=Ledger(), on_failure=on_failure)
    return Starlette(routes=[Route("/items/{number:int}", _item)], middleware=[limits], lifespan=lifespan)


async def _item(request: Request) -> JSONResponse:
    number = request.path_params["number"]
    return JSONResponse({"item": number}) if number in ITEMS else JSONResponse({"error": "no such item"}, 404)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until Ctrl-C."""
    import uvicorn

    parser = argparse.ArgumentParser(prog="python -m mdm_api_limits.app", description="An application behind limits.")
    parser.add_argument("pipeline", type=Path, help="the pipeline file, such as gateway.toml")
    parser.add_argument("--port", type=int, default=8480)
    parser.add_argument("--on-failure", choices=["closed", "open"], default="closed")
    options = parser.parse_args(arguments)
    uvicorn.run(make_app(options.pipeline, options.on_failure), host="127.0.0.1", port=options.port)


if __name__ == "__main__":
    main()
