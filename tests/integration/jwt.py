# SPDX-License-Identifier: MIT
"""JSON Web Tokens, made with the standard library and the openssl command, for tests."""

import base64
import hashlib
import hmac
import json
import subprocess
import time

import tools

SECRET = b"0123456789abcdef0123456789abcdef"


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*words, data=b""):
    done = subprocess.run([tools.program("openssl"), *map(str, words)], input=data,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def make_key(path, kind, options=()):
    """The private key at path and the public one beside it, which is returned."""
    words = [word for option in options for word in ("-pkeyopt", option)]
    openssl("genpkey", "-algorithm", kind, *words, "-out", path)
    public = path.with_suffix(".pub.pem")
    openssl("pkey", "-in", path, "-pubout", "-out", public)
    return public


def raw_ecdsa(der):
    """r and s, 32 bytes each, out of SEQUENCE { INTEGER, INTEGER }."""
    at, numbers = 2, b""
    for _ in range(2):
        length = der[at + 1]
        numbers += int.from_bytes(der[at + 2:at + 2 + length], "big").to_bytes(32, "big")
        at += 2 + length
    return numbers


def sign(alg, key, text):
    """key: bytes for HS256, else the path of a private key."""
    if alg == "HS256":
        return hmac.new(key, text, hashlib.sha256).digest()
    signature = openssl("dgst", "-sha256", "-sign", key, data=text)
    return raw_ecdsa(signature) if alg == "ES256" else signature


def token(claims=None, alg="HS256", key=SECRET, header=None, **more):
    """One that is good for a minute, if nothing else is said. None as a value: no such claim.
    header: instead of {"alg": alg}; claims: bytes instead of an object."""
    if not isinstance(claims, bytes):
        claims = {"sub": "ann", "exp": int(time.time()) + 60, **(claims or {}), **more}
        claims = json.dumps({k: v for k, v in claims.items() if v is not None}).encode()
    header = json.dumps(header or {"alg": alg}).encode()
    text = f"{encode(header)}.{encode(claims)}"
    return f"{text}.{encode(sign(alg, key, text.encode()))}"
