import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { httpClient } from '../../../plugins/hadoop/http.ts';
import { readHdfs } from '../../../plugins/hadoop/nameNode.ts';
import { readYarn } from '../../../plugins/hadoop/resourceManager.ts';
import { hadoopOptions } from '../../../plugins/hadoop/schema.ts';

/** What Hadoop 3.4 answers for one node, shortened by what the plugin does not read. */
const NODE = {
  rack: '/default-rack',
  state: 'RUNNING',
  id: 'Worker-1.example.com:45454',
  nodeHostName: 'Worker-1.example.com',
  nodeHTTPAddress: 'worker-1.example.com:8042',
  lastHealthUpdate: 1_732_300_000_000,
  healthReport: '',
  numContainers: 2,
};
const endpoint = { id: 'x', url: 'http://x:1', node: null };
const settled = () => true;

/** Answers by path, as the masters do. */
function answering(answers: Record<string, unknown>) {
  return async (url: string) => {
    const found = Object.entries(answers).find(([path]) => url.includes(path));
    if (!found) throw new Error(`not expected: ${url}`);
    return found[1];
  };
}

const rm = (nodes: unknown, totalNodes: number) =>
  answering({
    '/info': { clusterInfo: { haState: 'ACTIVE', startedOn: 7 } },
    '/nodes': { nodes },
    '/metrics': { clusterMetrics: { totalNodes } },
  });

describe('what a ResourceManager answers', () => {
  test.each([[null], [''], [{}], [{ node: null }], [{ node: [] }]])('about nobody can be %j', async (nodes) => {
    const view = await readYarn(rm(nodes, 0), [endpoint], settled);
    expect(view).toMatchObject({ problem: null, complete: true, leader: 'x 7', settled: true });
    expect(view.nodes.size).toBe(0);
  });

  test('about one node can be a list or the node itself', async () => {
    for (const node of [NODE, [NODE]]) {
      const view = await readYarn(rm({ node }, 1), [endpoint], settled);
      expect(view.complete).toBe(true);
      expect(view.nodes.get('worker-1.example.com')).toEqual([
        { host: 'worker-1.example.com', state: 'RUNNING', containers: 2, healthReport: '' },
      ]);
    }
  });

  test('about one host can be several registrations, and fewer nodes than it counts are not all', async () => {
    const view = await readYarn(rm({ node: [NODE, { ...NODE, state: 'DECOMMISSIONED' }] }, 3), [endpoint], settled);
    expect(view.nodes.get('worker-1.example.com')).toHaveLength(2);
    expect(view.complete).toBe(false);
  });

  test('is no answer when it is not of the documented form', async () => {
    const view = await readYarn(rm({ node: [{ host: 'x' }] }, 1), [endpoint], settled);
    expect(view.problem).toMatch(/x:1: its nodes are not as documented/);
    expect(view.nodes.size).toBe(0);
  });
});

const NAME = 'Hadoop:service=NameNode,name=';
const nn = (info: Record<string, unknown>, state: Record<string, unknown> = {}, corrupt = 0) => {
  const stateBean = {
    name: `${NAME}FSNamesystemState`,
    FSState: 'Operational',
    UnderReplicatedBlocks: 9,
    NumLiveDataNodes: 1,
    NumDeadDataNodes: 0,
    ...state,
  };
  const none = { LiveNodes: '{}', DeadNodes: '{}', DecomNodes: '{}' };
  return answering({
    'name=NameNodeStatus': { beans: [{ name: `${NAME}NameNodeStatus`, State: 'active' }] },
    'name=NameNodeInfo': { beans: [{ name: `${NAME}NameNodeInfo`, Safemode: '', ...none, ...info }] },
    'name=FSNamesystem*': {
      beans: [{ name: `${NAME}FSNamesystem`, MissingBlocks: 0, CorruptBlocks: corrupt }, stateBean],
    },
    'name=FSNamesystemState': { beans: [stateBean] },
  });
};

describe('what a NameNode answers', () => {
  test('is read from tables inside strings, by host without port', async () => {
    const live = {
      'Worker-1.example.com:9866': {
        xferaddr: '10.1.1.1:9866',
        adminState: 'Decommission In Progress',
        lastContact: 2,
      },
    };
    const leaving = { 'Worker-1.example.com:9866': { underReplicatedBlocks: 4 } };
    const info = { LiveNodes: JSON.stringify(live), DecomNodes: JSON.stringify(leaving) };
    const view = await readHdfs(nn(info, {}, 2), [endpoint]);
    expect(view).toMatchObject({ problem: null, complete: true, underReplicatedBlocks: 5, corruptBlocks: 2 });
    expect(view.nodes.get('worker-1.example.com')).toEqual([
      {
        host: 'worker-1.example.com',
        address: '10.1.1.1',
        alive: true,
        adminState: 'Decommission In Progress',
        lastContact: 2,
        blocksLeft: 4,
      },
    ]);
  });

  test('about the dead may lack the admin state, as in Hadoop 2', async () => {
    const dead = {
      'a:50010': { lastContact: 9, decommissioned: true, xferaddr: '10.0.0.1:50010' },
      'b:50010': { lastContact: 9 },
    };
    const view = await readHdfs(nn({ DeadNodes: JSON.stringify(dead) }, { NumDeadDataNodes: 2, NumLiveDataNodes: 0 }), [
      endpoint,
    ]);
    expect(view.nodes.get('a')?.[0]).toMatchObject({ alive: false, adminState: 'Decommissioned' });
    expect(view.nodes.get('b')?.[0]).toMatchObject({ alive: false, adminState: 'In Service', address: '' });
  });

  test('may name machines by IPv6 addresses', async () => {
    const live = { '[fd00::7]:9866': { xferaddr: '[fd00::7]:9866', adminState: 'In Service', lastContact: 0 } };
    const view = await readHdfs(nn({ LiveNodes: JSON.stringify(live) }), [endpoint]);
    expect(view.nodes.get('fd00::7')?.[0]?.address).toBe('fd00::7');
  });

  test.each([[{ LiveNodes: 'not a table' }], [{ LiveNodes: '{"a:1":{"adminState":7}}' }], [{ Safemode: undefined }]])(
    'is no answer when it is not of the documented form (%#)',
    async (info) => {
      const view = await readHdfs(nn(info), [endpoint]);
      expect(view.problem).toMatch(/the NameNode x:1: its NameNodeInfo are not as documented/);
    },
  );

  test('is no answer without the bean', async () => {
    const view = await readHdfs(answering({ '/jmx': { beans: [] } }), [endpoint]);
    expect(view.problem).toContain('there is no JMX bean NameNodeStatus');
  });
});

describe('the HTTP client', () => {
  let server: Server;
  let base: string;
  let answer: (request: IncomingMessage) => [number, string];
  const seen: IncomingMessage[] = [];
  beforeEach(async () => {
    seen.length = 0;
    server = createServer((request, response) => {
      seen.push(request);
      const [status, body] = answer(request);
      if (status === 0) return;
      response.writeHead(status, { location: `${base}/elsewhere` }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const client = (http: object) => httpClient(hadoopOptions.parse({ nameNodes: ['http://x'], roles: {}, http }).http);

  test('tells who asks, and keeps no connection', async () => {
    process.env['HADOOP_PASSWORD_OF_TEST'] = 'secret';
    answer = () => [200, '{}'];
    await client({ userName: 'ephyra' })(`${base}/jmx?qry=a`);
    expect(seen[0]?.url).toBe('/jmx?qry=a&user.name=ephyra');
    expect(seen[0]?.headers.connection).toBe('close');
    await client({ basic: { username: 'e', password: { env: 'HADOOP_PASSWORD_OF_TEST' } } })(base);
    expect(seen[1]?.headers.authorization).toBe(`Basic ${Buffer.from('e:secret').toString('base64')}`);
    delete process.env['HADOOP_PASSWORD_OF_TEST'];
  });

  test.each([
    [307, 'This is standby RM.', /HTTP 307$/],
    [401, '', /HTTP 401: it wants to know who asks; set http.userName or http.basic/],
    [503, '', /HTTP 503/],
    [200, '<html>', /the answer is not JSON/],
  ])('takes %i for no answer', async (status, body, message) => {
    answer = () => [status, body];
    await expect(client({})(base)).rejects.toThrow(message);
    expect(seen).toHaveLength(1);
  });

  test('does not wait longer than it may', async () => {
    answer = () => [0, ''];
    await expect(client({ timeout: '80ms' })(base)).rejects.toThrow(/no answer within 0.08 s/);
  });

  test('says that nobody listens', async () => {
    await expect(client({})('http://127.0.0.1:1/')).rejects.toThrow(/127\.0\.0\.1:1: ECONNREFUSED/);
  });
});
