"""The server that people write by hand: a handler in Starlette's threads around the same engine, on uvicorn.

``python -m benchmarks.handwritten_server BUNDLE PORT``; FastAPI runs a handler that is no coroutine in the same way.
"""

from __future__ import annotations

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import runtime


def app(bundle: str) -> Starlette:
    """Return the application."""
    model = runtime.load(bundle, trusted=True)

    async def predict(request: Request) -> JSONResponse:
        body = await request.body()
        try:
            prediction = await run_in_threadpool(model.predict, body)
        except runtime.InputError as problem:
            return JSONResponse({"error": str(problem)}, 400)
        return JSONResponse({"predictions": [prediction.to_dict()]})

    return Starlette(routes=[Route("/predict", predict, methods=["POST"])])


if __name__ == "__main__":
    uvicorn.run(app(sys.argv[1]), port=int(sys.argv[2]), log_level="warning", access_log=False)
