"""The desk that holds crews: an HTTP endpoint to try a guarded pipeline against, which fails as real ones do.

    python -m mdm_flights.desk --port 8470 --fail 0.1 --effects effects.jsonl

It takes each order once, whatever happens to the answer: an order that it knows by its ``Idempotency-Key`` is answered
and not carried out again. A share of the requests fails, in turn: nothing is done and 503 says so; the order is carried
out and the connection is dropped before the answer; 429 asks to come again.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path
from random import Random
from threading import Lock
from typing import TextIO

_LONGEST = 1 << 20


class Desk(ThreadingHTTPServer):
    """Carries orders out by writing one line each.

    Args:
        port: Port on the loopback; 0 for any that is free.
        effects: The file; a line holds the idempotency key.
        fail: Share of the requests that fail.
        refuse: Share of the orders that are refused for good.

    Attributes:
        answers: What was answered, to how often.
    """

    daemon_threads = True

    def __init__(self, port: int, effects: Path, fail: float = 0.0, refuse: float = 0.0) -> None:
        self._file: TextIO = effects.open("a", encoding="utf-8", buffering=1)
        self._taken: set[str] = set()
        self._refused: set[str] = set()
        self._lock = Lock()
        self._random = Random(7)
        self._fail, self._refuse = fail, refuse
        self._ways = cycle(("busy", "drop", "slow down"))
        self.answers: Counter[str] = Counter()
        super().__init__(("127.0.0.1", port), _Answer)

    def server_close(self) -> None:
        """Close the port and the file."""
        super().server_close()
        self._file.close()

    def take(self, key: str) -> str:
        """Take an order.

        Args:
            key: Its idempotency key.

        Returns:
            ``done``, ``refused``, ``busy``, ``drop`` or ``slow down``.
        """
        with self._lock:
            answer = next(self._ways) if self._random.random() < self._fail else "done"
            if key not in self._taken and key not in self._refused and self._random.random() < self._refuse:
                self._refused.add(key)
            if key in self._refused:
                answer = "refused"
            elif answer in ("done", "drop") and key not in self._taken:
                self._taken.add(key)
                self._file.write(json.dumps({"key": key}) + "\n")
            self.answers[answer] += 1
        return answer


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Desk

    def do_POST(self) -> None:
        self.rfile.read(min(int(self.headers["Content-Length"]), _LONGEST))
        answer = self.server.take(self.headers["Idempotency-Key"])
        if answer == "drop":
            self.close_connection = True
            return
        self.send_response({"done": 200, "refused": 422, "busy": 503, "slow down": 429}[answer])
        if answer == "slow down":
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server uses
        pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until Ctrl-C, then print what was answered."""
    parser = argparse.ArgumentParser(prog="python -m mdm_flights.desk", description="The desk that holds crews.")
    parser.add_argument("--port", type=int, default=8470)
    parser.add_argument("--fail", type=float, default=0.1, help="share of the requests that fail")
    parser.add_argument("--refuse", type=float, default=0.0, help="share of the orders that are refused for good")
    parser.add_argument("--effects", type=Path, default=Path("effects.jsonl"), help="a line for each order carried out")
    options = parser.parse_args(arguments)
    desk = Desk(options.port, options.effects, options.fail, options.refuse)
    print(f"http://127.0.0.1:{desk.server_port}/crews", flush=True)  # noqa: T201
    try:
        desk.serve_forever()
    except KeyboardInterrupt:
        print(json.dumps(desk.answers))  # noqa: T201
    finally:
        desk.server_close()


if __name__ == "__main__":
    main()
