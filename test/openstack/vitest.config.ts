import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { ContractReporter } from './report.ts';

/** The contract first: what fails there explains what fails after it. */
class ContractFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) =>
      ['emulator.test.ts', '/contract.test.ts'].findIndex((end) => moduleId.endsWith(end));
    // Broken services last: what is wrong without them is wrong with them, too.
    const rank = (file: TestSpecification) =>
      place(file) < 0 ? 2 + Number(file.moduleId.endsWith('/broken.test.ts')) : place(file);
    return files.toSorted((a, b) => rank(a) - rank(b) || a.moduleId.localeCompare(b.moduleId));
  }
}

export default defineConfig({
  test: {
    include: ['test/contract/openstack/emulator.test.ts', 'test/openstack/**/*.test.ts'],
    fileParallelism: false,
    sequence: { sequencer: ContractFirst },
    reporters: ['default', new ContractReporter()],
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
});
