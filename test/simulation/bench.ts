import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { play } from '../support/world/people.ts';
import { World } from '../support/world/world.ts';
import { HEAP_OPTIONS } from './heap.ts';

/**
 * How many whole deployments one core plays in a second, once V8 has made of the program what it can: `bench.js [nodes]
 * [seconds] [seconds before]`.
 */
const [nodes = 10, seconds = 15, before = 30] = process.argv.slice(2).map(Number);

async function once(seed: number): Promise<World> {
  const world = new World({
    seed,
    nodes,
    masters: 2,
    deployment: { maxUnavailable: 3 },
    latencyMs: [1, 40],
    logLevel: 'warn',
  });
  await world.start();
  await play(world);
  return world;
}

async function measure(): Promise<void> {
  // As the simulation plays most of its seeds: no traces of errors, a log of warnings.
  Error.stackTraceLimit = 0;
  let seed = 0;
  for (const warm = performance.now(); performance.now() - warm < before * 1000; ) await once(++seed);
  const began = performance.now();
  const cpu = process.cpuUsage();
  let played = 0;
  let requests = 0;
  while (performance.now() - began < seconds * 1000) {
    requests += (await once(++seed)).network.requests;
    played += 1;
  }
  const { user, system } = process.cpuUsage(cpu);
  const rate = (ms: number) => (played / (ms / 1e3)).toFixed(1);
  const byClock = rate(performance.now() - began);
  console.log(
    `${process.version}: ${rate((user + system) / 1e3)} deployments of ${nodes} nodes a CPU second (${byClock} a second by the clock), ${Math.round(requests / played)} requests each`,
  );
}

if (HEAP_OPTIONS.every((option) => process.execArgv.includes(option))) await measure();
else {
  const again = [...process.execArgv, ...HEAP_OPTIONS, fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  process.exitCode = spawnSync(process.execPath, again, { stdio: 'inherit' }).status ?? 1;
}
