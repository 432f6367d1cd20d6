# Writes every configuration file of one control plane: conf cp1
authblock() { # cp
cat <<E
auth_type = password
auth_url = http://127.0.0.1:$(port $1 keystone)/v3
username = svc
password = $SVCPASS
project_name = service
user_domain_name = Default
project_domain_name = Default
region_name = RegionOne
E
}
authtoken() { cat <<E
[keystone_authtoken]
www_authenticate_uri = http://127.0.0.1:$(port $1 keystone)/v3
service_token_roles_required = false
$(authblock $1)
E
}
dbblock() { # cp db [section]
cat <<E
[${3:-database}]
connection = $(db $1 $2)
max_pool_size = 4
max_overflow = 40
connection_recycle_time = 3000
E
}
conf() {
local cp=$1 n; n=$(cpn $cp); local E=$STATE/$cp/etc V=$STATE/$cp/var
mkdir -p $E/keystone $E/placement $E/policy.d $V/{keystone/fernet,keystone/credential,glance/images,nova/instances,neutron,ironic/{images,http,tftp,master,tmp}}
chmod 700 $V/keystone/*
local MQ="rabbit://rs:$MQPASS@127.0.0.1:$MQPORT/$cp"
local COMMON="debug = $DEBUG
use_stderr = true
transport_url = $MQ"
local LOCK="[oslo_concurrency]
lock_path = $V"
local RABBIT="[oslo_messaging_rabbit]
rabbit_qos_prefetch_count = 10
heartbeat_in_pthread = false"

cat > $E/keystone/keystone.conf <<E
[DEFAULT]
debug = $DEBUG
use_stderr = true
$(dbblock $cp keystone)
# without a cache one token validation is some 500 SQL statements (over a second)
[cache]
enabled = true
backend = oslo_cache.dict
expiration_time = 600
[identity]
password_hash_rounds = 4
[token]
provider = fernet
expiration = $TOKEN_TTL
[fernet_tokens]
key_repository = $V/keystone/fernet
[credential]
key_repository = $V/keystone/credential
E
cat > $E/placement/placement.conf <<E
[DEFAULT]
debug = $DEBUG
use_stderr = true
[api]
auth_strategy = keystone
$(dbblock $cp placement placement_database)
$(authtoken $cp)
E
cat > $E/glance-api.conf <<E
[DEFAULT]
debug = $DEBUG
use_stderr = true
bind_host = 127.0.0.1
bind_port = $(port $cp glance)
workers = 0
enabled_backends = fs:file
http_keepalive = false
[glance_store]
default_backend = fs
[fs]
filesystem_store_datadir = $V/glance/images
[os_glance_tasks_store]
filesystem_store_datadir = $V/glance/tasks
[os_glance_staging_store]
filesystem_store_datadir = $V/glance/staging
[paste_deploy]
flavor = keystone
config_file = /usr/share/glance-common/glance-api-paste.ini
$(dbblock $cp glance)
$(authtoken $cp)
$LOCK
E
mkdir -p $V/glance/{tasks,staging}
cat > $E/neutron.conf <<E
[DEFAULT]
$COMMON
core_plugin = ml2
service_plugins =
auth_strategy = keystone
bind_host = 127.0.0.1
bind_port = $(port $cp neutron)
api_paste_config = /etc/neutron/api-paste.ini
state_path = $V/neutron
api_workers = 0
rpc_workers = 1
rpc_state_report_workers = 0
dhcp_agent_notification = false
notify_nova_on_port_status_changes = true
notify_nova_on_port_data_changes = true
agent_down_time = 75
# A kept-alive connection holds one of the server's green threads; ironic and nova open a new one
# for nearly every call and keep it 15 minutes: at the stock 100 threads the server stops answering.
wsgi_keep_alive = false
wsgi_default_pool_size = 1000
global_physnet_mtu = 1500
$(dbblock $cp neutron)
[nova]
$(authblock $cp)
$(authtoken $cp)
$LOCK
[oslo_policy]
policy_dirs = /etc/neutron/policy.d
[ml2]
type_drivers = flat,vlan
tenant_network_types = flat
mechanism_drivers = baremetal
extension_drivers =
[ml2_type_flat]
flat_networks = *
[ml2_type_vlan]
network_vlan_ranges = physnet1:100:200
$RABBIT
E
cat > $E/ironic-neutron-agent.conf <<E
[DEFAULT]
$COMMON
host = $cp-ina
state_path = $V/neutron
[AGENT]
report_interval = ${REALSTACK_INA_INTERVAL:-10}
[ironic]
$(authblock $cp)
[oslo_messaging_notifications]
transport_url = $MQ
$RABBIT
E
cat > $E/ironic.conf <<E
[DEFAULT]
debug = $DEBUG
use_stderr = true
auth_strategy = keystone
host = $cp-conductor
my_ip = 127.0.0.1
state_path = $V/ironic
rpc_transport = none
wsgi_keep_alive = false
wsgi_default_pool_size = 1000
transport_url = fake://
tempdir = $V/ironic/tmp
minimum_memory_warning_only = true
enabled_hardware_types = fake-hardware
enabled_bios_interfaces = no-bios,fake
enabled_boot_interfaces = fake
enabled_console_interfaces = no-console
enabled_deploy_interfaces = fake
enabled_inspect_interfaces = no-inspect,fake
enabled_management_interfaces = fake
enabled_network_interfaces = flat,noop
default_network_interface = flat
enabled_power_interfaces = fake
enabled_raid_interfaces = no-raid,fake
enabled_rescue_interfaces = no-rescue,fake
enabled_storage_interfaces = noop
enabled_vendor_interfaces = no-vendor,fake
[api]
host_ip = 127.0.0.1
port = $(port $cp ironic)
api_workers = 1
public_endpoint = http://127.0.0.1:$(port $cp ironic)
[conductor]
automated_clean = true
workers_pool_size = 30
heartbeat_interval = 10
sync_power_state_interval = 60
[fake]
power_delay = $FAKE_POWER_DELAY
boot_delay = $FAKE_BOOT_DELAY
deploy_delay = $FAKE_DEPLOY_DELAY
management_delay = $FAKE_MANAGEMENT_DELAY
$(dbblock $cp ironic)
$(authtoken $cp)
[service_catalog]
$(authblock $cp)
[neutron]
$(authblock $cp)
cleaning_network = tenant-net
provisioning_network = tenant-net
rescuing_network = tenant-net
[glance]
$(authblock $cp)
[nova]
$(authblock $cp)
send_power_notifications = true
[deploy]
http_root = $V/ironic/http
http_url = http://127.0.0.1:9/
[pxe]
tftp_root = $V/ironic/tftp
images_path = $V/ironic/images
instance_master_path = $V/ironic/master
tftp_master_path = $V/ironic/master
[oslo_policy]
policy_dirs = $E/policy.d/ironic
$LOCK
E
mkdir -p $E/policy.d/ironic
if [ -n "$IRONIC_POLICY" ]; then printf '%s\n' "$IRONIC_POLICY" > $E/policy.d/ironic/extra.yaml
else rm -f $E/policy.d/ironic/extra.yaml; fi
if [ "$SHOW_PASSWORD" = 0 ]; then show_password $cp off; else show_password $cp on; fi
cat > $E/nova.conf <<E
[DEFAULT]
$COMMON
host = $cp-compute
my_ip = 127.0.0.1
state_path = $V/nova
instances_path = $V/nova/instances
compute_driver = ironic.IronicDriver
enabled_apis = osapi_compute
osapi_compute_listen = 127.0.0.1
osapi_compute_listen_port = $(port $cp nova)
osapi_compute_workers = 1
reserved_host_memory_mb = 0
update_resources_interval = $NOVA_RESOURCE_INTERVAL
[api]
auth_strategy = keystone
[wsgi]
api_paste_config = /etc/nova/api-paste.ini
keep_alive = false
$(dbblock $cp nova_api api_database)
$(dbblock $cp nova)
$(authtoken $cp)
[service_user]
send_service_user_token = true
$(authblock $cp)
[placement]
$(authblock $cp)
[neutron]
$(authblock $cp)
service_metadata_proxy = false
[glance]
$(authblock $cp)
[cinder]
$(authblock $cp)
[ironic]
$(authblock $cp)
[conductor]
workers = 1
[scheduler]
workers = 1
discover_hosts_in_cells_interval = 60
[filter_scheduler]
track_instance_changes = false
[vnc]
enabled = false
[oslo_policy]
policy_dirs = /etc/nova/policy.d
$LOCK
$RABBIT
E
}
