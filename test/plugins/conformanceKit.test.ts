import { describe, expect, test } from 'vitest';
import { Failure } from '../../machines/errors.ts';
import type { ApplicationPlugin, PluginContext } from '../../machines/plugin.ts';
import { brokenRules, type ConformanceBench, checkConformance } from '../../plugins/conformance.ts';
import { node } from './hadoop/bench.ts';

interface Application {
  serving: boolean;
  changes: number;
  silent: boolean;
  hangs: boolean;
}

/** Waits until so, the signal, or the deadline. */
async function until(so: () => boolean, context: PluginContext): Promise<void> {
  while (!so()) {
    if (context.signal.aborted) throw new Failure({ reason: 'cancelled', next: 'cancelled', message: 'cancelled' });
    if (performance.now() > context.deadline)
      throw new Failure({ reason: 'deadline', next: 'stop', message: 'too late' });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A plugin that keeps the contract, over an application in memory. */
function good(app: Application): ApplicationPlugin {
  const change = async (serving: boolean, context: PluginContext) => {
    await until(() => !app.silent, context);
    if (context.signal.aborted) throw new Failure({ reason: 'cancelled', next: 'cancelled', message: 'cancelled' });
    if (app.serving === serving) return;
    app.changes += 1;
    await new Promise((resolve) => setTimeout(resolve, 30));
    await until(() => !app.hangs, context);
    app.serving = serving;
  };
  return {
    name: 'good',
    removeNode: (_node, context) => change(false, context),
    addNode: (_node, context) => change(true, context),
    async verifyNode() {
      if (app.silent) return { health: 'unknown', membership: 'unknown', reasons: ['no answer'] };
      if (app.serving) return { health: 'healthy', membership: 'in', reasons: [] };
      return { health: 'unhealthy', membership: 'out', reasons: ['drained'] };
    },
    async verifyApplication() {
      if (app.silent) return { health: 'unknown', reasons: ['no answer'] };
      return { health: 'healthy', reasons: [] };
    },
  };
}

function benchOf(make: (app: Application) => ApplicationPlugin): () => Promise<ConformanceBench> {
  return async () => {
    const app = { serving: true, changes: 0, silent: false, hangs: false };
    return {
      plugin: make(app),
      node: node('worker-1'),
      moved: node('worker-1'),
      inService: () => app.serving,
      changes: () => app.changes,
      again: () => make(app),
      silence: () => {
        app.silent = true;
      },
      hang: () => {
        app.hangs = true;
      },
      dispose: () => {},
    };
  };
}

/** Ways to break the contract, and the words of the rule that must notice. */
const MUTANTS: readonly [string, string, (app: Application) => ApplicationPlugin][] = [
  [
    'resolves before the node is out',
    'removeNode resolves only once',
    (app) => ({
      ...good(app),
      removeNode: async (n, c) =>
        void good(app)
          .removeNode(n, c)
          .catch(() => {}),
    }),
  ],
  [
    'removes again what is out',
    'removeNode, asked again',
    (app) => ({
      ...good(app),
      async removeNode(n, c) {
        await good(app).removeNode(n, c);
        app.changes += 1;
      },
    }),
  ],
  [
    'adds again what is in',
    'addNode, asked again',
    (app) => ({
      ...good(app),
      async addNode(n, c) {
        await good(app).addNode(n, c);
        app.changes += 1;
      },
    }),
  ],
  [
    'remembers what is out in memory only',
    'A restarted plugin knows',
    (app) => {
      let removed = false;
      const inner = good(app);
      return {
        ...inner,
        async removeNode(n, c) {
          await inner.removeNode(n, c);
          removed = true;
        },
        async verifyNode(n, c) {
          const seen = await inner.verifyNode(n, c);
          return seen.membership === 'out' && !removed ? { ...seen, membership: 'unknown' } : seen;
        },
      };
    },
  ],
  [
    'changes something by looking',
    'change nothing',
    (app) => ({
      ...good(app),
      verifyNode(n, c) {
        app.changes += 1;
        return good(app).verifyNode(n, c);
      },
    }),
  ],
  [
    'does not hear an abort',
    'An abort ends the waiting',
    (app) => ({
      ...good(app),
      removeNode: (n, c) => good(app).removeNode(n, { ...c, signal: new AbortController().signal }),
    }),
  ],
  [
    'takes the deadline for success',
    'removeNode never resolves while the node cannot leave',
    (app) => ({
      ...good(app),
      removeNode: (n, c) =>
        good(app)
          .removeNode(n, c)
          .catch((error: Failure) => {
            if (error.reason !== 'deadline') throw error;
          }),
    }),
  ],
  [
    'takes silence for health',
    'In silence verifyNode',
    (app) => ({ ...good(app), verifyApplication: async () => ({ health: 'healthy', reasons: [] }) }),
  ],
  [
    'takes silence for out',
    'In silence removeNode',
    (app) => ({ ...good(app), removeNode: async (n, c) => (app.silent ? undefined : good(app).removeNode(n, c)) }),
  ],
  [
    'throws whatever comes',
    'Whatever it throws',
    (app) => ({
      ...good(app),
      removeNode: (n, c) =>
        good(app)
          .removeNode(n, c)
          .catch(() => {
            throw new Error('no');
          }),
    }),
  ],
  [
    'makes up reasons',
    'Whatever it throws',
    (app) => ({
      ...good(app),
      removeNode: (n, c) =>
        good(app)
          .removeNode(n, c)
          .catch((error: Failure) => {
            throw error.next === 'cancelled'
              ? error
              : Object.assign(new Error('no'), { reason: 'tired', next: 'retry' });
          }),
    }),
  ],
  [
    'gives no reasons',
    'removeNode resolves only once',
    (app) => ({ ...good(app), verifyNode: async (n, c) => ({ ...(await good(app).verifyNode(n, c)), reasons: [] }) }),
  ],
  [
    'does not wait for the node to be back',
    'addNode brings the node back',
    (app) => ({
      ...good(app),
      addNode: async (n, c) =>
        void good(app)
          .addNode(n, c)
          .catch(() => {}),
    }),
  ],
];

const QUICK = { promptMs: 200, patienceMs: 400, watchMs: 80 };

describe.concurrent('the conformance kit', () => {
  test('finds nothing wrong with a plugin that keeps the contract', async ({ expect }) => {
    const results = await checkConformance(benchOf(good), QUICK);
    expect(results.map((result) => result.outcome)).toEqual(results.map(() => 'kept'));
  });

  test.for(MUTANTS)('notices a plugin that %s', async ([, rule, make], { expect }) => {
    const broken = brokenRules(await checkConformance(benchOf(make), QUICK));
    expect(
      broken.some((text) => text.includes(rule)),
      broken.join('\n'),
    ).toBe(true);
  });
});

test('every rule has a name of its own', async () => {
  const results = await checkConformance(benchOf(good), QUICK);
  expect(new Set(results.map((result) => result.rule)).size).toBe(results.length);
});
