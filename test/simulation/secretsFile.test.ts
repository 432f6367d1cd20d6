import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { begin, hasEnded, insist, play } from '../support/world/people.ts';
import { ALICE, World } from '../support/world/world.ts';

const folder = mkdtempSync(join(tmpdir(), 'ephyra-secrets-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const RIGHT = 'node-01: { ipmi_password: "bmc-secret-01" }\n';
const STALE = 'node-01: { ipmi_password: "the-one-before" }\n';

/** One node in a control plane that masks its secrets, which a file tells. */
async function masking(text: string): Promise<{ world: World; write: (text: string) => void; file: string }> {
  const world = new World({ nodes: 1, masters: 0, deployment: { canary: 0, nodeAttempts: 1 } });
  const file = join(mkdtempSync(join(folder, 'one-')), 'bmc.yml');
  const write = (now: string) => writeFileSync(file, now, { mode: 0o600 });
  write(text);
  world.plane('cp1').setShowPassword(false);
  Object.assign(world.config.controlPlanes[0] ?? {}, { bmcSecrets: 'file', secretsFile: file });
  await world.start();
  return { world, write, file };
}

const deleted = (world: World) => world.writes.filter(({ write, at }) => write === 'delete node' && at === 'cp1');
const failureOf = (world: World) => world.record?.results[0]?.failure;
const asked = (world: World) => world.reads.filter(({ path }) => path.endsWith('/management/boot_device'));

describe('BMC secrets from a file', () => {
  it('that are right move with the node, at the cost of one question to the BMC', async () => {
    const { world } = await masking(RIGHT);
    expect(await play(world)).toBe('completed');
    expect(asked(world).map(({ at }) => at)).toEqual(['cp2']);
    await insist(world, (ephyra) => ephyra.abort({ by: ALICE }));
    await world.until(() => hasEnded(world), undefined, 'the end');
    expect(world.record?.state).toBe('rolled_back');
    // cp2 shows its own: they are compared.
    expect(asked(world).length).toBe(1);
  });

  it('that are not those of the BMC do not end the only ones that are: the node goes back', async () => {
    const { world } = await masking(STALE);
    expect(await play(world)).toBe('stopped');
    expect(deleted(world)).toEqual([]);
    expect(failureOf(world)).toMatchObject({
      reason: 'verify_failed_bmc',
      message: expect.stringContaining(
        'does not reach the BMC of node-01 with the secrets that the secretsFile of cp1',
      ),
      remedy: expect.stringContaining('Nothing was deleted in cp1. Correct node-01 in the secretsFile of cp1'),
    });
    expect(JSON.stringify(failureOf(world))).not.toContain('the-one-before');
  });

  it('that are corrected while the application drains are those that are copied', async () => {
    const { world, write } = await masking(STALE);
    await begin(world);
    await world.until(() => world.writes.some(({ write: what }) => what === 'mark'));
    write(RIGHT);
    await world.until(() => hasEnded(world), undefined, 'the end');
    expect(world.record?.state).toBe('completed');
  });

  it('that cannot be read any more touch nothing, and it is told which file, which field and what to do', async () => {
    const { world, write, file } = await masking(RIGHT);
    await begin(world);
    await world.until(() => world.writes.some(({ write: what }) => what === 'mark'));
    write('node-01: { ipmi_password: 1234 }\n');
    await world.until(() => hasEnded(world), undefined, 'the end');
    expect(world.record?.state).toBe('stopped');
    expect(world.writes.filter(({ at, write: what }) => at === 'cp2' && what === 'create node')).toEqual([]);
    expect(deleted(world)).toEqual([]);
    expect(failureOf(world)).toMatchObject({
      reason: 'secret_masked',
      message: expect.stringMatching(`of cp1 are not known, ${file}, line 1, node-01.ipmi_password: is not a text`),
      remedy: 'Put it in quotes.',
    });
    // A plan says so, too.
    const answer = await world.ask((ephyra) => ephyra.plan({ source: 'cp1', target: 'cp2', by: ALICE }));
    expect(answer).toMatchObject({
      ok: false,
      refusal: {
        problems: [{ field: 'cp1.secrets', message: expect.stringContaining(file), remedy: 'Put it in quotes.' }],
      },
    });
  });
});
