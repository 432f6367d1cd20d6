import { describe, expect, it } from 'vitest';
import { Failure } from '../../../machines/errors.ts';
import {
  AbortError,
  classify,
  OpenStackError,
  type OpenStackErrorKind,
  type ServiceName,
  toFailure,
} from '../../../src/openstack/errors.ts';
import { secretsIn, unwrapMessage } from '../../../src/openstack/messages.ts';
import { sample, wire } from './support.ts';

/** Recorded answer, kind, detail, and a part of what a person is told. */
const REFUSALS: [string, ServiceName, OpenStackErrorKind, string | null, string][] = [
  [
    'ironic-400-wrong-state',
    'ironic',
    'bad_request',
    'wrong_state',
    'The requested action "provide" can not be performed',
  ],
  [
    'ironic-400-patch-remove-missing',
    'ironic',
    'bad_request',
    'patch_refused',
    "can't remove a non-existent object 'nope'",
  ],
  ['ironic-401-expired', 'ironic', 'auth', null, 'The request you have made requires authentication.'],
  ['ironic-404-node', 'ironic', 'not_found', null, 'Node nope could not be found.'],
  ['ironic-406-version', 'ironic', 'too_old', null, 'The supported version range is: [1.1, 1.82].'],
  ['ironic-409-delete-active', 'ironic', 'conflict', 'has_instance', 'is associated with instance'],
  [
    'ironic-409-delete-clean-failed',
    'ironic',
    'conflict',
    'wrong_state',
    'while it is in provision state "clean failed"',
  ],
  [
    'ironic-409-duplicate-mac',
    'ironic',
    'conflict',
    'duplicate',
    'A port with MAC address 52:54:00:99:00:01 already exists.',
  ],
  ['ironic-409-duplicate-uuid', 'ironic', 'conflict', 'duplicate', 'already exists'],
  ['ironic-409-node-locked', 'ironic', 'locked', null, 'is locked by host cp2-conductor'],
  ['ironic-nodes-404-marker', 'ironic', 'not_found', null, 'could not be found'],
  ['nova-400-bad-image', 'nova', 'bad_request', null, 'Can not find requested image'],
  ['nova-400-unknown-hypervisor', 'nova', 'bad_request', 'host_unknown', 'Compute host'],
  ['nova-servers-400-marker', 'nova', 'bad_request', 'marker_unknown', 'marker [00000000'],
  ['nova-403-quota', 'nova', 'quota', null, 'Quota exceeded for instances'],
  ['nova-404-server', 'nova', 'not_found', null, 'could not be found.'],
  ['nova-406-version', 'nova', 'too_old', null, 'Version 2.999 is not supported by the API.'],
  ['nova-409-stop-stopped', 'nova', 'conflict', 'wrong_state', 'in vm_state stopped'],
  ['placement-404', 'placement', 'not_found', null, 'No resource provider with uuid'],
  ['placement-406-version', 'placement', 'too_old', null, 'Unacceptable version header: 1.999'],
  ['glance-401-no-token', 'glance', 'auth', null, 'This server could not verify that you are authorized'],
  ['keystone-token-401-bad-password', 'keystone', 'auth', null, 'requires authentication'],
  ['keystone-token-400', 'keystone', 'bad_request', null, "'identity' is a required property"],
];

describe('what a service says', () => {
  it.each(REFUSALS)('%s is unwrapped and classified', (name, service, kind, detail, part) => {
    const { response } = sample(name);
    const said = unwrapMessage(wire(response.body), []);
    expect(said).toContain(part);
    expect(said).not.toMatch(/<|faultstring|\\"/);
    expect(classify(service, response.status, said)).toEqual({ kind, detail });
  });

  it('of a verb that a retired node is not fit for is told from a request that is wrong', () => {
    const said = "The providing operation can't be performed on node b0 because it is retired.";
    expect(classify('ironic', 400, said)).toEqual({ kind: 'bad_request', detail: 'wrong_state' });
  });

  it('of Neutron is found in its own wrapping', () => {
    const body =
      '{"NeutronError": {"type": "OverQuota", "message": "Quota exceeded for resources: [\'port\'].", "detail": ""}}';
    expect(unwrapMessage(body, [])).toBe("Quota exceeded for resources: ['port'].");
    expect(classify('neutron', 409, unwrapMessage(body, [])).kind).toBe('quota');
  });

  it('may be nothing, plain text, or an endless page of a proxy', () => {
    expect(unwrapMessage('', [])).toBe('');
    expect(unwrapMessage('upstream connect error', [])).toBe('upstream connect error');
    expect(
      unwrapMessage(`<html><head><title>502</title></head><body>${'bad '.repeat(500)}</body></html>`, []).length,
    ).toBe(600);
  });
});

describe('secrets in what we sent', () => {
  it('are found under driver_info, under telling names and in patches of them, and struck from answers', () => {
    const body = {
      driver_info: { ipmi_password: 'bmc-secret', nested: { deploy_token: 'tok-1234' } },
      server: { user_data: 'dXNlcg==', name: 'worker-1' },
    };
    expect(secretsIn(body)).toEqual(['bmc-secret', 'tok-1234', 'dXNlcg==']);
    expect(secretsIn([{ op: 'replace', path: '/driver_info/ipmi_username', value: 'root-user' }])).toEqual([
      'root-user',
    ]);
    expect(unwrapMessage('cannot apply bmc-secret', ['bmc-secret'])).toBe('cannot apply [secret]');
  });

  it('are struck whole, whatever is cut, joined or stripped afterwards', () => {
    expect(unwrapMessage(`${'x'.repeat(590)} long-bmc-secret`, ['long-bmc-secret'])).not.toContain('long');
    expect(unwrapMessage('"bad: two\\nlines"', ['two\nlines'])).toBe('bad: [secret]');
    expect(unwrapMessage('<p>bad: a<b>c &lt;d&gt;</p>', ['a<b>c', '<d>'])).toBe('bad: [secret] [secret]');
    expect(unwrapMessage('bad: bmc-secret', ['bmc', 'bmc-secret'])).toBe('bad: [secret]');
  });

  it('are looked for in no endless answer, of which nothing is shown then', () => {
    expect(unwrapMessage(`bmc-secret ${'x'.repeat(500_000)}`, ['bmc-secret'])).toBe('an answer of 500011 characters');
  });
});

describe('toFailure', () => {
  const error = (kind: OpenStackErrorKind, more: object = {}) =>
    new OpenStackError({
      controlPlane: 'cp2',
      service: 'ironic',
      method: 'PUT',
      url: 'http://ironic/v1/nodes/u1/states/provision',
      expected: [202],
      status: 500,
      kind,
      message: 'said',
      ...more,
    });

  it('asks a person about credentials that Keystone refuses, not about a service that lags behind Keystone', () => {
    expect(toFailure(error('auth', { service: 'keystone' }))).toMatchObject({ reason: 'cloud_auth', next: 'ask' });
    expect(toFailure(error('auth'))).toMatchObject({ reason: 'cloud_auth', next: 'retry' });
  });

  it.each<[OpenStackErrorKind, string, string]>([
    ['unreachable', 'cloud_unreachable', 'retry'],
    ['timeout', 'cloud_unreachable', 'retry'],
    ['server_error', 'cloud_unreachable', 'retry'],
    ['busy', 'cloud_unreachable', 'retry'],
    ['malformed', 'cloud_unreachable', 'retry'],
    ['locked', 'node_locked', 'retry'],
    ['conflict', 'cloud_refused', 'retry'],
    ['not_found', 'node_missing', 'retry'],
    ['forbidden', 'cloud_refused', 'stop'],
    ['quota', 'cloud_refused', 'stop'],
    ['bad_request', 'cloud_refused', 'stop'],
    ['auth', 'cloud_auth', 'retry'],
    ['no_endpoint', 'cloud_refused', 'ask'],
    ['too_old', 'cloud_too_old', 'ask'],
  ])('%s becomes %s, %s', (kind, reason, next) => {
    const failure = toFailure(error(kind));
    expect(failure).toMatchObject({ reason, next });
    expect(failure.message).toContain('ironic of cp2: PUT http://ironic/v1/nodes/u1/states/provision');
    expect(failure.cause).toBeInstanceOf(OpenStackError);
  });

  it('waits for Nova to notice a node instead of giving the direction up', () => {
    expect(toFailure(error('bad_request', { detail: 'host_unknown' }))).toMatchObject({
      reason: 'not_schedulable',
      next: 'retry',
    });
  });

  it('looks again when a verb does not fit the state', () => {
    expect(toFailure(error('bad_request', { detail: 'wrong_state' })).next).toBe('retry');
  });

  it('keeps the pause that the service asked for', () => {
    expect(toFailure(error('busy', { retryAfterMs: 7000 })).afterMs).toBe(7000);
  });

  it('leaves failures alone, knows cancellation, and takes the rest for bugs', () => {
    const failure = new Failure({ reason: 'deadline', next: 'ask', message: 'late' });
    expect(toFailure(failure)).toBe(failure);
    expect(toFailure(new AbortError())).toMatchObject({ reason: 'cancelled', next: 'cancelled' });
    expect(toFailure(new TypeError('x is not a function'))).toMatchObject({ reason: 'bug', next: 'retry' });
  });
});
