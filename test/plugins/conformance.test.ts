import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import type { ApplicationPlugin } from '../../machines/plugin.ts';
import { brokenRules, type ConformanceBench, checkConformance } from '../../plugins/conformance.ts';
import { createPlugin as createExec } from '../../plugins/exec/index.ts';
import { createPlugin as createHadoop } from '../../plugins/hadoop/index.ts';
import { createPlugin as createNone } from '../../plugins/none/index.ts';
import { bench, node, setup } from './hadoop/bench.ts';

async function hadoopBench(): Promise<ConformanceBench> {
  const b = await bench();
  const worker = node('worker-2', { addressesBefore: ['10.1.1.2'] });
  return {
    plugin: b.plugin,
    node: worker,
    moved: { ...worker, addressesAfter: ['10.2.1.2'] },
    inService: () =>
      !['out', 'stopped'].includes(b.hadoop.fleet().nodes.find((n) => n.name === 'worker-2')?.state ?? ''),
    changes: () => b.hadoop.requests()['admin'] ?? 0,
    async move() {
      b.hadoop.setMachine('worker-2', false);
      b.hadoop.setMachine('worker-2', true, '10.2.1.2');
    },
    again: () => createHadoop(setup(b.options)),
    silence() {
      b.hadoop.fault({ kind: 'silent', service: 'rm' });
      b.hadoop.fault({ kind: 'silent', service: 'nn' });
    },
    hang: () => void b.hadoop.fault({ kind: 'decommission-hangs' }),
    dispose: () => b.close(),
  };
}

/** An application in a file, behind four commands: `in`, `leaving N`, `out`, and a count of the changes. */
const APPLICATION = `
import { readFileSync, writeFileSync, existsSync } from 'node:fs';
const [verb, folder] = process.argv.slice(2);
const path = folder + '/state.json';
const read = () => JSON.parse(readFileSync(path, 'utf8'));
const write = (state) => writeFileSync(path, JSON.stringify(state));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
if (existsSync(folder + '/silent')) { await pause(60_000); }
const state = read();
if (verb === 'verify') {
  if (state.is === 'out') { console.log(JSON.stringify({ reasons: ['drained'] })); process.exit(3); }
  process.exit(0);
}
if (verb === 'application') process.exit(0);
const goal = verb === 'remove' ? 'out' : 'in';
if (state.is !== goal) {
  write({ ...state, changes: state.changes + 1, is: 'in' });
  for (let left = 3; left > 0 || existsSync(folder + '/hang'); left -= 1) { console.log(left + ' left'); await pause(20); }
  write({ ...read(), is: goal });
}
`;

async function execBench(): Promise<ConformanceBench> {
  const folder = await mkdtemp(join(tmpdir(), 'exec-'));
  const script = join(folder, 'application.mjs');
  await writeFile(script, APPLICATION);
  await writeFile(join(folder, 'state.json'), JSON.stringify({ is: 'in', changes: 0 }));
  const command = (verb: string) => [process.execPath, script, verb, folder];
  const options = {
    remove: command('remove'),
    add: command('add'),
    verifyNode: command('verify'),
    verifyApplication: command('application'),
    verifyTimeout: '400ms',
  };
  const state = async () =>
    JSON.parse(await readFile(join(folder, 'state.json'), 'utf8')) as { is: string; changes: number };
  const make = () => createExec(setup(options)) as ApplicationPlugin;
  return {
    plugin: make(),
    node: node('worker-1'),
    moved: node('worker-1'),
    inService: async () => (await state()).is === 'in',
    changes: async () => (await state()).changes,
    again: make,
    silence: () => writeFile(join(folder, 'silent'), ''),
    hang: () => writeFile(join(folder, 'hang'), ''),
    dispose: () => rm(folder, { recursive: true, force: true }),
  };
}

async function noneBench(): Promise<ConformanceBench> {
  const make = () => createNone(setup({})) as ApplicationPlugin;
  return {
    plugin: make(),
    node: node('worker-1'),
    moved: node('worker-1'),
    inService: () => false,
    changes: () => 0,
    again: make,
    dispose: () => {},
  };
}

describe.concurrent('the contract of plugins', () => {
  test('is kept by hadoop', async ({ expect }) => {
    const results = await checkConformance(hadoopBench, { watchMs: 700 });
    expect(brokenRules(results)).toEqual([]);
    expect(results.filter((result) => result.outcome === 'not checked')).toEqual([]);
  });

  test('is kept by exec', async ({ expect }) => {
    const results = await checkConformance(execBench, { watchMs: 700 });
    expect(brokenRules(results)).toEqual([]);
    expect(results.filter((result) => result.outcome === 'not checked')).toEqual([]);
  });

  test('is kept by none, as far as there is something to keep', async ({ expect }) => {
    const results = await checkConformance(noneBench);
    expect(brokenRules(results)).toEqual([]);
    expect(results.filter((result) => result.outcome === 'not checked')).toHaveLength(5);
  });
});
