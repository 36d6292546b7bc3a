-- What the migrations and the files in sql/ make. After a change of either: npx vitest run packages/db/src/migrate.db.test.ts --update

create table api_key_companies (
  company_id uuid not null,
  api_key_id uuid not null,
  constraint api_key_companies_api_key_fkey FOREIGN KEY (api_key_id) REFERENCES api_keys(id) ON DELETE RESTRICT,
  constraint api_key_companies_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint api_key_companies_pkey PRIMARY KEY (company_id, api_key_id)
);
CREATE INDEX api_key_companies_api_key ON public.api_key_companies USING btree (api_key_id);
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
  mac_key_no smallint not null,
  mac bytea not null,
  constraint api_keys_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint api_keys_key_patterns_check CHECK ((cardinality(key_patterns) > 0)),
  constraint api_keys_pkey PRIMARY KEY (id),
  constraint api_keys_prefix_key UNIQUE (prefix),
  constraint api_keys_verbs_check CHECK (((cardinality(verbs) > 0) AND (verbs <@ '{describe,use,write,delete,export}'::text[])))
);
CREATE INDEX api_keys_company ON public.api_keys USING btree (company_id);
CREATE TRIGGER mac_under_key_in_use BEFORE INSERT OR UPDATE OF revision, mac_key_no, mac ON public.api_keys FOR EACH ROW EXECUTE FUNCTION refuse_row_mac();
CREATE TRIGGER notify_change AFTER INSERT OR DELETE OR UPDATE OF company_id, prefix, hash, verbs, key_patterns, addresses, expires_at, revoked_at ON public.api_keys FOR EACH STATEMENT EXECUTE FUNCTION notify_subject('credentials');
CREATE TRIGGER revoked_for_good BEFORE UPDATE ON public.api_keys FOR EACH ROW WHEN (((old.revoked_at IS NOT NULL) AND (new.revoked_at IS NULL))) EXECUTE FUNCTION refuse_revival();
alter table api_keys enable row level security;
alter table api_keys force row level security;
create policy company on api_keys for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on api_keys for all to tenant_secrets_maintenance using true with check true;
grant insert, select, update on api_keys to tenant_secrets_maintenance;

create table audit_batches (
  no integer not null,
  cluster text not null,
  floor bigint not null,
  from_xid xid8 not null,
  to_xid xid8 not null,
  size integer not null,
  leaves bytea not null,
  head text not null,
  signature text not null,
  sealed_at timestamp(3) with time zone not null default now(),
  constraint audit_batches_interval_check CHECK ((from_xid <= to_xid)),
  constraint audit_batches_no_check CHECK ((no > 0)),
  constraint audit_batches_pkey PRIMARY KEY (no),
  constraint audit_batches_size_check CHECK (((size >= 0) AND (octet_length(leaves) = (48 * size))))
);
CREATE INDEX audit_batches_interval ON public.audit_batches USING btree (floor, to_xid);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_batches FOR EACH STATEMENT EXECUTE FUNCTION refuse_record_change();
grant insert, select on audit_batches to tenant_secrets_maintenance;

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
  stream uuid,
  stream_no bigint,
  xid xid8 not null default pg_current_xact_id(),
  nonce bytea not null,
  mac_key_no smallint not null,
  mac bytea not null,
  "position" bigint not null,
  constraint audit_events_count_check CHECK ((count > 0)),
  constraint audit_events_mac_check CHECK (((octet_length(nonce) = 16) AND (octet_length(mac) = 32))),
  constraint audit_events_outcome_check CHECK ((outcome = ANY (ARRAY['allowed'::text, 'refused'::text, 'attempted'::text, 'failed'::text, 'unknown'::text]))),
  constraint audit_events_pkey PRIMARY KEY (id),
  constraint audit_events_stream_check CHECK ((((stream IS NULL) = (stream_no IS NULL)) AND (stream_no > 0)))
);
CREATE INDEX audit_events_company ON public.audit_events USING btree (company_id, "position");
CREATE INDEX audit_events_xid ON public.audit_events USING btree (xid);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_events FOR EACH STATEMENT EXECUTE FUNCTION refuse_record_change();
alter table audit_events enable row level security;
alter table audit_events force row level security;
create policy append on audit_events for insert to tenant_secrets_application with check true;
create policy company on audit_events for select to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on audit_events for all to tenant_secrets_maintenance using true with check true;
grant insert, select on audit_events to tenant_secrets_application;
grant insert, select on audit_events to tenant_secrets_maintenance;

create table audit_key_wraps (
  purpose text not null,
  no integer not null,
  region text not null,
  master_key_version integer not null,
  wrapped text not null,
  created_at timestamp(3) with time zone not null default now(),
  constraint audit_key_wraps_key_fkey FOREIGN KEY (purpose, no) REFERENCES audit_keys(purpose, no) ON DELETE RESTRICT,
  constraint audit_key_wraps_master_key_fkey FOREIGN KEY (region, master_key_version) REFERENCES master_keys(region, version) ON DELETE RESTRICT,
  constraint audit_key_wraps_pkey PRIMARY KEY (purpose, no, region, master_key_version)
);
CREATE TRIGGER last_wrap_stays BEFORE DELETE ON public.audit_key_wraps FOR EACH ROW EXECUTE FUNCTION refuse_audit_unwrap();
CREATE TRIGGER wrap_under_active_key BEFORE INSERT ON public.audit_key_wraps FOR EACH ROW EXECUTE FUNCTION refuse_wrap();
grant delete, insert, select on audit_key_wraps to tenant_secrets_maintenance;

create table audit_keys (
  purpose text not null,
  no integer not null,
  status text not null,
  public_key text,
  created_at timestamp(3) with time zone not null default now(),
  constraint audit_keys_pkey PRIMARY KEY (purpose, no),
  constraint audit_keys_purpose_check CHECK ((purpose = ANY (ARRAY['mac'::text, 'signing'::text, 'row'::text]))),
  constraint audit_keys_status_check CHECK ((status = ANY (ARRAY['active'::text, 'retiring'::text, 'retired'::text])))
);
CREATE TRIGGER notify_change AFTER INSERT OR UPDATE ON public.audit_keys FOR EACH STATEMENT EXECUTE FUNCTION notify_subject('master-keys');
CREATE UNIQUE INDEX audit_keys_one_active ON public.audit_keys USING btree (purpose) WHERE (status = 'active'::text);
grant insert, select, update on audit_keys to tenant_secrets_maintenance;

create table companies (
  id uuid not null default gen_random_uuid(),
  subdomain text not null,
  infisical_folder text not null,
  secret_store text not null,
  store_epoch integer not null default 1,
  status text not null default 'active'::text,
  home_region text not null default 'default'::text,
  recovery_days integer not null default 30,
  created_at timestamp(3) with time zone not null default now(),
  updated_at timestamp(3) with time zone not null default now(),
  deleted_at timestamp(3) with time zone,
  revision integer not null,
  mac_key_no smallint not null,
  mac bytea not null,
  constraint companies_deleted_check CHECK (((status = 'deleted'::text) = (deleted_at IS NOT NULL))),
  constraint companies_infisical_folder_check CHECK ((infisical_folder ~ '^[A-Za-z0-9_-]{1,255}$'::text)),
  constraint companies_infisical_folder_key UNIQUE (infisical_folder),
  constraint companies_pkey PRIMARY KEY (id),
  constraint companies_recovery_days_check CHECK (((recovery_days >= 7) AND (recovery_days <= 90))),
  constraint companies_secret_store_check CHECK ((secret_store = ANY (ARRAY['infisical'::text, 'hybrid'::text, 'database'::text]))),
  constraint companies_status_check CHECK ((status = ANY (ARRAY['active'::text, 'suspended'::text, 'deleted'::text]))),
  constraint companies_store_epoch_check CHECK ((store_epoch > 0)),
  constraint companies_subdomain_check CHECK ((subdomain ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text))
);
CREATE TRIGGER fenced_store BEFORE UPDATE ON public.companies FOR EACH ROW EXECUTE FUNCTION refuse_unfenced_store();
CREATE TRIGGER keep_subdomain AFTER INSERT OR UPDATE OF subdomain ON public.companies FOR EACH ROW EXECUTE FUNCTION keep_company_subdomain();
CREATE TRIGGER mac_under_key_in_use BEFORE INSERT OR UPDATE OF revision, mac_key_no, mac ON public.companies FOR EACH ROW EXECUTE FUNCTION refuse_row_mac();
CREATE TRIGGER notify_delete AFTER DELETE ON public.companies REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION notify_companies('id', 'company');
CREATE TRIGGER notify_insert AFTER INSERT ON public.companies REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION notify_companies('id', 'company');
CREATE TRIGGER notify_update AFTER UPDATE ON public.companies REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION notify_companies('id', 'company');
CREATE UNIQUE INDEX companies_subdomain_key ON public.companies USING btree (subdomain) WHERE (deleted_at IS NULL);
alter table companies enable row level security;
alter table companies force row level security;
create policy company on companies for all to tenant_secrets_application using (id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on companies for all to tenant_secrets_maintenance using true with check true;
grant insert, select, update on companies to tenant_secrets_maintenance;
grant select on companies to tenant_secrets_application;

create table company_key_wraps (
  company_id uuid not null,
  no integer not null,
  region text not null,
  master_key_version integer not null,
  wrapped text not null,
  created_at timestamp(3) with time zone not null default now(),
  constraint company_key_wraps_key_fkey FOREIGN KEY (company_id, no) REFERENCES company_keys(company_id, no) ON DELETE RESTRICT,
  constraint company_key_wraps_master_key_fkey FOREIGN KEY (region, master_key_version) REFERENCES master_keys(region, version) ON DELETE RESTRICT,
  constraint company_key_wraps_pkey PRIMARY KEY (company_id, no, region, master_key_version)
);
CREATE TRIGGER last_wrap_stays BEFORE DELETE ON public.company_key_wraps FOR EACH ROW EXECUTE FUNCTION refuse_unwrap();
CREATE TRIGGER wrap_of_living_key BEFORE INSERT ON public.company_key_wraps FOR EACH ROW EXECUTE FUNCTION refuse_company_wrap();
CREATE TRIGGER wrap_under_active_key BEFORE INSERT ON public.company_key_wraps FOR EACH ROW EXECUTE FUNCTION refuse_wrap();
alter table company_key_wraps enable row level security;
alter table company_key_wraps force row level security;
create policy company on company_key_wraps for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on company_key_wraps for all to tenant_secrets_maintenance using true with check true;
grant delete, insert, select on company_key_wraps to tenant_secrets_maintenance;
grant insert, select on company_key_wraps to tenant_secrets_application;

create table company_keys (
  company_id uuid not null,
  no integer not null,
  status text not null,
  created_at timestamp(3) with time zone not null default now(),
  destroyed_at timestamp(3) with time zone,
  constraint company_keys_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint company_keys_no_check CHECK ((no > 0)),
  constraint company_keys_pkey PRIMARY KEY (company_id, no),
  constraint company_keys_status_check CHECK ((status = ANY (ARRAY['active'::text, 'retiring'::text, 'retired'::text, 'destroyed'::text])))
);
CREATE TRIGGER company_key_destroyed BEFORE INSERT OR UPDATE ON public.company_keys FOR EACH ROW EXECUTE FUNCTION refuse_company_key();
CREATE TRIGGER notify_delete AFTER DELETE ON public.company_keys REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION notify_companies('company_id', 'company-keys');
CREATE TRIGGER notify_insert AFTER INSERT ON public.company_keys REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION notify_companies('company_id', 'company-keys');
CREATE TRIGGER notify_update AFTER UPDATE ON public.company_keys REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION notify_companies('company_id', 'company-keys');
CREATE UNIQUE INDEX company_keys_one_active ON public.company_keys USING btree (company_id) WHERE (status = 'active'::text);
alter table company_keys enable row level security;
alter table company_keys force row level security;
create policy company on company_keys for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on company_keys for all to tenant_secrets_maintenance using true with check true;
grant insert, select on company_keys to tenant_secrets_application;
grant insert, select, update on company_keys to tenant_secrets_maintenance;

create table company_secret_versions (
  company_id uuid not null,
  secret_key text not null,
  version integer not null,
  id uuid not null default gen_random_uuid(),
  previous_version_id uuid,
  sealed text,
  company_key_no integer,
  fingerprint text,
  hint text,
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
  constraint company_secret_versions_key_fkey FOREIGN KEY (company_id, company_key_no) REFERENCES company_keys(company_id, no) ON DELETE RESTRICT,
  constraint company_secret_versions_note_check CHECK ((length(note) <= 500)),
  constraint company_secret_versions_pkey PRIMARY KEY (company_id, secret_key, version),
  constraint company_secret_versions_previous_fkey FOREIGN KEY (company_id, previous_version_id) REFERENCES company_secret_versions(company_id, id) ON DELETE RESTRICT,
  constraint company_secret_versions_secret_fkey FOREIGN KEY (company_id, secret_key) REFERENCES company_secrets(company_id, secret_key) ON DELETE RESTRICT,
  constraint company_secret_versions_version_check CHECK ((version > 0))
);
CREATE INDEX company_secret_versions_expires_at ON public.company_secret_versions USING btree (expires_at) WHERE ((expires_at IS NOT NULL) AND (reminded_days IS DISTINCT FROM '-1'::integer));
CREATE TRIGGER company_key_destroyed BEFORE INSERT OR UPDATE ON public.company_secret_versions FOR EACH ROW WHEN ((new.sealed IS NOT NULL)) EXECUTE FUNCTION refuse_sealing();
CREATE TRIGGER immutable_version BEFORE UPDATE ON public.company_secret_versions FOR EACH ROW EXECUTE FUNCTION refuse_version_change();
CREATE TRIGGER notify_delete AFTER DELETE ON public.company_secret_versions FOR EACH ROW EXECUTE FUNCTION notify_of_version();
CREATE TRIGGER notify_update AFTER UPDATE ON public.company_secret_versions FOR EACH ROW WHEN ((old.sealed IS DISTINCT FROM new.sealed)) EXECUTE FUNCTION notify_of_version();
alter table company_secret_versions enable row level security;
alter table company_secret_versions force row level security;
create policy company on company_secret_versions for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on company_secret_versions for all to tenant_secrets_maintenance using true with check true;
grant insert, select on company_secret_versions to tenant_secrets_application;
grant insert, select, update on company_secret_versions to tenant_secrets_maintenance;
grant update (check_result, checked_at, company_key_no, destroyed_at, expires_at, fingerprint, hint, reminded_days, reminder_days, replaced_at, sealed) on company_secret_versions to tenant_secrets_application;

create table company_secrets (
  company_id uuid not null,
  secret_key text not null,
  id uuid not null default gen_random_uuid(),
  secret_value_encrypted text,
  company_key_no integer,
  current_version integer,
  pending_version integer,
  grace_windows jsonb not null default '[]'::jsonb,
  last_version integer not null,
  origin text not null,
  expires_at timestamp(3) with time zone,
  deleted_at timestamp(3) with time zone,
  recover_until timestamp(3) with time zone,
  purged_at timestamp(3) with time zone,
  created_at timestamp(3) with time zone not null default now(),
  updated_at timestamp(3) with time zone not null default now(),
  mac_key_no integer not null,
  mac bytea not null,
  constraint company_secrets_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint company_secrets_grace_windows_check CHECK (
CASE jsonb_typeof(grace_windows)
    WHEN 'array'::text THEN (jsonb_array_length(grace_windows) <= 5)
    ELSE false
END),
  constraint company_secrets_id_key UNIQUE (company_id, id),
  constraint company_secrets_key_fkey FOREIGN KEY (company_id, company_key_no) REFERENCES company_keys(company_id, no) ON DELETE RESTRICT,
  constraint company_secrets_live_check CHECK (((deleted_at IS NOT NULL) OR (pending_version IS NOT NULL) OR (secret_value_encrypted IS NOT NULL))),
  constraint company_secrets_mac_key_fkey FOREIGN KEY (company_id, mac_key_no) REFERENCES company_keys(company_id, no) ON DELETE RESTRICT,
  constraint company_secrets_origin_check CHECK ((origin = ANY (ARRAY['written'::text, 'infisical'::text, 'legacy'::text]))),
  constraint company_secrets_pkey PRIMARY KEY (company_id, secret_key),
  constraint company_secrets_sealed_check CHECK ((((secret_value_encrypted IS NULL) = (company_key_no IS NULL)) AND ((secret_value_encrypted IS NULL) OR (current_version IS NOT NULL)))),
  constraint company_secrets_secret_key_check CHECK ((secret_key ~ '^[A-Za-z][A-Za-z0-9_]{0,99}$'::text)),
  constraint company_secrets_versions_check CHECK (((last_version >= 0) AND ((COALESCE(current_version, 0) >= 0) AND (COALESCE(current_version, 0) <= last_version)) AND ((COALESCE(pending_version, 0) >= 0) AND (COALESCE(pending_version, 0) <= last_version))))
);
CREATE TRIGGER company_key_destroyed BEFORE INSERT ON public.company_secrets FOR EACH ROW WHEN ((new.secret_value_encrypted IS NOT NULL)) EXECUTE FUNCTION refuse_sealing();
CREATE TRIGGER company_key_destroyed_update BEFORE UPDATE ON public.company_secrets FOR EACH ROW WHEN (((new.secret_value_encrypted IS NOT NULL) AND (((new.secret_value_encrypted IS DISTINCT FROM old.secret_value_encrypted) AND (new.secret_value_encrypted <> 'destroyed'::text)) OR ((old.deleted_at IS NOT NULL) AND (new.deleted_at IS NULL))))) EXECUTE FUNCTION refuse_sealing();
CREATE TRIGGER gapless_versions BEFORE UPDATE ON public.company_secrets FOR EACH ROW EXECUTE FUNCTION refuse_version_reuse();
CREATE TRIGGER head_mac_under_living_key BEFORE INSERT OR UPDATE OF mac_key_no, mac ON public.company_secrets FOR EACH ROW EXECUTE FUNCTION refuse_head_mac();
CREATE TRIGGER notify_delete AFTER DELETE ON public.company_secrets REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION notify_companies('company_id', 'company-secrets');
CREATE TRIGGER notify_insert AFTER INSERT ON public.company_secrets REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION notify_companies('company_id', 'company-secrets');
CREATE TRIGGER notify_update AFTER UPDATE ON public.company_secrets REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION notify_companies('company_id', 'company-secrets');
alter table company_secrets enable row level security;
alter table company_secrets force row level security;
create policy company on company_secrets for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on company_secrets for all to tenant_secrets_maintenance using true with check true;
grant insert, select, update on company_secrets to tenant_secrets_application;
grant insert, select, update on company_secrets to tenant_secrets_maintenance;

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
grant insert, select on company_subdomains to tenant_secrets_maintenance;

create table key_rotations (
  id uuid not null default gen_random_uuid(),
  region text not null,
  from_version integer not null,
  to_version integer not null,
  phase text not null default 'stage'::text,
  started_by_kind text not null,
  started_by_id text not null,
  lease_holder uuid,
  lease_until timestamp(3) with time zone,
  before jsonb not null,
  backup_checksum text,
  report text,
  report_mac text,
  started_at timestamp(3) with time zone not null default now(),
  finished_at timestamp(3) with time zone,
  constraint key_rotations_done_check CHECK (((phase = 'done'::text) = (finished_at IS NOT NULL))),
  constraint key_rotations_from_fkey FOREIGN KEY (region, from_version) REFERENCES master_keys(region, version) ON DELETE RESTRICT,
  constraint key_rotations_pkey PRIMARY KEY (id),
  constraint key_rotations_versions_check CHECK ((to_version > from_version))
);
CREATE UNIQUE INDEX key_rotations_one_running ON public.key_rotations USING btree (region) WHERE (finished_at IS NULL);
grant insert, select, update on key_rotations to tenant_secrets_maintenance;

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

create table memberships (
  company_id uuid not null,
  user_id uuid not null,
  role text not null,
  name text not null,
  created_at timestamp(3) with time zone not null default now(),
  updated_at timestamp(3) with time zone not null default now(),
  revision integer not null,
  mac_key_no smallint not null,
  mac bytea not null,
  constraint memberships_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint memberships_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
  constraint memberships_pkey PRIMARY KEY (company_id, user_id),
  constraint memberships_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text, 'auditor'::text]))),
  constraint memberships_user_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE RESTRICT
);
CREATE INDEX memberships_user ON public.memberships USING btree (user_id);
CREATE TRIGGER mac_under_key_in_use BEFORE INSERT OR UPDATE OF revision, mac_key_no, mac ON public.memberships FOR EACH ROW EXECUTE FUNCTION refuse_row_mac();
CREATE TRIGGER notify_change AFTER INSERT OR DELETE OR UPDATE ON public.memberships FOR EACH STATEMENT EXECUTE FUNCTION notify_subject('credentials');
alter table memberships enable row level security;
alter table memberships force row level security;
create policy company on memberships for all to tenant_secrets_application using (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif")) with check (company_id = ( SELECT (NULLIF(current_setting('tenant_secrets.company_id'::text, true), ''::text))::uuid AS "nullif"));
create policy maintenance on memberships for all to tenant_secrets_maintenance using true with check true;
grant delete, insert, select, update on memberships to tenant_secrets_maintenance;

create table operators (
  id uuid not null default gen_random_uuid(),
  name text not null,
  token_prefix text not null,
  token_hash text not null,
  created_at timestamp(3) with time zone not null default now(),
  expires_at timestamp(3) with time zone not null,
  revoked_at timestamp(3) with time zone,
  revision integer not null,
  mac_key_no smallint not null,
  mac bytea not null,
  constraint operators_pkey PRIMARY KEY (id),
  constraint operators_token_prefix_key UNIQUE (token_prefix)
);
CREATE TRIGGER mac_under_key_in_use BEFORE INSERT OR UPDATE OF revision, mac_key_no, mac ON public.operators FOR EACH ROW EXECUTE FUNCTION refuse_row_mac();
CREATE TRIGGER notify_change AFTER INSERT OR DELETE OR UPDATE ON public.operators FOR EACH STATEMENT EXECUTE FUNCTION notify_subject('credentials');
CREATE TRIGGER revoked_for_good BEFORE UPDATE ON public.operators FOR EACH ROW WHEN (((old.revoked_at IS NOT NULL) AND (new.revoked_at IS NULL))) EXECUTE FUNCTION refuse_revival();
grant insert, select, update on operators to tenant_secrets_maintenance;

create table outside_writes (
  id uuid not null default gen_random_uuid(),
  company_id uuid not null,
  store_epoch integer not null,
  secret_key text not null,
  kind text not null,
  value_mac text,
  company_key_no integer,
  state text not null default 'in-flight'::text,
  started_at timestamp(3) with time zone not null default clock_timestamp(),
  deadline_at timestamp(3) with time zone not null,
  constraint outside_writes_company_fkey FOREIGN KEY (company_id) REFERENCES companies(id) ON DELETE RESTRICT,
  constraint outside_writes_kind_check CHECK ((kind = ANY (ARRAY['put'::text, 'delete'::text]))),
  constraint outside_writes_mac_check CHECK (((value_mac IS NULL) OR (company_key_no IS NOT NULL))),
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
grant insert, select, update on secret_uses to tenant_secrets_application;
grant insert, select, update on secret_uses to tenant_secrets_maintenance;

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
grant delete, insert, select, update on store_holds to tenant_secrets_maintenance;
grant select on store_holds to tenant_secrets_application;

create table users (
  id uuid not null default gen_random_uuid(),
  email text not null,
  created_at timestamp(3) with time zone not null default now(),
  disabled_at timestamp(3) with time zone,
  revision integer not null,
  mac_key_no smallint not null,
  mac bytea not null,
  constraint users_email_check CHECK (((email = lower(email)) AND ((length(email) >= 3) AND (length(email) <= 254)) AND (email ~ '^[^[:space:][:cntrl:]@]+@[^[:space:][:cntrl:]@]+$'::text))),
  constraint users_email_key UNIQUE (email),
  constraint users_pkey PRIMARY KEY (id)
);
CREATE TRIGGER mac_under_key_in_use BEFORE INSERT OR UPDATE OF revision, mac_key_no, mac ON public.users FOR EACH ROW EXECUTE FUNCTION refuse_row_mac();
CREATE TRIGGER notify_change AFTER INSERT OR DELETE OR UPDATE ON public.users FOR EACH STATEMENT EXECUTE FUNCTION notify_subject('credentials');
grant insert, select, update on users to tenant_secrets_maintenance;

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
grant delete, insert, select on write_requests to tenant_secrets_maintenance;
grant delete, insert, select, update on write_requests to tenant_secrets_application;

-- owned by tenant_secrets_maintenance, for tenant_secrets_application
CREATE OR REPLACE FUNCTION public.enqueue_job(task text, payload json, job_key text, run_at timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog'
AS $function$
begin
  if task is null or task <> all (
    array['check-credential', 'check-credentials', 'check-master-key-age', 'destroy-old-versions', 'forget-processes',
      'forget-rate-limits', 'forget-write-requests', 'purge-removed-secrets', 'remind-of-expiry', 'reseal-company',
      'rotate-master-key', 'settle-outside-writes'])
  then
    raise exception 'there is no such task' using errcode = 'invalid_parameter_value';
  end if;
  if json_typeof(payload) is distinct from 'object' or octet_length(payload::text) > 8192 then
    raise exception 'the payload of a job is an object of at most 8 KiB' using errcode = 'invalid_parameter_value';
  end if;
  perform graphile_worker.add_job(task, payload, run_at => enqueue_job.run_at, job_key => task || ':' || enqueue_job.job_key);
end $function$;

-- owned by tenant_secrets_migration, for tenant_secrets_application, tenant_secrets_maintenance
CREATE OR REPLACE FUNCTION public.enter_company(company uuid, epoch integer)
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog'
AS $function$
declare
  current_epoch integer;
begin
  -- The lock of company-lock.ts.
  perform pg_advisory_xact_lock_shared(hashtextextended('company ' || company, 0));
  select c.store_epoch into current_epoch from public.companies c where c.id = company;
  return case
    when current_epoch is distinct from epoch then 'changed'
    when exists (select from public.store_holds h where h.company_id = company and h.until > clock_timestamp()) then 'held'
    else 'ok'
  end;
end $function$;

-- owned by tenant_secrets_maintenance, for tenant_secrets_application
CREATE OR REPLACE FUNCTION public.find_api_key(wanted text)
 RETURNS TABLE(id uuid, company_id uuid, prefix text, hash text, verbs text[], key_patterns text[], addresses text[], created_by_kind text, created_by_id text, expires_at timestamp with time zone, revoked boolean, company_ids uuid[], revision integer, mac_key_no smallint, mac bytea)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog'
AS $function$
  select k.id, k.company_id, k.prefix, k.hash, k.verbs, k.key_patterns, k.addresses, k.created_by_kind, k.created_by_id,
    k.expires_at, k.revoked_at is not null,
    array(select l.company_id from public.api_key_companies l where l.api_key_id = k.id order by l.company_id),
    k.revision, k.mac_key_no, k.mac
  from public.api_keys k where k.prefix = wanted
$function$;

-- owned by tenant_secrets_maintenance, for tenant_secrets_application
CREATE OR REPLACE FUNCTION public.find_company(wanted text)
 RETURNS TABLE(id uuid, subdomain text, infisical_folder text, secret_store text, store_epoch integer, status text, revision integer, mac_key_no smallint, mac bytea)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog'
AS $function$
  select c.id, c.subdomain, c.infisical_folder, c.secret_store, c.store_epoch, c.status, c.revision, c.mac_key_no, c.mac
  from public.companies c where c.subdomain = wanted and c.deleted_at is null
$function$;

-- owned by tenant_secrets_maintenance, for tenant_secrets_application
CREATE OR REPLACE FUNCTION public.find_operator(wanted text)
 RETURNS TABLE(id uuid, token_prefix text, token_hash text, expires_at timestamp with time zone, revoked boolean, revision integer, mac_key_no smallint, mac bytea)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog'
AS $function$
  select o.id, o.token_prefix, o.token_hash, o.expires_at, o.revoked_at is not null, o.revision, o.mac_key_no, o.mac
  from public.operators o where o.token_prefix = wanted
$function$;

-- owned by tenant_secrets_maintenance, for tenant_secrets_application
CREATE OR REPLACE FUNCTION public.find_user(wanted uuid)
 RETURNS TABLE(id uuid, email text, disabled boolean, revision integer, mac_key_no smallint, mac bytea, memberships json)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog'
AS $function$
  select u.id, u.email, u.disabled_at is not null, u.revision, u.mac_key_no, u.mac,
    (select coalesce(json_agg(json_build_object('companyId', m.company_id, 'role', m.role, 'revision', m.revision,
        'macKeyNo', m.mac_key_no, 'mac', encode(m.mac, 'hex')) order by m.company_id), '[]')
      from public.memberships m where m.user_id = u.id)
  from public.users u where u.id = wanted
$function$;

-- owned by tenant_secrets_migration, for none other
CREATE OR REPLACE FUNCTION public.keep_company_subdomain()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog'
AS $function$
begin
  insert into public.company_subdomains (company_id, subdomain) values (new.id, new.subdomain) on conflict do nothing;
  return null;
end $function$;

-- owned by tenant_secrets_migration, for none other
CREATE OR REPLACE FUNCTION public.notify_companies()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog'
AS $function$
declare
  company uuid;
begin
  for company in execute format('select distinct %I from changed where %1$I is not null', tg_argv[0]) loop
    perform pg_notify('tenant_secrets', tg_argv[1] || ' ' || company);
  end loop;
  return null;
end $function$;

-- owned by tenant_secrets_migration, for none other
CREATE OR REPLACE FUNCTION public.notify_of_version()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog'
AS $function$
begin
  perform pg_notify('tenant_secrets', 'company-secrets ' || old.company_id);
  return null;
end $function$;

-- owned by tenant_secrets_migration, for none other
CREATE OR REPLACE FUNCTION public.notify_subject()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog'
AS $function$
begin
  perform pg_notify('tenant_secrets', tg_argv[0]);
  return null;
end $function$;

-- owned by tenant_secrets_migration, for tenant_secrets_application, tenant_secrets_maintenance
CREATE OR REPLACE FUNCTION public.read_secret(company uuid, wanted text, OUT company_id uuid, OUT secret_key text, OUT secret_value_encrypted text, OUT company_key_no integer, OUT current_version integer, OUT origin text, OUT removed boolean, OUT expires_at timestamp with time zone, OUT pending_version integer, OUT last_version integer, OUT grace_windows jsonb, OUT recover_until timestamp with time zone, OUT purged boolean, OUT mac_key_no integer, OUT mac bytea)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog'
AS $function$
declare
  outer_company text := current_setting('tenant_secrets.company_id', true);
  scope text;
begin
  scope := set_config('tenant_secrets.company_id', company::text, true);
  select s.company_id, s.secret_key, s.secret_value_encrypted, s.company_key_no, s.current_version, s.origin,
      s.deleted_at is not null, s.expires_at, s.pending_version, s.last_version, nullif(s.grace_windows, '[]'),
      s.recover_until, s.purged_at is not null, s.mac_key_no, s.mac
    into company_id, secret_key, secret_value_encrypted, company_key_no, current_version, origin, removed, expires_at,
      pending_version, last_version, grace_windows, recover_until, purged, mac_key_no, mac
    from public.company_secrets s where s.company_id = company and s.secret_key = wanted;
  scope := set_config('tenant_secrets.company_id', coalesce(outer_company, ''), true);
end $function$;

-- owned by tenant_secrets_migration, for tenant_secrets_application, tenant_secrets_maintenance
CREATE OR REPLACE FUNCTION public.read_secrets(companies uuid[], ends integer[], wanted text[])
 RETURNS TABLE(company_id uuid, secret_key text, secret_value_encrypted text, company_key_no integer, current_version integer, origin text, removed boolean, expires_at timestamp with time zone, pending_version integer, last_version integer, grace_windows jsonb, recover_until timestamp with time zone, purged boolean, mac_key_no integer, mac bytea)
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog'
AS $function$
declare
  outer_company text := current_setting('tenant_secrets.company_id', true);
  scope text;
  first integer := 1;
begin
  for i in 1 .. cardinality(companies) loop
    scope := set_config('tenant_secrets.company_id', companies[i]::text, true);
    if first = ends[i] then
      return query
        select s.company_id, s.secret_key, s.secret_value_encrypted, s.company_key_no, s.current_version, s.origin,
          s.deleted_at is not null, s.expires_at, s.pending_version, s.last_version, nullif(s.grace_windows, '[]'),
          s.recover_until, s.purged_at is not null, s.mac_key_no, s.mac
        from public.company_secrets s where s.company_id = companies[i] and s.secret_key = wanted[first];
    else
      return query
        select s.company_id, s.secret_key, s.secret_value_encrypted, s.company_key_no, s.current_version, s.origin,
          s.deleted_at is not null, s.expires_at, s.pending_version, s.last_version, nullif(s.grace_windows, '[]'),
          s.recover_until, s.purged_at is not null, s.mac_key_no, s.mac
        from public.company_secrets s where s.company_id = companies[i] and s.secret_key = any(wanted[first:ends[i]]);
    end if;
    first := ends[i] + 1;
  end loop;
  scope := set_config('tenant_secrets.company_id', coalesce(outer_company, ''), true);
end $function$;

-- owned by tenant_secrets_migration, for none other
CREATE OR REPLACE FUNCTION public.refuse_audit_unwrap()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog'
AS $function$
begin
  if not exists (select from public.audit_keys k
      where k.purpose = old.purpose and k.no = old.no and k.purpose = 'row' and k.status = 'retired')
    and not exists (
    select from public.audit_key_wraps o
    join public.master_keys m on m.region = o.region and m.version = o.master_key_version and m.status = 'active'
    where o.purpose = old.purpose and o.no = old.no and o.region = old.region and o.master_key_version <> old.master_key_version)
  then
    raise exception 'a key of the record has no other wrap' using errcode = 'integrity_constraint_violation';
  end if;
  return old;
end $function$;

-- owned by tenant_secrets_maintenance, for none other
CREATE OR REPLACE FUNCTION public.refuse_company_key()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog'
AS $function$
begin
  if tg_op = 'UPDATE' then
    if old.status = 'destroyed' and new.status <> 'destroyed' then
      raise exception 'a destroyed company key stays destroyed'
        using errcode = 'integrity_constraint_violation', constraint = 'company_key_destroyed';
    end if;
    return new;
  end if;
  perform 1 from public.companies where id = new.company_id for key share;
  if exists (select from public.shreddings where company_id = new.company_id) then
    raise exception 'this company was shredded'
      using errcode = 'integrity_constraint_violation', constraint = 'company_key_destroyed';
  end if;
  return new;
end $function$;

-- owned by tenant_secrets_maintenance, for none other
CREATE OR REPLACE FUNCTION public.refuse_company_wrap()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog'
AS $function$
declare
  state text;
begin
  select status into state from public.company_keys where company_id = new.company_id and no = new.no for share;
  if state = 'destroyed' then
    raise exception 'this company key was destroyed' using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end $function$;

-- owned by tenant_secrets_maintenance, for none other
CREATE OR REPLACE FUNCTION public.refuse_head_mac()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog'
AS $function$
declare
  state text;
begin
  select status into state from public.company_keys where company_id = new.company_id and no = new.mac_key_no for share;
  if state = 'destroyed' then
    raise exception 'this company key was destroyed'
      using errcode = 'integrity_constraint_violation', constraint = 'company_key_destroyed';
  end if;
  return new;
end $function$;

-- owned by tenant_secrets_migration, for none other
CREATE OR REPLACE FUNCTION public.refuse_master_key_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog'
AS $function$
begin
  if tg_op = 'DELETE' then
    raise exception 'a master key stays on record' using errcode = 'integrity_constraint_violation';
  end if;
  if (new.region, new.version, new.derivation, new.parameters, new.check_value, new.created_at)
      is distinct from (old.region, old.version, old.derivation, old.parameters, old.check_value, old.created_at) then
    raise exception 'what a master key is does not change' using errcode = 'integrity_constraint_violation';
  end if;
  if new.status <> old.status and (old.status, new.status) not in (
      ('pending', 'active'), ('pending', 'destroyed'), ('active', 'retiring'), ('retiring', 'retired'), ('retired', 'destroyed')) then
    raise exception 'a master key does not go from % to %', old.status, new.status using errcode = 'integrity_constraint_violation';
  end if;
  -- The wraps that need this key have no other that will stay.
  if new.status = 'retired' and old.status <> 'retired' and (
    exists (
      select from public.company_key_wraps w
      where w.region = new.region and w.master_key_version = new.version and not exists (
        select from public.company_key_wraps o
        join public.master_keys m on m.region = o.region and m.version = o.master_key_version and m.status = 'active'
        where o.company_id = w.company_id and o.no = w.no and o.region = w.region))
    or exists (
      select from public.audit_key_wraps w
      where w.region = new.region and w.master_key_version = new.version and not exists (
        select from public.audit_key_wraps o
        join public.master_keys m on m.region = o.region and m.version = o.master_key_version and m.status = 'active'
        where o.purpose = w.purpose and o.no = w.no and o.region = w.region)))
  then
    raise exception 'keys still depend on version % of the master key', new.version using errcode = 'integrity_constraint_violation';
  end if;
  if new.status = 'destroyed' and (
    exists (select from public.company_key_wraps w where w.region = new.region and w.master_key_version = new.version)
    or exists (select from public.audit_key_wraps w where w.region = new.region and w.master_key_version = new.version))
  then
    raise exception 'wraps under version % are still there', new.version using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end $function$;

-- owned by tenant_secrets_migration, for none other
CREATE OR REPLACE FUNCTION public.refuse_record_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog'
AS $function$
begin
  raise exception 'the record is only ever added to' using errcode = 'integrity_constraint_violation';
end $function$;

-- owned by tenant_secrets_migration, for none other
CREATE OR REPLACE FUNCTION public.refuse_revival()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog'
AS $function$
begin
  raise exception 'what was revoked stays revoked' using errcode = 'integrity_constraint_violation';
end $function$;

-- owned by tenant_secrets_migration, for none other
CREATE OR REPLACE FUNCTION public.refuse_row_mac()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog'
AS $function$
declare
  state text;
begin
  select status into state from public.audit_keys where purpose = 'row' and no = new.mac_key_no for share;
  if state is distinct from 'active' then
    raise exception 'key % of rows is not the one in use', new.mac_key_no using errcode = 'object_not_in_prerequisite_state';
  end if;
  if tg_op = 'UPDATE' then
    if new.revision < old.revision then
      raise exception 'an older state of a row is not put back' using errcode = 'integrity_constraint_violation';
    end if;
  end if;
  return new;
end $function$;

-- owned by tenant_secrets_maintenance, for none other
CREATE OR REPLACE FUNCTION public.refuse_sealing()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog'
AS $function$
declare
  state text;
  known boolean;
begin
  select status into state from public.company_keys
  where company_id = new.company_id and no = new.company_key_no for share;
  if state = 'destroyed' then
    raise exception 'this company key was destroyed'
      using errcode = 'integrity_constraint_violation', constraint = 'company_key_destroyed';
  end if;
  if state = 'active' then
    return new;
  end if;
  if tg_table_name = 'company_secrets' then
    known := tg_op = 'UPDATE'
        and (new.secret_value_encrypted, new.company_key_no, new.current_version)
          = (old.secret_value_encrypted, old.company_key_no, old.current_version)
      or exists (
        select from public.company_secret_versions v
        where v.company_id = new.company_id and v.secret_key = new.secret_key and v.version = new.current_version
          and v.sealed = new.secret_value_encrypted and v.company_key_no = new.company_key_no);
  else
    known := tg_op = 'UPDATE' and (new.sealed, new.company_key_no) = (old.sealed, old.company_key_no)
      or exists (
        select from public.company_secrets s
        where s.company_id = new.company_id and s.secret_key = new.secret_key and s.current_version = new.version
          and s.secret_value_encrypted = new.sealed and s.company_key_no = new.company_key_no);
  end if;
  if known is not true then
    raise exception 'this company key is not the active one'
      using errcode = 'object_not_in_prerequisite_state', constraint = 'company_key_not_active';
  end if;
  return new;
end $function$;

-- owned by tenant_secrets_migration, for none other
CREATE OR REPLACE FUNCTION public.refuse_unfenced_store()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog'
AS $function$
begin
  if new.store_epoch <> old.store_epoch + (new.secret_store <> old.secret_store)::integer then
    raise exception 'the store of a company changes together with its epoch, by one'
      using errcode = 'integrity_constraint_violation', constraint = 'companies_store_epoch';
  end if;
  return new;
end $function$;

-- owned by tenant_secrets_migration, for none other
CREATE OR REPLACE FUNCTION public.refuse_unwrap()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog'
AS $function$
begin
  if not exists (select from public.company_keys k where k.company_id = old.company_id and k.no = old.no and k.status = 'destroyed')
    and not exists (
      select from public.company_key_wraps o
      join public.master_keys m on m.region = o.region and m.version = o.master_key_version and m.status = 'active'
      where o.company_id = old.company_id and o.no = old.no and o.region = old.region
        and o.master_key_version <> old.master_key_version)
  then
    raise exception 'a company key has no other wrap' using errcode = 'integrity_constraint_violation';
  end if;
  return old;
end $function$;

-- owned by tenant_secrets_migration, for none other
CREATE OR REPLACE FUNCTION public.refuse_version_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog'
AS $function$
begin
  if (new.company_id, new.secret_key, new.version, new.id, new.previous_version_id, new.note, new.actor_kind,
      new.actor_id, new.created_at)
    is distinct from
     (old.company_id, old.secret_key, old.version, old.id, old.previous_version_id, old.note, old.actor_kind,
      old.actor_id, old.created_at)
  then
    raise exception 'a version of a secret is immutable' using errcode = 'integrity_constraint_violation';
  end if;
  if old.destroyed_at is not null and (new.destroyed_at is null or new.sealed is not null) then
    raise exception 'a destroyed version stays destroyed' using errcode = 'integrity_constraint_violation';
  end if;
  if old.replaced_at is not null and new.replaced_at is distinct from old.replaced_at then
    raise exception 'a version is replaced once' using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end $function$;

-- owned by tenant_secrets_migration, for none other
CREATE OR REPLACE FUNCTION public.refuse_version_reuse()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog'
AS $function$
begin
  if (new.company_id, new.secret_key, new.id, new.created_at)
      is distinct from (old.company_id, old.secret_key, old.id, old.created_at)
    or new.last_version not between old.last_version and old.last_version + 1
  then
    raise exception 'the head of a secret keeps its name, and its versions are gapless' using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end $function$;

-- owned by tenant_secrets_maintenance, for none other
CREATE OR REPLACE FUNCTION public.refuse_wrap()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog'
AS $function$
declare
  state text;
begin
  select status into state from public.master_keys
  where region = new.region and version = new.master_key_version for share;
  if state is distinct from 'active' then
    raise exception 'version % of the master key is not the active one', new.master_key_version
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  return new;
end $function$;

-- owned by tenant_secrets_maintenance, for tenant_secrets_application
CREATE OR REPLACE FUNCTION public.touch_api_key(wanted uuid)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog'
AS $function$
  update public.api_keys set last_used_at = now()
  where id = wanted and (last_used_at is null or last_used_at < now() - interval '1 minute')
$function$;
