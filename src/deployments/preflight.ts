import type { ControlPlaneName } from '../../machines/domain.ts';
import type { Catalogue, Entries, NamedKind } from '../actors/catalogue.ts';
import { pick, whyNotPicked } from '../actors/catalogue.ts';
import type { Survey } from '../actors/survey.ts';
import { placementClass } from '../actors/survey.ts';
import type { RoleConfig } from '../config/types.ts';
import type { ControlPlane } from '../openstack/control-plane.ts';
import type { Driver, PortDetail } from '../openstack/ironic/schema.ts';
import type { IpAvailability } from '../openstack/neutron/schema.ts';
import type { Flavor, Keypair, Quota } from '../openstack/nova/schema.ts';
import type { Candidate } from './plan.ts';
import { addOnce, cloudProblem } from './plan.ts';
import type { PlanProblem } from './types.ts';

export interface PreflightDeps {
  readonly controlPlanes: ReadonlyMap<ControlPlaneName, ControlPlane>;
  readonly catalogue: Catalogue;
  readonly survey: Survey;
}

export interface TargetVerdict {
  readonly problems: PlanProblem[];
  /** Nodes that cannot move although the others can. */
  readonly nodes: { uuid: string; reason: string }[];
}

/**
 * Everything the target must have before the first node leaves the source: what the roles boot, room for it, drivers
 * that can manage the nodes, and nobody there who has their uuids, names or MAC addresses. Reads only.
 */
export async function checkTarget(
  candidates: readonly Candidate[],
  target: ControlPlaneName,
  deps: PreflightDeps,
): Promise<TargetVerdict> {
  const verdict: TargetVerdict = { problems: [], nodes: [] };
  const cloud = deps.controlPlanes.get(target);
  if (cloud === undefined) return verdict;
  const ask = <T>(call: Promise<T>): Promise<T | null> =>
    call.catch((error: unknown) => {
      addOnce(verdict.problems, cloudProblem(target, error));
      return null;
    });

  // The first call alone: with wrong credentials there is one failed login, not ten.
  if ((await ask(cloud.authenticate().then(() => true))) === null) return verdict;
  const [{ nodes, ports }, drivers, flavors, images, networks, addresses, keypairs, quota] = await Promise.all([
    nodesAndPorts(cloud, deps, ask),
    ask(cloud.ironic.listDrivers()),
    ask(deps.catalogue.list(target, 'flavor', true)),
    ask(deps.catalogue.list(target, 'image', true)),
    ask(deps.catalogue.list(target, 'network', true)),
    ask(cloud.neutron.ipAvailability()),
    ask(cloud.nova.listKeypairs()),
    ask(cloud.projectId().then((project) => (project === null ? null : cloud.nova.quota(project)))),
  ]);
  if (!nodes.answer.ok) {
    addOnce(verdict.problems, {
      field: `${target}.ironic`,
      message: nodes.answer.why,
      remedy: 'Repair it, then deploy again.',
    });
  } else {
    checkClashes(candidates, target, [...nodes.answer.value.values()], ports ?? [], verdict);
  }
  if (drivers !== null) checkDrivers(candidates, target, drivers, verdict);
  const roles = [...new Set(candidates.map(({ role }) => role))];
  for (const role of roles) {
    const group = candidates.filter((candidate) => candidate.role === role);
    checkBoot(role, group, target, { flavors, images, networks, keypairs }, verdict);
  }
  if (networks !== null && addresses !== null) checkAddresses(candidates, target, networks, addresses, verdict);
  if (flavors !== null && quota !== null) checkQuota(candidates, target, flavors, quota, verdict);
  return verdict;
}

/** Ports belong to nodes: a control plane without nodes, the usual target, is not asked for them. */
async function nodesAndPorts(
  cloud: ControlPlane,
  { survey }: PreflightDeps,
  ask: <T>(call: Promise<T>) => Promise<T | null>,
) {
  const nodes = await survey.read({ of: 'nodes', at: cloud.name }, survey.mark());
  const empty = nodes.answer.ok && nodes.answer.value.size === 0;
  return { nodes, ports: empty ? [] : await ask(cloud.ironic.listPorts()) };
}

function checkClashes(
  candidates: readonly Candidate[],
  target: ControlPlaneName,
  there: readonly { uuid: string; name: string | null }[],
  ports: readonly PortDetail[],
  verdict: TargetVerdict,
): void {
  const uuids = new Set(there.map((node) => node.uuid));
  const names = new Map(there.flatMap((node) => (node.name === null ? [] : [[node.name, node.uuid]])));
  const moving = new Set(candidates.map(({ node }) => node.uuid));
  for (const { node } of candidates) {
    if (uuids.has(node.uuid)) {
      verdict.nodes.push({ uuid: node.uuid, reason: `${target} already has a node with this uuid` });
    } else if (node.name !== null && names.has(node.name)) {
      verdict.nodes.push({
        uuid: node.uuid,
        reason: `${target} has another node of this name, ${names.get(node.name)}`,
      });
    }
  }
  const strangers = ports.filter((port) => !moving.has(port.node_uuid));
  const taken = new Map(strangers.map((port) => [port.address.toLowerCase(), port.node_uuid]));
  for (const { node, macs } of candidates) {
    const clash = macs.find((mac) => taken.has(mac));
    if (clash !== undefined) {
      verdict.nodes.push({
        uuid: node.uuid,
        reason: `${target} has its MAC address ${clash} on node ${taken.get(clash)}`,
      });
    }
  }
}

function checkDrivers(
  candidates: readonly Candidate[],
  target: ControlPlaneName,
  drivers: readonly Driver[],
  verdict: TargetVerdict,
): void {
  const byName = new Map(drivers.map((driver) => [driver.name, driver]));
  const missing = new Map<string, string[]>();
  const complain = (what: string, name: string) => missing.set(what, [...(missing.get(what) ?? []), name]);
  for (const { node } of candidates) {
    const name = node.name ?? node.uuid;
    const driver = byName.get(node.driver);
    if (driver === undefined) {
      complain(`driver ${node.driver}`, name);
      continue;
    }
    for (const [field, value] of Object.entries(node)) {
      const kind = /^(\w+)_interface$/.exec(field)?.[1];
      const enabled = kind === undefined ? undefined : driver[`enabled_${kind}_interfaces`];
      if (kind !== undefined && typeof value === 'string' && Array.isArray(enabled) && !enabled.includes(value)) {
        complain(`${kind} interface ${value}`, name);
      }
    }
  }
  for (const [what, names] of missing) {
    verdict.problems.push({
      field: `${target}.drivers`,
      message: `${target} has not enabled ${what}, which ${listed(names)} use${names.length === 1 ? 's' : ''}.`,
      remedy: `Enable it in ironic.conf of ${target} and restart its conductors.`,
    });
  }
}

interface Offer {
  readonly flavors: readonly Flavor[] | null;
  readonly images: readonly Entries['image'][] | null;
  readonly networks: readonly Entries['network'][] | null;
  readonly keypairs: readonly Keypair[] | null;
}

function checkBoot(
  role: RoleConfig,
  group: readonly Candidate[],
  target: ControlPlaneName,
  offer: Offer,
  verdict: TargetVerdict,
): void {
  const spec = role.boot[target];
  if (spec === undefined) return;
  const need = <T extends { id: string; name: string | null }>(
    kind: NamedKind,
    name: string,
    list: readonly T[] | null,
  ) => {
    if (list === null) return undefined;
    const found = pick(list, name);
    if (found === undefined) {
      verdict.problems.push({
        field: `${target}.${kind}`,
        message: `Role ${role.name}: ${whyNotPicked(target, kind, name, list)}.`,
        remedy: `Create it in ${target}, or change roles.${role.name}.boot.`,
      });
    }
    return found;
  };
  const flavor = need('flavor', spec.flavor, offer.flavors);
  need('image', spec.image, offer.images);
  for (const network of spec.networks) need('network', network, offer.networks);
  if (spec.keyPair !== null && offer.keypairs !== null && !offer.keypairs.some(({ name }) => name === spec.keyPair)) {
    verdict.problems.push({
      field: `${target}.keyPair`,
      message: `Role ${role.name}: our user in ${target} has no key pair "${spec.keyPair}".`,
      remedy: `openstack --os-cloud ${target} keypair create --public-key FILE ${spec.keyPair}`,
    });
  }
  if (flavor !== undefined) checkResourceClass(role, flavor, group, target, verdict);
}

/** A flavor that asks for another resource class than the nodes have would end as "No valid host was found". */
function checkResourceClass(
  role: RoleConfig,
  flavor: Flavor,
  group: readonly Candidate[],
  target: ControlPlaneName,
  verdict: TargetVerdict,
): void {
  const specs = flavor.extra_specs;
  if (specs === undefined) return;
  const misfits = group.filter(({ node }) => {
    const resourceClass = node.resource_class;
    return resourceClass === null || specs[`resources:${placementClass(resourceClass)}`] === undefined;
  });
  if (misfits.length === 0) return;
  const names = misfits.map(({ node }) => node.name ?? node.uuid);
  verdict.problems.push({
    field: `${target}.flavor`,
    message: `Role ${role.name}: flavor ${flavor.name} of ${target} does not ask for the resource class ${misfits[0]?.node.resource_class ?? '(none)'} of ${listed(names)}.`,
    remedy: `Give the flavor resources:${placementClass(misfits[0]?.node.resource_class ?? '')}=1 in ${target}, or change roles.${role.name}.boot.`,
  });
}

function checkAddresses(
  candidates: readonly Candidate[],
  target: ControlPlaneName,
  networks: readonly Entries['network'][],
  availability: readonly IpAvailability[],
  verdict: TargetVerdict,
): void {
  const needed = new Map<string, number>();
  for (const { role } of candidates) {
    for (const name of role.boot[target]?.networks ?? []) {
      const network = pick(networks, name);
      if (network !== undefined) needed.set(network.id, (needed.get(network.id) ?? 0) + 1);
    }
  }
  for (const [id, count] of needed) {
    const network = availability.find((entry) => entry.network_id === id);
    if (network === undefined) continue;
    const free = network.total_ips - network.used_ips;
    if (free < count) {
      verdict.problems.push({
        field: `${target}.network`,
        message: `Network ${network.network_name} of ${target} has ${free} free addresses; ${count} nodes need one.`,
        remedy: 'Enlarge its allocation pool, or move fewer nodes at a time with --nodes.',
      });
    }
  }
}

function checkQuota(
  candidates: readonly Candidate[],
  target: ControlPlaneName,
  flavors: readonly Flavor[],
  quota: Quota,
  verdict: TargetVerdict,
): void {
  const wanted = { instances: 0, cores: 0, ram: 0 };
  for (const { role } of candidates) {
    const flavor = pick(flavors, role.boot[target]?.flavor ?? '');
    if (flavor === undefined) continue;
    wanted.instances += 1;
    wanted.cores += flavor.vcpus;
    wanted.ram += flavor.ram;
  }
  for (const kind of ['instances', 'cores', 'ram'] as const) {
    const { limit, in_use, reserved } = quota[kind];
    const free = limit - in_use - reserved;
    if (limit >= 0 && free < wanted[kind]) {
      verdict.problems.push({
        field: `${target}.quota`,
        message: `The quota of ${target} leaves ${free} ${kind}; the nodes need ${wanted[kind]} (Nova counts the flavors' values also for bare metal).`,
        remedy: `openstack --os-cloud ${target} quota set --${kind} -1 PROJECT`,
      });
    }
  }
}

/** Names for a sentence; of many only some. */
export const listed = (names: readonly string[]): string =>
  names.length <= 4 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;
