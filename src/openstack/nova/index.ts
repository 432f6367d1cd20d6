export * from './facts.ts';
export * from './requests.ts';
export * from './schema.ts';
