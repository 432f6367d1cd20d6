import type { Outcome } from './run.ts';

/** What many runs have come to. */
export class Tally {
  runs = 0;
  requests = 0;
  starts = 0;
  steps = 0;
  /** Runs that were played again without Slack, to compare. */
  compared = 0;
  readonly faults = new Map<string, number>();
  readonly ends = new Map<string, number>();
  readonly failures: { seed: number; invariant: string; message: string }[] = [];

  add(outcome: Outcome): void {
    this.runs += 1;
    this.requests += outcome.requests;
    this.starts += outcome.starts;
    this.steps += outcome.steps;
    this.compared += outcome.compared ? 1 : 0;
    for (const end of outcome.ends) this.ends.set(end, (this.ends.get(end) ?? 0) + 1);
    for (const [kind, count] of Object.entries(outcome.faults)) {
      this.faults.set(kind, (this.faults.get(kind) ?? 0) + count);
    }
    if (outcome.failure !== null) this.failures.push({ seed: outcome.seed, ...outcome.failure });
  }

  #mean(sum: number): string {
    return (sum / Math.max(1, this.runs)).toFixed(1);
  }

  /** Lines for people. */
  report(): string[] {
    const total = [...this.ends.values()].reduce((sum, count) => sum + count, 0);
    const sorted = (map: ReadonlyMap<string, number>) => [...map].sort((a, b) => b[1] - a[1]);
    return [
      `${this.runs} runs, ${total} deployments, ${this.starts} starts of Ephyra, ${this.compared} compared with the same without Slack`,
      `mean of a run: ${this.#mean(this.steps)} steps of nodes, ${this.#mean(this.requests)} requests to the clouds`,
      `deployments ended: ${sorted(this.ends)
        .map(([end, count]) => `${end} ${((100 * count) / total).toFixed(1)} %`)
        .join(', ')}`,
      `what went wrong: ${sorted(this.faults)
        .map(([kind, count]) => `${kind} ${count}`)
        .join(', ')}`,
    ];
  }
}

/** Every kind of trouble that a run can make up. */
export const KINDS: readonly string[] = [
  'kill',
  'drop',
  'lose answer',
  'half answer',
  'refuse',
  'hang',
  'late request',
  'late answer',
  'stale',
  'clean-fails',
  'deploy-fails',
  'deploy-hangs',
  'deploy-lost',
  'no-valid-host',
  'verify-fails',
  'power-never-reported',
  'node-locked',
  'service-down',
  'tokens-revoked',
  'maintenance',
  'delete instance',
  'stop instance',
  'foreign mark',
  'garbled mark',
  'newer epoch',
  'remove mark',
  'edit definition',
  'hold lock',
  'protect',
  'retire',
  'lock',
  'application silent',
  'application unhealthy',
  'application throws',
  'application hangs',
  'drain hangs',
  'join hangs',
  'crash machine',
  'member in',
  'member out',
  'on the way back',
  'again and again',
  'together',
  'boot on node',
  'replace instance',
  'application lies',
  'application names nobody',
  'restart service',
  'disk full',
  'replica behind',
  'Ephyras: freeze',
  'Ephyras: thaw',
  'Ephyras: kill',
  'Ephyras: start',
  'Ephyras: jump',
  'twice',
  'partial',
  'small pages',
  'cloud away for an hour',
  'clock ahead or behind',
  'slack down',
  'slack slow',
  'slack rate limited',
  'slack silent',
  'slack losing answers',
  'abort',
  'deploy beside',
  'stop',
];
