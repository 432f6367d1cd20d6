import type { Health, Membership } from '../../machines/domain.ts';
import type { ApplicationHealth, NodeHealth } from '../../machines/plugin.ts';
import { type CommandResult, lastLine } from '../support/process.ts';
import { type ExecAnswer, execAnswer } from './schema.ts';

/** What the exit code alone says. `null` where it has no meaning for the verb: then nothing is known. */
const BY_CODE: Readonly<Record<number, { health: Health; membership: Membership }>> = {
  0: { health: 'healthy', membership: 'in' },
  1: { health: 'unhealthy', membership: 'unknown' },
  3: { health: 'unhealthy', membership: 'out' },
};

/** Exit code and JSON of `verifyNode` as the contract has it; whatever contradicts itself is unknown. */
export function nodeAnswer(result: CommandResult): NodeHealth {
  const read = readAnswer(result);
  if ('unknown' in read) return { health: 'unknown', membership: 'unknown', reasons: [read.unknown] };
  const { code, json } = read;
  const base = BY_CODE[code];
  if (!base) return { health: 'unknown', membership: 'unknown', reasons: [meaningless(result)] };
  const health = json.health ?? base.health;
  const membership = json.membership ?? base.membership;
  // A command that exits 1 and prints "healthy" is broken somewhere: believe neither.
  if (code === 1 && health === 'healthy') return contradiction(`exit code 1, but health "healthy"`);
  if (code === 3 && membership !== 'out') return contradiction(`exit code 3, but membership "${membership}"`);
  return { health, membership, reasons: reasonsFor(health, json, result) };
}

/** Exit code and JSON of `verifyApplication` as the contract has it. */
export function applicationAnswer(result: CommandResult): ApplicationHealth {
  const read = readAnswer(result);
  if ('unknown' in read) return { health: 'unknown', reasons: [read.unknown] };
  const { code, json } = read;
  if (code !== 0 && code !== 1) return { health: 'unknown', reasons: [meaningless(result)] };
  const health = json.health ?? (code === 0 ? 'healthy' : 'unhealthy');
  if (code === 1 && health === 'healthy') {
    return { health: 'unknown', reasons: contradiction('exit code 1, but health "healthy"').reasons };
  }
  return {
    health,
    reasons: reasonsFor(health, json, result),
    ...(json.unavailable === undefined ? {} : { unavailable: json.unavailable }),
    ...(json.membersInService === undefined ? {} : { membersInService: json.membersInService }),
  };
}

function readAnswer(result: CommandResult): { code: number; json: ExecAnswer } | { unknown: string } {
  if (result.notStarted !== null) return { unknown: `the command could not be started: ${result.notStarted}` };
  if (result.timedOut) return { unknown: 'the command did not answer in time' };
  if (result.code === null) return { unknown: `the command was ended by ${result.signal}` };
  const line = result.stdout.trimEnd().split('\n').at(-1)?.trim() ?? '';
  if (!line.startsWith('{')) return { code: result.code, json: {} };
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { unknown: 'the last line of its output starts like JSON but is not' };
  }
  const parsed = execAnswer.safeParse(value);
  if (parsed.success) return { code: result.code, json: parsed.data };
  const where = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
  return { unknown: `the JSON on the last line of its output is not as agreed: ${where}` };
}

function reasonsFor(health: Health, json: ExecAnswer, result: CommandResult): readonly string[] {
  if (health === 'healthy') return [];
  if (json.reasons !== undefined && json.reasons.length > 0) return json.reasons;
  const said = lastLine(result.stderr);
  return [said === '' ? `the command ended with exit code ${result.code}` : said];
}

function meaningless(result: CommandResult): string {
  const said = lastLine(result.stderr);
  return `the command ended with exit code ${result.code}${said === '' ? '' : `: ${said}`}`;
}

function contradiction(what: string): NodeHealth {
  return { health: 'unknown', membership: 'unknown', reasons: [`the command contradicts itself: ${what}`] };
}
