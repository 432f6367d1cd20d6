import { play } from '../support/world/people.ts';
import { World } from '../support/world/world.ts';

/** How many whole deployments one core plays in a second: `bench.js [nodes] [seconds]`. */
const nodes = Number(process.argv[2] ?? 10);
const seconds = Number(process.argv[3] ?? 5);

// As the simulation plays most of its seeds: no traces of errors, a log of warnings.
Error.stackTraceLimit = 0;

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

for (let warm = 1; warm <= 5; warm += 1) await once(warm);
const began = performance.now();
const before = process.cpuUsage();
let played = 0;
let requests = 0;
while (performance.now() - began < seconds * 1000) {
  played += 1;
  requests += (await once(played)).network.requests;
}
const { user, system } = process.cpuUsage(before);
const took = (user + system) / 1e6;
console.log(
  `${(played / took).toFixed(1)} deployments of ${nodes} nodes a CPU second, ${Math.round(requests / played)} requests each`,
);
