# SPDX-License-Identifier: MIT
"""nginx, HAProxy and Caddy with the very blocks of docs/reverse-proxy.md: what an operator would
change in them is changed, the program runs in a directory of its own, on free ports of loopback."""

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
from pathlib import Path

import documents
import probes
import raw
import tools
from gateway import REPOSITORY, TIMEOUT_SECS

DOCUMENT = REPOSITORY / "docs" / "reverse-proxy.md"
STRANGER = "127.0.0.2"  # our clients' address: not the one from which a proxy connects
START_TRIES = 5
STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
BLOCKS = {found[1]: block.text for block in documents.blocks(DOCUMENT)
          if (found := re.match(r"# ([\w-]+): ", block.text))}


def addresses():
    """How each proxy writes baton's address on a Unix socket and on TCP, of the document's table."""
    rows = documents.table_rows(DOCUMENT)
    first = rows.index(["", "Unix socket", "TCP"]) + 2
    return {name.lower(): (unix.strip("`"), tcp.strip("`"))
            for name, unix, tcp in rows[first:first + 3]}


def free_ports():
    """Two that differ: both are held until both are known."""
    with socket.socket() as one, socket.socket() as other:
        for probe in one, other:
            probe.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


class Certificates:
    """For localhost, as certs/make.sh makes them, and one file with both as HAProxy wants it."""

    def __init__(self, directory):
        subprocess.run([REPOSITORY / "certs" / "make.sh", directory], check=True)
        self.ca = directory / "ca.pem"
        self.certificate, self.key = directory / "localhost.pem", directory / "localhost.key"
        self.both = directory / "both.pem"
        self.both.write_bytes(self.certificate.read_bytes() + self.key.read_bytes())
        self.context = ssl.create_default_context(cafile=self.ca)


class Proxy:
    """`with Proxy(block, certificates, places) as proxy:`; places: {what the document says: where
    it is}, changes: {old: new} before that, each of which must apply; top: lines for what surrounds
    the block."""

    def __init__(self, name, certificates, places, changes=(), top=""):
        self.name, self.certificates, self.places, self.top = name, certificates, places, top
        self.changes = dict(changes)
        self.kind = name.partition("-")[0]
        self.executable = tools.program(self.kind)
        self.directory = Path(tempfile.mkdtemp(prefix="baton-proxy-"))
        self.log = self.directory / "log"
        self.shown = 0
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notified.bind(str(self.directory / "notify"))
        self.process = None
        tries = 0
        try:
            # Between the search for free ports and their use somebody else may take one.
            while not self.start():
                tries += 1
                assert tries < START_TRIES, f"{name} does not start:\n{self.news()}"
        except BaseException:
            self.stop()
            raise

    def start(self):
        self.plain_port, self.tls_port = free_ports()
        self.configuration = self.directory / "configuration"
        self.configuration.write_text(self.wrap(self.changed()), encoding="utf-8")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.directory, env=dict(os.environ, HOME=str(self.directory),
                                             NOTIFY_SOCKET=str(self.directory / "notify"),
                                             XDG_DATA_HOME=str(self.directory),
                                             XDG_CONFIG_HOME=str(self.directory)))
        self.wait_notified()
        return probes.wait_until(self.state, f"{self.name} listens") == "listens"

    def wait_notified(self):
        """Until HAProxy's master is ready (sd_notify); it loses signals that come before."""
        def look():
            try:
                return b"READY=1" in self.notified.recv(4096, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return self.process.poll() is not None
        if self.kind == "haproxy":
            probes.wait_until(look, f"{self.name} is ready")

    def state(self):
        if self.process.poll() is not None:
            return "ended"
        try:
            for port in (self.plain_port, self.tls_port):
                if str(port) in self.configuration.read_text(encoding="utf-8"):
                    socket.create_connection(("127.0.0.1", port), TIMEOUT_SECS).close()
        except ConnectionRefusedError:
            return None
        return "listens"

    def changed(self):
        """The block, with every placeholder replaced."""
        text, files = BLOCKS[self.name], self.certificates
        for old, new in self.changes.items():
            assert old in text, f"{self.name}: no {old!r} in\n{text}"
            text = text.replace(old, new)
        ours = {
            "listen 80;": f"listen 127.0.0.1:{self.plain_port};",
            "listen 443 ssl": f"listen 127.0.0.1:{self.tls_port} ssl",
            "bind :80\n": f"bind 127.0.0.1:{self.plain_port}\n",
            "bind :443 ": f"bind 127.0.0.1:{self.tls_port} ",
            "example.org {": f"https://localhost:{self.tls_port} {{",
            "server_name example.org": "server_name localhost",
            "/etc/ssl/example.org.both.pem": str(files.both),
            "/etc/ssl/example.org.pem": str(files.certificate),
            "/etc/ssl/example.org.key": str(files.key),
        }
        for old, new in (self.places | ours).items():
            text = text.replace(old, new)
        text = re.sub(r"^#.*", "", text)
        left = re.search(r"/run/|/etc/|example\.org|:80\b|:443\b|127\.0\.0\.1:808|10\.0\.0", text)
        assert not left, f"{self.name}: {left[0]!r} is left in\n{text}"
        return text

    def wrap(self, block):
        """The rest of a configuration around the block."""
        here = self.directory
        if self.kind == "nginx":
            head = f"daemon off;\npid {here}/pid;\nerror_log stderr info;\n{self.top}"
            head += "user root;\n" if os.getuid() == 0 else ""
            if "stream {" in block:
                if not STREAM_MODULE.exists():
                    tools.missing("libnginx-mod-stream")
                return f"{head}load_module {STREAM_MODULE};\nevents {{}}\n{block}"
            kept = "".join(f"{what}_temp_path {here}/{what};\n" for what in
                           ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
            return f"{head}events {{}}\nhttp {{\naccess_log off;\n{kept}{block}}}\n"
        if self.kind == "haproxy":
            return f"global\n\tstats socket {here}/admin.sock\n{self.top}{block}"
        return (f"{{\n\tadmin unix/{here}/admin.sock\n\tauto_https disable_redirects\n"
                f"\tskip_install_trust\n\tdefault_bind 127.0.0.1\n}}\n{block}")

    def command(self):
        if self.kind == "nginx":
            return [self.executable, "-p", self.directory, "-e", "stderr", "-c", self.configuration]
        if self.kind == "haproxy":
            return [self.executable, "-Ws", "-f", self.configuration]
        return [self.executable, "run", "--adapter", "caddyfile", "--config", self.configuration]

    def reload(self):
        """As its manual says; returns when the new processes serve."""
        if self.kind == "haproxy":
            self.process.send_signal(signal.SIGUSR2)
            self.wait_notified()
        elif self.kind == "nginx":
            self.process.send_signal(signal.SIGHUP)
            probes.wait_until(lambda: "gracefully shutting down" in self.text(),
                              f"the old worker of {self.name} ends")
        else:
            subprocess.run([self.executable, "reload", "--force", "--adapter", "caddyfile",
                            "--config", self.configuration], check=True, timeout=TIMEOUT_SECS,
                           capture_output=True)

    def ask(self, command):
        """HAProxy's answer."""
        with socket.socket(socket.AF_UNIX) as admin:
            admin.settimeout(TIMEOUT_SECS)
            admin.connect(str(self.directory / "admin.sock"))
            admin.sendall(command.encode() + b"\n")
            return admin.makefile().read()

    def text(self):
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def news(self):
        """What was logged since the last call."""
        text = self.text()
        fresh, self.shown = text[self.shown:], len(text)
        return fresh

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(TIMEOUT_SECS)
        self.notified.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    # -- its clients -----------------------------------------------------------------------------

    def url(self, path, tls=True, scheme="ws"):
        return f"{scheme}{'s' if tls else ''}://{self.host(tls)}{path}"

    def host(self, tls):
        return f"localhost:{self.tls_port if tls else self.plain_port}"

    def connect(self, tls):
        return Client(self, tls)

    def request(self, head, tls):
        """Sends a head and reads the whole answer."""
        with self.connect(tls) as client:
            client.send(head)
            return client.read_answer()


class Client(raw.Connection):
    """raw.Connection from another address, and through TLS where that is wanted."""

    def __init__(self, proxy, tls):
        port = proxy.tls_port if tls else proxy.plain_port
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECS,
                                               source_address=(STRANGER, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client = f"{STRANGER}:{self.socket.getsockname()[1]}"
        self.buffer = b""
        if tls:
            context = proxy.certificates.context
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")

    def read_answer(self):
        """An answer with a length, after which a proxy may leave the connection open."""
        response = self.read_head()
        assert response.status != 101, response
        response.body = self.read_exactly(int(response.headers["content-length"]))
        return response
