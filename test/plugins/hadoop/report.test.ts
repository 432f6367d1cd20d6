import { expect, test } from 'vitest';
import { parseReport } from '../../../plugins/hadoop/report.ts';

/** As Hadoop 3.4 prints it, shortened by the lines on capacity. */
const REPORT = `Dead datanodes (3):

Name: 10.1.1.1:9866 (worker-1.example.com)
Hostname: worker-1.example.com
Rack: /rack-7
Decommission Status : Normal
Configured Capacity: 0 (0 B)
Last contact: Thu Jan 01 00:00:00 UTC 1970
Num of Blocks: 0


Name: 10.2.1.1:9866
Hostname: WORKER-1.example.com
Decommission Status : Decommissioned
Configured Capacity: 0 (0 B)


Name: [fd00::7]:9866 (worker-7)
Hostname: worker-7
Decommission Status : In maintenance


Name: 10.2.1.9:9866
Hostname: worker-9
Decommission Status : Something new
`;

test('the report of dead DataNodes is read with every address of a machine', () => {
  expect(parseReport(REPORT).map(({ host, address, adminState }) => [host, address, adminState])).toEqual([
    ['worker-1.example.com', '10.1.1.1', 'In Service'],
    ['worker-1.example.com', '10.2.1.1', 'Decommissioned'],
    ['worker-7', 'fd00::7', 'In Maintenance'],
  ]);
});

test('a report without dead DataNodes is empty', () => {
  expect(parseReport('')).toEqual([]);
  expect(parseReport('Dead datanodes (0):\n')).toEqual([]);
});
