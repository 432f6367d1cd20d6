/** One thing that is wrong with the configuration, told so that a person can mend it without reading our code. */
export interface Problem {
  /** Where, e.g. `roles.hadoop-worker.boot.default.flavor`; empty for the file as a whole. */
  readonly path: string;
  /** The value found, if it is a single one, printable and short. `[secret]` where it may be one. */
  readonly value: string | undefined;
  /** What is wrong. One sentence without the path. */
  readonly problem: string;
  /** What to write instead, or what to do. */
  readonly remedy: string;
  /** Line in the file, from 1; null when the problem has no place in it. */
  readonly line: number | null;
}

/** The configuration cannot be used. Its message lists every problem, in the order of the file. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** The file that is meant. */
  readonly file: string;
  readonly problems: readonly Problem[];

  constructor(file: string, problems: readonly Problem[]) {
    super(formatProblems(file, problems));
    this.file = file;
    this.problems = problems;
  }
}

/** A readable list: a line with place and problem, one with what to do, for each. */
export function formatProblems(file: string, problems: readonly Problem[]): string {
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  return [`${file}: ${count}`, ...problems.map((problem) => formatProblem(problem))].join('\n');
}

/** One problem as two or three indented lines, with its line number where it has one. */
export function formatProblem(problem: Problem): string {
  const where = [problem.line === null ? null : `line ${problem.line}`, problem.path === '' ? null : problem.path]
    .filter((part) => part !== null)
    .join(', ');
  const found = problem.value === undefined ? '' : ` (found: ${problem.value})`;
  return `  ${where === '' ? '' : `${where}: `}${problem.problem}${found}\n      ${problem.remedy}`;
}

const LONGEST_VALUE = 60;

/** A single value as it is shown to people: JSON, cut to a length that fits a line. Sections and lists are not shown. */
export function printable(value: unknown): string | undefined {
  if (value === undefined || value === null || typeof value === 'object') return undefined;
  const text = JSON.stringify(value) ?? String(value);
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE - 1)}…` : text;
}
