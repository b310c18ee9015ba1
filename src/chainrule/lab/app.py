"""The lab's routes: parse, ask, answer. Work that takes longer than a moment goes to a thread."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from chainrule.data.photo import read_page
from chainrule.errors import ChainruleError, InputError, ShapeError
from chainrule.files.model_file import save_model
from chainrule.lab import answers, steps, twins
from chainrule.lab.answers import Lab
from chainrule.lab.guards import Guard
from chainrule.lab.trainings import Trainings
from chainrule.machine import ONE_BLAS_THREAD, cores

STATIC = Path(__file__).parent / "static"
_MOST_DRAWING = 512

Answer = Callable[[Request], Awaitable[Any]]


def make_app(lab: Lab, hosts: set[str], token: str | None = None, trainings: Trainings | None = None) -> Guard:
    """The lab as an ASGI application.

    Parameters
    ----------
    lab : Lab
    hosts : set of "name:port"
    token : str, optional
    trainings : Trainings, optional
        For whoever wants to end them.
    """
    rooms = _Rooms(lab, trainings or Trainings(lab.data))
    routes = [
        Route("/", rooms.page),
        Route("/api/model", _json(rooms.model), methods=["GET"]),
        Route("/api/mistakes", _json(rooms.mistakes), methods=["GET"]),
        Route("/api/image", _json(rooms.image), methods=["POST"]),
        Route("/api/weights", _json(rooms.weights), methods=["GET"]),
        Route("/api/draw", _json(rooms.draw), methods=["POST"]),
        Route("/api/photo", _json(rooms.photo), methods=["POST"]),
        Route("/api/look", _json(rooms.look), methods=["POST"]),
        Route("/api/unit", _json(rooms.unit), methods=["POST"]),
        Route("/api/steps", _json(rooms.steps), methods=["POST"]),
        Route("/api/entry", _json(rooms.entry), methods=["POST"]),
        Route("/api/judge", _json(rooms.judge), methods=["POST"]),
        Route("/api/twins", _json(rooms.twins), methods=["POST"]),
        Route("/api/train/begin", _json(rooms.begin), methods=["POST"]),
        Route("/api/train/go", _json(rooms.go), methods=["POST"]),
        Route("/api/train/pause", _json(rooms.pause), methods=["POST"]),
        Route("/api/train/save", rooms.save, methods=["GET"]),
        Route("/api/train/events", rooms.events, methods=["GET"]),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    app = Starlette(routes=routes)
    return Guard(app, hosts, token)


def _json(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    """Answer with JSON; a mistake of whoever asked is a sentence and no traceback."""

    async def respond(request: Request) -> Response:
        try:
            return JSONResponse(await answer(request))
        except InputError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        except ChainruleError as error:
            return JSONResponse({"error": str(error)}, status_code=503)
        except ClientDisconnect:
            return Response(status_code=413)

    return respond


async def _body(request: Request) -> dict[str, Any]:
    """The request's JSON object.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise InputError("The request's body is no JSON.") from error
    if not isinstance(body, dict):
        raise InputError("The request's body is no JSON object.")
    return body


def _whole(body: dict[str, Any], name: str) -> int:
    if type(body.get(name)) is not int or abs(body[name]) > 1 << 31:
        raise InputError(f"`{name}` is a whole number.")
    return int(body[name])


def _session(request: Request) -> str:
    session = request.headers.get("x-session") or request.query_params.get("session") or ""
    if not 8 <= len(session) <= 80:
        raise InputError("There is no session.")
    return session


class _Rooms:
    """What each route asks."""

    def __init__(self, lab: Lab, trainings: Trainings) -> None:
        self.lab, self.trainings = lab, trainings
        self._shape = lab.model.preparation.shape
        self._turns = CapacityLimiter(cores())

    async def page(self, _: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    async def model(self, _: Request) -> Any:
        return self.lab.described

    async def mistakes(self, _: Request) -> Any:
        return await run_in_threadpool(lambda: self.lab.mistakes)

    async def image(self, request: Request) -> Any:
        body = await _body(request)
        number = None if body.get("test") is None else _whole(body, "test")
        return await run_in_threadpool(answers.test_image, self.lab, number)

    async def weights(self, _: Request) -> Any:
        return answers.weight_pictures(self.lab)

    async def draw(self, request: Request) -> Any:
        content = await request.body()
        width = int(request.query_params.get("width", "0")) if request.query_params.get("width", "").isdigit() else 0
        if not 28 <= width <= _MOST_DRAWING or len(content) % width or not 28 <= len(content) // width <= _MOST_DRAWING:
            raise ShapeError(f"A drawing has from 28 to {_MOST_DRAWING} pixels a side, one byte each.")
        grey = np.frombuffer(content, np.uint8).reshape(-1, width)
        brief = request.query_params.get("brief") == "1"
        return await self._in_turn(answers.read_drawing, grey, brief)

    async def photo(self, request: Request) -> Any:
        content = await request.body()
        return await self._in_turn(_read_photo, content)

    async def _in_turn(self, ask: Callable[..., Any], *arguments: Any) -> Any:
        """In a thread, first come, first served: thirty threads at once would all be late."""

        def answer() -> Any:
            with ONE_BLAS_THREAD:
                return ask(self.lab, *arguments)

        return await to_thread.run_sync(answer, limiter=self._turns)

    async def look(self, request: Request) -> Any:
        body = await _body(request)
        return answers.look(self.lab, answers.as_image(body.get("pixels"), self._shape), body.get("edits", []))

    async def unit(self, request: Request) -> Any:
        body = await _body(request)
        image = answers.as_image(body.get("pixels"), self._shape)
        return answers.unit(self.lab, image, body.get("edits", []), _whole(body, "layer"), _whole(body, "unit"))

    async def _pass(self, request: Request) -> tuple[steps.Pass, dict[str, Any]]:
        body = await _body(request)
        image = answers.as_image(body.get("pixels"), self._shape)
        label = _whole(body, "label")
        if not 0 <= label < 10:
            raise InputError("`label` is from 0 to 9.")
        x = image.reshape(1, -1) / 255
        seed = _whole(body, "seed")
        if seed < 0:
            raise InputError("`seed` is not below 0.")
        return await run_in_threadpool(steps.Pass, x, label, seed), body

    async def steps(self, request: Request) -> Any:
        return {"steps": (await self._pass(request))[0].steps()}

    async def entry(self, request: Request) -> Any:
        one, body = await self._pass(request)
        return one.entry(str(body.get("name")), _whole(body, "row"), _whole(body, "column"))

    async def judge(self, request: Request) -> Any:
        one, body = await self._pass(request)
        answer: Any = body.get("answer")
        if type(answer) not in (int, float) or not np.isfinite(answer):
            raise InputError("`answer` is a number.")
        return one.judge(str(body.get("name")), _whole(body, "row"), _whole(body, "column"), float(answer))

    async def twins(self, request: Request) -> Any:
        body = await _body(request)
        seed = _whole(body, "seed")
        if seed < 0:
            raise InputError("`seed` is not below 0.")
        return await run_in_threadpool(twins.run_twins, self.lab.data, str(body.get("bug")), seed)

    async def begin(self, request: Request) -> Any:
        body = await _body(request)
        training = await run_in_threadpool(self.trainings.begin, _session(request), body)
        return {"state": training.state}

    async def go(self, request: Request) -> Any:
        body = await _body(request)
        training = self.trainings.of(_session(request))
        kind = body.get("steps")
        if kind not in ("one", "epoch", "all"):
            raise InputError("`steps` is one, epoch or all.")
        per_epoch = training.training.steps_per_epoch
        left = per_epoch - training.training.step % per_epoch
        training.go({"one": 1, "epoch": left, "all": float("inf")}[str(kind)])
        return {"state": training.state}

    async def pause(self, request: Request) -> Any:
        self.trainings.of(_session(request)).pause()
        return {"state": "paused"}

    async def save(self, request: Request) -> Response:
        try:
            training = self.trainings.of(_session(request))
        except InputError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "lab.safetensors"
            await run_in_threadpool(save_model, training.model, path)
            content = path.read_bytes()
        headers = {"content-disposition": 'attachment; filename="lab.safetensors"'}
        return Response(content, media_type="application/octet-stream", headers=headers)

    async def events(self, request: Request) -> Response:
        try:
            training = self.trainings.of(_session(request))
        except InputError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return StreamingResponse(training.events(), media_type="text/event-stream")


def _read_photo(lab: Lab, content: bytes) -> Any:
    """Through the same guarded reader as the command line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo"
        path.write_bytes(content)
        try:
            page = read_page(path, lab.model.preparation.shape)
        except InputError as error:
            raise InputError(str(error).replace(str(path), "The picture")) from error
    return answers.explain_page(lab, page)
