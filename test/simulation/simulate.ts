import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { numberOf, optionsOf } from '../support/options.ts';
import { collisions } from './collisions.ts';
import { HEAP_OPTIONS } from './heap.ts';
import { cutOff, pointsOf, STORIES } from './restart.ts';
import type { Outcome } from './run.ts';
import { run } from './run.ts';
import type { Scenario } from './scenario.ts';
import { scenarioOf } from './scenario.ts';
import { replay, shrink, sizeOf } from './shrink.ts';
import { sweep } from './storeFaults.ts';
import { KINDS, Tally } from './tally.ts';

const USAGE = `Plays deployments in simulated worlds and watches the invariants.

  --seeds N       so many worlds (default 1000; of collisions all)
  --base B        the first seed (default: by the time of day, printed)
  --processes P   default: one for each core
  --replay SEED   plays one seed again and tells its whole story; with --shrink the least that still breaks
  --behind        only worlds with lists that are behind much and often, which else are one of seven
  --first         stops at the first violation, and says no more than which
  --collisions    interferes with a node within seconds of each write to it, whatever becomes of that write, instead of worlds
                  made up from seeds; with --replay N and --shrink of the N-th of them
  --restarts      kills and starts Ephyra at every single point of three deployments instead
  --store-faults  the same at every change, and loses the store meanwhile or puts an older copy in its place
`;

const values = optionsOf({
  options: {
    seeds: { type: 'string' },
    base: { type: 'string' },
    processes: { type: 'string' },
    replay: { type: 'string' },
    shrink: { type: 'boolean', default: false },
    collisions: { type: 'boolean', default: false },
    restarts: { type: 'boolean', default: false },
    'store-faults': { type: 'boolean', default: false },
    first: { type: 'boolean', default: false },
    behind: { type: 'boolean', default: false },
    worker: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

const WHAT = values.collisions ? 'collisions' : 'seeds';
/** What a number of these is to be played with again. */
const WHICH = [...(values.collisions ? ['--collisions'] : []), ...(values.behind ? ['--behind'] : [])];

/** What is played, by its number. */
async function scenarios(): Promise<{ readonly count: number; readonly of: (number: number) => Scenario }> {
  const seeds = values.seeds === undefined ? null : numberOf('seeds', values.seeds);
  if (!values.collisions) return { count: seeds ?? 1_000, of: (seed) => scenarioOf(seed, values.behind || undefined) };
  const all = await collisions();
  return {
    count: Math.min(seeds ?? all.length, all.length),
    of(number) {
      // Any part of them has something of everything, so that one may begin anywhere.
      const found = all[number % all.length];
      if (found === undefined) throw new Error('there are no collisions');
      return found;
    },
  };
}

/** So many runs are told of at once: telling takes time, too. */
const TOLD_AT_ONCE = 10;

/** One process: plays every so-many-th seed and sends what came of it. */
async function work(spec: string): Promise<void> {
  const [base = 0, count = 0, step = 1, offset = 0] = spec.split(',').map(Number);
  // Whoever asked for the outcomes has gone: nobody would ever stop it.
  process.once('disconnect', () => process.exit(0));
  process.channel?.unref();
  // Thousands of errors are made that nobody looks at; whoever plays a seed again has their traces.
  Error.stackTraceLimit = 0;
  const { of } = await scenarios();
  let outcomes: Outcome[] = [];
  for (let at = offset; at < count; at += step) {
    const seed = base + at;
    const { outcome } = await run(of(seed));
    // By which it is played again: the worlds of all collisions have the same seed.
    outcomes.push({ ...outcome, seed });
    if (outcomes.length < TOLD_AT_ONCE && outcome.failure === null) continue;
    process.send?.(outcomes);
    outcomes = [];
  }
  process.send?.(outcomes);
}

async function many(base: number, count: number, processes: number): Promise<Tally> {
  const tally = new Tally();
  const began = performance.now();
  const children: ChildProcess[] = [];
  console.log(`${count} ${WHAT} from ${base} on, in ${processes} processes`);
  const progress = setInterval(() => {
    const rate = tally.runs / ((performance.now() - began) / 1000);
    const left = rate === 0 ? '?' : String(Math.round((count - tally.runs) / rate));
    console.log(
      `${tally.runs} of ${count}, ${rate.toFixed(1)} a second, ${left} s left, ${tally.failures.length} violations`,
    );
  }, 5_000);
  await Promise.all(
    Array.from({ length: processes }, (_, offset) => {
      const spec = `${base},${count},${processes},${offset}`;
      const child = fork(fileURLToPath(import.meta.url), [...WHICH, '--worker', spec], {
        execArgv: [...process.execArgv, ...HEAP_OPTIONS],
      });
      children.push(child);
      child.on('message', (outcomes: readonly Outcome[]) => {
        for (const outcome of outcomes) {
          tally.add(outcome);
          if (outcome.failure !== null && !values.first) console.log(lineOf(outcome.seed, outcome.failure));
        }
        if (values.first && tally.failures.length > 0) for (const one of children) one.kill();
      });
      return new Promise<void>((resolve, reject) => {
        child.once('error', reject);
        child.once('exit', (code, signal) => {
          if (code === 0 || signal !== null) resolve();
          else reject(new Error(`a worker ended with ${code}`));
        });
      });
    }),
  ).finally(() => clearInterval(progress));
  const seconds = (performance.now() - began) / 1000;
  console.log(`took ${seconds.toFixed(0)} s, ${(tally.runs / seconds).toFixed(1)} runs a second`);
  return tally;
}

const lineOf = (seed: number, { invariant, message }: NonNullable<Outcome['failure']>): string =>
  `violation: seed ${seed}: ${invariant}: ${message.split('\n', 1)[0]}`;

async function tellFailure(seed: number, scenario: Scenario): Promise<void> {
  const { outcome } = await run(scenario);
  if (outcome.failure === null) {
    console.log(`seed ${seed} breaks nothing`);
    return;
  }
  const small = await shrink(scenario, outcome.failure.invariant);
  const again = await replay(small);
  console.log(`seed ${seed}, shrunk from ${sizeOf(scenario)} to ${sizeOf(small)}: ${JSON.stringify(small)}`);
  console.log(again.outcome.failure?.message ?? outcome.failure.message);
  console.log(`play it again: npm run simulate -- ${[...WHICH, '--replay', seed].join(' ')}`);
}

async function restarts(): Promise<number> {
  let failed = 0;
  for (const story of STORIES) {
    const points = await pointsOf(story);
    const began = performance.now();
    for (const point of points) {
      try {
        await cutOff(story, ({ index }) => index === point.index);
      } catch (error) {
        failed += 1;
        console.log(`killed at point ${point.index} (${point.kind} ${point.what}): ${String(error)}`);
      }
    }
    const seconds = Math.round((performance.now() - began) / 1000);
    console.log(`${story.name}: ${points.length} points, ${failed} failed so far, ${seconds} s`);
  }
  return failed;
}

/** With so many seeds there is no excuse for a kind of trouble that never happened. */
const ENOUGH = 5_000;

async function main(): Promise<void> {
  if (values.help) {
    console.log(USAGE);
    return;
  }
  if (values.worker !== undefined) return work(values.worker);
  if (values.restarts) {
    process.exitCode = (await restarts()) === 0 ? 0 : 1;
    return;
  }
  if (values['store-faults']) {
    process.exitCode = (await sweep((line) => console.log(line))) === 0 ? 0 : 1;
    return;
  }
  if (values.replay !== undefined) {
    const seed = numberOf('replay', values.replay);
    const scenario = (await scenarios()).of(seed);
    if (values.shrink) return tellFailure(seed, scenario);
    const { outcome, story } = await replay(scenario);
    console.log(story.join('\n'));
    console.log(JSON.stringify({ ...outcome, failure: outcome.failure?.invariant ?? null }));
    process.exitCode = outcome.failure === null ? 0 : 1;
    return;
  }
  const { count, of } = await scenarios();
  // Below 2^31, so that no two seeds are the same to the generator.
  const first = values.collisions ? 0 : Math.floor(Date.now() / 1000) % 2_000_000_000;
  const base = values.base === undefined ? first : numberOf('base', values.base);
  const processes = values.processes === undefined ? availableParallelism() : numberOf('processes', values.processes);
  const tally = await many(base, count, Math.max(1, processes));
  const [worst] = tally.failures.sort((a, b) => a.seed - b.seed);
  if (values.first && worst !== undefined) {
    console.log(`found seed ${worst.seed}: ${worst.invariant}: ${worst.message.split('\n', 1)[0]}`);
    process.exitCode = 1;
    return;
  }
  for (const line of tally.report()) console.log(line);
  const missing = values.collisions ? [] : KINDS.filter((kind) => !tally.faults.has(kind));
  if (missing.length > 0) {
    console.log(`did not happen: ${missing.join(', ')}`);
    // A few seeds cannot have everything; of so many, each kind has its share, or it is broken.
    if (count >= ENOUGH) process.exitCode = 1;
  }
  console.log(`${WHAT} from ${base} on: ${tally.runs} runs, ${tally.failures.length} violations`);
  if (worst === undefined) return;
  process.exitCode = 1;
  await tellFailure(worst.seed, of(worst.seed));
}

await main();
