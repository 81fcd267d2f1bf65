#!/usr/bin/python3
"""A server of files for tests, on a loopback port of its own: file_server.py FOLDER

It writes its port to FOLDER/port once it listens, and a line for each request to FOLDER/requests:
METHOD PATH STATUS RANGE. The first part of a path says how it behaves:

  /good/BYTES/NAME      a file of so many bytes, the first line of which is their number; with ETag,
                        Last-Modified, HEAD, Range, If-Range, If-None-Match
  /plain/BYTES/NAME     the same without anything that tells one content from another
  /some/...             as good, but three of ten requests fail, each in a way of its own
  /cut/...              as good, but the first two answers end in the middle
  /torn/BYTES/NAME      as plain, and the first two end in the middle
  /long/...             as good, but no answer ever is as long as it says
  /digest/...           as plain, with a Digest that is wrong the first time
  /baddigest/...        and always
  /stall/...            nothing comes after the first half
  /endless/...          no length is told, and there is no end
  /later/...            as good, after a second that it asks for by Retry-After: 403 meanwhile
  /loop/...             redirects for ever
  /to/LOCATION          redirects there, encoded
  /told/BYTES/NAME      as plain; FOLDER/told says which credentials came
  /error/CODE/...       this status
  /versions/NAME        what FOLDER/versions/NAME holds, with an ETag of its content
  /put/...              PUT, GET and DELETE of what was put, kept in FOLDER/put
  /s3/BUCKET/KEY        s3: PUT, GET, HEAD, DELETE and listings of FOLDER/s3; signatures are checked.
                        Uploads in parts lie in FOLDER/uploads meanwhile. Of those below shaky/, of
                        each kind of request the first is refused, or its answer lost; those below
                        refused/ get their first part only
"""
import base64
import email.utils
import hashlib
import hmac
import http.server
import os
import random
import socket
import sys
import threading
import time
import urllib.parse
from xml.sax.saxutils import escape

FOLDER = os.path.abspath(sys.argv[1])
KEYS = {"test-id": "test/secret+key", "temporary-id": "other"}
TOKEN = "token/of+a=session"  # of the second one
LOCK = threading.Lock()
RANDOM = random.Random(1)
COUNTS = {}
SINCE = {}
ETAGS = {}  # of objects that came in parts


def content(size):
    head = b"%d\n" % size
    return (head + b"0123456789abcdef" * (size // 16 + 1))[:size]


def times(path):
    """How often this path was asked for before."""
    with LOCK:
        COUNTS[path] = COUNTS.get(path, 0) + 1
        return COUNTS[path] - 1


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def note(self, status):
        with LOCK, open(f"{FOLDER}/requests", "a") as log:
            log.write(f"{self.command} {self.path} {status} {self.headers.get('Range', '-')}\n")

    def reply(self, status, body=b"", headers=(), length=None, sent=None):
        self.note(status)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if sent is None else body[:sent])
        if sent is not None or length is not None:
            self.wfile.flush()
            self.hang_up()

    def hang_up(self):
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def serve(self, body, etag, sent=None, length=None):
        """As a good server does; `sent` bytes of it, or with a wrong length."""
        headers = [("ETag", etag), ("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")]
        if self.headers.get("If-None-Match") == etag:
            return self.reply(304, b"", headers)
        asked = self.headers.get("Range", "")
        if asked.startswith("bytes=") and self.headers.get("If-Range", etag) == etag:
            start = int(asked[6:].rstrip("-"))
            if start >= len(body):
                return self.reply(416, b"", headers)
            headers.append(("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}"))
            return self.reply(206, body[start:], headers, length, sent)
        return self.reply(200, body, headers, length, sent)

    def some(self, body, etag):
        with LOCK:
            chance = RANDOM.random()
        if chance < 0.1:
            return self.reply(503, b"busy")
        if chance < 0.2:
            self.note("reset")
            return self.hang_up()
        if chance < 0.3:
            return self.serve(body, etag, sent=len(body) // 3)
        return self.serve(body, etag)

    def stall(self, body):
        self.note("stall")
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        self.connection.recv(1)  # until the client gives up
        self.close_connection = True

    def later(self, body, etag):
        with LOCK:
            since = SINCE.setdefault(self.path, time.monotonic())
        if times(self.path) == 0:
            return self.reply(429, b"busy", [("Retry-After", "1")])
        return self.serve(body, etag) if time.monotonic() - since >= 1 else self.reply(403)

    def endless(self):
        self.note(200)
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        piece = b"%x\r\n%s\r\n" % (32768, bytes(32768))
        while True:  # until the client hangs up
            self.wfile.write(piece)

    def do_GET(self):
        kind, _, rest = self.path.lstrip("/").partition("/")
        if kind == "s3":
            return self.s3(rest)
        if kind == "put":
            return self.get_put(rest)
        if kind == "loop":
            return self.reply(302, b"", [("Location", f"/loop/{times('loop')}")])
        if kind == "to":
            return self.reply(302, b"", [("Location", urllib.parse.unquote(rest))])
        if kind == "told":
            with LOCK, open(f"{FOLDER}/told", "a") as told:
                told.write(f"{self.path} {self.headers.get('Authorization', '-')}\n")
        if kind == "error":
            status = int(rest.split("/")[0])
            return self.reply(status, b"" if status == 204 else b"no")
        if kind == "versions":
            body = open(f"{FOLDER}/versions/{rest}", "rb").read()
            return self.serve(body, '"%s"' % hashlib.sha1(body).hexdigest())
        if kind == "endless":
            return self.endless()
        body = content(int(rest.split("/")[0]))
        etag = '"%s"' % hashlib.sha1(self.path.encode()).hexdigest()[:12]
        if kind == "later":
            return self.later(body, etag)
        if kind == "good":
            return self.serve(body, etag)
        if kind == "some":
            return self.some(body, etag)
        if kind in ("plain", "told"):
            return self.reply(200, body)
        if kind == "stall":
            return self.stall(body)
        if kind == "long":
            return self.serve(body, etag, length=2 * len(body))
        is_early = times(self.path) < 2
        if kind == "cut":
            return self.serve(body, etag, sent=len(body) // 3 if is_early else None)
        if kind == "torn":
            return self.reply(200, body, sent=len(body) // 2 if is_early else None)
        if kind in ("digest", "baddigest"):
            right = hashlib.sha256(body).digest()
            wrong = kind == "baddigest" or times(self.path + "#") == 0
            digest = base64.b64encode(hashlib.sha256(b"other").digest() if wrong else right)
            return self.reply(200, body, [("Digest", "sha-256=" + digest.decode())])
        return self.reply(404)

    do_HEAD = do_GET

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kind, _, rest = self.path.lstrip("/").partition("/")
        if kind == "s3":
            return self.s3(rest, body)
        if kind != "put":
            return self.reply(403, b"no")
        if rest.startswith("shaky/") and times(self.path) == 0:
            return self.reply(503, b"busy")
        if rest.startswith("second/") and "-0-2" in rest:  # of each attempt the second file
            return self.reply(403, b"no")
        path = f"{FOLDER}/put/{rest}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(body)
        return self.reply(201)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        return self.s3(self.path.lstrip("/").partition("/")[2], body)

    def do_DELETE(self):
        kind, _, rest = self.path.lstrip("/").partition("/")
        if kind == "s3":
            return self.s3(rest)
        path = f"{FOLDER}/put/{rest}"
        if not os.path.exists(path):
            return self.reply(404)
        os.remove(path)
        return self.reply(204)

    def get_put(self, rest):
        path = f"{FOLDER}/put/{rest}"
        if not os.path.exists(path):
            return self.reply(404)
        body = open(path, "rb").read()
        return self.serve(body, '"%s"' % hashlib.sha1(body).hexdigest())

    # ---- s3 ------------------------------------------------------------------------------------

    def refuse(self, status, code):
        return self.reply(status, f"<Error><Code>{code}</Code></Error>".encode())

    def signature(self, words, secret):
        """What the signature of this request is to be, by Amazon's description of version 4."""
        path, _, query = self.path.partition("?")
        signed = words["SignedHeaders"].split(";")
        headers = "".join(f"{name}:{' '.join(self.headers[name].split())}\n" for name in signed)
        pairs = sorted(pair if "=" in pair else pair + "=" for pair in query.split("&") if pair)
        request = "\n".join([self.command, path, "&".join(pairs), headers, ";".join(signed),
                             self.headers["x-amz-content-sha256"]])
        date, region, service, end = words["scope"]
        text = "\n".join(["AWS4-HMAC-SHA256", self.headers["x-amz-date"],
                          "/".join(words["scope"]), hashlib.sha256(request.encode()).hexdigest()])
        key = b"AWS4" + secret.encode()
        for part in (date, region, service, end):
            key = hmac.new(key, part.encode(), "sha256").digest()
        return hmac.new(key, text.encode(), "sha256").hexdigest()

    def is_signed(self):
        given = self.headers.get("Authorization", "")
        if not given.startswith("AWS4-HMAC-SHA256 "):
            return "AccessDenied"
        words = dict(word.strip().split("=", 1) for word in given.split(" ", 1)[1].split(","))
        key, *scope = words["Credential"].split("/")
        words["scope"] = scope
        if key not in KEYS:
            return "InvalidAccessKeyId"
        if (key == "temporary-id") != ("x-amz-security-token" in words["SignedHeaders"].split(";")):
            return "InvalidToken"
        if key == "temporary-id" and self.headers["x-amz-security-token"] != TOKEN:
            return "ExpiredToken"
        right = self.signature(words, KEYS[key])
        return None if hmac.compare_digest(right, words["Signature"]) else "SignatureDoesNotMatch"

    def s3(self, rest, body=None):
        reason = self.is_signed()
        if reason:
            return self.refuse(403, reason)
        name, _, query = rest.partition("?")
        bucket, _, key = urllib.parse.unquote(name).partition("/")
        if not os.path.isdir(f"{FOLDER}/s3/{bucket}"):
            return self.refuse(404, "NoSuchBucket")
        if not key and self.command == "GET":
            return self.listing(bucket, dict(urllib.parse.parse_qsl(query, True)))
        path = f"{FOLDER}/s3/{bucket}/{key}"
        words = dict(urllib.parse.parse_qsl(query, True))
        if "uploads" in words or "uploadId" in words:
            return self.upload(key, path, words, body)
        if self.command == "PUT":
            md5 = self.headers.get("Content-MD5")
            if md5 and base64.b64decode(md5) != hashlib.md5(body).digest():
                return self.refuse(400, "BadDigest")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(body)
            return self.reply(200)
        if not os.path.isfile(path) or {".", ".."} & set(key.split("/")):
            return self.refuse(404, "NoSuchKey")
        if self.command == "DELETE":
            os.remove(path)
            return self.reply(204)
        body = open(path, "rb").read()
        return self.serve(body, ETAGS.get(path, '"%s"' % hashlib.md5(body).hexdigest()))

    def upload(self, key, path, words, body):
        """An object that comes in parts: id (POST), parts (PUT), the end (POST) or none (DELETE)."""
        is_first = key.startswith("shaky/") and times(self.command + self.path) == 0
        if "uploads" in words:
            if is_first:
                return self.refuse(503, "SlowDown")
            upload = "up/" + hashlib.md5(os.urandom(8)).hexdigest()
            os.makedirs(f"{FOLDER}/uploads/{upload}")
            return self.reply(200, f"<X><UploadId>{upload}</UploadId></X>".encode())
        folder = f"{FOLDER}/uploads/{words['uploadId']}"
        if not os.path.isdir(folder):
            return self.refuse(404, "NoSuchUpload")
        if self.command == "PUT":
            number = int(words["partNumber"])
            if is_first or (key.startswith("refused/") and number > 1):
                return self.refuse(500 if is_first else 403, "Refused")
            if base64.b64decode(self.headers["Content-MD5"]) != hashlib.md5(body).digest():
                return self.refuse(400, "BadDigest")
            with open(f"{folder}/{number:05}", "wb") as file:
                file.write(body)
            return self.reply(200, b"", [("ETag", '"%s"' % hashlib.md5(body).hexdigest())])
        names = sorted(os.listdir(folder))
        parts = [open(f"{folder}/{name}", "rb").read() for name in names]
        if self.command == "POST":
            if is_first:
                return self.reply(200, b"<Error><Code>InternalError</Code></Error>")
            listed = "".join(f"<Part><PartNumber>{int(name)}</PartNumber><ETag>&quot;"
                             f"{hashlib.md5(part).hexdigest()}&quot;</ETag></Part>"
                             for name, part in zip(names, parts))
            if body.decode().replace('"', "&quot;") != (
                    f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>"):
                return self.refuse(400, "InvalidPart")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(b"".join(parts))
            hashes = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts))
            with LOCK:
                ETAGS[path] = f'"{hashes.hexdigest()}-{len(parts)}"'
        for name in names:
            os.remove(f"{folder}/{name}")
        os.rmdir(folder)
        if self.command == "POST" and key.startswith("shaky/"):
            self.note("lost")
            return self.hang_up()
        return self.reply(200 if self.command == "POST" else 204, b"<X/>")

    def listing(self, bucket, query):
        """Three to a page, so that there are several. FOLDER/hostile says how it misbehaves."""
        root = f"{FOLDER}/s3/{bucket}"
        keys = sorted(os.path.relpath(os.path.join(folder, name), root)
                      for folder, _, names in os.walk(root) for name in names)
        prefix = query.get("prefix", "")
        after = query.get("continuation-token", "")
        keys = [key for key in keys if key.startswith(prefix) and key > after]
        how = open(f"{FOLDER}/hostile").read() if os.path.exists(f"{FOLDER}/hostile") else ""
        if how == "escape":
            keys = [prefix + "../../escaped"]
        page, rest = keys[:3], keys[3:]
        items = ""
        for key in page:
            path = f"{root}/{key}"
            body = open(path, "rb").read() if os.path.exists(path) else b""
            items += (f"<Contents><Key>{escape(urllib.parse.quote_plus(key, '/'))}</Key><ETag>&quot;"
                      f"{hashlib.md5(body).hexdigest()}&quot;</ETag><Size>{len(body)}</Size>"
                      "</Contents>")
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if rest else ""
        if how == "mute":
            token = ""
        if how == "loop":
            token, rest = "<NextContinuationToken>again</NextContinuationToken>", ["more"]
        more = "true" if rest else "false"
        return self.reply(200, f'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult>'
                          f"<IsTruncated>{more}</IsTruncated>{token}{items}"
                          "<EncodingType>url</EncodingType></ListBucketResult>".encode())


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass  # clients that have hung up


def main():
    os.makedirs(FOLDER, exist_ok=True)
    server = Server(("127.0.0.1", 0), Handler)
    with open(f"{FOLDER}/port.new", "w") as file:
        file.write(str(server.server_port))
    os.rename(f"{FOLDER}/port.new", f"{FOLDER}/port")
    server.serve_forever()


main()
