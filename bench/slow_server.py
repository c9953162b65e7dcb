"""A server of chat completions that takes 200 ms for each and works on ten at a time; prints its port. No dependencies.

python bench/slow_server.py
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LATENCY_SECONDS = 0.2
AT_ONCE = 10


class SlowServer(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


class Completions(BaseHTTPRequestHandler):
    room = threading.Semaphore(AT_ONCE)
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer comes 40 ms late, whoever asks: head and body are two writes

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.room:
            time.sleep(LATENCY_SECONDS)
        choice = {"message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop", "index": 0}
        usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
        head = {"id": "c", "object": "chat.completion", "created": 1, "model": asked.get("model")}
        body = json.dumps({**head, "choices": [choice], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def main() -> None:
    server = SlowServer(("127.0.0.1", 0), Completions)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
