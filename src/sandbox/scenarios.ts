import type { Hadoop } from './hadoop/hadoop.ts';
import type { Fault } from './hadoop/model.ts';
import type { ControlPlane, FaultRule } from './openstack/index.ts';
import type { Slack } from './slack/index.ts';

/** What a scenario may disturb. */
export interface World {
  readonly controlPlanes: readonly ControlPlane[];
  readonly hadoop: Hadoop;
  readonly slack: Slack;
}

export interface Scenario {
  readonly name: string;
  readonly description: string;
  readonly clouds?: readonly { readonly at: string; readonly rule: FaultRule }[];
  readonly hadoop?: readonly Fault[];
  readonly apply?: (world: World) => () => void;
}

const at = (controlPlane: string, ...rules: FaultRule[]) => rules.map((rule) => ({ at: controlPlane, rule }));

/** Named things that go wrong. One line here, and it is in `--help`, on the page and in `--scenario`. */
export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'node-fails',
    description: 'cp2 cannot deploy node-04: it is tried again, rolled back, and retried at the end',
    clouds: at('cp2', { match: { node: 'node-04' }, times: 2, effect: { kind: 'deploy-fails' } }),
  },
  {
    name: 'clean-fails',
    description: 'Cleaning of node-05 fails in cp2, once',
    clouds: at('cp2', { match: { node: 'node-05' }, times: 1, effect: { kind: 'clean-fails' } }),
  },
  {
    name: 'bmc-unreachable',
    description: 'cp2 cannot reach the BMC of node-06: manage falls back to enroll, the node goes home',
    clouds: at('cp2', {
      match: { node: 'node-06' },
      times: Number.POSITIVE_INFINITY,
      effect: { kind: 'verify-fails' },
    }),
  },
  {
    name: 'boot-hangs',
    description: 'Instances of node-07 stay in BUILD in cp2 for ever',
    clouds: at('cp2', {
      match: { node: 'node-07' },
      times: Number.POSITIVE_INFINITY,
      effect: { kind: 'deploy-hangs' },
    }),
  },
  {
    name: 'answers-lost',
    description: 'Every fifth write to either cloud is done, but its answer never arrives',
    apply: ({ controlPlanes }) => everyNthWrite(controlPlanes, 5),
  },
  {
    name: 'nova-down',
    description: 'Nova of cp2 answers 503 to everything until the scenario ends',
    clouds: at('cp2', { match: { service: 'nova' }, effect: { kind: 'service-down', answer: 503 } }),
  },
  {
    name: 'cp2-down',
    description: 'Keystone of cp2 refuses connections until the scenario ends',
    clouds: at('cp2', { match: { service: 'keystone' }, effect: { kind: 'service-down' } }),
  },
  {
    name: 'tokens-expire',
    description: 'Tokens of both clouds live two seconds',
    clouds: [
      ...at('cp1', { effect: { kind: 'tokens-expire', ms: 2_000 } }),
      ...at('cp2', { effect: { kind: 'tokens-expire', ms: 2_000 } }),
    ],
  },
  {
    name: 'secrets-masked',
    description: 'Ironic of cp1 masks BMC passwords: the plan is refused with the remedy',
    apply: ({ controlPlanes }) => {
      controlPlanes.find(({ name }) => name === 'cp1')?.setShowPassword(false);
      return () => controlPlanes.find(({ name }) => name === 'cp1')?.setShowPassword(true);
    },
  },
  {
    name: 'maintenance',
    description: 'Somebody has put node-08 into maintenance in cp1: it stays, with the reason',
    apply: ({ controlPlanes }) => {
      const cp1 = controlPlanes.find(({ name }) => name === 'cp1');
      const there = () => cp1?.fleet().nodes.some((node) => node.name === 'node-08') === true;
      if (there()) cp1?.setMaintenance('node-08', true, 'fan replacement');
      return () => {
        if (there()) cp1?.setMaintenance('node-08', false);
      };
    },
  },
  {
    name: 'hadoop-unhealthy',
    description: 'HDFS reports missing blocks: the gate stays shut',
    hadoop: [{ kind: 'unhealthy' }],
  },
  {
    name: 'hadoop-silent',
    description: 'Neither ResourceManager answers: unknown is not healthy, nothing leaves the cluster',
    hadoop: [{ kind: 'silent', service: 'rm' }],
  },
  {
    name: 'drain-hangs',
    description: 'The blocks of hadoop-worker-node-06 never leave it',
    hadoop: [{ kind: 'decommission-hangs', host: 'hadoop-worker-node-06' }],
  },
  {
    name: 'slack-down',
    description: 'The Slack API answers 503 to everything; migrations do not care',
    apply: ({ slack }) => {
      slack.configure({ mean: { down: '503' } });
      return () => slack.configure({ mean: { down: 'no' } });
    },
  },
];

/** Throws RangeError for an unknown name, with those that there are. */
export function scenarioCalled(name: string): Scenario {
  const scenario = SCENARIOS.find((known) => known.name === name);
  if (scenario !== undefined) return scenario;
  throw new RangeError(
    `There is no scenario "${name}". There are: ${SCENARIOS.map((known) => known.name).join(', ')}.`,
  );
}

/** Switches scenarios on and off, one at a time. */
export class Stage {
  readonly #world: World;
  #active: Scenario | null = null;
  #undo: (() => void)[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  get active(): string | null {
    return this.#active?.name ?? null;
  }

  /** Null: everything works. Throws RangeError for an unknown name. */
  activate(name: string | null): void {
    const scenario = name === null ? null : scenarioCalled(name);
    for (const undo of this.#undo.splice(0)) undo();
    this.#active = scenario;
    if (scenario === null) return;
    for (const { at: name, rule } of scenario.clouds ?? []) {
      const cloud = this.#world.controlPlanes.find((known) => known.name === name);
      if (cloud === undefined) continue;
      const id = cloud.faults.add(rule);
      this.#undo.push(() => cloud.faults.remove(id));
    }
    for (const fault of scenario.hadoop ?? []) this.#undo.push(this.#world.hadoop.fault(fault));
    const undo = scenario.apply?.(this.#world);
    if (undo !== undefined) this.#undo.push(undo);
  }
}

function everyNthWrite(controlPlanes: readonly ControlPlane[], n: number): () => void {
  const undo = controlPlanes.flatMap((cloud) =>
    ['POST', 'PUT', 'PATCH', 'DELETE'].map((method) => {
      let id = '';
      const arm = () => {
        id = cloud.faults.add({
          match: { method, path: '^/(v1|v2.1)/' },
          after: n - 1,
          times: 1,
          effect: { kind: 'lose-answer' },
        });
      };
      arm();
      const stop = cloud.onRequest((event) => {
        if (event.dropped !== undefined && event.method === method) arm();
      });
      return () => {
        stop();
        cloud.faults.remove(id);
      };
    }),
  );
  return () => {
    for (const each of undo) each();
  };
}
