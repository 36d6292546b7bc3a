CREATE TABLE "audit_batches" (
	"no" integer NOT NULL,
	"cluster" text NOT NULL,
	"floor" bigint NOT NULL,
	"from_xid" "xid8" NOT NULL,
	"to_xid" "xid8" NOT NULL,
	"size" integer NOT NULL,
	"leaves" "bytea" NOT NULL,
	"head" text NOT NULL,
	"signature" text NOT NULL,
	"sealed_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "audit_batches_pkey" PRIMARY KEY("no"),
	CONSTRAINT "audit_batches_no_check" CHECK ("audit_batches"."no" > 0),
	CONSTRAINT "audit_batches_size_check" CHECK ("audit_batches"."size" >= 0 and octet_length("audit_batches"."leaves") = 48 * "audit_batches"."size"),
	CONSTRAINT "audit_batches_interval_check" CHECK ("audit_batches"."from_xid" <= "audit_batches"."to_xid")
);
--> statement-breakpoint
CREATE TABLE "memberships" (
	"company_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"role" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "memberships_pkey" PRIMARY KEY("company_id","user_id"),
	CONSTRAINT "memberships_role_check" CHECK ("memberships"."role" in ('owner', 'admin', 'member', 'auditor'))
);
--> statement-breakpoint
CREATE TABLE "rate_limits" (
	"key" text NOT NULL,
	"points" integer NOT NULL,
	"expire" bigint,
	CONSTRAINT "rate_limits_pkey" PRIMARY KEY("key"),
	CONSTRAINT "rate_limits_key_check" CHECK (length("rate_limits"."key") between 1 and 200)
);
--> statement-breakpoint
CREATE TABLE "users" (
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"email" text NOT NULL,
	"name" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"disabled_at" timestamp (3) with time zone,
	CONSTRAINT "users_pkey" PRIMARY KEY("id"),
	CONSTRAINT "users_email_key" UNIQUE("email"),
	CONSTRAINT "users_email_check" CHECK ("users"."email" = lower("users"."email") and length("users"."email") between 3 and 254 and "users"."email" ~ '^[^[:space:][:cntrl:]@]+@[^[:space:][:cntrl:]@]+$'),
	CONSTRAINT "users_name_check" CHECK (length("users"."name") between 1 and 100)
);
--> statement-breakpoint
ALTER TABLE "audit_events" ADD COLUMN "stream" uuid;--> statement-breakpoint
ALTER TABLE "audit_events" ADD COLUMN "stream_no" bigint;--> statement-breakpoint
ALTER TABLE "memberships" ADD CONSTRAINT "memberships_company_fkey" FOREIGN KEY ("company_id") REFERENCES "public"."companies"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "memberships" ADD CONSTRAINT "memberships_user_fkey" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "memberships_user" ON "memberships" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "rate_limits_expire" ON "rate_limits" USING btree ("expire");--> statement-breakpoint
CREATE INDEX "audit_events_xid" ON "audit_events" USING btree ("xid");--> statement-breakpoint
ALTER TABLE "audit_events" ADD CONSTRAINT "audit_events_stream_check" CHECK (("audit_events"."stream" is null) = ("audit_events"."stream_no" is null) and "audit_events"."stream_no" > 0);