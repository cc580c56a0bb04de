# SPDX-License-Identifier: MIT
"""A program on a terminal of its own, driven as a person would: read until something shows, type
a line. For clients that behave differently without a terminal."""

import os
import pty
import select
import subprocess
import time

TIMEOUT_SECS = 20


class Terminal:
    def __init__(self, command):
        self.master, slave = pty.openpty()
        try:
            self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave)
        finally:
            os.close(slave)
        self.output = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)

    def wait_for(self, text, timeout=TIMEOUT_SECS):
        """Reads until text has shown; what came before and the text are then forgotten."""
        deadline = time.monotonic() + timeout
        while text not in self.output:
            remaining = deadline - time.monotonic()
            ready, _, _ = select.select([self.master], [], [], max(0, remaining))
            assert ready, f"no {text!r} on the terminal:\n{self.output}"
            try:
                self.output += os.read(self.master, 65536).decode("utf-8", "replace")
            except OSError as error:  # EIO: the program has ended
                raise AssertionError(f"no {text!r} before the end:\n{self.output}") from error
        self.output = self.output.partition(text)[2]

    def type_line(self, text):
        os.write(self.master, text.encode("utf-8") + b"\n")

    def wait_end(self, timeout=TIMEOUT_SECS):
        return self.process.wait(timeout)
