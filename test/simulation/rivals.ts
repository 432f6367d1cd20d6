import { isWrite } from '../support/world/calls.ts';
import type { Installation } from '../support/world/installation.ts';
import type { Random } from '../support/world/random.ts';
import { twins } from '../support/world/twins.ts';
import { ALICE, BOB, type World, type WorldOptions } from '../support/world/world.ts';

/** What happens to one of several Ephyras that were started on the same clouds by mistake. */
export interface Rivalry {
  readonly who: number;
  readonly what: 'approve' | 'stop' | 'abort' | 'freeze' | 'thaw' | 'kill' | 'start' | 'jump';
  /** By how much its clock jumps; of one that is to stand still, whether at once (below 0) or in the middle of its next write. */
  readonly byMs: number;
  /** So long after it the next thing happens. */
  readonly thenMs: number;
}

const HOSTS = [{ host: 'host-a' }, { host: 'host-b' }, { host: 'host-c' }] as const;
const LEASE_MS = 30_000;

export const rivalryOf = (random: Random): Rivalry[] =>
  Array.from({ length: 60 }, () => ({
    who: random.between(0, HOSTS.length - 1),
    what: random.pick([
      'approve',
      'approve',
      'approve',
      'approve',
      'stop',
      'abort',
      'start',
      'freeze',
      'freeze',
      'thaw',
      'kill',
      'jump',
    ]),
    byMs: random.between(-200_000, 200_000),
    thenMs: random.pick([0, 10, 1_000, 20_000, 40_000]),
  }));

/**
 * Lets several Ephyras that do not know of each other have their way with the same nodes. The watchers complain when two of
 * them write to one control plane. Calls `happened` for everything that does.
 */
export function playRivals(
  options: WorldOptions,
  rivalry: readonly Rivalry[],
  happened: (kind: string) => void,
): { readonly world: World; readonly play: () => Promise<string> } {
  const deployment = { ...options.deployment, leaseMs: LEASE_MS };
  /** Those that stand still as soon as they have sent their next write, and hear of its answer when they go on. */
  const stopping = new Set<Installation>();
  const disturb: WorldOptions['disturb'] = (call) => {
    const sender = ephyras.find(({ process }) => process === call.process);
    if (sender !== undefined && isWrite(call) && stopping.delete(sender)) sender.freeze();
    return options.disturb?.(call) ?? null;
  };
  const { world, ephyras } = twins({ ...options, disturb, drainMs: [1_000, 120_000], deployment }, HOSTS);
  const approve = (ephyra: Installation) => void ephyra.send((door) => door.approve({ by: BOB }));
  const play = async (): Promise<string> => {
    const [one] = ephyras;
    if (one === undefined) throw new Error('there is no Ephyra');
    await one.start();
    await one.ask((door) => door.deploy({ source: 'cp1', target: 'cp2', by: ALICE, idempotencyKey: 'rivals' }));
    approve(one);
    await world.pass(30_000);
    for (const ephyra of ephyras) if (!ephyra.running) await ephyra.start();
    for (const { who, what, byMs, thenMs } of rivalry) {
      const ephyra = ephyras[who % ephyras.length];
      if (ephyra !== undefined && ephyra.running !== (what === 'start')) {
        if (what === 'thaw' || what === 'kill') stopping.delete(ephyra);
        if (what !== 'approve') happened(`Ephyras: ${what}`);
        if (what === 'approve') approve(ephyra);
        else if (what === 'stop' || what === 'abort') void ephyra.send((door) => door[what]({ by: BOB }));
        else if (what === 'freeze') {
          if (byMs < 0) ephyra.freeze();
          else stopping.add(ephyra);
        } else if (what === 'thaw') ephyra.thaw();
        else if (what === 'kill') ephyra.kill();
        else if (what === 'jump') ephyra.skewMs += byMs;
        else await ephyra.start();
      }
      await world.pass(thenMs);
    }
    const atWork = ephyras.filter(({ processes }) =>
      world.writes.some((call) => isWrite(call) && processes.includes(call.process)),
    );
    return `of rivals ${atWork.length} wrote`;
  };
  return { world, play };
}
