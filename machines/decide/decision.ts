import type { ControlPlaneName, ListName, Move, Seen, Step, Want } from '../domain.ts';
import type { FailureData, Reason } from '../errors.ts';

/** What one node needs next. A closed set: look, wait, act, done, fail. */
export type Decision =
  /** Facts are needed that nobody has asked for. */
  | { readonly kind: 'look'; readonly wants: readonly Want[] }
  /** Nothing to do but watch `wants`. `reason` is a sentence for people; `step` null: whichever step it is in. */
  | { readonly kind: 'wait'; readonly step: Step | null; readonly reason: string; readonly wants: readonly Want[] }
  | { readonly kind: 'act'; readonly step: Step; readonly action: Action }
  | { readonly kind: 'done' }
  | { readonly kind: 'fail'; readonly step: Step; readonly failure: FailureData };

export const ACTIONS = [
  'stamp',
  'removeMember',
  'stopInstance',
  'deleteInstance',
  'undeploy',
  'copyDefinition',
  'unenroll',
  'manage',
  'powerOn',
  'provide',
  'bootInstance',
  'startInstance',
  'addMember',
  'settle',
  'letGo',
  'confirm',
] as const;
export type ActionName = (typeof ACTIONS)[number];

/** What went wrong in a cloud, and what a person can do about the cause. */
export interface Trouble {
  readonly reason: Reason;
  readonly message: string;
  readonly remedy: string;
}

/** One thing to do, in one control plane. */
export interface Action {
  readonly name: ActionName;
  readonly at: ControlPlaneName;
  readonly instanceId?: string;
  /** What must be read afresh, and lead to this same action again, right before it is done. */
  readonly evidence: readonly Want[];
  /** What must have been seen lately, for an action that destroys nothing. */
  readonly basis?: readonly Want[];
  /** What went wrong before, when this action mends something: the reason to give if it does not help. */
  readonly trouble?: Trouble;
  /** It tidies up after a try that failed: once it is done, the step begins its next try. */
  readonly endsTry?: true;
}

/** Actions that can cost data, a running machine or a definition (invariant 3). */
export const DESTRUCTIVE: ReadonlySet<ActionName> = new Set(['stopInstance', 'deleteInstance', 'undeploy', 'unenroll']);

/** What an action changes in its control plane, and whether the cloud takes its time over it after accepting it. */
export const EFFECTS: Readonly<
  Record<ActionName, { readonly changes: readonly ListName[]; readonly takesTime: boolean }>
> = {
  stamp: { changes: ['nodes'], takesTime: false },
  removeMember: { changes: [], takesTime: false },
  stopInstance: { changes: ['instances'], takesTime: true },
  // The node follows its instance: it is looked at again once the instance is gone.
  deleteInstance: { changes: ['instances', 'schedulable'], takesTime: true },
  undeploy: { changes: ['nodes', 'schedulable'], takesTime: true },
  copyDefinition: { changes: ['nodes'], takesTime: false },
  unenroll: { changes: ['nodes', 'providers', 'schedulable'], takesTime: false },
  manage: { changes: ['nodes', 'schedulable'], takesTime: true },
  powerOn: { changes: ['nodes', 'schedulable'], takesTime: true },
  provide: { changes: ['nodes', 'schedulable'], takesTime: true },
  bootInstance: { changes: ['instances', 'schedulable'], takesTime: true },
  startInstance: { changes: ['instances'], takesTime: true },
  addMember: { changes: [], takesTime: false },
  settle: { changes: [], takesTime: false },
  letGo: { changes: ['nodes'], takesTime: false },
  confirm: { changes: ['nodes'], takesTime: false },
};

export const sameAction = (a: Action, b: Action): boolean =>
  a.name === b.name && a.at === b.at && a.instanceId === b.instanceId;

export const nodesAt = (at: ControlPlaneName): Want => ({ of: 'nodes', at });
export const instancesAt = (at: ControlPlaneName): Want => ({ of: 'instances', at });
export const MEMBERSHIP: Want = { of: 'membership' };
export const DEFINITIONS: Want = { of: 'definitions' };
/** The node lists of both sides: what every change to a node is based on. */
export const bothNodes = (move: Move): Want[] => [nodesAt(move.from), nodesAt(move.to)];

export const look = (...wants: Want[]): Decision => ({ kind: 'look', wants });
export const wait = (step: Step | null, reason: string, ...wants: Want[]): Decision => ({
  kind: 'wait',
  step,
  reason,
  wants,
});
export const act = (step: Step, action: Action): Decision => ({ kind: 'act', step, action });
/** Asks the node there by a write whether it bears our mark, which a list does not show. */
export const confirm = (step: Step, move: Move, at: ControlPlaneName): Decision =>
  act(step, { name: 'confirm', at, evidence: [], basis: bothNodes(move) });
export const fail = (
  step: Step,
  reason: Reason,
  next: FailureData['next'],
  message: string,
  remedy?: string,
): Decision => ({
  kind: 'fail',
  step,
  failure: { reason, next, message, ...(remedy === undefined ? {} : { remedy }) },
});

/** A fact that has to be known before going on: its value (null = positively absent), or the decision that gets it. */
export function known<T>(
  fact: Seen<T>,
  want: Want,
  step: Step | null,
  question: string,
): { ok: true; value: T | null } | { ok: false; decision: Decision } {
  switch (fact.is) {
    case 'unlooked':
      return { ok: false, decision: look(want) };
    case 'unknown':
      return { ok: false, decision: wait(step, `${question}: ${fact.why}`, want) };
    case 'absent':
      return { ok: true, value: null };
    case 'present':
      return { ok: true, value: fact.value };
  }
}
