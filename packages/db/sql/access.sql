-- Who may touch which table. The roles exist before any of this runs (provision.ts). The file runs again after each
-- change to it and revokes first, so that a grant deleted from the file is also revoked in the database.

revoke all on schema public from public;
grant usage on schema public to tenant_secrets_application, tenant_secrets_maintenance, tenant_secrets_reader, tenant_secrets_copies, tenant_secrets_mover,
  tenant_secrets_exporter;
revoke all on all tables in schema public
  from tenant_secrets_application, tenant_secrets_maintenance, tenant_secrets_sign_in, tenant_secrets_reader, tenant_secrets_copies, tenant_secrets_exporter;
revoke all on schema sign_in
  from public, tenant_secrets_application, tenant_secrets_maintenance, tenant_secrets_listener, tenant_secrets_sign_in;
revoke all on all tables in schema sign_in
  from public, tenant_secrets_application, tenant_secrets_maintenance, tenant_secrets_listener, tenant_secrets_sign_in;
-- Of the functions that later files make. They grant each by name.
alter default privileges revoke execute on functions from public;

do $$
declare
  policy record;
begin
  for policy in select tablename, policyname from pg_policies where schemaname = 'public' loop
    execute format('drop policy %I on public.%I', policy.policyname, policy.tablename);
  end loop;
end $$;

-- Each row belongs to the company that the statement or transaction is set to. After a transaction-local
-- set_config the setting is '' and not null, hence the nullif; the subselect is evaluated once a statement.
-- No company set: no rows.
do $$
declare
  relation text;
  company_column text;
begin
  foreach relation in array array['companies', 'company_keys', 'company_key_wraps', 'company_secrets',
    'company_secret_versions', 'secret_uses', 'write_requests', 'api_keys', 'api_key_companies', 'memberships', 'invitations', 'member_names', 'shreddings',
    'company_subdomains', 'store_holds',
    'outside_writes', 'audit_summaries', 'company_stores', 'folder_entries', 'migration_companies', 'shadow_reads', 'webhook_endpoints', 'notifications', 'webhook_deliveries', 'webhook_attempts',
    'rotation_policies', 'rotation_credentials', 'company_regions', 'company_homes', 'region_refusals', 'region_receipts', 'export_receipts']
  loop
    company_column := case relation when 'companies' then 'id' else 'company_id' end;
    execute format('alter table %I enable row level security', relation);
    execute format('alter table %I force row level security', relation);
    execute format(
      'create policy company on %1$I to tenant_secrets_application using (%2$I = %3$s) with check (%2$I = %3$s)',
      relation, company_column,
      $scope$(select nullif(current_setting('tenant_secrets.company_id', true), '')::uuid)$scope$);
    execute format(
      'create policy maintenance on %I to tenant_secrets_maintenance using (true) with check (true)', relation);
  end loop;
end $$;

-- Heads are read by functions that this role owns, which return the pairs of company and secret key that they are asked for.
grant select on company_secrets to tenant_secrets_reader;
create policy reader on company_secrets for select to tenant_secrets_reader using (true);

-- Events are written about any company, or none (a refusal before a company is known), and read by company.
alter table audit_events enable row level security;
alter table audit_events force row level security;
create policy append on audit_events for insert to tenant_secrets_application with check (true);
create policy company on audit_events for select to tenant_secrets_application
  using (company_id = (select nullif(current_setting('tenant_secrets.company_id', true), '')::uuid));
create policy maintenance on audit_events to tenant_secrets_maintenance using (true) with check (true);

grant select on companies, store_holds, company_stores, member_names, audit_summaries to tenant_secrets_application;
-- For the names of a company's own keys.
grant select (company_id, id, name) on api_keys to tenant_secrets_application;
grant select, insert on company_keys, company_key_wraps to tenant_secrets_application;
grant select, insert, update on company_secrets to tenant_secrets_application;
grant select, insert on company_secret_versions to tenant_secrets_application;
grant update (value_encrypted, company_key_version, fingerprint, last_four, destroyed_at, replaced_at, expires_at, reminder_days,
  reminded_days, check_result, checked_at) on company_secret_versions
  to tenant_secrets_application;
grant select, insert, update on secret_uses to tenant_secrets_application;
grant select, insert, update, delete on write_requests, outside_writes, folder_entries to tenant_secrets_application;
grant select, insert on audit_events to tenant_secrets_application;
-- A process compares it with the version that it was made for.
grant select on schema_versions to tenant_secrets_application;
-- Counters are of no company: most are about a caller who is not known yet. Their keys are hashes.
grant select, insert, update, delete on rate_limits to tenant_secrets_application, tenant_secrets_maintenance;
grant select, insert, update, delete on management_requests to tenant_secrets_maintenance;

grant select, insert, update on member_names, companies, master_keys, company_keys, company_secrets, company_secret_versions,
  secret_uses, operators, approvals, users, invitations, api_keys, audit_keys, runs, shreddings, key_backups, company_stores, migration_companies, shadow_reads to tenant_secrets_maintenance;
grant select, insert, delete on company_key_wraps, audit_key_wraps, api_key_companies, write_requests
  to tenant_secrets_maintenance;
grant select, insert, update, delete on audit_summaries, memberships, processes, store_holds, outside_writes, folder_entries
  to tenant_secrets_maintenance;
grant select, insert on audit_verifications, company_subdomains, audit_events, audit_checkpoints, job_tasks to tenant_secrets_maintenance;
grant usage on sequence row_revisions to tenant_secrets_maintenance;
grant delete on audit_events, runs to tenant_secrets_maintenance;

grant select, insert, update, delete on webhook_endpoints, notifications, webhook_deliveries, webhook_attempts, rotation_policies
  to tenant_secrets_maintenance;
grant select, insert, update, delete on rotation_credentials to tenant_secrets_maintenance;

-- Likewise the copies of secrets that other regions have brought here.
grant select on region_copies, region_beats, company_homes to tenant_secrets_reader;
create policy reader on company_homes for select to tenant_secrets_reader using (true);

-- Copies for other regions are made and checked as their owner, which reads what they are made of. Row-level security does not hold for
-- the owner, and is not forced (regions.sql). Of secrets the application makes no copies, and of what arrived it changes nothing.
alter table region_copies enable row level security;
create policy company on region_copies to tenant_secrets_application
  using (company_id = (select nullif(current_setting('tenant_secrets.company_id', true), '')::uuid))
  with check (company_id = (select nullif(current_setting('tenant_secrets.company_id', true), '')::uuid) and kind <> 'secret');
create policy maintenance on region_copies to tenant_secrets_maintenance using (true) with check (kind <> 'secret');
create policy reader on region_copies for select to tenant_secrets_reader using (kind = 'secret');
create policy exporter on region_copies for select to tenant_secrets_exporter using (true);
grant select, insert on region_copies to tenant_secrets_application;
grant select, insert, update on region_copies to tenant_secrets_maintenance;
grant select on region_copies, region_beats to tenant_secrets_exporter;
-- The owner's own privileges were revoked above.
grant all on region_copies, region_beats to tenant_secrets_copies;
do $$
declare
  relation text;
begin
  foreach relation in array array['companies', 'company_keys', 'company_secrets', 'company_regions'] loop
    execute format('create policy copies on %I for select to tenant_secrets_copies using (true)', relation);
  end loop;
  foreach relation in array array['company_homes', 'region_refusals'] loop
    execute format('create policy copies on %I to tenant_secrets_copies using (true) with check (true)', relation);
  end loop;
end $$;
grant select on companies, company_keys, company_secrets, company_regions, regions to tenant_secrets_copies;
grant select, insert, update on company_homes, region_refusals to tenant_secrets_copies;

-- Of a company that has left for another region, the function leave_home deletes what only a home has (moves.sql).
do $$
declare
  relation text;
begin
  foreach relation in array array['company_secrets', 'company_secret_versions', 'company_keys', 'company_key_wraps', 'secret_uses',
    'write_requests', 'store_holds', 'rotation_policies', 'rotation_credentials']
  loop
    execute format('create policy mover on %I to tenant_secrets_mover using (true)', relation);
    execute format('grant select, delete on %I to tenant_secrets_mover', relation);
  end loop;
  foreach relation in array array['companies', 'company_homes'] loop
    execute format('create policy mover on %I for select to tenant_secrets_mover using (true)', relation);
  end loop;
end $$;
grant update (status, destroyed_at) on company_keys to tenant_secrets_mover;
grant select on companies, company_homes, master_keys to tenant_secrets_mover;

grant usage on sequence copy_revisions to tenant_secrets_copies, tenant_secrets_application, tenant_secrets_maintenance;
grant select on regions, company_regions, company_homes to tenant_secrets_application;
grant select, insert, update on regions to tenant_secrets_maintenance;
grant select, insert, update, delete on company_regions to tenant_secrets_maintenance;
grant select on company_homes, region_beats to tenant_secrets_maintenance;
grant select, delete on region_refusals to tenant_secrets_maintenance;
-- With the last copy of a company that is at home elsewhere goes what hangs on it here (regions.sql).
grant delete on companies, api_keys, invitations, member_names, secret_uses, company_subdomains, migration_companies
  to tenant_secrets_maintenance;
grant select, insert on region_receipts to tenant_secrets_maintenance;
-- Receipts of exports are made with the events of their secrets, and stay.
grant select, insert on export_receipts to tenant_secrets_application;
grant select on export_receipts to tenant_secrets_maintenance;

-- Passwords, sessions and second factors are for their role alone. It sees people by their e-mail addresses, and neither
-- memberships nor anything of a company. E-mail addresses are the core's to change.
grant usage on schema public, sign_in to tenant_secrets_sign_in;
grant select, insert, update, delete on all tables in schema sign_in to tenant_secrets_sign_in;
grant select (id, email, name, email_verified, two_factor_enabled, image, created_at, updated_at, disabled_at),
  update (name, email_verified, two_factor_enabled, image, updated_at)
  on users to tenant_secrets_sign_in;
