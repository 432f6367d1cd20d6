import { REASONS } from '../machines/errors.ts';
import type { ApplicationNode, ApplicationPlugin, PluginContext } from '../machines/plugin.ts';

/**
 * The conformance kit: checks whether a plugin keeps the contract of machines/plugin.ts. It knows no test runner: it
 * runs checks and returns what it found. docs/plugins.md shows how to call it from a test.
 */

/** A small world for one check: the plugin, an application behind it, and ways to know and to break that application. */
export interface ConformanceBench {
  readonly plugin: ApplicationPlugin;
  /** A node that is in service when the bench has been made. */
  readonly node: ApplicationNode;
  /** The same node after its move; the same object when nothing changes with a move. */
  readonly moved: ApplicationNode;
  /** The truth, found without the plugin: would stopping the machine now harm somebody? */
  inService(): boolean | Promise<boolean>;
  /** How many changes the application has been asked for so far, counted without the plugin. */
  changes(): number | Promise<number>;
  /** Stops the machine and starts it again where it is after the move. Left out: nothing has to happen between. */
  move?(): Promise<void>;
  /** Another plugin object over the same application, as after a restart of Ephyra. */
  again(): ApplicationPlugin | Promise<ApplicationPlugin>;
  /** From now on the application does not answer. Left out: it cannot be silent. */
  silence?(): void | Promise<void>;
  /** From now on a node that is asked to leave never gets out. Left out: leaving cannot take time. */
  hang?(): void | Promise<void>;
  dispose(): void | Promise<void>;
}

export interface ConformanceOptions {
  /** How soon an abort must end the waiting. Default 1000 ms. */
  readonly promptMs?: number;
  /** The longest that a remove or add may take on the bench. Default 20 000 ms. */
  readonly patienceMs?: number;
  /** How long a plugin is watched that must not resolve. Default 1500 ms. */
  readonly watchMs?: number;
}

export interface ConformanceResult {
  /** The rule, as a sentence. */
  readonly rule: string;
  readonly outcome: 'kept' | 'broken' | 'not checked';
  /** What was seen when it is broken, or why it was not checked. */
  readonly detail: string;
}

type Times = Required<ConformanceOptions>;
type Check = (bench: ConformanceBench, times: Times) => Promise<void>;

class Broken extends Error {}
class NotChecked extends Error {}

const RULES: readonly { readonly rule: string; readonly check: Check }[] = [
  { rule: 'A node in service is healthy and in', check: inServiceIsIn },
  { rule: 'verifyNode and verifyApplication change nothing', check: verifyChangesNothing },
  { rule: 'removeNode resolves only once the node is out of service', check: removeMeansOut },
  { rule: 'removeNode, asked again, resolves and changes nothing', check: removeTwice },
  { rule: 'removeNode may be asked twice at the same time', check: removeAtOnce },
  { rule: 'A restarted plugin knows that the node is out', check: outAfterRestart },
  { rule: 'addNode brings the node back into service, healthy', check: addMeansIn },
  { rule: 'addNode, asked again, resolves and changes nothing', check: addTwice },
  { rule: 'A remove that was cancelled can be undone by addNode', check: cancelledThenAdd },
  { rule: 'A remove that was cancelled can be asked for again', check: cancelledThenRemove },
  { rule: 'An abort ends the waiting of removeNode promptly', check: abortRemove },
  {
    rule: 'A signal that has already fired ends removeNode and addNode before they change anything',
    check: abortedBefore,
  },
  {
    rule: 'removeNode never resolves while the node cannot leave, and gives up at the deadline',
    check: hangNeverResolves,
  },
  { rule: 'In silence verifyNode and verifyApplication answer unknown', check: silenceIsUnknown },
  { rule: 'In silence removeNode does not resolve', check: silenceNeverRemoves },
  { rule: 'Whatever it throws can be understood, a cancelled wait as cancelled', check: errorsAreUnderstood },
  { rule: 'close resolves', check: closes },
];

/**
 * Runs all checks, each on a bench of its own made by `make`, one after the other. Resolves with one result per rule;
 * never rejects because of the plugin.
 */
export async function checkConformance(
  make: () => Promise<ConformanceBench>,
  options: ConformanceOptions = {},
): Promise<ConformanceResult[]> {
  const times: Times = {
    promptMs: options.promptMs ?? 1_000,
    patienceMs: options.patienceMs ?? 20_000,
    watchMs: options.watchMs ?? 1_500,
  };
  const results: ConformanceResult[] = [];
  for (const { rule, check } of RULES) {
    const bench = await make();
    try {
      await check(bench, times);
      results.push({ rule, outcome: 'kept', detail: '' });
    } catch (error) {
      const outcome = error instanceof NotChecked ? 'not checked' : 'broken';
      results.push({ rule, outcome, detail: error instanceof Error ? error.message : String(error) });
    } finally {
      await bench.dispose();
    }
  }
  return results;
}

/** The rules that were broken, as text for an assertion: empty when all is well. */
export function brokenRules(results: readonly ConformanceResult[]): string[] {
  return results.filter((result) => result.outcome === 'broken').map((result) => `${result.rule}: ${result.detail}`);
}

async function inServiceIsIn(bench: ConformanceBench, times: Times): Promise<void> {
  const node = await look(bench.plugin, bench.node, times);
  if (!(await bench.inService())) throw new NotChecked('the bench has nodes that are never in service');
  must(node.health === 'healthy', `verifyNode said ${JSON.stringify(node)}`);
  must(node.membership === 'in', `membership is "${node.membership}" while the node is in service`);
  const application = await bench.plugin.verifyApplication(context(times.patienceMs));
  must(application.health === 'healthy', `verifyApplication said ${JSON.stringify(application)}`);
}

async function verifyChangesNothing(bench: ConformanceBench, times: Times): Promise<void> {
  const changes = await bench.changes();
  const served = await bench.inService();
  for (let i = 0; i < 3; i += 1) {
    await look(bench.plugin, bench.node, times);
    await bench.plugin.verifyApplication(context(times.patienceMs));
  }
  must((await bench.changes()) === changes, 'the application was changed');
  must((await bench.inService()) === served, 'the node is no longer in service');
}

async function removeMeansOut(bench: ConformanceBench, times: Times): Promise<void> {
  await remove(bench, times);
  must(!(await bench.inService()), 'it resolved while the node was still in service');
  const seen = await look(bench.plugin, bench.node, times);
  must(seen.membership === 'out', `afterwards verifyNode said membership "${seen.membership}"`);
}

async function removeTwice(bench: ConformanceBench, times: Times): Promise<void> {
  await remove(bench, times);
  const changes = await bench.changes();
  await remove(bench, times);
  must((await bench.changes()) === changes, 'the second time it changed something');
  must(!(await bench.inService()), 'the node is back in service');
}

async function removeAtOnce(bench: ConformanceBench, times: Times): Promise<void> {
  await Promise.all([remove(bench, times), remove(bench, times)]);
  must(!(await bench.inService()), 'it resolved while the node was still in service');
}

async function outAfterRestart(bench: ConformanceBench, times: Times): Promise<void> {
  await remove(bench, times);
  const changes = await bench.changes();
  const plugin = await bench.again();
  try {
    const seen = await look(plugin, bench.node, times);
    must(seen.membership === 'out', `the new plugin said membership "${seen.membership}"`);
    await within(times.patienceMs, 'removeNode', plugin.removeNode(bench.node, context(times.patienceMs)));
    must((await bench.changes()) === changes, 'the new plugin changed something to remove a node that is out');
  } finally {
    await plugin.close?.();
  }
}

async function addMeansIn(bench: ConformanceBench, times: Times): Promise<void> {
  const served = await bench.inService();
  await remove(bench, times);
  await bench.move?.();
  await add(bench, times);
  must((await bench.inService()) === served, 'it resolved before the node was in service');
  const seen = await look(bench.plugin, bench.moved, times);
  must(seen.health === 'healthy', `afterwards verifyNode said ${JSON.stringify(seen)}`);
}

async function addTwice(bench: ConformanceBench, times: Times): Promise<void> {
  await remove(bench, times);
  await bench.move?.();
  await add(bench, times);
  const changes = await bench.changes();
  await add(bench, times);
  must((await bench.changes()) === changes, 'the second time it changed something');
}

async function cancelledThenAdd(bench: ConformanceBench, times: Times): Promise<void> {
  const served = await bench.inService();
  await startAndCancel(bench, times);
  await within(times.patienceMs, 'addNode', bench.plugin.addNode(bench.node, context(times.patienceMs)));
  must((await bench.inService()) === served, 'the node is not back in service');
}

async function cancelledThenRemove(bench: ConformanceBench, times: Times): Promise<void> {
  await startAndCancel(bench, times);
  await remove(bench, times);
  must(!(await bench.inService()), 'it resolved while the node was still in service');
}

async function startAndCancel(bench: ConformanceBench, times: Times): Promise<void> {
  const stop = new AbortController();
  const going = bench.plugin.removeNode(bench.node, context(times.patienceMs, stop.signal)).catch(() => {});
  await wait(20);
  stop.abort();
  await within(times.promptMs, 'removeNode after an abort', going);
}

async function abortRemove(bench: ConformanceBench, times: Times): Promise<void> {
  if (!bench.hang) throw new NotChecked('leaving takes no time on this bench');
  await bench.hang();
  const stop = new AbortController();
  const going = outcome(bench.plugin.removeNode(bench.node, context(times.patienceMs, stop.signal)));
  await wait(100);
  stop.abort();
  const ended = await within(times.promptMs, 'removeNode after an abort', going);
  must(ended.how === 'rejected', 'it resolved although the node had not left');
}

async function abortedBefore(bench: ConformanceBench, times: Times): Promise<void> {
  const changes = await bench.changes();
  const fired = AbortSignal.abort();
  for (const verb of ['removeNode', 'addNode'] as const) {
    const ended = await within(
      times.promptMs,
      verb,
      outcome(bench.plugin[verb](bench.node, context(times.patienceMs, fired))),
    );
    must(ended.how === 'rejected', `${verb} resolved`);
  }
  must((await bench.changes()) === changes, 'the application was changed');
}

async function hangNeverResolves(bench: ConformanceBench, times: Times): Promise<void> {
  if (!bench.hang) throw new NotChecked('leaving takes no time on this bench');
  await bench.hang();
  const ended = await within(
    times.watchMs + times.promptMs + 5_000,
    'removeNode past its deadline',
    outcome(bench.plugin.removeNode(bench.node, context(times.watchMs))),
  );
  must(ended.how === 'rejected', 'it resolved');
}

async function silenceIsUnknown(bench: ConformanceBench, times: Times): Promise<void> {
  if (!bench.silence) throw new NotChecked('the application cannot be silent on this bench');
  await bench.silence();
  const node = await look(bench.plugin, bench.node, times);
  must(node.health === 'unknown' && node.membership === 'unknown', `verifyNode said ${JSON.stringify(node)}`);
  const application = await bench.plugin.verifyApplication(context(times.patienceMs));
  must(application.health === 'unknown', `verifyApplication said ${JSON.stringify(application)}`);
  must(node.reasons.length > 0 && application.reasons.length > 0, 'no reason was given');
}

async function silenceNeverRemoves(bench: ConformanceBench, times: Times): Promise<void> {
  if (!bench.silence) throw new NotChecked('the application cannot be silent on this bench');
  await bench.silence();
  const stop = new AbortController();
  const going = outcome(bench.plugin.removeNode(bench.node, context(times.watchMs, stop.signal)));
  await Promise.race([going, wait(times.watchMs)]);
  stop.abort();
  const ended = await within(times.promptMs + 5_000, 'removeNode after an abort', going);
  must(ended.how === 'rejected', 'it resolved');
}

async function errorsAreUnderstood(bench: ConformanceBench, times: Times): Promise<void> {
  const fired = context(times.patienceMs, AbortSignal.abort());
  const cancelled = (await outcome(bench.plugin.removeNode(bench.node, fired))).error as
    | { name?: unknown; next?: unknown }
    | undefined;
  must(
    cancelled?.next === 'cancelled' || cancelled?.name === 'AbortError',
    `cancelled, it threw ${String(cancelled)}, which counts as a failure`,
  );
  if (!bench.silence) return;
  await bench.silence();
  const { error } = await outcome(bench.plugin.removeNode(bench.node, context(times.watchMs)));
  must(
    error instanceof Error && error.message !== '',
    `it threw ${String(error)}, which is not an error with a message`,
  );
  // By shape: a third party's copy of the class is another class.
  const { reason, next } = error as { reason?: unknown; next?: unknown };
  if (reason === undefined && next === undefined) return;
  must(
    REASONS.some((known) => known === reason) && ['retry', 'stop', 'ask', 'cancelled'].includes(String(next)),
    `it threw an error with reason "${String(reason)}" and next "${String(next)}"`,
  );
}

async function closes(bench: ConformanceBench, times: Times): Promise<void> {
  await look(bench.plugin, bench.node, times);
  if (bench.plugin.close) await within(times.promptMs, 'close', bench.plugin.close());
}

function remove(bench: ConformanceBench, times: Times): Promise<void> {
  return within(times.patienceMs, 'removeNode', bench.plugin.removeNode(bench.node, context(times.patienceMs)));
}

function add(bench: ConformanceBench, times: Times): Promise<void> {
  return within(times.patienceMs, 'addNode', bench.plugin.addNode(bench.moved, context(times.patienceMs)));
}

/** A verifyNode whose answer is well formed. */
async function look(plugin: ApplicationPlugin, node: ApplicationNode, times: Times) {
  const answer = await within(times.patienceMs, 'verifyNode', plugin.verifyNode(node, context(times.patienceMs)));
  must(
    ['healthy', 'unhealthy', 'unknown'].includes(answer.health) &&
      ['in', 'out', 'unknown'].includes(answer.membership) &&
      Array.isArray(answer.reasons),
    `verifyNode said ${JSON.stringify(answer)}, which is not of the agreed form`,
  );
  must(
    (answer.reasons.length === 0) === (answer.health === 'healthy'),
    `health "${answer.health}" came with ${answer.reasons.length} reasons`,
  );
  return answer;
}

function context(forMs: number, signal: AbortSignal = new AbortController().signal): PluginContext {
  return { signal, deadline: performance.now() + forMs, progress: () => {} };
}

async function outcome(work: Promise<void>): Promise<{ how: 'resolved' | 'rejected'; error?: unknown }> {
  try {
    await work;
    return { how: 'resolved' };
  } catch (error) {
    return { how: 'rejected', error };
  }
}

function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Broken(`${what} was not done after ${ms} ms`)), ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function must(holds: boolean, otherwise: string): void {
  if (!holds) throw new Broken(otherwise);
}
