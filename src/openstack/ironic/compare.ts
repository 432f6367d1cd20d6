import { isDeepStrictEqual } from 'node:util';
import { isRecord, isSecretName } from '../messages.ts';
import {
  COPIED_NODE_FIELDS,
  COPIED_PORT_FIELDS,
  COPIED_PORTGROUP_FIELDS,
  type Definition,
  isUnset,
  VIF_KEY,
} from './definition.ts';
import { MARKER_KEY } from './facts.ts';
import { MASK } from './secrets.ts';

/** One field in which two definitions do not agree. */
export interface Difference {
  /** `node`, `port 52:54:…`, `portgroup <uuid>`. */
  readonly on: string;
  /** e.g. `driver_info.ipmi_password`; empty when the port or portgroup itself is meant. */
  readonly field: string;
  /** `missing`: in the first only; `added`: in the second only; `masked`: a mask, so nobody can tell. */
  readonly how: 'differs' | 'missing' | 'added' | 'masked';
  /** The two values, printable and short; only for plain fields that can hold no secret. */
  readonly values?: readonly [string, string];
}

export interface CompareOptions {
  /**
   * What a mask on one side says of the secret. `differs` (default): nothing, and unknown is never yes. `accept`: that
   * one is set; for control planes whose secrets come from a file, where it cannot be read back.
   */
  readonly masked?: 'differs' | 'accept';
  /** Compare `owner`, too: only where it has been copied. Default: no. */
  readonly owner?: boolean;
}

/**
 * Do two Ironics know the same node? Field by field over what a move copies. Left out: volatile fields (states,
 * reservation, times, conductor ...), the marker, and `owner` unless asked. Equal means an empty list.
 */
export function compareDefinitions(a: Definition, b: Definition, options: CompareOptions = {}): Difference[] {
  const nodeFields = [
    ...COPIED_NODE_FIELDS,
    'uuid',
    'target_raid_config',
    ...(options.owner === true ? ['owner'] : []),
  ];
  return [
    ...compareFields('node', nodeOf(a), nodeOf(b), nodeFields, options),
    ...compareFields('node', { traits: [...a.traits].sort() }, { traits: [...b.traits].sort() }, ['traits'], options),
    ...compareSets(
      (port) => `port ${port.address.toLowerCase()}`,
      a.ports.map(plainPort),
      b.ports.map(plainPort),
      COPIED_PORT_FIELDS,
      options,
    ),
    ...compareSets((group) => `portgroup ${group.uuid}`, a.portgroups, b.portgroups, COPIED_PORTGROUP_FIELDS, options),
  ];
}

/** One line for a person, e.g. `node driver_info.ipmi_password differs, port 52:… missing`. */
export function describeDifferences(differences: readonly Difference[]): string {
  return differences
    .map(({ on, field, how, values }) => {
      const shown = values === undefined ? '' : ` (${values[0]} / ${values[1]})`;
      return `${on}${field === '' ? '' : ` ${field}`} ${how}${shown}`;
    })
    .join(', ');
}

function nodeOf({ node }: Definition): Record<string, unknown> {
  const { [MARKER_KEY]: _marker, ...extra } = node.extra;
  return { ...node, extra };
}

function plainPort<T extends { address: string; extra?: Record<string, unknown> | null | undefined }>(port: T): T {
  const { [VIF_KEY]: _vif, ...extra } = port.extra ?? {};
  return { ...port, address: port.address.toLowerCase(), extra };
}

function compareSets<T extends Record<string, unknown>>(
  nameOf: (item: T) => string,
  a: readonly T[],
  b: readonly T[],
  fields: readonly string[],
  options: CompareOptions,
): Difference[] {
  const inA = new Map(a.map((item) => [nameOf(item), item]));
  const inB = new Map(b.map((item) => [nameOf(item), item]));
  return [...new Set([...inA.keys(), ...inB.keys()])].sort().flatMap((name): Difference[] => {
    const [left, right] = [inA.get(name), inB.get(name)];
    if (left === undefined) return [{ on: name, field: '', how: 'added' }];
    if (right === undefined) return [{ on: name, field: '', how: 'missing' }];
    return compareFields(name, left, right, fields, options);
  });
}

function compareFields(
  on: string,
  a: Readonly<Record<string, unknown>>,
  b: Readonly<Record<string, unknown>>,
  fields: readonly string[],
  options: CompareOptions,
): Difference[] {
  return fields.flatMap((field) => compareValues(on, field, field, a[field], b[field], options));
}

/** Maps are gone into key by key, so that a person is told which one; lists are compared as a whole. */
function compareValues(
  on: string,
  top: string,
  field: string,
  a: unknown,
  b: unknown,
  options: CompareOptions,
): Difference[] {
  if (a === MASK || b === MASK) return compareMasked(on, field, a, b, options);
  if (isRecord(a) && isRecord(b)) {
    return [...new Set([...Object.keys(a), ...Object.keys(b)])]
      .sort()
      .flatMap((key) => compareValues(on, top, `${field}.${key}`, a[key], b[key], options));
  }
  // Within a map, an empty value is a value; a field of the resource itself may be left out.
  const unset = (value: unknown) => (field === top ? isUnset(field, value) : value === undefined);
  if (unset(a) && unset(b)) return [];
  if (unset(a)) return [{ on, field, how: 'added' }];
  if (unset(b)) return [{ on, field, how: 'missing' }];
  if (isDeepStrictEqual(a, b)) return [];
  const plain = field === top && top !== 'driver_info' && !isSecretName(field) && isScalar(a) && isScalar(b);
  return [{ on, field, how: 'differs', ...(plain ? { values: [String(a), String(b)] as const } : {}) }];
}

function compareMasked(on: string, field: string, a: unknown, b: unknown, options: CompareOptions): Difference[] {
  const isSet = (value: unknown) => value !== undefined && value !== null && value !== '';
  if (!isSet(a)) return [{ on, field, how: 'added' }];
  if (!isSet(b)) return [{ on, field, how: 'missing' }];
  return options.masked === 'accept' ? [] : [{ on, field, how: 'masked' }];
}

function isScalar(value: unknown): boolean {
  return ['string', 'number', 'boolean'].includes(typeof value);
}
