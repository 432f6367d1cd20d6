import type { Clock, People } from './types.ts';

export const RIGHTS = ['operators', 'approvers'] as const;
export type Right = (typeof RIGHTS)[number];

/** `unknown` carries what could not be found out; it is never taken for a yes. */
export type Permission =
  | { readonly is: 'allowed' }
  | { readonly is: 'denied' }
  | { readonly is: 'unknown'; readonly group: string; readonly why: string };

export interface Permissions {
  /** May this person do what any one of these rights allows? Asks Slack only if a user group has to be looked into. */
  check(user: string, rights: readonly Right[]): Promise<Permission>;
}

/**
 * @param members the user ids of a user group; rejects when Slack does not say
 * @param keepMs how long an answer of Slack is used again; failures are not kept
 */
export function createPermissions(setup: {
  readonly operators: People;
  readonly approvers: People;
  readonly members: (group: string) => Promise<readonly string[]>;
  readonly clock: Pick<Clock, 'now'>;
  readonly keepMs?: number;
}): Permissions {
  const keepMs = setup.keepMs ?? 60_000;
  const known = new Map<string, { readonly at: number; readonly users: Promise<ReadonlySet<string>> }>();

  function usersOf(group: string): Promise<ReadonlySet<string>> {
    const cached = known.get(group);
    if (cached !== undefined && setup.clock.now() - cached.at < keepMs) return cached.users;
    const users = setup.members(group).then((ids) => new Set(ids));
    const entry = { at: setup.clock.now(), users };
    known.set(group, entry);
    // A failure must not be remembered: the next click asks again.
    users.catch(() => {
      if (known.get(group) === entry) known.delete(group);
    });
    return users;
  }

  return {
    async check(user, rights) {
      const people = rights.map((right) => setup[right]);
      if (people.some((one) => one.users.includes(user))) return { is: 'allowed' };
      let unknown: Permission | undefined;
      for (const group of new Set(people.flatMap((one) => one.groups))) {
        try {
          if ((await usersOf(group)).has(user)) return { is: 'allowed' };
        } catch (error) {
          unknown ??= { is: 'unknown', group, why: error instanceof Error ? error.message : String(error) };
        }
      }
      return unknown ?? { is: 'denied' };
    },
  };
}
