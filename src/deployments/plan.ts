import { theInstance } from '../../machines/decide/nodes.ts';
import type { ControlPlaneName, InstanceFacts, NodeFacts } from '../../machines/domain.ts';
import { METADATA } from '../../machines/domain.ts';
import type { ApplicationPlugin } from '../../machines/plugin.ts';
import type { Catalogue } from '../actors/catalogue.ts';
import type { SecretsOf } from '../actors/definitions.ts';
import { APPLICATION_PATIENCE_MS, withPatience } from '../actors/patience.ts';
import type { Survey } from '../actors/survey.ts';
import { failureDomainOf, roleOf } from '../config/roles.ts';
import type { FailureDomainConfig, RoleConfig } from '../config/types.ts';
import type { SteadyClock } from '../openstack/clock.ts';
import type { ControlPlane } from '../openstack/control-plane.ts';
import { OpenStackError, toFailure } from '../openstack/errors.ts';
import { toNodeFacts } from '../openstack/ironic/facts.ts';
import type { NodeDetail, PortDetail } from '../openstack/ironic/schema.ts';
import { findMaskedSecrets, overlaySecrets } from '../openstack/ironic/secrets.ts';
import { digestOf } from './digest.ts';
import { checkTarget, listed } from './preflight.ts';
import type { PlannedNode, PlanProblem, PlanView } from './types.ts';

export interface PlanDeps {
  readonly controlPlanes: ReadonlyMap<ControlPlaneName, ControlPlane>;
  readonly roles: readonly RoleConfig[];
  readonly failureDomain: FailureDomainConfig;
  readonly secrets: SecretsOf;
  readonly survey: Survey;
  readonly catalogue: Catalogue;
  readonly plugin: ApplicationPlugin;
  readonly clock: SteadyClock;
  /** Told of all ports of the source. */
  readonly onPorts?: (at: ControlPlaneName, ports: readonly PortDetail[]) => void;
}

export interface PlanQuestion {
  readonly source: ControlPlaneName;
  readonly target: ControlPlaneName;
  readonly maxUnavailable: number;
  /** Names or uuids; null = every node that can move. */
  readonly only: readonly string[] | null;
}

/** A node that would move, with what the checks of the target need to know of it. */
export interface Candidate {
  readonly node: NodeDetail;
  readonly facts: NodeFacts;
  readonly instance: InstanceFacts;
  readonly role: RoleConfig;
  /** MAC addresses of its Ironic ports, in lower case. */
  readonly macs: readonly string[];
}

export type PlanResult = { readonly plan: PlanView | null; readonly problems: readonly PlanProblem[] };

/**
 * Runs every preflight and changes nothing: who would move in which order, who stays and why, and everything that
 * stands in the way, all at once.
 */
export async function makePlan(question: PlanQuestion, deps: PlanDeps): Promise<PlanResult> {
  const { source, target } = question;
  const problems: PlanProblem[] = [];
  const [candidates, application] = await Promise.all([selectNodes(question, deps, problems), askApplication(deps)]);
  problems.push(...application);
  const { chosen, excluded } = candidates;
  const targetProblems = await checkTarget(chosen, target, deps);
  const staying = new Map(targetProblems.nodes.map(({ uuid, reason }) => [uuid, reason]));
  const moving = chosen.filter(({ node }) => !staying.has(node.uuid));
  problems.push(...targetProblems.problems);
  if (moving.length === 0 && problems.length === 0) problems.push(noNodes(question, excluded));

  const nodes = inOrder(moving, deps);
  problems.push(...unknownDomains(nodes, source, deps.failureDomain));
  const plan = {
    source,
    target,
    nodes,
    excluded: [
      ...excluded,
      ...chosen
        .filter(({ node }) => staying.has(node.uuid))
        .map(({ node }) => ({ uuid: node.uuid, name: node.name ?? node.uuid, reason: staying.get(node.uuid) ?? '' })),
    ],
    maxUnavailable: question.maxUnavailable,
  };
  return { plan: { ...plan, digest: digestOf(plan) }, problems };
}

/** Roles as configured, then failure domain, then name: the same world gives the same order. */
function inOrder(
  candidates: readonly Candidate[],
  { roles, failureDomain }: Pick<PlanDeps, 'roles' | 'failureDomain'>,
): PlannedNode[] {
  const rank = new Map(roles.map((role, index) => [role.name, index]));
  return candidates
    .map(({ node, role, instance }) => ({
      uuid: node.uuid,
      name: node.name ?? node.uuid,
      role: role.name,
      failureDomain: failureDomainOf(node.extra, failureDomain.extra),
      instanceId: instance.id,
    }))
    .sort(
      (a, b) =>
        (rank.get(a.role) ?? 0) - (rank.get(b.role) ?? 0) ||
        compare(a.failureDomain ?? '', b.failureDomain ?? '') ||
        compare(a.name, b.name),
    );
}

/** A limit that nobody could keep is told before anything moves. */
function unknownDomains(
  nodes: readonly PlannedNode[],
  source: ControlPlaneName,
  { extra, maxUnavailable }: FailureDomainConfig,
): PlanProblem[] {
  const unknown = nodes.filter(({ failureDomain }) => failureDomain === null).map(({ name }) => name);
  if (maxUnavailable === null || unknown.length === 0) return [];
  const [first = ''] = unknown;
  return [
    {
      field: `${source}.extra.${extra}`,
      message:
        `The failure domain of ${listed(unknown)} is not known (no name in extra.${extra}), ` +
        `and at most ${maxUnavailable} of each may be out at once.`,
      remedy:
        `Tell it, e.g. openstack --os-cloud ${source} baremetal node set --extra ${extra}=NAME ${first}, ` +
        'or leave deployment.failureDomain.maxUnavailable out.',
    },
  ];
}

const compare = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });

async function selectNodes(
  question: PlanQuestion,
  deps: PlanDeps,
  problems: PlanProblem[],
): Promise<{ chosen: Candidate[]; excluded: { uuid: string; name: string; reason: string }[] }> {
  const { source } = question;
  const cloud = deps.controlPlanes.get(source);
  const nothing = { chosen: [], excluded: [] };
  if (cloud === undefined) return nothing;
  try {
    await cloud.authenticate();
  } catch (error) {
    problems.push(cloudProblem(source, error));
    return nothing;
  }
  const complain = (error: unknown): null => {
    addOnce(problems, cloudProblem(source, error));
    return null;
  };
  const [nodes, ports, instances] = await Promise.all([
    cloud.ironic.listNodesDetail().catch(complain),
    cloud.ironic.listPorts().catch(complain),
    deps.survey.read({ of: 'instances', at: source }, deps.survey.mark()),
  ]);
  if (!instances.answer.ok && nodes !== null) {
    problems.push({ field: `${source}.nova`, message: instances.answer.why, remedy: 'Repair it, then deploy again.' });
  }
  if (nodes === null || ports === null || !instances.answer.ok) return nothing;
  deps.onPorts?.(source, ports);
  const macsOf = new Map<string, string[]>();
  for (const port of ports) {
    macsOf.set(port.node_uuid, [...(macsOf.get(port.node_uuid) ?? []), port.address.toLowerCase()]);
  }

  const chosen: Candidate[] = [];
  const excluded: { uuid: string; name: string; reason: string }[] = [];
  /** Masked fields to the nodes that have them: usually one line for all nodes. */
  const masked = new Map<string, string[]>();
  const wanted = question.only === null ? null : new Set(question.only);
  for (const node of nodes) {
    if (wanted !== null && !wanted.delete(node.uuid) && !(node.name !== null && wanted.delete(node.name))) continue;
    const facts = toNodeFacts(node);
    const there = instances.answer.value.on(node.uuid, node.instance_uuid);
    const instance = theInstance(there, facts);
    const moved = deps.roles.find(({ name }) => name === instance?.metadata[METADATA.role]);
    const role =
      moved ??
      roleOf(deps.roles, {
        name: node.name,
        extra: node.extra,
        resourceClass: node.resource_class,
        instance: instance === undefined ? null : { metadata: instance.metadata, flavorName: instance.flavorName },
      });
    const reason = whyNot(node, facts, instance, role);
    if (reason !== null || role === undefined || role === null || instance === undefined) {
      excluded.push({ uuid: node.uuid, name: node.name ?? node.uuid, reason: reason ?? 'it cannot be moved' });
      continue;
    }
    const paths = maskedSecrets(node, source, deps.secrets).join(', ');
    if (paths !== '') masked.set(paths, [...(masked.get(paths) ?? []), node.name ?? node.uuid]);
    chosen.push({ node, facts, instance, role, macs: macsOf.get(node.uuid) ?? [] });
  }
  for (const [paths, names] of masked) problems.push(maskProblem(source, paths, names, deps.secrets));
  for (const name of wanted ?? []) {
    problems.push({
      field: 'nodes',
      message: `There is no node "${name}" in ${source}.`,
      remedy: `See the nodes: openstack --os-cloud ${source} baremetal node list`,
    });
  }
  return { chosen, excluded };
}

/** Why a node stays where it is; null when it can move. */
function whyNot(
  node: NodeDetail,
  facts: NodeFacts,
  instance: InstanceFacts | undefined,
  role: RoleConfig | null | undefined,
): string | null {
  if (facts.marker === 'invalid') return 'its extra.ephyra cannot be read; a person has to look';
  if (facts.marker !== null) return `it is claimed by deployment ${facts.marker.deployment}`;
  if (node.maintenance) return `it is in maintenance${node.maintenance_reason ? `: ${node.maintenance_reason}` : ''}`;
  if (node.protected) return 'it is protected';
  if (node.retired) return 'it is retired';
  if (role === null || role === undefined) return 'no role of the configuration matches it';
  if (node.provision_state !== 'active') return `it is ${node.provision_state}, not active`;
  if (instance === undefined) return 'it runs no instance that Nova knows';
  if (instance.status !== 'ACTIVE') return `its instance ${instance.name} is ${instance.status}, not ACTIVE`;
  if (instance.imageId === null)
    return `its instance ${instance.name} boots from a volume, which does not move with it`;
  const storage = node['storage_interface'];
  if (typeof storage === 'string' && storage !== 'noop')
    return `its storage interface is ${storage}; only noop is moved`;
  return null;
}

function maskedSecrets(node: NodeDetail, at: ControlPlaneName, secrets: SecretsOf): string[] {
  const entries = secrets.get(at)?.of({ uuid: node.uuid, name: node.name });
  if (entries === undefined) return findMaskedSecrets(node.driver_info);
  const plain = Object.fromEntries(Object.entries(entries).map(([name, secret]) => [name, secret.reveal()]));
  return findMaskedSecrets(overlaySecrets(node.driver_info, plain));
}

function maskProblem(at: ControlPlaneName, paths: string, names: readonly string[], secrets: SecretsOf): PlanProblem {
  const fromFile = (secrets.get(at) ?? null) !== null;
  const fields = paths.split(', ').map((path) => `driver_info.${path}`);
  return {
    field: `${at}.secrets`,
    message: `Ironic of ${at} masks ${fields.join(', ')} of ${listed(names)}; copied so, the password would be lost.`,
    remedy: fromFile
      ? `Add ${listed(names)} with ${paths} to the secretsFile of ${at}.`
      : `Put "show_password": "role:admin" into the Ironic policy of ${at} (no restart needed), or give ${at} a secretsFile.`,
  };
}

async function askApplication(deps: PlanDeps): Promise<PlanProblem[]> {
  const remedy = 'Bring the application to health first; nothing leaves it before.';
  try {
    const { health, reasons } = await withPatience(deps.clock, APPLICATION_PATIENCE_MS, (context) =>
      deps.plugin.verifyApplication(context),
    );
    if (health === 'healthy') return [];
    return [
      {
        field: 'application',
        message: `The application is ${health}: ${reasons.join('; ') || 'no reason given'}.`,
        remedy,
      },
    ];
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return [{ field: 'application', message: `The application cannot be asked: ${message}.`, remedy }];
  }
}

function noNodes(question: PlanQuestion, excluded: readonly { name: string; reason: string }[]): PlanProblem {
  const some = excluded.slice(0, 5).map(({ name, reason }) => `${name}: ${reason}`);
  const more = excluded.length > some.length ? ` and ${excluded.length - some.length} more` : '';
  return {
    field: 'nodes',
    message:
      excluded.length === 0
        ? `${question.source} has no nodes to move.`
        : `No node of ${question.source} can be moved (${some.join('; ')}${more}).`,
    remedy:
      excluded.length === 0
        ? `Check the direction; is everything in ${question.target} already?`
        : 'Clear what keeps them, or check the roles of the configuration.',
  };
}

/** A service that is down is one problem, however many calls it fails. */
export function addOnce(problems: PlanProblem[], problem: PlanProblem): void {
  if (!problems.some(({ field }) => field === problem.field)) problems.push(problem);
}

/** A call of the preflight that failed, as a problem: which control plane, which service, what to do. */
export function cloudProblem(at: ControlPlaneName, error: unknown): PlanProblem {
  const failure = toFailure(error);
  const service = error instanceof OpenStackError ? (error.kind === 'auth' ? 'auth' : error.service) : 'cloud';
  return {
    field: `${at}.${service}`,
    message: failure.message,
    remedy: failure.remedy ?? 'Repair it, then deploy again.',
  };
}
