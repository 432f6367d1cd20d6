import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const DEMO = fileURLToPath(new URL('../../dist/src/sandbox/demo.js', import.meta.url));

test.each([
  [['--scenario', 'nonsense'], 'There is no scenario "nonsense". There are: node-fails'],
  [['--scenari'], "Unknown option '--scenari'. What there is: npm run demo -- --help"],
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
