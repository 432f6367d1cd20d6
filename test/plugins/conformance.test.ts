import { existsSync } from 'node:fs';
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

/** An application in a folder, behind four commands: the file `out` when it is drained, and a line for each change. */
const APPLICATION = `
verb=$1; cd "$2" || exit 75
if [ -e silent ]; then sleep 60; fi
case $verb in
  verify) if [ -e out ]; then echo '{"reasons":["drained"]}'; exit 3; fi ;;
  remove)
    if [ -e out ]; then exit 0; fi
    echo remove >> changes
    for left in 3 2 1; do echo "$left left"; sleep 0.02; done
    while [ -e hang ]; do sleep 0.02; done
    : > out ;;
  add)
    if [ ! -e out ]; then exit 0; fi
    echo add >> changes
    sleep 0.02
    rm -f out ;;
esac
`;

async function execBench(): Promise<ConformanceBench> {
  const folder = await mkdtemp(join(tmpdir(), 'exec-'));
  const command = (verb: string) => ['/bin/sh', '-c', APPLICATION, 'sh', verb, folder];
  const options = {
    remove: command('remove'),
    add: command('add'),
    verifyNode: command('verify'),
    verifyApplication: command('application'),
    verifyTimeout: '800ms',
  };
  const make = () => createExec(setup(options)) as ApplicationPlugin;
  return {
    plugin: make(),
    node: node('worker-1'),
    moved: node('worker-1'),
    inService: () => !existsSync(join(folder, 'out')),
    changes: async () => (await readFile(join(folder, 'changes'), 'utf8').catch(() => '')).split('\n').length,
    again: make,
    silence: () => writeFile(join(folder, 'silent'), ''),
    hang: () => writeFile(join(folder, 'hang'), ''),
    dispose: () => rm(folder, { recursive: true, force: true, maxRetries: 5 }),
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
