export * from "@repo/tenant-secrets/client";
