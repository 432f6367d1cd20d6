import type { ApplicationCredential, Clock, Service, User } from '../types.ts';

/** How long a service goes on accepting a token that it has seen, after it was revoked. */
const TOKEN_CACHE_MS = 300_000;

export interface Project {
  readonly id: string;
  readonly name: string;
}

export type Scope =
  | { readonly kind: 'project'; readonly project: Project }
  | { readonly kind: 'system' }
  | { readonly kind: 'none' };

export interface Token {
  readonly id: string;
  readonly user: User;
  readonly userId: string;
  readonly scope: Scope;
  readonly roles: readonly string[];
  readonly methods: readonly string[];
  readonly auditIds: readonly string[];
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly applicationCredential: { readonly id: string; readonly name: string } | null;
}

interface Issued {
  readonly token: Token;
  /** Counts the tokens issued. */
  readonly serial: number;
  /** When each service saw it first. */
  readonly seen: Map<Service, number>;
  revoked: boolean;
}

export interface Identity {
  readonly users: readonly User[];
  readonly projects: ReadonlyMap<string, Project>;
  readonly domain: { readonly id: string; readonly name: string };
  userId(user: User): string;
  roleId(role: string): string;
  issue(
    grant: Pick<Token, 'user' | 'scope' | 'methods' | 'applicationCredential'> & {
      readonly parent?: Token;
    },
  ): Token;
  /** Credentials of all users; they may be added to. */
  readonly credentials: Map<string, ApplicationCredential & { readonly user: User }>;
  /** The token, if this service accepts it now. */
  accept(id: string | undefined, service: Service): Token | null;
  /** Keystone's own knowledge, for validation. */
  look(id: string): 'unknown' | 'revoked' | Token;
  revoke(id: string): void;
  /** No service accepts any of the tokens issued so far. */
  revokeAll(): void;
  /** Tokens issued from now on live at most so many milliseconds; null: as configured. */
  limitLifetime(ms: number | null): void;
}

/** Users, projects and tokens. Projects are those that users name; `service` is always there. */
export function createIdentity(clock: Clock, ids: () => string, users: readonly User[], lifetime: number): Identity {
  const hexId = () => ids().replaceAll('-', '');
  const projects = new Map<string, Project>();
  for (const name of ['service', ...users.flatMap((user) => user.projects)]) {
    if (!projects.has(name)) projects.set(name, { id: hexId(), name });
  }
  const userIds = new Map(users.map((user) => [user, hexId()]));
  const roleIds = new Map<string, string>();
  const issued = new Map<string, Issued>();
  let limit: number | null = null;
  let revokedUpTo = 0;
  let count = 0;

  function isOver({ token, serial }: Issued): boolean {
    return token.expiresAt <= clock.now() || serial <= revokedUpTo;
  }

  const identity: Identity = {
    users,
    projects,
    domain: { id: 'default', name: 'Default' },
    credentials: new Map(
      users.flatMap((user) =>
        (user.applicationCredentials ?? []).map((credential) => [credential.id, { ...credential, user }]),
      ),
    ),
    userId: (user) => userIds.get(user) ?? '',
    roleId(role) {
      const id = roleIds.get(role) ?? hexId();
      roleIds.set(role, id);
      return id;
    },
    issue({ user, scope, methods, applicationCredential, parent }) {
      const now = clock.now();
      for (const [id, entry] of issued) {
        if (entry.token.expiresAt <= now) issued.delete(id);
      }
      count += 1;
      const body = `${hexId()}${hexId()}${hexId()}${hexId()}${hexId()}${hexId()}`.slice(0, 175);
      const token: Token = {
        id: `gAAAAABr${body}`,
        user,
        userId: identity.userId(user),
        scope,
        roles: scope.kind === 'none' ? [] : user.roles,
        methods,
        auditIds: [hexId().slice(0, 22), ...(parent?.auditIds.slice(0, 1) ?? [])],
        issuedAt: now,
        expiresAt: parent?.expiresAt ?? now + Math.min(lifetime, limit ?? lifetime),
        applicationCredential,
      };
      issued.set(token.id, { token, serial: count, seen: new Map(), revoked: false });
      return token;
    },
    accept(id, service) {
      const entry = id === undefined ? undefined : issued.get(id);
      if (entry === undefined || isOver(entry)) return null;
      const seen = entry.seen.get(service);
      if (entry.revoked) {
        const cached = service !== 'keystone' && seen !== undefined && clock.now() - seen < TOKEN_CACHE_MS;
        return cached ? entry.token : null;
      }
      if (seen === undefined) entry.seen.set(service, clock.now());
      return entry.token;
    },
    look(id) {
      const entry = issued.get(id);
      if (entry === undefined) return 'unknown';
      return isOver(entry) || entry.revoked ? 'revoked' : entry.token;
    },
    revoke(id) {
      const entry = issued.get(id);
      if (entry !== undefined) entry.revoked = true;
    },
    revokeAll() {
      revokedUpTo = count;
    },
    limitLifetime(ms) {
      limit = ms;
    },
  };
  return identity;
}
