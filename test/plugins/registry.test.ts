import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BUILT_IN, loadPlugin, PluginLoadError } from '../../plugins/registry.ts';
import { context, node, setup } from './hadoop/bench.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'registry-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function put(path: string, content: string | object): Promise<void> {
  const file = join(folder, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
}

const WHOLE = `{
  name: 'mine',
  removeNode: async () => {}, addNode: async () => {},
  verifyNode: async () => ({ health: 'healthy', membership: 'in', reasons: [] }),
  verifyApplication: async () => ({ health: 'healthy', reasons: [String(setup.options.x)] }),
}`;
const FACTORY = `(setup) => (${WHOLE})`;

async function load(name: string) {
  const plugin = await loadPlugin(name, setup({ x: 7 }), folder);
  return (await plugin.verifyApplication(context())).reasons;
}

describe('loadPlugin', () => {
  test('knows the plugins that come with Ephyra', async () => {
    expect(Object.keys(BUILT_IN)).toEqual(['hadoop', 'exec', 'none']);
    expect((await loadPlugin('none', setup({}), folder)).name).toBe('none');
  });

  test('loads a file relative to the working directory, with a default export or createPlugin', async () => {
    await put('a.mjs', `export default ${FACTORY};`);
    await put('b.mjs', `export const createPlugin = ${FACTORY};`);
    expect(await load('./a.mjs')).toEqual(['7']);
    expect(await load(join(folder, 'b.mjs'))).toEqual(['7']);
  });

  test.each([
    [
      'an ESM package with import alone',
      { type: 'module', exports: { '.': { import: './main.js' } } },
      'export default ',
    ],
    ['an ESM package with a string', { type: 'module', exports: './main.js' }, 'export default '],
    ['nested conditions', { type: 'module', exports: { node: { import: './main.js' } } }, 'export default '],
    ['a CommonJS package', { main: './main.js' }, 'module.exports = '],
    ['a CommonJS package with createPlugin', { main: './main.js' }, 'exports.createPlugin = '],
  ])('loads %s', async (_, manifest, prefix) => {
    await put('node_modules/@acme/plugin/package.json', { name: '@acme/plugin', version: '1.0.0', ...manifest });
    await put('node_modules/@acme/plugin/main.js', `${prefix}${FACTORY};`);
    expect(await load('@acme/plugin')).toEqual(['7']);
  });

  test('loads a subpath that only import sees', async () => {
    await put('node_modules/acme/package.json', { type: 'module', exports: { './ephyra': { import: './e.js' } } });
    await put('node_modules/acme/e.js', `export default ${FACTORY};`);
    expect(await load('acme/ephyra')).toEqual(['7']);
  });

  test('says what there is when nothing of that name is found', async () => {
    const error = await load('hadop').catch((e: unknown) => e);
    expect(error).toBeInstanceOf(PluginLoadError);
    expect((error as Error).message).toContain('"hadop" was not found. Built in are hadoop, exec, none');
    expect((error as Error).message).toContain(folder);
    await expect(load('./nowhere.mjs')).rejects.toThrow(/"\.\/nowhere\.mjs" was not found/);
    await expect(load('toString')).rejects.toThrow(PluginLoadError);
  });

  test('names what is missing', async () => {
    await put('none.mjs', 'export const other = 1;');
    await put('broken.mjs', 'import "./not-there.mjs";');
    await put('half.mjs', 'export default () => ({ name: "", removeNode() {}, verifyNode: 1, close: 2 });');
    await put('nothing.mjs', 'export default () => null;');
    await expect(load('./none.mjs')).rejects.toThrow(/exports other, but no factory/);
    await expect(load('./broken.mjs')).rejects.toThrow(/could not be loaded: .*not-there/s);
    await expect(load('./nothing.mjs')).rejects.toThrow(/returned null, not an object/);
    const half = await load('./half.mjs').catch((e: Error) => e.message);
    for (const part of ['name: a string', 'addNode()', 'verifyNode()', 'verifyApplication()', 'close: is not']) {
      expect(half).toContain(part);
    }
    expect(half).not.toContain('removeNode()');
  });

  test('lets an error about options pass as it is', async () => {
    await expect(loadPlugin('none', setup({ speed: 1 }), folder)).rejects.toThrow(/options\.speed: unknown key/);
  });
});

describe('the plugin none', () => {
  test('has nothing to take out and nothing to be ill', async () => {
    const plugin = await loadPlugin('none', setup({}), folder);
    await plugin.removeNode(node('worker-1'), context());
    await plugin.addNode(node('worker-1'), context());
    expect(await plugin.verifyNode(node('worker-1'), context())).toEqual({
      health: 'healthy',
      membership: 'out',
      reasons: [],
    });
    expect(await plugin.verifyApplication(context())).toEqual({ health: 'healthy', reasons: [], unavailable: [] });
  });
});
