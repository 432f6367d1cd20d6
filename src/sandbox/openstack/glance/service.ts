import type { Context } from '../context.ts';
import { type Call, type JsonMap, reply, zuluTime } from '../http.ts';
import type { ImageRecord } from '../records.ts';
import type { Answer } from '../router.ts';
import type { Reply } from '../types.ts';

const VERSIONS = [
  '2.15',
  '2.13',
  '2.12',
  '2.11',
  '2.10',
  '2.9',
  '2.8',
  '2.7',
  '2.6',
  '2.5',
  '2.4',
  '2.3',
  '2.2',
  '2.1',
  '2.0',
];
const REFUSED =
  'This server could not verify that you are authorized to access the document you requested. Either you supplied the wrong credentials (e.g., bad password), or your browser does not understand how to supply the credentials required.';

/** Glance, read only: images. */
export function serveGlance(call: Call, context: Context): Answer {
  const [first, second, id] = call.segments;
  if (first === undefined || first === 'versions') return reply(first === undefined ? 300 : 200, versions(context));
  if (context.identity.accept(call.headers['x-auth-token'], 'glance') === null) {
    return failure(call, 401, 'Unauthorized', REFUSED, {
      'Www-Authenticate': `Keystone uri="${context.settings.endpoints.keystone}/v3"`,
    });
  }
  if (first === 'v2' && second === 'images' && call.method === 'GET') {
    if (id === undefined) return list(call, context);
    const image = context.world.catalogue.images.get(id);
    return image === undefined
      ? failure(call, 404, 'Not Found', `No image found with ID ${id}`)
      : reply(200, view(image, context));
  }
  return failure(call, 404, 'Not Found', 'The resource could not be found.');
}

/** JSON for who accepts JSON alone, else a page of HTML. */
function failure(
  call: Call,
  status: number,
  title: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): Reply {
  if (call.headers['accept'] === 'application/json') {
    return reply(status, { message: `${message}<br /><br />\n\n\n`, code: `${status} ${title}`, title }, headers);
  }
  const page = `<html>\n <head>\n  <title>${status} ${title}</title>\n </head>\n <body>\n  <h1>${status} ${title}</h1>\n  ${message}<br /><br />\n\n\n\n </body>\n</html>`;
  return reply(status, page, { ...headers, 'Content-Type': 'text/html; charset=UTF-8' });
}

function versions(context: Context) {
  const links = [{ rel: 'self', href: `${context.settings.endpoints.glance}/v2/` }];
  return {
    versions: VERSIONS.map((version, at) => ({ id: `v${version}`, status: at === 0 ? 'CURRENT' : 'SUPPORTED', links })),
  };
}

function view(image: ImageRecord, context: Context): JsonMap {
  const owner = [...context.identity.projects.values()].find(({ name }) => name !== 'service')?.id ?? '';
  const created = zuluTime(image.createdAt);
  return {
    name: image.name,
    disk_format: 'raw',
    container_format: 'bare',
    visibility: 'public',
    size: 1_048_576,
    virtual_size: 1_048_576,
    status: 'active',
    checksum: 'b6d81b360a5672d80c27430f39153e2c',
    protected: false,
    min_ram: 0,
    min_disk: 0,
    owner,
    os_hidden: false,
    os_hash_algo: 'sha512',
    os_hash_value:
      'd6292685b380e338e025b3415a90fe8f9d39a46e7bdba8cb78c50a338cefca741f69e4e46411c32de1afdedfb268e579a51f81ff85e56f55b0ee7c33fe8c25c9',
    id: image.id,
    created_at: created,
    updated_at: created,
    tags: [],
    self: `/v2/images/${image.id}`,
    file: `/v2/images/${image.id}/file`,
    schema: '/v2/schemas/image',
    stores: 'fs',
  };
}

const PAGING = new Set(['limit', 'marker', 'sort', 'sort_key', 'sort_dir', 'member_status', 'visibility']);

function list(call: Call, context: Context): Reply {
  const { query } = call;
  const limitText = query.get('limit');
  if (limitText !== null && !/^\d+$/.test(limitText))
    return failure(call, 400, 'Bad Request', 'limit param must be positive');
  // Filters that Glance does not know are properties that no image has.
  const filters = [...query].filter(([key]) => !PAGING.has(key));
  const images = [...context.world.catalogue.images.values()]
    .map((image) => view(image, context))
    .filter((image) =>
      filters.every(([key, value]) =>
        (value.startsWith('in:') ? value.slice(3).split(',') : [value]).includes(String(image[key])),
      ),
    );
  const marker = query.get('marker');
  const start = marker === null ? 0 : images.findIndex((image) => image['id'] === marker) + 1;
  if (marker !== null && start === 0) return failure(call, 400, 'Bad Request', `No image found with ID ${marker}`);
  const limit = Math.min(limitText === null ? 25 : Number(limitText), 1000);
  const page = images.slice(start, start + limit);
  const asked = new URLSearchParams([...query].filter(([key]) => key !== 'marker'));
  const first = `/v2/images${asked.size > 0 ? `?${asked}` : ''}`;
  const last = page.length === limit ? page.at(-1) : undefined;
  const next =
    last === undefined ? {} : { next: `/v2/images?${new URLSearchParams([...asked, ['marker', String(last['id'])]])}` };
  return reply(200, { images: page, first, schema: '/v2/schemas/images', ...next });
}
