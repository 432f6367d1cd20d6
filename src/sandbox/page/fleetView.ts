/** What the page shows beside the channel. The sandbox's server builds it from its emulators. */
export interface FleetView {
  controlPlanes: ControlPlaneView[];
  application: ApplicationView;
  scenario: { active: string | null; available: { name: string; description: string }[] };
}

export interface ControlPlaneView {
  name: string;
  nodes: NodeView[];
}

export interface NodeView {
  uuid: string;
  name: string;
  role: string;
  /** Ironic's words, verbatim. */
  provisionState: string;
  targetProvisionState: string | null;
  powerState: string | null;
  maintenance: boolean;
  reservation: string | null;
  lastError: string | null;
  /** Whether the node carries Ephyra's marker. */
  claimed: boolean;
  /** Whether Placement would give it to a new instance. */
  schedulable: boolean;
  instance: null | { id: string; name: string; status: string; addresses: string[] };
}

export interface ApplicationView {
  health: 'healthy' | 'unhealthy' | 'unknown';
  reasons: string[];
  /** `state` in the application's own words: NORMAL, DECOMMISSIONING, DECOMMISSIONED, DEAD. */
  nodes: { name: string; address: string; role: string; state: string }[];
  /** One line about the masters. */
  summary: string;
}
