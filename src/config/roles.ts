import type { FailureDomain } from '../../machines/domain.ts';
import type { RoleConfig, RoleMatch } from './types.ts';

/** What a role can be told by. Null and undefined are "not known", which matches nothing. */
export interface RoleSubject {
  readonly name: string | null;
  readonly extra: Readonly<Record<string, unknown>>;
  readonly resourceClass: string | null;
  /** Of the instance on the node; null when there is none. */
  readonly instance: {
    readonly metadata: Readonly<Record<string, string>>;
    readonly flavorName: string | null;
  } | null;
}

/** The first role that matches, as the configuration promises; undefined when none does. */
export function roleOf(roles: readonly RoleConfig[], subject: RoleSubject): RoleConfig | undefined {
  return roles.find((role) => matchesRole(role.match, subject));
}

/** The failure domain that a node's `extra` tells by `key`: a text or a number; null when there is none. */
export function failureDomainOf(extra: Readonly<Record<string, unknown>>, key: string): FailureDomain | null {
  const found = own(extra, key);
  const name = typeof found === 'number' || typeof found === 'string' ? String(found).trim() : '';
  return name === '' ? null : name;
}

/** Whether all criteria of the role hold for a node. */
export function matchesRole(match: RoleMatch, subject: RoleSubject): boolean {
  const { instance } = subject;
  return (
    Object.entries(match.extra).every(([key, value]) => own(subject.extra, key) === value) &&
    Object.entries(match.instanceMetadata).every(
      ([key, value]) => instance !== null && own(instance.metadata, key) === value,
    ) &&
    (match.name === null || (subject.name !== null && matchesPattern(match.name, subject.name))) &&
    (match.flavor === null || instance?.flavorName === match.flavor) &&
    (match.resourceClass === null || subject.resourceClass === match.resourceClass)
  );
}

function own(record: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

/** `*` stands for any number of characters, `?` for one; the whole text must fit, case counts. */
export function matchesPattern(pattern: string, text: string): boolean {
  // Walked by hand: a regular expression made of many stars takes exponential time on a text that does not fit.
  let p = 0;
  let t = 0;
  let star = -1;
  let resume = 0;
  while (t < text.length) {
    if (pattern[p] === '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}
