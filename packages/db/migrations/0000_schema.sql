CREATE SCHEMA "sign_in";
--> statement-breakpoint
CREATE SEQUENCE "public"."row_revisions" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1;--> statement-breakpoint
CREATE SEQUENCE "public"."copy_revisions" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1;--> statement-breakpoint
CREATE TABLE "approvals" (
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"action" text NOT NULL,
	"parameters" text NOT NULL,
	"requested_by" uuid NOT NULL,
	"requested_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"given_by" uuid,
	"given_at" timestamp (3) with time zone,
	"refused_by" uuid,
	"refused_at" timestamp (3) with time zone,
	"used_at" timestamp (3) with time zone,
	"revision" integer NOT NULL,
	"mac_key_version" smallint NOT NULL,
	"mac" "bytea" NOT NULL,
	CONSTRAINT "approvals_pkey" PRIMARY KEY("id"),
	CONSTRAINT "approvals_action_check" CHECK ("approvals"."action" in ('key.destroy', 'key.shred', 'key.emergency-rotate'))
);
--> statement-breakpoint
CREATE TABLE "audit_checkpoints" (
	"index" integer NOT NULL,
	"cluster" text NOT NULL,
	"floor" bigint NOT NULL,
	"from_xid" "xid8" NOT NULL,
	"to_xid" "xid8" NOT NULL,
	"size" integer NOT NULL,
	"leaves" "bytea" NOT NULL,
	"checkpoint" text NOT NULL,
	"signature" text NOT NULL,
	"sealed_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "audit_checkpoints_pkey" PRIMARY KEY("index"),
	CONSTRAINT "audit_checkpoints_index_check" CHECK ("audit_checkpoints"."index" > 0),
	CONSTRAINT "audit_checkpoints_size_check" CHECK ("audit_checkpoints"."size" >= 0 and octet_length("audit_checkpoints"."leaves") = 48 * "audit_checkpoints"."size"),
	CONSTRAINT "audit_checkpoints_interval_check" CHECK ("audit_checkpoints"."from_xid" <= "audit_checkpoints"."to_xid")
);
--> statement-breakpoint
CREATE TABLE "audit_events" (
	"id" uuid NOT NULL,
	"company_id" uuid,
	"occurred_at" timestamp (3) with time zone NOT NULL,
	"actor_kind" text NOT NULL,
	"actor_id" text NOT NULL,
	"action" text NOT NULL,
	"secret_key" text,
	"version" integer,
	"outcome" text NOT NULL,
	"reason" text,
	"subject" text,
	"request_id" text,
	"address" text,
	"count" integer DEFAULT 1 NOT NULL,
	"last_at" timestamp (3) with time zone,
	"writer_id" uuid,
	"sequence_no" bigint,
	"xid" "xid8" DEFAULT pg_current_xact_id() NOT NULL,
	"nonce" "bytea" NOT NULL,
	"mac_key_version" smallint NOT NULL,
	"mac" "bytea" NOT NULL,
	"position" bigint GENERATED ALWAYS AS IDENTITY (sequence name "audit_events_position_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	CONSTRAINT "audit_events_pkey" PRIMARY KEY("id"),
	CONSTRAINT "audit_events_outcome_check" CHECK ("audit_events"."outcome" in ('success', 'denied', 'attempted', 'failed', 'unknown')),
	CONSTRAINT "audit_events_count_check" CHECK ("audit_events"."count" > 0),
	CONSTRAINT "audit_events_sequence_check" CHECK (("audit_events"."writer_id" is null) = ("audit_events"."sequence_no" is null) and "audit_events"."sequence_no" > 0),
	CONSTRAINT "audit_events_mac_check" CHECK (octet_length("audit_events"."nonce") = 16 and octet_length("audit_events"."mac") = 32)
);
--> statement-breakpoint
CREATE TABLE "audit_key_wraps" (
	"purpose" text NOT NULL,
	"key_version" integer NOT NULL,
	"region" text NOT NULL,
	"master_key_version" integer NOT NULL,
	"wrapped" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "audit_key_wraps_pkey" PRIMARY KEY("purpose","key_version","region","master_key_version")
);
--> statement-breakpoint
CREATE TABLE "audit_keys" (
	"purpose" text NOT NULL,
	"key_version" integer NOT NULL,
	"status" text NOT NULL,
	"public_key" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "audit_keys_pkey" PRIMARY KEY("purpose","key_version"),
	CONSTRAINT "audit_keys_purpose_check" CHECK ("audit_keys"."purpose" in ('mac', 'signing', 'row', 'webhook', 'transport', 'copies')),
	CONSTRAINT "audit_keys_status_check" CHECK ("audit_keys"."status" in ('active', 'retiring', 'retired'))
);
--> statement-breakpoint
CREATE TABLE "audit_summaries" (
	"company_id" uuid NOT NULL,
	"hour" timestamp (3) with time zone NOT NULL,
	"secret_key" text NOT NULL,
	"actor_kind" text NOT NULL,
	"actor_id" text NOT NULL,
	"reads" bigint NOT NULL,
	"reveals" bigint NOT NULL,
	"changes" bigint NOT NULL,
	"denials" bigint NOT NULL,
	CONSTRAINT "audit_summaries_pkey" PRIMARY KEY("company_id","hour","secret_key","actor_kind","actor_id"),
	CONSTRAINT "audit_summaries_counts_check" CHECK (least("audit_summaries"."reads", "audit_summaries"."reveals", "audit_summaries"."changes", "audit_summaries"."denials") >= 0)
);
--> statement-breakpoint
CREATE TABLE "audit_verifications" (
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "audit_verifications_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"started_at" timestamp (3) with time zone NOT NULL,
	"finished_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"through_batch" integer NOT NULL,
	"findings" integer NOT NULL,
	CONSTRAINT "audit_verifications_pkey" PRIMARY KEY("id")
);
--> statement-breakpoint
CREATE TABLE "api_key_companies" (
	"company_id" uuid NOT NULL,
	"api_key_id" uuid NOT NULL,
	CONSTRAINT "api_key_companies_pkey" PRIMARY KEY("company_id","api_key_id")
);
--> statement-breakpoint
CREATE TABLE "api_keys" (
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"company_id" uuid,
	"name" text NOT NULL,
	"prefix" text NOT NULL,
	"hash" text NOT NULL,
	"verbs" text[] NOT NULL,
	"key_patterns" text[] NOT NULL,
	"addresses" text[],
	"created_by_kind" text NOT NULL,
	"created_by_id" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"last_used_at" timestamp (3) with time zone,
	"revoked_at" timestamp (3) with time zone,
	"revision" integer NOT NULL,
	"mac_key_version" smallint NOT NULL,
	"mac" "bytea" NOT NULL,
	CONSTRAINT "api_keys_pkey" PRIMARY KEY("id"),
	CONSTRAINT "api_keys_prefix_key" UNIQUE("prefix"),
	CONSTRAINT "api_keys_verbs_check" CHECK (cardinality("api_keys"."verbs") > 0 and "api_keys"."verbs" <@ '{describe,use,write,delete,export}'),
	CONSTRAINT "api_keys_key_patterns_check" CHECK (cardinality("api_keys"."key_patterns") > 0)
);
--> statement-breakpoint
CREATE TABLE "invitations" (
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"company_id" uuid NOT NULL,
	"email" text NOT NULL,
	"role" text NOT NULL,
	"token_hash" text NOT NULL,
	"invited_by_kind" text NOT NULL,
	"invited_by_id" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"accepted_at" timestamp (3) with time zone,
	"revoked_at" timestamp (3) with time zone,
	"mail_id" uuid NOT NULL,
	"mailed_at" timestamp (3) with time zone,
	"mail_failure" text,
	"revision" integer NOT NULL,
	"mac_key_version" smallint NOT NULL,
	"mac" "bytea" NOT NULL,
	CONSTRAINT "invitations_pkey" PRIMARY KEY("id"),
	CONSTRAINT "invitations_token_hash_key" UNIQUE("token_hash"),
	CONSTRAINT "invitations_mail_check" CHECK ("invitations"."mailed_at" is not null or "invitations"."mail_failure" is null),
	CONSTRAINT "invitations_role_check" CHECK ("invitations"."role" in ('owner', 'admin', 'member', 'auditor'))
);
--> statement-breakpoint
CREATE TABLE "member_names" (
	"company_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"name" text NOT NULL,
	CONSTRAINT "member_names_pkey" PRIMARY KEY("company_id","user_id")
);
--> statement-breakpoint
CREATE TABLE "memberships" (
	"company_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"role" text NOT NULL,
	"name" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"revision" integer NOT NULL,
	"mac_key_version" smallint NOT NULL,
	"mac" "bytea" NOT NULL,
	CONSTRAINT "memberships_pkey" PRIMARY KEY("company_id","user_id"),
	CONSTRAINT "memberships_name_check" CHECK (length("memberships"."name") between 1 and 100),
	CONSTRAINT "memberships_role_check" CHECK ("memberships"."role" in ('owner', 'admin', 'member', 'auditor'))
);
--> statement-breakpoint
CREATE TABLE "operators" (
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"name" text NOT NULL,
	"token_prefix" text,
	"token_hash" text,
	"user_id" uuid,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"revoked_at" timestamp (3) with time zone,
	"revision" integer NOT NULL,
	"mac_key_version" smallint NOT NULL,
	"mac" "bytea" NOT NULL,
	CONSTRAINT "operators_pkey" PRIMARY KEY("id"),
	CONSTRAINT "operators_token_prefix_key" UNIQUE("token_prefix"),
	CONSTRAINT "operators_token_or_user_check" CHECK (("operators"."token_hash" is null) = ("operators"."token_prefix" is null) and ("operators"."token_hash" is not null or "operators"."user_id" is not null))
);
--> statement-breakpoint
CREATE TABLE "users" (
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"email" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"disabled_at" timestamp (3) with time zone,
	"name" text DEFAULT '' NOT NULL,
	"email_verified" boolean DEFAULT false NOT NULL,
	"two_factor_enabled" boolean DEFAULT false NOT NULL,
	"image" text,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"revision" integer NOT NULL,
	"mac_key_version" smallint NOT NULL,
	"mac" "bytea" NOT NULL,
	CONSTRAINT "users_pkey" PRIMARY KEY("id"),
	CONSTRAINT "users_email_key" UNIQUE("email"),
	CONSTRAINT "users_email_check" CHECK ("users"."email" = lower("users"."email") and length("users"."email") between 3 and 254 and "users"."email" ~ '^[^[:space:][:cntrl:]@]+@[^[:space:][:cntrl:]@]+$')
);
--> statement-breakpoint
CREATE TABLE "companies" (
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"subdomain" text NOT NULL,
	"infisical_folder" text NOT NULL,
	"secret_store" text NOT NULL,
	"store_epoch" integer DEFAULT 1 NOT NULL,
	"status" text DEFAULT 'active' NOT NULL,
	"home_region" text DEFAULT 'default' NOT NULL,
	"home_epoch" integer DEFAULT 1 NOT NULL,
	"recovery_days" integer DEFAULT 30 NOT NULL,
	"second_factor_required" boolean DEFAULT false NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp (3) with time zone,
	"revision" integer NOT NULL,
	"mac_key_version" smallint NOT NULL,
	"mac" "bytea" NOT NULL,
	CONSTRAINT "companies_pkey" PRIMARY KEY("id"),
	CONSTRAINT "companies_infisical_folder_key" UNIQUE("infisical_folder"),
	CONSTRAINT "companies_subdomain_check" CHECK ("companies"."subdomain" ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
	CONSTRAINT "companies_infisical_folder_check" CHECK ("companies"."infisical_folder" ~ '^[A-Za-z0-9_-]{1,255}$'),
	CONSTRAINT "companies_secret_store_check" CHECK ("companies"."secret_store" in ('infisical', 'hybrid', 'database')),
	CONSTRAINT "companies_status_check" CHECK ("companies"."status" in ('active', 'suspended', 'deleted')),
	CONSTRAINT "companies_recovery_days_check" CHECK ("companies"."recovery_days" between 7 and 90),
	CONSTRAINT "companies_deleted_check" CHECK (("companies"."status" = 'deleted') = ("companies"."deleted_at" is not null)),
	CONSTRAINT "companies_store_epoch_check" CHECK ("companies"."store_epoch" > 0),
	CONSTRAINT "companies_home_epoch_check" CHECK ("companies"."home_epoch" > 0)
);
--> statement-breakpoint
CREATE TABLE "company_subdomains" (
	"company_id" uuid NOT NULL,
	"subdomain" text NOT NULL,
	"since" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "company_subdomains_pkey" PRIMARY KEY("company_id","subdomain")
);
--> statement-breakpoint
CREATE TABLE "company_key_wraps" (
	"company_id" uuid NOT NULL,
	"key_version" integer NOT NULL,
	"region" text NOT NULL,
	"master_key_version" integer NOT NULL,
	"wrapped" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "company_key_wraps_pkey" PRIMARY KEY("company_id","key_version","region","master_key_version")
);
--> statement-breakpoint
CREATE TABLE "company_keys" (
	"company_id" uuid NOT NULL,
	"key_version" integer NOT NULL,
	"status" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"destroyed_at" timestamp (3) with time zone,
	CONSTRAINT "company_keys_pkey" PRIMARY KEY("company_id","key_version"),
	CONSTRAINT "company_keys_key_version_check" CHECK ("company_keys"."key_version" > 0),
	CONSTRAINT "company_keys_status_check" CHECK ("company_keys"."status" in ('active', 'retiring', 'retired', 'destroyed'))
);
--> statement-breakpoint
CREATE TABLE "key_backups" (
	"fingerprint" text NOT NULL,
	"place" text,
	"created_at" timestamp (3) with time zone NOT NULL,
	"checked_at" timestamp (3) with time zone,
	"complete" boolean,
	CONSTRAINT "key_backups_pkey" PRIMARY KEY("fingerprint"),
	CONSTRAINT "key_backups_fingerprint_check" CHECK ("key_backups"."fingerprint" ~ '^sha256:[0-9a-f]{64}$'),
	CONSTRAINT "key_backups_check_check" CHECK (("key_backups"."checked_at" is null) = ("key_backups"."complete" is null))
);
--> statement-breakpoint
CREATE TABLE "master_keys" (
	"region" text NOT NULL,
	"version" integer NOT NULL,
	"status" text NOT NULL,
	"derivation" text NOT NULL,
	"parameters" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"check_value" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"activated_at" timestamp (3) with time zone,
	"retired_at" timestamp (3) with time zone,
	CONSTRAINT "master_keys_pkey" PRIMARY KEY("region","version"),
	CONSTRAINT "master_keys_region_check" CHECK ("master_keys"."region" ~ '^[a-z][a-z0-9-]{0,31}$'),
	CONSTRAINT "master_keys_version_check" CHECK ("master_keys"."version" > 0),
	CONSTRAINT "master_keys_status_check" CHECK ("master_keys"."status" in ('pending', 'active', 'retiring', 'retired', 'destroyed')),
	CONSTRAINT "master_keys_derivation_check" CHECK ("master_keys"."derivation" in ('hkdf-sha256', 'argon2id'))
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
CREATE TABLE "shreddings" (
	"company_id" uuid NOT NULL,
	"receipt" text NOT NULL,
	"signature" text NOT NULL,
	"shredded_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "shreddings_pkey" PRIMARY KEY("company_id")
);
--> statement-breakpoint
CREATE TABLE "rate_limits" (
	"key" text NOT NULL,
	"points" integer NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "rate_limits_pkey" PRIMARY KEY("key"),
	CONSTRAINT "rate_limits_key_check" CHECK (length("rate_limits"."key") between 1 and 200)
);
--> statement-breakpoint
CREATE TABLE "company_stores" (
	"company_id" uuid NOT NULL,
	"changed_at" timestamp (3) with time zone,
	"left_in" text,
	"cleaned_at" timestamp (3) with time zone,
	"verified_at" timestamp (3) with time zone,
	"verified_epoch" integer,
	"is_mirrored" boolean DEFAULT false NOT NULL,
	"mirrored_since" timestamp (3) with time zone,
	"mirror_holder" uuid,
	"mirror_until" timestamp (3) with time zone,
	"mirror_failures" integer DEFAULT 0 NOT NULL,
	"mirror_not_before" timestamp (3) with time zone,
	"mirror_compared_at" timestamp (3) with time zone,
	CONSTRAINT "company_stores_pkey" PRIMARY KEY("company_id"),
	CONSTRAINT "company_stores_left_check" CHECK ("company_stores"."left_in" in ('infisical', 'database')),
	CONSTRAINT "company_stores_verified_check" CHECK (("company_stores"."verified_at" is null) = ("company_stores"."verified_epoch" is null)),
	CONSTRAINT "company_stores_mirrored_check" CHECK ("company_stores"."is_mirrored" = ("company_stores"."mirrored_since" is not null))
);
--> statement-breakpoint
CREATE TABLE "folder_entries" (
	"company_id" uuid NOT NULL,
	"secret_key" text NOT NULL,
	"synced_version" integer NOT NULL,
	"outside_id" text,
	"outside_version" integer,
	"outside_updated_at" timestamp (3) with time zone,
	"finding" text,
	"is_being_written" boolean DEFAULT false NOT NULL,
	"synced_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "folder_entries_pkey" PRIMARY KEY("company_id","secret_key"),
	CONSTRAINT "folder_entries_outside_check" CHECK (("folder_entries"."outside_id" is null) = ("folder_entries"."outside_version" is null) and ("folder_entries"."outside_id" is null) = ("folder_entries"."outside_updated_at" is null))
);
--> statement-breakpoint
CREATE TABLE "migration_companies" (
	"run_id" uuid NOT NULL,
	"company_id" uuid NOT NULL,
	"state" text DEFAULT 'waiting' NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"not_before" timestamp (3) with time zone,
	"error_code" text,
	"error_message" text,
	"result" jsonb,
	"finished_at" timestamp (3) with time zone,
	CONSTRAINT "migration_companies_pkey" PRIMARY KEY("company_id","run_id"),
	CONSTRAINT "migration_companies_state_check" CHECK ("migration_companies"."state" in ('waiting', 'done', 'blocked', 'failed')),
	CONSTRAINT "migration_companies_finished_check" CHECK (("migration_companies"."state" = 'waiting') = ("migration_companies"."finished_at" is null))
);
--> statement-breakpoint
CREATE TABLE "shadow_reads" (
	"company_id" uuid NOT NULL,
	"store_epoch" integer NOT NULL,
	"equal" integer DEFAULT 0 NOT NULL,
	"differs" integer DEFAULT 0 NOT NULL,
	"missing" integer DEFAULT 0 NOT NULL,
	"failed" integer DEFAULT 0 NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "shadow_reads_pkey" PRIMARY KEY("company_id")
);
--> statement-breakpoint
CREATE TABLE "company_homes" (
	"company_id" uuid NOT NULL,
	"home_region" text NOT NULL,
	"home_epoch" integer NOT NULL,
	"withdrawn_at" timestamp (3) with time zone,
	"since" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "company_homes_pkey" PRIMARY KEY("company_id")
);
--> statement-breakpoint
CREATE TABLE "company_regions" (
	"company_id" uuid NOT NULL,
	"region" text NOT NULL,
	"since" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"revision" integer NOT NULL,
	"mac_key_version" smallint NOT NULL,
	"mac" "bytea" NOT NULL,
	CONSTRAINT "company_regions_pkey" PRIMARY KEY("company_id","region")
);
--> statement-breakpoint
CREATE TABLE "region_beats" (
	"target_region" text NOT NULL,
	"home_region" text NOT NULL,
	"beat_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "region_beats_pkey" PRIMARY KEY("target_region","home_region")
);
--> statement-breakpoint
CREATE TABLE "region_copies" (
	"target_region" text NOT NULL,
	"company_id" uuid NOT NULL,
	"kind" text NOT NULL,
	"name" text NOT NULL,
	"home_region" text NOT NULL,
	"home_epoch" integer NOT NULL,
	"revision" bigint NOT NULL,
	"body" text NOT NULL,
	"signature" "bytea",
	CONSTRAINT "region_copies_pkey" PRIMARY KEY("target_region","company_id","kind","name"),
	CONSTRAINT "region_copies_kind_check" CHECK ("region_copies"."kind" in ('company', 'key', 'secret', 'move')),
	CONSTRAINT "region_copies_signature_check" CHECK (("region_copies"."kind" = 'secret') = ("region_copies"."signature" is null)),
	CONSTRAINT "region_copies_home_check" CHECK ("region_copies"."target_region" <> "region_copies"."home_region" and "region_copies"."home_epoch" > 0)
);
--> statement-breakpoint
CREATE TABLE "region_receipts" (
	"company_id" uuid NOT NULL,
	"home_region" text NOT NULL,
	"gone_at" timestamp (3) with time zone NOT NULL,
	"receipt" text NOT NULL,
	"signature" text NOT NULL,
	CONSTRAINT "region_receipts_pkey" PRIMARY KEY("company_id","gone_at")
);
--> statement-breakpoint
CREATE TABLE "region_refusals" (
	"company_id" uuid NOT NULL,
	"kind" text NOT NULL,
	"name" text NOT NULL,
	"subscription" text NOT NULL,
	"operation" text NOT NULL,
	"reason" text NOT NULL,
	"home_epoch" integer NOT NULL,
	"revision" bigint NOT NULL,
	"count" integer DEFAULT 1 NOT NULL,
	"first_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	"last_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "region_refusals_pkey" PRIMARY KEY("company_id","kind","name","subscription")
);
--> statement-breakpoint
CREATE TABLE "regions" (
	"region" text NOT NULL,
	"address" text NOT NULL,
	"transport_key_version" integer NOT NULL,
	"transport_key" text NOT NULL,
	"signing_key_version" integer NOT NULL,
	"signing_key" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"removed_at" timestamp (3) with time zone,
	"revision" integer NOT NULL,
	"mac_key_version" smallint NOT NULL,
	"mac" "bytea" NOT NULL,
	CONSTRAINT "regions_pkey" PRIMARY KEY("region"),
	CONSTRAINT "regions_region_check" CHECK ("regions"."region" ~ '^[a-z][a-z0-9-]{0,19}$'),
	CONSTRAINT "regions_transport_key_check" CHECK ("regions"."transport_key" ~ '^[A-Za-z0-9_-]{43}$'),
	CONSTRAINT "regions_signing_key_check" CHECK ("regions"."signing_key" ~ '^[A-Za-z0-9_-]{43}$'),
	CONSTRAINT "regions_versions_check" CHECK ("regions"."transport_key_version" > 0 and "regions"."signing_key_version" > 0)
);
--> statement-breakpoint
CREATE TABLE "management_requests" (
	"actor_kind" text NOT NULL,
	"actor_id" text NOT NULL,
	"request_id" text NOT NULL,
	"digest" text NOT NULL,
	"answer" jsonb,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "management_requests_pkey" PRIMARY KEY("actor_kind","actor_id","request_id"),
	CONSTRAINT "management_requests_request_id_check" CHECK (length("management_requests"."request_id") between 1 and 100)
);
--> statement-breakpoint
CREATE TABLE "rotation_credentials" (
	"company_id" uuid NOT NULL,
	"secret_key" text NOT NULL,
	"marker" text NOT NULL,
	"run_id" uuid NOT NULL,
	"ref" text,
	"version" integer,
	"state" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "rotation_credentials_pkey" PRIMARY KEY("company_id","secret_key","marker"),
	CONSTRAINT "rotation_credentials_state_check" CHECK ("rotation_credentials"."state" in ('wanted', 'live', 'retiring', 'retired', 'orphan'))
);
--> statement-breakpoint
CREATE TABLE "rotation_policies" (
	"company_id" uuid NOT NULL,
	"secret_key" text NOT NULL,
	"driver" text NOT NULL,
	"settings" jsonb NOT NULL,
	"schedule" jsonb,
	"overlap_seconds" integer NOT NULL,
	"canary" jsonb,
	"manager_key" text,
	"state" text DEFAULT 'active' NOT NULL,
	"reason" text,
	"failures" integer DEFAULT 0 NOT NULL,
	"next_due_at" timestamp (3) with time zone,
	"due_for_version" integer NOT NULL,
	"due_for_expiry" timestamp (3) with time zone,
	"last_run_id" uuid,
	"actor_kind" text NOT NULL,
	"actor_id" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "rotation_policies_pkey" PRIMARY KEY("company_id","secret_key"),
	CONSTRAINT "rotation_policies_state_check" CHECK ("rotation_policies"."state" in ('active', 'paused', 'stuck')),
	CONSTRAINT "rotation_policies_overlap_check" CHECK ("rotation_policies"."overlap_seconds" between 0 and 2592000),
	CONSTRAINT "rotation_policies_failures_check" CHECK ("rotation_policies"."failures" >= 0)
);
--> statement-breakpoint
CREATE TABLE "job_tasks" (
	"name" text NOT NULL,
	CONSTRAINT "job_tasks_pkey" PRIMARY KEY("name")
);
--> statement-breakpoint
CREATE TABLE "runs" (
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"kind" text NOT NULL,
	"subject" text NOT NULL,
	"company_id" uuid,
	"state" text DEFAULT 'running' NOT NULL,
	"phase" text NOT NULL,
	"input" jsonb NOT NULL,
	"facts" jsonb NOT NULL,
	"cursor" jsonb,
	"done" integer DEFAULT 0 NOT NULL,
	"total" integer,
	"rate" real,
	"lease_holder" uuid,
	"lease_until" timestamp (3) with time zone,
	"not_before" timestamp (3) with time zone,
	"fence" bigint DEFAULT 0 NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"error_code" text,
	"error_message" text,
	"requested_by_kind" text NOT NULL,
	"requested_by_id" text NOT NULL,
	"report" text,
	"report_mac" text,
	"started_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp (3) with time zone,
	CONSTRAINT "runs_pkey" PRIMARY KEY("id"),
	CONSTRAINT "runs_state_check" CHECK ("runs"."state" in ('running', 'paused', 'failed', 'cancelling', 'done', 'cancelled')),
	CONSTRAINT "runs_finished_check" CHECK (("runs"."state" in ('done', 'cancelled')) = ("runs"."finished_at" is not null))
);
--> statement-breakpoint
CREATE TABLE "company_secret_versions" (
	"company_id" uuid NOT NULL,
	"secret_key" text NOT NULL,
	"version" integer NOT NULL,
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"previous_version_id" uuid,
	"value_encrypted" text,
	"company_key_version" integer,
	"fingerprint" text,
	"last_four" text,
	"note" text,
	"actor_kind" text NOT NULL,
	"actor_id" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"replaced_at" timestamp (3) with time zone,
	"expires_at" timestamp (3) with time zone,
	"reminder_days" integer[] DEFAULT '{30,7,1}' NOT NULL,
	"reminded_days" integer,
	"check_result" text,
	"checked_at" timestamp (3) with time zone,
	"destroyed_at" timestamp (3) with time zone,
	CONSTRAINT "company_secret_versions_pkey" PRIMARY KEY("company_id","secret_key","version"),
	CONSTRAINT "company_secret_versions_id_key" UNIQUE("company_id","id"),
	CONSTRAINT "company_secret_versions_version_check" CHECK ("company_secret_versions"."version" > 0),
	CONSTRAINT "company_secret_versions_note_check" CHECK (length("company_secret_versions"."note") <= 500),
	CONSTRAINT "company_secret_versions_check_check" CHECK (("company_secret_versions"."check_result" is null) = ("company_secret_versions"."checked_at" is null) and "company_secret_versions"."check_result" in ('accepted', 'rejected', 'unknown'))
);
--> statement-breakpoint
CREATE TABLE "company_secrets" (
	"company_id" uuid NOT NULL,
	"secret_key" text NOT NULL,
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"secret_value_encrypted" text,
	"company_key_version" integer,
	"current_version" integer,
	"pending_version" integer,
	"grace_windows" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"canary" jsonb,
	"last_version" integer NOT NULL,
	"origin" text NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"deleted_at" timestamp (3) with time zone,
	"removed_by_kind" text,
	"removed_by_id" text,
	"recover_until" timestamp (3) with time zone,
	"purged_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"mac_key_version" integer NOT NULL,
	"mac" "bytea" NOT NULL,
	CONSTRAINT "company_secrets_pkey" PRIMARY KEY("company_id","secret_key"),
	CONSTRAINT "company_secrets_id_key" UNIQUE("company_id","id"),
	CONSTRAINT "company_secrets_secret_key_check" CHECK ("company_secrets"."secret_key" ~ '^[A-Za-z][A-Za-z0-9_]{0,99}$'),
	CONSTRAINT "company_secrets_origin_check" CHECK ("company_secrets"."origin" in ('written', 'infisical', 'legacy')),
	CONSTRAINT "company_secrets_sealed_check" CHECK (("company_secrets"."secret_value_encrypted" is null) = ("company_secrets"."company_key_version" is null) and ("company_secrets"."secret_value_encrypted" is null or "company_secrets"."current_version" is not null)),
	CONSTRAINT "company_secrets_versions_check" CHECK ("company_secrets"."last_version" >= 0 and coalesce("company_secrets"."current_version", 0) between 0 and "company_secrets"."last_version" and coalesce("company_secrets"."pending_version", 0) between 0 and "company_secrets"."last_version"),
	CONSTRAINT "company_secrets_grace_windows_check" CHECK (case jsonb_typeof("company_secrets"."grace_windows") when 'array' then jsonb_array_length("company_secrets"."grace_windows") <= 5 else false end),
	CONSTRAINT "company_secrets_canary_check" CHECK (jsonb_typeof("company_secrets"."canary") = 'object'),
	CONSTRAINT "company_secrets_live_check" CHECK ("company_secrets"."deleted_at" is not null or "company_secrets"."pending_version" is not null or "company_secrets"."secret_value_encrypted" is not null)
);
--> statement-breakpoint
CREATE TABLE "secret_uses" (
	"company_id" uuid NOT NULL,
	"secret_key" text NOT NULL,
	"last_used_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "secret_uses_pkey" PRIMARY KEY("company_id","secret_key")
);
--> statement-breakpoint
CREATE TABLE "write_requests" (
	"company_id" uuid NOT NULL,
	"actor_kind" text NOT NULL,
	"actor_id" text NOT NULL,
	"request_id" text NOT NULL,
	"body_mac" text NOT NULL,
	"answer" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "write_requests_pkey" PRIMARY KEY("company_id","actor_kind","actor_id","request_id"),
	CONSTRAINT "write_requests_request_id_check" CHECK (length("write_requests"."request_id") between 1 and 100)
);
--> statement-breakpoint
CREATE TABLE "sign_in"."accounts" (
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"user_id" uuid NOT NULL,
	"account_id" text NOT NULL,
	"provider_id" text NOT NULL,
	"password" text,
	"access_token" text,
	"refresh_token" text,
	"id_token" text,
	"access_token_expires_at" timestamp (3) with time zone,
	"refresh_token_expires_at" timestamp (3) with time zone,
	"scope" text,
	"created_at" timestamp (3) with time zone NOT NULL,
	"updated_at" timestamp (3) with time zone NOT NULL,
	"last_sign_in_at" timestamp (3) with time zone,
	CONSTRAINT "accounts_pkey" PRIMARY KEY("id"),
	CONSTRAINT "accounts_user_provider_key" UNIQUE("user_id","provider_id")
);
--> statement-breakpoint
CREATE TABLE "sign_in"."passkeys" (
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"user_id" uuid NOT NULL,
	"name" text NOT NULL,
	"credential_id" text NOT NULL,
	"public_key" "bytea" NOT NULL,
	"counter" bigint NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"last_used_at" timestamp (3) with time zone,
	CONSTRAINT "passkeys_pkey" PRIMARY KEY("id"),
	CONSTRAINT "passkeys_credential_key" UNIQUE("credential_id")
);
--> statement-breakpoint
CREATE TABLE "sign_in"."sessions" (
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"user_id" uuid NOT NULL,
	"token" text NOT NULL,
	"ip_address" text,
	"user_agent" text,
	"created_at" timestamp (3) with time zone NOT NULL,
	"updated_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"idle_ends_at" timestamp (3) with time zone NOT NULL,
	"confirmed_at" timestamp (3) with time zone NOT NULL,
	"second_factor_at" timestamp (3) with time zone,
	"failed_confirmations" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "sessions_pkey" PRIMARY KEY("id"),
	CONSTRAINT "sessions_token_key" UNIQUE("token")
);
--> statement-breakpoint
CREATE TABLE "sign_in"."two_factors" (
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"user_id" uuid NOT NULL,
	"secret" text NOT NULL,
	"backup_codes" text NOT NULL,
	"verified" boolean DEFAULT false NOT NULL,
	"failed_verification_count" integer DEFAULT 0 NOT NULL,
	"locked_until" timestamp (3) with time zone,
	CONSTRAINT "two_factors_pkey" PRIMARY KEY("id"),
	CONSTRAINT "two_factors_user_key" UNIQUE("user_id")
);
--> statement-breakpoint
CREATE TABLE "sign_in"."used_codes" (
	"user_id" uuid NOT NULL,
	"code_hash" text NOT NULL,
	"used_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "used_codes_pkey" PRIMARY KEY("user_id","code_hash")
);
--> statement-breakpoint
CREATE TABLE "sign_in"."verifications" (
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"identifier" text NOT NULL,
	"value" text NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"updated_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "verifications_pkey" PRIMARY KEY("id")
);
--> statement-breakpoint
CREATE TABLE "outside_writes" (
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"company_id" uuid NOT NULL,
	"store_epoch" integer NOT NULL,
	"secret_key" text NOT NULL,
	"kind" text NOT NULL,
	"is_mirror" boolean DEFAULT false NOT NULL,
	"holder" uuid,
	"value_mac" text,
	"company_key_version" integer,
	"state" text DEFAULT 'in-flight' NOT NULL,
	"started_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	"deadline_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "outside_writes_pkey" PRIMARY KEY("company_id","id"),
	CONSTRAINT "outside_writes_secret_key_check" CHECK ("outside_writes"."secret_key" ~ '^[A-Za-z][A-Za-z0-9_]{0,99}$'),
	CONSTRAINT "outside_writes_kind_check" CHECK ("outside_writes"."kind" in ('put', 'delete')),
	CONSTRAINT "outside_writes_state_check" CHECK ("outside_writes"."state" in ('in-flight', 'unknown', 'abandoned')),
	CONSTRAINT "outside_writes_holder_check" CHECK ("outside_writes"."is_mirror" = ("outside_writes"."holder" is not null)),
	CONSTRAINT "outside_writes_mac_check" CHECK ("outside_writes"."value_mac" is null or "outside_writes"."company_key_version" is not null)
);
--> statement-breakpoint
CREATE TABLE "store_holds" (
	"company_id" uuid NOT NULL,
	"run" uuid NOT NULL,
	"until" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "store_holds_pkey" PRIMARY KEY("company_id")
);
--> statement-breakpoint
CREATE TABLE "notifications" (
	"id" uuid NOT NULL,
	"company_id" uuid,
	"type" text NOT NULL,
	"body" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "notifications_pkey" PRIMARY KEY("id"),
	CONSTRAINT "notifications_body_check" CHECK (octet_length("notifications"."body") between 2 and 4096)
);
--> statement-breakpoint
CREATE TABLE "webhook_attempts" (
	"delivery_id" uuid NOT NULL,
	"company_id" uuid,
	"started_at" timestamp (3) with time zone NOT NULL,
	"milliseconds" real NOT NULL,
	"status" smallint,
	"failure" text,
	CONSTRAINT "webhook_attempts_pkey" PRIMARY KEY("delivery_id","started_at")
);
--> statement-breakpoint
CREATE TABLE "webhook_deliveries" (
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"endpoint_id" uuid NOT NULL,
	"notification_id" uuid NOT NULL,
	"company_id" uuid,
	"type" text NOT NULL,
	"state" text DEFAULT 'waiting' NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"next_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"lease_until" timestamp (3) with time zone,
	"lease_token" bigint DEFAULT 0 NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp (3) with time zone,
	CONSTRAINT "webhook_deliveries_pkey" PRIMARY KEY("id"),
	CONSTRAINT "webhook_deliveries_state_check" CHECK ("webhook_deliveries"."state" in ('waiting', 'delivered', 'dead')),
	CONSTRAINT "webhook_deliveries_finished_check" CHECK (("webhook_deliveries"."state" = 'waiting') = ("webhook_deliveries"."finished_at" is null) and ("webhook_deliveries"."lease_until" is null or "webhook_deliveries"."state" = 'waiting'))
);
--> statement-breakpoint
CREATE TABLE "webhook_endpoints" (
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"company_id" uuid,
	"url" text NOT NULL,
	"types" text[],
	"description" text NOT NULL,
	"state" text DEFAULT 'unverified' NOT NULL,
	"disabled_reason" text,
	"verified_at" timestamp (3) with time zone,
	"per_second" integer NOT NULL,
	"paced_until" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"throttled_until" timestamp (3) with time zone,
	"failing_since" timestamp (3) with time zone,
	"failures" integer DEFAULT 0 NOT NULL,
	"address_failures" integer DEFAULT 0 NOT NULL,
	"secret_number" integer DEFAULT 1 NOT NULL,
	"secret_key_version" integer NOT NULL,
	"previous_key_version" integer,
	"previous_until" timestamp (3) with time zone,
	"actor_kind" text NOT NULL,
	"actor_id" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "webhook_endpoints_pkey" PRIMARY KEY("id"),
	CONSTRAINT "webhook_endpoints_url_check" CHECK (length("webhook_endpoints"."url") between 1 and 2048),
	CONSTRAINT "webhook_endpoints_state_check" CHECK ("webhook_endpoints"."state" in ('unverified', 'active', 'paused', 'disabled')),
	CONSTRAINT "webhook_endpoints_disabled_check" CHECK (("webhook_endpoints"."state" = 'disabled') = ("webhook_endpoints"."disabled_reason" is not null) and "webhook_endpoints"."disabled_reason" in ('gone', 'failures', 'address')),
	CONSTRAINT "webhook_endpoints_rate_check" CHECK ("webhook_endpoints"."per_second" between 1 and 1000),
	CONSTRAINT "webhook_endpoints_previous_check" CHECK (("webhook_endpoints"."previous_key_version" is null) = ("webhook_endpoints"."previous_until" is null) and "webhook_endpoints"."secret_number" > 0)
);
--> statement-breakpoint
ALTER TABLE "approvals" ADD CONSTRAINT "approvals_requested_by_fkey" FOREIGN KEY ("requested_by") REFERENCES "public"."operators"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "approvals" ADD CONSTRAINT "approvals_given_by_fkey" FOREIGN KEY ("given_by") REFERENCES "public"."operators"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "approvals" ADD CONSTRAINT "approvals_refused_by_fkey" FOREIGN KEY ("refused_by") REFERENCES "public"."operators"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "audit_key_wraps" ADD CONSTRAINT "audit_key_wraps_key_fkey" FOREIGN KEY ("purpose","key_version") REFERENCES "public"."audit_keys"("purpose","key_version") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "audit_key_wraps" ADD CONSTRAINT "audit_key_wraps_master_key_fkey" FOREIGN KEY ("region","master_key_version") REFERENCES "public"."master_keys"("region","version") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "api_key_companies" ADD CONSTRAINT "api_key_companies_company_fkey" FOREIGN KEY ("company_id") REFERENCES "public"."companies"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "api_key_companies" ADD CONSTRAINT "api_key_companies_api_key_fkey" FOREIGN KEY ("api_key_id") REFERENCES "public"."api_keys"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_company_fkey" FOREIGN KEY ("company_id") REFERENCES "public"."companies"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "invitations" ADD CONSTRAINT "invitations_company_fkey" FOREIGN KEY ("company_id") REFERENCES "public"."companies"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "member_names" ADD CONSTRAINT "member_names_company_fkey" FOREIGN KEY ("company_id") REFERENCES "public"."companies"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "memberships" ADD CONSTRAINT "memberships_company_fkey" FOREIGN KEY ("company_id") REFERENCES "public"."companies"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "memberships" ADD CONSTRAINT "memberships_user_fkey" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "operators" ADD CONSTRAINT "operators_user_fkey" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "company_subdomains" ADD CONSTRAINT "company_subdomains_company_fkey" FOREIGN KEY ("company_id") REFERENCES "public"."companies"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "company_key_wraps" ADD CONSTRAINT "company_key_wraps_key_fkey" FOREIGN KEY ("company_id","key_version") REFERENCES "public"."company_keys"("company_id","key_version") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "company_key_wraps" ADD CONSTRAINT "company_key_wraps_master_key_fkey" FOREIGN KEY ("region","master_key_version") REFERENCES "public"."master_keys"("region","version") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "company_keys" ADD CONSTRAINT "company_keys_company_fkey" FOREIGN KEY ("company_id") REFERENCES "public"."companies"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "shreddings" ADD CONSTRAINT "shreddings_company_fkey" FOREIGN KEY ("company_id") REFERENCES "public"."companies"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "company_stores" ADD CONSTRAINT "company_stores_company_fkey" FOREIGN KEY ("company_id") REFERENCES "public"."companies"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "folder_entries" ADD CONSTRAINT "folder_entries_company_fkey" FOREIGN KEY ("company_id") REFERENCES "public"."companies"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "migration_companies" ADD CONSTRAINT "migration_companies_company_fkey" FOREIGN KEY ("company_id") REFERENCES "public"."companies"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "migration_companies" ADD CONSTRAINT "migration_companies_run_fkey" FOREIGN KEY ("run_id") REFERENCES "public"."runs"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "shadow_reads" ADD CONSTRAINT "shadow_reads_company_fkey" FOREIGN KEY ("company_id") REFERENCES "public"."companies"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "company_regions" ADD CONSTRAINT "company_regions_company_fkey" FOREIGN KEY ("company_id") REFERENCES "public"."companies"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "company_regions" ADD CONSTRAINT "company_regions_region_fkey" FOREIGN KEY ("region") REFERENCES "public"."regions"("region") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "rotation_credentials" ADD CONSTRAINT "rotation_credentials_secret_fkey" FOREIGN KEY ("company_id","secret_key") REFERENCES "public"."company_secrets"("company_id","secret_key") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "rotation_policies" ADD CONSTRAINT "rotation_policies_secret_fkey" FOREIGN KEY ("company_id","secret_key") REFERENCES "public"."company_secrets"("company_id","secret_key") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "company_secret_versions" ADD CONSTRAINT "company_secret_versions_secret_fkey" FOREIGN KEY ("company_id","secret_key") REFERENCES "public"."company_secrets"("company_id","secret_key") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "company_secret_versions" ADD CONSTRAINT "company_secret_versions_previous_fkey" FOREIGN KEY ("company_id","previous_version_id") REFERENCES "public"."company_secret_versions"("company_id","id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "company_secret_versions" ADD CONSTRAINT "company_secret_versions_key_fkey" FOREIGN KEY ("company_id","company_key_version") REFERENCES "public"."company_keys"("company_id","key_version") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "company_secrets" ADD CONSTRAINT "company_secrets_company_fkey" FOREIGN KEY ("company_id") REFERENCES "public"."companies"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "company_secrets" ADD CONSTRAINT "company_secrets_key_fkey" FOREIGN KEY ("company_id","company_key_version") REFERENCES "public"."company_keys"("company_id","key_version") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "company_secrets" ADD CONSTRAINT "company_secrets_mac_key_fkey" FOREIGN KEY ("company_id","mac_key_version") REFERENCES "public"."company_keys"("company_id","key_version") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "secret_uses" ADD CONSTRAINT "secret_uses_company_fkey" FOREIGN KEY ("company_id") REFERENCES "public"."companies"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "write_requests" ADD CONSTRAINT "write_requests_company_fkey" FOREIGN KEY ("company_id") REFERENCES "public"."companies"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sign_in"."accounts" ADD CONSTRAINT "accounts_user_fkey" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sign_in"."passkeys" ADD CONSTRAINT "passkeys_user_fkey" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sign_in"."sessions" ADD CONSTRAINT "sessions_user_fkey" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sign_in"."two_factors" ADD CONSTRAINT "two_factors_user_fkey" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sign_in"."used_codes" ADD CONSTRAINT "used_codes_user_fkey" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "outside_writes" ADD CONSTRAINT "outside_writes_company_fkey" FOREIGN KEY ("company_id") REFERENCES "public"."companies"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "store_holds" ADD CONSTRAINT "store_holds_company_fkey" FOREIGN KEY ("company_id") REFERENCES "public"."companies"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "notifications" ADD CONSTRAINT "notifications_company_fkey" FOREIGN KEY ("company_id") REFERENCES "public"."companies"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "webhook_attempts" ADD CONSTRAINT "webhook_attempts_delivery_fkey" FOREIGN KEY ("delivery_id") REFERENCES "public"."webhook_deliveries"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_endpoint_fkey" FOREIGN KEY ("endpoint_id") REFERENCES "public"."webhook_endpoints"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_notification_fkey" FOREIGN KEY ("notification_id") REFERENCES "public"."notifications"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "webhook_endpoints" ADD CONSTRAINT "webhook_endpoints_company_fkey" FOREIGN KEY ("company_id") REFERENCES "public"."companies"("id") ON DELETE restrict ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "approvals_requested_by" ON "approvals" USING btree ("requested_by","action");--> statement-breakpoint
CREATE INDEX "audit_checkpoints_interval" ON "audit_checkpoints" USING btree ("floor","to_xid");--> statement-breakpoint
CREATE INDEX "audit_events_company" ON "audit_events" USING btree ("company_id","position");--> statement-breakpoint
CREATE INDEX "audit_events_company_time" ON "audit_events" USING btree ("company_id","id");--> statement-breakpoint
CREATE INDEX "audit_events_secret" ON "audit_events" USING btree ("company_id","secret_key","position");--> statement-breakpoint
CREATE INDEX "audit_events_xid" ON "audit_events" USING btree ("xid");--> statement-breakpoint
CREATE INDEX "audit_events_prunings" ON "audit_events" USING btree ("version") WHERE "audit_events"."action" = 'audit.prune';--> statement-breakpoint
CREATE UNIQUE INDEX "audit_keys_one_active" ON "audit_keys" USING btree ("purpose") WHERE "audit_keys"."status" = 'active';--> statement-breakpoint
CREATE INDEX "api_key_companies_api_key" ON "api_key_companies" USING btree ("api_key_id");--> statement-breakpoint
CREATE INDEX "api_keys_company" ON "api_keys" USING btree ("company_id");--> statement-breakpoint
CREATE INDEX "invitations_mail" ON "invitations" USING btree ("mail_id");--> statement-breakpoint
CREATE UNIQUE INDEX "invitations_open" ON "invitations" USING btree ("company_id","email") WHERE "invitations"."accepted_at" is null and "invitations"."revoked_at" is null;--> statement-breakpoint
CREATE INDEX "memberships_user" ON "memberships" USING btree ("user_id");--> statement-breakpoint
CREATE UNIQUE INDEX "operators_linked" ON "operators" USING btree ("user_id") WHERE "operators"."revoked_at" is null and "operators"."token_hash" is null;--> statement-breakpoint
CREATE UNIQUE INDEX "companies_subdomain_key" ON "companies" USING btree ("subdomain") WHERE "companies"."deleted_at" is null;--> statement-breakpoint
CREATE INDEX "company_subdomains_subdomain" ON "company_subdomains" USING btree ("subdomain");--> statement-breakpoint
CREATE UNIQUE INDEX "company_keys_one_active" ON "company_keys" USING btree ("company_id") WHERE "company_keys"."status" = 'active';--> statement-breakpoint
CREATE INDEX "key_backups_created" ON "key_backups" USING btree ("created_at");--> statement-breakpoint
CREATE UNIQUE INDEX "master_keys_one_active" ON "master_keys" USING btree ("region") WHERE "master_keys"."status" = 'active';--> statement-breakpoint
CREATE INDEX "processes_seen_at" ON "processes" USING btree ("region","seen_at");--> statement-breakpoint
CREATE INDEX "rate_limits_expires_at" ON "rate_limits" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "company_stores_mirrored" ON "company_stores" USING btree ("company_id") WHERE "company_stores"."is_mirrored";--> statement-breakpoint
CREATE INDEX "migration_companies_run" ON "migration_companies" USING btree ("run_id","company_id");--> statement-breakpoint
CREATE INDEX "region_copies_company" ON "region_copies" USING btree ("company_id");--> statement-breakpoint
CREATE INDEX "region_receipts_gone_at" ON "region_receipts" USING btree ("gone_at");--> statement-breakpoint
CREATE INDEX "region_refusals_last_at" ON "region_refusals" USING btree ("last_at");--> statement-breakpoint
CREATE INDEX "management_requests_created_at" ON "management_requests" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "rotation_credentials_state" ON "rotation_credentials" USING btree ("state");--> statement-breakpoint
CREATE INDEX "rotation_policies_due" ON "rotation_policies" USING btree ("next_due_at") WHERE "rotation_policies"."state" = 'active';--> statement-breakpoint
CREATE UNIQUE INDEX "runs_one_unfinished" ON "runs" USING btree ("kind","subject") WHERE "runs"."finished_at" is null;--> statement-breakpoint
CREATE INDEX "runs_started_at" ON "runs" USING btree ("started_at","id");--> statement-breakpoint
CREATE INDEX "runs_of_subject" ON "runs" USING btree ("subject","started_at","id");--> statement-breakpoint
CREATE INDEX "runs_of_company" ON "runs" USING btree ("company_id","started_at","id");--> statement-breakpoint
CREATE INDEX "runs_finished_at" ON "runs" USING btree ("finished_at");--> statement-breakpoint
CREATE INDEX "company_secret_versions_expires_at" ON "company_secret_versions" USING btree ("expires_at") WHERE "company_secret_versions"."expires_at" is not null and "company_secret_versions"."reminded_days" is distinct from -1;--> statement-breakpoint
CREATE INDEX "write_requests_created_at" ON "write_requests" USING btree ("company_id","created_at");--> statement-breakpoint
CREATE INDEX "passkeys_user" ON "sign_in"."passkeys" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "sessions_user" ON "sign_in"."sessions" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "sessions_expires" ON "sign_in"."sessions" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "used_codes_used" ON "sign_in"."used_codes" USING btree ("used_at");--> statement-breakpoint
CREATE INDEX "verifications_identifier" ON "sign_in"."verifications" USING btree ("identifier");--> statement-breakpoint
CREATE INDEX "verifications_expires" ON "sign_in"."verifications" USING btree ("expires_at");--> statement-breakpoint
CREATE UNIQUE INDEX "outside_writes_in_flight" ON "outside_writes" USING btree ("company_id","secret_key") WHERE "outside_writes"."state" = 'in-flight';--> statement-breakpoint
CREATE INDEX "outside_writes_deadline_at" ON "outside_writes" USING btree ("deadline_at");--> statement-breakpoint
CREATE INDEX "notifications_created" ON "notifications" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "webhook_deliveries_waiting" ON "webhook_deliveries" USING btree ("endpoint_id","next_at") WHERE "webhook_deliveries"."state" = 'waiting';--> statement-breakpoint
CREATE INDEX "webhook_deliveries_leased" ON "webhook_deliveries" USING btree ("lease_until") WHERE "webhook_deliveries"."lease_until" is not null;--> statement-breakpoint
CREATE INDEX "webhook_deliveries_of_endpoint" ON "webhook_deliveries" USING btree ("endpoint_id","created_at","id");--> statement-breakpoint
CREATE INDEX "webhook_deliveries_notification" ON "webhook_deliveries" USING btree ("notification_id");--> statement-breakpoint
CREATE INDEX "webhook_endpoints_company" ON "webhook_endpoints" USING btree ("company_id");