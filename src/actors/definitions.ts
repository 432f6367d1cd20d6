import type { ControlPlaneName, Move, NodeUuid, PartCounts } from '../../machines/domain.ts';
import { isMarkOf } from '../../machines/domain.ts';
import { Failure } from '../../machines/errors.ts';
import type { BmcSecrets } from '../config/bmcSecrets.ts';
import { ConfigError } from '../config/problems.ts';
import type { Clock } from '../openstack/clock.ts';
import type { ControlPlane } from '../openstack/control-plane.ts';
import { OpenStackError } from '../openstack/errors.ts';
import type { Difference } from '../openstack/ironic/compare.ts';
import { compareDefinitions } from '../openstack/ironic/compare.ts';
import type { Definition } from '../openstack/ironic/definition.ts';
import { readMarker } from '../openstack/ironic/facts.ts';
import type { PortDetail, PortgroupDetail } from '../openstack/ironic/schema.ts';
import { findMaskedSecrets, overlaySecrets } from '../openstack/ironic/secrets.ts';
import type { NodeSession } from './session.ts';

/** A portgroup that a person makes this shortly before its node moves is copied only if a port is in it. */
const PORTGROUPS_KEEP_MS = 60_000;

/** Where the BMC secrets of a control plane come from: null = its Ironic shows them. */
export type SecretsOf = ReadonlyMap<ControlPlaneName, BmcSecrets | null>;

/** The same, as it is at each call. Throws a `ConfigError` when the file cannot be used. */
export type SecretsNow = (at: ControlPlaneName) => BmcSecrets | null;

/**
 * The full definitions of single nodes, secrets included. They live in memory only as long as a copy takes and never
 * reach a machine's context, a log or a message.
 */
export class Definitions {
  readonly #controlPlanes: ReadonlyMap<ControlPlaneName, ControlPlane>;
  readonly #secrets: SecretsNow;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #withPortgroups = new Map<ControlPlaneName, { at: number; uuids: Promise<ReadonlySet<NodeUuid>> }>();
  /** Nodes that have had portgroups in either Ironic: what is made of them in the other one is asked for at each look. */
  readonly #bonded = new Set<NodeUuid>();
  readonly #read = new Map<string, { at: number; definition: Definition }>();
  /** By control plane and node: uuids of ports that a list of all ports has shown. */
  readonly #witnessed = new Map<string, ReadonlySet<string>>();
  /** The same, shown by the last list of the ports of the one node. */
  readonly #listed = new Map<string, ReadonlySet<string>>();

  constructor(
    controlPlanes: ReadonlyMap<ControlPlaneName, ControlPlane>,
    secrets: SecretsNow,
    clock: Pick<Clock, 'now'>,
  ) {
    this.#controlPlanes = controlPlanes;
    this.#secrets = secrets;
    this.#clock = clock;
  }

  /**
   * The node's definition with the secrets of the secrets file laid over what Ironic masks; null when it is not there.
   * At least as fresh as `notBefore` (ms). With `original` it is read as a copy of that.
   */
  async of(uuid: NodeUuid, at: ControlPlaneName, notBefore: number, original?: Definition): Promise<Definition | null> {
    const key = `${at} ${uuid}`;
    const known = this.#read.get(key);
    const asked = this.#clock.now();
    if (known !== undefined && known.at >= notBefore) return known.definition;
    const { ironic } = this.#cloud(at);
    const node = await ironic.getNode(uuid);
    if (node === null) return null;
    const [ports, listed] = await Promise.all([
      this.#portsOf(uuid, at),
      // A copy of a node without portgroups was made without any: nothing that could be lost.
      original?.portgroups.length === 0 ? [] : this.#portgroupsOf(uuid, at),
    ]);
    const portgroups = await this.#withNamed(uuid, at, ports, listed);
    if (portgroups.length > 0) this.#bonded.add(uuid);
    const entries = this.#secretsOf(at)?.of({ uuid, name: node.name });
    const driverInfo =
      entries === undefined
        ? node.driver_info
        : overlaySecrets(
            node.driver_info,
            Object.fromEntries(Object.entries(entries).map(([name, secret]) => [name, secret.reveal()])),
          );
    const definition = { node: { ...node, driver_info: driverInfo }, ports, portgroups, traits: node.traits ?? [] };
    this.#read.set(key, { at: asked, definition });
    return definition;
  }

  /**
   * A list that lacks a port tells nobody, and what it lacks would be lost with the original. So whoever has listed all
   * ports is a witness, and so is the list before this one: what the list of one node does not show of what was there then is
   * asked for once more.
   */
  witness(at: ControlPlaneName, ports: readonly PortDetail[]): void {
    const byNode = new Map<NodeUuid, Set<string>>();
    for (const { node_uuid: node, uuid } of ports) byNode.set(node, (byNode.get(node) ?? new Set()).add(uuid));
    for (const [node, uuids] of byNode) this.#witnessed.set(`${at} ${node}`, uuids);
  }

  async #portsOf(uuid: NodeUuid, at: ControlPlaneName): Promise<readonly PortDetail[]> {
    const { ironic } = this.#cloud(at);
    const ports = await ironic.listPorts({ node: uuid });
    const key = `${at} ${uuid}`;
    const shown = new Set(ports.map((port) => port.uuid));
    const before = [...(this.#witnessed.get(key) ?? []), ...(this.#listed.get(key) ?? [])];
    const missing = before.some((port) => !shown.has(port));
    const all = missing ? union(ports, await ironic.listPorts({ node: uuid })) : ports;
    this.#listed.set(key, new Set(all.map((port) => port.uuid)));
    return all;
  }

  /** Few nodes have any: one list for all is read now and then, and a node that is in it is asked for itself. */
  async #portgroupsOf(uuid: NodeUuid, at: ControlPlaneName): Promise<readonly PortgroupDetail[]> {
    // The list may be older than our own copy.
    if (this.#bonded.has(uuid)) return this.#cloud(at).ironic.listPortgroups({ node: uuid });
    const now = this.#clock.now();
    let known = this.#withPortgroups.get(at);
    if (known === undefined || now - known.at > PORTGROUPS_KEEP_MS) {
      const uuids = this.#cloud(at)
        .ironic.listPortgroups()
        .then((all) => new Set(all.map((group) => group.node_uuid)));
      known = { at: now, uuids };
      this.#withPortgroups.set(at, known);
      uuids.catch(() => this.#withPortgroups.delete(at));
    }
    return (await known.uuids).has(uuid) ? this.#cloud(at).ironic.listPortgroups({ node: uuid }) : [];
  }

  /** A port is a witness to the portgroup that it is in: a list that does not show that one is old or has a gap. */
  async #withNamed(
    uuid: NodeUuid,
    at: ControlPlaneName,
    ports: readonly PortDetail[],
    listed: readonly PortgroupDetail[],
  ): Promise<readonly PortgroupDetail[]> {
    const known = new Set<unknown>(listed.map((group) => group.uuid));
    const missing = ports.some(({ portgroup_uuid: group }) => group && !known.has(group));
    return missing ? union(listed, await this.#cloud(at).ironic.listPortgroups({ node: uuid })) : listed;
  }

  /** Forgets the node, secrets and all. */
  forget(uuid: NodeUuid): void {
    for (const key of this.#read.keys()) if (key.endsWith(` ${uuid}`)) this.#read.delete(key);
  }

  /**
   * In which fields the two Ironics do not agree; empty = the copy is complete. A masked secret in `to` counts as
   * different unless `to` takes its secrets from a file, where they cannot be read back.
   */
  async differences(move: Move, notBefore: number): Promise<Difference[]> {
    return this.#differences(move, notBefore, false);
  }

  /**
   * Whether the copy is complete, so that the original may go. Without a witness to the original's ports they are listed
   * again for it: what the copy was made from is none.
   */
  async equal(_session: NodeSession, move: Move, notBefore: number): Promise<boolean> {
    return (await this.#differences(move, notBefore, true)).length === 0;
  }

  /**
   * Secrets of the original that a file tells have been compared with what was copied from that same file: that they are
   * right, nobody has said. So Ironic of `to` is asked for the boot device, for which it has to talk to the BMC; that works in
   * `enroll` and changes nothing.
   */
  async proveSecrets(move: Move): Promise<void> {
    if (this.#secretsOf(move.from) === null) return;
    try {
      await this.#cloud(move.to).ironic.getBootDevice(move.uuid);
    } catch (error) {
      const refused =
        error instanceof OpenStackError && (error.kind === 'server_error' || error.kind === 'bad_request');
      throw refused ? unproven(move, error) : error;
    }
  }

  #secretsOf(at: ControlPlaneName): BmcSecrets | null {
    try {
      return this.#secrets(at);
    } catch (error) {
      throw error instanceof ConfigError ? unusableFile(at, error) : error;
    }
  }

  async #differences(move: Move, notBefore: number, listAgain: boolean): Promise<Difference[]> {
    const key = `${move.from} ${move.uuid}`;
    const before = this.#read.get(key);
    const original = await this.of(move.uuid, move.from, notBefore);
    const known = this.#read.get(key);
    const again = listAgain && known !== undefined && known === before && !this.#witnessed.has(key);
    // Of the copy only what was read after the last write counts; it is read anew each time.
    this.#read.delete(`${move.to} ${move.uuid}`);
    const [copy, ports] = await Promise.all([
      this.of(move.uuid, move.to, notBefore, original ?? undefined),
      again ? this.#cloud(move.from).ironic.listPorts({ node: move.uuid }) : (original?.ports ?? []),
    ]);
    if (original === null || copy === null) throw goneMeanwhile(move, original === null ? move.from : move.to);
    refuseBusy(original, move);
    if (copy.node.provision_state !== 'enroll') throw contradicts(copy, move, move.to);
    refuseUnmarked(copy, move, move.to);
    if (this.#secretsOf(move.to) === null) {
      const masked = findMaskedSecrets(copy.node.driver_info);
      if (masked.length > 0) throw maskedCopy(move, masked);
    }
    // Either of the two readings may be the one with the gap; what is missing in the copy is taken from both.
    const whole = { ...original, ports: union(original.ports, ports) };
    this.#listed.set(key, new Set(whole.ports.map((port) => port.uuid)));
    refusePartial(whole, move);
    if (again && this.#read.get(key) === known) this.#read.set(key, { at: known.at, definition: whole });
    return compareDefinitions(whole, copy);
  }

  #cloud(at: ControlPlaneName): ControlPlane {
    const cloud = this.#controlPlanes.get(at);
    if (cloud === undefined) throw new Error(`${at} is not a configured control plane`);
    return cloud;
  }
}

function union<T extends { readonly uuid: string }>(some: readonly T[], others: readonly T[]): readonly T[] {
  const known = new Set(others.map(({ uuid }) => uuid));
  return [...others, ...some.filter(({ uuid }) => !known.has(uuid))];
}

/** A definition is only copied of a node at rest that nobody works on, and read anew it must say so itself. */
export function refuseBusy(original: Definition, move: Move): void {
  const { provision_state: state, instance_uuid: instance, maintenance } = original.node;
  if (instance || maintenance || !AT_REST.has(state)) throw contradicts(original, move, move.from);
  refuseUnmarked(original, move, move.from);
}

export const partsOf = ({ ports, portgroups, traits }: Definition): PartCounts => ({
  ports: ports.length,
  portgroups: portgroups.length,
  traits: traits.length,
});

/**
 * A copy is made in several calls, and a replica that is behind shows it as it was between two of them, whenever it is
 * asked. Its mark says of what it consists.
 */
export function refusePartial(original: Definition, move: Move): void {
  const marker = readMarker(original.node.extra);
  const parts = marker === null || marker === 'invalid' ? undefined : marker.parts;
  if (parts === undefined) return;
  const there = partsOf(original);
  for (const kind of ['ports', 'portgroups', 'traits'] as const) {
    if (there[kind] >= parts[kind]) continue;
    throw new Failure({
      reason: 'evidence_stale',
      next: 'retry',
      message: `Ironic of ${move.from} shows ${there[kind]} ${kind} of ${move.name}, which was put there with ${parts[kind]}.`,
      remedy: `If some were taken away on purpose, correct extra.ephyra.parts of the node in ${move.from}.`,
    });
  }
}

/** Whoever else has claimed it meanwhile: the next look at the list says so, too. */
function refuseUnmarked({ node }: Definition, move: Move, at: ControlPlaneName): void {
  const marker = readMarker(node.extra);
  if (isMarkOf(marker, move.deployment) && marker.epoch <= move.epoch) return;
  throw new Failure({
    reason: 'evidence_stale',
    next: 'retry',
    message: `${move.name} does not bear the mark of ${move.deployment} in ${at}, as it did a moment ago.`,
  });
}

const AT_REST: ReadonlySet<string> = new Set(['available', 'manageable', 'enroll']);

function goneMeanwhile({ name, from, to }: Move, at: ControlPlaneName): Failure {
  return new Failure({
    reason: 'evidence_stale',
    next: 'retry',
    message: `${name} was in ${from} and ${to} a moment ago, and ${at} does not show it any more: it has been deleted there, or what ${at} shows is behind.`,
  });
}

function contradicts({ node }: Definition, move: Move, at: ControlPlaneName): Failure {
  const instance = node.instance_uuid ? ` with instance ${node.instance_uuid}` : '';
  const maintenance = node.maintenance ? ' in maintenance' : '';
  return new Failure({
    reason: 'evidence_stale',
    next: 'retry',
    message: `${move.name} shows itself as ${node.provision_state}${maintenance}${instance} in ${at}, which is not what the list says.`,
  });
}

/** Somebody may be editing it in this very moment. */
function unusableFile(at: ControlPlaneName, { file, problems: [first, ...more] }: ConfigError): Failure {
  const place = [first?.line == null ? '' : `line ${first.line}`, first?.path ?? ''].filter((part) => part !== '');
  const others = more.length === 0 ? '' : ` (and ${more.length} more)`;
  return new Failure({
    reason: 'secret_masked',
    next: 'retry',
    message: `The BMC secrets of ${at} are not known, ${[file, ...place].join(', ')}: ${first?.problem}${others}.`,
    ...(first === undefined ? {} : { remedy: first.remedy }),
  });
}

function unproven(move: Move, error: OpenStackError): Failure {
  return new Failure(
    {
      reason: 'verify_failed_bmc',
      // A driver that cannot be asked (400) never can.
      next: error.kind === 'bad_request' ? 'stop' : 'retry',
      message: `Ironic of ${move.to} does not reach the BMC of ${move.name} with the secrets that the secretsFile of ${move.from} tells: ${error.said}`,
      remedy:
        `Nothing was deleted in ${move.from}. Correct ${move.name} in the secretsFile of ${move.from}, or let its Ironic ` +
        'show the secrets ("show_password": "role:admin").',
    },
    { cause: error },
  );
}

/** The target shows a mask where the secret is: nobody can tell whether it arrived, and there would be no way back. */
export function maskedCopy(move: Move, masked: readonly string[]): Failure {
  return new Failure({
    reason: 'secret_masked',
    next: 'stop',
    message: `Ironic of ${move.to} masks ${masked.map((path) => `driver_info.${path}`).join(', ')} of ${move.name}; the copy cannot be verified.`,
    remedy: `Allow it in Ironic's policy of ${move.to} ("show_password": "role:admin"), or set bmcSecrets: file for ${move.to}.`,
  });
}
