import type { Actor, Answer, Deployments, DeploymentView } from '../deployments/types.ts';
import { message } from './blocks.ts';
import { BUTTON_NAMES, type ButtonName, type ButtonValue, readButtonValue } from './buttonValue.ts';
import { findCommand, mistakeMessage } from './commands/command.ts';
import { COMMANDS } from './commands/registry.ts';
import { safe } from './escape.ts';
import type { Permission, Permissions, Right } from './permissions.ts';
import { refusalMessage } from './refusal.ts';
import type { SlackMessage } from './types.ts';

/** What people ask for, from delivery to answer, without knowing how it came or how the answer goes back. */

export interface CommandRequest {
  /** What follows the slash command or the mention. */
  readonly text: string;
  readonly by: Actor;
  readonly channel: string;
  /** The same for every delivery of the same command. */
  readonly key: string;
  /** `/ephyra`, or what the command is called in this workspace. */
  readonly prefix: string;
  /** Called when it takes long enough that people begin to wonder. */
  readonly onSlow?: (message: SlackMessage) => void;
}

export interface ClickRequest {
  /** `ephyra:approve` and so on. */
  readonly actionId: string;
  readonly value: string | undefined;
  readonly by: Actor;
}

export interface Handlers {
  /** Answers a command; null when the channel shows the result. Never rejects. */
  command(request: CommandRequest): Promise<SlackMessage | null>;
  /** Answers a click; null when the card shows the result. Never rejects. */
  click(request: ClickRequest): Promise<SlackMessage | null>;
}

const SLOW_MS = 2000;

const RIGHTS_OF: Readonly<Record<ButtonName, readonly Right[]>> = {
  approve: ['approvers'],
  stop: ['operators'],
  abort: ['operators', 'approvers'],
};

export function createHandlers(setup: {
  readonly deployments: Deployments;
  readonly permissions: Permissions;
  readonly home: string;
  readonly now: () => number;
  readonly after: (ms: number, run: () => void) => () => void;
  readonly redraw: (view: DeploymentView) => void;
  readonly onBug: (error: unknown) => void;
}): Handlers {
  const { deployments, permissions } = setup;

  async function command(request: CommandRequest): Promise<SlackMessage | null> {
    const { prefix } = request;
    const found = findCommand(request.text, COMMANDS, prefix);
    if (!found.ok) return mistakeMessage(found.mistake, prefix, deployments.controlPlanes());
    const { command: chosen, rest } = found.value;
    const ready = chosen.prepare(rest, deployments);
    if (!ready.ok) return mistakeMessage(ready.mistake, prefix, deployments.controlPlanes(), chosen);
    if (chosen.rights !== null) {
      const permission = await permissions.check(request.by.id, chosen.rights);
      if (permission.is !== 'allowed') return denial(permission, chosen.name, chosen.rights, prefix);
    }
    const cancel =
      chosen.slow && request.onSlow !== undefined
        ? setup.after(SLOW_MS, () =>
            request.onSlow?.(message(`⏳ Checking both control planes for \`${prefix} ${chosen.name}\` …`)),
          )
        : () => {};
    try {
      return await ready.value({
        deployments,
        by: request.by,
        now: setup.now(),
        key: request.key,
        home: setup.home,
        channel: request.channel,
        prefix,
      });
    } finally {
      cancel();
    }
  }

  async function click(request: ClickRequest): Promise<SlackMessage | null> {
    const name = BUTTON_NAMES.find((one) => request.actionId === `ephyra:${one}`);
    const value = readButtonValue(request.value);
    if (name === undefined || value === undefined) {
      return message('🚫 *This button is from another version of Ephyra.*', '`/ephyra status` shows how things stand.');
    }
    const permission = await permissions.check(request.by.id, RIGHTS_OF[name]);
    if (permission.is !== 'allowed') return denial(permission, name, RIGHTS_OF[name], '/ephyra');
    const view = deployments.get(value.deployment);
    if (view === undefined) {
      return message(
        `🚫 *Deployment ${safe(value.deployment, 60)} is no longer known.*`,
        '`/ephyra list` shows those that are.',
      );
    }
    if (view.digest !== value.digest) {
      setup.redraw(view);
      return message(
        '🚫 *The plan has changed since this card was drawn; nothing was done.*',
        'Look at the card again: it shows the new plan now.',
      );
    }
    const answer = await decide(name, { id: view.id, by: request.by }, value);
    if (answer.ok) return null;
    // The button should not have been there any more: show the card as it is now.
    setup.redraw(deployments.get(view.id) ?? view);
    return refusalMessage(answer.refusal);
  }

  function decide(
    name: ButtonName,
    request: { id: string; by: Actor },
    { digest, state }: ButtonValue,
  ): Promise<Answer<DeploymentView>> {
    // A button that does not say it may have promised that nothing moves: it does no more than that.
    const shown = state ?? 'awaiting_approval';
    switch (name) {
      case 'approve':
        return deployments.approve({ ...request, digest, shown });
      case 'stop':
        // Means the same in every state in which it is granted.
        return deployments.stop(request);
      case 'abort':
        return deployments.abort({ ...request, shown });
    }
  }

  function guarded<R>(
    handle: (request: R) => Promise<SlackMessage | null>,
  ): (request: R) => Promise<SlackMessage | null> {
    return async (request) => {
      try {
        return await handle(request);
      } catch (error) {
        setup.onBug(error);
        return message(
          '💥 *Something went wrong inside Ephyra; whether it was done is not certain.*',
          'Look with `/ephyra status` before you try again. The log says what happened.',
        );
      }
    };
  }

  return { command: guarded(command), click: guarded(click) };
}

/** Says who may, and where that is written; `unknown` says what could not be found out. */
function denial(permission: Permission, name: string, rights: readonly Right[], prefix: string): SlackMessage {
  if (permission.is === 'unknown') {
    return message(
      `🚫 *I cannot tell whether you may \`${name}\`; nothing was done.*`,
      `Slack did not say who is in the user group ${safe(permission.group, 40)} (${safe(permission.why, 100)}). ` +
        'Try again in a minute. People listed by user id in ephyra.yml are not affected.',
    );
  }
  const whoMay = rights.join(' and ');
  const where = rights.map((right) => `\`slack.${right}\``).join(' or ');
  return message(
    `🚫 *You may not \`${name}\`: that is for ${whoMay}.*`,
    `They are listed under ${where} in ephyra.yml; ask one of them. Looking is free: \`${prefix} status\`, \`${prefix} why\`.`,
  );
}
