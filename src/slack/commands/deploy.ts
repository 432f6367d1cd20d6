import type { DeployRequest } from '../../deployments/types.ts';
import { safe } from '../escape.ts';
import { mistake, type Parsed, parseCount, parsed, parseRoute, type Words } from '../parse.ts';
import { defineCommand, orRefusal, seenInChannel } from './command.ts';

export type DeployInput = Pick<DeployRequest, 'source' | 'target' | 'options'>;

export const deployOptions = { 'max-unavailable': 'value', nodes: 'value' } as const;

/** `cp1→cp2 [--max-unavailable N] [--nodes A,B]`, shared with `plan`. */
export function readDeploy(words: Words, controlPlanes: readonly string[]): Parsed<DeployInput> {
  const route = parseRoute(words.words, controlPlanes);
  if (!route.ok) return route;
  const options: { maxUnavailable?: number; nodes?: string[] } = {};
  const most = words.options['max-unavailable'];
  if (typeof most === 'string') {
    const n = parseCount('max-unavailable', most);
    if (!n.ok) return n;
    options.maxUnavailable = n.value;
  }
  const nodes = words.options['nodes'];
  if (typeof nodes === 'string') {
    options.nodes = nodes.split(',').map((name) => name.trim());
    if (options.nodes.some((name) => name === '')) {
      return mistake(
        `--nodes is "${nodes}".`,
        'Write names with commas and no spaces between them, e.g. --nodes worker-01,worker-02.',
      );
    }
  }
  return parsed({ ...route.value, ...(Object.keys(options).length === 0 ? {} : { options }) });
}

export const deploy = defineCommand<DeployInput>({
  name: 'deploy',
  summary: 'move the nodes; somebody else approves',
  usage: 'CP→CP [--max-unavailable N] [--nodes A,B]',
  rights: ['operators'],
  slow: true,
  arrows: true,
  options: deployOptions,
  read: readDeploy,
  async run(input, context) {
    const answer = await context.deployments.deploy({ ...input, by: context.by, idempotencyKey: context.key });
    return orRefusal(answer, (view) => seenInChannel(context, `Deployment *${safe(view.id, 60)}* is recorded.`));
  },
});
