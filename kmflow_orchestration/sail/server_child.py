"""The program of a Sail child process; started by path, it imports nothing of ours.

Prints `host port` once it listens, and ends when its standard input closes or its parent is gone:
a parent that was killed leaves no server behind. The parent id is watched besides, because a
process that the parent forked may still hold the other end of the pipe.
"""

from __future__ import annotations

import os
import select
import sys

_PARENT_CHECK_S = 1.0


def main() -> None:
    from pysail.spark import SparkConnectServer

    parent = int(sys.argv[1])
    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    host, port = server.listening_address
    sys.stdout.write(f"{host} {port}\n")
    sys.stdout.flush()
    while os.getppid() == parent:
        readable, _, _ = select.select([sys.stdin], [], [], _PARENT_CHECK_S)
        if readable and not os.read(sys.stdin.fileno(), 1):
            break
    # A clean stop would wait for statements that nobody will read.
    os._exit(0)


if __name__ == "__main__":
    main()
