# SPDX-License-Identifier: Apache-2.0
"""heads.py - hostile and unusual request heads, sent to a listener; for the proxies also what arrives behind, octet
by octet.

  heads.py KIND=HOST:PORT [OPTION=VALUE]...

KIND names the requests (BASES). Options: sni, ca, cert, key (TLS), admin=HOST:PORT and listener=NAME (every refusal is
counted there), behind=PORT (serve as what is behind, and compare), upstream=HOST:PORT (as it calls that),
btid, password or password_SUITE (Digest), asserted, credential (behind a proxy).

  heads.py behind PORT    only answers there, for whoever has to be started first
"""
import hashlib
import os
import re
import socket
import ssl
import sys
import threading
import time

# OWN: refused by the handler, in its protocol's words. MENDED: taken as libmicrohttpd 0.9 mends it; 1.0 refuses it. CUT:
# there 0.9 ends the head, what stands behind is no request; 1.0 refuses it.
WAIT = float(os.environ.get("HEADS_WAIT", "20"))
REFUSED, TAKEN, OWN, MENDED, CUT, LEFT_OUT = "refused", "taken", "own", "mended", "cut", "left out"


class Row:
    """add: field lines behind the base's, without their ends; passes: what of them goes on (None: as added)."""

    def __init__(self, name, outcome, add=(), passes=None, body=b"", method=None, raw_target=None, version=b"HTTP/1.1",
                 host=None, absolute=False, first=(), end=b"\r\n", kinds=None, but=None, sent_body=None, line=None):
        self.name, self.outcome, self.add, self.body, self.method = name, outcome, list(add), body, method
        self.passes = self.add if passes is None else list(passes)
        self.raw_target, self.version, self.host, self.absolute = raw_target, version, host, absolute
        self.first, self.end, self.kinds, self.but = list(first), end, kinds, but or {}
        self.sent_body, self.line = sent_body, line

    def outcome_at(self, kind):
        return self.but.get(kind, self.outcome)


def bad(name, *add, **more):
    return Row(name, REFUSED, add, **more)


def good(name, *add, **more):
    return Row(name, TAKEN, add, **more)


CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
JSON = {"sa2": OWN}  # which takes nothing else
SMALL = {**JSON, "judge": LEFT_OUT}  # which has no body
GATE = ("gate", "egress")
MHD = {"sa2": REFUSED}  # which reads by itself

ROWS = [
    # ---- names that are no tokens ----
    bad("blank before the colon, an originator", b"X-M2M-Origin : Cvictim"),
    bad("TAB before the colon, an originator", b"X-M2M-Origin\t: Cvictim"),
    bad("two blanks before the colon", b"X-M2M-Origin  : Cvictim"),
    bad("blank before the colon, a coding", b"Transfer-Encoding : chunked", body=CHUNKS),
    bad("blank before the colon, a length", b"Content-Length : 5", body=b"hello"),
    bad("blank before the colon, Connection", b"Connection : keep-alive"),
    bad("blank before the colon, Host", b"Host : other.example"),
    bad("blank before the colon, an asserted identity", b'X-3GPP-Asserted-Identity : "sip:boss@home1.net"'),
    bad("TAB before the colon, X-Forwarded-For", b"X-Forwarded-For\t: 6.6.6.6"),
    bad("blank in a name", b"X-M2M Origin: Cvictim"),
    bad("a first field that is indented", first=[b" X-M2M-Origin: Cvictim"]),
    Row("an empty name", CUT, [b": Cvictim", b"X-A: 1"], passes=[], but={"sa2": REFUSED}),
    bad("a blank for a name", b" : Cvictim", but=MHD),
    bad("no colon", b"X-M2M-Origin"),
    bad("a folded line that makes a name with a colon", b"X-A: 1", b" X-M2M-Origin: Cvictim"),
    bad("CR in a name", b"X-A\rX-M2M-Origin: Cvictim"),
    bad("NUL in a name", b"X-M2M-Origin\0: Cvictim"),
    bad("a control character in a name", b"X-M2M\x01Origin: Cvictim"),
    bad("VT in a name", b"X-A\x0bB: 1"),
    bad("DEL in a name", b"X-A\x7fB: 1"),
    bad("an octet above 0x7f in a name", b"X-\xc4: 1"),
] + [bad("%s in a name" % c, b"X-A" + c.encode() + b"B: 1") for c in "\"(),/;<=>?@[\\]{}"] + [
    # ---- values ----
    bad("CR in a value", b"X-A: 1\rX-M2M-Origin: Cvictim"),
    bad("CR at the end of a value", b"X-A: 1\r"),
    bad("CR before a value", b"X-A: \r1"),
    bad("0x01 in a value", b"X-A: 1\x01"),
    bad("BS in a value", b"X-A: Cvictim\x08\x08"),
    bad("VT in a value", b"X-A: 1\x0b2"),
    bad("FF in a value", b"X-A: 1\x0c2"),
    bad("ESC in a value", b"X-A: \x1b[2J"),
    bad("0x1f in a value", b"X-A: 1\x1f2"),
    bad("DEL in a value", b"X-A: 1\x7f"),
    # ---- framing ----
    bad("two equal lengths", b"Content-Length: 5", b"Content-Length: 5", body=b"hello"),
    bad("two lengths that differ", b"Content-Length: 5", b"Content-Length: 0", body=b"hello"),
    bad("a list of lengths", b"Content-Length: 5, 5", body=b"hello"),
    bad("a length with a sign", b"Content-Length: +5", body=b"hello"),
    bad("a negative length", b"Content-Length: -5", body=b"hello"),
    bad("a length in hexadecimal", b"Content-Length: 0x5", body=b"hello"),
    bad("an empty length", b"Content-Length:", body=b"hello"),
    bad("a length that is no number", b"Content-Length: five", body=b"hello"),
    bad("a length with a blank in it", b"Content-Length: 5 5", body=b"hello"),
    bad("a length of 17 digits", b"Content-Length: 00000000000000005", body=b"hello"),
    bad("length, then coding", b"Content-Length: 5", CHUNKED, body=CHUNKS),
    bad("coding, then length", CHUNKED, b"Content-Length: 5", body=CHUNKS),
    bad("two codings", CHUNKED, CHUNKED, body=CHUNKS),
    bad("two codings that differ", CHUNKED, b"Transfer-Encoding: identity", body=CHUNKS),
    bad("chunked twice", b"Transfer-Encoding: chunked, chunked", body=CHUNKS),
    bad("another coding before chunked", b"Transfer-Encoding: gzip, chunked", body=CHUNKS),
    bad("another coding", b"Transfer-Encoding: gzip", body=b"hello"),
    bad("identity", b"Transfer-Encoding: identity", body=b"hello"),
    bad("chunked with a parameter", b"Transfer-Encoding: chunked;q=1", body=CHUNKS),
    bad("chunked in quotes", b'Transfer-Encoding: "chunked"', body=CHUNKS),
    bad("xchunked", b"Transfer-Encoding: xchunked", body=CHUNKS),
    bad("VT before chunked", b"Transfer-Encoding: \x0bchunked", body=CHUNKS),
    bad("an empty coding", b"Transfer-Encoding:", body=CHUNKS),
    bad("a coding in HTTP/1.0", CHUNKED, body=CHUNKS, version=b"HTTP/1.0"),
    bad("a coding and a length in HTTP/1.0", CHUNKED, b"Content-Length: 5", body=CHUNKS, version=b"HTTP/1.0"),
    # ---- Host ----
    bad("two Hosts that differ", b"Host: other.example"),
    bad("two equal Hosts", b"Host: same"),
    bad("two Hosts in HTTP/1.0", b"Host: other.example", version=b"HTTP/1.0"),
    bad("HTTP/1.1 without Host", host=b""),
    # ---- the request line ----
    bad("a method that is no token", method=b"G(T"),
    bad("a control character in the method", method=b"GE\x01T"),
    bad("a blank in the target", raw_target=b"/a b"),
    bad("TAB in the target", raw_target=b"/a\tb"),
    bad("a control character in the target", raw_target=b"/a\x01b"),
    bad("DEL in the target", raw_target=b"/a\x7fb"),
    bad("a version of two digits", version=b"HTTP/1.12"),
    bad("a version in small letters", version=b"http/1.1"),
    bad("a second version", version=b"HTTP/1.1 HTTP/1.1"),
    bad("no version", line=b"GET /"),
    # ---- what is taken ----
    good("TAB in a value", b"X-A: 1\t2"),
    good("octets above 0x7f in a value", b"X-A: \x80\xc3\xa4\xff"),
    good("every character of a token", b"X-!#$%&'*+.^_`|~09azAZ: 1"),
    good("an empty value", b"X-A:", passes=[b"X-A: "]),
    good("no blank behind the colon", b"X-A:1", passes=[b"X-A: 1"]),
    good("Content-Length: 0", b"Content-Length: 0", passes=[], but=JSON),
    good("a second Connection", b"Connection: keep-alive", b"Connection: keep-alive", passes=[]),
    good("an absolute-form target", absolute=True, but={"judge": OWN}),
    good("HTTP/1.0", version=b"HTTP/1.0"),
    Row("HTTP/1.0 without Host", TAKEN, version=b"HTTP/1.0", host=b"", but={"ua": OWN, "proxy": OWN, "judge": OWN}),
    Row("lines that end with LF", MENDED, [b"X-A: 1"], end=b"\n", but=MHD),
    good("chunks", CHUNKED, passes=[], method=b"POST", body=CHUNKS, sent_body=b"hello", but=SMALL),
    # 1.0.1 takes the LF behind an extension for the chunk's first octet, and then finds no end
    Row("chunks with extensions", MENDED, [CHUNKED], passes=[], method=b"POST",
        body=b"5;a=1;b=\"x\"\r\nhello\r\n0;c\r\n\r\n", sent_body=b"hello", but=SMALL),
    good("a trailer", CHUNKED, passes=[], method=b"POST", body=b"5\r\nhello\r\n0\r\nX-M2M-Origin: Cvictim\r\n\r\n",
         sent_body=b"hello", but={**SMALL, **MHD}),
    Row("a folded line, glued to the name", MENDED, [b"X-A: 1", b" b"], passes=[b"X-Ab: 1"], but=MHD),
    Row("NUL in a value, which ends there", MENDED, [b"X-A: 1\0Cvictim"], passes=[b"X-A: 1"], but=MHD),
    # ---- names read alike behind CGI and its kin: none gets there ----
    good("an originator with '_'", b"X_M2M_Origin: Cvictim", b"x_m2m-origin: Cvictim", b"X-M2M_ORIGIN: Cvictim",
         passes=[], kinds=GATE),
    good("its kin", b"X_M2M_RI: 9", b"X_M2M_RVI: 1", b"X_M2M_NM: n", b"X_M2M_RET: 1", b"X_M2M_Gate_Credential: x",
         passes=[], kinds=GATE),
    good("the gate's own", b"X-M2M-Gate-Credential: x", b"X-M2M_Gate-Anything: x", passes=[], kinds=GATE),
    good("an asserted identity", b'X-3GPP-Asserted-Identity: "sip:boss@home1.net"',
         b'X_3GPP_Asserted_Identity: "sip:boss@home1.net"', b'x_3gpp-asserted_identity: "sip:boss@home1.net"',
         passes=[]),
    good("where it came from", b"X-Forwarded-For: 6.6.6.6", b"X_Forwarded_For: 6.6.6.6", b"X_FORWARDED_PROTO: http",
         b"X-Forwarded-Host: evil", b"X_Forwarded_Host: evil", b"Forwarded: for=6.6.6.6", passes=[],
         but={"judge": OWN}),
    good("framing with '_'", b"Content_Length: 5", b"Transfer_Encoding: chunked", passes=[]),
    good("fields of this hop", b"Keep-Alive: 1", b"Keep_Alive: 1", b"Proxy_Connection: x", b"TE: trailers",
         b"Upgrade: h2c", b"Proxy-Authorization: x", b"Proxy_Authorization: x", b"Trailer: X-A", passes=[]),
    good("fields that Connection names", b"Connection: X-Mine, x_yours", b"X-Mine: 1", b"X_Mine: 1", b"X-Yours: 1",
         passes=[]),
    good("a second Connection that names one", b"Connection: keep-alive", b"Connection: X-Mine", b"X_mine: 1",
         b"X-Kept: 1", passes=[b"X-Kept: 1"]),
    good("a type with '_'", b"Content_Type: application/vnd.onem2m-preq+json", passes=[], kinds=GATE),
    Row("an originator in two pieces", OWN, [b"X-M2M-Ori: Cvictim", b" gin"], kinds=("gate",)),
    Row("a Connection that is too long to read", OWN, [b"Connection: " + b"X-A," * 200], kinds=GATE),
    Row("two originators", OWN, [b"X-M2M-Origin: Cvictim"], kinds=("gate", "kms", "sa2")),
]


class Base:
    def __init__(self, method, target, fields=(), body=b""):
        self.method, self.target, self.fields, self.body = method, target, list(fields), body


M2M = [b"X-M2M-RI: r1", b"X-M2M-RVI: 3"]
BASES = {
    "ub": Base(b"GET", b"/", [b'Authorization: Digest username="nobody@example.test", realm="bsf.example.test", nonce="", '
                              b'uri="/", response=""']),
    "zn": Base(b"GET", b"/nobody"),
    "admin": Base(b"GET", b"/healthz"),
    "ua": Base(b"GET", b"/"),
    "proxy": Base(b"GET", b"/app/x?y=1"),
    "judge": Base(b"GET", b"/judge/x"),
    "gate": Base(b"GET", b"/cse1/x?rcn=1", M2M + [b"X-M2M-Origin: Cdevice1"]),
    "egress": Base(b"GET", b"/_/other.example/cse9/x", M2M + [b"X-M2M-Origin: /cse1"]),
    "kms": Base(b"GET", b"/Nowhere", M2M + [b"X-M2M-Origin: Cdevice1"]),
    "sa2": Base(b"POST", b"/told", M2M + [b"X-M2M-Origin: /cse1", b"Content-Type: application/json"],
                b'{"m2m:sgn":{}}'),
}


def recv_head(sock, data=b""):
    while b"\r\n\r\n" not in data:
        part = sock.recv(65536)
        if not part:
            return data, b""
        data += part
    head, rest = data.split(b"\r\n\r\n", 1)
    return head, rest


def recv_answer(sock, data=b""):
    """status, head, what follows it; status None: no answer."""
    head, rest = recv_head(sock, data)
    while head.startswith(b"HTTP/1.1 100"):
        head, rest = recv_head(sock, rest)
    match = re.match(rb"HTTP/1\.[01] (\d\d\d)", head)
    if not match:
        return None, head, rest
    length = re.search(rb"(?im)^content-length: *(\d+)", head)
    want = int(length.group(1)) if length else 0
    if re.search(rb"(?im)^transfer-encoding: *chunked", head):
        while not rest.endswith(b"0\r\n\r\n"):
            part = sock.recv(65536)
            if not part:
                return None, head, rest
            rest += part
        want = len(rest)
    while len(rest) < want:
        part = sock.recv(65536)
        if not part:
            return None, head, rest
        rest += part
    return int(match.group(1)), head, rest[want:]


class Behind:
    """What is behind a proxy: keeps what came, octet for octet."""

    def __init__(self, port):
        self.got = []
        self.listener = socket.create_server(("127.0.0.1", port), backlog=64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            sock, _ = self.listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        data = b""
        try:
            while True:
                head, data = recv_head(sock, data)
                if not head or not data and b"\n" not in head:
                    return
                whole = head + b"\r\n\r\n"
                length = re.search(rb"(?im)^content-length: *(\d+)\r?$", head)
                chunked = re.search(rb"(?im)^transfer-encoding: *chunked", head)
                while chunked and not data.endswith(b"0\r\n\r\n") or length and len(data) < int(length.group(1)):
                    part = sock.recv(65536)
                    if not part:
                        return
                    data += part
                n = len(data) if chunked else int(length.group(1)) if length else 0
                self.got.append(whole + data[:n])
                data = data[n:]
                ri = re.search(rb"(?im)^x-m2m-ri: *(\S+)", head)
                body = b'{"m2m:cb":{"csi":"/cse1","ri":"cse1","ty":5}}'
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-M2M-RSC: 2000\r\n" +
                             (b"X-M2M-RI: " + ri.group(1) + b"\r\n" if ri else b"") +
                             b"Content-Length: %d\r\n\r\n" % len(body) + (b"" if head.startswith(b"HEAD") else body))
        except OSError:
            pass


class Sender:
    def __init__(self, kind, at, options):
        host, port = at.rsplit(":", 1)
        self.kind, self.at, self.o = kind, (host, int(port)), options
        self.name = options.get("name", kind)
        self.base = BASES[kind]
        self.tls = None
        if "ca" in options:
            self.tls = ssl.create_default_context(cafile=options["ca"])
            self.tls.check_hostname = False
            if "tls" in options:
                self.tls.minimum_version = self.tls.maximum_version = ssl.TLSVersion.TLSv1_2
            if "cert" in options:
                self.tls.load_cert_chain(options["cert"], options["key"])
        self.host = options.get("host", at).encode()
        self.nonce, self.nc = None, 0
        self.failed = self.checks = 0

    def connect(self):
        sock = socket.create_connection(self.at, timeout=WAIT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.tls.wrap_socket(sock, server_hostname=self.o.get("sni", self.at[0])) if self.tls else sock

    def authorization(self, method, target):
        if "btid" not in self.o or self.nonce is None:
            return []
        self.nc += 1
        if self.kind == "judge":
            target = target[len(b"/judge"):]
        digest = lambda *parts: hashlib.sha256(b":".join(parts)).hexdigest().encode()
        user, realm, nc = self.o["btid"].encode(), self.realm, b"%08x" % self.nc
        response = digest(digest(user, realm, self.password.encode()), self.nonce, nc, b"abc", b"auth",
                          digest(method, target))
        return [b'Authorization: Digest username="%s", realm="%s", nonce="%s", uri="%s", algorithm=SHA-256, qop=auth, '
                b'nc=%s, cnonce="abc", response="%s"' % (user, realm, self.nonce, target, nc, response)]

    def challenge(self):
        with self.connect() as sock:
            self.password = self.o["password"] if not self.tls else self.o["password_" + sock.cipher()[0]]
            sock.sendall(self.request(Row("", TAKEN)))
            _, head, _ = recv_answer(sock)
        found = re.search(rb'(?im)^www-authenticate: Digest (.*SHA-256.*)\r?$', head)
        self.nonce, self.nc = re.search(rb'nonce="([^"]*)"', found.group(1)).group(1), 0
        self.realm = re.search(rb'realm="([^"]*)"', found.group(1)).group(1)

    def target(self, row):
        target = row.raw_target or self.base.target
        if row.absolute:
            target = (b"https://" if self.tls else b"http://") + self.host + target
        return target

    def request(self, row, close=False):
        method, target = row.method or self.base.method, self.target(row)
        lines = [row.line or method + b" " + target + b" " + row.version] + row.first
        host = self.host if row.host is None else row.host
        if host:
            lines.append(b"Host: " + host)
        body, sized = row.body, any(re.match(rb"(?i)(content-length|transfer-encoding)\s*:", l) for l in row.add)
        lines += self.base.fields + self.authorization(method, target) + row.add
        if self.base.body and not sized:
            body = self.base.body
            lines.append(b"Content-Length: %d" % len(body))
        if close:
            lines.append(b"Connection: close")
        return row.end.join(lines) + row.end + row.end + body

    def forwarded(self, row, me):
        """What a proxy makes of it."""
        method = row.method or self.base.method
        up, body = self.o["upstream"].encode(), row.sent_body
        lines = [method + b" " + self.base.target + b" HTTP/1.1", b"Host: " + up]
        if self.kind == "gate":
            lines += M2M + row.passes + [b"X-M2M-Origin: Cdevice1", b"X-Forwarded-For: " + me,
                                         b"X-Forwarded-Proto: https", b"X-M2M-Gate-Credential: " + self.o["credential"].encode()]
            if method != b"GET":
                lines.append(b"Content-Length: %d" % len(body or b""))
            return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")
        lines[1] = b"Host: " + self.host
        lines += [l.rstrip() for l in row.passes] # as libcurl prints an empty value
        lines += [b"X-Forwarded-For: " + me, b"X-Forwarded-Proto: " + (b"https" if self.tls else b"http"),
                  b'X-3GPP-Asserted-Identity: "' + self.o["asserted"].encode() + b'"']
        if body is not None:
            lines.insert(2, b"Transfer-Encoding: chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")

    def check(self, what, row, good, *shown):
        self.checks += 1
        if not good:
            self.failed += 1
            print("FAILED: %s: %s: %s %s" % (self.name, row.name, what, " ".join(repr(s) for s in shown)))

    def refused(self, row):
        with self.connect() as sock:
            sock.sendall(self.request(row) + self.request(Row("", TAKEN)))
            try:
                status, head, rest = recv_answer(sock)
                while True:
                    part = sock.recv(65536)
                    if not part:
                        break
                    rest += part
                closed = True
            except (ConnectionResetError, BrokenPipeError):
                closed = True
            except (TimeoutError, socket.timeout):
                closed = False
        if not self.is_late(row):
            self.check("want 400, got", row, status == 400, head)
            self.check("want Connection: close, got", row, re.search(rb"(?im)^connection: *close", head), head)
        self.check("the connection stays, or answers again", row, closed and not re.search(rb"HTTP/1\.1 \d", rest), rest)

    def is_refused(self, row):
        with self.connect() as sock:
            sock.sendall(self.request(row))
            status = recv_answer(sock)[0]
            return status in (400, None) or self.is_late(row) and status >= 500

    def is_late(self, row):
        """Is the fault in the body, which a proxy reads when it has begun?"""
        return row.body and row.outcome == MENDED and self.kind in ("proxy", "egress")

    def goes_on(self, row):
        """Does the connection? The device's ends with what is not simple, a NAF's with a body of unknown length."""
        odd = {"sa2": rb"(?i)(connection|transfer-encoding):", "ua": rb"(?i)transfer-encoding:"}.get(self.kind)
        ends = odd and any(re.match(odd, line) for line in row.add)
        return row.version == b"HTTP/1.1" and row.outcome_at(self.kind) != CUT and not ends

    def taken(self, row, status, outcome):
        again, me = Row("and the next request", TAKEN), b""
        with self.connect() as sock:
            me = sock.getsockname()[0].encode()
            sock.sendall(self.request(row))
            got, head, rest = recv_answer(sock)
            if outcome == OWN:
                self.check("want the handler's refusal, got", row, got is not None and got >= 400, head)
            elif row.method and not self.o.get("behind"):
                self.check("want it taken, got", row, got is not None and got != 400, head)
            else:
                self.check("want %s, got" % status, row, got == status, head)
            if outcome == CUT:
                got, head, rest = recv_answer(sock, rest)
                self.check("want 400 for the rest, got", row, got == 400 and not rest and not sock.recv(1), head)
            elif self.goes_on(row) and got is not None:
                sock.sendall(self.request(again, close=True))
                got, head, rest = recv_answer(sock, rest)
                self.check("want %s for the next request, got" % status, row, got == status, head)
        return me

    def behind(self, server, row, me, outcome):
        want = [] if outcome == OWN else [self.forwarded(row, me)]
        if self.goes_on(row):
            want.append(self.forwarded(Row("", TAKEN), me))
        got, server.got = server.got, []
        self.check("behind it want\n  %r\n  got" % want, row, got == want, got)

    def counted(self):
        host, port = self.o["admin"].rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=WAIT) as sock:
            sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            page = b""
            while part := sock.recv(65536):
                page += part
        line = rb'(?m)^http_rejected_total\{listener="%s",reason="\w+"\} (\d+)' % self.o["listener"].encode()
        return sum(int(n) for n in re.findall(line, page))

    def run(self):
        server = Behind(int(self.o["behind"])) if "behind" in self.o else None
        if "btid" in self.o:
            self.challenge()
        with self.connect() as sock:
            sock.sendall(self.request(Row("", TAKEN)))
            status, head, _ = recv_answer(sock)
        if server:
            server.got = []
        plain = Row("a plain request", TAKEN)
        self.check("is answered", plain, status is not None and status != 400, head)
        before, refusals, unseen = self.counted() if "admin" in self.o else 0, 0, 0
        strict = False  # a library that refuses folded lines
        for row in ROWS:
            outcome = row.outcome_at(self.kind)
            if row.kinds and self.kind not in row.kinds or outcome == LEFT_OUT:
                continue
            folded = any(line.startswith(b" ") for line in row.add)
            its = outcome in (MENDED, CUT) and self.is_refused(row) or outcome == OWN and folded and strict
            strict = strict or its and folded
            if outcome == REFUSED or its:
                self.refused(row)
                refusals += outcome == REFUSED
                unseen += 2 * its  # where the library refuses alone, nobody may see it
                if server:
                    self.check("something arrived behind it:", row, not server.got, server.got)
                    server.got = []
            else:
                if server:
                    server.got = []
                me = self.taken(row, status, outcome)
                if server:
                    self.behind(server, row, me, outcome)
        if "admin" in self.o:
            for _ in range(50):
                if self.counted() - before >= refusals:
                    break
                time.sleep(0.1)
            self.check("refusals counted: want %d, and up to %d that the library made, got" % (refusals, unseen), plain,
                       refusals <= self.counted() - before <= refusals + unseen, self.counted() - before)
        print("%s: %d heads, %d refused; %d checks, %d failed" % (self.name, len(ROWS), refusals, self.checks, self.failed))
        return self.failed == 0


def main(args):
    if args[0] == "behind":
        Behind(int(args[1]))
        threading.Event().wait()
    kind, at = args[0].split("=", 1)
    return 0 if Sender(kind, at, dict(a.split("=", 1) for a in args[1:])).run() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
