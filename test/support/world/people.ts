import type { Answer, DeployRequest, Refusal as RefusalAnswer, RefusalCode } from '../../../src/deployments/types.ts';
import { isEnded } from '../../../src/store/state.ts';
import { isWrite } from './calls.ts';
import type { World } from './world.ts';
import { ALICE, BOB } from './world.ts';

/** What people want of a deployment, in this order. They ask again when Ephyra is gone before it has answered. */
export interface Wish {
  readonly options?: NonNullable<DeployRequest['options']>;
  readonly direction?: readonly [string, string];
  /** Abort or stop it once so many nodes have moved, if it has not ended by then. */
  readonly abortAfter?: number;
  readonly stopAfter?: number;
  /** Tells deliveries of the same wish from those of another. */
  readonly key?: string;
}

export const hasEnded = (world: World): boolean => {
  const { record } = world;
  return record !== undefined && isEnded(record);
};

const moved = (world: World): number => world.record?.results.filter(({ place }) => place === 'moved').length ?? 0;

/** Ephyra does not do what people want of it, and says why. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: RefusalCode;

  constructor({ code, message, problems }: RefusalAnswer) {
    super(`${code}: ${message} ${problems.map(({ message: one }) => one).join(' ')}`);
    this.code = code;
  }
}

/** Asks until there is an answer. @throws Refusal */
export async function insist<T>(
  world: World,
  question: Parameters<World['ask']>[0] & ((ephyra: World['ephyra']) => Promise<Answer<T>>),
): Promise<T> {
  for (;;) {
    await world.until(() => world.process !== null, undefined, 'Ephyra');
    const answer = (await world.ask(question)) as Answer<T> | null;
    if (answer === null) continue;
    if (answer.ok) return answer.value;
    throw new Refusal(answer.refusal);
  }
}

/** Deploys and approves, resolves once it is under way. */
export async function begin(world: World, wish: Wish = {}): Promise<string> {
  const [source, target] = wish.direction ?? ['cp1', 'cp2'];
  const idempotencyKey = wish.key ?? 'wish-1';
  const { id } = await insist(world, (ephyra) =>
    ephyra.deploy({
      source,
      target,
      by: ALICE,
      idempotencyKey,
      ...(wish.options === undefined ? {} : { options: wish.options }),
    }),
  );
  while (world.record?.state === 'awaiting_approval') {
    await world.until(() => world.process !== null, undefined, 'Ephyra');
    const answer = await world.ask((ephyra) => ephyra.approve({ id, by: BOB }));
    if (answer?.ok !== false) continue;
    if (answer.refusal.code !== 'wrong_state') {
      await withdraw(world, id);
      throw new Refusal(answer.refusal);
    }
    await world.pass(1_000);
  }
  return id;
}

/** Nobody wants what cannot be approved. */
async function withdraw(world: World, id: string): Promise<void> {
  const open = () => world.disk.deployments.find((record) => record.id === id && !isEnded(record));
  for (let tries = 0; open() !== undefined; tries += 1) {
    if (tries > 10_000) throw new Error(`${id} can be neither approved nor withdrawn`);
    await world.until(() => world.process !== null, undefined, 'Ephyra');
    // What stands half-way cannot be stopped.
    const how = open()?.state === 'found' ? 'abort' : 'stop';
    await world.ask((ephyra) => ephyra[how]({ id, by: ALICE }));
    if (open() !== undefined) await world.pass(10_000);
  }
}

/** Ephyra asks about nodes that stand half-way. */
const isAsking = (world: World): boolean => world.process !== null && world.record?.state === 'found';

/**
 * Says that nodes that stand half-way go on, or come back where too many of them have failed for that. Refused while a lock
 * holds, or while the cloud does not answer: asked again.
 */
async function letGoOn(world: World): Promise<void> {
  const answer = await world.ask((ephyra) => ephyra.approve({ by: BOB }));
  if (answer?.ok === false && answer.refusal.code === 'over_budget') {
    await world.ask((ephyra) => ephyra.abort({ by: BOB }));
  }
  if (isAsking(world)) await world.pass(10_000);
}

/** Whoever is asked meanwhile about nodes that stand half-way says that they go on. */
async function untilAnswering(world: World, holds: () => boolean, limitMs: number, what: string): Promise<void> {
  const end = world.time.now() + limitMs;
  for (;;) {
    await world.until(() => holds() || isAsking(world), end - world.time.now(), what);
    if (holds()) return;
    if (world.time.now() >= end) throw new Error(`${what} did not happen: people are asked in vain`);
    await letGoOn(world);
  }
}

/** Lets people have their wish, to its end within `limitMs`. Returns the state in which it ended. @throws Refusal */
export async function play(world: World, wish: Wish = {}, limitMs = 24 * 3_600_000): Promise<string> {
  await begin(world, wish);
  const limit = wish.abortAfter ?? wish.stopAfter;
  if (limit !== undefined) {
    await untilAnswering(world, () => hasEnded(world) || moved(world) >= limit, limitMs, `${limit} nodes moved`);
    const intent = wish.abortAfter === undefined ? 'stop' : 'abort';
    const end = world.time.now() + limitMs;
    while (!hasEnded(world) && world.record?.intent !== intent) {
      if (world.time.now() >= end) throw new Error(`it could not be asked to ${intent}`);
      await world.until(() => world.process !== null, undefined, 'Ephyra');
      const answer = await world.ask((ephyra) => ephyra[intent]({ by: ALICE }));
      if (answer?.ok !== false) continue;
      if (answer.refusal.code !== 'wrong_state') throw new Refusal(answer.refusal);
      // What was found cannot be stopped, as nothing moves: it is decided about first.
      if (isAsking(world)) await letGoOn(world);
      else await world.pass(1_000);
    }
  }
  await untilAnswering(world, () => hasEnded(world), limitMs, 'the end');
  await rest(world);
  return world.record?.state ?? 'none';
}

/** When it has ended, nothing more is done: not after a minute either. */
async function rest(world: World): Promise<void> {
  await world.until(() => world.process !== null, undefined, 'Ephyra');
  const ended = world.time.now();
  const outcome = world.record?.endedAt;
  await world.pass(60_000);
  // Somebody has had it aborted after its end: then that is what is waited for.
  if (!hasEnded(world)) {
    await untilAnswering(world, () => hasEnded(world), 24 * 3_600_000, 'the end');
    return;
  }
  // ... and was at its end again within the minute.
  if (world.record?.endedAt !== outcome) return;
  const late = world.writes.filter((call) => call.sentAt > ended && isWrite(call));
  if (late.length > 0) throw new Error(`writes after the end: ${late.map(({ write }) => write).join(', ')}`);
}
