export { oauthTokens, postgresLogin } from "@repo/catalog";
export { Plaintext } from "@repo/envelope";
export { deploymentDrivers, driverVariables } from "./rotation/drivers/deployment.ts";
export type {
  DriverCall,
  ExchangeDriver,
  Guide,
  MakingDriver,
  PersonDriver,
  ProviderDriver,
  Retirement,
  RotationDriver,
  RotationDrivers,
} from "./rotation/drivers/driver.ts";
export { DriverError } from "./rotation/drivers/driver-error.ts";
export { rotationDrivers } from "./rotation/drivers/drivers.ts";
export { isMarker } from "./rotation/drivers/marker.ts";
export { createOauth2Driver } from "./rotation/drivers/oauth2.ts";
export { createPostgresOneRoleDriver } from "./rotation/drivers/postgres-role/postgres-one-role.ts";
export { createPostgresRoleDriver } from "./rotation/drivers/postgres-role/postgres-role.ts";
export { httpTemplate } from "./rotation/drivers/http-template/http-template.ts";
