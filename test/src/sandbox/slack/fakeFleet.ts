import type { FleetView, NodeView } from '../../../../src/sandbox/page/index.ts';

const STEPS: Partial<NodeView>[] = [
  { claimed: true },
  { provisionState: 'deleting', targetProvisionState: 'available', instance: null },
  { provisionState: 'cleaning', targetProvisionState: 'available' },
  { provisionState: 'available', targetProvisionState: null },
];

const ARRIVAL: Partial<NodeView>[] = [
  { provisionState: 'enroll', targetProvisionState: null, powerState: null, instance: null },
  { provisionState: 'verifying', targetProvisionState: 'manageable' },
  { provisionState: 'available', targetProvisionState: null, schedulable: true },
  { provisionState: 'wait call-back', targetProvisionState: 'active' },
  { provisionState: 'active', targetProvisionState: null, claimed: false },
];

/** A fleet that only pretends: `step` takes the first node that can still go one step further from cp1 to cp2. */
export class FakeFleet {
  readonly view: FleetView;
  active: string | null = null;
  readonly #stage = new Map<string, number>();

  constructor(workers: number) {
    const nodes = [
      node('master-1', 'master', 10),
      ...numbered(workers).map((n) => node(`worker-${pad(n)}`, 'worker', 20 + n)),
    ];
    const application = { health: 'healthy' as const, reasons: [], nodes: [], summary: '' };
    this.view = {
      controlPlanes: [
        { name: 'cp1', nodes },
        { name: 'cp2', nodes: [] },
      ],
      application,
      scenario: { active: null, available: [] },
    };
    for (const one of nodes) this.#stage.set(one.uuid, 0);
    this.#observe();
  }

  /** Lets one node go on; the nodes go in a window of three. */
  step(): void {
    const end = STEPS.length + ARRIVAL.length;
    const moving = [...this.#stage]
      .filter(([, stage]) => stage < end)
      .reverse()
      .slice(0, 3);
    const [uuid, stage] = moving[Math.floor(moving.length / 2)] ?? [undefined, 0];
    if (uuid === undefined) return;
    const next = moving.reduce((least, one) => (one[1] < least[1] ? one : least), [uuid, stage] as [string, number]);
    this.#stage.set(next[0], next[1] + 1);
    this.#move(next[0], next[1]);
    this.#observe();
  }

  #move(uuid: string, stage: number): void {
    const [source, target] = this.view.controlPlanes;
    if (source === undefined || target === undefined) return;
    const here = source.nodes.find((one) => one.uuid === uuid);
    const leaving = STEPS[stage];
    if (leaving !== undefined && here !== undefined) {
      Object.assign(here, leaving);
      return;
    }
    const arrival = ARRIVAL[stage - STEPS.length];
    if (stage === STEPS.length && here !== undefined) target.nodes = [...target.nodes, { ...here, ...arrival }];
    else if (here !== undefined) source.nodes = source.nodes.filter((one) => one.uuid !== uuid);
    const there = target.nodes.find((one) => one.uuid === uuid);
    if (there === undefined) return;
    Object.assign(there, arrival);
    if (arrival?.provisionState === 'wait call-back') there.instance = instance(there.name, 'BUILD', []);
    if (arrival?.provisionState === 'active')
      there.instance = instance(there.name, 'ACTIVE', [`10.20.0.${10 + target.nodes.length}`]);
  }

  #observe(): void {
    const all = this.view.controlPlanes.flatMap((plane) => plane.nodes.map((one) => ({ one, plane: plane.name })));
    const seen = new Map(all.map(({ one, plane }) => [one.uuid, { one, plane }]));
    this.view.application = {
      health: 'healthy',
      reasons: [],
      nodes: [...seen.values()].map(({ one }) => ({
        name: one.name,
        address: one.instance?.addresses[0] ?? '',
        role: one.role,
        state: one.instance?.status === 'ACTIVE' ? (one.claimed ? 'DECOMMISSIONING' : 'NORMAL') : 'DECOMMISSIONED',
      })),
      summary: 'NameNode active on master-1, 0 missing blocks · ResourceManager active, 3 applications running',
    };
    this.view.scenario = { active: this.active, available: SCENARIOS };
  }

  activate(name: string | null): void {
    if (name !== null && !SCENARIOS.some((one) => one.name === name))
      throw new RangeError(`name: no scenario "${name}"`);
    this.active = name;
    this.#observe();
  }
}

const SCENARIOS = [
  { name: 'deploy-fails-once', description: 'The second node ends in deploy failed at its first boot in the target.' },
  { name: 'slow-cleaning', description: 'Cleaning takes ten times as long on one node.' },
  { name: 'cp2-down', description: 'Every call to the second control plane is answered 503.' },
  { name: 'hadoop-unhealthy', description: 'A DataNode dies while another is being moved.' },
];

function node(name: string, role: string, host: number): NodeView {
  return {
    uuid: `uuid-${name}`,
    name,
    role,
    provisionState: 'active',
    targetProvisionState: null,
    powerState: 'power on',
    maintenance: name === 'worker-04',
    reservation: name === 'worker-07' ? 'conductor-1' : null,
    lastError: null,
    claimed: false,
    schedulable: false,
    instance: instance(name, 'ACTIVE', [`10.10.0.${host}`]),
  };
}

function instance(name: string, status: string, addresses: string[]): NodeView['instance'] {
  return { id: `instance-${name}`, name: `hadoop-${name}`, status, addresses };
}

function numbered(count: number): number[] {
  return Array.from({ length: count }, (_one, index) => index + 1);
}

function pad(n: number): string {
  return String(n).padStart(2, '0');
}
