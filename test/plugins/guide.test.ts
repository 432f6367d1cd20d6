import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { brokenRules, type ConformanceBench, checkConformance } from '../../plugins/conformance.ts';
import { loadPlugin } from '../../plugins/registry.ts';
import { node, setup } from './hadoop/bench.ts';

/** The scheduler that the guide's plugin talks to. */
async function scheduler() {
  const app = { state: 'serving', changes: 0, silent: false, hangs: false, url: '', close: () => {} };
  const server = createServer(async (request, response) => {
    if (app.silent) return void request.socket.destroy();
    const [, , , verb] = (request.url ?? '').split('/');
    if (request.method === 'POST') {
      app.changes += 1;
      app.state = verb === 'drain' ? 'draining' : 'serving';
      if (verb === 'drain' && !app.hangs) {
        setTimeout(() => {
          if (app.state === 'draining') app.state = 'drained';
        }, 60);
      }
    }
    response.end(JSON.stringify(request.url === '/health' ? { ok: true, down: [] } : { state: app.state }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  app.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  app.close = () => {
    server.closeAllConnections();
    server.close();
  };
  return app;
}

test('the plugin in the guide keeps the contract that the guide describes', async () => {
  const guide = await readFile(new URL('../../docs/plugins.md', import.meta.url), 'utf8');
  const code = /```js\n([\s\S]*?)```/.exec(guide)?.[1] ?? '';
  const folder = await mkdtemp(join(tmpdir(), 'guide-'));
  await writeFile(join(folder, 'plugin.mjs'), code);
  const make = async (url: string) => {
    const means = setup({ url });
    const sleep = (ms: number, signal?: AbortSignal) => delay(ms / 100, undefined, signal ? { signal } : {});
    return loadPlugin('./plugin.mjs', { ...means, sleep }, folder);
  };
  const bench = async (): Promise<ConformanceBench> => {
    const app = await scheduler();
    return {
      plugin: await make(app.url),
      node: node('worker-1'),
      moved: node('worker-1'),
      inService: () => app.state !== 'drained',
      changes: () => app.changes,
      again: () => make(app.url),
      silence: () => {
        app.silent = true;
      },
      hang: () => {
        app.hangs = true;
      },
      dispose: () => app.close(),
    };
  };
  const results = await checkConformance(bench, { watchMs: 200 });
  expect(brokenRules(results)).toEqual([]);
  expect(results.filter((result) => result.outcome !== 'kept')).toEqual([]);
  await expect(loadPlugin('./plugin.mjs', setup(undefined), folder)).rejects.toThrow('application.options.url');
  await rm(folder, { recursive: true });
});
