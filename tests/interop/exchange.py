"""HTTP as the tests speak it: one connection, one request, one reply."""

import hashlib
import os

import lab


def receive_reply(connection):
    """Reads one reply with a Content-Length: its status line, its headers and its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            raise AssertionError(f"the connection ended in the head: {data!r}")
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    wanted = int(headers.get("content-length", 0))
    parts = [body]
    have = len(body)
    while have < wanted:
        more = connection.recv(65536)
        if not more:
            raise AssertionError(f"the connection ended after {have} of {wanted} bytes of body")
        parts.append(more)
        have += len(more)
    return status, headers, b"".join(parts)


def receive_all(connection):
    """Everything up to the peer's FIN."""
    parts = []
    while True:
        more = connection.recv(65536)
        if not more:
            return b"".join(parts)
        parts.append(more)


GET = b"GET / HTTP/1.1\r\nHost: pollux\r\nConnection: close\r\n\r\n"


def fetch(namespace, address, count, workers=10, port=80):
    """`count` connections with one request each; a line for each that went wrong."""
    wrong = []

    def work(share):
        for _ in range(share):
            try:
                with namespace.connect(address, port) as connection:
                    connection.sendall(GET)
                    reply = receive_all(connection)
                if not reply.startswith(b"HTTP/1.1 200 ") or b"\r\n\r\n" not in reply:
                    wrong.append(f"reply {reply[:80]!r}")
            except (OSError, AssertionError) as error:
                wrong.append(f"{type(error).__name__}: {error}")

    shares = [count // workers + (i < count % workers) for i in range(workers)]
    lab.in_threads([lambda share=share: work(share) for share in shares])
    return wrong


def curls_many(namespace, url, count, workers=10):
    """As curl_many(), by several at once: one alone waits more than it asks."""
    wrong = []
    lab.in_threads([lambda: wrong.extend(curl_many(namespace, url, count // workers))] * workers)
    return wrong


def curl_many(namespace, url, count, *options):
    """One curl, `count` requests with a connection each; what went wrong, if anything did."""
    line = "%{http_code} %{num_connects} %{size_download}\n"
    code, out, err = namespace.run(lab.tool("curl"), "-sS", "--no-progress-meter",
                                   "-H", "Connection: close", "-m", "60", "-o", "/dev/null",
                                   "-w", line, *options, f"{url}/[1-{count}]", within=90)
    wrong = [said for said in out.splitlines() if said != "200 1 128"]
    if code != 0 or len(out.splitlines()) != count:
        wrong.append(f"curl: exit code {code}, {len(out.splitlines())} replies of {count}")
    return wrong + err.splitlines()


def curl_large(namespace, url, size, path):
    """GET /bytes/`size`, kept in the file for a moment; what went wrong, if anything did."""
    code, _, err = namespace.run(lab.tool("curl"), "-sS", "-m", "90", "-o", path,
                                 f"{url}/bytes/{size}", within=95)
    if code != 0:
        return f"curl: exit code {code}: {err}"
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    got = os.path.getsize(path)
    os.unlink(path)
    if digest.hexdigest() != pattern_hash(size):
        return f"{got} bytes came, which are not the {size} that were asked for"
    return ""


def pattern_hash(size):
    """SHA-256 of what GET /bytes/N is to bring: byte i is i % 251."""
    block = bytes(range(251)) * 4096
    digest = hashlib.sha256()
    for _ in range(size // len(block)):
        digest.update(block)
    digest.update(block[:size % len(block)])
    return digest.hexdigest()
