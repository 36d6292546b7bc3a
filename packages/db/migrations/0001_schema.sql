CREATE TABLE "export_receipts" (
	"company_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"exported_at" timestamp (3) with time zone NOT NULL,
	"receipt" text NOT NULL,
	"signature" text NOT NULL,
	CONSTRAINT "export_receipts_pkey" PRIMARY KEY("company_id","id")
);
--> statement-breakpoint
CREATE TABLE "schema_versions" (
	"version" integer NOT NULL,
	"oldest" integer NOT NULL,
	"release" text NOT NULL,
	"applied_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "schema_versions_pkey" PRIMARY KEY("version"),
	CONSTRAINT "schema_versions_oldest_check" CHECK ("schema_versions"."oldest" between 1 and "schema_versions"."version")
);
--> statement-breakpoint
ALTER TABLE "audit_checkpoints" ADD COLUMN "timeline" integer;--> statement-breakpoint
ALTER TABLE "audit_checkpoints" ADD COLUMN "timeline_signature" text;--> statement-breakpoint
ALTER TABLE "processes" ADD COLUMN "retention" jsonb;--> statement-breakpoint
CREATE INDEX "export_receipts_exported_at" ON "export_receipts" USING btree ("company_id","exported_at","id");--> statement-breakpoint
CREATE INDEX "company_secret_versions_replaced" ON "company_secret_versions" USING btree ("company_id","secret_key","replaced_at","version") WHERE "company_secret_versions"."value_encrypted" is not null and "company_secret_versions"."replaced_at" is not null;--> statement-breakpoint
CREATE INDEX "company_secrets_recover_until" ON "company_secrets" USING btree ("recover_until") WHERE "company_secrets"."deleted_at" is not null and "company_secrets"."purged_at" is null;