// For tests of products that use this one, with any test runner or none.
export {
  type CrossTenantFault,
  type CrossTenantOptions,
  crossTenantContract,
  crossTenantFaults,
} from "./cross-tenant/contract.ts";
export { createTestTenantSecrets, type TestOptions, type TestTenantSecrets } from "./kit.ts";
