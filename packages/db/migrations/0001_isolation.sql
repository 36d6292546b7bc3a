-- Who may touch what. The four roles exist before any migration runs (provision.ts).

revoke all on schema public from public;
--> statement-breakpoint
grant usage on schema public to tenant_secrets_application, tenant_secrets_maintenance;
--> statement-breakpoint

-- Each row belongs to the company that the statement or transaction is set to. After a transaction-local
-- set_config the setting is '' and not null, hence the nullif; the subselect is evaluated once a statement.
-- No company set: no rows.
do $$
declare
  relation text;
  company_column text;
begin
  foreach relation in array array['companies', 'company_keys', 'company_key_wraps', 'company_secrets',
    'company_secret_versions', 'write_requests', 'api_keys', 'api_key_companies']
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
--> statement-breakpoint

-- Events are written about any company, or none (a refusal before a company is known), and read by company.
alter table audit_events enable row level security;
--> statement-breakpoint
alter table audit_events force row level security;
--> statement-breakpoint
create policy append on audit_events for insert to tenant_secrets_application with check (true);
--> statement-breakpoint
create policy company on audit_events for select to tenant_secrets_application 
  using (company_id = (select nullif(current_setting('tenant_secrets.company_id', true), '')::uuid));
--> statement-breakpoint
create policy maintenance on audit_events to tenant_secrets_maintenance using (true) with check (true);
--> statement-breakpoint

grant select on companies to tenant_secrets_application;
--> statement-breakpoint
grant select, insert on company_keys, company_key_wraps to tenant_secrets_application;
--> statement-breakpoint
grant select, insert, update on company_secrets to tenant_secrets_application;
--> statement-breakpoint
grant select, insert on company_secret_versions to tenant_secrets_application;
--> statement-breakpoint
grant update (sealed, company_key_no, fingerprint, hint, destroyed_at) on company_secret_versions to tenant_secrets_application;
--> statement-breakpoint
grant select, insert, update, delete on write_requests to tenant_secrets_application;
--> statement-breakpoint
grant select, insert on audit_events to tenant_secrets_application;
--> statement-breakpoint

grant select, insert, update on companies, master_keys, company_keys, company_secrets, company_secret_versions,
  operators, api_keys, audit_keys to tenant_secrets_maintenance;
--> statement-breakpoint
grant select, insert, delete on company_key_wraps, audit_key_wraps, api_key_companies, write_requests to tenant_secrets_maintenance;
--> statement-breakpoint
grant select, insert on audit_events to tenant_secrets_maintenance;
--> statement-breakpoint

-- A version never changes, but for what destruction and re-sealing touch, whoever asks.
create function refuse_version_change() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
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
  return new;
end $$;
--> statement-breakpoint
create trigger immutable_version before update on company_secret_versions
  for each row execute function refuse_version_change();
--> statement-breakpoint

-- Version numbers only grow, and a head is never re-used for another secret.
create function refuse_version_reuse() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  if (new.company_id, new.secret_key, new.id, new.created_at)
      is distinct from (old.company_id, old.secret_key, old.id, old.created_at)
    or new.last_version not between old.last_version and old.last_version + 1
  then
    raise exception 'the head of a secret keeps its name, and its versions are gapless' using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end $$;
--> statement-breakpoint
create trigger gapless_versions before update on company_secrets
  for each row execute function refuse_version_reuse();
--> statement-breakpoint

-- One statement for a read with row-level security on: the company is set for this statement, and put back as
-- it was, so that a caller's own transaction is not left in another company's scope.
create function read_secret(company uuid, wanted text)
  returns table (
    company_id uuid, secret_key text, secret_value_encrypted text, company_key_no integer, current_version integer,
    removed boolean)
  language plpgsql volatile
  set search_path = pg_catalog
as $$
declare
  outer_company text := current_setting('tenant_secrets.company_id', true);
begin
  perform set_config('tenant_secrets.company_id', company::text, true);
  return query
    select s.company_id, s.secret_key, s.secret_value_encrypted, s.company_key_no, s.current_version,
      s.deleted_at is not null
    from public.company_secrets s
    where s.company_id = company and s.secret_key = wanted;
  perform set_config('tenant_secrets.company_id', coalesce(outer_company, ''), true);
end $$;
--> statement-breakpoint

-- The look-ups that come before a company is known. They run as the maintenance role, which the policies let
-- through, with a pinned search_path, and answer exactly one row or none.
create function find_company(wanted text)
  returns table (id uuid, subdomain text, infisical_folder text, secret_store text, status text)
  language sql stable security definer
  set search_path = pg_catalog
as $$
  select c.id, c.subdomain, c.infisical_folder, c.secret_store, c.status
  from public.companies c where c.subdomain = wanted and c.deleted_at is null
$$;
--> statement-breakpoint
create function find_api_key(wanted text)
  returns table (id uuid, company_id uuid, name text, hash text, verbs text[], key_patterns text[], addresses text[],
    expires_at timestamptz, revoked_at timestamptz, company_ids uuid[], valid boolean)
  language sql stable security definer
  set search_path = pg_catalog
as $$
  select k.id, k.company_id, k.name, k.hash, k.verbs, k.key_patterns, k.addresses, k.expires_at, k.revoked_at,
    array(select l.company_id from public.api_key_companies l where l.api_key_id = k.id),
    k.revoked_at is null and k.expires_at > now()
  from public.api_keys k where k.prefix = wanted
$$;
--> statement-breakpoint
create function find_operator(wanted text)
  returns table (id uuid, name text, token_hash text, valid boolean)
  language sql stable security definer
  set search_path = pg_catalog
as $$
  select o.id, o.name, o.token_hash, o.revoked_at is null and o.expires_at > now()
  from public.operators o where o.token_prefix = wanted
$$;
--> statement-breakpoint
-- Sampled, so that a read does not become a write: at most one update a minute for a key.
create function touch_api_key(wanted uuid) returns void
  language sql volatile security definer
  set search_path = pg_catalog
as $$
  update public.api_keys set last_used_at = now()
  where id = wanted and (last_used_at is null or last_used_at < now() - interval '1 minute')
$$;
--> statement-breakpoint

grant create on schema public to tenant_secrets_maintenance;
--> statement-breakpoint
alter function find_company(text) owner to tenant_secrets_maintenance;
--> statement-breakpoint
alter function find_api_key(text) owner to tenant_secrets_maintenance;
--> statement-breakpoint
alter function find_operator(text) owner to tenant_secrets_maintenance;
--> statement-breakpoint
alter function touch_api_key(uuid) owner to tenant_secrets_maintenance;
--> statement-breakpoint
revoke create on schema public from tenant_secrets_maintenance;
--> statement-breakpoint
revoke execute on all functions in schema public from public;
--> statement-breakpoint
alter default privileges revoke execute on functions from public;
--> statement-breakpoint
grant execute on function read_secret(uuid, text), find_company(text), find_api_key(text),
  find_operator(text), touch_api_key(uuid) to tenant_secrets_application, tenant_secrets_maintenance;
