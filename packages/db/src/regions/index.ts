export { dropExport, type ExportServer, resyncExport, setUpExport } from "./export.ts";
export { faultsOf, type RouteFault, routeFaults, type RouteState } from "./faults.ts";
export { namesOf, type Route, type RouteNames } from "./names.ts";
export { faultsOfSide, readRegionSide } from "./own-side.ts";
export { type OwnDatabase, publishCopies, unpublishCopies } from "./publish.ts";
export {
  digestCopies,
  type CopiesDigest,
  type ExportState,
  type HomeState,
  readExportState,
  readHomeState,
  readTargetState,
  type SlotState,
  type SubscriptionState,
  type TargetState,
} from "./status.ts";
export {
  copiedHeadOf,
  type CopiedSecretRow,
  createCopiedSecrets,
  listCopiedSecrets,
  readBeat,
  readCopiedSecrets,
} from "./read-copies.ts";
export { resyncCopies, subscribeToCopies, unsubscribeFromCopies } from "./subscribe.ts";
