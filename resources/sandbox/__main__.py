"""The command line of the sandbox: ``python -m resources.sandbox``."""

import argparse
import gc
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from resources.sandbox.catalogue import DEFAULT_SIZE, bundled_catalogue, read_catalogue
from resources.sandbox.failing import ReachableProtocol
from resources.sandbox.faults import read_faults
from resources.sandbox.server import create_app

HOST = "127.0.0.1"
_EXAMPLES = """\
examples:
  python -m resources.sandbox
      the bundled catalogue on a free port
  python -m resources.sandbox --port 8099 --seed 7 --rate 5 --latency-ms 80
      another market on port 8099, five requests a second a source, 80 ms an answer
  python -m resources.sandbox --catalogue ~/books.csv
      the books of a file: a CSV with ISBNs and titles, or Open Library's editions dump

Then: PRICING_SANDBOX_URL=http://127.0.0.1:8099
"""
_GRACE_SECONDS = 2


class _Server(uvicorn.Server):
    """Says on standard output where it listens, as soon as it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if sockets and self.started:
            port = sockets[0].getsockname()[1]
            print(f"sandbox listening on http://{HOST}:{port}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the sandbox until it is told to stop; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        app = _app(options)
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, options.port))
    except ValueError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"sandbox: port {options.port} cannot be opened ({error.strerror}); "
            "stop what uses it, or take a free one with --port 0",
            file=sys.stderr,
        )
        return 2
    with listener:
        server = _Server(
            uvicorn.Config(
                app,
                http=ReachableProtocol,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )
        if options.exit_with_parent:
            threading.Thread(target=_stop_at_eof, args=(server,), daemon=True).start()
        # To look through the catalogue takes Python's collector 0.1 s, in which requests pile up
        # and then count together.
        gc.collect()
        gc.freeze()
        server.run(sockets=[listener])
    return 0


def _app(options: argparse.Namespace) -> Starlette:
    if options.catalogue:
        reading = read_catalogue(options.catalogue)
        books = reading.books
        if reading.skipped_count:
            print(
                f"sandbox: {reading.skipped_count} rows of {options.catalogue} were skipped",
                file=sys.stderr,
            )
        for row in reading.skipped[:20]:
            print(f"sandbox: line {row.line}: {row.reason}", file=sys.stderr)
    else:
        books = bundled_catalogue(options.size)
    plan = read_faults(options.faults) if options.faults else None
    return create_app(books, options.seed, options.latency_ms, options.rate, plan)


def _stop_at_eof(server: uvicorn.Server) -> None:
    """Stop when the parent's end of our standard input closes, which its death does too."""
    stdin = sys.stdin.fileno()
    while os.read(stdin, 4096):
        pass
    server.should_exit = True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m resources.sandbox",
        description=(
            "Run a local stand-in for Open Library, Google Books, eBay and other vendors, about "
            "a catalogue of books, cards and minifigures with a simulated market."
        ),
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--port", type=_whole(0, 65_535), default=0, help="port on 127.0.0.1; 0 takes a free one"
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--catalogue", type=Path, metavar="FILE", help="books that exist (default: the bundled)"
    )
    source.add_argument(
        "--size",
        type=int,
        default=DEFAULT_SIZE,
        metavar="N",
        help="books of the bundled catalogue (default %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="which market (default %(default)s)"
    )
    parser.add_argument(
        "--latency-ms",
        type=_whole(0, 600_000),
        default=0,
        metavar="N",
        help="how long each answer takes at least (default %(default)s)",
    )
    parser.add_argument(
        "--rate",
        type=_whole(0, 1_000_000),
        default=0,
        metavar="N",
        help="requests a second that each source lets in; 0, the default, lets all in",
    )
    parser.add_argument(
        "--faults",
        type=Path,
        metavar="FILE",
        help="faults to make on purpose: a YAML or JSON file (see the README)",
    )
    parser.add_argument(
        "--exit-with-parent",
        action="store_true",
        help="stop when standard input closes, so when the program that started it ends",
    )
    return parser


def _whole(low: int, high: int) -> Callable[[str], int]:
    """Return an argparse type: a whole number within bounds."""

    def read(text: str) -> int:
        if text.isascii() and text.isdigit() and low <= int(text) <= high:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")

    return read


if __name__ == "__main__":
    sys.exit(main())
