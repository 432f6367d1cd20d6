import type { DeploymentConfig } from '../../../src/config/types.ts';
import type { DeploymentService } from '../../../src/deployments/service.ts';
import type { Actor, Change, DeploymentView } from '../../../src/deployments/types.ts';
import { createLogger, createMetrics, type Metrics } from '../../../src/observability/index.ts';
import {
  ADMIN,
  type ControlPlane,
  createControlPlane,
  type Delays,
  seedNodes,
} from '../../../src/sandbox/openstack/index.ts';
import type { ChangeEvent } from '../../../src/sandbox/openstack/types.ts';
import { StoreError } from '../../../src/store/errors.ts';
import { emptyState, isEnded } from '../../../src/store/state.ts';
import { memoryStore } from '../../../src/store/store.ts';
import type { DeepReadonly, Store, StoreState } from '../../../src/store/types.ts';
import type { Core } from '../../../src/wiring.ts';
import { wire } from '../../../src/wiring.ts';
import { allInvariants } from '../invariants/index.ts';
import type { Invariant } from '../invariants/invariant.ts';
import { Violation } from '../invariants/invariant.ts';
import { Watchers } from '../invariants/watchers.ts';
import type { Member, MemberChange } from './application.ts';
import { Application } from './application.ts';
import type { Call } from './calls.ts';
import { describe, isGivenUp } from './calls.ts';
import { CLOUD_DELAYS, cloudConfig, KEYSTONE_PASSWORD, worldConfig } from './config.ts';
import { Mirror } from './mirror.ts';
import type { Disturbance } from './network.ts';
import { Network } from './network.ts';
import type { Random } from './random.ts';
import { createRandom } from './random.ts';
import { attachSlack, type SlackMood } from './slack.ts';
import { type ProcessTime, processTime, VirtualTime } from './time.ts';
import { Trace } from './trace.ts';

/** 2026-11-22T12:00:00Z: the world begins on a day when nothing special happens to clocks. */
const START = Date.UTC(2026, 10, 22, 12);

/** A moment at which a process can be killed. */
export interface Point {
  /** Counts the points of the world from 1. */
  readonly index: number;
  readonly process: number;
  /** Right before a request leaves; right after an answer has come; right before and after the disk is written. */
  readonly kind: 'request' | 'answer' | 'write' | 'written';
  readonly what: string;
}

export interface WorldOptions {
  readonly seed?: number;
  /** Default 3, of which one is a master. */
  readonly nodes?: number;
  readonly masters?: number;
  readonly deployment?: Partial<DeploymentConfig>;
  readonly roleMax?: Readonly<Record<string, number>>;
  readonly delays?: Partial<Delays>;
  /** From and to, for one way of a request. Default 0: answers come at once. */
  readonly latencyMs?: readonly [number, number];
  readonly drainMs?: readonly [number, number];
  readonly joinMs?: readonly [number, number];
  /** From and to, for one way of a question to the application. Default 0: it answers at once. */
  readonly applicationMs?: readonly [number, number];
  readonly tokenLifetimeMs?: number;
  /** Alarms of the same instant go off in any order. */
  readonly shuffle?: boolean;
  /** Lists can be asked for what was true before: costs time. */
  readonly history?: boolean;
  /** The services give so many entries a page at most. Default: as many as they are asked for. */
  readonly pageLimit?: number;
  /** There is a Slack that shows what goes on, and it behaves so. Default: none. */
  readonly slack?: SlackMood;
  readonly disturb?: (call: Call) => Disturbance | null;
  /** True: the process is killed here. */
  readonly kill?: (point: Point) => boolean;
  /** How much the clock of a process is ahead. */
  readonly skewMs?: (process: number) => number;
  readonly invariants?: readonly ((world: World) => Invariant)[];
  /** Keep every event, not the last few only. */
  readonly wholeTrace?: boolean;
  /** Told of everything that Ephyra tells its faces; what it throws is its own affair. */
  readonly listener?: (change: Change) => void;
  /** Each process counts for itself, as a real one does; otherwise requests are not counted, which saves time. */
  readonly ownMetrics?: boolean;
  /** What the process's log lets through. Default `info`. */
  readonly logLevel?: string;
}

interface Running {
  readonly id: number;
  readonly time: ProcessTime;
  readonly metrics: Metrics;
  alive: boolean;
  core: Core | null;
}

const newMetrics = (): Metrics => createMetrics({ version: 'world', processMetrics: false });
/** Counts nothing and remembers nobody: shared by all worlds that do not look at their metrics. */
const NO_METRICS: Metrics = {
  ...newMetrics(),
  text: async () => '',
  beforeReading: () => () => undefined,
  openstackCall: () => undefined,
};

export const ALICE: Actor = { via: 'slack', id: 'U0ALICE', display: 'alice' };
export const BOB: Actor = { via: 'slack', id: 'U0BOB', display: 'bob' };

/**
 * Two control planes, an application on their machines, a disk, and Ephyra, in one process and in virtual time. One seed is
 * one world: the same options give the same events, to the last one.
 */
export class World {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly planes: readonly ControlPlane[];
  readonly mirrors: ReadonlyMap<string, Mirror>;
  readonly application: Application;
  readonly network: Network;
  readonly trace: Trace;
  readonly options: WorldOptions;
  /** What the disk holds. */
  disk: DeepReadonly<StoreState> = emptyState();
  /** Why the disk is known to be an older copy, for whoever opens it. */
  diskBehind: string | null = null;
  /** Why the disk takes nothing now; null: it does. */
  diskRefuses: string | null = null;
  /** Roles as they were before anything began: role by node. */
  readonly roles: ReadonlyMap<string, string>;
  /** In which rack each node stood before anything began. */
  readonly racks: ReadonlyMap<string, string>;
  violation: Violation | null = null;
  /** Nodes that people or bad luck have laid hands on: what becomes of them is not Ephyra's doing alone. */
  readonly blamed = new Set<string>();
  /** Every write that a cloud has served, in order. */
  readonly writes: Call[] = [];
  readonly reads: Call[] = [];
  starts = 0;
  #points = 0;
  readonly #startedAt = new Map<number, number>();
  #restart: (() => number) | null = null;
  #record: DeepReadonly<StoreState>['deployments'][number] | undefined;
  /** The disk of which that is the record. */
  #recordOf: DeepReadonly<StoreState> | null = null;
  #process: Running | null = null;
  readonly #watchers: Watchers;
  readonly #config;

  constructor(options: WorldOptions = {}) {
    this.options = options;
    const seed = options.seed ?? 1;
    this.random = createRandom(seed);
    const order = this.random.fork('order');
    this.time = new VirtualTime(START, options.shuffle === true ? () => order.next() : null);
    this.trace = new Trace(START, options.wholeTrace === true ? Number.POSITIVE_INFINITY : 200);
    this.#config = worldConfig(options);
    this.planes = ['cp1', 'cp2'].map((name) => this.#plane(name));
    const [first] = this.planes;
    if (first === undefined) throw new Error('a world has control planes');
    first.seed({ nodes: seedNodes(options.nodes ?? 3, options.masters ?? 1), booted: true });
    this.mirrors = new Map(this.planes.map((plane) => [plane.name, new Mirror(plane)]));
    this.roles = extraOf(this.mirror('cp1'), 'role');
    this.racks = extraOf(this.mirror('cp1'), 'rack');

    const pace = this.random.fork('application');
    const [drainLow, drainHigh] = options.drainMs ?? [1_000, 4_000];
    const [joinLow, joinHigh] = options.joinMs ?? [500, 2_000];
    const [wayLow, wayHigh] = options.applicationMs ?? [0, 0];
    this.application = new Application({
      time: this.time,
      drainMs: () => pace.between(drainLow, drainHigh),
      joinMs: () => pace.between(joinLow, joinHigh),
      wayMs: () => (wayHigh === 0 ? 0 : pace.between(wayLow, wayHigh)),
      onChange: (change) => this.#memberChanged(change),
      onAnswer: (answer) => {
        this.#watchers.tell('answered', answer);
      },
    });
    for (const node of this.mirror('cp1').nodes.values()) {
      const instance = this.mirror('cp1').instanceOn(node.uuid);
      const address = this.mirror('cp1').running(node.uuid)?.address ?? null;
      const role = this.roles.get(node.uuid) ?? '';
      if (instance !== undefined) this.application.enlist({ uuid: node.uuid, name: instance.name, role, address });
    }

    const ways = this.random.fork('latency');
    const [low, high] = options.latencyMs ?? [0, 0];
    this.network = new Network({
      time: this.time,
      planes: this.planes.map((plane) => ({ plane, mirror: this.mirror(plane.name) })),
      latencyMs: () => (high === 0 ? 0 : ways.between(low, high)),
      pageLimit: options.pageLimit ?? null,
      disturb: (call) => this.#disturb(call),
      watch: {
        sent: (call) => {
          this.#trail('sent', call);
          this.#watchers.tell('sent', call);
        },
        arrived: (call) => {
          if (isGivenUp(call, this.time.now()) && call.write !== null && call.node !== null) this.blamed.add(call.node);
          this.#watchers.tell('arrived', call);
        },
        served: (call) => {
          if (call.write === null) this.reads.push(call);
          else this.writes.push(call);
          this.#trail(`served ${call.status}${call.stale ? ' from the past' : ''}`, call);
          this.#watchers.tell('served', call);
        },
        delivered: (call, reply) => {
          this.#watchers.tell('delivered', call, reply.body);
        },
        failed: (call) => {
          this.#trail('no answer', call);
          this.#watchers.tell('failed', call);
        },
        repeated: (call, status) => this.note(`arrived twice, now ${status}: ${describe(call)}`),
      },
    });
    this.#watchers = new Watchers((options.invariants ?? allInvariants).map((create) => create(this)));
    for (const plane of this.planes) plane.onChange((event) => this.#changed(event));
  }

  mirror(name: string): Mirror {
    const mirror = this.mirrors.get(name);
    if (mirror === undefined) throw new Error(`there is no control plane ${name}`);
    return mirror;
  }

  plane(name: string): ControlPlane {
    const plane = this.planes.find((one) => one.name === name);
    if (plane === undefined) throw new Error(`there is no control plane ${name}`);
    return plane;
  }

  /** uuid of `node-NN`, wherever it is. */
  uuid(name: string): string {
    for (const mirror of this.mirrors.values()) {
      for (const node of mirror.nodes.values()) if (node.name === name) return node.uuid;
    }
    throw new Error(`there is no node ${name}`);
  }

  /** The watcher with this name. */
  invariant<T extends Invariant>(kind: new (...args: never[]) => T): T | undefined {
    return this.#watchers.all.find((one): one is T => one instanceof kind);
  }

  get config() {
    return this.#config;
  }

  get process(): number | null {
    return this.#process?.id ?? null;
  }

  /** The door of the running Ephyra. */
  get ephyra(): DeploymentService {
    const core = this.#process?.core;
    if (!core) throw new Error('Ephyra is not running');
    return core.deployments;
  }

  /** What is on disk of the current deployment, or of the newest. */
  get record(): DeepReadonly<StoreState>['deployments'][number] | undefined {
    // Asked after nearly everything that happens; what the disk holds is replaced as a whole.
    if (this.#recordOf !== this.disk) {
      this.#recordOf = this.disk;
      this.#record = this.disk.deployments.findLast((record) => !isEnded(record)) ?? this.disk.deployments.at(-1);
    }
    return this.#record;
  }

  get view(): DeploymentView | undefined {
    return this.#process === null ? undefined : this.ephyra.get();
  }

  /** Starts Ephyra on what the disk holds. */
  async start(): Promise<void> {
    if (this.#process !== null) throw new Error('Ephyra is running already');
    this.starts += 1;
    const id = this.starts;
    const time = processTime(this.time, this.options.skewMs?.(id) ?? 0);
    const metrics = this.options.ownMetrics === true ? newMetrics() : NO_METRICS;
    const process: Running = { id, time, metrics, alive: true, core: null };
    this.#process = process;
    this.#startedAt.set(id, this.time.now());
    this.note(`Ephyra ${id} starts`);
    const chance = this.random.fork(`process ${id}`);
    const caller = {
      id,
      alive: () => process.alive,
      point: (kind: 'request' | 'answer', what: string) => this.#point(process, kind, what),
    };
    const core = await wire(this.#config, {
      store: this.#store(process),
      log: createLogger({
        level: this.options.logLevel ?? 'info',
        destination: { write: (line) => this.tellOutput('log', line) },
        now: time.now,
      }),
      metrics,
      means: {
        clock: time,
        random: chance.next,
        nonce: () => chance.between(0, 0xffffff).toString(16).padStart(6, '0'),
        transport: this.network.transport(caller),
        host: 'host-a',
        monotonic: this.time.now,
        plugin: this.application.plugin(process),
        clouds: { resolveCloud: cloudConfig },
      },
    });
    process.core = core;
    core.deployments.onChange((change) => {
      if (process.alive) this.tellChange(change);
    });
    if (this.options.listener !== undefined) core.deployments.onChange(this.options.listener);
    core.deployments.resume();
    const { slack } = this.options;
    if (slack === undefined) return;
    attachSlack({
      deployments: core.deployments,
      mood: slack,
      now: time.now,
      after: (ms, fn) => this.time.aside(ms, () => void (process.alive && fn())),
      sent: (text) => this.tellOutput('slack', text),
    });
  }

  /** When a process was started. */
  startedAt(process: number): number {
    return this.#startedAt.get(process) ?? Number.NaN;
  }

  /** As SIGKILL does: nothing of the process goes on, what it has sent is on its way. */
  kill(why = ''): void {
    const process = this.#process;
    if (process === null) return;
    process.alive = false;
    process.time.kill();
    this.#process = null;
    this.note(`Ephyra ${process.id} is killed${why === '' ? '' : ` ${why}`}`);
    if (this.#restart === null) return;
    this.time.after(this.#restart(), () => {
      if (this.#process === null) void this.start();
    });
  }

  /** From now on, whenever Ephyra is killed, somebody starts it again after so many milliseconds. */
  keepRunning(downMs: () => number): void {
    this.#restart = downMs;
  }

  /** As SIGTERM does. */
  async close(): Promise<void> {
    const core = this.#process?.core;
    if (!core) return;
    await core.close();
    this.kill('after it has closed');
  }

  /** The text that a scrape of the metrics gives. */
  async metricsText(): Promise<string> {
    const text = (await this.#process?.metrics.text()) ?? '';
    this.tellOutput('metrics', text);
    return text;
  }

  /** Shows the watchers a store and an output as if Ephyra had written them. */
  tellStored(state: DeepReadonly<StoreState>): void {
    this.#watchers.tell('stored', state);
  }

  /** Shows them what Ephyra tells its faces. */
  tellChange(change: Change): void {
    this.trace.add(this.time.now(), tellOf(change));
    this.#watchers.tell('told', change);
  }

  tellOutput(where: 'log' | 'metrics' | 'answer' | 'slack', text: string): void {
    this.#watchers.tell('output', where, text);
  }

  /** Time as a process of its own has it. */
  processTime(): ProcessTime {
    return processTime(this.time);
  }

  /** A line for the trace. */
  note(line: string): void {
    this.trace.add(this.time.now(), () => `*** ${line}`);
  }

  /**
   * Lets time pass until `until` holds. Throws the first violation of an invariant; and an error when `limitMs` have passed,
   * or nothing is left to happen, before it holds.
   */
  async until(until: () => boolean, limitMs = 24 * 3_600_000, what = 'what was waited for'): Promise<void> {
    const ending = await this.time.run(() => this.violation !== null || until(), limitMs);
    if (this.violation !== null) throw this.violation;
    if (ending !== 'done') throw new Error(`${what} did not happen (${ending})\n${this.#story(60)}`);
  }

  /** Lets so much time pass. */
  async pass(ms: number): Promise<void> {
    const end = this.time.now() + ms;
    let over = false;
    this.time.after(ms, () => {
      over = true;
    });
    await this.until(() => over || this.time.now() >= end, ms + 1);
  }

  /** Asks the running Ephyra; null when it is killed before it has answered. */
  async ask<T>(question: (ephyra: DeploymentService) => Promise<T>): Promise<T | null> {
    const process = this.#process;
    if (process === null) return null;
    let answer: { value: T } | null = null;
    let failure: { error: unknown } | null = null;
    question(this.ephyra).then(
      (value) => {
        answer = { value };
        this.tellOutput('answer', JSON.stringify(value) ?? '');
      },
      (error: unknown) => {
        failure = { error };
      },
    );
    await this.until(() => answer !== null || failure !== null || !process.alive, undefined, 'an answer');
    const failed = failure as { error: unknown } | null;
    if (failed !== null) throw failed.error;
    return (answer as { value: T } | null)?.value ?? null;
  }

  /** Breaks an invariant: the first counts. */
  violate(invariant: string, what: string): void {
    if (this.violation !== null) return;
    this.violation = new Violation(invariant, what, this.#story(30));
  }

  #story(count: number): string {
    return this.trace.last(count).join('\n');
  }

  #plane(name: string): ControlPlane {
    const ids = this.random.fork(`ids ${name}`);
    const hex = (digits: number) =>
      Math.floor(ids.next() * 16 ** digits)
        .toString(16)
        .padStart(digits, '0');
    const plane = createControlPlane({
      name,
      clock: { now: this.time.now, after: this.time.after },
      ids: () => `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`,
      showPassword: true,
      users: [{ ...ADMIN, password: KEYSTONE_PASSWORD }],
      delays: { ...CLOUD_DELAYS, ...this.options.delays },
      ...(this.options.tokenLifetimeMs === undefined ? {} : { tokenLifetime: this.options.tokenLifetimeMs }),
    });
    if (this.options.history === true) {
      plane.faults.add({ match: { path: '^nothing$' }, times: 0, effect: { kind: 'stale', ms: 0 } });
    }
    return plane;
  }

  #disturb(call: Call): Disturbance | null {
    const disturbance = this.options.disturb?.(call) ?? null;
    if (disturbance !== null) this.note(`${disturbance.do}: ${describe(call)}`);
    return disturbance;
  }

  #trail(what: string, call: Call): void {
    this.trace.add(this.time.now(), () => `${what.padEnd(10)} ${describe(call)}`);
  }

  #changed(event: ChangeEvent): void {
    const mirror = this.mirror(event.controlPlane);
    mirror.follow(event);
    this.trace.add(this.time.now(), changeOf(event));
    if (event.kind.startsWith('node.') || event.kind.startsWith('instance.')) {
      const uuid = event.kind.startsWith('node.')
        ? event.uuid
        : (String(event.after?.['node'] ?? event.before?.['node'] ?? '') ?? '');
      this.#followMachine(uuid);
    }
    this.#watchers.tell('changed', event);
  }

  #followMachine(uuid: string): void {
    if (uuid === '') return;
    for (const mirror of this.mirrors.values()) {
      const running = mirror.running(uuid);
      if (running === null) continue;
      this.application.machine(uuid, true, running.address);
      return;
    }
    this.application.machine(uuid, false, null);
  }

  #memberChanged(change: MemberChange): void {
    const { before, after, by } = change;
    this.trace.add(this.time.now(), () => `   application ${memberOf(before)} -> ${memberOf(after)} by ${by}`);
    this.#watchers.tell('member', change);
  }

  #point(process: Running, kind: Point['kind'], what: string): void {
    if (!process.alive) return;
    this.#points += 1;
    const point = { index: this.#points, process: process.id, kind, what };
    if (this.options.kill?.(point) === true) this.kill(`at point ${point.index}: ${kind} ${what}`);
  }

  get points(): number {
    return this.#points;
  }

  /** The disk as one process has it: killed, it writes no more, and what it has written stays. */
  #store(process: Running): Store {
    const inner = memoryStore(this.disk as StoreState);
    const never = <T>() => new Promise<T>(() => undefined);
    return {
      read: () => inner.read(),
      behind: this.diskBehind,
      update: async (change) => {
        if (!process.alive) return never();
        this.#point(process, 'write', 'store');
        if (!process.alive) return never();
        if (this.diskRefuses !== null) throw refusedBy(this.diskRefuses);
        const result = await inner.update(change);
        this.disk = inner.read();
        this.tellStored(this.disk);
        this.#point(process, 'written', 'store');
        return process.alive ? result : never();
      },
      problem: () => inner.problem(),
      close: () => inner.close(),
    };
  }
}

const refusedBy = (why: string): StoreError =>
  new StoreError(
    'unwritable',
    '(disk)',
    `the file cannot be written (${why}); the change was not made.`,
    'Free some space.',
  );

/** Lines for the trace hold no more than what they say: views and records are large, and the trace keeps hundreds. */
function changeOf({ controlPlane, kind, uuid, before, after }: ChangeEvent): () => string {
  const field = FIELD_OF[kind];
  const [from, to] = field === undefined ? [] : [before?.[field], after?.[field]];
  return () => {
    const values = field === undefined ? '' : ` ${String(from)} -> ${String(to)}`;
    return `   ${controlPlane} ${kind} ${uuid.slice(-4)}${values}`;
  };
}

const FIELD_OF: Readonly<Partial<Record<string, string>>> = {
  'node.provision_state': 'provision_state',
  'node.power_state': 'power_state',
  'node.reservation': 'reservation',
  'node.instance': 'instance_uuid',
  'node.maintenance': 'maintenance',
  'instance.status': 'status',
  'instance.task_state': 'taskState',
  'provider.reserved': 'reserved',
  'provider.usage': 'consumer',
};

/** By uuid: an entry of what the nodes that it has bring along. */
const extraOf = ({ nodes }: Mirror, key: string): Map<string, string> =>
  new Map([...nodes.values()].map(({ uuid, extra }) => [uuid, String(extra[key] ?? '')]));

const memberOf = (member: Member): string =>
  `${member.name} ${member.state}${member.up ? '' : ' (down)'} at ${member.address ?? '-'}`;

function tellOf(change: Change): () => string {
  if (change.kind === 'notice') return () => `      tells notice ${change.message}`;
  const { event } = change;
  if (change.kind === 'lock') return () => `      tells lock ${String(event)}`;
  const { state } = change.deployment;
  return () => `      tells ${state} ${JSON.stringify(event)}`;
}
