export { describeError } from './errors.ts';
export { keepHeapSmall } from './heap.ts';
export { type Checks, type HttpServer, type HttpSetup, startHttp } from './http.ts';
export { createLogger, type Logger, type LogSetup, silentLogger } from './log.ts';
export { logChanges } from './logChanges.ts';
export { createMetrics, type Metrics, type MetricsSetup, type OpenStackCall, type SlackCall } from './metrics.ts';
export { type Observed, observeChanges } from './observe.ts';
export { HIDDEN, isSecretKey, Redactor } from './redact.ts';
