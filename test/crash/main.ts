import { readFileSync } from 'node:fs';
import { numberOf, optionsOf, orRefuse } from '../support/options.ts';
import { createRandom } from '../support/world/random.ts';
import { bundle } from './bundle.ts';
import type { Point } from './points.ts';
import { KINDS, kindOf, nameOf, targetOf, withoutCommon } from './points.ts';
import { STORIES, storyCalled } from './stories.ts';
import type { Enumerated, Failure, Resume, Task } from './sweep.ts';
import { JOBS, RESUME_LIMIT_MS, repeatOf, Sweep, slowOf } from './sweep.ts';

const USAGE = `Kills the real Ephyra with SIGKILL around every request and every write of three deployments, starts it again, and
compares what becomes of the world.

  --story NAME    only this one: ${STORIES.map(({ name }) => name).join(', ')}
  --point POINT   only this point, with its log
    --fresh       ... of a process that has just started
    --second N    ... and the next process at its N-th point
  --kind KIND     only these: ${KINDS.join(', ')}
  --pairs N       so many pairs of kills by chance (default 30)
  --seed S        what they are chosen by (default: by the time of day, printed)
  --jobs N        so many deployments at a time (default ${JOBS})
  --list          only tells the points
`;

const values = optionsOf({
  options: {
    story: { type: 'string' },
    point: { type: 'string' },
    fresh: { type: 'boolean', default: false },
    second: { type: 'string' },
    kind: { type: 'string' },
    pairs: { type: 'string', default: '30' },
    seed: { type: 'string' },
    jobs: { type: 'string', default: String(JOBS) },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

function tell({ story, points, merged, total }: Enumerated): void {
  const byKind = KINDS.map((kind) => `${points.filter((point) => kindOf(point) === kind).length} ${kind}`);
  console.log(
    `${story.name}: ${points.length} points (${byKind.join(', ')}), of which ${points.filter(({ fresh }) => fresh).length} only after a start; ` +
      `a run comes by ${total}, ${merged} repeats of a read within one wait are left out: first and last are kept`,
  );
}

function tellFailure({ task, problems, log }: Failure, whole: boolean): void {
  console.log(
    `\nFAILED ${task.point.story}: ${nameOf(task.point)}${task.second === null ? '' : `, then ${task.second}`}`,
  );
  for (const problem of problems) console.log(`  ${problem.replaceAll('\n', '\n    ')}`);
  if (whole) for (const line of log) console.log(`  | ${line}`);
  console.log(`  ${repeatOf(task)}`);
}

/** One point, with all that is to be known of it. */
async function one(): Promise<boolean> {
  const story = orRefuse(() => storyCalled(values.story ?? ''));
  const point: Point = { ...orRefuse(() => targetOf(values.point ?? '')), story: story.name, fresh: values.fresh };
  const sweep = new Sweep([story], 2, await bundle());
  const second = values.second === undefined ? null : numberOf('second', values.second);
  try {
    // Unkilled first: the process is to have carried out a deployment already.
    await sweep.enumerate(story);
    await sweep.run([{ point, second, tries: 0 }], 1, () => undefined);
    for (const failure of sweep.failures) tellFailure(failure, true);
    if (sweep.missed.length > 0) console.log(`No run came by ${nameOf(point)}.`);
    // Alone as it is: this is the run that counts.
    return finish(
      sweep,
      sweep.resumes.filter(({ ms }) => ms > RESUME_LIMIT_MS),
    );
  } finally {
    await sweep.close();
  }
}

async function all(): Promise<boolean> {
  const began = performance.now();
  const { story, kind } = values;
  const stories = story === undefined ? STORIES : [orRefuse(() => storyCalled(story))];
  orRefuse(() => {
    if (kind !== undefined && !KINDS.some((one) => one === kind))
      throw new Error(`there is no kind "${kind}"; there are ${KINDS.join(', ')}`);
  });
  const jobs = Math.max(1, numberOf('jobs', values.jobs));
  const pairsWanted = numberOf('pairs', values.pairs);
  const seed = values.seed === undefined ? Date.now() % 1_000_000 : numberOf('seed', values.seed);
  const sweep = new Sweep(stories, Math.ceil(jobs / 2), await bundle());
  try {
    const found = await Promise.all(stories.map((story) => sweep.enumerate(story)));
    for (const list of found) tell(list);
    const { lists, common } = withoutCommon(found);
    if (common > 0)
      console.log(`${common} of these are the same in several stories, which have not parted yet: one has them`);
    const runBegan = performance.now();
    const points = lists.flatMap((list) => list.points).filter((point) => kind === undefined || kindOf(point) === kind);
    if (values.list) {
      for (const point of points)
        console.log(`${point.story}: ${nameOf(point)}${point.fresh ? ' (after a start)' : ''}`);
      return true;
    }
    const pairs = Sweep.pairs(lists, pairsWanted, seed);
    console.log(`${points.length} points, and ${pairs.length} pairs by --seed ${seed}; ${jobs} deployments at a time`);
    const tasks = inAnyOrder([...points.map((point) => ({ point, second: null, tries: 0 })), ...pairs], seed);
    let toldAt = performance.now();
    let failuresTold = 0;
    await sweep.run(tasks, jobs, (left) => {
      for (; failuresTold < sweep.failures.length; failuresTold += 1) {
        const failure = sweep.failures[failuresTold];
        if (failure !== undefined) tellFailure(failure, false);
      }
      if (performance.now() - toldAt < 10_000) return;
      toldAt = performance.now();
      const done = tasks.length - left;
      const seconds = (toldAt - began) / 1000;
      const eta = Math.round(((toldAt - runBegan) / 1000 / Math.max(1, done)) * left);
      console.log(
        `${done} of ${tasks.length} in ${Math.round(seconds)} s, ${sweep.failures.length} failed, about ${eta} s left`,
      );
    });
    for (const task of sweep.missed) {
      console.log(`NOT REACHED ${task.point.story}: ${nameOf(task.point)}\n  ${repeatOf(task)}`);
    }
    console.log(
      `Went on after ${[0.5, 0.99, 1].map((share) => quantile(sweep, share)).join(', ')} ms (median, 99 of 100, longest; loading the program included); ` +
        `${sweep.processes} processes, of which ${sweep.compiled} compiled the program; ${sweep.again} runs did not come by their point and were repeated; ` +
        `${sweep.merged} last repeats of a read were the first; of the pairs the second kill was reached in ${sweep.seconds.reached}`,
    );
    const slow = slowOf(sweep.resumes).length;
    const told = sweep.failures.length;
    const late = await sweep.late();
    if (slow > 0) console.log(`${slow} starts took over ${RESUME_LIMIT_MS} ms: carried out again alone`);
    for (const failure of sweep.failures.slice(told)) tellFailure(failure, false);
    console.log(`${Math.round((performance.now() - began) / 1000)} s, ${cpuSeconds()} s of CPU`);
    return finish(sweep, late);
  } finally {
    await sweep.close();
  }
}

/** So that what is wrong with one part of a deployment shows early, and the time left can be told. */
function inAnyOrder(tasks: readonly Task[], seed: number): Task[] {
  const order = createRandom(seed).fork('order');
  return tasks
    .map((task) => ({ task, rank: order.next() }))
    .sort((one, other) => one.rank - other.rank)
    .map(({ task }) => task);
}

/** Of this process and of those that it has started and that have ended. */
function cpuSeconds(): string {
  const { user, system } = process.cpuUsage();
  const own = (user + system) / 1e6;
  try {
    // After the name, the 14th and 15th are what children have used, in hundredths of a second.
    const fields = readFileSync('/proc/self/stat', 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    return String(Math.round(own + (Number(fields[13]) + Number(fields[14])) / 100));
  } catch {
    return `${Math.round(own)} (without Ephyra's)`;
  }
}

/** `late`: starts that took too long though nothing else was going on. */
function finish(sweep: Sweep, late: readonly Resume[]): boolean {
  for (const { task, ms } of late)
    console.log(
      `FAILED a start took ${Math.round(ms)} ms to go on, of ${RESUME_LIMIT_MS}, alone:\n  ${repeatOf(task)}`,
    );
  const failed = sweep.failures.length + sweep.missed.length + late.length;
  console.log(`${sweep.passed} passed, ${failed} failed`);
  return failed === 0 && sweep.passed > 0;
}

/** Within how many milliseconds that share of the starts went on. */
function quantile({ resumes }: Sweep, share: number): number {
  const sorted = resumes.map(({ ms }) => ms).sort((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
}

if (values.help) console.log(USAGE);
else {
  const went = await (values.point === undefined ? all() : one());
  process.exitCode = went ? 0 : 1;
}
