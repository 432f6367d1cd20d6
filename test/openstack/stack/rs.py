#!/usr/bin/python3
"""Fills the two control planes of `up`.
  rs.py catalog CP...   service users, services, endpoints
  rs.py contents CP...  network, image, flavors, key pair; writes clouds.yaml and the env files
  rs.py enrol CP N      N fake-hardware nodes, up to available
  rs.py boot CP         an ACTIVE server pinned on every available node
  rs.py reset N         back to: N nodes in cp1, each with a server; cp2 empty
  rs.py pristine N      succeeds when N nodes are in cp1, each with an ACTIVE server, and none in cp2
  rs.py summary
"""
import json
import os
import sys
import uuid

from cloud import ADMINPASS, IRONIC_V, NOVA_V, PLACEMENT_V, PORTS, STATE, Cloud, base, parallel, wait

SVCPASS = os.environ.get('REALSTACK_SVCPASS', 'svcpass')
TYPES = dict(placement='placement', glance='image', neutron='network', ironic='baremetal', nova='compute')
BLOCK = dict(cp1='10.1.0', cp2='10.2.0')
ROLES = {'hadoop-master': dict(rc='bm-master', cpus=16, ram=65536, disk=500),
         'hadoop-worker': dict(rc='bm-worker', cpus=32, ram=131072, disk=4000)}
RESTING = ('available', 'manageable', 'enroll')
FAILED = ('clean failed', 'deploy failed', 'error', 'active')


def custom(name):
    """A name as Placement writes custom resource classes and traits."""
    return 'CUSTOM_' + name.upper().replace('-', '_')


# ------------------------------------------------------------------ catalogue
def catalog(cp):
    c = Cloud(cp)
    # Keystone reads its policy at the first request; a second one that comes meanwhile is refused, whoever asks.
    wait('keystone of %s to let its admin in' % cp, lambda: c.req('GET', 'keystone', '/v3/projects', ok=(403,)).ok, 60)

    def ensure(kind, plural, match, body):
        query = '&'.join('%s=%s' % kv for kv in match.items())
        got = c.get('keystone', '/v3/%s?%s' % (plural, query))[plural]
        return got[0] if got else c.req('POST', 'keystone', '/v3/' + plural, json={kind: body}).json()[kind]

    project = ensure('project', 'projects', {'name': 'service'}, {'name': 'service', 'domain_id': 'default'})['id']
    user = ensure('user', 'users', {'name': 'svc'}, {'name': 'svc', 'domain_id': 'default', 'password': SVCPASS})['id']
    role = {r['name']: r['id'] for r in c.get('keystone', '/v3/roles')['roles']}
    if 'service' not in role:
        role['service'] = c.req('POST', 'keystone', '/v3/roles', json={'role': {'name': 'service'}}).json()['role']['id']
    for r in ('admin', 'service'):
        c.req('PUT', 'keystone', '/v3/projects/%s/users/%s/roles/%s' % (project, user, role[r]))
    c.req('PUT', 'keystone', '/v3/system/users/%s/roles/%s' % (user, role['admin']))
    for name, typ in TYPES.items():
        service = ensure('service', 'services', {'type': typ}, {'name': name, 'type': typ})['id']
        have = {e['interface'] for e in c.get('keystone', '/v3/endpoints?service_id=' + service)['endpoints']}
        for interface in ('public', 'internal', 'admin'):
            if interface not in have:
                c.req('POST', 'keystone', '/v3/endpoints', json={'endpoint': {
                    'service_id': service, 'interface': interface, 'region_id': 'RegionOne',
                    'url': base(cp, name) + {'nova': '/v2.1'}.get(name, '')}})


# ------------------------------------------------------------------ contents
def contents(cp):
    c = Cloud(cp)
    if not c.get('neutron', '/v2.0/networks?name=tenant-net')['networks']:
        net = c.req('POST', 'neutron', '/v2.0/networks', json={'network': {
            'name': 'tenant-net', 'shared': True, 'provider:network_type': 'flat',
            'provider:physical_network': 'physnet1'}}).json()['network']
        b = BLOCK[cp]
        c.req('POST', 'neutron', '/v2.0/subnets', json={'subnet': {
            'name': 'tenant-subnet', 'network_id': net['id'], 'ip_version': 4, 'cidr': b + '.0/24',
            'gateway_ip': b + '.1', 'allocation_pools': [{'start': b + '.10', 'end': b + '.200'}],
            'enable_dhcp': False}})
    if not c.get('glance', '/v2/images?name=hadoop-image')['images']:
        image = c.req('POST', 'glance', '/v2/images', json={
            'name': 'hadoop-image', 'disk_format': 'raw', 'container_format': 'bare', 'visibility': 'public'}).json()
        c.req('PUT', 'glance', '/v2/images/%s/file' % image['id'], data=b'\0' * 1048576,
              headers={'Content-Type': 'application/octet-stream'})
    have = {f['name'] for f in c.get('nova', '/v2.1/flavors?is_public=None')['flavors']}
    for role, r in ROLES.items():
        if 'bm.' + role in have:
            continue
        flavor = c.req('POST', 'nova', '/v2.1/flavors', json={'flavor': {
            'name': 'bm.' + role, 'vcpus': r['cpus'], 'ram': r['ram'], 'disk': r['disk']}}).json()['flavor']
        c.req('POST', 'nova', '/v2.1/flavors/%s/os-extra_specs' % flavor['id'], json={'extra_specs': {
            'resources:' + custom(r['rc']): '1', 'resources:VCPU': '0', 'resources:MEMORY_MB': '0',
            'resources:DISK_GB': '0', 'trait:' + custom(role): 'required'}})
    if not c.get('nova', '/v2.1/os-keypairs')['keypairs']:
        c.req('POST', 'nova', '/v2.1/os-keypairs', json={'keypair': {
            'name': 'ops', 'type': 'ssh',
            'public_key': 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9WWVVZVVlVWVlVWVlVWVlVWVlVWVlVWVlVWVlVWVlV ops'}})
    # a bare-metal site lifts the quotas: the stock 10 instances and 20 cores stop the very first server
    project = c.get('keystone', '/v3/projects?name=admin')['projects'][0]['id']
    c.req('PUT', 'nova', '/v2.1/os-quota-sets/' + project, json={'quota_set': {
        'instances': -1, 'cores': -1, 'ram': -1, 'key_pairs': -1}})


CLOUD_YAML = '''  %s:
    region_name: RegionOne
    identity_api_version: "3"
    baremetal_api_version: "%s"
    compute_api_version: "%s"
    placement_api_version: "%s"
    auth:
      auth_url: %s/v3
      username: admin
      password: %s
      user_domain_name: Default
      %s
'''


def credentials():
    with open(os.path.join(STATE, 'clouds.yaml'), 'w') as f:
        f.write('clouds:\n')
        for cp in ('cp1', 'cp2'):
            for name, scope in ((cp, 'project_name: admin\n      project_domain_name: Default'),
                                (cp + '-system', 'system_scope: all')):
                f.write(CLOUD_YAML % (name, IRONIC_V, NOVA_V, PLACEMENT_V, base(cp, 'keystone'), ADMINPASS, scope))
    for cp in ('cp1', 'cp2'):
        with open(os.path.join(STATE, cp + '.env'), 'w') as f:
            for k, v in dict(OS_AUTH_URL=base(cp, 'keystone') + '/v3', OS_USERNAME='admin', OS_PASSWORD=ADMINPASS,
                             OS_PROJECT_NAME='admin', OS_USER_DOMAIN_NAME='Default', OS_PROJECT_DOMAIN_NAME='Default',
                             OS_REGION_NAME='RegionOne', OS_IDENTITY_API_VERSION='3').items():
                f.write('export %s=%s\n' % (k, v))


# ------------------------------------------------------------------ nodes
def node_body(i):
    role = 'hadoop-master' if i == 1 else 'hadoop-worker'
    r = ROLES[role]
    return role, dict(
        uuid=str(uuid.UUID('b0000000-0000-4000-8000-%012d' % i)), name='node-%02d' % i, driver='fake-hardware',
        driver_info={'ipmi_address': '10.9.0.%d' % i, 'ipmi_username': 'bmc-admin', 'ipmi_password': 'bmc-secret-%02d' % i,
                     'deploy_kernel': 'file:///deploy/kernel', 'deploy_ramdisk': 'file:///deploy/ramdisk'},
        properties={'cpus': r['cpus'], 'memory_mb': r['ram'], 'local_gb': r['disk'], 'cpu_arch': 'x86_64',
                    'capabilities': 'boot_mode:uefi,boot_option:local'},
        resource_class=r['rc'], extra={'role': role, 'rack': 'r%d' % ((i - 1) // 2 + 1)},
        description='realstack node %d' % i)


def state(c, node):
    return c.get('ironic', '/v1/nodes/%s?fields=provision_state,target_provision_state,last_error,power_state,instance_uuid,maintenance' % node)


def provision(c, node, verb, want, timeout=120):
    c.req('PUT', 'ironic', '/v1/nodes/%s/states/provision' % node, json={'target': verb})

    def there():
        s = state(c, node)
        if s['provision_state'] in FAILED[:3] + ('enroll',) and s['last_error']:
            raise SystemExit('%s: %s' % (node, s))
        return s['provision_state'] == want and s
    return wait('%s to be %s' % (node, want), there, timeout, 0.3)


def enrol(cp, count):
    def one(i):
        c = Cloud(cp)
        role, body = node_body(i)
        node = body['uuid']
        if c.req('GET', 'ironic', '/v1/nodes/' + node, ok=(404,)).status_code == 404:
            c.req('POST', 'ironic', '/v1/nodes', json=body)
            c.req('POST', 'ironic', '/v1/ports', json=dict(
                node_uuid=node, address='52:54:00:00:%02x:00' % i, physical_network='physnet1', pxe_enabled=True,
                local_link_connection={'switch_id': '00:11:22:33:44:55', 'port_id': 'Eth1/%d' % i,
                                       'switch_info': 'leaf-1'}))
            c.req('PUT', 'ironic', '/v1/nodes/%s/traits' % node,
                  json={'traits': [custom(role), custom('rack-' + body['extra']['rack'])]})
        s = state(c, node)
        if s['provision_state'] == 'enroll':
            s = provision(c, node, 'manage', 'manageable')
        if s['provision_state'] == 'manageable':
            # fake-hardware reports no power state until one is set, and nova keeps a
            # node without a power state reserved for ever
            c.req('PUT', 'ironic', '/v1/nodes/%s/states/power' % node, json={'target': 'power on'})
            wait('power', lambda: state(c, node)['power_state'] == 'power on', 60, 0.3)
            provision(c, node, 'provide', 'available')
    parallel(one, range(1, count + 1), 4)


def in_placement(c, node):
    """Whether the node is free for the scheduler; being listed says nothing, `reserved` does."""
    r = c.req('GET', 'placement', '/resource_providers/%s/inventories' % node, ok=(404,))
    inventories = r.json().get('inventories', {}) if r.status_code == 200 else {}
    return any(v['reserved'] < v['total'] for k, v in inventories.items() if k.startswith('CUSTOM_'))


def create_server(c, node, name, role):
    image = c.get('glance', '/v2/images?name=hadoop-image')['images'][0]['id']
    net = c.get('neutron', '/v2.0/networks?name=tenant-net')['networks'][0]['id']
    flavor = [f['id'] for f in c.get('nova', '/v2.1/flavors')['flavors'] if f['name'] == 'bm.' + role][0]
    return c.req('POST', 'nova', '/v2.1/servers', json={'server': {
        'name': name, 'imageRef': image, 'flavorRef': flavor, 'networks': [{'uuid': net}], 'key_name': 'ops',
        'hypervisor_hostname': node, 'metadata': {'role': role, 'node': node}}}).json()['server']['id']


def wait_server(c, server):
    def there():
        s = c.get('nova', '/v2.1/servers/' + server)['server']
        if s['status'] == 'ERROR':
            raise SystemExit('server %s: %s' % (s['name'], json.dumps(s.get('fault'))))
        return s['status'] == 'ACTIVE'
    wait('server %s ACTIVE' % server, there, 300, 1)    # each look costs nova two calls to neutron


def boot(cp):
    c = Cloud(cp)
    nodes = [n for n in c.get('ironic', '/v1/nodes?fields=uuid,name,extra,provision_state,instance_uuid')['nodes']
             if n['provision_state'] == 'available' and not n['instance_uuid'] and n['extra'].get('role')]
    for n in nodes:
        wait('node %s in placement' % n['name'], lambda: in_placement(c, n['uuid']), 180)
    def create(n):
        role = n['extra']['role']
        return create_server(c, n['uuid'], '%s-%s' % (role, n['name']), role)
    # The first alone: nova-compute agrees with Ironic on a version at its first boot, and of several that do so at
    # once all but one may end in ERROR (see ../FACTS.md)
    if nodes:
        wait_server(c, create(nodes[0]))
    for server in [create(n) for n in nodes[1:]]:
        wait_server(c, server)


# ------------------------------------------------------------------ reset
def delete_servers(c):
    for s in c.get('nova', '/v2.1/servers?all_tenants=1')['servers']:
        c.req('DELETE', 'nova', '/v2.1/servers/' + s['id'], ok=(404,))
    wait('servers gone from ' + c.cp, lambda: not c.get('nova', '/v2.1/servers?all_tenants=1')['servers'], 180)


def delete_node(c, node):
    settled = lambda: state(c, node)['provision_state'] in RESTING + FAILED
    wait('%s to settle' % node, settled, 120)
    if state(c, node)['provision_state'] not in RESTING:
        c.req('PUT', 'ironic', '/v1/nodes/%s/maintenance' % node, json={'reason': 'reset'})
    c.req('DELETE', 'ironic', '/v1/nodes/' + node)


def unprotect(c):
    """A protected node refuses the delete of its server."""
    for n in c.get('ironic', '/v1/nodes?fields=uuid,protected')['nodes']:
        if n['protected']:
            c.req('PATCH', 'ironic', '/v1/nodes/' + n['uuid'], json=[{'op': 'replace', 'path': '/protected', 'value': False}])


def reset(count):
    for cp in ('cp2', 'cp1'):
        c = Cloud(cp)
        unprotect(c)
        delete_servers(c)
        for n in c.get('ironic', '/v1/nodes?fields=uuid')['nodes']:
            delete_node(c, n['uuid'])
        for p in c.get('neutron', '/v2.0/ports')['ports']:
            c.req('DELETE', 'neutron', '/v2.0/ports/' + p['id'], ok=(404,))
        for ch in c.get('ironic', '/v1/chassis')['chassis']:
            c.req('DELETE', 'ironic', '/v1/chassis/' + ch['uuid'], ok=(404,))
    for cp in ('cp2', 'cp1'):
        c = Cloud(cp)     # nova-compute drops the nodes that are gone at its next pass
        wait('no resource providers in ' + cp, lambda: not c.get('placement', '/resource_providers')['resource_providers'], 180)
    enrol('cp1', count)
    boot('cp1')


def pristine(count):
    if Cloud('cp2').get('ironic', '/v1/nodes?fields=uuid')['nodes']:
        return False
    c = Cloud('cp1')
    nodes = c.get('ironic', '/v1/nodes?fields=uuid,provision_state,maintenance,protected,instance_uuid,extra')['nodes']
    active = {s['id'] for s in c.get('nova', '/v2.1/servers/detail?all_tenants=1')['servers'] if s['status'] == 'ACTIVE'}
    untouched = [n for n in nodes if n['provision_state'] == 'active' and n['instance_uuid'] in active
                 and not n['maintenance'] and not n['protected'] and 'ephyra' not in n['extra']]
    return len(nodes) == len(untouched) == len(active) == count


def summary():
    for cp in ('cp1', 'cp2'):
        c = Cloud(cp)
        print(cp, ' '.join('%s=%s' % (k, base(cp, k)) for k in PORTS))
        for n in c.get('ironic', '/v1/nodes?fields=uuid,name,provision_state,power_state,instance_uuid')['nodes']:
            print('   node', n['name'], n['uuid'], n['provision_state'], n['power_state'], n['instance_uuid'])
        for s in c.get('nova', '/v2.1/servers/detail?all_tenants=1')['servers']:
            print('   server', s['name'], s['id'], s['status'], [x['addr'] for v in s['addresses'].values() for x in v])


if __name__ == '__main__':
    command, args = (sys.argv[1:2] or ['summary'])[0], sys.argv[2:]
    if command == 'catalog':
        parallel(catalog, args)
    elif command == 'contents':
        parallel(contents, args)
        credentials()
    elif command == 'enrol':
        enrol(args[0], int(args[1]))
    elif command == 'boot':
        boot(args[0])
    elif command == 'reset':
        reset(int(args[0]))
    elif command == 'pristine':
        sys.exit(0 if pristine(int(args[0])) else 1)
    elif command == 'summary':
        summary()
    else:
        sys.exit(__doc__)
