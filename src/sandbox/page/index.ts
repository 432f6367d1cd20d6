export type { ApplicationView, ControlPlaneView, FleetView, NodeView } from './fleetView.ts';
export { createPageHandler, type PageParts } from './handler.ts';
