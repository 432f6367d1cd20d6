export * from './compare.ts';
export * from './definition.ts';
export * from './facts.ts';
export * from './requests.ts';
export * from './schema.ts';
export * from './secrets.ts';
