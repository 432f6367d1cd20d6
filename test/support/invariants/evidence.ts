import type { MembershipAnswer } from '../world/application.ts';
import type { Call } from '../world/calls.ts';
import { DESTRUCTIVE, describe } from '../world/calls.ts';
import type { Invariant, Watched } from './invariant.ts';
import { Knowledge, type NodeSaid, type Told } from './knowledge.ts';

/**
 * So old may evidence be when the call that it justifies is sent, in milliseconds: a poll and a little when it is gathered,
 * and thirty seconds more that gathering it may take.
 */
export const FRESH_MS = 40_000;

/** At rest, and Ironic lets it go. */
const DELETABLE: ReadonlySet<string> = new Set(['available', 'manageable', 'enroll']);
const BROKEN: ReadonlySet<string> = new Set(['deploy failed', 'error']);

/**
 * Invariant 3: no destructive call without fresh positive evidence from both clouds and the application, gathered by the
 * process that makes it, after its last change there.
 */
export class Evidence implements Invariant {
  readonly name = 'evidence before destruction';
  readonly #world: Watched;
  readonly #knowledge: Knowledge;
  /** When the last write about a node came to its end, by process, control plane, service and node. */
  readonly #ended = new Map<string, number>();

  constructor(world: Watched) {
    this.#world = world;
    this.#knowledge = Knowledge.of(world);
  }

  delivered(call: Call, body: unknown): void {
    this.#knowledge.delivered(call, body);
    this.#end(call);
  }

  /** What came of it, nobody has said: it may have been done. */
  failed(call: Call): void {
    this.#end(call);
  }

  #end(call: Call): void {
    // Refused before it was looked at: nothing was done.
    if (call.status === 401 || call.status === 429) return;
    if (call.write !== null && call.node !== null) {
      this.#ended.set(`${call.process} ${call.at} ${call.service} ${call.node}`, this.#world.time.now());
    }
  }

  answered(answer: MembershipAnswer): void {
    this.#knowledge.answered(answer);
  }

  sent(call: Call): void {
    this.#knowledge.sent(call);
    if (call.write === null || !DESTRUCTIVE.has(call.write) || call.node === null) return;
    const why = this.#lacks(call, call.node);
    if (why !== null) this.#world.violate(this.name, `${describe(call)}: ${why}`);
  }

  /** What the evidence for the call lacks; null: nothing. */
  #lacks(call: Call, node: string): string | null {
    const here = this.#fresh(call, call.at, node);
    if (typeof here === 'string') return here;
    const there = this.#fresh(call, call.at === 'cp1' ? 'cp2' : 'cp1', node);
    if (typeof there === 'string') return there;
    const wrong = contradiction(call, here.node, there.node);
    if (wrong !== null || isInert(call, here.node)) return wrong;
    const amiss = this.#instancesLack(call, node);
    if (amiss !== null) return amiss;
    const answer = this.#knowledge.membership(call.process, node);
    if (answer === undefined) return 'the application was not asked';
    const age = call.sentAt - answer.askedAt;
    if (age > FRESH_MS) return `the application was last asked ${age} ms ago`;
    // Where no instance is, no answer is enough: a silent application must not keep a machine that is off for ever.
    const bare = here.node?.instanceUuid === null && call.instance === null;
    if (answer.membership === 'out' || (bare && answer.membership === 'unknown')) return null;
    return `the application said that it is ${answer.membership}`;
  }

  /** What is missing or wrong in what Nova has told of the instances there. */
  #instancesLack(call: Call, node: string): string | null {
    const told = this.#knowledge.instances(call.process, call.at);
    if (told === undefined) return `Nova of ${call.at} was not asked`;
    const age = call.sentAt - told.sentAt;
    if (age > FRESH_MS) return `Nova of ${call.at} was last asked ${age} ms ago`;
    const changed = this.#ended.get(`${call.process} ${call.at} nova ${node}`);
    if (changed !== undefined && told.sentAt < changed)
      return `Nova of ${call.at} was last asked before it was told something`;
    if (call.instance === null) {
      const there = [...told.all.values()].find((instance) => instance.node === node && instance.status !== 'ERROR');
      return there === undefined ? null : `Nova had instance ${there.id} on it (${there.status})`;
    }
    const instance = told.all.get(call.instance);
    if (instance === undefined) return `Nova had no instance ${call.instance}`;
    if (instance.taskState === 'deleting') return `Nova was deleting ${call.instance} already`;
    return call.write !== 'stop' || instance.status === 'ACTIVE' ? null : `${call.instance} was ${instance.status}`;
  }

  /** What the process was told, or why that is no evidence. */
  #fresh(call: Call, at: string, node: string): Told | string {
    const told = this.#knowledge.node(call.process, at, node);
    if (told === undefined) return `Ironic of ${at} was not asked`;
    const age = call.sentAt - told.sentAt;
    if (age > FRESH_MS) return `Ironic of ${at} was last asked ${age} ms ago`;
    const changed = this.#ended.get(`${call.process} ${at} ironic ${node}`);
    if (changed !== undefined && told.sentAt < changed && !told.written)
      return `${at} was changed after it was last asked`;
    return told;
  }
}

/** What is wrong with the call by what the process was told; null: it may be. */
function contradiction(call: Call, here: NodeSaid | null, there: NodeSaid | null): string | null {
  if (here === null) return `there was no such node in ${call.at}`;
  if (here.maintenance) return 'it was in maintenance';
  if (there !== null && here.provisionState !== 'enroll' && there.provisionState !== 'enroll') {
    return `both managed it: ${here.provisionState} here, ${there.provisionState} there`;
  }
  switch (call.write) {
    case 'delete node':
      if (there === null) return 'the other Ironic did not have it';
      if (here.instanceUuid !== null) return `instance ${here.instanceUuid} was on it`;
      return DELETABLE.has(here.provisionState) ? null : `it was ${here.provisionState}`;
    case 'undeploy':
      return BROKEN.has(here.provisionState) ? null : `it was ${here.provisionState}`;
    case 'stop':
      return here.retired ? 'it was retired' : null;
    case 'power off':
      return here.instanceUuid === null ? null : `instance ${here.instanceUuid} was on it`;
    default:
      return null;
  }
}

/** The copy that is inert has no machine: neither Nova nor the application have anything to say about it. */
const isInert = (call: Call, here: NodeSaid | null): boolean =>
  call.write === 'delete node' && here?.provisionState === 'enroll';
