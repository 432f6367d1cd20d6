import type { PlanView } from '../../deployments/types.ts';
import { lines, message } from '../blocks.ts';
import { code, safe } from '../escape.ts';
import type { SlackMessage } from '../types.ts';
import { count, route } from '../words.ts';
import { defineCommand, orRefusal } from './command.ts';
import { type DeployInput, deployOptions, readDeploy } from './deploy.ts';

export function planMessage(plan: PlanView, prefix: string): SlackMessage {
  const more = (left: number) => `… and ${left} more`;
  const order = plan.nodes.map((node, i) => `${i + 1}. *${safe(node.name, 60)}* (${safe(node.role, 40)})`);
  const excluded = plan.excluded.map((one) => `• *${safe(one.name, 60)}*: ${safe(one.reason, 200)}`);
  return message(
    `📋 *Plan ${route(plan)}*: ${count(plan.nodes.length, 'node')} would move, up to ${plan.maxUnavailable} at once. Nothing was changed.`,
    lines(order.length > 60 ? [...order.slice(0, 60), more(order.length - 60)] : order, 2800, more),
    excluded.length === 0 ? '' : `*Left out*\n${lines(excluded, 2500, more)}`,
    `Plan ${code(plan.digest.slice(0, 12))} · to do it: \`${prefix} deploy ${safe(plan.source, 60)}→${safe(plan.target, 60)}\``,
  );
}

export const plan = defineCommand<DeployInput>({
  name: 'plan',
  aliases: ['dry-run', 'check'],
  summary: 'check everything, change nothing',
  usage: 'CP→CP [--max-unavailable N] [--nodes A,B]',
  slow: true,
  arrows: true,
  options: deployOptions,
  read: readDeploy,
  async run(input, context) {
    const answer = await context.deployments.plan({ ...input, by: context.by });
    return orRefusal(answer, (view) => planMessage(view, context.prefix));
  },
});
