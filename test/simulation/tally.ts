import type { Outcome } from './run.ts';

/** What many runs have come to. */
export class Tally {
  runs = 0;
  requests = 0;
  starts = 0;
  virtualMs = 0;
  readonly faults = new Map<string, number>();
  readonly ends = new Map<string, number>();
  readonly failures: { seed: number; invariant: string; message: string }[] = [];

  add(outcome: Outcome): void {
    this.runs += 1;
    this.requests += outcome.requests;
    this.starts += outcome.starts;
    for (const end of outcome.ends) this.ends.set(end, (this.ends.get(end) ?? 0) + 1);
    for (const [kind, count] of Object.entries(outcome.faults)) {
      this.faults.set(kind, (this.faults.get(kind) ?? 0) + count);
    }
    if (outcome.failure !== null) this.failures.push({ seed: outcome.seed, ...outcome.failure });
  }

  /** Lines for people. */
  report(): string[] {
    const total = [...this.ends.values()].reduce((sum, count) => sum + count, 0);
    const sorted = (map: ReadonlyMap<string, number>) => [...map].sort((a, b) => b[1] - a[1]);
    return [
      `${this.runs} runs, ${total} deployments, ${Math.round(this.requests / Math.max(1, this.runs))} requests each on average, ${this.starts} starts of Ephyra`,
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
  'lock',
  'application silent',
  'application unhealthy',
  'application throws',
  'application hangs',
  'drain hangs',
  'join hangs',
  'crash machine',
  'abort',
  'stop',
];
