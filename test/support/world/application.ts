import { Failure } from '../../../machines/errors.ts';
import type {
  ApplicationHealth,
  ApplicationNode,
  ApplicationPlugin,
  NodeHealth,
  PluginContext,
} from '../../../machines/plugin.ts';
import type { ProcessTime, VirtualTime } from './time.ts';

/** Administrative state of a member; whether its machine runs is another question. */
export type MemberState = 'in' | 'draining' | 'out' | 'joining';

export interface Member {
  readonly uuid: string;
  readonly name: string;
  readonly role: string;
  readonly state: MemberState;
  readonly up: boolean;
  readonly address: string | null;
  /** When it will be out or in, while it drains or joins; null: it hangs. */
  readonly due: number | null;
}

export interface MemberChange {
  readonly before: Member;
  readonly after: Member;
  /** Who made it change: Ephyra through the plugin, its machine, time, or a person. */
  readonly by: 'ephyra' | 'machine' | 'time' | 'operator';
  /** Of Ephyra, which asked for it. */
  readonly process?: number;
  /**
   * By Ephyra: when the application looked at itself for the last time before Ephyra asked for this; of one that never tells
   * who is out, long ago.
   */
  readonly knownAt?: number;
}

type Cause = Pick<MemberChange, 'by' | 'process' | 'knownAt'>;

/** Longer than an answer takes on its way, and what follows from it back again: older is not the last word. */
const LAST_WORD_MS = 5_000;

/** An answer that Ephyra was given about one node. */
export interface MembershipAnswer {
  readonly process: number;
  readonly uuid: string;
  readonly askedAt: number;
  readonly answeredAt: number;
  readonly membership: NodeHealth['membership'];
}

export interface ApplicationFaults {
  /** These never get empty, these never join. */
  readonly drainHangs: Set<string>;
  readonly joinHangs: Set<string>;
  /** Answers no question. */
  silent: boolean;
  /** Says that it is unhealthy, and why. */
  unhealthy: string | null;
  /** Questions are answered by throwing. */
  throws: boolean;
  /** Does not tell who of its members is out of service. */
  namesNobody: boolean;
  /** Questions are never answered at all, aborted or not. */
  hangs: boolean;
  /** Of these it says that they are out while they are in, and the other way round; it does what is asked of it only in words. */
  readonly lies: Set<string>;
}

/**
 * A clustered application on the machines: it drains and admits members in its own time and knows which of them are in
 * service. What it says through its plugin and what is true of it are the same unless a fault says otherwise.
 */
export class Application {
  readonly faults: ApplicationFaults = {
    drainHangs: new Set(),
    joinHangs: new Set(),
    silent: false,
    unhealthy: null,
    throws: false,
    namesNobody: false,
    hangs: false,
    lies: new Set(),
  };
  readonly #members = new Map<string, Member>();
  readonly #time: VirtualTime;
  readonly #drainMs: (member: Member) => number;
  readonly #joinMs: (member: Member) => number;
  readonly #wayMs: () => number;
  readonly #onChange: (change: MemberChange) => void;
  readonly #onAnswer: (answer: MembershipAnswer) => void;

  constructor(setup: {
    readonly time: VirtualTime;
    readonly drainMs: (member: Member) => number;
    readonly joinMs: (member: Member) => number;
    /** Milliseconds that a question takes to it, and its answer back. */
    readonly wayMs: () => number;
    readonly onChange: (change: MemberChange) => void;
    readonly onAnswer: (answer: MembershipAnswer) => void;
  }) {
    this.#time = setup.time;
    this.#drainMs = setup.drainMs;
    this.#joinMs = setup.joinMs;
    this.#wayMs = setup.wayMs;
    this.#onChange = setup.onChange;
    this.#onAnswer = setup.onAnswer;
  }

  /** A member that has been in service for long. */
  enlist(member: { uuid: string; name: string; role: string; address: string | null }): void {
    this.#members.set(member.uuid, { ...member, state: 'in', up: true, due: null });
  }

  get(uuid: string): Member | undefined {
    return this.#members.get(uuid);
  }

  members(): Member[] {
    return [...this.#members.values()];
  }

  inService(): Member[] {
    return this.members().filter(serves);
  }

  /** The machine of a member runs, and where; or it does not. */
  machine(uuid: string, up: boolean, address: string | null): void {
    const member = this.#members.get(uuid);
    if (member === undefined) return;
    const where = address ?? member.address;
    if (member.up === up && where === member.address) return;
    this.#put(uuid, { up, address: where }, { by: 'machine' });
  }

  /** What a person does by hand. */
  operate(uuid: string, state: 'in' | 'out'): void {
    this.#put(uuid, { state, due: null }, { by: 'operator' });
  }

  /** What hung for this member hangs no more. */
  goOn(uuid: string): void {
    this.faults.drainHangs.delete(uuid);
    this.faults.joinHangs.delete(uuid);
    const member = this.#members.get(uuid);
    if (member === undefined || member.due !== null) return;
    if (member.state === 'draining') this.#begin(uuid, 'draining', 'out', this.#drainMs(member), { by: 'time' });
    if (member.state === 'joining') this.#begin(uuid, 'joining', 'in', this.#joinMs(member), { by: 'time' });
  }

  /** The application's side of the contract, for one process. */
  plugin(process: { readonly id: number; readonly time: ProcessTime }): ApplicationPlugin {
    const { time } = process;
    let toldAt = Number.NEGATIVE_INFINITY;
    const answer = async <T>(context: PluginContext, value: () => T): Promise<T> => {
      if (this.faults.hangs) return new Promise<never>(() => undefined);
      if (this.faults.throws) throw new Error('the application is not to be reached');
      context.signal.throwIfAborted();
      const [there, back] = [this.#wayMs(), this.#wayMs()];
      if (there > 0) await time.sleep(there, context.signal);
      const said = value();
      if (back > 0) await time.sleep(back, context.signal);
      return said;
    };
    const waitFor = async (uuid: string, state: MemberState, context: PluginContext): Promise<void> => {
      for (;;) {
        const member = this.#members.get(uuid);
        if (member?.state === state) return;
        const left = (member?.due ?? this.#time.now() + 10_000) - this.#time.now();
        context.progress(`${member?.name ?? uuid} is ${member?.state ?? 'unknown'}`);
        if (time.elapsed() >= context.deadline) {
          throw new Failure({ reason: 'deadline', next: 'retry', message: `${uuid} is not ${state} in time` });
        }
        await time.sleep(Math.max(1, left), context.signal);
      }
    };
    return {
      name: 'scripted',
      removeNode: async (node, context) => {
        if (this.faults.lies.has(node.uuid)) return;
        const lately = Math.max(toldAt, this.#time.now() - LAST_WORD_MS);
        const knownAt = this.faults.namesNobody ? Number.NEGATIVE_INFINITY : lately;
        await answer(context, () => this.#drain(node.uuid, { by: 'ephyra', process: process.id, knownAt }));
        await waitFor(node.uuid, 'out', context);
      },
      addNode: async (node, context) => {
        if (this.faults.lies.has(node.uuid)) return;
        await answer(context, () => this.#admit(node, { by: 'ephyra', process: process.id }));
        await waitFor(node.uuid, 'in', context);
      },
      verifyNode: async (node, context) => {
        const asked = { process: process.id, uuid: node.uuid, askedAt: this.#time.now() };
        // Until there is an answer, nothing is known.
        this.#onAnswer({ ...asked, answeredAt: asked.askedAt, membership: 'unknown' });
        const health = await answer(context, () => this.#healthOf(node.uuid));
        this.#onAnswer({ ...asked, answeredAt: this.#time.now(), membership: health.membership });
        return health;
      },
      verifyApplication: async (context) => {
        const [health, at] = await answer(context, () => [this.#health(), this.#time.now()] as const);
        toldAt = at;
        return health;
      },
    };
  }

  #health(): ApplicationHealth {
    if (this.faults.silent) return { health: 'unknown', reasons: ['it does not answer'] };
    const away = this.members().filter((member) => !serves(member));
    const unavailable = away.map(({ name }) => name);
    const membersInService = this.#members.size - away.length;
    const { unhealthy, namesNobody } = this.faults;
    const told = namesNobody ? { membersInService } : { unavailable, membersInService };
    return unhealthy === null
      ? { health: 'healthy', reasons: [], ...told }
      : { health: 'unhealthy', reasons: [unhealthy], ...told };
  }

  #healthOf(uuid: string): NodeHealth {
    const member = this.#members.get(uuid);
    if (this.faults.silent) return { health: 'unknown', membership: 'unknown', reasons: ['it does not answer'] };
    if (member === undefined) return { health: 'unhealthy', membership: 'out', reasons: ['it is no member'] };
    if (this.faults.lies.has(uuid)) {
      return serves(member)
        ? { health: 'unhealthy', membership: 'out', reasons: ['it is out, or so it says'] }
        : { health: 'healthy', membership: 'in', reasons: [] };
    }
    if (serves(member)) return { health: 'healthy', membership: 'in', reasons: [] };
    const membership = member.state === 'out' ? 'out' : member.state === 'draining' ? 'in' : 'unknown';
    return { health: 'unhealthy', membership, reasons: [`it is ${member.state}${member.up ? '' : ' and down'}`] };
  }

  #drain(uuid: string, cause: Cause): void {
    const member = this.#members.get(uuid);
    if (member === undefined || member.state === 'out' || member.state === 'draining') return;
    const hangs = this.faults.drainHangs.has(uuid);
    this.#begin(uuid, 'draining', 'out', hangs ? null : this.#drainMs(member), cause);
  }

  #admit(node: ApplicationNode, cause: Cause): void {
    const member = this.#members.get(node.uuid);
    if (member === undefined) return;
    if (!member.up || (member.address !== null && !node.addressesAfter.includes(member.address))) {
      throw new Failure({
        reason: 'application_refused',
        next: 'retry',
        message: `${member.name} does not answer at ${node.addressesAfter.join(', ') || 'no address'}`,
      });
    }
    if (member.state === 'in' || member.state === 'joining') return;
    const hangs = this.faults.joinHangs.has(node.uuid);
    this.#begin(node.uuid, 'joining', 'in', hangs ? null : this.#joinMs(member), cause);
  }

  #begin(uuid: string, state: 'draining' | 'joining', then: 'out' | 'in', ms: number | null, cause: Cause): void {
    const due = ms === null ? null : this.#time.now() + ms;
    this.#put(uuid, { state, due }, cause);
    if (ms === null) return;
    this.#time.after(ms, () => {
      const now = this.#members.get(uuid);
      if (now?.state === state && now.due === due) this.#put(uuid, { state: then, due: null }, { by: 'time' });
    });
  }

  #put(uuid: string, change: Partial<Member>, cause: Cause): void {
    const before = this.#members.get(uuid);
    if (before === undefined) return;
    const after = { ...before, ...change };
    this.#members.set(uuid, after);
    this.#onChange({ before, after, ...cause });
  }
}

/** In the application, and its machine runs. */
export const serves = (member: Member): boolean => member.state === 'in' && member.up;
