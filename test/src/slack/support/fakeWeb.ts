import type { SlackMessage } from '../../../../src/slack/types.ts';
import { type Place, SlackProblem, type SlackWeb } from '../../../../src/slack/web.ts';

export interface Posted extends Place {
  message: SlackMessage;
  threadTs?: string | undefined;
  broadcast: boolean;
  updates: number;
}

/** A channel in memory. `trouble` decides before each call how it goes; `lost` carries the call out and fails. */
export class FakeWeb implements SlackWeb {
  readonly posted: Posted[] = [];
  readonly ephemerals: { channel: string; user: string; threadTs?: string | undefined; message: SlackMessage }[] = [];
  /** When which call was made (ms). */
  readonly calls: { method: string; at: number }[] = [];
  groups: Record<string, string[]> = {};
  trouble: (method: string, message?: SlackMessage) => SlackProblem | 'lost' | undefined = () => undefined;
  /** Each call takes until this settles. */
  pace: () => Promise<void> = async () => {};
  readonly #now: () => number;
  #serial = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  get parents(): Posted[] {
    return this.posted.filter((one) => one.threadTs === undefined);
  }

  get replies(): Posted[] {
    return this.posted.filter((one) => one.threadTs !== undefined);
  }

  delete(ts: string): void {
    this.posted.splice(
      this.posted.findIndex((one) => one.ts === ts),
      1,
    );
  }

  async post(to: Parameters<SlackWeb['post']>[0]): Promise<Place> {
    return this.#call('chat.postMessage', to.message, () => {
      if (to.threadTs !== undefined && !this.posted.some((one) => one.ts === to.threadTs)) {
        throw new SlackProblem('gone', 'thread_not_found');
      }
      this.#serial += 1;
      const place = {
        channel: to.channel,
        ts: `${(this.#now() / 1000).toFixed(3)}${String(this.#serial).padStart(3, '0')}`,
      };
      this.posted.push({
        ...place,
        message: to.message,
        threadTs: to.threadTs,
        broadcast: to.broadcast === true,
        updates: 0,
      });
      return place;
    });
  }

  async update(at: Place, message: SlackMessage): Promise<void> {
    await this.#call('chat.update', message, () => {
      const found = this.posted.find((one) => one.ts === at.ts && one.channel === at.channel);
      if (found === undefined) throw new SlackProblem('gone', 'message_not_found');
      found.message = message;
      found.updates += 1;
    });
  }

  async postEphemeral(to: Parameters<SlackWeb['postEphemeral']>[0]): Promise<void> {
    await this.#call('chat.postEphemeral', to.message, () => void this.ephemerals.push({ ...to }));
  }

  async find(where: Parameters<SlackWeb['find']>[0]): Promise<Place | undefined> {
    return this.#call('conversations.history', undefined, () => {
      const found = this.posted.find(
        (one) =>
          one.channel === where.channel &&
          one.threadTs === where.threadTs &&
          Number(one.ts) * 1000 >= where.since - 60_000 &&
          one.message.blocks.some((block) => block.block_id === where.blockId),
      );
      return found === undefined ? undefined : { channel: found.channel, ts: found.ts };
    });
  }

  async members(group: string): Promise<readonly string[]> {
    return this.#call('usergroups.users.list', undefined, () => {
      const users = this.groups[group];
      if (users === undefined) throw new SlackProblem('refused', 'no_such_subteam');
      return users;
    });
  }

  async userName(user: string): Promise<string> {
    return this.#call('users.info', undefined, () => user.toLowerCase());
  }

  async whoAmI(): Promise<{ userId: string; team: string }> {
    return this.#call('auth.test', undefined, () => ({ userId: 'U_BOT', team: 'Sandbox' }));
  }

  async #call<T>(method: string, message: SlackMessage | undefined, act: () => T): Promise<T> {
    this.calls.push({ method, at: this.#now() });
    await this.pace();
    const trouble = this.trouble(method, message);
    if (trouble === undefined) return act();
    if (trouble !== 'lost') throw trouble;
    act();
    throw new SlackProblem('unavailable', 'http_500', { maybeDone: true });
  }
}

/** All the words of a message. */
export function wordsOf(message: SlackMessage | undefined): string {
  return message === undefined ? '' : `${message.text}\n${JSON.stringify(message.blocks)}`;
}
