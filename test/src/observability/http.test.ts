import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { createMetrics, type HttpServer, type HttpSetup, startHttp } from '../../../src/observability/index.ts';

const servers: HttpServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function start(change: Partial<HttpSetup> = {}) {
  const metrics = createMetrics({ version: '1', processMetrics: false });
  const logged: unknown[] = [];
  const server = await startHttp({
    host: '127.0.0.1',
    port: 0,
    alive: {},
    ready: {},
    metrics: { text: () => metrics.text(), contentType: metrics.registry.contentType },
    log: { error: (fields, message) => logged.push({ ...fields, message }) },
    ...change,
  });
  servers.push(server);
  const get = async (path: string, init?: RequestInit) => {
    const response = await fetch(server.url + path, init);
    return { status: response.status, headers: response.headers, text: await response.text() };
  };
  return { server, get, logged };
}

describe('the health server', () => {
  test('is well while every check is', async () => {
    let problem: string | null = null;
    const { get } = await start({ alive: { store: () => problem }, ready: { slack: () => null } });
    const well = await get('/healthz');
    expect([well.status, JSON.parse(well.text)]).toEqual([200, { status: 'ok', checks: { store: 'ok' } }]);
    expect(well.headers.get('cache-control')).toBe('no-store');

    problem = 'another process has taken it over';
    const ill = await get('/healthz');
    expect([ill.status, JSON.parse(ill.text)]).toEqual([503, { status: 'failing', checks: { store: problem } }]);
  });

  test('is ready only when it is well, too', async () => {
    let ready: string | null = 'has not looked at cp2 yet';
    let alive: string | null = null;
    const { get } = await start({ alive: { store: () => alive }, ready: { clouds: () => ready } });
    expect((await get('/healthz')).status).toBe(200);
    expect((await get('/readyz')).status).toBe(503);
    ready = null;
    expect((await get('/readyz')).status).toBe(200);
    alive = 'lost';
    expect(JSON.parse((await get('/readyz')).text)).toEqual({
      status: 'failing',
      checks: { store: 'lost', clouds: 'ok' },
    });
  });

  test('shows the metrics as Prometheus wants them', async () => {
    const { get } = await start();
    const { status, headers, text } = await get('/metrics?x=1');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(text).toContain('ephyra_build_info');
  });

  test.each(['/', '/nowhere', '/healthz/', '/__proto__', '/constructor', '//healthz', '/healthz%2f'])(
    'does not know %s',
    async (path) => {
      const { get } = await start();
      const { status, text } = await get(path);
      expect([status, JSON.parse(text)]).toEqual([404, { error: 'not found' }]);
    },
  );

  test.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('does not answer %s', async (method) => {
    const { get } = await start();
    const { status, headers } = await get('/healthz', { method });
    expect([status, headers.get('allow')]).toEqual([405, 'GET']);
  });

  test('tells its log, and nobody else, what went wrong inside', async () => {
    const { get, logged } = await start({
      metrics: { text: () => Promise.reject(new Error('inner detail at /var/lib')), contentType: 'text/plain' },
      alive: {
        broken: () => {
          throw new Error('inner detail');
        },
      },
    });
    for (const path of ['/metrics', '/healthz']) {
      const { status, text } = await get(path);
      expect([status, JSON.parse(text)]).toEqual([500, { error: 'internal error' }]);
    }
    expect(logged).toEqual([
      expect.objectContaining({ path: '/metrics', message: 'request failed', err: expect.any(Error) }),
      expect.objectContaining({ path: '/healthz' }),
    ]);
  });

  test('lets go of those who do not finish their request', async () => {
    const { server } = await start();
    const socket = connect(server.port, '127.0.0.1');
    socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n');
    const since = performance.now();
    const answer = await new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (data) => {
        text += data.toString();
      });
      socket.on('close', () => resolve(text));
      socket.on('error', () => undefined);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 408/);
    expect(performance.now() - since).toBeLessThan(20_000);
  });

  test('closes although somebody holds a connection', async () => {
    const { server, get } = await start();
    await get('/healthz');
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write('GET /healthz HTTP/1.1\r\n');
    const since = performance.now();
    await server.close();
    expect(performance.now() - since).toBeLessThan(4_000);
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
  });

  test('says which address is taken', async () => {
    const { server } = await start();
    await expect(start({ port: server.port })).rejects.toMatchObject({
      code: 'EADDRINUSE',
      message: expect.stringContaining(`127.0.0.1:${server.port}`),
    });
  });
});
