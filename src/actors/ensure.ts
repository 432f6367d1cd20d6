import { decide } from '../../machines/decide/decide.ts';
import type { Action, Decision } from '../../machines/decide/decision.ts';
import { bothNodes, DESTRUCTIVE, EFFECTS, sameAction } from '../../machines/decide/decision.ts';
import type { Memory } from '../../machines/decide/memory.ts';
import type { Move, NodeFacts, NodeUuid, Step, Want } from '../../machines/domain.ts';
import { STEPS } from '../../machines/domain.ts';
import type { FailureData } from '../../machines/errors.ts';
import { toFailureData } from '../../machines/errors.ts';
import type { EnsureInput, Start, StepOutcome } from '../../machines/node/setup.ts';
import type { SteadyClock } from '../openstack/clock.ts';
import { isInService } from './application.ts';
import type { NodeQuestions } from './session.ts';
import { NodeSession } from './session.ts';
import type { Survey } from './survey.ts';

export interface EnsureDeps {
  readonly survey: Survey;
  readonly clock: SteadyClock;
  readonly questions: NodeQuestions;
  /**
   * Does one action. Resolves when the cloud (or the application) has accepted it, with what the answer says of the node:
   * null = it is gone, undefined = nothing.
   */
  readonly perform: (
    action: Action,
    move: Move,
    session: NodeSession,
    signal: AbortSignal,
    /** Whether what is known in this instant still calls for it: nothing is sent otherwise. */
    due: () => boolean,
    /** Hears what the cloud said to a verb that does not fit the state in which it finds the node. */
    refused: (words: string) => void,
  ) => Promise<NodeFacts | null | undefined>;
  /** Resolves when the node is proven to be where it is going, before it is deleted where it comes from. */
  readonly proveOther: (move: Move, session: NodeSession, due: () => boolean) => Promise<void>;
  /** Resolves once the application can spare the node, which is in service. */
  readonly permit: (move: Move, signal: AbortSignal) => Promise<void>;
  /** Resolves when the clouds of the move may be written to by this process; tells what it waits for. */
  readonly mayWrite: (move: Move, signal: AbortSignal) => Promise<void>;
  /** Whether that is so in this instant. */
  readonly isWritable: (move: Move) => boolean;
  /** Milliseconds between two looks while waiting; all nodes look at the same instants and share the calls. */
  readonly pollMs: number;
  /** Milliseconds that evidence for an action may be old. */
  readonly evidenceMs: number;
  /** Nodes that an earlier run, perhaps of a process that is no more, has begun with. */
  readonly begun: ReadonlySet<NodeUuid>;
  /** By node: its session in the last run of this process that had one. */
  readonly latest: Map<NodeUuid, NodeSession>;
  /** Tells people what a node waits for; null when it goes on. */
  readonly waiting: (uuid: NodeUuid, reason: string | null) => void;
}

const SLOW_EVIDENCE_MS = 30_000;

/** Actions whose success is the end of their step: the clouds do not show them. */
const COMPLETES: Partial<Record<Action['name'], Step>> = { addMember: 'add' };

/** What an action that destroys nothing is based on may be that old. */
const BASIS_MS = 60_000;

/**
 * The one ensure loop behind every step: look, decide, act on fresh evidence, look again. Idempotent; killed at any
 * point and started again it goes on from what is seen.
 */
export function createEnsure(deps: EnsureDeps) {
  const { survey, clock, questions, pollMs } = deps;
  const sessions = new Map<NodeUuid, NodeSession>();
  const sessionOf = (uuid: NodeUuid): NodeSession => {
    const known = sessions.get(uuid);
    if (known !== undefined) return known;
    const session = new NodeSession(survey, clock, deps.latest.get(uuid));
    sessions.set(uuid, session);
    deps.latest.set(uuid, session);
    return session;
  };

  async function nextTick(
    wants: readonly Want[],
    move: Move,
    session: NodeSession,
    signal: AbortSignal,
  ): Promise<void> {
    const tick = (Math.floor(clock.now() / pollMs) + 1) * pollMs;
    // Timers may go off a little early; who asks before the others have a list of his own.
    do await clock.sleep(Math.max(1, tick - clock.now()), signal);
    while (clock.now() < tick);
    await session.look(wants, move, tick, questions);
  }

  /**
   * Nothing is given up on one look: a list that is behind, or two that were read while the node moved on, show what never
   * was. At the next tick everything is asked anew.
   */
  async function lookAgain(move: Move, session: NodeSession, signal: AbortSignal): Promise<void> {
    await nextTick([], move, session, signal);
    session.doubt();
  }

  /**
   * False when what the proof is needed for is not called for any more. Before the evidence, which it would make old. A copy that
   * was made a moment ago needs none.
   */
  async function isProven(move: Move, session: NodeSession, isCalledFor: () => boolean): Promise<boolean> {
    if (session.sawByWrite(move.to, BASIS_MS)) return true;
    await session.look(bothNodes(move), move, clock.now() - BASIS_MS, questions);
    let isDue = isCalledFor();
    if (!isDue) return false;
    try {
      await deps.proveOther(move, session, () => {
        isDue = isCalledFor();
        return isDue;
      });
    } catch (error) {
      if (isDue) throw error;
    }
    return isDue;
  }

  const rememberedOf = (session: NodeSession, move: Move): Memory => ({
    removed: session.removed,
    perhapsMarked: deps.begun.has(move.uuid) && ![move.from, move.to].some((at) => session.sawUnmarked(at, BASIS_MS)),
  });

  /** Where a node migration starts: the first decision that is about a step. */
  async function start(input: { move: Move }, signal: AbortSignal): Promise<Start> {
    const { move } = input;
    const session = sessionOf(move.uuid);
    await session.quiet();
    session.begin(clock.now() - pollMs);
    let doubted = false;
    try {
      for (;;) {
        signal.throwIfAborted();
        const decision = decide(session.observe(move), move, rememberedOf(session, move));
        if (decision.kind === 'fail' && !doubted) {
          doubted = true;
          await lookAgain(move, session, signal);
          continue;
        }
        switch (decision.kind) {
          case 'look':
            await session.look(decision.wants, move, clock.now() - pollMs, questions);
            break;
          case 'wait':
            if (decision.step !== null) return { kind: 'step', step: decision.step };
            deps.waiting(move.uuid, decision.reason);
            await nextTick(decision.wants, move, session, signal);
            break;
          case 'act':
            return { kind: 'step', step: decision.step };
          case 'done':
            return { kind: 'done' };
          case 'fail':
            return { kind: 'failed', failure: decision.failure };
        }
      }
    } finally {
      deps.waiting(move.uuid, null);
    }
  }

  async function ensure({ move, step }: EnsureInput, signal: AbortSignal): Promise<StepOutcome> {
    const session = sessionOf(move.uuid);
    // What an earlier, abandoned try has sent off must have landed before anything is concluded from what is seen.
    await session.quiet();
    let verified = false;
    const remembered = () => ({ ...rememberedOf(session, move), added: step === 'verify', verified });
    /** The action as what is known now calls for it; null when it does not. */
    const stillCalledFor = (action: Action): Action | null => {
      const decision = decide(session.observe(move), move, remembered());
      return decision.kind === 'act' && sameAction(decision.action, action) ? decision.action : null;
    };
    const isCalledFor = (action: Action) => !signal.aborted && deps.isWritable(move) && stillCalledFor(action) !== null;
    const tried: Action[] = [];
    /** By action, of this try. */
    const refusals = new Map<Action['name'], string>();
    let doubted = false;
    try {
      for (;;) {
        signal.throwIfAborted();
        const decision = decide(session.observe(move), move, remembered());
        if (decision.kind === 'fail' && !doubted) {
          doubted = true;
          await lookAgain(move, session, signal);
          continue;
        }
        const outcome = outcomeOf(decision, step);
        if (outcome !== null) return outcome;
        if (decision.kind === 'look') {
          await session.look(decision.wants, move, clock.now() - pollMs, questions);
        } else if (decision.kind === 'wait') {
          deps.waiting(move.uuid, decision.reason);
          await nextTick(decision.wants, move, session, signal);
        } else if (decision.kind === 'act') {
          const { action } = decision;
          if (session.didLately(action)) {
            deps.waiting(move.uuid, `${action.name} was sent to ${action.at} a moment ago and does not show yet`);
            await nextTick([...action.evidence, ...(action.basis ?? [])], move, session, signal);
            continue;
          }
          // What tidies up ends the try anyway, and is done: else the next try would do nothing but that. What only asks may ask again.
          const isOnce = !action.endsTry && action.name !== 'confirm';
          if (isOnce && tried.some((earlier) => earlier.name === action.name)) {
            session.doubt();
            return noProgress(step, tried, action, refusals.get(action.name));
          }
          // Both before the evidence, so that waiting for them, which can take hours, does not make the evidence old.
          if (action.name === 'removeMember' && isInService(session.observe(move))) await deps.permit(move, signal);
          await deps.mayWrite(move, signal);
          if (action.name === 'unenroll' && !(await isProven(move, session, () => isCalledFor(action)))) continue;
          const asked = clock.now();
          await Promise.all([
            session.look(action.evidence, move, asked - deps.evidenceMs, questions),
            session.look(action.basis ?? [], move, asked - BASIS_MS, questions),
          ]);
          // A cloud that took that long to answer has told us about the past.
          const notAfter = asked + SLOW_EVIDENCE_MS;
          if (clock.now() > notAfter || !deps.isWritable(move)) continue;
          const again = stillCalledFor(action);
          if (again === null) continue;
          signal.throwIfAborted();
          deps.waiting(move.uuid, null);
          tried.push(again);
          if (action.name === 'addMember') session.removed = false;
          // A rate limit or a token that has died holds a request up: others may have heard something newer meanwhile.
          const lasts = DESTRUCTIVE.has(action.name) ? notAfter : asked + PREPARATION_MS;
          let isDue = true;
          const due = () => {
            isDue = clock.now() <= lasts && isCalledFor(action);
            return isDue;
          };
          try {
            const refused = (words: string) => void refusals.set(action.name, words);
            await session.change(action, () => deps.perform(again, move, session, signal, due, refused));
          } catch (error) {
            if (isDue) throw error;
            // Nothing was done: that costs no try.
            tried.pop();
            continue;
          }
          session.done(again);
          if (action.name === 'removeMember') session.removed = true;
          if (action.name === 'settle') verified = true;
          if (COMPLETES[action.name] === step) return { kind: 'done' };
          if (again.endsTry) return triedInVain(again);
          // Looking at once would show what was there before; the next look of everybody is early enough.
          const isToldLater =
            EFFECTS[action.name].takesTime || (action.name === 'confirm' && !session.isTold(action.at, BASIS_MS));
          if (isToldLater) await nextTick([], move, session, signal);
        }
      }
    } catch (error) {
      // The next try trusts nothing that this one has seen.
      session.doubt();
      return { kind: 'failed', failure: toFailureData(error) };
    } finally {
      deps.waiting(move.uuid, null);
    }
  }

  return {
    start,
    ensure,
    /** What is known of a node now, without asking anybody. */
    observe: (move: Move) => sessionOf(move.uuid).observe(move),
  };
}

/**
 * What an action that destroys nothing has to find out before its first write - the ids of what is booted, the application's
 * last word before a node leaves it - may take that long.
 */
const PREPARATION_MS = 120_000;

/** What a decision means for the step under way; null: the step goes on. */
export function outcomeOf(decision: Decision, step: Step): StepOutcome | null {
  if (decision.kind === 'look') return null;
  if (decision.kind === 'done') return { kind: 'done' };
  if (decision.kind === 'fail') return { kind: 'failed', failure: decision.failure };
  if (decision.step === null || decision.step === step) return null;
  if (STEPS.indexOf(decision.step) > STEPS.indexOf(step)) return { kind: 'done' };
  const why = decision.kind === 'wait' ? decision.reason : `${decision.action.name} is needed in ${decision.action.at}`;
  return { kind: 'regressed', to: decision.step, why };
}

/** The leftovers of a failed try are cleared; its failure is what the try comes to. */
function triedInVain({ name, at, trouble }: Action): StepOutcome {
  const reason = trouble?.reason ?? 'evidence_stale';
  return {
    kind: 'failed',
    failure: {
      reason,
      next: 'retry',
      message: trouble?.message ?? `${name} was needed in ${at}.`,
      ...(trouble === undefined ? {} : { remedy: trouble.remedy }),
    },
  };
}

/** The same action a second time within one try: it did not help. The trouble that it mended says why, or the cloud itself. */
function noProgress(step: Step, tried: readonly Action[], action: Action, refusal: string | undefined): StepOutcome {
  const trouble = action.trouble ?? tried.findLast((earlier) => earlier.trouble !== undefined)?.trouble;
  const had = `${action.name} in ${action.at} was accepted and had no effect in step ${step}.`;
  const failure: FailureData = {
    reason: trouble?.reason ?? (refusal === undefined ? 'evidence_stale' : 'cloud_refused'),
    next: 'retry',
    message: [trouble?.message, refusal].filter((said) => said !== undefined).join(' ') || had,
    ...(trouble === undefined ? {} : { remedy: trouble.remedy }),
  };
  return { kind: 'failed', failure };
}
