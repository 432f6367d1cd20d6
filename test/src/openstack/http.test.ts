import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/openstack/clock.ts';
import { createHttp, type HttpDeps, type HttpRequest, retryAfterMs } from '../../../src/openstack/http.ts';
import { errorOf, fakeClock, sample, startCloud, TOKEN_ROUTE } from './support.ts';

const NODES = 'GET /baremetal/v1/nodes';
const NO_NODES = { status: 200, body: { nodes: [] } };

describe('a read', () => {
  it('is repeated when the connection is dropped', async () => {
    const cloud = await startCloud();
    cloud.on(NODES, 'drop', 'drop', NO_NODES);
    await expect(cloud.controlPlane().ironic.listNodes()).resolves.toEqual([]);
    expect(cloud.seen(NODES)).toHaveLength(3);
  });

  it.each([502, 503, 504])('is repeated after %i', async (status) => {
    const cloud = await startCloud();
    cloud.on(NODES, { status }, NO_NODES);
    await expect(cloud.controlPlane().ironic.listNodes()).resolves.toEqual([]);
  });

  it('is not repeated after 500, nor for ever', async () => {
    const cloud = await startCloud();
    cloud.on(NODES, { status: 500, body: 'boom' });
    expect(await errorOf(cloud.controlPlane().ironic.listNodes())).toMatchObject({ kind: 'server_error', status: 500 });
    expect(cloud.seen(NODES)).toHaveLength(1);
    cloud.on(NODES, 'drop');
    const error = await errorOf(cloud.controlPlane().ironic.listNodes());
    expect(error).toMatchObject({ kind: 'unreachable', status: null, maybeDone: false });
    expect(cloud.seen(NODES)).toHaveLength(4);
  });

  it('waits longer before each repeat, and as long as Retry-After asks', async () => {
    const cloud = await startCloud();
    const clock = fakeClock();
    cloud.on(NODES, 'drop', { status: 503, headers: { 'retry-after': '7' } }, NO_NODES);
    await cloud.controlPlane({ clock }).ironic.listNodes();
    expect(clock.slept).toEqual([250, 7000]);
  });

  it('counts a Retry-After that is a date from when its server has answered, by its own clock', () => {
    const headers = { 'retry-after': 'Mon, 23 Nov 2026 10:00:30 GMT', date: 'Mon, 23 Nov 2026 10:00:00 GMT' };
    expect(retryAfterMs({ status: 429, headers, body: '' }, 0)).toBe(30_000);
  });

  it('leaves a long Retry-After to the caller', async () => {
    const cloud = await startCloud();
    cloud.on(NODES, { status: 429, headers: { 'retry-after': '300' } });
    const error = await errorOf(cloud.controlPlane().ironic.listNodes());
    expect(error).toMatchObject({ kind: 'busy', retryAfterMs: 300_000 });
    expect(cloud.seen(NODES)).toHaveLength(1);
  });
});

describe('a create', () => {
  const CREATE = 'POST /compute/v2.1/servers';
  const body = { name: 'w', flavorRef: 'f', imageRef: 'i', networks: [] };

  it.each(['drop', 502, 503] as const)('is sent once, even after %s, and says that it may have worked', async (how) => {
    const cloud = await startCloud();
    cloud.on(CREATE, how === 'drop' ? how : { status: how });
    const error = await errorOf(cloud.controlPlane().nova.createServer(body));
    expect(error.maybeDone).toBe(true);
    expect(cloud.seen(CREATE)).toHaveLength(1);
  });

  it('has not worked when the connection was refused', async () => {
    const cloud = await startCloud();
    const plane = cloud.controlPlane({}, { endpointOverrides: { nova: 'http://127.0.0.1:1/v2.1' } });
    expect(await errorOf(plane.nova.createServer(body))).toMatchObject({ kind: 'unreachable', maybeDone: false });
  });

  it('has not worked when no token was to be had for it', async () => {
    const cloud = await startCloud();
    cloud.on('POST /identity/v3/auth/tokens', 'drop');
    const error = await errorOf(cloud.controlPlane().nova.createServer(body));
    expect(error).toMatchObject({ service: 'keystone', kind: 'unreachable', maybeDone: false });
    expect(cloud.seen(CREATE)).toHaveLength(0);
  });

  it('is sent again after 429, which says that nothing was done', async () => {
    const cloud = await startCloud();
    cloud.on(CREATE, { status: 429, headers: { 'retry-after': '1' } }, { status: 202, body: { server: { id: 's1' } } });
    await expect(cloud.controlPlane().nova.createServer(body)).resolves.toEqual({ id: 's1' });
  });

  it('refused by a conductor lock is left to the caller, recognisable', async () => {
    const cloud = await startCloud();
    const { response } = sample('ironic-409-node-locked');
    cloud.on('PATCH /baremetal/v1/nodes/u1', response);
    const work = cloud.controlPlane().ironic.patchNode('u1', [{ op: 'add', path: '/extra/z', value: 1 }]);
    expect(await errorOf(work)).toMatchObject({
      kind: 'locked',
      status: 409,
      requestId: 'req-446fafbd-fe7a-4970-888a-b7e0d7bf2d56',
    });
    expect(cloud.seen('PATCH /baremetal/v1/nodes/u1')).toHaveLength(1);
  });
});

describe('a call that rests on what is known', () => {
  const DELETE = 'DELETE /baremetal/v1/nodes/u1';
  const stale = { reason: 'evidence_stale', next: 'retry' };

  it('is not sent when that does not hold any more', async () => {
    const cloud = await startCloud();
    const work = cloud.controlPlane().ironic.deleteNode('u1', { due: () => false });
    await expect(work).rejects.toMatchObject(stale);
    expect(cloud.seen(DELETE)).toHaveLength(0);
  });

  it('is sent again after 429 if it still holds, and not otherwise', async () => {
    for (const holds of [true, false]) {
      const cloud = await startCloud();
      let known = true;
      cloud.on(
        DELETE,
        () => {
          known = holds;
          return { status: 429, headers: { 'retry-after': '1' } };
        },
        { status: 204 },
      );
      const work = cloud.controlPlane({ clock: fakeClock() }).ironic.deleteNode('u1', { due: () => known });
      if (holds) await expect(work).resolves.toBe('deleted');
      else await expect(work).rejects.toMatchObject(stale);
      expect(cloud.seen(DELETE)).toHaveLength(holds ? 2 : 1);
    }
  });

  it('is not sent with a new token when it holds no more by the time that token has come', async () => {
    const cloud = await startCloud();
    let known = true;
    cloud.on(DELETE, () => {
      known = false;
      return sample('ironic-401-expired').response;
    });
    await expect(cloud.controlPlane().ironic.deleteNode('u1', { due: () => known })).rejects.toMatchObject(stale);
    expect(cloud.seen(DELETE)).toHaveLength(1);
    expect(cloud.seen(TOKEN_ROUTE)).toHaveLength(2);
  });
});

describe('time', () => {
  it('ends a request without an answer', async () => {
    const cloud = await startCloud();
    cloud.on(NODES, 'hang');
    const error = await errorOf(cloud.controlPlane({ timeoutMs: 50 }).ironic.listNodes());
    expect(error).toMatchObject({ kind: 'timeout', status: null });
    expect(error.message).toContain('no answer within');
    expect(cloud.seen(NODES)).toHaveLength(1);
  });

  it('of the cloud (api_timeout) wins over the default', async () => {
    const cloud = await startCloud();
    cloud.on(NODES, 'hang');
    const plane = cloud.controlPlane({ timeoutMs: 60_000 }, { timeoutMs: 50 });
    expect((await errorOf(plane.ironic.listNodes())).kind).toBe('timeout');
  });

  it('makes a write that hangs one that may have worked', async () => {
    const cloud = await startCloud();
    cloud.on('POST /baremetal/v1/nodes', 'hang');
    const error = await errorOf(cloud.controlPlane({ timeoutMs: 50 }).ironic.createNode({ driver: 'd' }));
    expect(error).toMatchObject({ kind: 'timeout', maybeDone: true });
  });
});

describe("the caller's signal", () => {
  it('ends a request under way with AbortError', async () => {
    const cloud = await startCloud();
    const stop = new AbortController();
    cloud.on(NODES, () => {
      stop.abort();
      return 'hang';
    });
    const work = cloud.controlPlane().ironic.listNodes({ signal: stop.signal });
    await expect(work).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('ends the pause before a repeat', async () => {
    const cloud = await startCloud();
    const stop = new AbortController();
    cloud.on(NODES, () => {
      setTimeout(() => stop.abort(), 20);
      return { status: 503, headers: { 'retry-after': '15' } };
    });
    const work = cloud.controlPlane({ clock: systemClock }).ironic.listNodes({ signal: stop.signal });
    await expect(work).rejects.toMatchObject({ name: 'AbortError' });
    expect(cloud.seen(NODES)).toHaveLength(1);
  });

  it('already gone sends nothing', async () => {
    const cloud = await startCloud();
    const signal = AbortSignal.abort();
    await expect(cloud.controlPlane().ironic.listNodes({ signal })).rejects.toMatchObject({ name: 'AbortError' });
    expect(cloud.requests).toHaveLength(0);
  });

  it('of one caller does not stop the token that others wait for', async () => {
    const cloud = await startCloud();
    cloud.on(NODES, NO_NODES);
    const plane = cloud.controlPlane();
    const stop = new AbortController();
    const first = plane.ironic.listNodes({ signal: stop.signal });
    const second = plane.ironic.listNodes();
    stop.abort();
    await expect(first).rejects.toMatchObject({ name: 'AbortError' });
    await expect(second).resolves.toEqual([]);
    expect(cloud.seen(TOKEN_ROUTE)).toHaveLength(1);
  });
});

describe('counting', () => {
  it('knows every request with its template, Keystone and repeats included', async () => {
    const cloud = await startCloud();
    cloud.on('GET /baremetal/v1/nodes/u1', 'drop', sample('ironic-node-active').response);
    const plane = cloud.controlPlane();
    await plane.ironic.getNode('u1');
    expect(plane.calls.map((it) => [it.service, it.method, it.route, it.status])).toEqual([
      ['keystone', 'POST', '/v3/auth/tokens', 201],
      ['ironic', 'GET', '/v1/nodes/{uuid}', 'error'],
      ['ironic', 'GET', '/v1/nodes/{uuid}', 200],
    ]);
    expect(plane.calls[2]).toMatchObject({
      controlPlane: 'cp1',
      requestId: 'req-da47caf5-52aa-45aa-8915-62876e2c028a',
    });
  });
});

describe('the transport', () => {
  it('can be a function, so that a simulation needs no sockets', async () => {
    const asked: HttpRequest[] = [];
    const deps: HttpDeps = {
      clock: fakeClock(),
      random: () => 0,
      transport: async (request) => {
        asked.push(request);
        return { status: 200, headers: {}, body: '{"a":1}' };
      },
    };
    const answer = await createHttp('cp1', { verify: true }, deps).send({
      service: 'nova',
      method: 'POST',
      url: 'http://nowhere/x',
      route: '/x',
      body: { b: 2 },
      expected: [200],
    });
    expect(answer.body).toBe('{"a":1}');
    expect(asked[0]).toMatchObject({ method: 'POST', url: 'http://nowhere/x', body: '{"b":2}' });
  });

  it('closes connections after use and follows no redirect', async () => {
    const cloud = await startCloud();
    cloud.on(NODES, { status: 302, headers: { location: 'http://elsewhere/v1/nodes?x=1' } });
    const error = await errorOf(cloud.controlPlane().ironic.listNodes());
    expect(error.message).toContain('a redirect to http://elsewhere/v1/nodes, which we do not follow');
    expect(cloud.seen(NODES)[0]?.headers.connection).toBe('close');
  });

  it('keeps tokens and passwords out of its errors, however deep one looks', async () => {
    const cloud = await startCloud();
    cloud.on(NODES, 'drop');
    const error = await errorOf(cloud.controlPlane().ironic.listNodes());
    const everything = JSON.stringify(error, Object.getOwnPropertyNames(error)) + inspectDeep(error);
    expect(everything).not.toContain('token-1');
    expect(everything).not.toContain('hunter2');
  });
});

function inspectDeep(value: unknown, depth = 0): string {
  if (typeof value !== 'object' || value === null || depth > 8) return String(value);
  return Object.getOwnPropertyNames(value)
    .map((key) => `${key}=${inspectDeep((value as Record<string, unknown>)[key], depth + 1)}`)
    .join('\n');
}
