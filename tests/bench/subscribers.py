# SPDX-License-Identifier: MIT
"""Many clients of a server that sends each message to all of them: one speaks, all listen."""

import random
import select
import struct
import time

import client

MESSAGE_BYTES = 64
FIRST = client.FIN | client.BINARY


class Subscribers:
    """`with Subscribers(server, 1000) as subscribers:` their connections stay. No two messages are
    alike, and every byte that comes back is checked."""

    def __init__(self, server, count):
        self.server, self.count = server, count
        self.socks, self.sent = [], 0
        self.poll = select.poll()

    def __enter__(self):
        try:
            for _ in range(self.count):
                self.socks.append(client.connect(self.server.port)[0])
                self.poll.register(self.socks[-1], select.POLLIN)
        except BaseException:
            self.__exit__()
            raise
        # In the server's own order each send would wake the reader, who waits for just that one.
        random.shuffle(self.socks)
        return self

    def __exit__(self, *_):
        for sock in self.socks:
            sock.close()

    def _publish(self):
        message = struct.pack("!Q", self.sent).ljust(MESSAGE_BYTES, b"x")
        expected = bytes([FIRST, MESSAGE_BYTES]) + message
        self.socks[self.sent % self.count].sendall(client.frame(FIRST, message))
        self.sent += 1
        for sock in self.socks:
            if client.receive(sock, len(expected)) != expected:
                raise RuntimeError(f"{self.server.name}: a delivery is not what was sent")

    def run(self, seconds):
        """{"deliveries": in so many seconds, "seconds": ...}: a message when all have the last."""
        begin, sent = time.monotonic(), self.sent
        while time.monotonic() < begin + seconds:
            self._publish()
        if self.poll.poll(0):
            raise RuntimeError(f"{self.server.name}: more was delivered than was sent, or an end")
        return {"deliveries": (self.sent - sent) * self.count, "seconds": time.monotonic() - begin}
