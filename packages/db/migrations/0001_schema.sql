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
ALTER TABLE "audit_checkpoints" ADD COLUMN "timeline_signature" text;