import type { DeploymentService } from '../../../src/deployments/service.ts';
import type { Actor, Change, DeploymentView } from '../../../src/deployments/types.ts';
import {
  ADMIN,
  type ControlPlane,
  createControlPlane,
  type Delays,
  type SeedNode,
  seedNodes,
} from '../../../src/sandbox/openstack/index.ts';
import type { ChangeEvent } from '../../../src/sandbox/openstack/types.ts';
import { isEnded } from '../../../src/store/state.ts';
import type { DeepReadonly, StoreState } from '../../../src/store/types.ts';
import { allInvariants } from '../invariants/index.ts';
import type { Invariant } from '../invariants/invariant.ts';
import { Violation } from '../invariants/invariant.ts';
import { Watchers } from '../invariants/watchers.ts';
import type { MemberChange } from './application.ts';
import { Application } from './application.ts';
import { Blame } from './blame.ts';
import type { Call } from './calls.ts';
import { DESTRUCTIVE, describe, isGivenUp } from './calls.ts';
import { CLOUD_DELAYS, KEYSTONE_PASSWORD, worldConfig } from './config.ts';
import type { InstallationOptions } from './installation.ts';
import { Installation } from './installation.ts';
import { changeOf, memberOf, tellOf } from './lines.ts';
import { Mirror } from './mirror.ts';
import type { Disturbance } from './network.ts';
import { Network } from './network.ts';
import type { Random } from './random.ts';
import { createRandom } from './random.ts';
import { type ProcessTime, processTime, VirtualTime } from './time.ts';
import { Trace } from './trace.ts';

/** 2026-11-22T12:00:00Z: the world begins on a day when nothing special happens to clocks. */
const START = Date.UTC(2026, 10, 22, 12);

/** What is particular to a world, and to the Ephyra in it. */
export interface WorldOptions extends Omit<InstallationOptions, 'host' | 'stoppable' | 'stored'> {
  readonly seed?: number;
  /** Default 3, of which one is a master. */
  readonly nodes?: number;
  readonly masters?: number;
  readonly roleMax?: Readonly<Record<string, number>>;
  /** Nodes that tell no rack, by number from 1. */
  readonly rackless?: readonly number[];
  /** Nodes with two ports in a portgroup, by number from 1. */
  readonly bonded?: readonly number[];
  /** Nodes in a chassis of their own, with a RAID that they are to have, by number from 1. */
  readonly housed?: readonly number[];
  readonly delays?: Partial<Delays>;
  /** From and to, for one way of a request. Default 0: answers come at once. */
  readonly latencyMs?: readonly [number, number];
  readonly drainMs?: readonly [number, number];
  readonly joinMs?: readonly [number, number];
  /** From and to, for one way of a question to the application. Default 0: it answers at once. */
  readonly applicationMs?: readonly [number, number];
  /** The application does not tell who of its members is out of service. */
  readonly namesNobody?: boolean;
  readonly tokenLifetimeMs?: number;
  /** Alarms of the same instant go off in any order. */
  readonly shuffle?: boolean;
  /** Lists can be asked for what was true before: costs time. */
  readonly history?: boolean;
  /** The services give so many entries a page at most. Default: as many as they are asked for. */
  readonly pageLimit?: number;
  readonly disturb?: (call: Call) => Disturbance | null;
  readonly invariants?: readonly ((world: World) => Invariant)[];
  /** Keep every event, not the last few only. */
  readonly wholeTrace?: boolean;
}

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
  /** Roles as they were before anything began: role by node. */
  readonly roles: ReadonlyMap<string, string>;
  /** In which rack each node stood before anything began. */
  readonly racks: ReadonlyMap<string, string>;
  violation: Violation | null = null;
  /** Nodes that people or bad luck have laid hands on: what becomes of them is not Ephyra's doing alone. */
  readonly blamed: Blame;
  /** Every write that a cloud has served, in order. */
  readonly writes: Call[] = [];
  readonly reads: Call[] = [];
  /** Of all processes, whosesoever. */
  starts = 0;
  /** The Ephyra of this world. */
  readonly #own: Installation;
  readonly #watchers: Watchers;
  readonly #config;
  /** The password that the BMC of each node takes. */
  readonly #bmcPasswords = new Map<string, unknown>();

  constructor(options: WorldOptions = {}) {
    this.options = options;
    const seed = options.seed ?? 1;
    this.random = createRandom(seed);
    const order = this.random.fork('order');
    this.time = new VirtualTime(START, options.shuffle === true ? () => order.next() : null);
    this.blamed = new Blame(this.time.now);
    this.trace = new Trace(START, options.wholeTrace === true ? Number.POSITIVE_INFINITY : 200);
    this.#config = worldConfig(options);
    // Its settings are those of the world already.
    const { deployment: _, ...own } = options;
    this.#own = new Installation(this, { ...own, host: 'host-a' });
    this.planes = ['cp1', 'cp2'].map((name) => this.#plane(name));
    const [first] = this.planes;
    if (first === undefined) throw new Error('a world has control planes');
    const rackOf = ({ number }: SeedNode) => (options.rackless?.includes(number) === true ? { rack: null } : {});
    const nodes = seedNodes(options.nodes ?? 3, options.masters ?? 1).map((node) => ({
      ...node,
      ...rackOf(node),
      bonded: options.bonded?.includes(node.number) === true,
      housed: options.housed?.includes(node.number) === true,
    }));
    first.seed({ nodes, booted: true });
    this.mirrors = new Map(this.planes.map((plane) => [plane.name, new Mirror(plane)]));
    for (const { uuid, driver_info: bmc } of this.mirror('cp1').nodes.values()) {
      this.#bmcPasswords.set(uuid, bmc['ipmi_password']);
    }
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
    this.application.faults.namesNobody = options.namesNobody === true;
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
          if (isGivenUp(call, this.time.now()) && call.write !== null && call.node !== null)
            this.blamed.add(call.node, 'late');
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
        // What destroys a second time after others have come, what comes again after it was destroyed, and what comes when
        // nobody is left who could look: that is beyond any client of services that know no conditional requests. See
        // docs/safety.md.
        mayRepeat: ({ id, at, node, write }) => {
          if (node === null || write === null || this.record === undefined) return true;
          const since = this.writes.filter((other) => other.node === node && other.id > id);
          const destroyed = since.some(
            (other) => other.at === at && other.write !== null && DESTRUCTIVE.has(other.write),
          );
          const destroys = since.length > 0 && DESTRUCTIVE.has(write);
          return !isEnded(this.record) && !destroyed && !destroys;
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

  // --- the Ephyra of this world: an {@link Installation} like any other -------------------------------------------------

  get process(): number | null {
    return this.#own.process;
  }
  get ephyra(): DeploymentService {
    return this.#own.ephyra;
  }
  get record(): Installation['record'] {
    return this.#own.record;
  }
  get view(): DeploymentView | undefined {
    return this.#own.view;
  }
  get points(): number {
    return this.#own.points;
  }
  get disk(): Installation['disk'] {
    return this.#own.disk;
  }
  set disk(state: Installation['disk']) {
    this.#own.disk = state;
  }
  get diskBehind(): string | null {
    return this.#own.diskBehind;
  }
  set diskBehind(why: string | null) {
    this.#own.diskBehind = why;
  }
  get diskRefuses(): string | null {
    return this.#own.diskRefuses;
  }
  set diskRefuses(why: string | null) {
    this.#own.diskRefuses = why;
  }
  start(): Promise<void> {
    return this.#own.start();
  }
  startedAt(process: number): number {
    return this.#own.startedAt(process);
  }
  kill(why?: string): void {
    this.#own.kill(why);
  }
  keepRunning(downMs: () => number): void {
    this.#own.keepRunning(downMs);
  }
  close(): Promise<void> {
    return this.#own.close();
  }
  metricsText(): Promise<string> {
    return this.#own.metricsText();
  }
  ask<T>(question: (ephyra: DeploymentService) => Promise<T>): Promise<T | null> {
    return this.#own.ask(question);
  }

  // --- what watchers are shown --------------------------------------------------------------------------------------------

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
      bmcAccepts: (uuid, { ipmi_password: password }) => password === this.#bmcPasswords.get(uuid),
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
    if (disturbance !== null) {
      const also = disturbance.also === undefined ? '' : ` and ${disturbance.also.do}`;
      this.note(`${disturbance.do}${also}: ${describe(call)}`);
    }
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
}

/** By uuid: an entry of what the nodes that it has bring along. */
const extraOf = ({ nodes }: Mirror, key: string): Map<string, string> =>
  new Map([...nodes.values()].map(({ uuid, extra }) => [uuid, String(extra[key] ?? '')]));
