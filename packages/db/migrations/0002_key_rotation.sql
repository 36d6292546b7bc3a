CREATE TABLE "key_rotations" (
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"region" text NOT NULL,
	"from_version" integer NOT NULL,
	"to_version" integer NOT NULL,
	"phase" text DEFAULT 'stage' NOT NULL,
	"started_by_kind" text NOT NULL,
	"started_by_id" text NOT NULL,
	"lease_holder" uuid,
	"lease_until" timestamp (3) with time zone,
	"before" jsonb NOT NULL,
	"backup_checksum" text,
	"report" text,
	"report_mac" text,
	"started_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp (3) with time zone,
	CONSTRAINT "key_rotations_pkey" PRIMARY KEY("id"),
	CONSTRAINT "key_rotations_versions_check" CHECK ("key_rotations"."to_version" > "key_rotations"."from_version"),
	CONSTRAINT "key_rotations_done_check" CHECK (("key_rotations"."phase" = 'done') = ("key_rotations"."finished_at" is not null))
);
--> statement-breakpoint
CREATE TABLE "processes" (
	"id" uuid NOT NULL,
	"region" text NOT NULL,
	"master_key_versions" integer[] NOT NULL,
	"started_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"seen_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "processes_pkey" PRIMARY KEY("id")
);
--> statement-breakpoint
ALTER TABLE "key_rotations" ADD CONSTRAINT "key_rotations_from_fkey" FOREIGN KEY ("region","from_version") REFERENCES "public"."master_keys"("region","version") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "key_rotations_one_running" ON "key_rotations" USING btree ("region") WHERE "key_rotations"."finished_at" is null;--> statement-breakpoint
CREATE INDEX "processes_seen_at" ON "processes" USING btree ("region","seen_at");