import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ApplicationPlugin, PluginFactory, PluginSetup } from '../machines/plugin.ts';
import { createPlugin as exec } from './exec/index.ts';
import { createPlugin as hadoop } from './hadoop/index.ts';
import { createPlugin as none } from './none/index.ts';

/** The plugins that come with Ephyra. A new one is a folder and a line here. */
export const BUILT_IN: Readonly<Record<string, PluginFactory>> = { hadoop, exec, none };

/** The plugin named in the configuration cannot be used; the message says why and what to do. */
export class PluginLoadError extends Error {
  override readonly name = 'PluginLoadError';
}

const VERBS = ['removeNode', 'addNode', 'verifyNode', 'verifyApplication'] as const;

/**
 * Loads the application plugin that `application.plugin` names: a built-in one, an npm package, or a path; packages
 * and paths are looked up from the working directory (`from`).
 *
 * Throws {@link PluginLoadError} when there is no such plugin, it has no factory, or what the factory made does not
 * keep the contract; errors that the factory throws about its options pass through.
 */
export async function loadPlugin(
  name: string,
  setup: PluginSetup,
  from: string = process.cwd(),
): Promise<ApplicationPlugin> {
  const builtIn = Object.hasOwn(BUILT_IN, name) ? BUILT_IN[name] : undefined;
  const factory = builtIn ?? (await factoryOf(name, from));
  const plugin: unknown = await factory(setup);
  assertContract(name, plugin);
  return plugin;
}

async function factoryOf(name: string, from: string): Promise<PluginFactory> {
  const file = await locate(name, from);
  let module: Record<string, unknown>;
  try {
    module = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (error) {
    throw new PluginLoadError(
      `application.plugin: "${name}" was found at ${file} but could not be loaded: ${messageOf(error)}`,
      { cause: error },
    );
  }
  const factory = pickFactory(module);
  if (!factory) {
    const exported = Object.keys(module).join(', ') || 'nothing';
    throw new PluginLoadError(
      `application.plugin: "${name}" exports ${exported}, but no factory: ` +
        'export a function as default or as createPlugin, (setup) => plugin.',
    );
  }
  return factory;
}

/** CommonJS packages arrive with their exports under `default`, perhaps twice. */
function pickFactory(module: Record<string, unknown>): PluginFactory | undefined {
  const inner = module['default'];
  const candidates = [module['createPlugin'], inner];
  if (inner !== null && typeof inner === 'object') {
    const wrapped = inner as Record<string, unknown>;
    candidates.push(wrapped['createPlugin'], wrapped['default']);
  }
  return candidates.find((candidate) => typeof candidate === 'function') as PluginFactory | undefined;
}

async function locate(name: string, from: string): Promise<string> {
  const asPath = name.startsWith('.') || isAbsolute(name);
  const require = createRequire(join(from, 'package.json'));
  try {
    return require.resolve(asPath ? resolve(from, name) : name);
  } catch (error) {
    const code = (error as { code?: string }).code;
    // require.resolve knows only the "require" condition; a package may offer "import" alone.
    if (!asPath && code === 'ERR_PACKAGE_PATH_NOT_EXPORTED') {
      const file = await locateImport(name, require);
      if (file) return file;
    }
    const known = Object.keys(BUILT_IN).join(', ');
    throw new PluginLoadError(
      `application.plugin: "${name}" was not found. Built in are ${known}; anything else must be an npm package ` +
        `installed in ${from}, or a path that starts with "./" or "/".`,
      { cause: error },
    );
  }
}

/** The file that `import name` would load, by the package's `exports` with the conditions import, node and default. */
async function locateImport(name: string, require: NodeJS.Require): Promise<string | undefined> {
  const parts = name.split('/');
  const length = name.startsWith('@') ? 2 : 1;
  const packageName = parts.slice(0, length).join('/');
  const subpath = ['.', ...parts.slice(length)].join('/');
  for (const folder of require.resolve.paths(name) ?? []) {
    const manifest = join(folder, packageName, 'package.json');
    let exported: unknown;
    try {
      exported = (JSON.parse(await readFile(manifest, 'utf8')) as { exports?: unknown }).exports;
    } catch {
      continue;
    }
    const target = importTarget(exported, subpath);
    return target === undefined ? undefined : join(dirname(manifest), target);
  }
  return undefined;
}

function importTarget(exported: unknown, subpath: string): string | undefined {
  if (typeof exported === 'string') return subpath === '.' ? exported : undefined;
  if (exported === null || typeof exported !== 'object') return undefined;
  const map = exported as Record<string, unknown>;
  const keyed = Object.keys(map).some((key) => key.startsWith('.'));
  return condition(keyed ? map[subpath] : subpath === '.' ? map : undefined);
}

function condition(target: unknown): string | undefined {
  if (typeof target === 'string') return target;
  if (target === null || typeof target !== 'object') return undefined;
  for (const [name, inner] of Object.entries(target)) {
    if (name === 'import' || name === 'node' || name === 'default') {
      const found = condition(inner);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function assertContract(name: string, plugin: unknown): asserts plugin is ApplicationPlugin {
  const broken: string[] = [];
  if (plugin === null || typeof plugin !== 'object') {
    broken.push(`the factory returned ${plugin === null ? 'null' : typeof plugin}, not an object`);
  } else {
    const made = plugin as Record<string, unknown>;
    if (typeof made['name'] !== 'string' || made['name'] === '') broken.push('name: a string is missing');
    for (const verb of VERBS) if (typeof made[verb] !== 'function') broken.push(`${verb}(): the method is missing`);
    if (made['close'] !== undefined && typeof made['close'] !== 'function') broken.push('close: is not a method');
  }
  if (broken.length > 0) {
    throw new PluginLoadError(
      `application.plugin: "${name}" does not keep the plugin contract: ${broken.join('; ')}. See docs/plugins.md.`,
    );
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
