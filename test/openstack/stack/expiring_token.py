"""expiring_token.py KEY_DIRECTORY SECONDS: a project-scoped Fernet token on stdin; the same one, expiring SECONDS from now, on stdout.

Keystone's own keys sign it, so every service judges it like any other token. It spares a restart of Keystone with
another token lifetime.
"""
import os
import sys
import time

import msgpack
from cryptography.fernet import Fernet, MultiFernet

PROJECT_SCOPED, EXPIRES = 2, 4    # payload: version, user, methods, project, expires_at, audit ids
directory, seconds = sys.argv[1], float(sys.argv[2])
names = sorted(os.listdir(directory), key=int, reverse=True)
keys = MultiFernet([Fernet(open(os.path.join(directory, n), 'rb').read()) for n in names])
token = sys.stdin.read().strip()
payload = msgpack.unpackb(keys.decrypt((token + '=' * (-len(token) % 4)).encode()))
if payload[0] != PROJECT_SCOPED:
    sys.exit('not a project-scoped token')
payload[EXPIRES] = time.time() + seconds
print(keys.encrypt(msgpack.packb(payload)).rstrip(b'=').decode())
