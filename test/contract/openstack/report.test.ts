import { expect, test } from 'vitest';
import { contractTable } from '../../openstack/report.ts';

const POST = { id: 'ironic.create', call: 'ironic POST /v1/nodes -> 201' };
const GET = { id: 'nova.server', call: 'nova GET /v2.1/servers/{server} -> 200' };

test('joins the outcomes of both backends in one line per case, in the order of the first', () => {
  const lines = contractTable([
    { backend: 'emulator', ...POST, ok: true },
    { backend: 'emulator', ...GET, ok: false },
    { backend: 'real', ...GET, ok: true },
    { backend: 'real', ...POST, ok: true },
  ]);
  expect(lines).toEqual([
    'ironic POST /v1/nodes -> 201            ironic.create  emulator ok, real ok',
    'nova GET /v2.1/servers/{server} -> 200  nova.server    emulator FAILED, real ok',
  ]);
});

test('says of a backend that never came to a case that it was not run', () => {
  expect(contractTable([{ backend: 'real', ...POST, ok: true }])).toEqual([
    'ironic POST /v1/nodes -> 201  ironic.create  emulator not run, real ok',
  ]);
});
