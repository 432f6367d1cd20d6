import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** Who may import whom: the first folder that fits a file says to which folders its imports may lead. */
const ARROWS: readonly {
  readonly from: string;
  readonly to: readonly string[];
  readonly packages: readonly RegExp[];
}[] = [
  // Decisions only: no I/O, no clock, no randomness.
  { from: 'machines/', to: ['machines/'], packages: [/^xstate$/] },
  {
    from: 'plugins/',
    to: ['plugins/', 'machines/domain.ts', 'machines/errors.ts', 'machines/plugin.ts'],
    packages: [/^node:/, /^axios$/, /^zod$/, /^fastest-levenshtein$/],
  },
  { from: 'src/openstack/', to: ['src/openstack/', 'machines/', 'src/config/secrets.ts'], packages: [/./] },
  { from: 'src/config/', to: ['src/config/', 'machines/', 'plugins/'], packages: [/./] },
  { from: 'src/store/', to: ['src/store/', 'machines/', 'src/deployments/types.ts'], packages: [/./] },
  { from: 'src/actors/', to: ['src/actors/', 'src/openstack/', 'src/config/', 'machines/'], packages: [] },
  {
    from: 'src/deployments/',
    to: ['src/deployments/', 'src/actors/', 'src/openstack/', 'src/store/', 'src/config/', 'machines/'],
    packages: [/^node:crypto$/, /^xstate$/],
  },
  // Faces know the door and nothing behind it, and not each other.
  { from: 'src/slack/', to: ['src/slack/', 'src/deployments/types.ts', 'machines/'], packages: [/./] },
  {
    from: 'src/observability/',
    to: ['src/observability/', 'src/deployments/types.ts', 'machines/'],
    packages: [/./],
  },
  // The emulators share no code with the clients that talk to them.
  { from: 'src/sandbox/', to: ['src/sandbox/'], packages: [/./] },
  { from: 'src/wiring.ts', to: ['src/', 'machines/', 'plugins/registry.ts'], packages: [/./] },
  { from: 'src/main.ts', to: ['src/'], packages: [/./] },
];

const files = ['machines', 'plugins', 'src'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((name) => name.endsWith('.ts')),
);

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/^(?:import|export)\b[^;'"]*?from\s+['"]([^'"]+)['"]/gm)].map((match) => match[1] ?? '');
}

describe('the arrows of the house', () => {
  it('has an entry for every file', () => {
    expect(files.length).toBeGreaterThan(50);
    expect(files.filter((file) => !ARROWS.some(({ from }) => file.startsWith(from)))).toEqual([]);
  });

  it.each(ARROWS)('lets $from import only what lies further in', ({ from, to, packages }) => {
    const wrong = files
      .filter((file) => file.startsWith(from))
      .flatMap((file) =>
        importsOf(file)
          .filter((name) => {
            if (!name.startsWith('.')) return !packages.some((pattern) => pattern.test(name));
            const target = relative(root, resolve(root, dirname(file), name));
            return !to.some((allowed) => target.startsWith(allowed));
          })
          .map((name) => `${file} imports ${name}`),
      );
    expect(wrong).toEqual([]);
  });

  it('keeps clocks and chance out of the machines', () => {
    const wrong = files
      .filter((file) => file.startsWith('machines/'))
      .filter((file) => /Date\.now|Math\.random|setTimeout|new Date\(/.test(readFileSync(join(root, file), 'utf8')));
    expect(wrong).toEqual([]);
  });
});
