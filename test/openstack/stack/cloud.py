"""One control plane over raw HTTP. Raw on purpose: what this sends is what a client of any language sends."""
import os
import time
from concurrent.futures import ThreadPoolExecutor

import requests

STATE = os.environ.get('REALSTACK_STATE') or os.path.join(os.environ.get('TMPDIR', '/tmp'), 'realstack-state')
ADMINPASS = os.environ.get('REALSTACK_ADMINPASS', 'adminpass')
PORTS = dict(keystone=5000, placement=8778, glance=9292, neutron=9696, ironic=6385, nova=8774)
IRONIC_V, NOVA_V, PLACEMENT_V = '1.81', '2.90', '1.38'
VERSIONS = dict(ironic={'X-OpenStack-Ironic-API-Version': IRONIC_V},
                nova={'OpenStack-API-Version': 'compute ' + NOVA_V},
                placement={'OpenStack-API-Version': 'placement ' + PLACEMENT_V})


def base(cp, svc):
    """The root of a service: the first digit of every port is the control plane's."""
    return 'http://127.0.0.1:%s%s' % (cp[2:], PORTS[svc])


class Refused(Exception):
    """An answer of 400 or more that the caller did not expect."""
    def __init__(self, r):
        self.r = r
        Exception.__init__(self, '%s %s -> %s %s' % (r.request.method, r.url, r.status_code, r.text[:600]))


class Cloud:
    """The admin of one control plane."""
    def __init__(self, cp):
        self.cp = cp
        self.s = requests.Session()
        self.s.trust_env = False
        # a kept-alive connection occupies one of the server's green threads
        self.s.headers['Connection'] = 'close'
        self.token = None

    def auth(self):
        r = self.s.post(base(self.cp, 'keystone') + '/v3/auth/tokens', timeout=60, json={'auth': {
            'identity': {'methods': ['password'], 'password': {'user': {
                'name': 'admin', 'domain': {'id': 'default'}, 'password': ADMINPASS}}},
            'scope': {'project': {'name': 'admin', 'domain': {'id': 'default'}}}}})
        if r.status_code != 201:
            raise Refused(r)
        self.token = r.headers['X-Subject-Token']

    def req(self, method, svc, path, json=None, ok=(), headers=None, **kw):
        """The answer; Refused for 400 and more, unless the status is in `ok`."""
        if not self.token:
            self.auth()
        h = {'X-Auth-Token': self.token, 'Accept': 'application/json', **VERSIONS.get(svc, {}), **(headers or {})}
        for _ in range(60):
            r = self.s.request(method, base(self.cp, svc) + path, json=json, headers=h, timeout=120, **kw)
            # 409 NodeLocked is part of ironic's protocol: wait and try again
            if not (svc == 'ironic' and r.status_code == 409 and 'is locked by host' in r.text):
                break
            time.sleep(0.5)
        if r.status_code >= 400 and r.status_code not in ok:
            raise Refused(r)
        return r

    def get(self, svc, path):
        return self.req('GET', svc, path).json()


def wait(what, fn, timeout=300, every=0.5):
    """The first true answer of `fn`; ends the program when there is none in `timeout` seconds."""
    end = time.time() + timeout
    while time.time() < end:
        got = fn()
        if got:
            return got
        time.sleep(every)
    raise SystemExit('timed out waiting for ' + what)


def parallel(fn, args, width=8):
    with ThreadPoolExecutor(width) as ex:
        list(ex.map(fn, args))
