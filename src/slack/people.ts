import type { Actor } from '../deployments/types.ts';

/**
 * Names of people, for logs, the API and the CLI (in Slack itself ids are shown as names). Slash commands and clicks
 * bring the name along; for mentions Slack is asked once.
 */
export interface Names {
  learn(user: string, name: string): void;
  actor(user: string): Promise<Actor>;
}

const MAX = 1000;

/** @param ask the name of a user; when it fails the id has to do: a name is never worth refusing anything */
export function createNames(ask: (user: string) => Promise<string>): Names {
  const names = new Map<string, string>();

  function learn(user: string, name: string): void {
    names.delete(user);
    names.set(user, name);
    const [oldest] = names.keys();
    if (names.size > MAX && oldest !== undefined) names.delete(oldest);
  }

  return {
    learn,
    async actor(user) {
      if (!names.has(user)) {
        try {
          learn(user, await ask(user));
        } catch {
          // Not remembered: Slack is asked again next time.
        }
      }
      return { via: 'slack', id: user, display: names.get(user) ?? user };
    },
  };
}
