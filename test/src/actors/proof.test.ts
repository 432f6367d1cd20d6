import { describe, expect, it } from 'vitest';
import type { Failure } from '../../../machines/errors.ts';
import type { ActionDeps, Doing } from '../../../src/actors/actions/deps.ts';
import { confirm } from '../../../src/actors/actions/marker.ts';
import { proveGone, proveRunning } from '../../../src/actors/proof.ts';
import { classify, OpenStackError } from '../../../src/openstack/errors.ts';
import { toNodeFacts } from '../../../src/openstack/ironic/facts.ts';
import type { NodeSummary } from '../../../src/openstack/ironic/schema.ts';
import { BACK, MARK, UUID } from '../../machines/observations.ts';
import { SUMMARY } from './support.ts';

const NO_PATCH = "Couldn't apply patch '{'op': 'replace'}'. Reason: member 'ephyra' not found in {}";

const refusal = (status: number, message: string) =>
  new OpenStackError({
    controlPlane: 'cp1',
    service: 'ironic',
    method: 'PATCH',
    url: `http://ironic.cp1.test/v1/nodes/${UUID}`,
    expected: [200],
    status,
    message,
    ...classify('ironic', status, message),
  });

/** What an Ironic answers to a read and to the write, and what was sent and told. */
function ironicThat(read: unknown, write: unknown) {
  const told: string[] = [];
  const ironic = {
    getNode: async () => read,
    patchNode: async () => {
      told.push('patch');
      if (write instanceof Error) throw write;
      return write;
    },
  };
  const deps = { controlPlanes: new Map(['cp1', 'cp2'].map((at) => [at, { ironic }])), clock: { now: () => 5 } };
  const doing = {
    action: { name: 'confirm', at: 'cp1', evidence: [] },
    move: BACK,
    tookAway: false,
    due: () => true,
    shows: (as: string, at = 'cp1') => {
      told.push(`${as} ${at}`);
      return () => undefined;
    },
    foundGone: (asked: number) => void told.push(`gone ${asked}`),
  };
  return { told, doing: doing as unknown as Doing, deps: deps as unknown as ActionDeps };
}

describe('whether a node bears our mark, asked by a write', () => {
  const asked = async (write: unknown) => {
    const { told, doing, deps } = ironicThat(null, write);
    return { answer: await confirm(doing, deps), told };
  };

  it('is told by the answer, by the refusal of the patch, or by there being no such node', async () => {
    const marked = await asked({ ...SUMMARY, extra: { ephyra: MARK } });
    expect(marked.answer).toMatchObject({ uuid: UUID, marker: { deployment: MARK.deployment } });
    expect(await asked(refusal(400, NO_PATCH))).toEqual({ answer: undefined, told: ['patch', 'unmarked cp1'] });
    expect((await asked(refusal(404, 'Node could not be found.'))).answer).toBeNull();
  });

  it('is not told while the node is locked or about to change', async () => {
    for (const message of [
      `Node ${UUID} is locked by host conductor-1, please retry after the current operation is completed.`,
      `Node ${UUID} can not be updated while a state transition is in progress.`,
    ]) {
      expect(await asked(refusal(409, message))).toEqual({ answer: undefined, told: ['patch'] });
    }
  });

  it('is not told by any other refusal', async () => {
    for (const error of [refusal(400, 'No conductor service registered'), refusal(408, ''), refusal(503, '')]) {
      await expect(asked(error)).rejects.toBe(error);
    }
  });
});

describe('that a node is gone where it comes from', () => {
  const proven = async (read: unknown, write: unknown) => {
    const { told, doing, deps } = ironicThat(read, write);
    const outcome = await proveGone(doing, deps).then(
      () => 'gone',
      (error: Error) => error.message,
    );
    return { outcome, told };
  };
  const still = /^cp2 still has node-01/;
  const ours = { ...SUMMARY, extra: { ephyra: MARK } };

  it('is proven by 404 to the write, whatever the read has shown', async () => {
    for (const read of [null, ours]) {
      expect(await proven(read, refusal(404, 'Node could not be found.'))).toEqual({
        outcome: 'gone',
        told: ['patch', 'gone 5'],
      });
    }
  });

  it('is not when it takes the write, or refuses it for want of a mark, or is locked', async () => {
    const locked = refusal(409, `Node ${UUID} is locked by host conductor-1, please retry.`);
    for (const write of [ours, refusal(400, NO_PATCH), locked]) {
      const { outcome, told } = await proven(null, write);
      expect(outcome).toMatch(still);
      expect(told).toEqual(['patch', 'there cp2']);
    }
  });

  it('is not asked of what is shown as somebody else’s', async () => {
    const { outcome, told } = await proven({ ...SUMMARY, extra: {} }, null);
    expect(outcome).toMatch(still);
    expect(told).toEqual([]);
  });
});

describe('that a node runs with which an earlier process has begun', () => {
  const proven = async (changes: object) => {
    const marked = { ...SUMMARY, extra: { ephyra: MARK } };
    const { doing, deps } = ironicThat(null, { ...marked, ...changes });
    return proveRunning(
      { ...doing, to: { node: toNodeFacts(marked as unknown as NodeSummary), instances: [] } },
      deps,
    ).then(
      () => 'runs',
      (error: Failure) => [error.message, error.afterMs],
    );
  };

  it('is told by the answer to a write, which shows it as the list has', async () => {
    expect(await proven({})).toBe('runs');
    const others = { ephyra: { ...MARK, deployment: 'd-other' } };
    for (const changes of [
      { power_state: 'power off' },
      { provision_state: 'available' },
      { instance_uuid: null },
      { extra: others },
    ]) {
      // Its lists have caught up by then.
      expect(await proven(changes)).toEqual([
        expect.stringMatching(/^node-01 is not in cp1 as its lists showed it running/),
        60_000,
      ]);
    }
  });
});
