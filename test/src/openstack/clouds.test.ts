import { describe, expect, it } from 'vitest';
import { type CloudsDeps, CloudsError, loadClouds, resolveCloud } from '../../../src/openstack/clouds.ts';

function deps(files: Record<string, string>, env: Record<string, string> = {}): CloudsDeps {
  return {
    env,
    cwd: '/work-dir',
    home: '/home/op',
    readFile: (path) => {
      const text = files[path];
      if (text === 'EACCES') throw Object.assign(new Error('denied'), { code: 'EACCES' });
      if (text === undefined) throw Object.assign(new Error('none'), { code: 'ENOENT' });
      return text;
    },
  };
}

const ETC = '/etc/openstack/clouds.yaml';

/** clouds.yaml with one cloud `a`, given as the lines below its name. */
function one(body: string): Record<string, string> {
  return { [ETC]: `clouds:\n  a:\n${body.replace(/^/gm, '    ')}\n` };
}

const GOOD = `
auth:
  auth_url: http://ks:5000
  username: admin
  password: s3cret-s3cret
  user_domain_name: Default
  project_name: ops
  project_domain_name: Default`;

function problemsOf(files: Record<string, string>, env?: Record<string, string>, name = 'a') {
  try {
    resolveCloud(name, deps(files, env));
  } catch (thrown) {
    if (thrown instanceof CloudsError) return { problems: thrown.problems, message: thrown.message };
    throw thrown;
  }
  throw new Error('expected problems, found none');
}

describe('where clouds.yaml is looked for', () => {
  it('prefers the file that OS_CLIENT_CONFIG_FILE names over all others', () => {
    const files = { ...one(GOOD), '/my/own.yaml': one(GOOD)[ETC]?.replace('a:', 'b:') ?? '' };
    expect(loadClouds(deps(files, { OS_CLIENT_CONFIG_FILE: '/my/own.yaml' })).names).toEqual(['b']);
  });

  it('takes the current directory, then XDG and home, then /etc', () => {
    const paths = [
      '/work-dir/clouds.yaml',
      '/xdg/openstack/clouds.yaml',
      '/home/op/.config/openstack/clouds.yml',
      '/etc/xdg/openstack/clouds.yaml',
      ETC,
    ];
    for (let first = 0; first < paths.length; first++) {
      const files = Object.fromEntries(paths.slice(first).map((path) => [path, 'clouds: {}']));
      expect(loadClouds(deps(files, { XDG_CONFIG_HOME: '/xdg' })).path).toBe(paths[first]);
    }
  });

  it('says where it looked when there is no file at all', () => {
    const { message } = problemsOf({});
    expect(message).toContain('/home/op/.config/openstack, /etc/xdg/openstack, /etc/openstack');
    expect(message).toContain('OS_CLIENT_CONFIG_FILE');
  });

  it('names a file that it may not read and therefore passed over', () => {
    const { message } = problemsOf({ '/work-dir/clouds.yaml': 'EACCES', ...one(GOOD) }, {}, 'b');
    expect(message).toContain('/work-dir/clouds.yaml (EACCES)');
  });

  it('does not go on with another file when the named one is missing', () => {
    expect(problemsOf(one(GOOD), { OS_CLIENT_CONFIG_FILE: '/typo.yaml' }).message).toMatch(
      /\/typo\.yaml: OS_CLIENT_CONFIG_FILE names this file, and it cannot be read \(ENOENT\)/,
    );
  });

  it('tells the line of broken YAML and quotes nothing of it', () => {
    const { message } = problemsOf({ [ETC]: 'clouds:\n  a:\n    auth: {password: "topsecret\n' });
    expect(message).toContain(`${ETC}: not valid YAML near line`);
    expect(message).not.toContain('topsecret');
  });
});

describe('a cloud', () => {
  it('has its password from secure.yaml, laid over clouds.yaml', () => {
    const files = {
      ...one(GOOD.replace('  password: s3cret-s3cret\n', '')),
      '/etc/openstack/secure.yaml': 'clouds: {a: {auth: {password: from-secure}}}',
    };
    const { auth } = resolveCloud('a', deps(files));
    expect(auth.method === 'password' && auth.password.reveal()).toBe('from-secure');
  });

  it('keeps a password of digits as it is written, and knows shared anchors', () => {
    const text = `base: &base {auth_url: http://ks, user_id: u, project_id: p}
clouds: {a: {auth: {<<: *base, password: 0123456}}}`;
    const { auth } = resolveCloud('a', deps({ [ETC]: text }));
    expect(auth.method === 'password' && auth.password.reveal()).toBe('0123456');
  });

  it('never shows its password when printed or made into JSON', () => {
    const cloud = resolveCloud('a', deps(one(GOOD)));
    expect(JSON.stringify(cloud)).not.toContain('s3cret');
  });

  it.each([
    ['http://ks:5000', 'http://ks:5000/v3'],
    ['http://ks:5000/', 'http://ks:5000/v3'],
    ['http://ks:5000/v3', 'http://ks:5000/v3'],
    ['http://ks:5000/v3/', 'http://ks:5000/v3'],
    ['http://ks/identity/v2.0', 'http://ks/identity/v3'],
  ])('takes auth_url %s for %s', (given, taken) => {
    expect(resolveCloud('a', deps(one(GOOD.replace('http://ks:5000', given)))).authUrl).toBe(taken);
  });

  it('takes one domain_name for user and project', () => {
    const cloud = resolveCloud(
      'a',
      deps(one('auth: {auth_url: "http://ks", username: u, password: p, project_name: ops, domain_name: corp}')),
    );
    expect(cloud.auth).toMatchObject({ user: { name: 'u', domain: { name: 'corp' } } });
    expect(cloud.scope).toEqual({ kind: 'project', project: { name: 'ops', domain: { name: 'corp' } } });
  });

  it('fills missing domains from default_domain_id', () => {
    const cloud = resolveCloud(
      'a',
      deps(one('auth: {auth_url: "http://ks", username: u, password: p, project_name: ops, default_domain_id: d1}')),
    );
    expect(cloud.auth).toMatchObject({ user: { domain: { id: 'd1' } } });
    expect(cloud.scope).toMatchObject({ project: { domain: { id: 'd1' } } });
  });

  it('needs no domain for ids', () => {
    const cloud = resolveCloud(
      'a',
      deps(one('auth: {auth_url: "http://ks", user_id: u1, password: p, project_id: p1}')),
    );
    expect(cloud.auth).toMatchObject({ user: { id: 'u1' } });
    expect(cloud.scope).toEqual({ kind: 'project', project: { id: 'p1' } });
  });

  it('lets a project beside auth win over the one inside, but a password inside over the one beside', () => {
    const cloud = resolveCloud('a', deps(one(`${GOOD}\nproject_name: beside\npassword: beside`)));
    expect(cloud.scope).toMatchObject({ project: { name: 'beside' } });
    expect(cloud.auth.method === 'password' && cloud.auth.password.reveal()).toBe('s3cret-s3cret');
  });

  it('can have system scope', () => {
    const cloud = resolveCloud(
      'a',
      deps(one('auth: {auth_url: "http://ks", username: u, password: p, user_domain_id: default, system_scope: all}')),
    );
    expect(cloud.scope).toEqual({ kind: 'system' });
  });

  it('can be an application credential, by id or by name with its user', () => {
    const byId = resolveCloud(
      'a',
      deps(
        one(
          'auth_type: v3applicationcredential\nauth: {auth_url: "http://ks", application_credential_id: c1, application_credential_secret: s}',
        ),
      ),
    );
    expect(byId.auth).toMatchObject({ method: 'application_credential', credential: { id: 'c1' } });
    expect(byId.scope).toEqual({ kind: 'none' });
    const byName = resolveCloud(
      'a',
      deps(
        one(
          'auth_type: v3applicationcredential\nauth: {auth_url: "http://ks", application_credential_name: n, application_credential_secret: s, username: u, user_domain_name: D}',
        ),
      ),
    );
    expect(byName.auth).toMatchObject({ credential: { name: 'n', user: { name: 'u', domain: { name: 'D' } } } });
  });

  it('reads region, interface, timeout and endpoint overrides', () => {
    const cloud = resolveCloud(
      'a',
      deps(
        one(
          `${GOOD}\nregion_name: R2\ninterface: internalURL\napi_timeout: 12.5\nbaremetal_endpoint_override: http://ir:6385/v1`,
        ),
      ),
    );
    expect(cloud).toMatchObject({
      region: 'R2',
      interfaces: ['internal'],
      timeoutMs: 12_500,
      endpointOverrides: { ironic: 'http://ir:6385/v1' },
    });
  });

  it('takes the first of several regions, as openstacksdk does', () => {
    expect(resolveCloud('a', deps(one(`${GOOD}\nregions: [{name: R1}, R2]`))).region).toBe('R1');
  });

  it('reads the CA file, and not at all when verification is off', () => {
    const files = { ...one(`${GOOD}\ncacert: ~/ca.pem`), '/home/op/ca.pem': 'PEM' };
    expect(resolveCloud('a', deps(files)).tls).toEqual({ verify: true, ca: 'PEM' });
    expect(resolveCloud('a', deps(one(`${GOOD}\ncacert: /none\nverify: no`))).tls).toEqual({ verify: false });
    expect(resolveCloud('a', deps(one(`${GOOD}\ninsecure: true`))).tls.verify).toBe(false);
  });

  it('can be laid over a profile from clouds-public.yaml', () => {
    const files = {
      ...one(GOOD.replace('  auth_url: http://ks:5000\n', '').concat('\nprofile: vendor\nregion_name: north')),
      '/etc/openstack/clouds-public.yaml':
        'public-clouds: {vendor: {auth: {auth_url: "https://{region_name}.example.org"}}}',
    };
    expect(resolveCloud('a', deps(files)).authUrl).toBe('https://north.example.org/v3');
  });

  it('is made of OS_ variables only when it is the cloud envvars, never mixed with one of the file', () => {
    const env = {
      OS_AUTH_URL: 'http://env:5000',
      OS_USERNAME: 'eve',
      OS_PASSWORD: 'env-secret',
      OS_USER_DOMAIN_NAME: 'Default',
      OS_PROJECT_ID: 'p9',
    };
    const clouds = loadClouds(deps(one(GOOD), env));
    expect(clouds.names).toEqual(['a', 'envvars']);
    expect(clouds.resolveCloud('a').authUrl).toBe('http://ks:5000/v3');
    expect(clouds.resolveCloud('envvars')).toMatchObject({
      authUrl: 'http://env:5000/v3',
      auth: { user: { name: 'eve' } },
      scope: { project: { id: 'p9' } },
    });
  });

  it('is not made of variables that only select', () => {
    expect(loadClouds(deps(one(GOOD), { OS_CLOUD: 'a', OS_REGION_NAME: 'x' })).names).toEqual(['a']);
  });
});

describe('what is wrong with a cloud is told', () => {
  it('all at once, each with file, cloud, field and remedy', () => {
    const { problems } = problemsOf(one('auth: {username: u}\nverify: perhaps\napi_timeout: soon\ninterface: outer'));
    expect(problems.map((it) => it.field)).toEqual([
      'auth.auth_url',
      'auth.user_domain_name',
      'auth.password',
      'auth.project_name',
      'interface',
      'verify',
      'api_timeout',
    ]);
    for (const problem of problems) {
      expect(problem).toMatchObject({ file: ETC, cloud: 'a' });
      expect(problem.remedy).not.toBe('');
    }
  });

  it('with the nearest name for an unknown cloud', () => {
    expect(problemsOf({ [ETC]: 'clouds: {production: {}, staging: {}}' }, {}, 'prodution').message).toMatch(
      /no such cloud; it has production, staging.*Did you mean production\?/,
    );
  });

  it.each([
    ['auth_type: v3oidcpassword', 'auth_type', 'v3oidcpassword is not supported'],
    [GOOD.replace('project_name: ops', 'project_name: ops\n  system_scope: all'), 'auth.system_scope', 'both given'],
    [GOOD.replace('http://ks:5000', 'ks:5000'), 'auth.auth_url', 'not an http or https URL'],
    [GOOD.replace('  project_domain_name: Default', ''), 'auth.project_domain_name', 'needs its domain'],
    [`${GOOD}\ncacert: /none.pem`, 'cacert', 'cannot be read (ENOENT)'],
    [`${GOOD}\nprofile: acme`, 'profile', 'in no clouds-public.yaml'],
    [`${GOOD.replace('password: s3cret-s3cret', 'password: [s3cret-s3cret]')}`, 'auth.password', 'must be text'],
    [
      'auth: {auth_url: "http://ks", application_credential_id: c, application_credential_secret: s}',
      'auth_type',
      'application credential',
    ],
  ])('%#: field and reason', (body, field, reason) => {
    const { problems, message } = problemsOf(one(body));
    expect(problems.find((it) => it.field === field)?.problem).toContain(reason);
    expect(message).not.toContain('s3cret');
  });
});
