import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const DEMO = fileURLToPath(new URL('../../dist/src/sandbox/demo.js', import.meta.url));

test.each([
  [['--scenario', 'nonsense'], 'There is no scenario "nonsense". There are: node-fails'],
  [['--nodes', '1'], '--nodes is "1"; give a whole number from 4 to 500.'],
  [['--port', 'http'], '--port is "http"; give a whole number from 0 to 65535.'],
  [['--auto', '--scenario', 'node-fails'], '--auto tells a story of its own'],
])('the demo refuses %j in one line, before it starts anything', (args, words) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [DEMO, ...args], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  expect(status).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toContain(words);
  expect(stderr.trim().split('\n')).toHaveLength(1);
});

test.each([DEMO, DEMO.replace('sandbox/demo.js', 'main.js')])(
  '%s says of a wrong option where the help is',
  (program) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, '--scenari'], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^Unknown option '--scenari'.*\nSee the options: --help\n$/);
  },
);
