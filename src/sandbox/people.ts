/** The hands and eyes of people at the sandbox's Slack, over its driver API: for scripts that act like a person. */
export class Channel {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  /** Types into the composer, e.g. a slash command. Rejects when Slack would show an error to the person. */
  async type(user: string, text: string): Promise<void> {
    await this.#post('type', { user, text });
  }

  /** Presses the newest button with this label. */
  async press(user: string, text: string): Promise<void> {
    await this.#post('press', { user, text });
  }

  async see(user: string): Promise<SeenChannel> {
    const response = await fetch(`${this.#url}/_slack/state?user=${user}`);
    return (await response.json()) as SeenChannel;
  }

  async #post(what: string, body: object): Promise<void> {
    const response = await fetch(`${this.#url}/_slack/${what}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const answer = (await response.json()) as { ok: boolean; error?: string };
    if (!answer.ok) throw new Error(`Slack: ${what} ${JSON.stringify(body)} failed: ${answer.error}`);
  }
}

export interface SeenMessage {
  readonly ts: string;
  readonly thread_ts?: string;
  readonly user: string;
  readonly text: string;
  /** Everything that a reader sees of it, blocks included. */
  readonly plain: string;
}

export interface SeenChannel {
  readonly messages: readonly SeenMessage[];
  readonly ephemerals: readonly SeenMessage[];
}
