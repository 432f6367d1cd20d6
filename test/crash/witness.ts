import { readFileSync, statSync } from 'node:fs';
import type { Hadoop } from '../../src/sandbox/hadoop/hadoop.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { emptyState, isEnded } from '../../src/store/state.ts';
import type { DeepReadonly, StoreState } from '../../src/store/types.ts';
import { allInvariants } from '../support/invariants/index.ts';
import { Violation, type Watched } from '../support/invariants/invariant.ts';
import { Watchers } from '../support/invariants/watchers.ts';
import type { Member, MemberChange, MemberState, MembershipAnswer } from '../support/world/application.ts';
import { Blame } from '../support/world/blame.ts';
import { type Call, classify, describe } from '../support/world/calls.ts';
import { Mirror } from '../support/world/mirror.ts';

/** Lines of what happened that are kept for when something goes wrong. */
const KEPT = 60;

/**
 * Watches the sandbox from the emulators' side while real processes come and go before it, and shows it to the
 * invariants. What cannot be seen from there - that a request leaves, that an answer has arrived - is taken to happen
 * when the emulator receives and answers it.
 */
export class Witness implements Watched {
  readonly planes: Watched['planes'];
  readonly mirrors: ReadonlyMap<string, Mirror>;
  readonly roles: ReadonlyMap<string, string>;
  readonly racks: ReadonlyMap<string, string>;
  readonly blamed = new Blame(() => Date.now());
  readonly options = {};
  readonly time = { now: () => Date.now() };
  readonly application: Watched['application'];
  disk: DeepReadonly<StoreState> = emptyState();
  violation: Violation | null = null;
  /** The running process: counts from 1. */
  process = 0;
  /** When the running process first asked a cloud something; null: not yet. */
  firstCallAt: number | null = null;
  readonly #store: string;
  #stamp = '';
  #calls = 0;
  readonly #trace: string[] = [];
  readonly #members = new Map<string, Member>();
  readonly #byHost = new Map<string, string>();
  readonly #watchers: Watchers;
  readonly #changed = new Set<() => void>();
  readonly #hadoop: Hadoop | null;

  /** `store`: the file that Ephyra keeps. Without `withHadoop` no application is asked. */
  constructor(sandbox: Sandbox, store: string, withHadoop: boolean) {
    this.#store = store;
    this.#hadoop = withHadoop ? sandbox.hadoop : null;
    this.planes = sandbox.controlPlanes;
    this.mirrors = new Map(this.planes.map((plane) => [plane.name, new Mirror(plane)]));
    const nodes = [...this.mirror('cp1').nodes.values()];
    this.roles = new Map(nodes.map((node) => [node.uuid, String(node.extra['role'] ?? '')]));
    this.racks = new Map(nodes.map((node) => [node.uuid, String(node.extra['rack'] ?? '')]));
    for (const { uuid } of nodes) {
      const name = this.mirror('cp1').instanceOn(uuid)?.name;
      if (name !== undefined) this.#byHost.set(name, uuid);
    }
    this.application = { get: (uuid) => this.#members.get(uuid), members: () => [...this.#members.values()] };
    this.#follow('time');
    this.#watchers = new Watchers(allInvariants.map((create) => create(this)));
    for (const plane of this.planes) {
      plane.onChange((event) => {
        this.mirror(plane.name).follow(event);
        this.#watchers.tell('changed', event);
        if (event.kind.startsWith('instance.')) this.#follow('machine');
        for (const listener of this.#changed) listener();
      });
      this.#watch(plane);
    }
    if (this.#hadoop !== null) this.#watchHadoop(this.#hadoop);
  }

  mirror(name: string): Mirror {
    const mirror = this.mirrors.get(name);
    if (mirror === undefined) throw new Error(`there is no control plane ${name}`);
    return mirror;
  }

  plane(name: string): Watched['planes'][number] {
    const plane = this.planes.find((one) => one.name === name);
    if (plane === undefined) throw new Error(`there is no control plane ${name}`);
    return plane;
  }

  get record(): Watched['record'] {
    return this.disk.deployments.findLast((record) => !isEnded(record)) ?? this.disk.deployments.at(-1);
  }

  violate(invariant: string, what: string): void {
    this.violation ??= new Violation(invariant, what, this.story());
  }

  story(): string {
    return this.#trace.join('\n');
  }

  note(line: string): void {
    this.#trace.push(`${new Date().toISOString().slice(14, 23)} ${line}`);
    if (this.#trace.length > KEPT) this.#trace.shift();
  }

  /** A process begins its work. */
  begins(): void {
    this.process += 1;
    this.firstCallAt = null;
    this.note(`*** process ${this.process} starts`);
  }

  /** Called after each change of a cloud. The result stops it. */
  onChange(listener: () => void): () => void {
    this.#changed.add(listener);
    return () => this.#changed.delete(listener);
  }

  output(where: 'log' | 'metrics' | 'answer', text: string): void {
    this.#watchers.tell('output', where, text);
  }

  /** Looks at the disk, in case it holds something new. */
  look(): DeepReadonly<StoreState> {
    let stamp: string;
    try {
      const { mtimeMs, ino, size } = statSync(this.#store);
      stamp = `${mtimeMs} ${ino} ${size}`;
    } catch {
      return this.disk;
    }
    if (stamp === this.#stamp) return this.disk;
    this.#stamp = stamp;
    const text = readFileSync(this.#store, 'utf8');
    try {
      this.disk = JSON.parse(text) as StoreState;
    } catch {
      this.violate('store whole', `what is on disk is not JSON: ${text.slice(0, 200)}`);
      return this.disk;
    }
    this.#watchers.tell('stored', this.disk);
    return this.disk;
  }

  #watch(plane: Watched['planes'][number]): void {
    const { handle } = plane;
    plane.handle = (request) => {
      const { service, method, path } = request;
      this.firstCallAt ??= Date.now();
      this.look();
      const body = parsed(request.body);
      const call: Call = {
        id: ++this.#calls,
        process: this.process,
        at: plane.name,
        service,
        method,
        path,
        body,
        ...classify(service, method, path, body, this.mirror(plane.name)),
        sentAt: Date.now(),
        servedAt: null,
        stale: false,
        status: null,
      };
      if (this.#hadoop === null && call.node !== null) this.#answer(call.node, 'out');
      this.#watchers.tell('sent', call);
      this.#watchers.tell('arrived', call);
      const served = (reply: Awaited<ReturnType<typeof handle>>) => {
        call.servedAt = Date.now();
        call.status = reply.status;
        if (call.method !== 'GET') this.note(`${reply.status} ${describe(call)}`);
        this.#watchers.tell('served', call);
        if (reply.dropped === undefined) this.#watchers.tell('delivered', call, reply.body);
        else this.#watchers.tell('failed', call);
        return reply;
      };
      const answer = handle.call(plane, request);
      return answer instanceof Promise ? answer.then(served) : served(answer);
    };
  }

  #watchHadoop(hadoop: Hadoop): void {
    const { handle } = hadoop;
    hadoop.handle = (request) => {
      this.#follow('time');
      const answer = handle.call(hadoop, request);
      this.#follow('ephyra');
      if (request.to === 'admin') this.note(`hadoop command ${String(request.body).slice(0, 120)}`);
      else for (const [uuid, member] of this.#members) this.#answer(uuid, membershipOf(member));
      return answer;
    };
  }

  #answer(uuid: string, membership: MembershipAnswer['membership']): void {
    const now = Date.now();
    const answer = { process: this.process, uuid, askedAt: now, answeredAt: now, membership };
    this.#watchers.tell('answered', answer);
  }

  /** Takes over what the emulated Hadoop has become. */
  #follow(by: MemberChange['by']): void {
    for (const { name, address, state } of this.#hadoop?.fleet().nodes ?? []) {
      const uuid = this.#byHost.get(name);
      if (uuid === undefined) continue;
      const before = this.#members.get(uuid);
      const meaning = MEANING[state];
      if (meaning === undefined)
        throw new Error(`the emulated Hadoop calls a worker "${state}", which is unknown here`);
      const after: Member = { uuid, name, role: this.roles.get(uuid) ?? '', due: null, address, ...meaning };
      if (before?.state === after.state && before.up === after.up && before.address === address) continue;
      this.#members.set(uuid, after);
      if (before === undefined) continue;
      this.note(`hadoop ${name}: ${state}`);
      this.#watchers.tell('member', { before, after, by });
    }
  }
}

/** The words of the emulator for a worker (`HadoopFleetNode.state`) in those of the invariants. */
const MEANING: Readonly<Record<string, { state: MemberState; up: boolean }>> = {
  'in service': { state: 'in', up: true },
  unhealthy: { state: 'in', up: true },
  leaving: { state: 'draining', up: true },
  out: { state: 'out', up: true },
  joining: { state: 'joining', up: true },
  starting: { state: 'joining', up: true },
  stopped: { state: 'out', up: false },
  dead: { state: 'in', up: false },
  failing: { state: 'in', up: false },
};

const membershipOf = ({ state }: Member): MembershipAnswer['membership'] =>
  state === 'out' ? 'out' : state === 'joining' ? 'unknown' : 'in';

function parsed(body: unknown): unknown {
  if (typeof body !== 'string') return body;
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
