import { describe, expect, it } from 'vitest';
import { errorOf, type FakeCloud, type Reply, type Seen, sample, startCloud } from './support.ts';

const NODES = 'GET /baremetal/v1/nodes';
const SERVERS = 'GET /compute/v2.1/servers/detail';

const node = (uuid: string) => ({ ...sample('ironic-node-active').response.body, uuid });
const server = (id: string) => ({ ...sample('nova-server-active').response.body.server, id });

/** Pages like Ironic's: `next` whenever the page is full, and 404 for a marker that is gone. */
function ironicPages(cloud: FakeCloud, uuids: () => string[], host = cloud.origin): (seen: Seen) => Reply {
  return ({ query }) => {
    const all = uuids();
    const marker = query.get('marker');
    if (marker !== null && !all.includes(marker)) return sample('ironic-nodes-404-marker').response;
    const from = marker === null ? 0 : all.indexOf(marker) + 1;
    const limit = Number(query.get('limit'));
    const page = all.slice(from, from + limit);
    const last = page.at(-1);
    const next = page.length === limit ? `${host}/v1/nodes?fields=uuid&limit=${limit}&marker=${last}` : undefined;
    return { status: 200, body: { nodes: page.map(node), ...(next === undefined ? {} : { next }) } };
  };
}

describe('a list', () => {
  it('is whole over several pages', async () => {
    const cloud = await startCloud();
    cloud.on(
      NODES,
      ironicPages(cloud, () => ['a', 'b', 'c']),
    );
    const nodes = await cloud.controlPlane({ pageSize: 2 }).ironic.listNodes();
    expect(nodes.map((it) => it.uuid)).toEqual(['a', 'b', 'c']);
    expect(cloud.seen(NODES)).toHaveLength(2);
  });

  it('survives a last page that is exactly full and points to an empty one', async () => {
    const cloud = await startCloud();
    cloud.on(
      NODES,
      ironicPages(cloud, () => ['a', 'b', 'c', 'd']),
    );
    const nodes = await cloud.controlPlane({ pageSize: 2 }).ironic.listNodes();
    expect(nodes).toHaveLength(4);
    expect(cloud.seen(NODES)).toHaveLength(3);
  });

  it('goes on at our own endpoint when the link names another host', async () => {
    const cloud = await startCloud();
    cloud.on(
      NODES,
      ironicPages(cloud, () => ['a', 'b', 'c'], 'http://internal-ironic:6385'),
    );
    const nodes = await cloud.controlPlane({ pageSize: 2 }).ironic.listNodes();
    expect(nodes).toHaveLength(3);
    expect(cloud.seen(NODES)[1]?.query.get('marker')).toBe('b');
  });

  it('asks every page for what the first was asked for, though the link does not say it', async () => {
    const cloud = await startCloud();
    cloud.on('GET /baremetal/v1/ports/detail', ({ query }) => {
      const next = `${cloud.origin}/v1/ports/detail?sort_key=id&limit=1&marker=m`;
      return { status: 200, body: { ports: [], ...(query.has('marker') ? {} : { next }) } };
    });
    await cloud.controlPlane({ pageSize: 1 }).ironic.listPorts({ node: 'n-1' });
    const asked = cloud.seen('GET /baremetal/v1/ports/detail').map(({ query }) => query.toString());
    expect(asked).toEqual(['limit=1&node=n-1', 'sort_key=id&limit=1&marker=m&node=n-1']);
  });

  it('begins again when the entry that its marker names is deleted meanwhile', async () => {
    const cloud = await startCloud();
    let uuids = ['a', 'b', 'c'];
    const pages = ironicPages(cloud, () => uuids);
    cloud.on(NODES, (seen) => {
      if (seen.query.get('marker') === 'b') uuids = ['a', 'c'];
      return pages(seen);
    });
    const nodes = await cloud.controlPlane({ pageSize: 2 }).ironic.listNodes();
    expect(nodes.map((it) => it.uuid)).toEqual(['a', 'c']);
  });

  it('whose markers go on vanishing is an error, never a part', async () => {
    const cloud = await startCloud();
    const pages = ironicPages(cloud, () => ['a', 'b', 'c']);
    cloud.on(NODES, (seen) => (seen.query.has('marker') ? sample('ironic-nodes-404-marker').response : pages(seen)));
    expect(await errorOf(cloud.controlPlane({ pageSize: 2 }).ironic.listNodes())).toMatchObject({ kind: 'not_found' });
    expect(cloud.seen(NODES)).toHaveLength(4);
  });

  it('that breaks off in the middle is an error, never a part', async () => {
    const cloud = await startCloud();
    const pages = ironicPages(cloud, () => ['a', 'b', 'c']);
    cloud.on(NODES, (seen) => (seen.query.has('marker') ? { status: 500 } : pages(seen)));
    expect((await errorOf(cloud.controlPlane({ pageSize: 2 }).ironic.listNodes())).kind).toBe('server_error');
  });

  it('that goes in a circle is an error', async () => {
    const cloud = await startCloud();
    cloud.on(NODES, { status: 200, body: { nodes: [node('a')], next: 'http://x/v1/nodes?marker=a' } });
    const error = await errorOf(cloud.controlPlane().ironic.listNodes());
    expect(error).toMatchObject({ kind: 'malformed' });
    expect(error.message).toContain('circle');
  });

  it('counts an entry that is seen on two pages once', async () => {
    const cloud = await startCloud();
    cloud.on(
      NODES,
      { status: 200, body: { nodes: [node('a'), node('b')], next: 'http://x/v1/nodes?marker=b' } },
      { status: 200, body: { nodes: [node('b'), node('c')] } },
    );
    expect(await cloud.controlPlane().ironic.listNodes()).toHaveLength(3);
  });

  it('of Nova follows servers_links and begins again on its 400', async () => {
    const cloud = await startCloud();
    let gone = false;
    cloud.on(SERVERS, ({ query }): Reply => {
      const link = { rel: 'next', href: `${cloud.origin}/compute/v2.1/servers/detail?limit=1&marker=s1` };
      if (!query.has('marker')) return { status: 200, body: { servers: [server('s1')], servers_links: [link] } };
      if (gone) return { status: 200, body: { servers: [server('s2')] } };
      gone = true;
      return sample('nova-servers-400-marker').response;
    });
    const servers = await cloud.controlPlane().nova.listServers();
    expect(servers.map((it) => it.id)).toEqual(['s1', 's2']);
    expect(cloud.seen(SERVERS)).toHaveLength(4);
    expect(cloud.seen(SERVERS)[0]?.query.get('all_tenants')).toBe('1');
  });

  it('of Nova is no answer while Nova cannot reach a cell, not a list without the servers there', async () => {
    const cloud = await startCloud();
    // As Nova does it: whoever asks for pages gets the rest of the servers and no word about the missing ones.
    cloud.on(SERVERS, ({ query }): Reply => {
      const unreachable = { id: 's2', status: 'UNKNOWN', tenant_id: 't', created: '2026-11-22T12:00:00Z', links: [] };
      const asked = ['limit', 'marker', 'sort_key', 'sort_dir'].some((name) => query.has(name));
      return { status: 200, body: { servers: asked ? [server('s1')] : [unreachable, server('s1')] } };
    });
    expect(await errorOf(cloud.controlPlane().nova.listServers())).toMatchObject({ kind: 'malformed' });
  });

  it.each([
    ['metadata', { role: 7 }, 'an object of strings'],
    ['metadata', [], 'an object of strings'],
    ['addresses', { net: 'none' }, 'lists of addresses'],
    ['addresses', { net: [{ version: 4 }] }, 'lists of addresses'],
    ['addresses', { net: [{ addr: '10.0.0.1', 'OS-EXT-IPS:type': 4 }] }, 'lists of addresses'],
  ])('of Nova is no answer with %s %j', async (field, value, expected) => {
    const cloud = await startCloud();
    cloud.on(SERVERS, { status: 200, body: { servers: [server('s1'), { ...server('s2'), [field]: value }] } });
    const error = await errorOf(cloud.controlPlane().nova.listServers());
    expect(error).toMatchObject({ kind: 'malformed' });
    expect(error.message).toContain(`servers.1.${field}: Invalid input: expected ${expected}`);
  });

  it('of Glance follows a path without a host', async () => {
    const cloud = await startCloud();
    const image = (id: string) => ({ id, name: id, status: 'active' });
    cloud.on(
      'GET /image/v2/images',
      { status: 200, body: { images: [image('i1')], next: '/v2/images?limit=1&marker=i1' } },
      { status: 200, body: { images: [image('i2')] } },
    );
    expect(await cloud.controlPlane().glance.listImages({ name: 'x' })).toHaveLength(2);
    expect(cloud.seen('GET /image/v2/images')[0]?.query.get('name')).toBe('x');
  });

  it('that is not what the API promises is malformed, and tells where without telling what', async () => {
    const cloud = await startCloud();
    cloud.on(NODES, { status: 200, body: { nodes: [{ ...node('a'), maintenance: 'secret-ish' }] } });
    const error = await errorOf(cloud.controlPlane().ironic.listNodes());
    expect(error).toMatchObject({ kind: 'malformed', status: 200 });
    expect(error.message).toContain('nodes.0.maintenance');
    expect(error.message).not.toContain('secret-ish');
    cloud.on(NODES, { status: 200, body: '<html>hello</html>', headers: { 'content-type': 'text/html' } });
    expect((await errorOf(cloud.controlPlane().ironic.listNodes())).message).toContain('not JSON (text/html)');
  });
});
