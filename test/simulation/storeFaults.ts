import type { Answer } from '../../src/deployments/types.ts';
import { emptyState, isEnded } from '../../src/store/state.ts';
import type { DeepReadonly, StoreState } from '../../src/store/types.ts';
import { allInvariants } from '../support/invariants/index.ts';
import { serves } from '../support/world/application.ts';
import { isWrite } from '../support/world/calls.ts';
import type { Point } from '../support/world/installation.ts';
import { ALICE, BOB, World } from '../support/world/world.ts';
import { isChange, pointsOf, STORIES, type Story } from './restart.ts';

type State = DeepReadonly<StoreState>;

/** What is on the disk when Ephyra starts again, from all that was ever on it, oldest first. */
export interface StoreFault {
  readonly name: string;
  readonly becomes: (versions: readonly State[]) => State;
  /** Something on the disk tells that it is an older copy. */
  readonly told?: string;
}

export const LOST: StoreFault = { name: 'the store is lost', becomes: () => emptyState() };

/** The copy of so many writes ago; before the first there was an empty one. */
export const olderBy = (writes: number): StoreFault => ({
  name: `the store is a copy of ${writes} ${writes === 1 ? 'write' : 'writes'} ago`,
  becomes: (versions) => versions[versions.length - 1 - writes] ?? emptyState(),
});

/** The same, and the version that was there last tells that it is behind. */
export const toldOlderBy = (writes: number): StoreFault => ({
  ...olderBy(writes),
  name: `${olderBy(writes).name}, and that is known`,
  told: 'The store is an older copy.',
});

export const HALF: StoreFault = {
  name: 'the store is a copy from half-way',
  becomes: (versions) => versions[Math.floor((versions.length - 1) / 2)] ?? emptyState(),
};

/** All that befalls the store in the tests. */
export const STORE_FAULTS: readonly StoreFault[] = [LOST, olderBy(1), olderBy(3), HALF, toldOlderBy(1), toldOlderBy(3)];

/** What a person says whenever Ephyra asks. */
export type Choice = 'go on' | 'bring back';

export interface Aftermath {
  readonly world: World;
  /** What was on the disk before the fault. */
  readonly before: State;
  /** What was on it after the fault. */
  readonly copy: State;
  /** Nodes that bore marks then. */
  readonly marked: number;
  /** What Ephyra had written to the clouds when it was killed. */
  readonly writesBefore: number;
  /** The same when it first asked; null when it asked nothing. */
  readonly writesWhenAsked: number | null;
  /** Deployments that Ephyra asked about. */
  readonly asked: number;
  /** States in which what was known after the fault has ended. */
  readonly ends: readonly string[];
}

const HOUR = 3_600_000;

/** Tokens and leases change no node. */
const changesMade = (world: World): number => world.writes.filter((call) => isWrite(call) && call.node !== null).length;

/**
 * Plays a story, kills Ephyra at the point, lets the fault befall the store, starts again, and lets a person answer what
 * is asked and see to it that in the end all nodes are where they are wanted. Throws what breaks.
 */
export async function befallen(story: Story, point: Point, fault: StoreFault, choice: Choice): Promise<Aftermath> {
  const versions: State[] = [];
  let struck = false;
  let writesBefore = 0;
  let marked = 0;
  const world = new World({
    ...story.options,
    seed: 1,
    invariants: [...allInvariants, () => ({ name: 'versions', stored: (state: State) => versions.push(state) })],
    kill: ({ index }) => {
      if (index !== point.index) return false;
      struck = true;
      writesBefore = changesMade(world);
      marked = markedNodes(world);
      world.disk = fault.becomes(versions);
      world.diskBehind = fault.told ?? null;
      world.note(fault.name);
      return true;
    },
  });
  world.keepRunning(() => 500);
  story.prepare?.(world);
  await world.start();
  await perform(world, story, () => struck);
  const [before, copy] = [versions.at(-1) ?? emptyState(), world.disk];
  const { asked, writesWhenAsked } = await answerAll(world, choice);
  const ends = world.disk.deployments.map(({ state }) => state);
  await tidyUp(world, choice);
  return { world, before, copy, marked, writesBefore, writesWhenAsked, asked, ends };
}

/**
 * Plays a story while the disk takes nothing from the point on, for so long; in the end all must be in its place and on
 * the disk, or Ephyra is killed in between and started on what the disk holds.
 */
export async function refused(
  story: Story,
  point: Point,
  how: { readonly forMs: number; readonly killAfterMs: number | null },
): Promise<World> {
  let refusing = false;
  const world = new World({
    ...story.options,
    seed: 1,
    kill: ({ index }) => {
      if (index !== point.index || refusing) return false;
      refusing = true;
      world.note('the disk is full');
      world.diskRefuses = 'ENOSPC: no space left on device';
      world.time.after(how.forMs, () => {
        world.note('the disk has space again');
        world.diskRefuses = null;
      });
      if (how.killAfterMs !== null) world.time.after(how.killAfterMs, () => world.kill('while the disk is full'));
      return false;
    },
  });
  world.keepRunning(() => 500);
  story.prepare?.(world);
  await world.start();
  await perform(world, story, () => false);
  await world.until(() => world.diskRefuses === null, HOUR, 'space on the disk');
  await answerAll(world, 'go on');
  await tidyUp(world, 'go on');
  return world;
}

/** What people do in the story until it is over, or the fault has struck. */
async function perform(world: World, { wish }: Story, struck: () => boolean): Promise<void> {
  const request = { source: 'cp1', target: 'cp2', by: ALICE, idempotencyKey: 'story' } as const;
  await granted(world, struck, (ephyra) => ephyra.deploy(request));
  await granted(world, struck, (ephyra) => ephyra.approve({ by: BOB }));
  if (struck()) return;
  const moved = () => world.record?.results.filter(({ place }) => place === 'moved').length ?? 0;
  const over = () => struck() || allEnded(world);
  await world.until(() => over() || moved() >= (wish.abortAfter ?? Number.POSITIVE_INFINITY), 24 * HOUR, 'its middle');
  if (!over()) await granted(world, struck, (ephyra) => ephyra.abort({ by: ALICE }));
  await world.until(over, 24 * HOUR, 'its end');
}

/** Passes by itself: a disk that is full, a lease of the process before, which a lost store does not know as its own. */
const PASSING: ReadonlySet<string> = new Set(['not_recorded', 'held_elsewhere', 'lease_unsure']);

/** People ask again while Ephyra is down, or while what stands in the way passes by itself. */
export async function granted(
  world: World,
  struck: () => boolean,
  question: (ephyra: World['ephyra']) => Promise<Answer<unknown>>,
): Promise<void> {
  while (!struck()) {
    await world.until(() => world.process !== null, HOUR, 'Ephyra');
    const answer = await world.ask(question);
    if (answer?.ok === true || answer?.refusal.code === 'wrong_state') return;
    if (answer !== null && !PASSING.has(answer.refusal.code)) {
      const { code, message, problems } = answer.refusal;
      const all = [message, ...problems.map((one) => one.message)].join(' ');
      throw new Error(`${code}: ${all}\n${world.trace.last(40).join('\n')}`);
    }
    await world.pass(10_000);
  }
}

const markedNodes = (world: World): number =>
  [...world.mirrors.values()].flatMap((mirror) => [...mirror.nodes.values()]).filter(isMarked).length;

const isMarked = ({ extra }: { readonly extra: Readonly<Record<string, unknown>> }): boolean =>
  extra['ephyra'] !== undefined;

const allEnded = (world: World): boolean => world.disk.deployments.every(isEnded);

/** Answers every question, until everything has ended. */
async function answerAll(
  world: World,
  choice: Choice,
): Promise<{ readonly asked: number; readonly writesWhenAsked: number | null }> {
  const asked = new Set<string>();
  let writesWhenAsked: number | null = null;
  for (let turn = 0; turn < 20; turn += 1) {
    await world.until(() => world.process !== null, HOUR, 'Ephyra');
    // Long enough for the first look, and for whoever has something to say.
    await world.pass(60_000);
    const waiting = world.disk.deployments.find(({ state }) => state === 'found' || state === 'awaiting_approval');
    if (waiting === undefined) {
      if (allEnded(world)) return { asked: asked.size, writesWhenAsked };
      await world.until(() => allEnded(world) || questions(world), 24 * HOUR, 'the end');
      continue;
    }
    const { id, state } = waiting;
    if (state === 'found') {
      asked.add(id);
      writesWhenAsked ??= changesMade(world);
    }
    await granted(
      world,
      () => false,
      (ephyra) => (choice === 'go on' ? ephyra.approve({ id, by: BOB }) : ephyra.abort({ id, by: BOB })),
    );
  }
  throw new Error(`people are asked again and again\n${world.trace.last(60).join('\n')}`);
}

const questions = (world: World): boolean =>
  world.disk.deployments.some(({ state }) => state === 'found' || state === 'awaiting_approval');

/** What is left goes where the rest is, by ordinary deployments; nothing may stand in their way. */
async function tidyUp(world: World, choice: Choice): Promise<void> {
  const [source, target] = choice === 'go on' ? (['cp1', 'cp2'] as const) : (['cp2', 'cp1'] as const);
  for (let turn = 0; turn < 4 && world.mirror(source).nodes.size > 0; turn += 1) {
    await granted(
      world,
      () => false,
      (ephyra) => ephyra.deploy({ source, target, by: ALICE }),
    );
    await granted(
      world,
      () => false,
      (ephyra) => ephyra.approve({ by: BOB }),
    );
    await world.until(() => allEnded(world), 24 * HOUR, 'the end of the rest');
  }
  await world.pass(60_000);
  if (world.mirror(source).nodes.size > 0) throw new Error(`nodes are left in ${source}`);
  const marked = [...world.mirror(target).nodes.values()].filter(isMarked);
  if (marked.length > 0) throw new Error(`${marked.map(({ name }) => name).join(', ')} still bear marks`);
  const down = world.application.members().filter((member) => !serves(member));
  if (down.length > 0) throw new Error(`${down.map(({ name }) => name).join(', ')} do not serve`);
  if (world.violation !== null) throw world.violation;
}

/** Every fault at every change of every story, with both answers. Returns how many broke something. */
export async function sweep(tell: (line: string) => void): Promise<number> {
  let failed = 0;
  for (const story of STORIES) {
    const points = (await pointsOf(story)).filter(isChange);
    for (const fault of STORE_FAULTS) {
      let asked = 0;
      for (const choice of ['go on', 'bring back'] as const) {
        for (const point of points) {
          try {
            asked += (await befallen(story, point, fault, choice)).asked;
          } catch (error) {
            failed += 1;
            tell(`at point ${point.index} (${point.kind} ${point.what}), ${choice}: ${String(error)}`);
          }
        }
      }
      tell(`${story.name}; ${fault.name}: ${2 * points.length} runs, asked ${asked} times, ${failed} failed so far`);
    }
  }
  return failed;
}
