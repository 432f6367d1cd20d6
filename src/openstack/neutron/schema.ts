import { z } from 'zod';

export const networkSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  status: z.string(),
  admin_state_up: z.boolean(),
  shared: z.boolean(),
  subnets: z.array(z.string()),
  project_id: z.string().nullish(),
});
export type Network = z.infer<typeof networkSchema>;

/** Addresses of a network: `total_ips` counts its allocation pools, `used_ips` its ports. */
export const ipAvailabilitySchema = z.looseObject({
  network_id: z.string(),
  network_name: z.string(),
  total_ips: z.number(),
  used_ips: z.number(),
  subnet_ip_availability: z.array(
    z.looseObject({
      subnet_id: z.string(),
      ip_version: z.number(),
      cidr: z.string(),
      total_ips: z.number(),
      used_ips: z.number(),
    }),
  ),
});
export type IpAvailability = z.infer<typeof ipAvailabilitySchema>;

/** A Neutron port; not to be taken for an Ironic port. */
export const networkPortSchema = z.looseObject({
  id: z.string(),
  network_id: z.string(),
  mac_address: z.string(),
  device_id: z.string(),
  status: z.string(),
  fixed_ips: z.array(z.looseObject({ subnet_id: z.string(), ip_address: z.string() })),
});
export type NetworkPort = z.infer<typeof networkPortSchema>;
