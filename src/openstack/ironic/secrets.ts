import { isRecord } from '../messages.ts';

/**
 * What Ironic shows in place of a secret to those who may not see it. Sent back, it is taken for the new value and the
 * real one is lost, with a 200 (seen): it must never be written.
 */
export const MASK = '******';

/** The policy line that lets an admin read the secrets. */
export const SHOW_PASSWORD_REMEDY =
  'Allow it in Ironic\'s policy of this control plane ("show_password": "role:admin"), or set bmcSecrets: file and ' +
  'list the secrets in its secretsFile.';

/** Paths of all masked values, dotted, e.g. `ipmi_password` or `redfish.password`; works on any value. */
export function findMaskedSecrets(value: unknown): string[] {
  return maskedPaths(value, '');
}

function maskedPaths(value: unknown, path: string): string[] {
  if (value === MASK) return [path];
  const below = (key: string) => (path === '' ? key : `${path}.${key}`);
  if (Array.isArray(value)) return value.flatMap((item, index) => maskedPaths(item, below(String(index))));
  if (isRecord(value)) return Object.entries(value).flatMap(([key, inner]) => maskedPaths(inner, below(key)));
  return [];
}

/**
 * `driver_info` with the masked values replaced from a secrets file; keys there are the dotted paths. Only what is masked
 * is replaced; what stays masked is found by {@link findMaskedSecrets}.
 */
export function overlaySecrets(
  driverInfo: Readonly<Record<string, unknown>>,
  secrets: Readonly<Record<string, string>>,
): Record<string, unknown> {
  const fill = (value: unknown, path: string): unknown => {
    if (value === MASK) return Object.hasOwn(secrets, path) ? secrets[path] : value;
    const below = (key: string) => (path === '' ? key : `${path}.${key}`);
    if (Array.isArray(value)) return value.map((item, index) => fill(item, below(String(index))));
    return isRecord(value)
      ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, fill(inner, below(key))]))
      : value;
  };
  return fill(driverInfo, '') as Record<string, unknown>;
}
