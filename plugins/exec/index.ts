import { Failure } from '../../machines/errors.ts';
import type { ApplicationNode, PluginContext, PluginFactory, PluginSetup } from '../../machines/plugin.ts';
import { parseOptions } from '../support/options.ts';
import { type CommandResult, lastLine, runCommand } from '../support/process.ts';
import { cancelled, throwIfAborted } from '../support/wait.ts';
import { applicationAnswer, nodeAnswer } from './answer.ts';
import { type ExecOptions, execOptions } from './schema.ts';

/** What every command gets of Ephyra's environment. Anything else may be a secret. */
const PASSED = ['PATH', 'HOME', 'USER', 'LOGNAME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR'];
const REASON_LENGTH = 200;

type Verb = 'remove' | 'add' | 'verify_node' | 'verify_application';

/** The application behind four commands. See README.md beside this file for what a command gets and must answer. */
export const createPlugin: PluginFactory = (setup) => {
  const options = parseOptions('exec', execOptions, setup.options);
  return {
    name: 'exec',
    removeNode: (node, context) => change(setup, options, 'remove', node, context),
    addNode: (node, context) => change(setup, options, 'add', node, context),
    async verifyNode(node, context) {
      return nodeAnswer(await look(setup, options, 'verify_node', node, context));
    },
    async verifyApplication(context) {
      return applicationAnswer(await look(setup, options, 'verify_application', null, context));
    },
  };
};

export default createPlugin;

/** Runs `remove` or `add`; resolves on exit code 0 only. */
async function change(
  setup: PluginSetup,
  options: ExecOptions,
  verb: 'remove' | 'add',
  node: ApplicationNode,
  context: PluginContext,
): Promise<void> {
  const left = context.deadline - setup.elapsed();
  const timeoutMs = options.timeout === undefined ? left : Math.min(options.timeout, left);
  const result = await run(setup, options, verb, node, context, timeoutMs, (line) =>
    context.progress(line.slice(0, REASON_LENGTH)),
  );
  throwIfAborted(context.signal);
  if (result.code === 0) return;

  const said = lastLine(result.stderr, REASON_LENGTH) || lastLine(result.stdout, REASON_LENGTH);
  const saying = said === '' ? '' : `: ${said}`;
  const command = options[verb][0] ?? '';
  if (result.notStarted !== null) {
    throw new Failure({
      reason: 'application_refused',
      next: 'stop',
      message: `The ${verb} command could not be started: ${result.notStarted}.`,
      remedy: `Check application.options.${verb} (${command}): it must exist and be executable for Ephyra's user.`,
    });
  }
  if (result.timedOut) {
    throw new Failure({
      reason: 'deadline',
      next: 'retry',
      message: `The ${verb} command for ${node.name} was still running after ${Math.round(timeoutMs / 1000)} s and was ended${saying}.`,
    });
  }
  if (result.code === 2) {
    throw new Failure({
      reason: 'application_refused',
      next: 'stop',
      message: `The ${verb} command does not allow it for ${node.name} (exit code 2)${saying}.`,
    });
  }
  if (result.code === 1 || result.code === 75) {
    throw new Failure({
      reason: 'application_refused',
      next: 'retry',
      message: `The ${verb} command failed for ${node.name} (exit code ${result.code})${saying}.`,
    });
  }
  const how = result.code === null ? `signal ${result.signal}` : `exit code ${result.code}, which has no meaning here`;
  throw new Failure({
    reason: 'application_unknown',
    next: 'retry',
    message: `The ${verb} command for ${node.name} ended with ${how}${saying}.`,
  });
}

async function look(
  setup: PluginSetup,
  options: ExecOptions,
  verb: 'verify_node' | 'verify_application',
  node: ApplicationNode | null,
  context: PluginContext,
): Promise<CommandResult> {
  const timeoutMs = Math.max(1, Math.min(options.verifyTimeout, context.deadline - setup.elapsed()));
  const result = await run(setup, options, verb, node, context, timeoutMs);
  throwIfAborted(context.signal);
  return result;
}

async function run(
  setup: PluginSetup,
  options: ExecOptions,
  verb: Verb,
  node: ApplicationNode | null,
  context: PluginContext,
  timeoutMs: number,
  onLine?: (line: string) => void,
): Promise<CommandResult> {
  if (context.signal.aborted) throw cancelled(context.signal);
  const argv = {
    remove: options.remove,
    add: options.add,
    verify_node: options.verifyNode,
    verify_application: options.verifyApplication,
  }[verb];
  // For the command it is a time of day.
  const deadline = Math.round(context.deadline + setup.date() - setup.elapsed());
  return runCommand(argv, {
    env: environment(options, verb, node, deadline),
    input: `${JSON.stringify({ verb, deadline, node })}\n`,
    timeoutMs: Math.max(1, timeoutMs),
    signal: context.signal,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(onLine === undefined ? {} : { onLine }),
  });
}

function environment(
  options: ExecOptions,
  verb: Verb,
  node: ApplicationNode | null,
  deadline: number,
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of [...PASSED, ...options.passEnv]) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  Object.assign(env, options.env);
  env['EPHYRA_VERB'] = verb;
  env['EPHYRA_DEADLINE'] = String(deadline);
  if (node !== null) {
    env['EPHYRA_NODE_UUID'] = node.uuid;
    env['EPHYRA_NODE_NAME'] = node.name;
    env['EPHYRA_NODE_ROLE'] = node.role;
    env['EPHYRA_INSTANCE_NAME'] = node.instanceName ?? '';
    env['EPHYRA_ADDRESSES_BEFORE'] = node.addressesBefore.join(' ');
    env['EPHYRA_ADDRESSES_AFTER'] = node.addressesAfter.join(' ');
  }
  return env;
}
