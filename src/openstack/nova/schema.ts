import { z } from 'zod';

const text = z.string().nullable();

/** What Ephyra reads of a server in `/servers/detail`, under the API's own names; the rest is not kept. */
export const serverSchema = z.object({
  id: z.string(),
  name: z.string(),
  status: z.string(),
  created: z.string(),
  metadata: z.record(z.string(), z.string()),
  addresses: z.record(
    z.string(),
    z.array(z.object({ addr: z.string(), version: z.number(), 'OS-EXT-IPS:type': z.string().optional() })),
  ),
  /** An empty string for a server that boots from a volume. */
  image: z.union([z.object({ id: z.string() }), z.literal(''), z.null()]).optional(),
  flavor: z.object({ original_name: z.string().optional() }),
  key_name: text.optional(),
  config_drive: z.union([z.string(), z.boolean(), z.null()]).optional(),
  fault: z.object({ message: z.string(), code: z.number().optional() }).optional(),
  tenant_id: z.string().optional(),
  'OS-EXT-STS:task_state': text.optional(),
  'OS-EXT-STS:vm_state': text.optional(),
  'OS-EXT-STS:power_state': z.number().nullish(),
  'OS-EXT-SRV-ATTR:hypervisor_hostname': text.optional(),
  'OS-EXT-SRV-ATTR:host': text.optional(),
  'OS-EXT-SRV-ATTR:user_data': text.optional(),
});
export type Server = z.infer<typeof serverSchema>;

export const flavorSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  vcpus: z.number(),
  ram: z.number(),
  disk: z.number(),
  /** Shown since 2.61, only to those whom the policy lets see them. */
  extra_specs: z.record(z.string(), z.string()).optional(),
});
export type Flavor = z.infer<typeof flavorSchema>;

export const keypairSchema = z.looseObject({
  name: z.string(),
  type: z.string().optional(),
  fingerprint: z.string(),
  public_key: z.string().optional(),
});
export type Keypair = z.infer<typeof keypairSchema>;

const usage = z.looseObject({ limit: z.number(), in_use: z.number(), reserved: z.number() });

/** Limits and use of a project; a limit of -1 is none. */
export const quotaSchema = z.looseObject({ instances: usage, cores: usage, ram: usage });
export type Quota = z.infer<typeof quotaSchema>;

/** The body of a create, under the API's own names. */
export interface CreateServer {
  readonly name: string;
  /** Id of the flavor. */
  readonly flavorRef: string;
  /** Id of the image. */
  readonly imageRef: string;
  readonly networks: readonly { readonly uuid?: string; readonly port?: string; readonly fixed_ip?: string }[];
  readonly key_name?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly config_drive?: boolean;
  /** Base64. */
  readonly user_data?: string;
  /** The Ironic node to boot on: its uuid. */
  readonly hypervisor_hostname?: string;
  readonly availability_zone?: string;
  readonly description?: string;
}
