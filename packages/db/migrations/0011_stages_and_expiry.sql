CREATE TABLE "secret_uses" (
	"company_id" uuid NOT NULL,
	"secret_key" text NOT NULL,
	"last_used_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "secret_uses_pkey" PRIMARY KEY("company_id","secret_key")
);
--> statement-breakpoint
ALTER TABLE "companies" ADD COLUMN "recovery_days" integer DEFAULT 30 NOT NULL;--> statement-breakpoint
ALTER TABLE "company_secret_versions" ADD COLUMN "check_result" text;--> statement-breakpoint
ALTER TABLE "company_secret_versions" ADD COLUMN "checked_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "company_secrets" ADD COLUMN "reminder_days" integer[] DEFAULT '{30,7,1}' NOT NULL;--> statement-breakpoint
ALTER TABLE "company_secrets" ADD COLUMN "reminded_days" integer;--> statement-breakpoint
ALTER TABLE "secret_uses" ADD CONSTRAINT "secret_uses_company_fkey" FOREIGN KEY ("company_id") REFERENCES "public"."companies"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "companies" ADD CONSTRAINT "companies_recovery_days_check" CHECK ("companies"."recovery_days" between 7 and 90);--> statement-breakpoint
ALTER TABLE "company_secret_versions" ADD CONSTRAINT "company_secret_versions_check_check" CHECK (("company_secret_versions"."check_result" is null) = ("company_secret_versions"."checked_at" is null) and "company_secret_versions"."check_result" in ('accepted', 'rejected', 'unknown'));