import { createActor } from 'xstate';
import type { Move, NodeUuid } from '../../machines/domain.ts';
import type { Item, MigrationOptions } from '../../machines/migration/items.ts';
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

export interface RunSetup {
  readonly record: DeepReadonly<StoredDeployment>;
  readonly items: readonly Item[];
  readonly options: Omit<MigrationOptions, 'window'>;
  /** Ports of the machines for this run; what they tell goes to this listener. */
  readonly ports: (listener: RunListener) => MigrationPorts;
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
  const over = new AbortController();
  const listener = mutedBy(over.signal, setup.listener);
  const machine = createMigrationMachine(endedBy(over.signal, setup.ports(listener)));
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
      over.abort(new Error('the migration that led the node has broken down'));
      setup.listener.broken(error);
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
      over.abort();
      // A stopped actor completes without an outcome; that is no end of the deployment.
      subscription.unsubscribe();
      actor.stop();
    },
  };
}

/** XState leaves the nodes of a machine that threw at work: this ends what they do, and all that they try afterwards. */
function endedBy(over: AbortSignal, ports: MigrationPorts): MigrationPorts {
  const underWay = new Set<AbortController>();
  over.addEventListener('abort', () => {
    for (const work of underWay) work.abort(over.reason);
  });
  const until =
    <I, O>(port: (input: I, signal: AbortSignal) => Promise<O>) =>
    async (input: I, signal: AbortSignal): Promise<O> => {
      over.throwIfAborted();
      signal.throwIfAborted();
      const work = new AbortController();
      signal.addEventListener('abort', () => work.abort(signal.reason), { once: true });
      underWay.add(work);
      try {
        return await port(input, work.signal);
      } finally {
        underWay.delete(work);
      }
    };
  const { node } = ports;
  return { ...ports, node: { ...node, start: until(node.start), ensure: until(node.ensure) } };
}

/** Tells a listener everything until it is over. */
function mutedBy(over: AbortSignal, listener: RunListener): RunListener {
  const until =
    <A extends unknown[]>(tell: (...told: A) => void) =>
    (...told: A): void => {
      if (!over.aborted) tell(...told);
    };
  return {
    migration: until(listener.migration),
    node: until(listener.node),
    waiting: until(listener.waiting),
    awaited: listener.awaited,
    ended: until(listener.ended),
    broken: until(listener.broken),
  };
}

/** A clock as XState wants it, which keeps what it is given and hands it back to call it off. */
const timersOf = (clock: Pick<Clock, 'after'>) => ({
  setTimeout: (fn: () => void, ms: number): unknown => clock.after(ms, fn),
  clearTimeout: (callOff: unknown): void => (callOff as () => void)(),
});
