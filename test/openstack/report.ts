import { writeFileSync } from 'node:fs';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

export interface Outcome {
  readonly backend: string;
  readonly id: string;
  readonly call: string;
  readonly ok: boolean;
}

/** One line for every case, in the order of the suite: the call, the case, and what each backend made of it. */
export function contractTable(outcomes: readonly Outcome[]): readonly string[] {
  const cases = new Map<string, { call: string; results: Map<string, boolean> }>();
  for (const { backend, id, call, ok } of outcomes) {
    const entry = cases.get(id) ?? { call, results: new Map() };
    entry.results.set(backend, ok);
    cases.set(id, entry);
  }
  const backends = ['emulator', 'real'];
  const widest = (texts: Iterable<string>) => Math.max(0, ...[...texts].map((text) => text.length));
  const callWidth = widest([...cases.values()].map(({ call }) => call));
  const idWidth = widest(cases.keys());
  const word = (ok: boolean | undefined) => (ok === undefined ? 'not run' : ok ? 'ok' : 'FAILED');
  return [...cases].map(([id, { call, results }]) => {
    const verdict = backends.map((backend) => `${backend} ${word(results.get(backend))}`).join(', ');
    return `${call.padEnd(callWidth)}  ${id.padEnd(idWidth)}  ${verdict}`;
  });
}

/**
 * After all tests: the merged table of the contract, and the sum. A test that could not run (its set-up failed) counts as
 * failed, and so does a file that could not be loaded.
 */
export class ContractReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const outcomes: Outcome[] = [];
    let passed = 0;
    let failed = unhandled.length;
    for (const module of modules) {
      let tests = 0;
      for (const test of module.children.allTests()) {
        tests += 1;
        const ok = test.result().state === 'passed';
        if (ok) passed += 1;
        else failed += 1;
        const { contract } = test.meta();
        if (contract !== undefined) outcomes.push({ ...contract, ok });
      }
      if (tests === 0 || (module.state() === 'failed' && module.errors().length > 0)) failed += 1;
    }
    if (outcomes.length > 0) console.log(`\n${contractTable(outcomes).join('\n')}\n`);
    const sum = `${passed} passed, ${failed} failed`;
    const file = process.env['OPENSTACK_TEST_SUM'];
    if (file === undefined) console.log(sum);
    else writeFileSync(file, `${sum}\n`);
  }
}
