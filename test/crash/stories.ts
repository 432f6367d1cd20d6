import type { DeploymentState } from '../../src/deployments/types.ts';
import type { ControlPlane } from '../../src/sandbox/openstack/index.ts';

/** A deployment that is carried out again and again, cut off somewhere else each time. */
export interface Story {
  readonly name: string;
  readonly about: string;
  readonly application: 'hadoop' | 'none';
  /** In cp1 at first. */
  readonly nodes: number;
  /** Of them, those that move. */
  readonly moving: readonly string[];
  /** Tries of one step. */
  readonly attempts: number;
  readonly end: DeploymentState;
  /** Approved by the button on the card; else by slash command. */
  readonly button: boolean;
  /** Lets something go wrong in the target; the result ends it. */
  readonly trouble?: (source: ControlPlane, target: ControlPlane) => () => void;
  /** People abort as soon as this has been so. */
  readonly abortWhen?: (source: ControlPlane, target: ControlPlane) => boolean;
  /** Must have been so at the end, besides the invariants. */
  readonly happened?: 'node-01 went back';
}

const stateOf = (plane: ControlPlane, name: string) =>
  plane.fleet().nodes.find((node) => node.name === name)?.provisionState;

export const STORIES: readonly Story[] = [
  {
    name: 'success',
    about: 'a node with Hadoop on it moves, another one stays',
    application: 'hadoop',
    nodes: 2,
    moving: ['node-01'],
    attempts: 3,
    end: 'completed',
    button: true,
  },
  {
    name: 'failure',
    about: 'the target cannot deploy the node: it is taken back, tried again, and moves',
    application: 'none',
    nodes: 1,
    moving: ['node-01'],
    attempts: 1,
    end: 'completed',
    button: false,
    trouble: (source, target) => {
      const fault = target.faults.add({
        match: { node: 'node-01' },
        times: Number.POSITIVE_INFINITY,
        effect: { kind: 'deploy-fails' },
      });
      let left = false;
      const stop = source.onChange(({ kind, before, after }) => {
        if (kind === 'node.deleted' && before?.['name'] === 'node-01') left = true;
        // Back where it was: whoever looked after the target has mended it.
        if (left && kind === 'node.created' && after?.['name'] === 'node-01') target.faults.remove(fault);
      });
      return () => {
        stop();
        target.faults.remove(fault);
      };
    },
    happened: 'node-01 went back',
  },
  {
    name: 'abort',
    about: 'one node has moved, the second is being deployed in the target when people abort: both are taken back',
    application: 'none',
    nodes: 2,
    moving: ['node-01', 'node-02'],
    attempts: 3,
    end: 'rolled_back',
    button: false,
    abortWhen: (_source, target) => ['deploying', 'wait call-back'].includes(stateOf(target, 'node-02') ?? ''),
  },
];

export function storyCalled(name: string): Story {
  const story = STORIES.find((one) => one.name === name);
  if (story === undefined)
    throw new Error(`there is no story "${name}"; there are ${STORIES.map((one) => one.name).join(', ')}`);
  return story;
}
