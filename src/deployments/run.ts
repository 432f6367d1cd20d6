import { createActor } from 'xstate';
import type { Move, NodeUuid } from '../../machines/domain.ts';
import type { Item } from '../../machines/migration/items.ts';
import { createMigrationMachine } from '../../machines/migration/machine.ts';
import type { MigrationOutput, MigrationPorts, MigrationReport } from '../../machines/migration/setup.ts';
import type { NodeReport } from '../../machines/node/setup.ts';
import type { Clock } from '../openstack/clock.ts';
import type { DeepReadonly, StoredDeployment } from '../store/types.ts';

/** What a running migration tells about itself. */
export interface RunListener {
  readonly migration: (report: MigrationReport) => void;
  readonly node: (report: NodeReport) => void;
  readonly waiting: (uuid: NodeUuid, reason: string | null) => void;
  /** What was told last of it. */
  readonly awaited: (uuid: NodeUuid) => string | null;
  readonly ended: (output: MigrationOutput) => void;
  /** The migration machine threw, a mistake of ours. Of this run nothing more is told. */
  readonly broken: (error: unknown) => void;
}

/** What the machines of a run are told by. */
export interface RunPortsSetup {
  readonly listener: RunListener;
  /** XState leaves the children of a machine that threw at work: they ask this before they write anything. */
  readonly isOver: () => boolean;
}

export interface RunSetup {
  readonly record: DeepReadonly<StoredDeployment>;
  readonly items: readonly Item[];
  readonly options: { canary: number; failureBudget: number; nodeAttempts: number; windowOf: Record<string, number> };
  /** Ports of the machines for this run. */
  readonly ports: (setup: RunPortsSetup) => MigrationPorts;
  readonly listener: RunListener;
  /** By which the machines wait. */
  readonly clock: Pick<Clock, 'after'>;
}

/** A deployment that is being carried out. */
export interface Run {
  stop(): void;
  abort(): void;
  /** Ends the actors without touching anything: what is under way is found again at the next start. */
  drop(): void;
}

/** Builds the actors of a deployment from what is observed and starts them. */
export function startRun(setup: RunSetup): Run {
  const { record } = setup;
  let over = false;
  const isOver = () => over;
  const listener = untilOver(setup.listener, isOver);
  const machine = createMigrationMachine(setup.ports({ listener, isOver }));
  const actor = createActor(machine, {
    clock: timersOf(setup.clock),
    input: {
      course: {
        deployment: record.id,
        epoch: record.epoch,
        source: record.source,
        target: record.target,
      } satisfies Pick<Move, 'deployment' | 'epoch' | 'source' | 'target'>,
      items: setup.items,
      options: { window: record.options.maxUnavailable, ...setup.options },
      intent: record.intent,
    },
  });
  const subscription = actor.subscribe({
    complete: () => {
      const { output } = actor.getSnapshot();
      if (output === undefined) listener.broken(new Error('the migration ended without an outcome'));
      else listener.ended(output);
    },
    error: (error) => {
      listener.broken(error);
      over = true;
    },
  });
  actor.start();
  const send = (type: 'STOP' | 'ABORT') => {
    if (actor.getSnapshot().status === 'active') actor.send({ type });
  };
  return {
    stop: () => send('STOP'),
    abort: () => send('ABORT'),
    drop: () => {
      over = true;
      // A stopped actor completes without an outcome; that is no end of the deployment.
      subscription.unsubscribe();
      actor.stop();
    },
  };
}

/** Tells a listener everything as long as it is not over. */
function untilOver(listener: RunListener, isOver: () => boolean): RunListener {
  const only =
    <A extends unknown[]>(tell: (...told: A) => void) =>
    (...told: A): void => {
      if (!isOver()) tell(...told);
    };
  return {
    migration: only(listener.migration),
    node: only(listener.node),
    waiting: only(listener.waiting),
    awaited: listener.awaited,
    ended: only(listener.ended),
    broken: only(listener.broken),
  };
}

/** A clock as XState wants it, which keeps what it is given and hands it back to call it off. */
const timersOf = (clock: Pick<Clock, 'after'>) => ({
  setTimeout: (fn: () => void, ms: number): unknown => clock.after(ms, fn),
  clearTimeout: (callOff: unknown): void => (callOff as () => void)(),
});
