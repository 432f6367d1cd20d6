import { describe, expect, test } from 'vitest';
import { createPlugin } from '../../../plugins/hadoop/index.ts';
import { setup } from './bench.ts';

const whole = {
  resourceManagers: ['http://rm1:8088', { url: 'http://rm2:8088', id: 'b', node: 'master-2' }],
  nameNodes: ['https://nn1:9871'],
  roles: { 'hadoop-worker': { yarn: true, hdfs: 'maintenance' }, 'hadoop-master': { master: true } },
  yarn: { excludeFile: '/etc/hadoop/conf/yarn.exclude', gracefulTimeout: 'none' },
  hdfs: { hostsFile: '/etc/hadoop/conf/dfs.hosts.json', maintenanceFor: '6h' },
  adminHosts: [{ ssh: { host: 'rm1', user: 'hadoop' } }, 'local'],
};
const make = (options: unknown) => () => createPlugin(setup(options));

describe('the options of the plugin hadoop', () => {
  test('are accepted when they fit together', () => {
    expect(make(whole)).not.toThrow();
    expect(make({ nameNodes: ['http://nn1:9870'], roles: {} })).not.toThrow();
  });

  test.each([
    [{ ...whole, resourceManagers: [] }, 'options.resourceManagers: a role has yarn: true'],
    [{ ...whole, yarn: {} }, 'options.yarn.excludeFile: a role has yarn: true'],
    [{ ...whole, nameNodes: [] }, 'options.nameNodes: a role has hdfs'],
    [{ ...whole, hdfs: {} }, 'options.hdfs.hostsFile: a role has hdfs'],
    [{ ...whole, hdfs: { excludeFile: '/x' } }, 'options.roles.hadoop-worker.hdfs: maintenance needs the combined'],
    [{ ...whole, hdfs: { excludeFile: '/x', hostsFile: '/y' } }, 'options.hdfs.excludeFile: is for the plain format'],
    [{ roles: {} }, 'there is nobody to ask'],
    [{ ...whole, nameNodes: ['nn1:9870'] }, 'options.nameNodes.0'],
    [
      {
        ...whole,
        nameNodes: [
          { url: 'http://a', id: 'x' },
          { url: 'http://b', id: 'x' },
        ],
      },
      'two have the id "x"',
    ],
    [
      { ...whole, yarn: { ...whole.yarn, excludFile: 'x' } },
      'options.yarn.excludFile: unknown key; did you mean "excludeFile"?',
    ],
    [{ ...whole, roles: { w: { yarn: true, hdfs: 'decomission' } } }, 'options.roles.w.hdfs'],
    [{ ...whole, roles: { w: { yam: true } } }, 'options.roles.w.yam: unknown key; did you mean "yarn"?'],
    [{ ...whole, adminHosts: [{ ssh: { host: '-oProxyCommand=id' } }] }, 'options.adminHosts.0'],
    [{ ...whole, adminHosts: [] }, 'options.adminHosts'],
    [{ ...whole, poll: 'often' }, 'options.poll: must be a duration'],
    [{ ...whole, host: 'fqdn' }, 'options.host'],
  ])('are refused with the field and the remedy (%#)', (options, message) => {
    expect(make(options)).toThrow(message);
  });

  test('name every problem at once', () => {
    let text = '';
    try {
      make({ roles: { w: { yarn: true, hdfs: 'decommission' } }, pol: 1 })();
    } catch (error) {
      text = (error as Error).message;
    }
    expect(text).toContain('options.pol: unknown key; did you mean "poll"?');
    expect(text).toContain('"hadoop"');
  });

  test('never show a secret', () => {
    delete process.env['HADOOP_PASSWORD_OF_TEST'];
    const basic = { username: 'ephyra', password: { env: 'HADOOP_PASSWORD_OF_TEST' } };
    expect(make({ ...whole, http: { basic } })).toThrow('HADOOP_PASSWORD_OF_TEST is not set');
    let text = '';
    try {
      make({ ...whole, http: { basic: { username: 'ephyra', password: 'hunter2' } } })();
    } catch (error) {
      text = (error as Error).message;
    }
    expect(text).toContain('options.http.basic.password');
    expect(text).not.toContain('hunter2');
  });
});
