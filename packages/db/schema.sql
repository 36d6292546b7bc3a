-- What the migrations and the files in sql/ make. After a change of either: npx vitest run packages/db/src/migrate.db.test.ts --update

create table api_key_companies (
  company_id uuid not null,
  api_key_id uuid not null,
  constraint api_key_companies_api_key_fkey FOREIGN KEY (api_key_id) REFERENCES api_keys(id) ON DELETE RESTRICT,
  constraint api_key_companies_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint api_key_companies_pkey PRIMARY KEY (company_id, api_key_id)
);
CREATE INDEX api_key_companies_api_key ON public.api_key_companies USING btree (api_key_id);
CREATE TRIGGER notify_list AFTER INSERT ON public.api_key_companies FOR EACH ROW EXECUTE FUNCTION notify_of_api_key_company();
alter table api_key_companies enable row level security;
alter table api_key_companies force row level security;
create policy company on api_key_companies for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on api_key_companies for all to tenant_secrets_maintenance using true with check true;
grant delete, insert, select on api_key_companies to tenant_secrets_maintenance;

create table api_keys (
  id uuid not null default gen_random_uuid(),
  company_id uuid,
  name text not null,
  prefix text not null,
  hash text not null,
  verbs text[] not null,
  key_patterns text[] not null,
  addresses text[],
  created_by_kind text not null,
  created_by_id text not null,
  created_at timestamp(3) with time zone not null default now(),
  expires_at timestamp(3) with time zone not null,
  last_used_at timestamp(3) with time zone,
  revoked_at timestamp(3) with time zone,
  revision integer not null,
  mac_key_version smallint not null,
  mac bytea not null,
  constraint api_keys_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint api_keys_key_patterns_check CHECK ((cardinality(key_patterns) > 0)),
  constraint api_keys_pkey PRIMARY KEY (id),
  constraint api_keys_prefix_key UNIQUE (prefix),
  constraint api_keys_verbs_check CHECK (((cardinality(verbs) > 0) AND (verbs <@ '{describe,use,write,delete,export}'::text[])))
);
CREATE INDEX api_keys_company ON public.api_keys USING btree (company_id);
CREATE TRIGGER mac_under_key_in_use BEFORE INSERT OR UPDATE OF revision, mac_key_version, mac ON public.api_keys FOR EACH ROW EXECUTE FUNCTION refuse_row_mac();
CREATE TRIGGER notify_change AFTER INSERT OR DELETE OR UPDATE OF company_id, prefix, hash, verbs, key_patterns, addresses, expires_at, revoked_at ON public.api_keys FOR EACH STATEMENT EXECUTE FUNCTION notify_subject('credentials');
CREATE TRIGGER notify_list AFTER INSERT OR UPDATE OF expires_at, revoked_at ON public.api_keys FOR EACH ROW EXECUTE FUNCTION notify_of_api_key();
CREATE TRIGGER revoked_for_good BEFORE UPDATE ON public.api_keys FOR EACH ROW WHEN (((old.revoked_at IS NOT NULL) AND (new.revoked_at IS NULL))) EXECUTE FUNCTION refuse_revival();
alter table api_keys enable row level security;
alter table api_keys force row level security;
create policy company on api_keys for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on api_keys for all to tenant_secrets_maintenance using true with check true;
grant delete, insert, select, update on api_keys to tenant_secrets_maintenance;

create table approvals (
  id uuid not null default gen_random_uuid(),
  action text not null,
  parameters text not null,
  requested_by uuid not null,
  requested_at timestamp(3) with time zone not null default now(),
  expires_at timestamp(3) with time zone not null,
  given_by uuid,
  given_at timestamp(3) with time zone,
  refused_by uuid,
  refused_at timestamp(3) with time zone,
  used_at timestamp(3) with time zone,
  revision integer not null,
  mac_key_version smallint not null,
  mac bytea not null,
  constraint approvals_action_check CHECK ((action = ANY (ARRAY['key.destroy'::text, 'key.shred'::text, 'key.emergency-rotate'::text]))),
  constraint approvals_given_by_fkey FOREIGN KEY (given_by) REFERENCES operators(id) ON DELETE RESTRICT,
  constraint approvals_pkey PRIMARY KEY (id),
  constraint approvals_refused_by_fkey FOREIGN KEY (refused_by) REFERENCES operators(id) ON DELETE RESTRICT,
  constraint approvals_requested_by_fkey FOREIGN KEY (requested_by) REFERENCES operators(id) ON DELETE RESTRICT
);
CREATE INDEX approvals_requested_by ON public.approvals USING btree (requested_by, action);
CREATE TRIGGER mac_under_key_in_use BEFORE INSERT OR UPDATE OF revision, mac_key_version, mac ON public.approvals FOR EACH ROW EXECUTE FUNCTION refuse_row_mac();
grant insert, select, update on approvals to tenant_secrets_maintenance;

create table audit_checkpoints (
  index integer not null,
  cluster text not null,
  floor bigint not null,
  from_xid xid8 not null,
  to_xid xid8 not null,
  size integer not null,
  leaves bytea not null,
  checkpoint text not null,
  signature text not null,
  sealed_at timestamp(3) with time zone not null default now(),
  timeline integer,
  timeline_signature text,
  constraint audit_checkpoints_index_check CHECK ((index > 0)),
  constraint audit_checkpoints_interval_check CHECK ((from_xid <= to_xid)),
  constraint audit_checkpoints_pkey PRIMARY KEY (index),
  constraint audit_checkpoints_size_check CHECK (((size >= 0) AND (octet_length(leaves) = (48 * size))))
);
CREATE INDEX audit_checkpoints_interval ON public.audit_checkpoints USING btree (floor, to_xid);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_checkpoints FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
grant insert, select on audit_checkpoints to tenant_secrets_maintenance;

create table audit_events (
  id uuid not null,
  company_id uuid,
  occurred_at timestamp(3) with time zone not null,
  actor_kind text not null,
  actor_id text not null,
  action text not null,
  secret_key text,
  version integer,
  outcome text not null,
  reason text,
  subject text,
  request_id text,
  address text,
  count integer not null default 1,
  last_at timestamp(3) with time zone,
  writer_id uuid,
  sequence_no bigint,
  xid xid8 not null default pg_current_xact_id(),
  nonce bytea not null,
  mac_key_version smallint not null,
  mac bytea not null,
  "position" bigint not null,
  constraint audit_events_count_check CHECK ((count > 0)),
  constraint audit_events_mac_check CHECK (((octet_length(nonce) = 16) AND (octet_length(mac) = 32))),
  constraint audit_events_outcome_check CHECK ((outcome = ANY (ARRAY['success'::text, 'denied'::text, 'attempted'::text, 'failed'::text, 'unknown'::text]))),
  constraint audit_events_pkey PRIMARY KEY (id),
  constraint audit_events_sequence_check CHECK ((((writer_id IS NULL) = (sequence_no IS NULL)) AND (sequence_no > 0)))
);
CREATE INDEX audit_events_company ON public.audit_events USING btree (company_id, "position");
CREATE INDEX audit_events_company_time ON public.audit_events USING btree (company_id, id);
CREATE INDEX audit_events_prunings ON public.audit_events USING btree (version) WHERE (action = 'audit.prune'::text);
CREATE INDEX audit_events_secret ON public.audit_events USING btree (company_id, secret_key, "position");
CREATE INDEX audit_events_xid ON public.audit_events USING btree (xid);
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON public.audit_events FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER keep_events BEFORE DELETE ON public.audit_events FOR EACH ROW EXECUTE FUNCTION refuse_audit_removal();
alter table audit_events enable row level security;
alter table audit_events force row level security;
create policy append on audit_events for insert to tenant_secrets_application with check true;
create policy company on audit_events for select to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on audit_events for all to tenant_secrets_maintenance using true with check true;
grant delete, insert, select on audit_events to tenant_secrets_maintenance;
grant insert, select on audit_events to tenant_secrets_application;

create table audit_key_wraps (
  purpose text not null,
  key_version integer not null,
  region text not null,
  master_key_version integer not null,
  wrapped text not null,
  created_at timestamp(3) with time zone not null default now(),
  constraint audit_key_wraps_key_fkey FOREIGN KEY (purpose, key_version) REFERENCES audit_keys(purpose, key_version) ON DELETE RESTRICT,
  constraint audit_key_wraps_master_key_fkey FOREIGN KEY (region, master_key_version) REFERENCES master_keys(region, version) ON DELETE RESTRICT,
  constraint audit_key_wraps_pkey PRIMARY KEY (purpose, key_version, region, master_key_version)
);
CREATE TRIGGER last_wrap_stays BEFORE DELETE ON public.audit_key_wraps FOR EACH ROW EXECUTE FUNCTION refuse_audit_unwrap();
CREATE TRIGGER wrap_under_active_key BEFORE INSERT ON public.audit_key_wraps FOR EACH ROW EXECUTE FUNCTION refuse_wrap();
grant delete, insert, select on audit_key_wraps to tenant_secrets_maintenance;

create table audit_keys (
  purpose text not null,
  key_version integer not null,
  status text not null,
  public_key text,
  created_at timestamp(3) with time zone not null default now(),
  constraint audit_keys_pkey PRIMARY KEY (purpose, key_version),
  constraint audit_keys_purpose_check CHECK ((purpose = ANY (ARRAY['mac'::text, 'signing'::text, 'row'::text, 'webhook'::text, 'transport'::text, 'copies'::text]))),
  constraint audit_keys_status_check CHECK ((status = ANY (ARRAY['active'::text, 'retiring'::text, 'retired'::text])))
);
CREATE TRIGGER notify_change AFTER INSERT OR UPDATE ON public.audit_keys FOR EACH STATEMENT EXECUTE FUNCTION notify_subject('master-keys');
CREATE UNIQUE INDEX audit_keys_one_active ON public.audit_keys USING btree (purpose) WHERE (status = 'active'::text);
grant insert, select, update on audit_keys to tenant_secrets_maintenance;

create table audit_summaries (
  company_id uuid not null,
  hour timestamp(3) with time zone not null,
  secret_key text not null,
  actor_kind text not null,
  actor_id text not null,
  reads bigint not null,
  reveals bigint not null,
  changes bigint not null,
  denials bigint not null,
  constraint audit_summaries_counts_check CHECK ((LEAST(reads, reveals, changes, denials) >= 0)),
  constraint audit_summaries_pkey PRIMARY KEY (company_id, hour, secret_key, actor_kind, actor_id)
);
alter table audit_summaries enable row level security;
alter table audit_summaries force row level security;
create policy company on audit_summaries for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on audit_summaries for all to tenant_secrets_maintenance using true with check true;
grant delete, insert, select, update on audit_summaries to tenant_secrets_maintenance;
grant select on audit_summaries to tenant_secrets_application;

create table audit_verifications (
  id bigint not null,
  started_at timestamp(3) with time zone not null,
  finished_at timestamp(3) with time zone not null default now(),
  through_batch integer not null,
  findings integer not null,
  constraint audit_verifications_pkey PRIMARY KEY (id)
);
grant insert, select on audit_verifications to tenant_secrets_maintenance;

create table companies (
  id uuid not null default gen_random_uuid(),
  subdomain text not null,
  infisical_folder text not null,
  secret_store text not null,
  store_epoch integer not null default 1,
  status text not null default 'active'::text,
  home_region text not null default 'default'::text,
  home_epoch integer not null default 1,
  recovery_days integer not null default 30,
  second_factor_required boolean not null default false,
  created_at timestamp(3) with time zone not null default now(),
  updated_at timestamp(3) with time zone not null default now(),
  deleted_at timestamp(3) with time zone,
  revision integer not null,
  mac_key_version smallint not null,
  mac bytea not null,
  constraint companies_deleted_check CHECK (((status = 'deleted'::text) = (deleted_at IS NOT NULL))),
  constraint companies_home_epoch_check CHECK ((home_epoch > 0)),
  constraint companies_infisical_folder_check CHECK ((infisical_folder ~ '^[A-Za-z0-9_-]{1,255}$'::text)),
  constraint companies_infisical_folder_key UNIQUE (infisical_folder),
  constraint companies_pkey PRIMARY KEY (id),
  constraint companies_recovery_days_check CHECK (((recovery_days >= 7) AND (recovery_days <= 90))),
  constraint companies_secret_store_check CHECK ((secret_store = ANY (ARRAY['infisical'::text, 'hybrid'::text, 'database'::text]))),
  constraint companies_status_check CHECK ((status = ANY (ARRAY['active'::text, 'suspended'::text, 'deleted'::text]))),
  constraint companies_store_epoch_check CHECK ((store_epoch > 0)),
  constraint companies_subdomain_check CHECK ((subdomain ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text)),
  constraint complete_copies TRIGGER DEFERRABLE INITIALLY DEFERRED,
  constraint held_store TRIGGER DEFERRABLE INITIALLY DEFERRED
);
CREATE CONSTRAINT TRIGGER complete_copies AFTER UPDATE ON public.companies DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((((new.subdomain IS DISTINCT FROM old.subdomain) OR (new.status IS DISTINCT FROM old.status)) OR (new.home_region IS DISTINCT FROM old.home_region)) OR (new.home_epoch IS DISTINCT FROM old.home_epoch))) EXECUTE FUNCTION require_copies();
CREATE CONSTRAINT TRIGGER held_store AFTER UPDATE ON public.companies DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((new.secret_store IS DISTINCT FROM old.secret_store)) EXECUTE FUNCTION refuse_unheld_store();
CREATE TRIGGER copy_home AFTER UPDATE ON public.companies FOR EACH ROW WHEN (((new.home_region IS DISTINCT FROM old.home_region) OR (new.home_epoch IS DISTINCT FROM old.home_epoch))) EXECUTE FUNCTION copy_with_home();
CREATE TRIGGER fenced_home BEFORE UPDATE ON public.companies FOR EACH ROW WHEN ((((new.home_epoch < old.home_epoch) OR (new.home_epoch > (old.home_epoch + 1))) OR ((new.home_region <> old.home_region) AND (new.home_epoch = old.home_epoch)))) EXECUTE FUNCTION refuse_earlier_home();
CREATE TRIGGER fenced_store BEFORE UPDATE ON public.companies FOR EACH ROW EXECUTE FUNCTION refuse_unfenced_store();
CREATE TRIGGER keep_company BEFORE DELETE ON public.companies FOR EACH ROW EXECUTE FUNCTION keep_company();
CREATE TRIGGER keep_subdomain AFTER INSERT OR UPDATE OF subdomain ON public.companies FOR EACH ROW EXECUTE FUNCTION keep_company_subdomain();
CREATE TRIGGER mac_under_key_in_use BEFORE INSERT OR UPDATE OF revision, mac_key_version, mac ON public.companies FOR EACH ROW EXECUTE FUNCTION refuse_row_mac();
CREATE TRIGGER notify_delete AFTER DELETE ON public.companies REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION notify_companies('id', 'company');
CREATE TRIGGER notify_insert AFTER INSERT ON public.companies REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION notify_companies('id', 'company');
CREATE TRIGGER notify_update AFTER UPDATE ON public.companies REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION notify_companies('id', 'company');
CREATE TRIGGER withdraw_copies AFTER UPDATE ON public.companies FOR EACH ROW WHEN ((new.status <> 'active'::text)) EXECUTE FUNCTION withdraw_company();
CREATE UNIQUE INDEX companies_subdomain_key ON public.companies USING btree (subdomain) WHERE (deleted_at IS NULL);
alter table companies enable row level security;
alter table companies force row level security;
create policy company on companies for all to tenant_secrets_application using (id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy copies on companies for select to tenant_secrets_copies using true;
create policy maintenance on companies for all to tenant_secrets_maintenance using true with check true;
create policy mover on companies for select to tenant_secrets_mover using true;
grant delete, insert, select, update on companies to tenant_secrets_maintenance;
grant select on companies to tenant_secrets_application;

create table company_homes (
  company_id uuid not null,
  home_region text not null,
  home_epoch integer not null,
  withdrawn_at timestamp(3) with time zone,
  since timestamp(3) with time zone not null default clock_timestamp(),
  constraint company_homes_pkey PRIMARY KEY (company_id)
);
alter table company_homes enable row level security;
alter table company_homes force row level security;
create policy company on company_homes for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy copies on company_homes for all to tenant_secrets_copies using true with check true;
create policy maintenance on company_homes for all to tenant_secrets_maintenance using true with check true;
create policy mover on company_homes for select to tenant_secrets_mover using true;
create policy reader on company_homes for select to tenant_secrets_reader using true;
grant select on company_homes to tenant_secrets_application;
grant select on company_homes to tenant_secrets_maintenance;

create table company_key_wraps (
  company_id uuid not null,
  key_version integer not null,
  region text not null,
  master_key_version integer not null,
  wrapped text not null,
  created_at timestamp(3) with time zone not null default now(),
  constraint company_key_wraps_key_fkey FOREIGN KEY (company_id, key_version) REFERENCES company_keys(company_id, key_version) ON DELETE RESTRICT,
  constraint company_key_wraps_master_key_fkey FOREIGN KEY (region, master_key_version) REFERENCES master_keys(region, version) ON DELETE RESTRICT,
  constraint company_key_wraps_pkey PRIMARY KEY (company_id, key_version, region, master_key_version)
);
CREATE TRIGGER last_wrap_stays BEFORE DELETE ON public.company_key_wraps FOR EACH ROW EXECUTE FUNCTION refuse_unwrap();
CREATE TRIGGER wrap_of_living_key BEFORE INSERT ON public.company_key_wraps FOR EACH ROW EXECUTE FUNCTION refuse_company_wrap();
CREATE TRIGGER wrap_under_active_key BEFORE INSERT ON public.company_key_wraps FOR EACH ROW EXECUTE FUNCTION refuse_wrap();
alter table company_key_wraps enable row level security;
alter table company_key_wraps force row level security;
create policy company on company_key_wraps for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on company_key_wraps for all to tenant_secrets_maintenance using true with check true;
create policy mover on company_key_wraps for all to tenant_secrets_mover using true;
grant delete, insert, select on company_key_wraps to tenant_secrets_maintenance;
grant insert, select on company_key_wraps to tenant_secrets_application;

create table company_keys (
  company_id uuid not null,
  key_version integer not null,
  status text not null,
  created_at timestamp(3) with time zone not null default now(),
  destroyed_at timestamp(3) with time zone,
  constraint company_keys_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint company_keys_key_version_check CHECK ((key_version > 0)),
  constraint company_keys_pkey PRIMARY KEY (company_id, key_version),
  constraint company_keys_status_check CHECK ((status = ANY (ARRAY['active'::text, 'retiring'::text, 'retired'::text, 'destroyed'::text]))),
  constraint complete_copies TRIGGER DEFERRABLE INITIALLY DEFERRED
);
CREATE CONSTRAINT TRIGGER complete_copies AFTER INSERT ON public.company_keys DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_copies();
CREATE TRIGGER company_key_destroyed BEFORE INSERT OR UPDATE ON public.company_keys FOR EACH ROW EXECUTE FUNCTION refuse_company_key();
CREATE TRIGGER notify_delete AFTER DELETE ON public.company_keys REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION notify_companies('company_id', 'company-keys');
CREATE TRIGGER notify_insert AFTER INSERT ON public.company_keys REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION notify_companies('company_id', 'company-keys');
CREATE TRIGGER notify_update AFTER UPDATE ON public.company_keys REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION notify_companies('company_id', 'company-keys');
CREATE TRIGGER withdraw_copies AFTER UPDATE ON public.company_keys FOR EACH ROW WHEN ((new.status = 'destroyed'::text)) EXECUTE FUNCTION withdraw_key();
CREATE UNIQUE INDEX company_keys_one_active ON public.company_keys USING btree (company_id) WHERE (status = 'active'::text);
alter table company_keys enable row level security;
alter table company_keys force row level security;
create policy company on company_keys for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy copies on company_keys for select to tenant_secrets_copies using true;
create policy maintenance on company_keys for all to tenant_secrets_maintenance using true with check true;
create policy mover on company_keys for all to tenant_secrets_mover using true;
grant insert, select on company_keys to tenant_secrets_application;
grant insert, select, update on company_keys to tenant_secrets_maintenance;

create table company_regions (
  company_id uuid not null,
  region text not null,
  since timestamp(3) with time zone not null default now(),
  revision integer not null,
  mac_key_version smallint not null,
  mac bytea not null,
  constraint company_regions_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint company_regions_pkey PRIMARY KEY (company_id, region),
  constraint company_regions_region_fkey FOREIGN KEY (region) REFERENCES regions(region) ON DELETE RESTRICT,
  constraint complete_copies TRIGGER DEFERRABLE INITIALLY DEFERRED
);
CREATE CONSTRAINT TRIGGER complete_copies AFTER INSERT ON public.company_regions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_copies();
CREATE TRIGGER alone BEFORE INSERT OR DELETE OR UPDATE ON public.company_regions FOR EACH ROW EXECUTE FUNCTION change_company_region();
CREATE TRIGGER copy_all AFTER INSERT OR DELETE ON public.company_regions FOR EACH ROW EXECUTE FUNCTION copy_to_region();
CREATE TRIGGER mac_under_key_in_use BEFORE INSERT OR UPDATE OF revision, mac_key_version, mac ON public.company_regions FOR EACH ROW EXECUTE FUNCTION refuse_row_mac();
alter table company_regions enable row level security;
alter table company_regions force row level security;
create policy company on company_regions for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy copies on company_regions for select to tenant_secrets_copies using true;
create policy maintenance on company_regions for all to tenant_secrets_maintenance using true with check true;
grant delete, insert, select, update on company_regions to tenant_secrets_maintenance;
grant select on company_regions to tenant_secrets_application;

create table company_secret_versions (
  company_id uuid not null,
  secret_key text not null,
  version integer not null,
  id uuid not null default gen_random_uuid(),
  previous_version_id uuid,
  value_encrypted text,
  company_key_version integer,
  fingerprint text,
  last_four text,
  note text,
  actor_kind text not null,
  actor_id text not null,
  created_at timestamp(3) with time zone not null default now(),
  replaced_at timestamp(3) with time zone,
  expires_at timestamp(3) with time zone,
  reminder_days integer[] not null default '{30,7,1}'::integer[],
  reminded_days integer,
  check_result text,
  checked_at timestamp(3) with time zone,
  destroyed_at timestamp(3) with time zone,
  constraint company_secret_versions_check_check CHECK ((((check_result IS NULL) = (checked_at IS NULL)) AND (check_result = ANY (ARRAY['accepted'::text, 'rejected'::text, 'unknown'::text])))),
  constraint company_secret_versions_id_key UNIQUE (company_id, id),
  constraint company_secret_versions_key_fkey FOREIGN KEY (company_id, company_key_version) REFERENCES company_keys(company_id, key_version) ON DELETE RESTRICT,
  constraint company_secret_versions_note_check CHECK ((length(note) <= 500)),
  constraint company_secret_versions_pkey PRIMARY KEY (company_id, secret_key, version),
  constraint company_secret_versions_previous_fkey FOREIGN KEY (company_id, previous_version_id) REFERENCES company_secret_versions(company_id, id) ON DELETE RESTRICT,
  constraint company_secret_versions_secret_fkey FOREIGN KEY (company_id, secret_key) REFERENCES company_secrets(company_id, secret_key) ON DELETE RESTRICT,
  constraint company_secret_versions_version_check CHECK ((version > 0))
);
CREATE INDEX company_secret_versions_expires_at ON public.company_secret_versions USING btree (expires_at) WHERE ((expires_at IS NOT NULL) AND (reminded_days IS DISTINCT FROM '-1'::integer));
CREATE INDEX company_secret_versions_replaced ON public.company_secret_versions USING btree (company_id, secret_key, replaced_at, version) WHERE ((value_encrypted IS NOT NULL) AND (replaced_at IS NOT NULL));
CREATE TRIGGER company_key_destroyed BEFORE INSERT OR UPDATE ON public.company_secret_versions FOR EACH ROW WHEN ((new.value_encrypted IS NOT NULL)) EXECUTE FUNCTION refuse_inactive_company_key('version');
CREATE TRIGGER immutable_version BEFORE UPDATE ON public.company_secret_versions FOR EACH ROW EXECUTE FUNCTION refuse_version_change();
CREATE TRIGGER notify_delete AFTER DELETE ON public.company_secret_versions FOR EACH ROW EXECUTE FUNCTION notify_of_version();
CREATE TRIGGER notify_update AFTER UPDATE ON public.company_secret_versions FOR EACH ROW WHEN ((old.value_encrypted IS DISTINCT FROM new.value_encrypted)) EXECUTE FUNCTION notify_of_version();
alter table company_secret_versions enable row level security;
alter table company_secret_versions force row level security;
create policy company on company_secret_versions for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on company_secret_versions for all to tenant_secrets_maintenance using true with check true;
create policy mover on company_secret_versions for all to tenant_secrets_mover using true;
grant insert, select on company_secret_versions to tenant_secrets_application;
grant insert, select, update on company_secret_versions to tenant_secrets_maintenance;
grant update (check_result, checked_at, company_key_version, destroyed_at, expires_at, fingerprint, last_four, reminded_days, reminder_days, replaced_at, value_encrypted) on company_secret_versions to tenant_secrets_application;

create table company_secrets (
  company_id uuid not null,
  secret_key text not null,
  id uuid not null default gen_random_uuid(),
  secret_value_encrypted text,
  company_key_version integer,
  current_version integer,
  pending_version integer,
  grace_windows jsonb not null default '[]'::jsonb,
  canary jsonb,
  last_version integer not null,
  origin text not null,
  expires_at timestamp(3) with time zone,
  deleted_at timestamp(3) with time zone,
  removed_by_kind text,
  removed_by_id text,
  recover_until timestamp(3) with time zone,
  purged_at timestamp(3) with time zone,
  created_at timestamp(3) with time zone not null default now(),
  updated_at timestamp(3) with time zone not null default now(),
  mac_key_version integer not null,
  mac bytea not null,
  constraint company_secrets_canary_check CHECK ((jsonb_typeof(canary) = 'object'::text)),
  constraint company_secrets_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint company_secrets_grace_windows_check CHECK (
CASE jsonb_typeof(grace_windows)
    WHEN 'array'::text THEN (jsonb_array_length(grace_windows) <= 5)
    ELSE false
END),
  constraint company_secrets_id_key UNIQUE (company_id, id),
  constraint company_secrets_key_fkey FOREIGN KEY (company_id, company_key_version) REFERENCES company_keys(company_id, key_version) ON DELETE RESTRICT,
  constraint company_secrets_live_check CHECK (((deleted_at IS NOT NULL) OR (pending_version IS NOT NULL) OR (secret_value_encrypted IS NOT NULL))),
  constraint company_secrets_mac_key_fkey FOREIGN KEY (company_id, mac_key_version) REFERENCES company_keys(company_id, key_version) ON DELETE RESTRICT,
  constraint company_secrets_origin_check CHECK ((origin = ANY (ARRAY['written'::text, 'infisical'::text, 'legacy'::text]))),
  constraint company_secrets_pkey PRIMARY KEY (company_id, secret_key),
  constraint company_secrets_sealed_check CHECK ((((secret_value_encrypted IS NULL) = (company_key_version IS NULL)) AND ((secret_value_encrypted IS NULL) OR (current_version IS NOT NULL)))),
  constraint company_secrets_secret_key_check CHECK ((secret_key ~ '^[A-Za-z][A-Za-z0-9_]{0,99}$'::text)),
  constraint company_secrets_versions_check CHECK (((last_version >= 0) AND ((COALESCE(current_version, 0) >= 0) AND (COALESCE(current_version, 0) <= last_version)) AND ((COALESCE(pending_version, 0) >= 0) AND (COALESCE(pending_version, 0) <= last_version)))),
  constraint mirror_insert TRIGGER DEFERRABLE INITIALLY DEFERRED,
  constraint mirror_update TRIGGER DEFERRABLE INITIALLY DEFERRED
);
CREATE CONSTRAINT TRIGGER mirror_insert AFTER INSERT ON public.company_secrets DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION enqueue_mirror();
CREATE CONSTRAINT TRIGGER mirror_update AFTER UPDATE ON public.company_secrets DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((old.current_version IS DISTINCT FROM new.current_version) OR ((old.deleted_at IS NULL) <> (new.deleted_at IS NULL)))) EXECUTE FUNCTION enqueue_mirror();
CREATE INDEX company_secrets_recover_until ON public.company_secrets USING btree (recover_until) WHERE ((deleted_at IS NOT NULL) AND (purged_at IS NULL));
CREATE TRIGGER company_key_destroyed BEFORE INSERT ON public.company_secrets FOR EACH ROW WHEN ((new.secret_value_encrypted IS NOT NULL)) EXECUTE FUNCTION refuse_inactive_company_key('head');
CREATE TRIGGER company_key_destroyed_update BEFORE UPDATE ON public.company_secrets FOR EACH ROW WHEN (((new.secret_value_encrypted IS NOT NULL) AND (((new.secret_value_encrypted IS DISTINCT FROM old.secret_value_encrypted) AND (new.secret_value_encrypted <> 'destroyed'::text)) OR ((old.deleted_at IS NOT NULL) AND (new.deleted_at IS NULL))))) EXECUTE FUNCTION refuse_inactive_company_key('head');
CREATE TRIGGER copy_delete AFTER DELETE ON public.company_secrets REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION forget_copies_of_secrets();
CREATE TRIGGER copy_insert AFTER INSERT ON public.company_secrets REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION copy_changed_secrets();
CREATE TRIGGER copy_update AFTER UPDATE ON public.company_secrets REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION copy_changed_secrets();
CREATE TRIGGER gapless_versions BEFORE UPDATE ON public.company_secrets FOR EACH ROW EXECUTE FUNCTION refuse_version_reuse();
CREATE TRIGGER head_mac_under_living_key BEFORE INSERT OR UPDATE OF mac_key_version, mac ON public.company_secrets FOR EACH ROW EXECUTE FUNCTION refuse_head_mac();
CREATE TRIGGER notify_delete AFTER DELETE ON public.company_secrets REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION notify_companies('company_id', 'company-secrets');
CREATE TRIGGER notify_insert AFTER INSERT ON public.company_secrets REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION notify_companies('company_id', 'company-secrets');
CREATE TRIGGER notify_update AFTER UPDATE ON public.company_secrets REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION notify_companies('company_id', 'company-secrets');
alter table company_secrets enable row level security;
alter table company_secrets force row level security;
create policy company on company_secrets for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy copies on company_secrets for select to tenant_secrets_copies using true;
create policy maintenance on company_secrets for all to tenant_secrets_maintenance using true with check true;
create policy mover on company_secrets for all to tenant_secrets_mover using true;
create policy reader on company_secrets for select to tenant_secrets_reader using true;
grant insert, select, update on company_secrets to tenant_secrets_application;
grant insert, select, update on company_secrets to tenant_secrets_maintenance;

create table company_stores (
  company_id uuid not null,
  changed_at timestamp(3) with time zone,
  left_in text,
  cleaned_at timestamp(3) with time zone,
  verified_at timestamp(3) with time zone,
  verified_epoch integer,
  is_mirrored boolean not null default false,
  mirrored_since timestamp(3) with time zone,
  mirror_holder uuid,
  mirror_until timestamp(3) with time zone,
  mirror_failures integer not null default 0,
  mirror_not_before timestamp(3) with time zone,
  mirror_compared_at timestamp(3) with time zone,
  constraint company_stores_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint company_stores_left_check CHECK ((left_in = ANY (ARRAY['infisical'::text, 'database'::text]))),
  constraint company_stores_mirrored_check CHECK ((is_mirrored = (mirrored_since IS NOT NULL))),
  constraint company_stores_pkey PRIMARY KEY (company_id),
  constraint company_stores_verified_check CHECK (((verified_at IS NULL) = (verified_epoch IS NULL)))
);
CREATE INDEX company_stores_mirrored ON public.company_stores USING btree (company_id) WHERE is_mirrored;
alter table company_stores enable row level security;
alter table company_stores force row level security;
create policy company on company_stores for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on company_stores for all to tenant_secrets_maintenance using true with check true;
grant insert, select, update on company_stores to tenant_secrets_maintenance;
grant select on company_stores to tenant_secrets_application;

create table company_subdomains (
  company_id uuid not null,
  subdomain text not null,
  since timestamp(3) with time zone not null default now(),
  constraint company_subdomains_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint company_subdomains_pkey PRIMARY KEY (company_id, subdomain)
);
CREATE INDEX company_subdomains_subdomain ON public.company_subdomains USING btree (subdomain);
alter table company_subdomains enable row level security;
alter table company_subdomains force row level security;
create policy company on company_subdomains for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on company_subdomains for all to tenant_secrets_maintenance using true with check true;
grant delete, insert, select on company_subdomains to tenant_secrets_maintenance;

create table export_receipts (
  company_id uuid not null,
  id uuid not null,
  exported_at timestamp(3) with time zone not null,
  receipt text not null,
  signature text not null,
  constraint export_receipts_pkey PRIMARY KEY (company_id, id)
);
CREATE INDEX export_receipts_exported_at ON public.export_receipts USING btree (company_id, exported_at, id);
alter table export_receipts enable row level security;
alter table export_receipts force row level security;
create policy company on export_receipts for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on export_receipts for all to tenant_secrets_maintenance using true with check true;
grant insert, select on export_receipts to tenant_secrets_application;
grant select on export_receipts to tenant_secrets_maintenance;

create table folder_entries (
  company_id uuid not null,
  secret_key text not null,
  synced_version integer not null,
  outside_id text,
  outside_version integer,
  outside_updated_at timestamp(3) with time zone,
  finding text,
  is_being_written boolean not null default false,
  synced_at timestamp(3) with time zone not null default now(),
  constraint folder_entries_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint folder_entries_outside_check CHECK ((((outside_id IS NULL) = (outside_version IS NULL)) AND ((outside_id IS NULL) = (outside_updated_at IS NULL)))),
  constraint folder_entries_pkey PRIMARY KEY (company_id, secret_key)
);
alter table folder_entries enable row level security;
alter table folder_entries force row level security;
create policy company on folder_entries for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on folder_entries for all to tenant_secrets_maintenance using true with check true;
grant delete, insert, select, update on folder_entries to tenant_secrets_application;
grant delete, insert, select, update on folder_entries to tenant_secrets_maintenance;

create table invitations (
  id uuid not null default gen_random_uuid(),
  company_id uuid not null,
  email text not null,
  role text not null,
  token_hash text not null,
  invited_by_kind text not null,
  invited_by_id text not null,
  created_at timestamp(3) with time zone not null default now(),
  expires_at timestamp(3) with time zone not null,
  accepted_at timestamp(3) with time zone,
  revoked_at timestamp(3) with time zone,
  mail_id uuid not null,
  mailed_at timestamp(3) with time zone,
  mail_failure text,
  revision integer not null,
  mac_key_version smallint not null,
  mac bytea not null,
  constraint invitations_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint invitations_mail_check CHECK (((mailed_at IS NOT NULL) OR (mail_failure IS NULL))),
  constraint invitations_pkey PRIMARY KEY (id),
  constraint invitations_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text, 'auditor'::text]))),
  constraint invitations_token_hash_key UNIQUE (token_hash)
);
CREATE INDEX invitations_mail ON public.invitations USING btree (mail_id);
CREATE TRIGGER mac_under_key_in_use BEFORE INSERT OR UPDATE OF revision, mac_key_version, mac ON public.invitations FOR EACH ROW EXECUTE FUNCTION refuse_row_mac();
CREATE TRIGGER notify_list AFTER INSERT OR DELETE OR UPDATE OF role, expires_at, accepted_at, revoked_at, mailed_at ON public.invitations FOR EACH ROW EXECUTE FUNCTION notify_of_member();
CREATE TRIGGER revoked_for_good BEFORE UPDATE ON public.invitations FOR EACH ROW WHEN (((old.revoked_at IS NOT NULL) AND (new.revoked_at IS NULL))) EXECUTE FUNCTION refuse_revival();
CREATE UNIQUE INDEX invitations_open ON public.invitations USING btree (company_id, email) WHERE ((accepted_at IS NULL) AND (revoked_at IS NULL));
alter table invitations enable row level security;
alter table invitations force row level security;
create policy company on invitations for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on invitations for all to tenant_secrets_maintenance using true with check true;
grant delete, insert, select, update on invitations to tenant_secrets_maintenance;

create table job_tasks (
  name text not null,
  constraint job_tasks_pkey PRIMARY KEY (name)
);
grant insert, select on job_tasks to tenant_secrets_maintenance;

create table key_backups (
  fingerprint text not null,
  place text,
  created_at timestamp(3) with time zone not null,
  checked_at timestamp(3) with time zone,
  complete boolean,
  constraint key_backups_check_check CHECK (((checked_at IS NULL) = (complete IS NULL))),
  constraint key_backups_fingerprint_check CHECK ((fingerprint ~ '^sha256:[0-9a-f]{64}$'::text)),
  constraint key_backups_pkey PRIMARY KEY (fingerprint)
);
CREATE INDEX key_backups_created ON public.key_backups USING btree (created_at);
grant insert, select, update on key_backups to tenant_secrets_maintenance;

create table management_requests (
  actor_kind text not null,
  actor_id text not null,
  request_id text not null,
  digest text not null,
  answer jsonb,
  created_at timestamp(3) with time zone not null default now(),
  constraint management_requests_pkey PRIMARY KEY (actor_kind, actor_id, request_id),
  constraint management_requests_request_id_check CHECK (((length(request_id) >= 1) AND (length(request_id) <= 100)))
);
CREATE INDEX management_requests_created_at ON public.management_requests USING btree (created_at);
grant delete, insert, select, update on management_requests to tenant_secrets_maintenance;

create table master_keys (
  region text not null,
  version integer not null,
  status text not null,
  derivation text not null,
  parameters jsonb not null default '{}'::jsonb,
  check_value text not null,
  created_at timestamp(3) with time zone not null default now(),
  activated_at timestamp(3) with time zone,
  retired_at timestamp(3) with time zone,
  constraint master_keys_derivation_check CHECK ((derivation = ANY (ARRAY['hkdf-sha256'::text, 'argon2id'::text]))),
  constraint master_keys_pkey PRIMARY KEY (region, version),
  constraint master_keys_region_check CHECK ((region ~ '^[a-z][a-z0-9-]{0,31}$'::text)),
  constraint master_keys_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'active'::text, 'retiring'::text, 'retired'::text, 'destroyed'::text]))),
  constraint master_keys_version_check CHECK ((version > 0))
);
CREATE TRIGGER master_key_states BEFORE DELETE OR UPDATE ON public.master_keys FOR EACH ROW EXECUTE FUNCTION refuse_master_key_change();
CREATE TRIGGER notify_change AFTER INSERT OR UPDATE ON public.master_keys FOR EACH STATEMENT EXECUTE FUNCTION notify_subject('master-keys');
CREATE UNIQUE INDEX master_keys_one_active ON public.master_keys USING btree (region) WHERE (status = 'active'::text);
grant insert, select, update on master_keys to tenant_secrets_maintenance;

create table member_names (
  company_id uuid not null,
  user_id uuid not null,
  name text not null,
  constraint member_names_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint member_names_pkey PRIMARY KEY (company_id, user_id)
);
alter table member_names enable row level security;
alter table member_names force row level security;
create policy company on member_names for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on member_names for all to tenant_secrets_maintenance using true with check true;
grant delete, insert, select, update on member_names to tenant_secrets_maintenance;
grant select on member_names to tenant_secrets_application;

create table memberships (
  company_id uuid not null,
  user_id uuid not null,
  role text not null,
  name text not null,
  created_at timestamp(3) with time zone not null default now(),
  updated_at timestamp(3) with time zone not null default now(),
  revision integer not null,
  mac_key_version smallint not null,
  mac bytea not null,
  constraint memberships_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint memberships_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
  constraint memberships_pkey PRIMARY KEY (company_id, user_id),
  constraint memberships_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text, 'auditor'::text]))),
  constraint memberships_user_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE RESTRICT
);
CREATE INDEX memberships_user ON public.memberships USING btree (user_id);
CREATE TRIGGER mac_under_key_in_use BEFORE INSERT OR UPDATE OF revision, mac_key_version, mac ON public.memberships FOR EACH ROW EXECUTE FUNCTION refuse_row_mac();
CREATE TRIGGER name_is_kept AFTER INSERT OR UPDATE OF name ON public.memberships FOR EACH ROW EXECUTE FUNCTION keep_member_name();
CREATE TRIGGER notify_change AFTER INSERT OR DELETE OR UPDATE ON public.memberships FOR EACH STATEMENT EXECUTE FUNCTION notify_subject('credentials');
CREATE TRIGGER notify_list AFTER INSERT OR DELETE OR UPDATE OF role, name ON public.memberships FOR EACH ROW EXECUTE FUNCTION notify_of_member();
alter table memberships enable row level security;
alter table memberships force row level security;
create policy company on memberships for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on memberships for all to tenant_secrets_maintenance using true with check true;
grant delete, insert, select, update on memberships to tenant_secrets_maintenance;

create table migration_companies (
  run_id uuid not null,
  company_id uuid not null,
  state text not null default 'waiting'::text,
  attempts integer not null default 0,
  not_before timestamp(3) with time zone,
  error_code text,
  error_message text,
  result jsonb,
  finished_at timestamp(3) with time zone,
  constraint migration_companies_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint migration_companies_finished_check CHECK (((state = 'waiting'::text) = (finished_at IS NULL))),
  constraint migration_companies_pkey PRIMARY KEY (company_id, run_id),
  constraint migration_companies_run_fkey FOREIGN KEY (run_id) REFERENCES runs(id) ON DELETE RESTRICT,
  constraint migration_companies_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'done'::text, 'blocked'::text, 'failed'::text])))
);
CREATE INDEX migration_companies_run ON public.migration_companies USING btree (run_id, company_id);
alter table migration_companies enable row level security;
alter table migration_companies force row level security;
create policy company on migration_companies for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on migration_companies for all to tenant_secrets_maintenance using true with check true;
grant delete, insert, select, update on migration_companies to tenant_secrets_maintenance;

create table notifications (
  id uuid not null,
  company_id uuid,
  type text not null,
  body text not null,
  created_at timestamp(3) with time zone not null default now(),
  constraint notifications_body_check CHECK (((octet_length(body) >= 2) AND (octet_length(body) <= 4096))),
  constraint notifications_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint notifications_pkey PRIMARY KEY (id)
);
CREATE INDEX notifications_created ON public.notifications USING btree (created_at);
alter table notifications enable row level security;
alter table notifications force row level security;
create policy company on notifications for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on notifications for all to tenant_secrets_maintenance using true with check true;
grant delete, insert, select, update on notifications to tenant_secrets_maintenance;

create table operators (
  id uuid not null default gen_random_uuid(),
  name text not null,
  token_prefix text,
  token_hash text,
  user_id uuid,
  created_at timestamp(3) with time zone not null default now(),
  expires_at timestamp(3) with time zone not null,
  revoked_at timestamp(3) with time zone,
  revision integer not null,
  mac_key_version smallint not null,
  mac bytea not null,
  constraint operators_pkey PRIMARY KEY (id),
  constraint operators_token_or_user_check CHECK ((((token_hash IS NULL) = (token_prefix IS NULL)) AND ((token_hash IS NOT NULL) OR (user_id IS NOT NULL)))),
  constraint operators_token_prefix_key UNIQUE (token_prefix),
  constraint operators_user_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE RESTRICT
);
CREATE TRIGGER mac_under_key_in_use BEFORE INSERT OR UPDATE OF revision, mac_key_version, mac ON public.operators FOR EACH ROW EXECUTE FUNCTION refuse_row_mac();
CREATE TRIGGER notify_change AFTER INSERT OR DELETE OR UPDATE ON public.operators FOR EACH STATEMENT EXECUTE FUNCTION notify_subject('credentials');
CREATE TRIGGER revoked_for_good BEFORE UPDATE ON public.operators FOR EACH ROW WHEN (((old.revoked_at IS NOT NULL) AND (new.revoked_at IS NULL))) EXECUTE FUNCTION refuse_revival();
CREATE UNIQUE INDEX operators_linked ON public.operators USING btree (user_id) WHERE ((revoked_at IS NULL) AND (token_hash IS NULL));
grant insert, select, update on operators to tenant_secrets_maintenance;

create table outside_writes (
  id uuid not null default gen_random_uuid(),
  company_id uuid not null,
  store_epoch integer not null,
  secret_key text not null,
  kind text not null,
  is_mirror boolean not null default false,
  holder uuid,
  value_mac text,
  company_key_version integer,
  state text not null default 'in-flight'::text,
  started_at timestamp(3) with time zone not null default clock_timestamp(),
  deadline_at timestamp(3) with time zone not null,
  constraint outside_writes_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint outside_writes_holder_check CHECK ((is_mirror = (holder IS NOT NULL))),
  constraint outside_writes_kind_check CHECK ((kind = ANY (ARRAY['put'::text, 'delete'::text]))),
  constraint outside_writes_mac_check CHECK (((value_mac IS NULL) OR (company_key_version IS NOT NULL))),
  constraint outside_writes_pkey PRIMARY KEY (company_id, id),
  constraint outside_writes_secret_key_check CHECK ((secret_key ~ '^[A-Za-z][A-Za-z0-9_]{0,99}$'::text)),
  constraint outside_writes_state_check CHECK ((state = ANY (ARRAY['in-flight'::text, 'unknown'::text, 'abandoned'::text])))
);
CREATE INDEX outside_writes_deadline_at ON public.outside_writes USING btree (deadline_at);
CREATE UNIQUE INDEX outside_writes_in_flight ON public.outside_writes USING btree (company_id, secret_key) WHERE (state = 'in-flight'::text);
alter table outside_writes enable row level security;
alter table outside_writes force row level security;
create policy company on outside_writes for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on outside_writes for all to tenant_secrets_maintenance using true with check true;
grant delete, insert, select, update on outside_writes to tenant_secrets_application;
grant delete, insert, select, update on outside_writes to tenant_secrets_maintenance;

create table processes (
  id uuid not null,
  region text not null,
  master_key_versions integer[] not null,
  started_at timestamp(3) with time zone not null default now(),
  seen_at timestamp(3) with time zone not null default now(),
  retention jsonb,
  constraint processes_pkey PRIMARY KEY (id)
);
CREATE INDEX processes_seen_at ON public.processes USING btree (region, seen_at);
grant delete, insert, select, update on processes to tenant_secrets_maintenance;

create table rate_limits (
  key text not null,
  points integer not null,
  expires_at timestamp(3) with time zone not null,
  constraint rate_limits_key_check CHECK (((length(key) >= 1) AND (length(key) <= 200))),
  constraint rate_limits_pkey PRIMARY KEY (key)
);
CREATE INDEX rate_limits_expires_at ON public.rate_limits USING btree (expires_at);
grant delete, insert, select, update on rate_limits to tenant_secrets_application;
grant delete, insert, select, update on rate_limits to tenant_secrets_maintenance;

create table region_beats (
  target_region text not null,
  home_region text not null,
  beat_at timestamp(3) with time zone not null,
  constraint region_beats_pkey PRIMARY KEY (target_region, home_region)
);
grant select on region_beats to tenant_secrets_maintenance;

create table region_copies (
  target_region text not null,
  company_id uuid not null,
  kind text not null,
  name text not null,
  home_region text not null,
  home_epoch integer not null,
  revision bigint not null,
  body text not null,
  signature bytea,
  constraint region_copies_home_check CHECK (((target_region <> home_region) AND (home_epoch > 0))),
  constraint region_copies_kind_check CHECK ((kind = ANY (ARRAY['company'::text, 'key'::text, 'secret'::text, 'move'::text]))),
  constraint region_copies_pkey PRIMARY KEY (target_region, company_id, kind, name),
  constraint region_copies_signature_check CHECK (((kind = 'secret'::text) = (signature IS NULL)))
);
CREATE INDEX region_copies_company ON public.region_copies USING btree (company_id);
CREATE TRIGGER allowed_region BEFORE INSERT OR UPDATE ON public.region_copies FOR EACH ROW WHEN ((new.kind <> 'secret'::text)) EXECUTE FUNCTION refuse_foreign_copy();
CREATE TRIGGER enqueue_take_over AFTER INSERT OR UPDATE ON public.region_copies FOR EACH ROW WHEN (((new.kind = 'move'::text) AND (new.name = '1'::text))) EXECUTE FUNCTION enqueue_take_over();
CREATE TRIGGER fence BEFORE INSERT OR DELETE OR UPDATE ON public.region_copies FOR EACH ROW EXECUTE FUNCTION fence_copy();
CREATE TRIGGER notify_copy AFTER INSERT OR DELETE OR UPDATE ON public.region_copies FOR EACH ROW EXECUTE FUNCTION notify_of_copy();
alter table region_copies enable row level security;
create policy company on region_copies for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check ((company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) AND (kind <> 'secret'::text));
create policy exporter on region_copies for select to tenant_secrets_exporter using true;
create policy maintenance on region_copies for all to tenant_secrets_maintenance using true with check (kind <> 'secret'::text);
create policy reader on region_copies for select to tenant_secrets_reader using (kind = 'secret'::text);
grant insert, select on region_copies to tenant_secrets_application;
grant insert, select, update on region_copies to tenant_secrets_maintenance;

create table region_receipts (
  company_id uuid not null,
  home_region text not null,
  gone_at timestamp(3) with time zone not null,
  receipt text not null,
  signature text not null,
  constraint region_receipts_pkey PRIMARY KEY (company_id, gone_at)
);
CREATE INDEX region_receipts_gone_at ON public.region_receipts USING btree (gone_at);
alter table region_receipts enable row level security;
alter table region_receipts force row level security;
create policy company on region_receipts for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on region_receipts for all to tenant_secrets_maintenance using true with check true;
grant insert, select on region_receipts to tenant_secrets_maintenance;

create table region_refusals (
  company_id uuid not null,
  kind text not null,
  name text not null,
  subscription text not null,
  operation text not null,
  reason text not null,
  home_epoch integer not null,
  revision bigint not null,
  count integer not null default 1,
  first_at timestamp(3) with time zone not null default clock_timestamp(),
  last_at timestamp(3) with time zone not null default clock_timestamp(),
  constraint region_refusals_pkey PRIMARY KEY (company_id, kind, name, subscription)
);
CREATE INDEX region_refusals_last_at ON public.region_refusals USING btree (last_at);
alter table region_refusals enable row level security;
alter table region_refusals force row level security;
create policy company on region_refusals for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy copies on region_refusals for all to tenant_secrets_copies using true with check true;
create policy maintenance on region_refusals for all to tenant_secrets_maintenance using true with check true;
grant delete, select on region_refusals to tenant_secrets_maintenance;

create table regions (
  region text not null,
  address text not null,
  transport_key_version integer not null,
  transport_key text not null,
  signing_key_version integer not null,
  signing_key text not null,
  created_at timestamp(3) with time zone not null default now(),
  removed_at timestamp(3) with time zone,
  revision integer not null,
  mac_key_version smallint not null,
  mac bytea not null,
  constraint regions_pkey PRIMARY KEY (region),
  constraint regions_region_check CHECK ((region ~ '^[a-z][a-z0-9-]{0,19}$'::text)),
  constraint regions_signing_key_check CHECK ((signing_key ~ '^[A-Za-z0-9_-]{43}$'::text)),
  constraint regions_transport_key_check CHECK ((transport_key ~ '^[A-Za-z0-9_-]{43}$'::text)),
  constraint regions_versions_check CHECK (((transport_key_version > 0) AND (signing_key_version > 0)))
);
CREATE TRIGGER in_use BEFORE UPDATE ON public.regions FOR EACH ROW WHEN (((old.removed_at IS NULL) AND (new.removed_at IS NOT NULL))) EXECUTE FUNCTION refuse_region_with_companies();
CREATE TRIGGER mac_under_key_in_use BEFORE INSERT OR UPDATE OF revision, mac_key_version, mac ON public.regions FOR EACH ROW EXECUTE FUNCTION refuse_row_mac();
CREATE TRIGGER notify_change AFTER INSERT OR UPDATE ON public.regions FOR EACH STATEMENT EXECUTE FUNCTION notify_subject('regions');
CREATE TRIGGER removed_for_good BEFORE UPDATE ON public.regions FOR EACH ROW WHEN (((old.removed_at IS NOT NULL) AND (new.removed_at IS NULL))) EXECUTE FUNCTION refuse_revival();
grant insert, select, update on regions to tenant_secrets_maintenance;
grant select on regions to tenant_secrets_application;

create table rotation_credentials (
  company_id uuid not null,
  secret_key text not null,
  marker text not null,
  run_id uuid not null,
  ref text,
  version integer,
  state text not null,
  created_at timestamp(3) with time zone not null default now(),
  updated_at timestamp(3) with time zone not null default now(),
  constraint rotation_credentials_pkey PRIMARY KEY (company_id, secret_key, marker),
  constraint rotation_credentials_secret_fkey FOREIGN KEY (company_id, secret_key) REFERENCES company_secrets(company_id, secret_key) ON DELETE RESTRICT,
  constraint rotation_credentials_state_check CHECK ((state = ANY (ARRAY['wanted'::text, 'live'::text, 'retiring'::text, 'retired'::text, 'orphan'::text])))
);
CREATE INDEX rotation_credentials_state ON public.rotation_credentials USING btree (state);
alter table rotation_credentials enable row level security;
alter table rotation_credentials force row level security;
create policy company on rotation_credentials for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on rotation_credentials for all to tenant_secrets_maintenance using true with check true;
create policy mover on rotation_credentials for all to tenant_secrets_mover using true;
grant delete, insert, select, update on rotation_credentials to tenant_secrets_maintenance;

create table rotation_policies (
  company_id uuid not null,
  secret_key text not null,
  driver text not null,
  settings jsonb not null,
  schedule jsonb,
  overlap_seconds integer not null,
  canary jsonb,
  manager_key text,
  state text not null default 'active'::text,
  reason text,
  failures integer not null default 0,
  next_due_at timestamp(3) with time zone,
  due_for_version integer not null,
  due_for_expiry timestamp(3) with time zone,
  last_run_id uuid,
  actor_kind text not null,
  actor_id text not null,
  created_at timestamp(3) with time zone not null default now(),
  updated_at timestamp(3) with time zone not null default now(),
  constraint rotation_policies_failures_check CHECK ((failures >= 0)),
  constraint rotation_policies_overlap_check CHECK (((overlap_seconds >= 0) AND (overlap_seconds <= 2592000))),
  constraint rotation_policies_pkey PRIMARY KEY (company_id, secret_key),
  constraint rotation_policies_secret_fkey FOREIGN KEY (company_id, secret_key) REFERENCES company_secrets(company_id, secret_key) ON DELETE RESTRICT,
  constraint rotation_policies_state_check CHECK ((state = ANY (ARRAY['active'::text, 'paused'::text, 'stuck'::text])))
);
CREATE INDEX rotation_policies_due ON public.rotation_policies USING btree (next_due_at) WHERE (state = 'active'::text);
alter table rotation_policies enable row level security;
alter table rotation_policies force row level security;
create policy company on rotation_policies for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on rotation_policies for all to tenant_secrets_maintenance using true with check true;
create policy mover on rotation_policies for all to tenant_secrets_mover using true;
grant delete, insert, select, update on rotation_policies to tenant_secrets_maintenance;

create table runs (
  id uuid not null default gen_random_uuid(),
  kind text not null,
  subject text not null,
  company_id uuid,
  state text not null default 'running'::text,
  phase text not null,
  input jsonb not null,
  facts jsonb not null,
  cursor jsonb,
  done integer not null default 0,
  total integer,
  rate real,
  lease_holder uuid,
  lease_until timestamp(3) with time zone,
  not_before timestamp(3) with time zone,
  fence bigint not null default 0,
  attempts integer not null default 0,
  error_code text,
  error_message text,
  requested_by_kind text not null,
  requested_by_id text not null,
  report text,
  report_mac text,
  started_at timestamp(3) with time zone not null default now(),
  updated_at timestamp(3) with time zone not null default now(),
  finished_at timestamp(3) with time zone,
  constraint runs_finished_check CHECK (((state = ANY (ARRAY['done'::text, 'cancelled'::text])) = (finished_at IS NOT NULL))),
  constraint runs_pkey PRIMARY KEY (id),
  constraint runs_state_check CHECK ((state = ANY (ARRAY['running'::text, 'paused'::text, 'failed'::text, 'cancelling'::text, 'done'::text, 'cancelled'::text])))
);
CREATE INDEX runs_finished_at ON public.runs USING btree (finished_at);
CREATE INDEX runs_of_company ON public.runs USING btree (company_id, started_at, id);
CREATE INDEX runs_of_subject ON public.runs USING btree (subject, started_at, id);
CREATE INDEX runs_started_at ON public.runs USING btree (started_at, id);
CREATE TRIGGER keep_runs BEFORE DELETE ON public.runs FOR EACH ROW EXECUTE FUNCTION refuse_run_removal();
CREATE UNIQUE INDEX runs_one_unfinished ON public.runs USING btree (kind, subject) WHERE (finished_at IS NULL);
grant delete, insert, select, update on runs to tenant_secrets_maintenance;

create table schema_versions (
  version integer not null,
  oldest integer not null,
  release text not null,
  applied_at timestamp(3) with time zone not null default now(),
  constraint schema_versions_oldest_check CHECK (((oldest >= 1) AND (oldest <= version))),
  constraint schema_versions_pkey PRIMARY KEY (version)
);
grant select on schema_versions to tenant_secrets_application;

create table secret_uses (
  company_id uuid not null,
  secret_key text not null,
  last_used_at timestamp(3) with time zone not null,
  constraint secret_uses_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint secret_uses_pkey PRIMARY KEY (company_id, secret_key)
);
alter table secret_uses enable row level security;
alter table secret_uses force row level security;
create policy company on secret_uses for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on secret_uses for all to tenant_secrets_maintenance using true with check true;
create policy mover on secret_uses for all to tenant_secrets_mover using true;
grant delete, insert, select, update on secret_uses to tenant_secrets_maintenance;
grant insert, select, update on secret_uses to tenant_secrets_application;

create table shadow_reads (
  company_id uuid not null,
  store_epoch integer not null,
  equal integer not null default 0,
  differs integer not null default 0,
  missing integer not null default 0,
  failed integer not null default 0,
  updated_at timestamp(3) with time zone not null default now(),
  constraint shadow_reads_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint shadow_reads_pkey PRIMARY KEY (company_id)
);
alter table shadow_reads enable row level security;
alter table shadow_reads force row level security;
create policy company on shadow_reads for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on shadow_reads for all to tenant_secrets_maintenance using true with check true;
grant insert, select, update on shadow_reads to tenant_secrets_maintenance;

create table shreddings (
  company_id uuid not null,
  receipt text not null,
  signature text not null,
  shredded_at timestamp(3) with time zone not null,
  constraint shreddings_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint shreddings_pkey PRIMARY KEY (company_id)
);
alter table shreddings enable row level security;
alter table shreddings force row level security;
create policy company on shreddings for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on shreddings for all to tenant_secrets_maintenance using true with check true;
grant insert, select, update on shreddings to tenant_secrets_maintenance;

create table store_holds (
  company_id uuid not null,
  run uuid not null,
  until timestamp(3) with time zone not null,
  constraint store_holds_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint store_holds_pkey PRIMARY KEY (company_id)
);
alter table store_holds enable row level security;
alter table store_holds force row level security;
create policy company on store_holds for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on store_holds for all to tenant_secrets_maintenance using true with check true;
create policy mover on store_holds for all to tenant_secrets_mover using true;
grant delete, insert, select, update on store_holds to tenant_secrets_maintenance;
grant select on store_holds to tenant_secrets_application;

create table users (
  id uuid not null default gen_random_uuid(),
  email text not null,
  created_at timestamp(3) with time zone not null default now(),
  disabled_at timestamp(3) with time zone,
  name text not null default ''::text,
  email_verified boolean not null default false,
  two_factor_enabled boolean not null default false,
  image text,
  updated_at timestamp(3) with time zone not null default now(),
  revision integer not null,
  mac_key_version smallint not null,
  mac bytea not null,
  constraint users_email_check CHECK (((email = lower(email)) AND ((length(email) >= 3) AND (length(email) <= 254)) AND (email ~ '^[^[:space:][:cntrl:]@]+@[^[:space:][:cntrl:]@]+$'::text))),
  constraint users_email_key UNIQUE (email),
  constraint users_pkey PRIMARY KEY (id)
);
CREATE TRIGGER mac_under_key_in_use BEFORE INSERT OR UPDATE OF revision, mac_key_version, mac ON public.users FOR EACH ROW EXECUTE FUNCTION refuse_row_mac();
CREATE TRIGGER notify_change AFTER INSERT OR DELETE OR UPDATE ON public.users FOR EACH STATEMENT EXECUTE FUNCTION notify_subject('credentials');
grant insert, select, update on users to tenant_secrets_maintenance;

create table webhook_attempts (
  delivery_id uuid not null,
  company_id uuid,
  started_at timestamp(3) with time zone not null,
  milliseconds real not null,
  status smallint,
  failure text,
  constraint webhook_attempts_delivery_fkey FOREIGN KEY (delivery_id) REFERENCES webhook_deliveries(id) ON DELETE RESTRICT,
  constraint webhook_attempts_pkey PRIMARY KEY (delivery_id, started_at)
);
alter table webhook_attempts enable row level security;
alter table webhook_attempts force row level security;
create policy company on webhook_attempts for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on webhook_attempts for all to tenant_secrets_maintenance using true with check true;
grant delete, insert, select, update on webhook_attempts to tenant_secrets_maintenance;

create table webhook_deliveries (
  id uuid not null default gen_random_uuid(),
  endpoint_id uuid not null,
  notification_id uuid not null,
  company_id uuid,
  type text not null,
  state text not null default 'waiting'::text,
  attempts integer not null default 0,
  next_at timestamp(3) with time zone not null default now(),
  lease_until timestamp(3) with time zone,
  lease_token bigint not null default 0,
  created_at timestamp(3) with time zone not null default now(),
  finished_at timestamp(3) with time zone,
  constraint webhook_deliveries_endpoint_fkey FOREIGN KEY (endpoint_id) REFERENCES webhook_endpoints(id) ON DELETE RESTRICT,
  constraint webhook_deliveries_finished_check CHECK ((((state = 'waiting'::text) = (finished_at IS NULL)) AND ((lease_until IS NULL) OR (state = 'waiting'::text)))),
  constraint webhook_deliveries_notification_fkey FOREIGN KEY (notification_id) REFERENCES notifications(id) ON DELETE RESTRICT,
  constraint webhook_deliveries_pkey PRIMARY KEY (id),
  constraint webhook_deliveries_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'delivered'::text, 'dead'::text])))
);
CREATE INDEX webhook_deliveries_leased ON public.webhook_deliveries USING btree (lease_until) WHERE (lease_until IS NOT NULL);
CREATE INDEX webhook_deliveries_notification ON public.webhook_deliveries USING btree (notification_id);
CREATE INDEX webhook_deliveries_of_endpoint ON public.webhook_deliveries USING btree (endpoint_id, created_at, id);
CREATE INDEX webhook_deliveries_waiting ON public.webhook_deliveries USING btree (endpoint_id, next_at) WHERE (state = 'waiting'::text);
alter table webhook_deliveries enable row level security;
alter table webhook_deliveries force row level security;
create policy company on webhook_deliveries for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on webhook_deliveries for all to tenant_secrets_maintenance using true with check true;
grant delete, insert, select, update on webhook_deliveries to tenant_secrets_maintenance;

create table webhook_endpoints (
  id uuid not null default gen_random_uuid(),
  company_id uuid,
  url text not null,
  types text[],
  description text not null,
  state text not null default 'unverified'::text,
  disabled_reason text,
  verified_at timestamp(3) with time zone,
  per_second integer not null,
  paced_until timestamp(3) with time zone not null default now(),
  throttled_until timestamp(3) with time zone,
  failing_since timestamp(3) with time zone,
  failures integer not null default 0,
  address_failures integer not null default 0,
  secret_number integer not null default 1,
  secret_key_version integer not null,
  previous_key_version integer,
  previous_until timestamp(3) with time zone,
  actor_kind text not null,
  actor_id text not null,
  created_at timestamp(3) with time zone not null default now(),
  updated_at timestamp(3) with time zone not null default now(),
  constraint webhook_endpoints_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint webhook_endpoints_disabled_check CHECK ((((state = 'disabled'::text) = (disabled_reason IS NOT NULL)) AND (disabled_reason = ANY (ARRAY['gone'::text, 'failures'::text, 'address'::text])))),
  constraint webhook_endpoints_pkey PRIMARY KEY (id),
  constraint webhook_endpoints_previous_check CHECK ((((previous_key_version IS NULL) = (previous_until IS NULL)) AND (secret_number > 0))),
  constraint webhook_endpoints_rate_check CHECK (((per_second >= 1) AND (per_second <= 1000))),
  constraint webhook_endpoints_state_check CHECK ((state = ANY (ARRAY['unverified'::text, 'active'::text, 'paused'::text, 'disabled'::text]))),
  constraint webhook_endpoints_url_check CHECK (((length(url) >= 1) AND (length(url) <= 2048)))
);
CREATE INDEX webhook_endpoints_company ON public.webhook_endpoints USING btree (company_id);
alter table webhook_endpoints enable row level security;
alter table webhook_endpoints force row level security;
create policy company on webhook_endpoints for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on webhook_endpoints for all to tenant_secrets_maintenance using true with check true;
grant delete, insert, select, update on webhook_endpoints to tenant_secrets_maintenance;

create table write_requests (
  company_id uuid not null,
  actor_kind text not null,
  actor_id text not null,
  request_id text not null,
  body_mac text not null,
  answer jsonb not null,
  created_at timestamp(3) with time zone not null default now(),
  constraint write_requests_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint write_requests_pkey PRIMARY KEY (company_id, actor_kind, actor_id, request_id),
  constraint write_requests_request_id_check CHECK (((length(request_id) >= 1) AND (length(request_id) <= 100)))
);
CREATE INDEX write_requests_created_at ON public.write_requests USING btree (company_id, created_at);
alter table write_requests enable row level security;
alter table write_requests force row level security;
create policy company on write_requests for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on write_requests for all to tenant_secrets_maintenance using true with check true;
create policy mover on write_requests for all to tenant_secrets_mover using true;
grant delete, insert, select on write_requests to tenant_secrets_maintenance;
grant delete, insert, select, update on write_requests to tenant_secrets_application;

-- function beat_regions(text) returns void security definer; owned by tenant_secrets_copies, for tenant_secrets_maintenance
-- function change_company_region() returns trigger security definer; owned by tenant_secrets_copies, for none other
-- function claim_home(uuid) returns void security definer; owned by tenant_secrets_copies, for tenant_secrets_maintenance
-- function copy_changed_secrets() returns trigger security definer; owned by tenant_secrets_copies, for none other
-- function copy_secrets(uuid,text[],text) returns void security definer; owned by tenant_secrets_copies, for none other
-- function copy_to_region() returns trigger security definer; owned by tenant_secrets_copies, for none other
-- function copy_with_home() returns trigger security definer; owned by tenant_secrets_copies, for none other
-- function enqueue_jobs(text,json) returns void security definer; owned by tenant_secrets_maintenance, for tenant_secrets_application
-- function enqueue_mirror() returns trigger security definer; owned by tenant_secrets_maintenance, for none other
-- function enqueue_notifications(json) returns void security definer; owned by tenant_secrets_maintenance, for tenant_secrets_application
-- function enqueue_take_over() returns trigger security definer; owned by tenant_secrets_maintenance, for none other
-- function enter_company(uuid,integer,uuid) returns text; owned by tenant_secrets_migration, for tenant_secrets_application, tenant_secrets_maintenance
-- function fence_copy() returns trigger; owned by tenant_secrets_migration, for none other
-- function find_api_key(text) returns TABLE(id uuid, company_id uuid, prefix text, hash text, verbs text[], key_patterns text[], addresses text[], created_by_kind text, created_by_id text, expires_at timestamp with time zone, revoked boolean, company_ids uuid[], revision integer, mac_key_version smallint, mac bytea) security definer; owned by tenant_secrets_maintenance, for tenant_secrets_application
-- function find_company(text) returns TABLE(id uuid, subdomain text, infisical_folder text, secret_store text, store_epoch integer, status text, second_factor_required boolean, home_region text, home_epoch integer, revision integer, mac_key_version smallint, mac bytea) security definer; owned by tenant_secrets_maintenance, for tenant_secrets_application
-- function find_operator(text) returns TABLE(id uuid, token_prefix text, token_hash text, user_id uuid, expires_at timestamp with time zone, revoked boolean, revision integer, mac_key_version smallint, mac bytea) security definer; owned by tenant_secrets_maintenance, for tenant_secrets_application
-- function find_user(uuid) returns TABLE(id uuid, email text, disabled boolean, revision integer, mac_key_version smallint, mac bytea, memberships json, link json) security definer; owned by tenant_secrets_maintenance, for tenant_secrets_application
-- function forget_copies_of_secrets() returns trigger security definer; owned by tenant_secrets_copies, for none other
-- function hold_mirror(uuid,uuid) returns boolean security definer; owned by tenant_secrets_maintenance, for tenant_secrets_application
-- function hold_run(uuid,uuid,bigint,integer,text,integer,real) returns text security definer; owned by tenant_secrets_maintenance, for tenant_secrets_application
-- function insert_notifying_events(json) returns void; owned by tenant_secrets_migration, for tenant_secrets_application, tenant_secrets_maintenance
-- function keep_company() returns trigger; owned by tenant_secrets_migration, for none other
-- function keep_company_subdomain() returns trigger; owned by tenant_secrets_migration, for none other
-- function keep_member_name() returns trigger; owned by tenant_secrets_migration, for none other
-- function leave_home(uuid) returns void security definer; owned by tenant_secrets_mover, for tenant_secrets_maintenance
-- function list_copies(text,uuid) returns TABLE("companyId" uuid, "secretKey" text, "homeRegion" text, "homeEpoch" integer, body text, "beatAtMs" double precision) security definer; owned by tenant_secrets_reader, for tenant_secrets_application, tenant_secrets_maintenance
-- function notify_companies() returns trigger; owned by tenant_secrets_migration, for none other
-- function notify_of_api_key() returns trigger; owned by tenant_secrets_migration, for none other
-- function notify_of_api_key_company() returns trigger; owned by tenant_secrets_migration, for none other
-- function notify_of_copy() returns trigger; owned by tenant_secrets_migration, for none other
-- function notify_of_member() returns trigger; owned by tenant_secrets_migration, for none other
-- function notify_of_version() returns trigger; owned by tenant_secrets_migration, for none other
-- function notify_subject() returns trigger; owned by tenant_secrets_migration, for none other
-- function read_beat(text,text) returns double precision security definer; owned by tenant_secrets_reader, for tenant_secrets_application, tenant_secrets_maintenance
-- function read_copies(text,uuid[],text[]) returns TABLE("companyId" uuid, "secretKey" text, "homeRegion" text, "homeEpoch" integer, body text, "beatAtMs" double precision) security definer; owned by tenant_secrets_reader, for tenant_secrets_application, tenant_secrets_maintenance
-- function read_copy(text,uuid,text) returns record security definer; owned by tenant_secrets_reader, for tenant_secrets_application, tenant_secrets_maintenance
-- function read_secret(uuid,text) returns record security definer; owned by tenant_secrets_reader, for tenant_secrets_application, tenant_secrets_maintenance
-- function read_secrets(uuid[],text[]) returns TABLE("companyId" uuid, "secretKey" text, encrypted text, "companyKeyVersion" integer, "currentVersion" integer, origin text, removed boolean, "expiresAtMs" double precision, "pendingVersion" integer, "lastVersion" integer, "graceWindows" jsonb, canary jsonb, "recoverUntilMs" double precision, purged boolean, "macKeyVersion" integer, mac bytea) security definer; owned by tenant_secrets_reader, for tenant_secrets_application, tenant_secrets_maintenance
-- function refuse_audit_change() returns trigger; owned by tenant_secrets_migration, for none other
-- function refuse_audit_removal() returns trigger; owned by tenant_secrets_migration, for none other
-- function refuse_audit_unwrap() returns trigger; owned by tenant_secrets_migration, for none other
-- function refuse_company_key() returns trigger security definer; owned by tenant_secrets_maintenance, for none other
-- function refuse_company_wrap() returns trigger security definer; owned by tenant_secrets_maintenance, for none other
-- function refuse_earlier_home() returns trigger; owned by tenant_secrets_migration, for none other
-- function refuse_foreign_copy() returns trigger security definer; owned by tenant_secrets_copies, for none other
-- function refuse_head_mac() returns trigger security definer; owned by tenant_secrets_maintenance, for none other
-- function refuse_inactive_company_key() returns trigger security definer; owned by tenant_secrets_maintenance, for none other
-- function refuse_master_key_change() returns trigger; owned by tenant_secrets_migration, for none other
-- function refuse_region_with_companies() returns trigger; owned by tenant_secrets_migration, for none other
-- function refuse_revival() returns trigger; owned by tenant_secrets_migration, for none other
-- function refuse_row_mac() returns trigger; owned by tenant_secrets_migration, for none other
-- function refuse_run_removal() returns trigger; owned by tenant_secrets_migration, for none other
-- function refuse_unfenced_store() returns trigger; owned by tenant_secrets_migration, for none other
-- function refuse_unheld_store() returns trigger; owned by tenant_secrets_migration, for none other
-- function refuse_unwrap() returns trigger; owned by tenant_secrets_migration, for none other
-- function refuse_version_change() returns trigger; owned by tenant_secrets_migration, for none other
-- function refuse_version_reuse() returns trigger; owned by tenant_secrets_migration, for none other
-- function refuse_wrap() returns trigger security definer; owned by tenant_secrets_maintenance, for none other
-- function require_copies() returns trigger security definer; owned by tenant_secrets_copies, for none other
-- function rotations_of_company() returns TABLE(secret_key text, driver text, state text, next_due_at timestamp with time zone, run uuid, run_state text, run_phase text, run_not_before timestamp with time zone) security definer; owned by tenant_secrets_maintenance, for tenant_secrets_application
-- function touch_api_key(uuid) returns void security definer; owned by tenant_secrets_maintenance, for tenant_secrets_application
-- function withdraw_company() returns trigger security definer; owned by tenant_secrets_copies, for none other
-- function withdraw_key() returns trigger security definer; owned by tenant_secrets_copies, for none other
-- function withdraw_move(uuid) returns void security definer; owned by tenant_secrets_copies, for tenant_secrets_maintenance
