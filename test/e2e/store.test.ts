import { existsSync, readFileSync, renameSync, rmSync, truncateSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Written } from '../../src/sandbox/configuration.ts';
import type { EphyraProcess } from '../../src/sandbox/process.ts';
import { Bench } from './support/bench.ts';
import { runEphyra } from './support/program.ts';

/** The real process on a real disk: killed in the middle, and its store damaged or gone. */
const PATIENCE = { timeout: 30_000, interval: 100 };

let bench: Bench;
let written: Written;
let ephyra: EphyraProcess;
let store: string;

beforeAll(async () => {
  bench = await Bench.set(3);
  written = await bench.configuration();
  store = join(dirname(written.config), 'ephyra.json');
  ephyra = await bench.start(written);
});

afterAll(() => bench.clear());

const said = async (pattern: RegExp) => (await bench.see()).messages.some(({ plain }) => pattern.test(plain));
const refusedTo = async (user: string, pattern: RegExp) =>
  (await bench.see(user)).ephemerals.some(({ plain }) => pattern.test(plain));
const marked = () => bench.changes.filter(({ kind }) => kind === 'node.marker').length;
const nodesIn = (name: string) =>
  bench.sandbox.controlPlanes.find((plane) => plane.name === name)?.snapshot().nodes.length ?? 0;

/** Deploys, approves, and kills Ephyra once a node has been claimed and its instance stopped. */
async function killHalfWay(route: string): Promise<void> {
  const before = { marked: marked(), writes: bench.writes.length };
  await bench.type(`/ephyra deploy ${route}`);
  const card = new RegExp(`${route.replace('→', ' → ')}: waiting for approval`);
  await expect.poll(() => said(card), PATIENCE).toBe(true);
  await bench.press('U0BOB', 'ephyra:approve');
  await expect.poll(() => bench.writes.length - before.writes, PATIENCE).toBeGreaterThan(2);
  await ephyra.kill();
  expect(marked()).toBeGreaterThan(before.marked);
}

test('torn: the start says what to do; done so, it asks, and goes on when told', async () => {
  await killHalfWay('cp1→cp2');
  truncateSync(store, Math.floor(readFileSync(store).length / 2));
  const torn = readFileSync(store);

  const refused = await runEphyra(['--config', written.config], '/', written.env);
  expect(refused.code).toBe(2);
  expect(refused.err).toMatch(/Store .*ephyra\.json: the file is not JSON/);
  const command = `mv ${store} ${store}.broken`;
  expect(refused.err).toContain(command);
  expect(refused.err).toContain(`${store}.bak is taken then`);
  expect(readFileSync(store)).toEqual(torn);

  renameSync(store, `${store}.broken`);
  const writes = bench.writes.length;
  await ephyra.start();
  await expect.poll(() => said(/cp1 → cp2: found half-way/), PATIENCE).toBe(true);
  expect(await bench.ask('/ephyra deploy cp1→cp2')).toContain('nobody has decided about them yet');
  expect(bench.writes.length).toBe(writes);
  await bench.press('U0BOB', 'ephyra:approve');
  // The plan was in the version before: all of it is finished.
  await expect.poll(() => said(/cp1 → cp2: COMPLETED/), PATIENCE).toBe(true);
  expect([nodesIn('cp1'), nodesIn('cp2')]).toEqual([0, 3]);
});

test('gone, and the version before with it: what is half-way is found by its marks, and stays so until decided', async () => {
  await killHalfWay('cp2→cp1');
  rmSync(store);
  rmSync(`${store}.bak`);
  const writes = bench.writes.length;
  await ephyra.start();
  await expect.poll(() => said(/cp2 → cp1: found half-way/), PATIENCE).toBe(true);
  expect(await bench.ask('/ephyra why')).toMatch(/half-way/);
  // The lease of the process before is still held, in the name that went with the store: it has to run out first.
  await bench.press('U0BOB', 'ephyra:abort');
  await expect.poll(() => refusedTo('U0BOB', /holds cp\d|lease on cp\d/), PATIENCE).toBe(true);
  expect(await said(/cp2 → cp1: found half-way/)).toBe(true);
  expect(bench.writes.slice(writes).filter(({ path }) => /\/(nodes|servers|ports)/.test(path))).toEqual([]);
  expect(nodesIn('cp1') + nodesIn('cp2')).toBeGreaterThanOrEqual(3);
  expect(bench.sandbox.hadoop.harm()).toEqual([]);
  expect(existsSync(store)).toBe(true);
});
