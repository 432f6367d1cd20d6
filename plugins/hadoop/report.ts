import { type HdfsNode, withoutPort } from './nameNode.ts';

/** The words of `hdfs dfsadmin -report` for the admin states, and those of JMX. */
const STATES: Readonly<Record<string, string>> = {
  Normal: 'In Service',
  Decommissioned: 'Decommissioned',
  'Decommission in progress': 'Decommission In Progress',
  'In maintenance': 'In Maintenance',
  'Entering maintenance': 'Entering Maintenance',
};

/**
 * The dead DataNodes of `hdfs dfsadmin -report -dead`. Unlike JMX, which keeps one entry for each host name, it lists a
 * machine under each address that it ever had. States that it does not know are left out.
 */
export function parseReport(text: string): HdfsNode[] {
  return text.split(/^(?=Name: )/m).flatMap((block) => {
    const address = /^Name: (\S+)/.exec(block)?.[1];
    const host = /^Hostname: (\S+)/m.exec(block)?.[1];
    const status = /^Decommission Status : (.+?)\s*$/m.exec(block)?.[1];
    const adminState = status === undefined ? undefined : STATES[status];
    if (address === undefined || host === undefined || adminState === undefined) return [];
    return [
      {
        host: host.toLowerCase(),
        address: withoutPort(address),
        alive: false,
        adminState,
        lastContact: Number.MAX_SAFE_INTEGER,
        blocksLeft: null,
      },
    ];
  });
}
